//! Bounds on sessions, asked without HTTP/3: from addresses that no test on loopback has.

use crate::carrier::webtransport::{Far, Visitor};
use crate::mount::Remote;
use crate::{Limits, Namespace, Omniwire, SocketIoMount};
use axum::body::Body;
use http::{Request, StatusCode, header};
use omniwire_socketio::Config;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

/// The frame of the packet `0`.
const HELLO: &[u8] = b"\x010";

fn server(change: impl FnOnce(&mut Limits)) -> Omniwire {
    let (mut limits, mut engine) = (Limits::default(), omniwire_engineio::Config::default());
    change(&mut limits);
    engine.transports.webtransport = true;
    let config = Config { engine: engine.into(), ..Config::default() };
    let builder = Omniwire::builder().limits(limits).bare_namespace(Namespace::new("/"));
    builder.mount("/socket.io", SocketIoMount::new().config(config)).build().unwrap()
}

/// What a CONNECT from there is answered with, and the far end of its session.
async fn connect(omniwire: &Omniwire, remote: &str, query: &str) -> (StatusCode, bool, Far) {
    let uri = format!("/socket.io/?EIO=4&transport=webtransport{query}");
    let mut request = Request::connect(uri).body(Body::empty()).unwrap();
    let extensions = request.extensions_mut();
    extensions.insert(hyper::ext::Protocol::from_static("webtransport"));
    extensions.insert(Remote(format!("{remote}:4433").parse().unwrap()));
    let far = Visitor::offer(extensions);
    let answer = omniwire.mounts.serve(Arc::clone(&omniwire.shared), request).await;
    (answer.status(), answer.headers().contains_key(header::RETRY_AFTER), far)
}

/// Says the first packet on the session's stream. Whether the session opens.
async fn hello(far: Far) -> Option<(DuplexStream, impl Sized)> {
    let (mut client, stream) = duplex(4096);
    let Far { stream: bring, open, gone } = far;
    bring.send(Box::new(stream)).ok()?;
    client.write_all(HELLO).await.unwrap();
    let mut answer = [0; 3];
    client.read_exact(&mut answer).await.ok()?;
    assert_eq!(&answer[1..], b"0{");
    Some((client, (open, gone)))
}

#[tokio::test]
async fn one_address_has_so_many_sessions_and_others_theirs() {
    let omniwire = server(|limits| limits.ip_sessions_max = 2);
    let mut held = Vec::new();
    for _ in 0..2 {
        let (status, _, far) = connect(&omniwire, "192.0.2.1", "").await;
        assert_eq!(status, StatusCode::OK);
        held.push(hello(far).await.unwrap());
    }
    let (status, _, _) = connect(&omniwire, "192.0.2.1", "").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let (status, _, far) = connect(&omniwire, "192.0.2.2", "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(hello(far).await.is_some());
    assert_eq!(omniwire.stats().sessions, 3);
}

#[tokio::test]
async fn those_who_say_their_first_frame_at_once_are_counted_too() {
    let omniwire = server(|limits| limits.ip_sessions_max = 2);
    let mut far = Vec::new();
    // All are let in, since none is a session yet.
    for _ in 0..5 {
        let (status, _, end) = connect(&omniwire, "192.0.2.1", "").await;
        assert_eq!(status, StatusCode::OK);
        far.push(end);
    }
    let mut opened = Vec::new();
    for end in far {
        opened.extend(hello(end).await);
    }
    assert_eq!((opened.len(), omniwire.stats().sessions), (2, 2));
}

#[tokio::test]
async fn all_addresses_together_have_so_many() {
    let omniwire = server(|limits| limits.sessions_max = 1);
    let (_, _, far) = connect(&omniwire, "192.0.2.1", "").await;
    let _held = hello(far).await.unwrap();
    let (status, may_come_again, _) = connect(&omniwire, "192.0.2.2", "").await;
    assert_eq!((status, may_come_again), (StatusCode::SERVICE_UNAVAILABLE, true));
}

#[tokio::test]
async fn while_the_server_drains_only_those_who_take_over_are_let_in() {
    let omniwire = server(|_| {});
    omniwire.shared.draining.store(true, Ordering::Relaxed);
    let (status, may_come_again, _) = connect(&omniwire, "127.0.0.1", "").await;
    assert_eq!((status, may_come_again), (StatusCode::SERVICE_UNAVAILABLE, true));
    let (status, _, far) = connect(&omniwire, "127.0.0.1", "&sid=nobody").await;
    assert_eq!(status, StatusCode::OK);
    // One that says it takes over, and then opens: no session.
    assert!(hello(far).await.is_none());
}
