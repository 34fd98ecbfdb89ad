//! HTTP/1.1 after the first head: connections that are kept, and requests behind requests.

use crate::attack::{Attack, Outcome, Target, all, within};
use crate::wire::http::{exchange, get, post};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "kept-alive",
        what: "300 connections that have been answered and ask for nothing more",
        with: &["--limit", "handshake_timeout_ms=2000"],
        without: &["--limit", "handshake_timeout_ms=600000"],
        run: |target| Box::pin(kept_alive(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "pipelined",
        what: "20,000 requests in one go on each of 20 connections, whose answers are not read",
        stays: "a request is read when the one before it was answered",
        run: |target| Box::pin(pipelined(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "chunks",
        what: "bodies in chunks of an octet, with extensions, sizes and trailers without end",
        without: &["--limit", "body_timeout_ms=600000"],
        suite: "sockjs",
        with: &["--limit", "body_timeout_ms=2000"],
        run: |target| Box::pin(chunks(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "never-continued",
        what: "200 POSTs that are told to go on, and don't",
        suite: "sockjs",
        with: &["--limit", "body_timeout_ms=2000"],
        without: &["--limit", "body_timeout_ms=600000"],
        run: |target| Box::pin(never_continued(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "half-closed",
        what: "300 WebSockets whose clients say that they will say nothing more, and stay",
        stays: "the end of what a peer says is the end of its WebSocket",
        run: |target| Box::pin(half_closed(target)),
        ..Attack::DEFAULT
    },
];

const SOON: Duration = Duration::from_secs(6);

async fn connect(target: Target, octets: &[u8]) -> Outcome<TcpStream> {
    let connected = async {
        let mut stream = TcpStream::connect(target.address).await?;
        stream.write_all(octets).await?;
        std::io::Result::Ok(stream)
    };
    within(SOON, "connecting", connected).await?.map_err(|error| format!("connecting: {error}"))
}

/// Reads until TCP ends.
async fn ends(stream: &mut TcpStream, what: &str) -> Outcome<Vec<u8>> {
    let mut read = Vec::new();
    within(SOON, what, stream.read_to_end(&mut read)).await?.ok();
    Ok(read)
}

async fn kept_alive(target: Target) -> Outcome {
    all(300, move |_| async move {
        let mut stream = connect(target, &get(target, "/stats", "")).await?;
        let read = ends(&mut stream, "the end of a connection that is not used").await?;
        match read.starts_with(b"HTTP/1.1 200") {
            true => Ok(()),
            false => Err(format!("answered {}", String::from_utf8_lossy(&read))),
        }
    })
    .await
}

async fn pipelined(target: Target) -> Outcome {
    all(20, move |_| async move {
        let requests = get(target, "/stats", "").repeat(20_000);
        // Until the server takes no more, because nobody takes what it answers.
        tokio::time::timeout(Duration::from_secs(3), connect(target, &requests)).await.ok();
        Ok(())
    })
    .await
}

/// A body of one text, in ways that cost more to read than it has octets.
fn bodies() -> Vec<String> {
    let octets: String = (0..20_000).map(|_| "1\r\n \r\n").collect();
    let extension = "e".repeat(100_000);
    let trailers: String = (0..20_000).map(|number| format!("X-{number}: 1\r\n")).collect();
    vec![
        format!("5\r\n[\"x\"]\r\n{octets}0\r\n\r\n"),
        format!("5;{extension}\r\n[\"x\"]\r\n0\r\n\r\n"),
        format!("{}5\r\n[\"x\"]\r\n0\r\n\r\n", "0".repeat(100_000)),
        format!("5\r\n[\"x\"]\r\n0\r\n{trailers}\r\n"),
        format!("5\r\n[\"x\"]\r\n0\r\nX: {extension}\r\n\r\n"),
        "ffffffffffffffff\r\n".to_owned(),
        "-5\r\n[\"x\"]\r\n0\r\n\r\n".to_owned(),
        "5\n[\"x\"]\n0\n\n".to_owned(),
    ]
}

async fn chunks(target: Target) -> Outcome {
    for (number, body) in bodies().into_iter().enumerate() {
        let path = format!("/default_echo/000/chunks{number}");
        exchange(target, &post(target, &format!("{path}/xhr"), "", b""), SOON).await?;
        let head = format!(
            "POST {path}/xhr_send HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            target.address
        );
        let answer = exchange(target, (head + &body).as_bytes(), SOON).await?;
        match answer.status {
            204 | 400..=499 => {}
            0 if answer.ended => {}
            status => return Err(format!("the body {number} was answered {status}")),
        }
    }
    Ok(())
}

async fn never_continued(target: Target) -> Outcome {
    all(200, move |number| async move {
        let path = format!("/default_echo/000/continue{number}");
        exchange(target, &post(target, &format!("{path}/xhr"), "", b""), SOON).await?;
        let head = format!(
            "POST {path}/xhr_send HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\n\
             Content-Length: 100\r\nConnection: close\r\n\r\n",
            target.address
        );
        let mut stream = connect(target, head.as_bytes()).await?;
        let read = ends(&mut stream, "an answer to a body that never comes").await?;
        let read = String::from_utf8_lossy(&read).into_owned();
        match read.contains("HTTP/1.1 408") {
            true => Ok(()),
            false => Err(format!("a body that never comes was answered {read:.60}")),
        }
    })
    .await
}

async fn half_closed(target: Target) -> Outcome {
    all(300, move |_| async move {
        let mut socket = crate::wire::socket::Socket::open(target, "/small").await?;
        socket.stream.shutdown().await.ok();
        socket.ends(SOON).await
    })
    .await
}
