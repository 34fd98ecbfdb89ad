//! SignalR: records without end, lengths and depths that lie, connections that are never used.

use crate::attack::{Attack, Outcome, Target, all, cases};
use crate::wire::frame::{BINARY, CONTINUATION, FIN, TEXT, masked, text};
use crate::wire::http::{exchange, get, post};
use crate::wire::socket::{End, Socket};
use std::collections::HashSet;
use std::time::Duration;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "signalr-records",
        what: "records that are no messages, nested 100,000 deep, or without an end",
        bare_environment: &[("SIGNALR_MESSAGE_LEN_MAX", "1000000000")],
        run: |target| Box::pin(records(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-msgpack",
        what: "MessagePack whose lengths, counts and depths lie",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(msgpack(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-negotiations",
        what: "2,000 connections that are negotiated and never made: ids, memory, expiry",
        bare_environment: &[("SIGNALR_DISCONNECT_TIMEOUT", "600000")],
        growth_max_mib: 12,
        short: false,
        run: |target| Box::pin(negotiations(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-sessions-max",
        what: "more negotiated connections than there may be",
        with: &["--limit", "sessions_max=300"],
        without: &["--limit", "sessions_max=1000000"],
        run: |target| Box::pin(sessions_max(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-stateful",
        what: "200 stateful connections that are cut off with 100 KB unacknowledged each",
        environment: &[("SIGNALR_DISCONNECT_TIMEOUT", "2000")],
        bare_environment: &[("SIGNALR_DISCONNECT_TIMEOUT", "600000")],
        growth_max_mib: 48,
        run: |target| Box::pin(stateful(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-handshake",
        what: "100 clients that never shake hands",
        bare_environment: &[("SIGNALR_HANDSHAKE_TIMEOUT", "600000")],
        run: |target| Box::pin(no_handshake(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-poll-races",
        what: "200 long polls with DELETE, polls and POSTs of the same connection at once",
        stays: "the session has one lock",
        run: |target| Box::pin(poll_races(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-ids",
        what: "calls and streams whose ids have a megabyte each",
        stays: "a peer that takes nothing is not read from: no limit, but how a turn is made",
        growth_max_mib: 48,
        run: |target| Box::pin(long_ids(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-uploads",
        what: "calls that announce 3,000 streams each, and items of streams that nobody announced",
        stays: "what nobody announced is dropped, and a call announces what its method takes",
        run: |target| Box::pin(uploads(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-gone-behind",
        what: "100 clients that make 400 calls of an hour each, and are gone",
        stays: "what can't be written to is gone, whether or not it is read from",
        run: |target| Box::pin(gone_behind(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-behind",
        what: "4 clients that make 60 calls of 4 MB each behind one of two seconds",
        without: &["--limit", "inbox_count_max=1000000000"],
        growth_max_mib: 96,
        run: |target| Box::pin(behind(target)),
        ..SIGNALR
    },
    Attack {
        name: "signalr-streams",
        what: "a client that opens 10,000 streams without end",
        stays: "all streams of a client wait for room in its one outbox, and are small themselves",
        growth_max_mib: 48,
        run: |target| Box::pin(streams(target)),
        ..SIGNALR
    },
];

const SIGNALR: Attack = Attack { suite: "signalr", ..Attack::DEFAULT };
const SOON: Duration = Duration::from_secs(6);

async fn enter(target: Target, protocol: &str) -> Outcome<Socket> {
    enter_at(target, "/hubs/test", protocol).await
}

async fn enter_at(target: Target, hub: &str, protocol: &str) -> Outcome<Socket> {
    let mut socket = Socket::open(target, hub).await?;
    let hello = format!("{{\"protocol\":\"{protocol}\",\"version\":1}}\u{1e}");
    socket.send(&text(&hello)).await.map_err(|error| error.to_string())?;
    socket.expect("{}\u{1e}").await?;
    Ok(socket)
}

async fn records(target: Target) -> Outcome {
    let call = |argument: &str| {
        format!(
            "{{\"type\":1,\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[{argument}]}}\u{1e}"
        )
    };
    let list = vec![
        "\u{1e}".to_owned(),
        "\u{1e}".repeat(10_000),
        "{}\u{1e}".to_owned(),
        "null\u{1e}".to_owned(),
        "[]\u{1e}".to_owned(),
        "{\"type\":1}\u{1e}".to_owned(),
        "{\"type\":\"1\"}\u{1e}".to_owned(),
        "{\"type\":1e400}\u{1e}".to_owned(),
        "{\"type\":99}\u{1e}".to_owned(),
        "{\"type\":2,\"invocationId\":\"x\",\"item\":1}\u{1e}".to_owned(),
        "{\"type\":3,\"invocationId\":\"x\",\"result\":1,\"error\":\"e\"}\u{1e}".to_owned(),
        "{\"type\":1,\"target\":1,\"arguments\":[]}\u{1e}".to_owned(),
        "{\"type\":1,\"target\":\"Echo\",\"arguments\":{}}\u{1e}".to_owned(),
        "{\"type\":1,\"type\":6,\"target\":\"Echo\",\"arguments\":[]}\u{1e}".to_owned(),
        call(&"[".repeat(15_000)),
        call(&("[".repeat(10_000) + &"]".repeat(10_000))),
        call("\"\\ud800\""),
        "x".repeat(40_000),
        format!("{{\"type\":1,\"target\":\"{}\",\"arguments\":[]}}\u{1e}", "n".repeat(30_000)),
    ];
    cases(list, move |record| async move {
        let mut socket = enter(target, "json").await?;
        socket.flood(&text(&record), SOON).await;
        match socket.end(Duration::from_millis(700)).await {
            Ok(End::Close(1006)) => Err(format!("{record:.40}: a code that may not be sent")),
            _ => Ok(()),
        }
    })
    .await?;
    // A record without an end, in frames that each have one.
    all(4, move |_| async move {
        let mut socket = enter(target, "json").await?;
        socket.flood(&masked(FIN | TEXT, &[b'x'; 8192]).repeat(400), SOON).await;
        socket.ends(SOON).await?;
        let mut socket = enter(target, "json").await?;
        let mut flood = masked(TEXT, &[b'x'; 8192]);
        flood.extend(masked(CONTINUATION, &[b'x'; 8192]).repeat(400));
        socket.flood(&flood, SOON).await;
        socket.ends(SOON).await
    })
    .await
}

/// A record of the binary protocol: its length as a varint, then itself.
fn record(body: &[u8]) -> Vec<u8> {
    let (mut record, mut len) = (Vec::new(), body.len());
    while len >= 128 {
        record.push((len % 128) as u8 | 128);
        len /= 128;
    }
    record.push(len as u8);
    record.extend_from_slice(body);
    record
}

async fn msgpack(target: Target) -> Outcome {
    // [1, {}, null, "Echo", [...]]: an invocation up to its arguments.
    let call = |arguments: &[u8]| {
        let mut body = vec![0x96, 1, 0x80, 0xa1, b'1', 0xa4, b'E', b'c', b'h', b'o'];
        body.extend_from_slice(arguments);
        body.push(0x90);
        record(&body)
    };
    let list: Vec<Vec<u8>> = vec![
        vec![0xff; 5],
        vec![0xff, 0xff, 0xff, 0xff, 0x7f],
        vec![0xff, 0xff, 0xff, 0xff, 0x07],
        vec![0x80; 6],
        record(&[0xdd, 0xff, 0xff, 0xff, 0xff]),
        record(&[0xdf, 0xff, 0xff, 0xff, 0xff]),
        record(&[0xdb, 0xff, 0xff, 0xff, 0xff]),
        record(&[0xc6, 0xff, 0xff, 0xff, 0xff]),
        record(&[0xc9, 0xff, 0xff, 0xff, 0xff, 1]),
        record(&[0xc1]),
        record(&[]),
        record(&[0x91; 10_000]),
        call(&[0x91; 10_000]),
        call(&[&[0x91][..], &[0x81, 0xa1, b'a'].repeat(5000)].concat()),
        call(&[0x91, 0xdd, 0x7f, 0xff, 0xff, 0xff]),
        call(&[0x91, 0xdf, 0x7f, 0xff, 0xff, 0xff]),
        call(&[0x91, 0xc6, 0x7f, 0xff, 0xff, 0xff]),
        call(&[0x91, 0xc9, 0x7f, 0xff, 0xff, 0xff, 5]),
        call(&[0x91, 0xc7, 0x0c, 0xff]),
        call(&[0x91, 0xa1, 0xff]),
    ];
    cases(list, move |octets| async move {
        let mut socket = enter(target, "messagepack").await?;
        socket.flood(&masked(FIN | BINARY, &octets), SOON).await;
        match socket.end(Duration::from_millis(700)).await {
            Ok(End::Close(1006)) => Err("ended by a code that may not be sent".to_owned()),
            _ => Ok(()),
        }
    })
    .await
}

async fn negotiations(target: Target) -> Outcome {
    let mut tokens = HashSet::new();
    let mut first = String::new();
    for _ in 0..2000 {
        let path = "/hubs/test/negotiate?negotiateVersion=1";
        let answer = exchange(target, &post(target, path, "", b""), SOON).await?;
        let token = answer.body.split("\"connectionToken\":\"").nth(1);
        let token = token.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
        if token.len() < 20 || !tokens.insert(token.clone()) {
            return Err(format!("the token '{token}' can be guessed"));
        }
        if first.is_empty() {
            first = token;
        }
    }
    // Fifteen seconds without a carrier end a connection, and one more for a slow machine.
    tokio::time::sleep(Duration::from_secs(17)).await;
    let path = format!("/hubs/test?id={first}");
    match exchange(target, &post(target, &path, "", b"x"), SOON).await?.status {
        404 => Ok(()),
        status => Err(format!("a connection that was never made lives on: {status}")),
    }
}

async fn sessions_max(target: Target) -> Outcome {
    let negotiate = post(target, "/hubs/test/negotiate?negotiateVersion=1", "", b"");
    for number in 0..1000 {
        let answer = exchange(target, &negotiate, SOON).await?;
        match answer.status {
            200 => {}
            503 if answer.head.contains("retry-after") && number >= 250 => return Ok(()),
            status => return Err(format!("negotiation {number} was answered {status}")),
        }
    }
    Err("no connection was refused".to_owned())
}

/// Each is told so much that it may be told no more, and is gone without an Ack.
async fn stateful(target: Target) -> Outcome {
    let path = "/hubs/test/negotiate?negotiateVersion=1&useStatefulReconnect=true";
    let negotiate = post(target, path, "", b"");
    let argument = "x".repeat(20_000);
    let call = format!(
        "{{\"type\":1,\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[\"{argument}\"]}}\u{1e}"
    );
    for _ in 0..200 {
        let answer = exchange(target, &negotiate, SOON).await?;
        let token = answer.body.split("\"connectionToken\":\"").nth(1);
        let token = token.and_then(|rest| rest.split('"').next()).unwrap_or_default();
        if !answer.body.contains("\"useStatefulReconnect\":true") {
            return Err(format!("no stateful reconnect: {}", answer.body));
        }
        let mut socket = Socket::open(target, &format!("/hubs/test?id={token}")).await?;
        let hello = text("{\"protocol\":\"json\",\"version\":2}\u{1e}");
        socket.send(&hello).await.map_err(|error| error.to_string())?;
        socket.expect("{}\u{1e}").await?;
        socket.flood(&text(&call).repeat(6), SOON).await;
        for _ in 0..4 {
            socket.expect("xxx").await?;
        }
        super::closing::reset(&socket.stream);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(())
}

async fn no_handshake(target: Target) -> Outcome {
    all(100, move |_| async move {
        let mut socket = Socket::open(target, "/hubs/fast").await?;
        socket.ends(Duration::from_secs(6)).await
    })
    .await
}

async fn streams(target: Target) -> Outcome {
    let mut socket = enter(target, "json").await?;
    let mut flood = Vec::new();
    for number in 0..10_000 {
        flood.extend(text(&format!(
            "{{\"type\":4,\"invocationId\":\"{number}\",\"target\":\"Infinite\",\
             \"arguments\":[\"k{number}\",60000]}}\u{1e}"
        )));
    }
    socket.flood(&flood, SOON).await;
    Ok(())
}

async fn gone_behind(target: Target) -> Outcome {
    let call = text(
        "{\"type\":1,\"invocationId\":\"1\",\"target\":\"DelayedEcho\",\"arguments\":[\"x\",3600000]}\u{1e}",
    );
    let calls = call.repeat(400);
    all(100, |_| {
        let calls = calls.clone();
        async move {
            // Over TLS a reset shows when something is written, which is each second there.
            let mut socket = enter_at(target, "/hubs/fast", "json").await?;
            socket.flood(&calls, SOON).await;
            // More than may wait for handlers is there: it is not read from any more.
            tokio::time::sleep(Duration::from_millis(500)).await;
            super::closing::reset(&socket.stream);
            Ok(())
        }
    })
    .await
}

async fn behind(target: Target) -> Outcome {
    let call = |target: &str, arguments: &str| {
        text(&format!(
            "{{\"type\":1,\"invocationId\":\"1\",\"target\":\"{target}\",\"arguments\":[{arguments}]}}\u{1e}"
        ))
    };
    let slow = call("DelayedEcho", "\"x\",2000");
    let long = call("Length", &format!("\"{}\"", "x".repeat(4_000_000)));
    all(4, |_| {
        let (slow, long) = (slow.clone(), long.clone());
        async move {
            let mut socket = enter_at(target, "/hubs/big", "json").await?;
            socket.flood(&slow, SOON).await;
            for _ in 0..60 {
                socket.flood(&long, SOON).await;
            }
            // All of them are answered, the last too.
            for _ in 0..61 {
                socket.expect("\"type\":3").await?;
            }
            Ok(())
        }
    })
    .await
}

async fn poll_races(target: Target) -> Outcome {
    all(200, move |_| async move {
        let negotiate = post(target, "/hubs/test/negotiate?negotiateVersion=1", "", b"");
        let answer = exchange(target, &negotiate, SOON).await?;
        let token = answer.body.split("\"connectionToken\":\"").nth(1);
        let token = token.and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let path = format!("/hubs/test?id={token}");
        let poll = get(target, &path, "");
        let delete = String::from_utf8_lossy(&poll).replacen("GET", "DELETE", 1).into_bytes();
        let hello = post(target, &path, "", b"{\"protocol\":\"json\",\"version\":1}\x1e");
        let ping = post(target, &path, "", b"{\"type\":6}\x1e");
        exchange(target, &poll, SOON).await?;
        let all = [&poll, &hello, &poll, &delete, &ping, &poll, &delete, &poll];
        let all = all.map(|request| exchange(target, request, SOON));
        for answer in futures_util::future::join_all(all).await {
            match answer?.status {
                200..=499 => {}
                status => return Err(format!("a race was answered {status}")),
            }
        }
        // Whoever won, it is gone.
        match exchange(target, &ping, SOON).await?.status {
            404 => Ok(()),
            status => Err(format!("a deleted connection answers {status}")),
        }
    })
    .await
}

async fn enter_big(target: Target) -> Outcome<Socket> {
    let mut socket = Socket::open(target, "/hubs/big").await?;
    let hello = text("{\"protocol\":\"json\",\"version\":1}\u{1e}");
    socket.send(&hello).await.map_err(|error| error.to_string())?;
    socket.expect("{}\u{1e}").await?;
    Ok(socket)
}

async fn long_ids(target: Target) -> Outcome {
    let mut socket = enter_big(target).await?;
    let id = "i".repeat(1 << 20);
    for number in 0..30 {
        let (kind, method) = if number < 15 { (1, "Echo") } else { (4, "Infinite") };
        let call = format!(
            "{{\"type\":{kind},\"invocationId\":\"{number}{id}\",\"target\":\"{method}\",\
             \"arguments\":[\"k{number}\"{}]}}\u{1e}",
            if number < 15 { "" } else { ",60000" }
        );
        // It is not read from while it reads nothing of what it is answered.
        socket.flood(&text(&call), Duration::from_millis(300)).await;
    }
    Ok(())
}

async fn uploads(target: Target) -> Outcome {
    let mut socket = enter(target, "json").await?;
    let ids: Vec<_> = (0..3000).map(|id| format!("\"{id}\"")).collect();
    let ids = ids.join(",");
    let mut flood = Vec::new();
    for number in 0..50 {
        flood.extend(text(&format!(
            "{{\"type\":1,\"invocationId\":\"u{number}\",\"target\":\"Echo\",\
             \"arguments\":[],\"streamIds\":[{ids}]}}\u{1e}"
        )));
    }
    for number in 0..20_000 {
        let item = format!("{{\"type\":2,\"invocationId\":\"{number}\",\"item\":1}}\u{1e}");
        flood.extend(text(&item));
    }
    socket.flood(&flood, SOON).await;
    Ok(())
}
