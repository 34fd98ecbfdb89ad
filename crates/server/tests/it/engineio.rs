//! Engine.IO and Socket.IO below their protocols: headers of answers, compressed WebSockets, and
//! what brought down npm's `engine.io`, each by its advisory.

use crate::harness::{http, serve, until};
use http::{HeaderMap, HeaderValue};
use omniwire::protocols::websocket::handshake::client;
use omniwire::protocols::websocket::{self, ClientStream, Message, WebSocket, deflate};
use omniwire::{
    Args, Builder, Denied, Limits, Namespace, Omniwire, Peer, RequestInfo, SocketIoMount,
};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const UPGRADE: &str = "Upgrade: websocket\nConnection: Upgrade\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n";

fn builder(mount: SocketIoMount) -> Builder {
    let main = Namespace::new("/").on("echo", |peer: Peer, text: Args<(String,)>| {
        std::future::ready(peer.emit("echo-back", text.0))
    });
    Omniwire::builder().without_socketio().bare_namespace(main).mount("/socket.io", mount)
}

async fn get(address: SocketAddr, target: &str) -> String {
    http(address, &format!("GET {target} HTTP/1.0\nHost: {address}\n\n")).await
}

async fn post(address: SocketAddr, target: &str, kind: &str, body: &str) -> String {
    let head = format!("POST {target} HTTP/1.0\nHost: {address}\nContent-Type: {kind}\n");
    http(address, &format!("{head}Content-Length: {}\n\n{body}", body.len())).await
}

/// A session on polling: the target of its requests.
async fn polling(address: SocketAddr) -> String {
    format!("{POLLING}&sid={}", sid(&get(address, POLLING).await))
}

fn sid(opened: &str) -> &str {
    let rest = opened.split_once("\"sid\":\"").expect("an open packet").1;
    rest.split('"').next().unwrap_or_default()
}

async fn websocket(address: SocketAddr, target: &str) -> WebSocket<ClientStream> {
    websocket_with(address, target, client::Options::default()).await
}

async fn websocket_with(
    address: SocketAddr,
    target: &str,
    options: client::Options,
) -> WebSocket<ClientStream> {
    let url = format!("ws://{address}{}", target.replace("polling", "websocket"));
    let connect = websocket::connect_with(&url, options, websocket::Config::default());
    timeout(PATIENCE, connect).await.expect("connected in time").unwrap()
}

async fn text(socket: &mut WebSocket<ClientStream>) -> String {
    match timeout(PATIENCE, socket.recv()).await.expect("a message in time") {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("no text: {other:?}"),
    }
}

fn counted(name: &'static str) -> impl Fn(&RequestInfo, &mut HeaderMap) + Send + Sync {
    move |request, headers| {
        let method = HeaderValue::from_str(request.method().as_str()).unwrap();
        headers.append(name, method);
    }
}

#[tokio::test]
async fn headers_of_the_first_answer_and_of_every_answer() {
    let mount =
        SocketIoMount::new().on_initial_headers(counted("x-first")).on_headers(counted("x-every"));
    let (_omniwire, address) = serve(builder(mount)).await;
    let has = |answer: &str, name: &str| answer.contains(&format!("\r\n{name}: "));
    let first = get(address, POLLING).await;
    assert!(has(&first, "x-first") && has(&first, "x-every"), "{first}");
    let target = format!("{POLLING}&sid={}", sid(&first));
    let posted = post(address, &target, "text/plain", "40").await;
    let polled = get(address, &target).await;
    for later in [&posted, &polled] {
        assert!(!has(later, "x-first") && has(later, "x-every"), "{later}");
    }
    assert!(posted.contains("x-every: POST"), "{posted}");
    // A refusal is not dressed.
    let refused = get(address, &format!("{POLLING}&sid=nobody")).await;
    assert!(!has(&refused, "x-first") && !has(&refused, "x-every"), "{refused}");
    // A WebSocket's handshake: of a new session, and of one that moves.
    for (target, is_first) in [(POLLING, true), (&*polling(address).await, false)] {
        let target = target.replace("polling", "websocket");
        let (head, _) = upgrade(address, &target).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert_eq!(has(&head, "x-first"), is_first, "{head}");
        assert!(has(&head, "x-every"), "{head}");
    }
}

/// A handshake by hand: its answer, and the connection.
async fn upgrade(address: SocketAddr, target: &str) -> (String, TcpStream) {
    ask(address, &format!("GET {target} HTTP/1.1\nHost: x\n{UPGRADE}\n")).await
}

/// The head of an answer whose body may never end.
async fn read_head(address: SocketAddr, request: &str) -> String {
    ask(address, request).await.0
}

