use super::*;
use crate::{Args, Denied, EngineIoMount, Limits, Namespace, Omniwire, Peer, RequestInfo};
use axum::body::Body;
use bytes::BytesMut;
use http::{Method, Request, StatusCode, Version};
use omniwire_session::Kind;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::sync::oneshot;
use tower_service::Service as _;

/// No event may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

const ANY: &str = "?EIO=4&transport=webtransport";

/// Bare Engine.IO that sends back what comes; `many N` is so many texts.
fn server(namespace: Namespace, change: impl FnOnce(&mut Limits)) -> Omniwire {
    server_of(1000, namespace, change)
}

/// The same, for frames of other lengths.
fn server_of(
    max_payload: usize,
    namespace: Namespace,
    change: impl FnOnce(&mut Limits),
) -> Omniwire {
    let answer = |peer: Peer, Args((text,)): Args<(String,)>| async move {
        let Some(count) = text.strip_prefix("many ") else {
            return peer.emit("message", (text,));
        };
        let count: usize = count.parse().unwrap();
        // A peer that is closed meanwhile hears no more.
        (0..count).try_for_each(|_| peer.emit("message", ("x".repeat(1000),))).ok();
        Ok(())
    };
    let namespace = namespace.on("message", answer);
    let mut config = omniwire_engineio::Config::default();
    config.transports.webtransport = true;
    config.max_payload = max_payload;
    let mut limits = Limits::default();
    change(&mut limits);
    let builder = Omniwire::builder().limits(limits).bare_namespace(namespace);
    builder.mount("/eio", EngineIoMount::new("/").config(config)).build().unwrap()
}

/// Asks for a session.
async fn ask(server: &Omniwire, query: &str) -> (StatusCode, Far) {
    let uri = format!("https://localhost/eio/{query}");
    let request = Request::builder().method(Method::CONNECT).uri(uri).version(Version::HTTP_3);
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(hyper::ext::Protocol::from_static("webtransport"));
    let far = Visitor::offer(request.extensions_mut());
    (server.router().call(request).await.unwrap().status(), far)
}

/// A client at the other end of a session's stream.
struct Client {
    stream: DuplexStream,
    read: BytesMut,
    over: Option<oneshot::Sender<()>>,
    gone: oneshot::Receiver<()>,
}

impl Client {
    async fn connect(server: &Omniwire, query: &str) -> Self {
        Self::connect_with(server, query, 4096).await
    }

    /// So many bytes may be under way.
    async fn connect_with(server: &Omniwire, query: &str, len: usize) -> Self {
        let (status, far) = ask(server, query).await;
        assert_eq!(status, StatusCode::OK);
        let (near, stream) = tokio::io::duplex(len);
        assert!(far.stream.send(Box::new(near)).is_ok());
        Self { stream, read: BytesMut::new(), over: Some(far.open), gone: far.gone }
    }

    /// With the open packet read.
    async fn open(server: &Omniwire, query: &str) -> Self {
        let mut client = Self::connect(server, query).await;
        client.send("0").await;
        assert!(client.receive().await.unwrap().starts_with("0{"));
        client
    }

    async fn send(&mut self, text: &str) {
        let mut out = BytesMut::new();
        frame::write_header(Kind::Text, text.len(), &mut out);
        out.extend_from_slice(text.as_bytes());
        self.stream.write_all(&out).await.unwrap();
    }

    async fn receive(&mut self) -> Option<String> {
        loop {
            if let Some(message) = frame::take(100_000, &mut self.read).unwrap() {
                return Some(String::from_utf8(message.as_bytes().to_vec()).unwrap());
            }
            if self.stream.read_buf(&mut self.read).await.unwrap() == 0 {
                return None;
            }
        }
    }

    /// Waits until the server has no session.
    async fn over_by(&self, server: &Omniwire) {
        let over = async {
            while server.stats().sessions > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, over).await.unwrap();
    }

