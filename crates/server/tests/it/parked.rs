//! Answers that have to wait, in virtual time: hyper is done without meanwhile, and nobody notices.

use axum::Router;
use axum::routing::get;
use omniwire::Omniwire;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// `/slow` is answered when somebody says so, `/quick` at once.
struct Site {
    address: SocketAddr,
    may_answer: Arc<Semaphore>,
    /// Of `/slow`, answers that are waited for.
    waiting: Arc<AtomicUsize>,
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Site {
    async fn serve() -> Self {
        let may_answer = Arc::new(Semaphore::new(0));
        let waiting = Arc::<AtomicUsize>::default();
        let state = (Arc::clone(&may_answer), Arc::clone(&waiting));
        let slow = move || {
            let (may_answer, waiting) = state.clone();
            async move {
                waiting.fetch_add(1, Ordering::SeqCst);
                let _waiting = Waiting(waiting);
                may_answer.acquire().await.unwrap().forget();
                "at last"
            }
        };
        let router =
            Router::new().route("/slow", get(slow)).route("/quick", get(|| async { "now" }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let omniwire = Omniwire::builder().build().unwrap();
        tokio::spawn(async move {
            omniwire::serve(listener, router, &omniwire, std::future::pending()).await.unwrap();
        });
        Self { address, may_answer, waiting }
    }

    /// Asks, and lets far more time go by than anybody keeps hyper for.
    async fn ask(&self, requests: &str) -> TcpStream {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        send(&mut tcp, requests).await;
        sleep(Duration::from_secs(2)).await;
        assert!(self.waiting.load(Ordering::SeqCst) > 0);
        tcp
    }
}

async fn send(tcp: &mut TcpStream, requests: &str) {
    tcp.write_all(requests.replace('\n', "\r\n").as_bytes()).await.unwrap();
}

/// Reads answers until this has come.
async fn read(tcp: &mut TcpStream, what: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(what) {
        let mut piece = [0; 4096];
        let len = timeout(Duration::from_secs(20), tcp.read(&mut piece)).await;
        let len = len.unwrap_or_else(|_| panic!("{what:?} in time, not only {text:?}")).unwrap();
        assert_ne!(len, 0, "{what:?} before the end, not only {text:?}");
        text.push_str(std::str::from_utf8(&piece[..len]).unwrap());
    }
    text
}

const SLOW: &str = "GET /slow HTTP/1.1\nHost: x\n\n";
const QUICK: &str = "GET /quick HTTP/1.1\nHost: x\n\n";

#[tokio::test(start_paused = true)]
async fn the_connection_goes_on_after_an_answer_that_was_waited_for() {
    let site = Site::serve().await;
    let mut tcp = site.ask(SLOW).await;
    for _ in 0..3 {
        site.may_answer.add_permits(1);
        let answer = read(&mut tcp, "\r\n\r\nat last").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        for field in ["content-type: text/plain", "content-length: 7\r\n", "date: "] {
            assert!(answer.contains(&format!("\r\n{field}")), "{field} in {answer}");
        }
        send(&mut tcp, QUICK).await;
        read(&mut tcp, "\r\n\r\nnow").await;
        send(&mut tcp, SLOW).await;
        sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_follow_at_once_are_answered_in_order() {
    let site = Site::serve().await;
    // With the first, while it waits, and cut anywhere.
    let both = format!("{SLOW}{QUICK}");
    let mut together = site.ask(&both).await;
    let mut later = site.ask(SLOW).await;
    send(&mut later, QUICK).await;
    let mut cut = site.ask(&both[..SLOW.len() + 5]).await;
    send(&mut cut, &both[SLOW.len() + 5..]).await;
    for tcp in [&mut together, &mut later, &mut cut] {
        sleep(Duration::from_secs(2)).await;
        site.may_answer.add_permits(1);
        let answers = read(tcp, "\r\n\r\nnow").await;
        assert!(answers.contains("\r\n\r\nat lastHTTP/1.1 200 OK"), "{answers}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_connection_is_closed_where_the_client_wants_no_more() {
    let site = Site::serve().await;
    let mut tcp = site.ask(&SLOW.replace("Host: x\n", "Host: x\nConnection: close\n")).await;
    site.may_answer.add_permits(1);
    let answer = read(&mut tcp, "at last").await;
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(tcp.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_is_not_waited_for() {
    let site = Site::serve().await;
    let tcp = site.ask(SLOW).await;
    assert_eq!(site.waiting.load(Ordering::SeqCst), 1);
    drop(tcp);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(site.waiting.load(Ordering::SeqCst), 0);
}
