//! The opening handshake over the tokio layer.

use std::time::Duration;

use http::StatusCode;
use omniwire_websocket::handshake::client::{Address, Options as Wanted};
use omniwire_websocket::handshake::server::{Options, Refusal};
use omniwire_websocket::{
    Config, Error, Message, accept, accept_with, connect, connect_over, connect_with, deflate,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::wire::{ask, masked, read_all};

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

fn all(_: &http::Request<()>) -> Result<Options, Refusal> {
    Ok(Options::default())
}

async fn status(request: &str) -> u16 {
    let (answer, _) = ask(request.as_bytes(), all).await;
    let status = answer.strip_prefix("HTTP/1.1 ").unwrap().get(..3).unwrap();
    status.parse().unwrap()
}

#[tokio::test]
async fn rfc6455_4_2_2_answer_octet_for_octet() {
    let (answer, socket) = ask(REQUEST.as_bytes(), all).await;
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    socket.unwrap();
}

#[tokio::test]
async fn rfc6455_4_1_frames_in_the_segment_of_the_request_are_read() {
    // A20
    let request = [REQUEST.as_bytes(), &masked(0x81, b"early"), &masked(0x81, b"bird")].concat();
    let (_, socket) = ask(&request, all).await;
    let mut socket = socket.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("early"));
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("bird"));
}

#[tokio::test]
async fn rfc9112_2_2_request_octet_by_octet() {
    // A19
    let (ours, mut theirs) = duplex(1);
    let write = async {
        for octet in REQUEST.as_bytes() {
            theirs.write_all(&[*octet]).await.unwrap();
        }
        let mut answer = [0; 12];
        theirs.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        read_all(&mut theirs).await;
    };
    let serve = async { drop(accept(ours).await.unwrap()) };
    tokio::join!(serve, write);
}

#[tokio::test]
async fn rfc6455_4_2_1_absolute_form_is_accepted() {
    // A21
    assert_eq!(status(&REQUEST.replace("/chat", "http://a/chat")).await, 101);
}

#[tokio::test]
async fn rfc9112_5_heads_that_are_not_http() {
    // A16: space before the colon, NUL, bare CR, folded line, bare LF.
    for (right, wrong) in [
        ("Host: a", "Host : a"),
        ("Host: a", "Host: a\0"),
        ("Host: a", "Host: a\rb"),
        ("Host: a", "Host: a\r\n b"),
        ("Host: a\r\n", "Host: a\r\nX\r\n"),
        ("Upgrade: websocket\r\n", "Upgrade: websocket\n\n"),
        ("GET /chat", "GET"),
        ("GET", "G ET"),
        ("HTTP/1.1", "HTTP/3.0"),
    ] {
        assert_eq!(status(&REQUEST.replace(right, wrong)).await, 400, "{wrong:?}");
    }
    assert_eq!(status(&REQUEST.replace("HTTP/1.1", "HTTP/1.0")).await, 400); // A8
    assert_eq!(status(&REQUEST.replace("GET", "POST")).await, 405);
}

#[tokio::test]
async fn rfc6585_5_large_heads_are_refused() {
    // A18: 1 MiB in one field, 5,000 fields, and a million octets without an end.
    let long = format!("Host: a\r\nX: {}\r\n", "x".repeat(1 << 19));
    assert_eq!(status(&REQUEST.replace("Host: a\r\n", &long)).await, 431);
    let many = format!("Host: a\r\n{}", "X: y\r\n".repeat(1_000));
    assert_eq!(status(&REQUEST.replace("Host: a\r\n", &many)).await, 431);
    assert_eq!(status(&"x".repeat(1 << 19)).await, 431);
}

