//! Event streams and long polls of clients without a library.

use super::closing::reset;
use crate::attack::{Attack, Outcome, Target, all, within};
use crate::wire::http::{exchange, get, post};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "sse-never-read",
        what: "20 event streams whose clients read nothing of 64 MiB",
        without: &["--limit", "outbox_len_max=1000000000", "--limit", "write_timeout_ms=600000"],
        growth_max_mib: 64,
        run: |target| Box::pin(never_read(target)),
        ..PLAIN
    },
    Attack {
        name: "sse-storm",
        what: "2,000 event streams that are reset at once",
        stays: "nothing is left of a connection that has gone",
        run: |target| Box::pin(storm(target)),
        ..PLAIN
    },
    Attack {
        name: "poll-sessions",
        what: "8,000 polls that are broken off, and never come again",
        environment: &[("PLAIN_POLL_GAP", "2000")],
        bare_environment: &[("PLAIN_POLL_GAP", "600000")],
        growth_max_mib: 24,
        run: |target| Box::pin(polls(target)),
        ..PLAIN
    },
    Attack {
        name: "plain-queries",
        what: "cursors, ids and rooms that are none, too long, or too many",
        stays: "what names rooms is read within the head's limit",
        run: |target| Box::pin(queries(target)),
        ..PLAIN
    },
    Attack {
        name: "plain-bodies",
        what: "POSTs that are no envelopes, have too many, or are nested 100,000 deep",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(bodies(target)),
        ..PLAIN
    },
];

const PLAIN: Attack = Attack { suite: "plain", ..Attack::DEFAULT };
const SOON: Duration = Duration::from_secs(10);

/// Sends a request and reads the head of its answer.
async fn begin(target: Target, path: &str) -> Outcome<TcpStream> {
    let begun = async {
        let mut stream = TcpStream::connect(target.address).await?;
        stream.write_all(&get(target, path, "Connection: close\r\n")).await?;
        stream.readable().await?;
        std::io::Result::Ok(stream)
    };
    within(SOON, path, begun).await?.map_err(|error| format!("{path}: {error}"))
}

async fn never_read(target: Target) -> Outcome {
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(begin(target, "/sse/chat?room=attack").await?);
    }
    let text = "x".repeat(1 << 20);
    let body = format!("{{\"room\":\"attack\",\"event\":\"said\",\"args\":[\"{text}\"]}}");
    for number in 0..64 {
        let publish = post(target, "/bar/publish", "application/json", body.as_bytes());
        match exchange(target, &publish, SOON).await?.status {
            204 => {}
            status => return Err(format!("publication {number} was answered {status}")),
        }
    }
    for stream in &mut streams {
        let mut chunk = vec![0; 1 << 20];
        let rest = async { while matches!(stream.read(&mut chunk).await, Ok(1..)) {} };
        within(SOON, "the end of a stream that nobody read", rest).await?;
    }
    Ok(())
}

async fn storm(target: Target) -> Outcome {
    for _ in 0..40 {
        all(50, move |number| async move {
            let stream = begin(target, "/sse/chat?room=attack").await?;
            if number % 2 == 0 {
                reset(&stream);
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn polls(target: Target) -> Outcome {
    for _ in 0..80 {
        all(100, move |_| async move {
            let connected = TcpStream::connect(target.address).await;
            let mut stream = connected.map_err(|error| format!("connecting: {error}"))?;
            stream.write_all(&get(target, "/brief/poll/chat?room=attack", "")).await.ok();
            // It is answered at once, with a cursor; or never, which comes to the same.
            tokio::time::timeout(Duration::from_millis(50), stream.readable()).await.ok();
            Ok(())
        })
        .await?;
    }
    // Those whose poll was answered have until the gap between two polls is over.
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(())
}

async fn queries(target: Target) -> Outcome {
    let long = "a".repeat(8000);
    let rooms: String = (0..1200).map(|room| format!("&room={room}")).collect();
    let list = [
        "/poll/chat?cursor=".to_owned(),
        "/poll/chat?cursor=%ff%00".to_owned(),
        format!("/poll/chat?cursor={long}"),
        "/poll/chat?cursor=1.1.a.1.1.a.1.1.a".to_owned(),
        "/sse/chat?session=nobody".to_owned(),
        format!("/sse/chat?session={long}"),
        format!("/sse/chat?room={long}"),
        format!("/poll/chat?x{rooms}"),
        "/sse/chat?padding=99999999999999999999".to_owned(),
        "/sse/chat?padding=-1".to_owned(),
        "/sse/chat?padding=4000000000".to_owned(),
    ];
    for path in list {
        let answer = exchange(target, &get(target, &path, ""), Duration::from_millis(700)).await?;
        if answer.status >= 500 || answer.body.len() > 1 << 20 {
            return Err(format!("{path:.60} was answered {}", answer.status));
        }
    }
    for id in ["", "x", "-1", "1.1.1.1.1", &long] {
        let more = format!("Last-Event-ID: {id}\r\n");
        let request = get(target, "/sse/chat?room=attack", &more);
        let answer = exchange(target, &request, Duration::from_millis(700)).await?;
        if answer.status >= 500 {
            return Err(format!("the id {id:.60} was answered {}", answer.status));
        }
    }
    Ok(())
}

async fn bodies(target: Target) -> Outcome {
    let envelope = "{\"event\":\"echo\",\"args\":[1]}";
    let list: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"[1]".to_vec(),
        b"null".to_vec(),
        vec![0xff; 1000],
        b"{\"event\":1}".to_vec(),
        b"{\"event\":\"\"}".to_vec(),
        b"{\"event\":\"echo\",\"args\":{}}".to_vec(),
        format!("{{\"event\":\"{}\"}}", "e".repeat(100_000)).into_bytes(),
        format!("{{\"event\":\"echo\",\"args\":[{}]}}", "[".repeat(100_000)).into_bytes(),
        format!("{{\"event\":\"echo\",\"args\":[{}]}}", "9".repeat(1_000_000)).into_bytes(),
        format!("{{{}\"event\":\"echo\"}}", "\"args\":[1],".repeat(50_000)).into_bytes(),
        format!("[{}]", vec![envelope; 50_000].join(",")).into_bytes(),
    ];
    for (number, body) in list.iter().enumerate() {
        let send = post(target, "/send/chat", "application/json", body);
        let answer = exchange(target, &send, SOON).await?;
        if !(200..500).contains(&answer.status) {
            return Err(format!("the body {number} was answered {}", answer.status));
        }
    }
    Ok(())
}
