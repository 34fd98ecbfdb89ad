//! Answers of which their clients take nothing.

use crate::harness::{PATIENCE, serve, until};
use crate::log::{listen, read};
use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::{Method, Request};
use omniwire::{Limits, Namespace, Omniwire};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn hurried() -> (Omniwire, SocketAddr) {
    within(Duration::from_millis(300)).await
}

async fn within(write_timeout: Duration) -> (Omniwire, SocketAddr) {
    let mut limits = Limits::default();
    limits.write_timeout = write_timeout;
    serve(Omniwire::builder().limits(limits).namespace(Namespace::new("/open"))).await
}

/// Asks over a connection where no stream has a window, and waits for the reset of the answer.
async fn ask(sending: &mut SendRequest<Bytes>, method: Method, path: &str) {
    let uri = format!("http://127.0.0.1{path}");
    let request = Request::builder().method(method).uri(uri).body(()).unwrap();
    let response = sending.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let mut body = response.into_body();
    let data = timeout(PATIENCE, body.data()).await.expect("it ends in time");
    let error = data.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL), "{path}");
}

/// Single-threaded, as the subscriber is.
#[tokio::test]
async fn a_stream_of_http2_without_a_window_ends_and_its_connection_goes_on() {
    let (log, _guard) = listen();
    let (omniwire, address) = hurried().await;
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = client::Builder::new().initial_window_size(0).handshake(stream);
    let (mut sending, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    ask(&mut sending, Method::GET, "/sse/open").await;
    let stats = omniwire.stats();
    assert_eq!((stats.slow_peers_closed, stats.sessions), (1, 0));
    let text = read(&log);
    let line = text.lines().find(|line| line.contains("a peer is slow")).unwrap_or_default();
    assert!(line.contains("nothing of an answer for 300ms") && line.contains("SSE"), "{line}");
    ask(&mut sending, Method::POST, "/sockjs/open/000/aaaaaaaa/xhr_streaming").await;
    ask(&mut sending, Method::GET, "/poll/open").await;
    assert_eq!(omniwire.stats().slow_peers_closed, 3);
}

/// By the short way, and by hyper's.
#[tokio::test]
async fn a_client_of_http1_that_reads_nothing_is_counted_and_let_go() {
    for head in
        ["GET /sse/open HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "GET /sse/open HTTP/1.0\r\n\r\n"]
    {
        let (omniwire, address) = hurried().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let space = omniwire.namespace("/open").unwrap();
        until(|| space.len() == 1).await;
        // More than the buffers of both sockets take, as much at a time as an outbox takes.
        while omniwire.stats().slow_peers_closed == 0 {
            space.everybody().emit("said", ("x".repeat(1 << 20),)).await.unwrap();
            until(|| space.is_empty() || omniwire.stats().outboxes_len < 1 << 20).await;
        }
        until(|| omniwire.stats().sessions == 0).await;
        assert_eq!(omniwire.stats().slow_peers_closed, 1, "{head}");
        // It ends in the middle.
        stream.read_to_end(&mut Vec::new()).await.ok();
    }
}

/// A client that takes one message at a time, as long as all of them, while more wait than the
/// server keeps ready: what is unwritten never gets less.
#[tokio::test]
async fn a_client_that_takes_its_time_is_no_client_that_takes_nothing() {
    // No pause of a busy machine is as long.
    let write_timeout = Duration::from_secs(2);
    let (omniwire, address) = within(write_timeout).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let builder = client::Builder::new().initial_window_size(MESSAGE_LEN as u32).to_owned();
    let (mut sending, connection) = builder.handshake::<_, Bytes>(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(Method::CONNECT).uri("http://127.0.0.1/ws/open");
    request = request.header("sec-websocket-version", "13");
    let mut request = request.body(()).unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    // The server's settings say that it may.
    while !sending.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let (response, _open) = sending.send_request(request, false).unwrap();
    let mut body = response.await.unwrap().into_body();
    let space = omniwire.namespace("/open").unwrap();
    until(|| space.len() == 1).await;
    let text = "x".repeat(MESSAGE_LEN - 4);
    for _ in 0..1000 {
        space.everybody().emit("said", (text.clone(),)).await.unwrap();
    }
    let begun = Instant::now();
    while begun.elapsed() < write_timeout + write_timeout / 4 {
        let data = timeout(PATIENCE, body.data()).await.expect("it goes on").expect("no end");
        tokio::time::sleep(Duration::from_millis(5)).await;
        body.flow_control().release_capacity(data.unwrap().len()).unwrap();
    }
    assert_eq!(omniwire.stats().slow_peers_closed, 0);
}

/// With its header.
const MESSAGE_LEN: usize = 4096;
