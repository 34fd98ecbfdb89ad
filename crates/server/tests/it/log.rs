//! What the log says of peers: no secret, and nothing that they could have written themselves.

use crate::harness::{Client, http, open, serve, until};
use omniwire::protocols::websocket::Message;
use omniwire::{Args, Denied, Failure, Limits, Namespace, Omniwire, Peer, RequestInfo};
use serde_json::json;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

const CANARY: &str = "canary-5f3a9c";

/// What is written here can be read again.
#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that this thread logs, down to the last detail.
pub(crate) fn listen() -> (Paper, tracing::subscriber::DefaultGuard) {
    // With one subscriber, tracing asks only the thread that first reaches a line whether anybody
    // wants it: one of another test, which has none. With two it asks both.
    static SECOND: OnceLock<tracing::Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| tracing::Dispatch::new(tracing_subscriber::registry()));
    let paper = Paper::default();
    let writer = paper.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    (paper, tracing::subscriber::set_default(subscriber))
}

pub(crate) fn read(paper: &Paper) -> String {
    String::from_utf8(paper.0.lock().unwrap().clone()).expect("a log is text")
}

/// Single-threaded, as the subscriber is.
#[tokio::test]
async fn no_secret_of_a_request_is_logged_on_any_way() {
    let (paper, _guard) = listen();
    let gate = |request: &RequestInfo| match request.query_value("access_token").as_deref() {
        Some(CANARY) => Ok(()),
        _ => Err(Denied::unauthorized("a token is needed")),
    };
    let builder = Omniwire::builder()
        .namespace(Namespace::new("/open"))
        .namespace(Namespace::new("/closed").authorize(gate));
    let (_omniwire, address) = serve(builder).await;
    for origin in ["http://evil.example", ""] {
        for namespace in ["open", "closed"] {
            for line in [
                "GET /ws/NS?Q",
                "GET /socket.io/?EIO=4&transport=polling&Q",
                "GET /socket.io/?EIO=9&Q",
                "POST /signalr/NS/negotiate?Q",
                "GET /signalr/NS?id=none&Q",
                "GET /sockjs/NS/info?Q",
                "POST /sockjs/NS/0/s/xhr?Q",
                "POST /send/NS?Q",
                "GET /poll/NS?cursor=x&Q",
                "GET /none?Q",
            ] {
                let line = line.replace("NS", namespace);
                let line = line.replace('Q', &format!("access_token={CANARY}&token={CANARY}"));
                let origin = if origin.is_empty() { "" } else { "Origin: http://evil.example\n" };
                http(
                    address,
                    &format!(
                        "{line} HTTP/1.0\nHost: x\n{origin}Authorization: Bearer {CANARY}\n\
                     Cookie: session={CANARY}\nSec-WebSocket-Protocol: {CANARY}\n\
                     Content-Length: 0\n\n"
                    ),
                )
                .await;
            }
        }
    }
    let log = read(&paper);
    assert!(log.contains("refused a page of another origin"), "{log}");
    assert!(!log.contains(CANARY), "{log}");
}

/// What a peer brings upon itself is no error of the server's, and a handler that it can make fail
/// does not fill the log.
#[tokio::test]
async fn a_peers_own_mistakes_are_no_errors() {
    let (paper, _guard) = listen();
    let rooms = Namespace::new("/rooms")
        .on("join", |peer: Peer, Args((room,)): Args<(String,)>| async move {
            peer.join(room)?;
            Ok::<(), Failure>(())
        })
        .on("fail", || async { Err::<(), Failure>(io::Error::other("it fails").into()) });
    let mut limits = Limits::default();
    limits.rooms_max = 1;
    let (_omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(rooms)).await;
    let mut client = Client::connect(address, "/ws/rooms").await;
    for room in ["one", "two", "three"] {
        client.call("join", json!([room])).await;
    }
    assert!(!read(&paper).contains("ERROR"), "{}", read(&paper));
    assert!(read(&paper).contains("in too many rooms"));
    for _ in 0..50 {
        client.call("fail", json!([])).await;
    }
    let errors = read(&paper).lines().filter(|line| line.contains("ERROR")).count();
    assert!((1..50).contains(&errors), "{errors} lines");
}