async fn ask(address: SocketAddr, request: &str) -> (String, TcpStream) {
    ask_on(TcpStream::connect(address).await.unwrap(), request).await
}

async fn ask_on(mut stream: TcpStream, request: &str) -> (String, TcpStream) {
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    // One octet at a time: what is behind the head is not for us.
    while !head.ends_with(b"\r\n\r\n") {
        let octet = timeout(PATIENCE, stream.read_u8()).await.expect("the head in time");
        head.push(octet.expect("the head is whole"));
    }
    (String::from_utf8_lossy(&head).into_owned(), stream)
}

#[tokio::test]
async fn permessage_deflate_is_an_option() {
    let offer = || client::Options {
        deflate: Some(deflate::Config::default()),
        ..client::Options::default()
    };
    for agreed in [false, true] {
        let mut mount = SocketIoMount::new();
        if agreed {
            mount = mount.deflate(deflate::Config { threshold: 1024, ..Default::default() });
        }
        let (_omniwire, address) = serve(builder(mount)).await;
        let websocket = POLLING.replace("polling", "websocket");
        let offered = format!("{UPGRADE}Sec-WebSocket-Extensions: permessage-deflate\n");
        let request = format!("GET {websocket} HTTP/1.1\nHost: x\n{offered}\n");
        let head = read_head(address, &request).await.to_lowercase();
        assert_eq!(head.contains("permessage-deflate"), agreed, "{head}");
        let mut socket = websocket_with(address, POLLING, offer()).await;
        assert!(text(&mut socket).await.starts_with("0{"));
        socket.send(Message::text("40")).await.unwrap();
        assert!(text(&mut socket).await.starts_with("40{"));
        let long = "again and ".repeat(1_000);
        socket.send(Message::text(format!("42[\"echo\",\"{long}\"]"))).await.unwrap();
        assert_eq!(text(&mut socket).await, format!("42[\"echo-back\",\"{long}\"]"));
    }
}

/// Says `said` to its peer, compressed if it may be.
fn saying() -> Namespace {
    let say = |peer: Peer, Args((compress,)): Args<(bool,)>| async move {
        let said = "again and ".repeat(500);
        peer.alone().compress(compress).emit("said", said).await.map(|_| ())
    };
    Namespace::new("/").on("say", say)
}

fn saying_server() -> Builder {
    let mount = SocketIoMount::new().deflate(deflate::Config::default());
    Omniwire::builder().without_socketio().bare_namespace(saying()).mount("/socket.io", mount)
}

#[tokio::test]
async fn what_is_not_to_be_compressed_leaves_a_websocket_as_it_is() {
    let (_omniwire, address) = serve(saying_server()).await;
    let offered = format!("{UPGRADE}Sec-WebSocket-Extensions: permessage-deflate\n");
    let target = POLLING.replace("polling", "websocket");
    let request = format!("GET {target} HTTP/1.1\nHost: x\n{offered}\n");
    let (head, mut stream) = ask(address, &request).await;
    assert!(head.to_lowercase().contains("permessage-deflate"), "{head}");
    for packet in ["40", "42[\"say\",true]", "42[\"say\",false]"] {
        // A whole text frame with a mask that changes nothing.
        let head = [0x81, 0x80 | packet.len() as u8, 0, 0, 0, 0];
        stream.write_all(&[&head[..], packet.as_bytes()].concat()).await.unwrap();
    }
    let long = 500 * "again and ".len();
    let (mut compressed, mut plain) = (0, 0);
    while plain == 0 {
        let (first, payload) = timeout(PATIENCE, read_frame(&mut stream)).await.expect("a frame");
        match first {
            // RFC 7692, 7.2.1: RSV1 says that the message is compressed.
            0xc1 if payload.len() < long => compressed += 1,
            0x81 if payload.len() > long => plain += 1,
            _ => assert!(payload.len() < 200, "{first:#x}, {} octets", payload.len()),
        }
    }
    assert!(compressed >= 1);
}