    /// Waits until the server has let go of the session.
    async fn ended(self) {
        // It is never sent; that it can't be any more is what counts.
        timeout(PATIENCE, self.gone).await.unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn messages_both_ways_and_one_session_that_is_counted() {
    let server = server(Namespace::new("/"), |_| ());
    let mut client = Client::open(&server, ANY).await;
    client.send("4hello").await;
    assert_eq!(client.receive().await.unwrap(), "4hello");
    let long = format!("4{}", "x".repeat(999));
    client.send(&long).await;
    assert_eq!(client.receive().await.unwrap(), long);
    let stats = server.stats();
    assert_eq!((stats.sessions, stats.connections, stats.messages_in), (1, 1, 2));
    client.send("1").await;
    assert_eq!(client.receive().await, None);
    client.ended().await;
    assert_eq!((server.stats().sessions, server.stats().connections), (0, 0));
}

#[tokio::test]
async fn engineio_6_6_7_the_gate_is_passed() {
    let tokens = |request: &RequestInfo| match request.query_value("token").as_deref() {
        Some("good") => Ok(()),
        _ => Err(Denied::unauthorized("a token is needed")),
    };
    let server = server(Namespace::new("/").authorize(tokens), |_| ());
    for bad in ["", "&token=bad"] {
        assert_eq!(ask(&server, &format!("{ANY}{bad}")).await.0, StatusCode::UNAUTHORIZED);
        // Nor by way of a session that it says it would take over, and then opens one of its own.
        let mut client = Client::connect(&server, &format!("{ANY}{bad}&sid=x")).await;
        client.send("0").await;
        assert_eq!(client.receive().await, None);
        client.ended().await;
    }
    assert_eq!(server.stats().sessions, 0);
    Client::open(&server, &format!("{ANY}&token=good")).await;
    Client::open(&server, &format!("{ANY}&token=good&sid=x")).await;
}

#[tokio::test]
async fn engineio_6_6_7_what_is_no_first_frame_leaves_nothing_behind() {
    let server = server(Namespace::new("/"), |_| ());
    for octets in [&b"\x012"[..], b"\x00", b"\x7f\x80\0\0\0\0\0\0\0", b"\x810", b"\x050{\"s\""] {
        let mut client = Client::connect(&server, ANY).await;
        client.stream.write_all(octets).await.unwrap();
        assert_eq!(client.receive().await, None);
        client.ended().await;
    }
    assert_eq!((server.stats().sessions, server.stats().connections), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_session_has_its_time_for_the_first_frame() {
    let server = server(Namespace::new("/"), |_| ());
    let begun = tokio::time::Instant::now();
    let (_, silent) = ask(&server, ANY).await;
    let mut half = Client::connect(&server, ANY).await;
    half.stream.write_all(b"\x050").await.unwrap();
    silent.gone.await.unwrap_err();
    half.ended().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_frame_has_its_time() {
    let server = server(Namespace::new("/"), |limits| limits.frame_timeout = ms(5000));
    let mut client = Client::open(&server, ANY).await;
    let begun = tokio::time::Instant::now();
    client.stream.write_all(b"\x054").await.unwrap();
    client.ended().await;
    assert_eq!(begun.elapsed(), ms(5000));
    assert_eq!(server.stats().sessions, 0);
}

#[tokio::test]
async fn a_bad_frame_ends_the_session() {
    let server = server(Namespace::new("/"), |_| ());
    for octets in [&b"\x00"[..], b"\x7e\x03\xe9", b"\x02\x34\xff", b"\x019"] {
        let mut client = Client::open(&server, ANY).await;
        client.stream.write_all(octets).await.unwrap();
        assert_eq!(client.receive().await, None);
        client.ended().await;
    }
    assert_eq!(server.stats().sessions, 0);
}

#[tokio::test]
async fn the_clients_end_of_the_session_is_the_end() {
    let server = server(Namespace::new("/"), |_| ());
    let mut client = Client::open(&server, ANY).await;
    client.over = None;
    client.ended().await;
    assert_eq!(server.stats().sessions, 0);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed_when_its_outbox_is_full() {
    let server = server(Namespace::new("/"), |limits| limits.outbox_len_max = 200_000);
    let mut client = Client::open(&server, ANY).await;
    client.send("4many 1000").await;
    client.over_by(&server).await;
    assert_eq!(server.stats().slow_peers_closed, 1);
    // What was taken from the outbox leaves, each frame whole.
    while let Some(text) = client.receive().await {
        assert_eq!(text.len(), 1001);
    }
    assert!(client.read.is_empty());
    client.ended().await;
}

#[tokio::test]
async fn what_all_peers_have_not_finished_is_bounded() {
    let server = server_of(1 << 20, Namespace::new("/"), |limits| {
        limits.unfinished_len_max = 1 << 20;
    });
    // Each frame declares 1 MiB, of which 700 KiB come.
    let mut half = BytesMut::new();
    frame::write_header(Kind::Text, 1 << 20, &mut half);
    half.resize(700 << 10, b'4');
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::open(&server, ANY).await;
        // Room for 4096 bytes: when the rest is in, nearly all has been read.
        client.stream.write_all(&half).await.ok();
        clients.push(client);
    }
    clients.pop().unwrap().ended().await;
    assert_eq!(server.stats().sessions, 1, "the first is left alone");
    // What the first held is given back with it.
    drop(clients);
    let mut client = Client::connect(&server, ANY).await;
    while server.stats().sessions > 0 {
        tokio::task::yield_now().await;
    }
    client.send("0").await;
    assert!(client.receive().await.unwrap().starts_with("0{"));
    client.stream.write_all(&half).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_for_too_long_is_cut_off() {
    let server = server(Namespace::new("/"), |limits| limits.write_timeout = ms(5000));
    let mut client = Client::open(&server, ANY).await;
    client.send("4many 1000").await;
    let begun = tokio::time::Instant::now();
    client.ended().await;
    assert_eq!(begun.elapsed(), ms(5000));
    assert_eq!((server.stats().sessions, server.stats().slow_peers_closed), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_for_a_peer_that_was_closed_has_its_time() {
    let server = server(Namespace::new("/"), |limits| {
        limits.outbox_len_max = 200_000;
        limits.close_timeout = ms(2000);
    });
    let mut client = Client::open(&server, ANY).await;
    client.send("4many 100").await;
    client.send("4many 1000").await;
    let begun = tokio::time::Instant::now();
    client.ended().await;
    assert_eq!(begun.elapsed(), ms(2000));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_all_gets_all_at_once() {
    let server = server(Namespace::new("/"), |_| ());
    let mut client = Client::connect_with(&server, ANY, 4 << 20).await;
    client.send("0").await;
    assert!(client.receive().await.unwrap().starts_with("0{"));
    let begun = tokio::time::Instant::now();
    let everybody = server.namespace("/").unwrap().everybody();
    for _ in 0..2000 {
        everybody.emit("message", ("x".repeat(1000),)).await.unwrap();
    }
    for _ in 0..2000 {
        assert_eq!(client.receive().await.unwrap().len(), 1001);
    }
    // No ping had to come and wake anybody.
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_slow_reader_gets_all_in_order() {
    let server = server(Namespace::new("/"), |_| ());
    let mut client = Client::open(&server, ANY).await;
    client.send("4many 1000").await;
    for _ in 0..1000 {
        assert_eq!(client.receive().await.unwrap().len(), 1001);
    }
    client.send("4after").await;
    assert_eq!(client.receive().await.unwrap(), "4after");
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