/// When the database that `admit` asks is down, all clients hear "internal error": the log says
/// why.
#[tokio::test]
async fn who_is_turned_away_by_an_error_of_ours_leaves_a_line() {
    let (paper, _guard) = listen();
    let broken = || async { Err::<(), Failure>(io::Error::other("no database").into()) };
    let banned = || async { Err::<(), Failure>(Failure::client("you are banned")) };
    // Which would be the peer's own doing later.
    let too_early = |peer: Peer| async move { peer.join("lobby") };
    let builder = Omniwire::builder()
        .namespace(Namespace::new("/admit").admit(broken))
        .namespace(Namespace::new("/connect").on_connect(broken))
        .namespace(Namespace::new("/early").admit(too_early))
        .namespace(Namespace::new("/banned").admit(banned));
    let (_omniwire, address) = serve(builder).await;
    for (namespace, lines, handler, why) in [
        ("banned", 0, "admit", ""),
        ("admit", 1, "admit", "no database"),
        ("connect", 2, "connect", "no database"),
        ("early", 3, "admit", "the peer is not let in yet"),
    ] {
        let answer = http(address, &format!("GET /poll/{namespace} HTTP/1.0\n\n")).await;
        assert!(answer.contains("refused"), "{answer}");
        let log = read(&paper);
        let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), lines, "{namespace}: {log}");
        let says_why = |line: &&str| line.contains(why) && line.contains(handler);
        assert!(errors.last().is_none_or(says_why), "{log}");
    }
}

/// A client that is asked something and leaves instead, by a packet or by a cut.
#[tokio::test]
async fn a_client_that_leaves_while_it_is_asked_is_no_error() {
    let (paper, _guard) = listen();
    let asking = Namespace::new("/").on("ask", |peer: Peer| async move {
        peer.ask::<(u8,)>("question", (), Duration::from_secs(60)).await?;
        Ok::<(), Failure>(())
    });
    let (_omniwire, address) = serve(Omniwire::builder().bare_namespace(asking)).await;
    for leaves_by_packet in [true, false] {
        let mut socket = open(address, "/socket.io/?EIO=4&transport=websocket", "").await;
        socket.send(Message::text("40")).await.unwrap();
        socket.send(Message::text("42[\"ask\"]")).await.unwrap();
        let mut asked = false;
        while !asked {
            let message = socket.recv().await.expect("a question").unwrap();
            asked = matches!(message, Message::Text(text) if text.contains("question"));
        }
        if leaves_by_packet {
            socket.send(Message::text("41")).await.unwrap();
        }
        drop(socket);
        let failures = if leaves_by_packet { 1 } else { 2 };
        until(|| read(&paper).matches("a handler failed").count() == failures).await;
    }
    let log = read(&paper);
    assert!(log.contains("the client disconnected") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn a_peer_can_not_forge_a_line_of_the_log_nor_fill_it() {
    let (paper, _guard) = listen();
    let failing = Namespace::new("/failing")
        .on_any(|| async { Err::<(), Failure>(io::Error::other("it fails").into()) });
    let (_omniwire, address) = serve(Omniwire::builder().namespace(failing)).await;
    let forged = "x\r\n2026-01-01T00:00:00Z ERROR omniwire: forged \u{1b}[31m";
    let mut client = Client::connect(address, "/ws/failing").await;
    client.call(forged, json!([])).await;
    client.call(&"long".repeat(60), json!([])).await;
    http(address, "GET /ws/failing HTTP/1.0\nHost: x\nOrigin: \u{1b}[31mred\n\n").await;
    let log = read(&paper);
    assert!(log.contains("forged"), "the event is named: {log}");
    // Not as a second `message`, which JSON has no place for.
    assert!(log.contains(r#"error="it fails""#), "{log}");
    assert!(log.contains("a handler failed"), "{log}");
    let ours = |line: &&str| line.contains("omniwire");
    for line in log.lines().filter(ours) {
        assert!(!line.trim_start().starts_with("2026-01-01"), "{line}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
        assert!(line.len() < 1000, "{line}");
    }
}

#[tokio::test]
async fn a_flood_that_is_refused_is_no_flood_of_lines() {
    let (log, _guard) = listen();
    let mut limits = Limits::default();
    limits.sessions_max = 1;
    let builder = Omniwire::builder().limits(limits).namespace(Namespace::new("/open"));
    let (omniwire, address) = serve(builder).await;
    let _one = Client::connect(address, "/ws/open").await;
    for _ in 0..100 {
        let answer = http(address, "GET /poll/open HTTP/1.0\n\n").await;
        assert!(answer.starts_with("HTTP/1.0 503"), "{answer}");
    }
    assert_eq!(omniwire.stats().sessions_refused, 100);
    // The first, the second, the fourth...
    assert_eq!(read(&log).matches("refused a session").count(), 7);
}
