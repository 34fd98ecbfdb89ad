//! Who may come in, and what wrong requests are told.

use crate::harness::{http, open as open_socket, serve};
use omniwire::protocols::websocket::Message;
use omniwire::{Denied, Namespace, Omniwire, Origins, RequestInfo};
use std::net::SocketAddr;

pub(crate) const UPGRADE: &str = "Upgrade: websocket\nConnection: Upgrade\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n";

async fn status(address: SocketAddr, request: &str) -> u16 {
    let answer = http(address, request).await;
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
}

pub(crate) async fn server(origins: Origins) -> SocketAddr {
    let open = Namespace::new("/open");
    let closed = Namespace::new("/closed").authorize(|request: &RequestInfo| {
        match request.query_value("token").as_deref() {
            Some("good") => Ok(()),
            _ => Err(Denied::unauthorized("a token is needed")),
        }
    });
    let builder = Omniwire::builder().origins(origins).namespace(open).namespace(closed);
    serve(builder).await.1
}

/// Every way in, as the first line of a request and what else it needs.
pub(crate) const WAYS: [(&str, &str); 7] = [
    ("GET /ws/NS?Q", UPGRADE),
    ("GET /socket.io/?EIO=4&transport=polling&Q", ""),
    ("POST /signalr/NS/negotiate?Q", "Content-Length: 0\n"),
    ("GET /sockjs/NS/info?Q", ""),
    ("GET /sse/NS?Q", ""),
    ("GET /poll/NS?Q", ""),
    ("POST /send/NS?Q", "Content-Length: 2\n"),
];

pub(crate) async fn try_way(
    address: SocketAddr,
    way: usize,
    query: &str,
    namespace: &str,
    extra: &str,
) -> u16 {
    let (first, more) = WAYS[way];
    let line = first.replace("NS", namespace).replace('Q', query);
    let host = format!("127.0.0.1:{}", address.port());
    let body = if first.starts_with("POST /send") { "[]" } else { "" };
    let request = format!("{line} HTTP/1.0\nHost: {host}\n{more}{extra}\n{body}");
    // WebSockets need HTTP/1.1; the others end by themselves with 1.0.
    let request = match way {
        0 => request.replace("HTTP/1.0", "HTTP/1.1"),
        _ => request,
    };
    let answer = read_head(address, &request).await;
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
}

/// The head of an answer whose body may never end.
pub(crate) async fn read_head(address: SocketAddr, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0, "the head is whole");
    }
    String::from_utf8_lossy(&head).into_owned()
}

#[tokio::test]
async fn with_no_configuration_a_foreign_origin_is_403_on_every_way() {
    let address = server(Origins::default()).await;
    for (way, (line, _)) in WAYS.iter().enumerate() {
        let foreign = try_way(address, way, "", "open", "Origin: http://evil.example\n").await;
        assert_eq!(foreign, 403, "{line}");
        let null = try_way(address, way, "", "open", "Origin: null\n").await;
        assert_eq!(null, 403, "{line}");
        let own = format!("Origin: http://127.0.0.1:{}\n", address.port());
        assert!(try_way(address, way, "", "open", &own).await < 300, "{line}");
        assert!(try_way(address, way, "", "open", "").await < 300, "{line}");
    }
}

#[tokio::test]
async fn listed_origins_are_compared_exactly() {
    let address = server(Origins::list(["https://good.example"]).unwrap()).await;
    for (origin, allowed) in [
        ("https://good.example", true),
        ("https://good.example:443", true),
        ("http://good.example", false),
        ("https://good.example.evil.example", false),
        ("https://evilgood.example", false),
        ("https://good.example:444", false),
    ] {
        let status = try_way(address, 5, "", "open", &format!("Origin: {origin}\n")).await;
        assert_eq!(status < 300, allowed, "{origin}");
    }
    assert!(Origins::list(["good.example"]).is_err());
}

#[tokio::test]
async fn the_gate_is_passed_on_every_way() {
    let address = server(Origins::default()).await;
    // Socket.IO names its namespace later, in a packet: its gate is tested with its clients.
    for way in (0..WAYS.len()).filter(|way| *way != 1) {
        assert_eq!(try_way(address, way, "", "closed", "").await, 401, "{}", WAYS[way].0);
        for token in ["token=bad", "token=expired", "token=", "token=good%00", "token=GOOD"] {
            assert_eq!(try_way(address, way, token, "closed", "").await, 401, "{}", WAYS[way].0);
        }
        assert!(try_way(address, way, "token=good", "closed", "").await < 300, "{}", WAYS[way].0);
    }
}

/// What an application says of a request may hold parts of it: it must not be taken for a page.
#[tokio::test]
async fn what_the_gate_says_is_plain_text() {
    let strict = Namespace::new("/strict").authorize(|request: &RequestInfo| {
        Err(Denied::unauthorized(request.query_value("token").unwrap_or_default()))
    });
    let (_omniwire, address) = serve(Omniwire::builder().namespace(strict)).await;
    let path = "/sse/strict?token=%3Cscript%3E";
    let answer = http(address, &format!("GET {path} HTTP/1.0\nHost: x\n\n")).await;
    assert!(answer.contains("content-type: text/plain; charset=utf-8\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n<script>"), "{answer}");
}