/// The first octet of a server's frame, and its payload.
async fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let first = stream.read_u8().await.unwrap();
    let len = match stream.read_u8().await.unwrap() {
        126 => usize::from(stream.read_u16().await.unwrap()),
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

#[tokio::test]
async fn a_poll_is_compressed_if_anything_in_it_may_be() {
    let (_omniwire, address) = serve(saying_server()).await;
    let target = polling(address).await;
    post(address, &target, "text/plain", "40").await;
    get(address, &target).await;
    for (says, expected) in [(&[true][..], true), (&[false, false], false), (&[false, true], true)]
    {
        let say = says.iter().map(|compress| format!("42[\"say\",{compress}]"));
        let body = say.collect::<Vec<_>>().join("\u{1e}");
        post(address, &target, "text/plain", &body).await;
        let request = format!("GET {target} HTTP/1.0\nHost: x\nAccept-Encoding: gzip\n\n");
        let answer = http(address, &request).await.to_lowercase();
        assert!(answer.starts_with("http/1.0 200"), "{answer}");
        assert_eq!(answer.contains("\r\ncontent-encoding: gzip\r\n"), expected, "{says:?}");
    }
}

#[tokio::test]
async fn cve_2026_59725_a_binary_post_is_answered_and_ends_the_session() {
    let (omniwire, address) = serve(builder(SocketIoMount::new())).await;
    let target = polling(address).await;
    let answer = post(address, &target, "application/octet-stream", "4x").await;
    assert!(answer.starts_with("HTTP/1.0 400"), "{answer}");
    until(|| omniwire.stats().sessions == 0).await;
    assert!(get(address, &target).await.contains("\"code\":1"));
}

#[tokio::test]
async fn cve_2023_31125_strange_requests_are_answered() {
    let (_omniwire, address) = serve(builder(SocketIoMount::new())).await;
    let transports = ["__proto__", "constructor", "toString", "webtransport", "", "polling"];
    for transport in transports {
        for query in [format!("EIO=4&transport={transport}"), format!("transport={transport}")] {
            let target = format!("/socket.io/?{query}");
            let (head, _) = upgrade(address, &target).await;
            assert!(head.starts_with("HTTP/1.1 400"), "{target}: {head}");
            let sid = format!("GET {target}&sid=__proto__ HTTP/1.1\nHost: x\n\n");
            let head = read_head(address, &sid).await;
            assert!(head.starts_with("HTTP/1.1 400"), "{target}: {head}");
        }
    }
    assert!(get(address, POLLING).await.starts_with("HTTP/1.0 200"));
}

#[tokio::test]
async fn cve_2022_41940_a_reset_while_upgrading_costs_the_probe_alone() {
    let (_omniwire, address) = serve(builder(SocketIoMount::new())).await;
    for until_probed in [false, true] {
        let target = polling(address).await;
        let (_, mut probe) = upgrade(address, &target.replace("polling", "websocket")).await;
        if until_probed {
            probe.write_all(b"\x81\x86\0\0\0\x002probe").await.unwrap();
            let mut answer = [0; 8];
            probe.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"\x81\x063probe");
        }
        probe.set_zero_linger().unwrap();
        drop(probe);
        post(address, &target, "text/plain", "40").await;
        assert!(get(address, &target).await.contains("40{"));
    }
}

/// A client that takes nothing of what it is answered is not read from, before it has moved too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_without_end_are_answered_within_bounds() {
    let (omniwire, address) = serve(builder(SocketIoMount::new())).await;
    let target = polling(address).await.replace("polling", "websocket");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let head = format!("GET {target} HTTP/1.1\nHost: x\n{UPGRADE}\n");
    let (_, mut probe) = ask_on(stream, &head).await;
    let probes = b"\x81\x86\0\0\0\x002probe".repeat(5_000);
    for _ in 0..500 {
        let write = timeout(Duration::from_secs(2), probe.write_all(&probes)).await;
        let waiting = omniwire.stats().outboxes_len;
        assert!(waiting < 1 << 20, "{waiting}");
        // Nothing is read any more, or for so long that the upgrade is over.
        if !matches!(write, Ok(Ok(()))) {
            return;
        }
    }
    panic!("all was read");
}

#[tokio::test]
async fn cve_2022_21676_a_frame_of_an_unknown_extension_while_upgrading() {
    let (_omniwire, address) = serve(builder(SocketIoMount::new())).await;
    let target = polling(address).await;
    let (_, mut stream) = upgrade(address, &target.replace("polling", "websocket")).await;
    // RSV1 to RSV3 set, a masked text of one octet.
    stream.write_all(&[0xf1, 0x81, 0, 0, 0, 0, b'2']).await.unwrap();
    let mut heard = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the end in time").ok();
    post(address, &target, "text/plain", "40").await;
    assert!(get(address, &target).await.contains("40{"));
}