#[tokio::test(start_paused = true)]
async fn rfc6455_10_4_slow_head_times_out() {
    // A18
    let (ours, mut theirs) = duplex(64);
    theirs.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let started = Instant::now();
    assert!(matches!(accept(ours).await, Err(Error::TimedOut)));
    assert_eq!(started.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn rfc6455_4_2_2_caller_refuses_paths_credentials_and_origins() {
    // A14, A15
    let (answer, result) = ask(REQUEST.as_bytes(), |request| {
        assert_eq!(request.uri().path(), "/chat");
        Err(Refusal::new(StatusCode::FORBIDDEN, "This page may not connect."))
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\n"));
    assert!(answer.contains("\r\ncontent-length: 26\r\n"));
    assert!(answer.contains("\r\nconnection: close\r\n"));
    assert!(matches!(result, Err(Error::Refused(refusal)) if refusal.status == 403));
}

/// A server that gives this answer, and what the client makes of it.
async fn answered(answer: &str) -> (Result<Option<String>, Error>, String) {
    let (ours, mut theirs) = duplex(1 << 16);
    let address = Address::parse("ws://example.com:9001/x").unwrap();
    let wanted = Wanted { subprotocols: vec!["a".into()], ..Wanted::default() };
    let serve = async {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            theirs.read_buf(&mut request).await.unwrap();
        }
        theirs.write_all(answer.as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let connecting = connect_over(ours, &address, wanted, Config::default());
    let (socket, request) = tokio::join!(connecting, serve);
    (socket.map(|socket| socket.subprotocol().map(str::to_owned)), request)
}

#[tokio::test]
async fn rfc6455_4_1_client_asks_and_sends_nothing_before_the_answer() {
    // B1: two handshakes have two keys. B2, B3.
    let (result, first) =
        answered("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n").await;
    assert!(first.starts_with("GET /x HTTP/1.1\r\nhost: example.com:9001\r\n"));
    match result {
        Err(Error::Answer { error, answer }) => {
            assert_eq!(error.status, 401);
            assert_eq!(answer.headers()["www-authenticate"], "Basic");
        }
        other => panic!("{other:?}"),
    }
    let (result, second) = answered(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )
    .await;
    assert!(matches!(result, Err(Error::Answer { .. })), "the answer to another key");
    assert_ne!(first, second);
    for bad in ["", "HTTP/1.1", "\0\0\r\n\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 999999 x\r\n\r\n"] {
        let (result, _) = answered(bad).await;
        assert!(matches!(result, Err(Error::Head(_) | Error::Dropped)), "{bad:?}: {result:?}");
    }
    let (result, _) =
        answered(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20_000))).await;
    assert!(matches!(result, Err(Error::Head(_))));
}

#[tokio::test]
async fn rfc6455_4_1_frames_in_the_segment_of_the_answer_are_read() {
    // B6: the server sends before it reads. Both ends are ours.
    let (near, far) = duplex(1 << 16);
    let address = Address::parse("ws://a/").unwrap();
    let wanted = Wanted { subprotocols: vec!["a".into(), "b".into()], ..Wanted::default() };
    let serve = async {
        let options = Options { subprotocols: vec!["b".into()], deflate: None };
        let mut server = accept_with(far, Config::default(), |_| Ok(options)).await.unwrap();
        server.send("welcome").await.unwrap();
        server
    };
    // The answer and the frame are in the pipe before the client reads.
    let (mut client, server) =
        tokio::join!(connect_over(near, &address, wanted, Config::default()), serve);
    let client = client.as_mut().unwrap();
    assert_eq!((client.subprotocol(), server.subprotocol()), (Some("b"), Some("b")));
    assert_eq!(client.recv().await.unwrap().unwrap(), Message::text("welcome"));
}

#[tokio::test]
async fn rfc6455_3_urls_that_are_refused() {
    // B11
    for url in ["http://a/", "ws://a/#fragment", "ws://a:99999/", "ws://a/\r\n"] {
        assert!(matches!(connect(url).await, Err(Error::Request(_))), "{url}");
    }
}

#[tokio::test]
async fn rfc7692_7_every_kind_of_compression_carries_messages() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    for bits in 0..4u8 {
        let config = deflate::Config {
            server_context_takeover: bits & 1 == 0,
            client_context_takeover: bits & 2 == 0,
            client_max_window_bits: 10,
            threshold: 0,
            ..deflate::Config::default()
        };
        let options = Options { deflate: Some(config.clone()), ..Options::default() };
        let wanted = Wanted { deflate: Some(config), ..Wanted::default() };
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut server = accept_with(stream, Config::default(), |_| Ok(options)).await.unwrap();
            while let Some(Ok(message)) = server.recv().await {
                server.queue(message);
            }
        };
        let ask = async {
            let mut client = connect_with(&url, wanted, Config::default()).await.unwrap();
            for n in 0..50 {
                let text = format!("{{\"n\":{n},\"text\":\"€ again and again\"}}").repeat(n);
                client.send(text.as_str()).await.unwrap();
                assert_eq!(client.recv().await.unwrap().unwrap(), Message::text(text));
            }
            client.close(omniwire_websocket::CloseCode::Normal, "").await.unwrap();
        };
        tokio::join!(serve, ask);
    }
}

#[tokio::test]
async fn a_stream_that_ends_within_the_head_is_dropped() {
    let (ours, mut theirs): (DuplexStream, DuplexStream) = duplex(64);
    theirs.write_all(b"GET / HT").await.unwrap();
    drop(theirs);
    assert!(matches!(accept(ours).await, Err(Error::Dropped)));
}