/// The gate looks at each request, not only at the one that opened the session.
#[tokio::test]
async fn the_gate_is_passed_again_by_each_request_of_a_session() {
    let address = server(Origins::default()).await;
    let post = "Connection: close\nContent-Length: 0\n\n";
    let line = "POST /signalr/closed/negotiate?negotiateVersion=1&token=good HTTP/1.0\nHost: x\n";
    let answer = http(address, &format!("{line}{post}")).await;
    let token =
        answer.split("\"connectionToken\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let token = token.expect("a connection token");
    let poll = format!("/signalr/closed?id={token}");
    let opened =
        http(address, "POST /sockjs/closed/0/s/xhr?token=good HTTP/1.0\nHost: x\n\n").await;
    assert!(opened.starts_with("HTTP/1.0 200"), "{opened}");
    for request in [
        format!("GET {poll} HTTP/1.0\n"),
        format!("POST {poll} HTTP/1.0\n"),
        format!("DELETE {poll} HTTP/1.0\n"),
        "POST /sockjs/closed/0/s/xhr HTTP/1.0\n".to_owned(),
        "POST /sockjs/closed/0/s/xhr_send HTTP/1.0\n".to_owned(),
    ] {
        assert_eq!(status(address, &format!("{request}Host: x\n{post}")).await, 401, "{request}");
    }
}

fn user_of(request: &RequestInfo) -> Option<String> {
    Some(request.header("cookie")?.strip_prefix("user=")?.to_owned())
}

/// The part of an answer between two others.
fn between<'a>(answer: &'a str, before: &str, after: &str) -> &'a str {
    let rest = answer.split_once(before).expect(before).1;
    rest.split_once(after).expect(after).0
}

/// A session of each protocol that has a name, opened by one user: requests that go on with it.
async fn sessions_of(address: SocketAddr, user: &str) -> Vec<String> {
    let end = format!("Host: x\nCookie: user={user}\n");
    let empty = "Content-Length: 0\n";
    let post = |path: &str, body: &str| {
        format!("POST {path} HTTP/1.0\n{end}Content-Length: {}\n\n{body}", body.len())
    };
    let negotiated = http(address, &post("/signalr/mine/negotiate?negotiateVersion=1", "")).await;
    let token = between(&negotiated, "\"connectionToken\":\"", "\"");
    let hub = format!("/signalr/mine?id={token}");
    http(address, &post("/sockjs/mine/0/s/xhr", "")).await;
    let polled = http(address, &format!("GET /poll/mine HTTP/1.0\n{end}\n")).await;
    let cursor = between(&polled, "\"cursor\":\"", "\"");
    let session = cursor.split('.').next().expect("a token");
    let open = "/socket.io/?EIO=4&transport=polling";
    let opened = http(address, &format!("GET {open} HTTP/1.0\n{end}\n")).await;
    let sid = between(&opened, "\"sid\":\"", "\"");
    let entered = http(address, &post(&format!("{open}&sid={sid}"), "40/mine,")).await;
    assert!(entered.ends_with("ok"), "{entered}");
    let polled = http(address, &format!("GET {open}&sid={sid} HTTP/1.0\n{end}\n")).await;
    assert!(polled.contains("40/mine,{"), "{polled}");
    let upgrade = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
    vec![
        format!("POST {hub} HTTP/1.1\n{empty}"),
        format!("GET {hub} HTTP/1.1\n"),
        format!("GET {hub} HTTP/1.1\n{UPGRADE}"),
        format!("DELETE {hub} HTTP/1.1\n"),
        format!("POST /sockjs/mine/0/s/xhr_send HTTP/1.1\n{empty}"),
        format!("POST /sockjs/mine/1/s/xhr HTTP/1.1\n{empty}"),
        format!("POST /sockjs/mine/1/s/xhr_streaming HTTP/1.1\n{empty}"),
        "GET /sockjs/mine/1/s/eventsource HTTP/1.1\n".to_owned(),
        format!("POST /send/mine?session={session} HTTP/1.1\n{empty}"),
        format!("GET /poll/mine?cursor={cursor} HTTP/1.1\n"),
        format!("GET {open}&sid={sid} HTTP/1.1\n"),
        format!("POST {open}&sid={sid} HTTP/1.1\n{empty}"),
        format!("GET {upgrade} HTTP/1.1\n{UPGRADE}"),
    ]
}

/// A session's name is no secret enough: it is in URLs, and SockJS clients make theirs themselves.
#[tokio::test]
async fn a_session_is_not_taken_over_by_another_user() {
    let (omniwire, address) =
        serve(Omniwire::builder().namespace(Namespace::new("/mine").identify(user_of))).await;
    let requests = sessions_of(address, "alice").await;
    let sessions = omniwire.stats().sessions;
    for request in &requests {
        for other in ["Cookie: user=mallory\n", "Cookie: user=\n", ""] {
            let request = format!("{request}Host: x\n{other}\n");
            let answer = read_head(address, &request).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{request}: {answer}");
        }
    }
    // Nothing of it was heard, and no session was ended.
    assert_eq!(omniwire.stats().sessions, sessions);
    for request in requests.iter().filter(|request| request.starts_with("POST")) {
        let answer = read_head(address, &format!("{request}Host: x\nCookie: user=alice\n\n")).await;
        assert!(!answer.starts_with("HTTP/1.1 403"), "{request}: {answer}");
    }
}