#[tokio::test]
async fn cve_2020_36048_a_body_is_bounded_by_default() {
    let (_omniwire, address) = serve(builder(SocketIoMount::new())).await;
    let target = polling(address).await;
    let head = format!("POST {target} HTTP/1.1\nHost: x\n");
    // What is only announced is refused before it comes.
    let told = read_head(address, &format!("{head}Content-Length: 100000000\n\n")).await;
    assert!(told.starts_with("HTTP/1.1 413"), "{told}");
    let chunk = format!("F4241\n{}\n0\n\n", "4".repeat(1_000_001));
    let chunked = format!("{head}Transfer-Encoding: chunked\n\n{chunk}");
    let told = read_head(address, &chunked).await;
    assert!(told.starts_with("HTTP/1.1 413"), "{told}");
}

#[tokio::test]
async fn cve_2020_28481_no_other_origin_is_let_in_by_default() {
    let (_omniwire, address) = serve(builder(SocketIoMount::new())).await;
    let foreign = "Origin: http://evil.example\n";
    let websocket = POLLING.replace("polling", "websocket");
    for (target, more) in [(POLLING, ""), (&*websocket, UPGRADE)] {
        let request = format!("GET {target} HTTP/1.1\nHost: x\n{foreign}{more}\n");
        let head = read_head(address, &request).await.to_lowercase();
        assert!(head.starts_with("http/1.1 403"), "{head}");
        assert!(!head.contains("access-control-allow"), "{head}");
    }
}

#[tokio::test]
async fn cve_2017_16031_nobody_can_guess_a_session() {
    let (_omniwire, address) = serve(builder(SocketIoMount::new())).await;
    let mut seen = HashSet::new();
    for _ in 0..200 {
        let opened = get(address, POLLING).await;
        let sid = sid(&opened).to_owned();
        // 128 bits, 6 to a letter.
        assert_eq!(sid.len(), 22, "{sid}");
        // Were any of them counted up, neighbours would begin alike.
        assert!(seen.insert(sid.get(..8).unwrap_or_default().to_owned()), "{sid}");
    }
}

/// Fixed in engine.io 6.6.7: one way in went around what guards the others, and a failed
/// handshake left something behind.
#[tokio::test]
async fn engineio_6_6_7_one_gate_for_every_transport() {
    let limits = Limits::default();
    let guarded = Namespace::new("/").authorize(|request: &RequestInfo| {
        match request.query_value("token").as_deref() {
            Some("good") => Ok(()),
            _ => Err(Denied::unauthorized("a token is needed")),
        }
    });
    let builder = Omniwire::builder().limits(limits).bare_namespace(guarded);
    let (omniwire, address) = serve(builder).await;
    for (token, enters) in [("", false), ("&token=bad", false), ("&token=good", true)] {
        let target = format!("{POLLING}{token}");
        let opened = get(address, &target).await;
        let target = format!("{target}&sid={}", sid(&opened));
        post(address, &target, "text/plain", "40").await;
        let polled = get(address, &target).await;
        assert_eq!(polled.contains("40{"), enters, "polling{token}: {polled}");
        let mut socket = websocket(address, &format!("{POLLING}{token}")).await;
        text(&mut socket).await;
        socket.send(Message::text("40")).await.unwrap();
        assert_eq!(text(&mut socket).await.starts_with("40{"), enters, "websocket{token}");
        drop(socket);
        post(address, &target, "text/plain", "1").await;
    }
    let websocket = POLLING.replace("polling", "websocket");
    for bad in ["GET {} HTTP/1.1\nHost: x\n\n", "PUT {} HTTP/1.1\nHost: x\n\n"] {
        read_head(address, &bad.replace("{}", &websocket)).await;
    }
    until(|| omniwire.stats().sessions == 0).await;
}

#[tokio::test]
async fn a_body_of_many_events_is_taken_in_turns_and_in_order() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let main = Namespace::new("/").on("n", move |Args((n,)): Args<(usize,)>| {
        let heard = Arc::clone(&hearing);
        async move {
            heard.lock().unwrap().push(n);
            // Now and then one waits.
            if n % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    let builder = Omniwire::builder().without_socketio().bare_namespace(main);
    let (_omniwire, address) = serve(builder.mount("/socket.io", SocketIoMount::new())).await;
    let target = polling(address).await;
    assert!(post(address, &target, "text/plain", "40").await.contains("200 OK"));
    let events: Vec<_> = (0..5000).map(|n| format!("42[\"n\",{n}]")).collect();
    let answer = post(address, &target, "text/plain", &events.join("\u{1e}")).await;
    assert!(answer.contains("200 OK"), "{answer}");
    // And what comes behind it, behind it.
    assert!(post(address, &target, "text/plain", "42[\"n\",5000]").await.contains("200 OK"));
    until(|| heard.lock().unwrap().len() == 5001).await;
    assert!(heard.lock().unwrap().iter().copied().eq(0..5001));
}
