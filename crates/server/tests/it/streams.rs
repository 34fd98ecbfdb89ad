//! Responses that do not end, with clients that read them by hand, or don't.

use crate::harness::{Client, http, serve, until};
use crate::log::{listen, read};
use omniwire::protocols::sockjs;
use omniwire::{Limits, Namespace, Omniwire, Peer, SockJsMount};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// No event may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// A response that is read as far as somebody asks.
struct Stream {
    tcp: TcpStream,
    came: String,
}

impl Stream {
    /// Its socket takes little that nobody reads.
    async fn open(address: SocketAddr, request: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let mut tcp = socket.connect(address).await.unwrap();
        let fields = "Host: x\r\nAccept: text/event-stream\r\nContent-Length: 0";
        let request = format!("{request} HTTP/1.1\r\n{fields}\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        Self { tcp, came: String::new() }
    }

    /// What comes, up to and with `what`; `None` if the response ends without it.
    async fn until(&mut self, what: &str) -> Option<String> {
        loop {
            if let Some(at) = self.came.find(what) {
                let rest = self.came.split_off(at + what.len());
                return Some(std::mem::replace(&mut self.came, rest));
            }
            let mut piece = vec![0; 64 << 10];
            let len = timeout(PATIENCE, self.tcp.read(&mut piece)).await.expect("more in time");
            let len = len.unwrap_or(0);
            let text = String::from_utf8_lossy(&piece[..len]);
            self.came.push_str(&text);
            let is_over = len == 0 || self.came.ends_with("\r\n0\r\n\r\n");
            if is_over && !self.came.contains(what) {
                return None;
            }
        }
    }

    /// What stands between two texts.
    async fn between(&mut self, before: &str, after: &str) -> String {
        self.until(before).await.expect(before);
        let found = self.until(after).await.expect(after);
        found.strip_suffix(after).unwrap().to_owned()
    }
}

fn rooms() -> Namespace {
    Namespace::new("/rooms").on_connect(|peer: Peer| async move { peer.join("all") })
}

#[tokio::test]
async fn a_second_event_stream_takes_over_the_session_of_the_first() {
    let (omniwire, address) = serve(Omniwire::builder().namespace(rooms())).await;
    let all = omniwire.namespace("/rooms").unwrap().to("all");
    let mut first = Stream::open(address, "GET /sse/rooms").await;
    let session = first.between("\"session\":\"", "\"").await;
    all.emit("said", ("to the first",)).await.unwrap();
    first.until("to the first").await.unwrap();

    let path = format!("GET /sse/rooms?session={session}");
    let mut second = Stream::open(address, &path).await;
    assert_eq!(first.until("to the second").await, None, "the first has ended");
    second.until("200 OK").await.unwrap();
    all.emit("said", ("to the second",)).await.unwrap();
    second.until("to the second").await.unwrap();
    assert_eq!(omniwire.stats().sessions, 1, "it is one session still");

    drop(second);
    until(|| omniwire.stats().sessions == 0).await;
    let gone = http(address, &format!("{path} HTTP/1.0\nHost: x\n\n")).await;
    assert!(gone.contains(" 404 "), "{gone}");
}

/// A SignalR client over server-sent events, as far as its handshake. The stream, and its path.
async fn open_hub(address: SocketAddr, hub: &str) -> (Stream, String) {
    let post = |path: String, body: &'static str| async move {
        let len = body.len();
        let head = format!("POST {path} HTTP/1.0\nHost: x\nContent-Length: {len}\n\n{body}");
        http(address, &head).await
    };
    let negotiated = post(format!("{hub}/negotiate?negotiateVersion=1"), "").await;
    let token = negotiated.split_once("\"connectionToken\":\"").unwrap().1;
    let path = format!("{hub}?id={}", token.split_once('"').unwrap().0);
    let mut stream = Stream::open(address, &format!("GET {path}")).await;
    stream.until("200 OK").await.unwrap();
    post(path.clone(), "{\"protocol\":\"json\",\"version\":1}\u{1e}").await;
    stream.until("data: {}\u{1e}").await.unwrap();
    (stream, path)
}

/// SignalR has no way back to an event stream: so that nobody believes what is said to be heard,
/// the session is over as soon as the client has gone.
#[tokio::test]
async fn a_signalr_event_stream_that_broke_off_is_over_and_hears_nothing_more() {
    let (omniwire, address) = serve(Omniwire::builder().namespace(rooms())).await;
    let namespace = omniwire.namespace("/rooms").unwrap();
    let (mut stream, path) = open_hub(address, "/signalr/rooms").await;
    until(|| namespace.room_len("all") == 1).await;
    assert_eq!(namespace.to("all").emit("said", ("heard",)).await.unwrap().taken, 1);
    stream.until("heard").await.unwrap();
    drop(stream);
    until(|| omniwire.stats().sessions == 0).await;
    assert_eq!(namespace.to("all").emit("said", ("to nobody",)).await.unwrap().taken, 0);
    let answer = http(address, &format!("GET {path} HTTP/1.0\nHost: x\n\n")).await;
    assert!(answer.contains(" 404 ") && answer.contains("No Connection with that ID"), "{answer}");
}

/// Single-threaded, as the subscriber is.
#[tokio::test]
async fn who_does_not_read_a_stream_is_closed_as_slow_and_named_in_the_log() {
    for (protocol, request) in [
        ("SSE", "GET /sse/rooms"),
        ("SockJS", "POST /long/0/one/xhr_streaming"),
        ("SockJS", "GET /long/0/two/eventsource"),
        ("SignalR", "/signalr/rooms"),
    ] {
        let (paper, _guard) = listen();
        let mut limits = Limits::default();
        limits.outbox_len_max = 1 << 20;
        // Else a new response would be due, for which the session waits 5 s.
        let mut config = sockjs::Config::default();
        config.response_len_max = 1 << 30;
        let builder = Omniwire::builder().limits(limits).namespace(rooms());
        let builder = builder.mount("/long", SockJsMount::new("/rooms").config(config));
        let (omniwire, address) = serve(builder).await;
        let namespace = omniwire.namespace("/rooms").unwrap();
        let slow = match protocol {
            "SignalR" => open_hub(address, request).await.0,
            _ => Stream::open(address, request).await,
        };
        let mut quick = Client::connect(address, "/ws/rooms").await;
        until(|| namespace.room_len("all") == 2).await;

        let ballast = "x".repeat(64 << 10);
        let mut number = 0;
        while omniwire.stats().slow_peers_closed == 0 {
            assert!(number < 500, "{request} takes whatever comes");
            namespace.to("all").emit("n", (number, &ballast)).await.unwrap();
            assert_eq!(quick.next().await["args"][0], json!(number), "the other one hears all");
            number += 1;
        }
        let log = read(&paper);
        let line = log.lines().find(|line| line.contains("its outbox is full: it is closed"));
        let line = line.unwrap_or_else(|| panic!("no line in {log}"));
        assert!(line.contains(&format!("protocol=\"{protocol}\"")), "{line}");
        assert!(line.contains("buffered=") && line.contains("remote="), "{line}");
        assert!(!line.contains(&quick.id), "{line}");
        until(|| namespace.room_len("all") == 1).await;
        drop(slow);
    }
}