/// Socket.IO names its namespace in a packet: each token on either transport.
#[tokio::test]
async fn the_gate_is_passed_by_socketio_too() {
    let address = server(Origins::default()).await;
    let refused = "44/closed,{\"message\":\"a token is needed\"}";
    for token in ["", "token=bad", "token=expired", "token=good"] {
        let open = format!("/socket.io/?EIO=4&transport=polling&{token}");
        let opened = http(address, &format!("GET {open} HTTP/1.0\n\n")).await;
        let sid = between(&opened, "\"sid\":\"", "\"");
        // The token of the request that opened the session counts, not that of a later one.
        let later = format!("/socket.io/?EIO=4&transport=polling&token=good&sid={sid}");
        let body = "40/closed,";
        let head = format!("POST {later} HTTP/1.0\nContent-Length: {}\n\n", body.len());
        http(address, &(head + body)).await;
        let polled = http(address, &format!("GET {later} HTTP/1.0\n\n")).await;
        let path = format!("/socket.io/?EIO=4&transport=websocket&{token}");
        let mut socket = open_socket(address, &path, "engine.io").await;
        socket.send(Message::text(body)).await.unwrap();
        let mut heard = String::new();
        while !heard.starts_with('4') {
            let Some(Ok(Message::Text(text))) = socket.recv().await else { panic!("{heard}") };
            heard = text.to_string();
        }
        let answered = if token == "token=good" { "40/closed,{" } else { refused };
        assert!(polled.contains(answered) && heard.contains(answered), "{polled} {heard}");
    }
}

/// A page whose own name has been made to mean 127.0.0.1 has that name for its Host and its Origin.
#[tokio::test]
async fn on_loopback_other_names_are_misdirected_on_every_way() {
    let address = server(Origins::any()).await;
    for (first, more) in WAYS {
        let line = first.replace("NS", "open").replace("?Q", "").replace("&Q", "");
        let names = "Host: evil.example\nOrigin: http://evil.example\nConnection: close\n";
        let request = format!("{line} HTTP/1.1\n{names}{more}\n");
        let request = request.replace("Connection: close\nUpgrade", "Upgrade");
        let answer = read_head(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 421"), "{line}: {answer}");
    }
}

#[tokio::test]
async fn wrong_paths_and_methods_are_told() {
    let address = server(Origins::default()).await;
    let end = "Host: x\nConnection: close\n\n";
    for (line, wanted) in [
        ("GET /nowhere", 404),
        ("GET /ws/none", 404),
        ("GET /ws/open/deeper", 404),
        ("GET /ws/open", 426),
        ("POST /ws/open", 405),
        ("DELETE /sse/open", 405),
        ("GET /send/open", 405),
        ("GET /signalr/open/negotiate", 405),
        ("GET /signalr/open?id=nobody", 404),
        ("GET /poll/open?cursor=nobody.1", 404),
        ("GET /poll/open?cursor=nonsense", 400),
        ("POST /sockjs/open/0/nobody/xhr_send", 404),
        ("GET /socket.io/?EIO=4&transport=pigeon", 400),
    ] {
        let got = status(address, &format!("{line} HTTP/1.1\n{end}")).await;
        assert_eq!(got, wanted, "{line}");
    }
}

#[tokio::test]
async fn who_posts_too_much_sees_the_answer() {
    let address = server(Origins::default()).await;
    let opened = http(address, "GET /socket.io/?EIO=4&transport=polling HTTP/1.0\n\n").await;
    let sid = opened.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let body = "x".repeat(12_000_000);
    let line = format!("POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1");
    let head = format!("{line}\nHost: x\nConnection: close\nContent-Length: {}\n\n", body.len());
    let request = head + &body;
    for _ in 0..20 {
        assert_eq!(status(address, &request).await, 413);
    }
}

#[tokio::test]
async fn rfc6455_4_4_another_version_is_426_with_ours() {
    let address = server(Origins::default()).await;
    let old = UPGRADE.replace(": 13", ": 8");
    let request = format!("GET /ws/open HTTP/1.1\nHost: x\n{old}\n");
    let answer = read_head(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
    assert!(answer.contains("sec-websocket-version: 13"), "{answer}");
    let broken = UPGRADE.replace("dGhl", "!!!!");
    let answer = read_head(address, &format!("GET /ws/open HTTP/1.1\nHost: x\n{broken}\n")).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_handshake_has_one_timer_that_no_byte_resets() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = server(Origins::default()).await;
    for beginning in ["", "P", "GET /ws/open HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let begun = tokio::time::Instant::now();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        let waited = begun.elapsed().as_secs();
        assert!((9..=20).contains(&waited), "{beginning:?}: {waited} s");
    }
}
