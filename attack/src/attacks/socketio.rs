//! Engine.IO and Socket.IO: packets, polls, sessions, namespaces, attachments.

use crate::attack::{Attack, Outcome, Target, all, cases};
use crate::wire::frame::{BINARY, FIN, text};
use crate::wire::http::{exchange, get, post};
use crate::wire::socket::{End, Socket};
use std::collections::HashSet;
use std::time::Duration;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "sio-packets",
        what: "packets that are no packets, 60 kinds",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(packets(target)),
        ..SIO
    },
    Attack {
        name: "sio-pong-flood",
        what: "100,000 pongs that nobody asked for",
        stays: "a pong costs nothing but its reading",
        run: |target| Box::pin(pongs(target)),
        ..SIO
    },
    Attack {
        name: "sio-polling",
        what: "POSTs of a wrong type or length, and of separators alone",
        stays: "a body is read within its limit and refused whole",
        growth_max_mib: 48,
        run: |target| Box::pin(polling(target)),
        ..SIO
    },
    Attack {
        name: "sio-jsonp",
        what: "JSONP with an index that is a script",
        stays: "the index must be digits",
        run: |target| Box::pin(jsonp(target)),
        ..SIO
    },
    Attack {
        name: "sio-sessions",
        what: "2,000 polling sessions that are never used: ids, memory, expiry",
        bare_environment: &[("SIO_PING_TIMEOUT", "600000")],
        environment: &[("SIO_PING_INTERVAL", "1500"), ("SIO_PING_TIMEOUT", "1000")],
        growth_max_mib: 12,
        run: |target| Box::pin(sessions(target)),
        ..SIO
    },
    Attack {
        name: "sio-sessions-max",
        what: "more sessions than there may be",
        with: &["--limit", "sessions_max=300"],
        without: &["--limit", "sessions_max=1000000"],
        environment: &[("SIO_PING_INTERVAL", "600000")],
        run: |target| Box::pin(sessions_max(target)),
        ..SIO
    },
    Attack {
        name: "sio-slow-auth",
        what: "300 clients that ask a middleware for an hour, and are gone",
        stays: "a middleware's future is dropped with the client that waits for it",
        growth_max_mib: 16,
        run: |target| Box::pin(slow_auth(target)),
        ..SIO
    },
    Attack {
        name: "sio-connect-timeout",
        what: "200 clients that enter no namespace",
        bare_environment: &[("SIO_CONNECT_TIMEOUT", "600000")],
        environment: &[("SIO_CONNECT_TIMEOUT", "1500")],
        run: |target| Box::pin(never_enters(target)),
        ..SIO
    },
    Attack {
        name: "sio-namespaces",
        what: "a client that enters 1,000 namespaces",
        bare_environment: &[("SIO_NAMESPACES_MAX", "100000")],
        run: |target| Box::pin(namespaces(target)),
        ..SIO
    },
    Attack {
        name: "sio-rooms",
        what: "a client that joins 5,000 rooms",
        without: &["--limit", "rooms_max=1000000"],
        run: |target| Box::pin(rooms(target)),
        ..SIO
    },
    Attack {
        name: "sio-attachments",
        what: "packets that declare attachments which never come, or too many",
        bare_environment: &[("SIO_ATTACHMENTS_MAX", "1000000000")],
        run: |target| Box::pin(attachments(target)),
        ..SIO
    },
    Attack {
        name: "sio-half-packets",
        what: "60 clients that send nine of ten attachments, 900 KB each, and never the last",
        with: &["--limit", "unfinished_len_max=16777216"],
        without: &["--limit", "unfinished_len_max=1000000000"],
        growth_max_mib: 96,
        run: |target| Box::pin(half_packets(target)),
        ..SIO
    },
    Attack {
        name: "sio-probes",
        what: "50 polling sessions with 20 WebSockets each that begin to take over, and stop",
        bare_environment: &[("SIO_UPGRADE_TIMEOUT", "600000")],
        environment: &[("SIO_UPGRADE_TIMEOUT", "1500")],
        run: |target| Box::pin(probes(target)),
        ..SIO
    },
    Attack {
        name: "sio-violations",
        what: "broken frames on a WebSocket that upgrades a poll",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(violations(target)),
        ..SIO
    },
];

const SIO: Attack = Attack { suite: "socketio", ..Attack::DEFAULT };
const SOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const POLL: &str = "/socket.io/?EIO=4&transport=polling";
const SOON: Duration = Duration::from_secs(6);

async fn enter(target: Target) -> Outcome<Socket> {
    let mut socket = Socket::open(target, SOCKET).await?;
    socket.expect("0{").await?;
    socket.send(&text("40")).await.map_err(|error| error.to_string())?;
    socket.expect("40{").await?;
    Ok(socket)
}

/// A polling session's id.
async fn poll_open(target: Target) -> Outcome<String> {
    let answer = exchange(target, &get(target, POLL, ""), SOON).await?;
    let sid = answer.body.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next());
    sid.map(str::to_owned).ok_or_else(|| format!("{} {}", answer.status, answer.body))
}

async fn packets(target: Target) -> Outcome {
    let deep = |open: &str, close: &str| {
        format!("42[\"echo\",{}1{}]", open.repeat(100_000), close.repeat(100_000))
    };
    let mut list: Vec<String> = PACKETS.iter().map(|packet| (*packet).to_owned()).collect();
    list.extend([
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("[", ""),
        format!("42[\"{}\"]", "n".repeat(300_000)),
    ]);
    cases(list, move |packet| async move {
        let mut socket = enter(target).await?;
        socket.flood(&text(&packet), SOON).await;
        match socket.end(Duration::from_millis(700)).await {
            Ok(End::Close(1006 | 1011)) => Err(format!("{packet:.40} was ended as our own fault")),
            _ => Ok(()),
        }
    })
    .await
}

async fn pongs(target: Target) -> Outcome {
    all(2, move |_| async move {
        let mut socket = enter(target).await?;
        socket.flood(&text("3").repeat(50_000), SOON).await;
        Ok(())
    })
    .await
}

async fn polling(target: Target) -> Outcome {
    let separators = "\u{1e}".repeat(900_000);
    let packets = "2\u{1e}".repeat(200_000) + "2";
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("application/octet-stream", b"\x04hello".to_vec()),
        ("application/octet-stream", b"4hello".to_vec()),
        ("text/plain", separators.into_bytes()),
        ("text/plain", packets.into_bytes()),
        ("text/plain", Vec::new()),
        ("text/plain", vec![0xff; 1000]),
        ("text/plain", vec![b'4'; 1_000_001]),
        ("text/plain", vec![b'b'; 100_000]),
        ("application/x-www-form-urlencoded", b"d=".to_vec()),
        ("application/x-www-form-urlencoded", b"d=%ff%".to_vec()),
        ("multipart/form-data", b"--x".to_vec()),
    ];
    cases(bodies, move |(kind, body)| async move {
        for _ in 0..3 {
            let path = format!("{POLL}&sid={}", poll_open(target).await?);
            let answer = exchange(target, &post(target, &path, kind, &body), SOON).await?;
            if !(200..500).contains(&answer.status) && !answer.ended {
                let len = body.len();
                return Err(format!("{len} octets of {kind} were answered {}", answer.status));
            }
        }
        Ok(())
    })
    .await?;
    // More is declared than ever comes.
    all(100, move |_| async move {
        let path = format!("{POLL}&sid={}", poll_open(target).await?);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 999999\r\n\r\n4x",
            target.address
        );
        exchange(target, head.as_bytes(), Duration::from_millis(300)).await.map(drop)
    })
    .await
}

async fn jsonp(target: Target) -> Outcome {
    for index in ["alert(1)", "0]);alert(1)//", "%3Cscript%3E", "a.b", "-1", "1e9", "%0a"] {
        let answer = exchange(target, &get(target, &format!("{POLL}&j={index}"), ""), SOON).await?;
        if answer.body.contains("alert") || answer.body.contains('<') {
            return Err(format!("the index {index} came back: {:.60}", answer.body));
        }
    }
    Ok(())
}

async fn sessions(target: Target) -> Outcome {
    let mut ids = HashSet::new();
    for _ in 0..2000 {
        let sid = poll_open(target).await?;
        if sid.len() < 20 || !ids.insert(sid.clone()) {
            return Err(format!("the id {sid} can be guessed"));
        }
    }
    // Each octet of the ids should be anything.
    for place in 0..20 {
        let seen: HashSet<u8> = ids.iter().map(|id| id.as_bytes()[place]).collect();
        if seen.len() < 40 {
            return Err(format!("place {place} of the ids has only {} values", seen.len()));
        }
    }
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let Some(sid) = ids.iter().next() else { return Ok(()) };
    let answer = exchange(target, &get(target, &format!("{POLL}&sid={sid}"), ""), SOON).await?;
    match answer.status {
        400 => Ok(()),
        status => Err(format!("a session that was never used lives on: {status}")),
    }
}

async fn sessions_max(target: Target) -> Outcome {
    // The good client comes and goes: below the limit, one of its own always fits.
    for number in 0..1000 {
        let answer = exchange(target, &get(target, POLL, ""), SOON).await?;
        match answer.status {
            200 => {}
            503 if answer.head.contains("retry-after") => {
                return if number >= 250 { Ok(()) } else { Err(format!("full at {number}")) };
            }
            status => return Err(format!("session {number} was answered {status}")),
        }
    }
    Err("no session was refused".to_owned())
}

async fn slow_auth(target: Target) -> Outcome {
    all(300, move |number| async move {
        let mut socket = Socket::open(target, SOCKET).await?;
        socket.expect("0{").await?;
        let ask = text("40/auth,{\"slow\":3600000,\"token\":\"secret\"}");
        socket.send(&ask).await.map_err(|error| error.to_string())?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        if number % 2 == 0 {
            super::closing::reset(&socket.stream);
        }
        Ok(())
    })
    .await
}

async fn never_enters(target: Target) -> Outcome {
    all(200, move |_| async move {
        let mut socket = Socket::open(target, SOCKET).await?;
        socket.expect("0{").await?;
        socket.ends(Duration::from_secs(5)).await
    })
    .await
}

async fn namespaces(target: Target) -> Outcome {
    let mut socket = enter(target).await?;
    let (mut entered, mut refused) = (0, 0);
    for number in 0..1000 {
        let name = format!("/dyn-{number}");
        let sent = socket.send(&text(&format!("40{name},"))).await;
        if sent.is_err() {
            break;
        }
        match socket.expect(&format!("{name},")).await {
            Ok(answer) if answer.starts_with("40") => entered += 1,
            Ok(_) => refused += 1,
            Err(_) => break,
        }
    }
    match entered {
        1..=100 if refused > 0 || entered < 1000 => Ok(()),
        _ => Err(format!("entered {entered} namespaces, refused {refused}")),
    }
}

async fn rooms(target: Target) -> Outcome {
    let mut socket = enter(target).await?;
    for first in (0..5000).step_by(500) {
        let list: Vec<_> = (first..first + 500).map(|room| format!("\"room{room}\"")).collect();
        let packet = format!("42{first}[\"join\",[{}]]", list.join(","));
        if socket.send(&text(&packet)).await.is_err() {
            break;
        }
    }
    let packet = text("429999[\"get-data\"]");
    socket.send(&packet).await.map_err(|error| error.to_string())?;
    let answer = socket.expect("439999").await?;
    // Their names, and the word `rooms` before them.
    let joined = answer.matches("\"room").count() - 1;
    if joined <= 1000 { Ok(()) } else { Err(format!("joined {joined} rooms")) }
}

async fn attachments(target: Target) -> Outcome {
    let placeholders = vec!["{\"_placeholder\":true,\"num\":0}"; 50_000].join(",");
    let lists = [
        "4511-[\"echo\"]".to_owned(),
        "451000000-[\"echo\"]".to_owned(),
        "4599999999999999999999-[\"echo\"]".to_owned(),
        format!("451-[\"echo\",{placeholders}]"),
    ];
    cases(lists.into(), move |packet| async move {
        let mut socket = enter(target).await?;
        socket.flood(&text(&packet), SOON).await;
        for _ in 0..20 {
            let attachment = crate::wire::frame::masked(FIN | BINARY, &[7; 60_000]);
            socket.flood(&attachment, SOON).await;
        }
        let ended = socket.ends(SOON).await;
        ended.map_err(|why| format!("{packet:.30}: {why}"))
    })
    .await
}

async fn half_packets(target: Target) -> Outcome {
    let places: Vec<_> =
        (0..10).map(|num| format!("{{\"_placeholder\":true,\"num\":{num}}}")).collect();
    let mut octets = text(&format!("4510-[\"echo\",{}]", places.join(",")));
    for _ in 0..9 {
        octets.extend(crate::wire::frame::masked(FIN | BINARY, &[7; 900_000]));
    }
    let mut clients = Vec::new();
    for _ in 0..60 {
        let mut socket = enter(target).await?;
        socket.flood(&octets, SOON).await;
        clients.push(socket);
    }
    let mut refused = 0;
    for client in &mut clients {
        refused += usize::from(client.end(Duration::from_millis(100)).await.is_ok());
    }
    // What two of them have sent fits.
    match refused {
        50.. => Ok(()),
        _ => Err(format!("{refused} of 60 were refused")),
    }
}

async fn probes(target: Target) -> Outcome {
    all(50, move |_| async move {
        let path = format!("{SOCKET}&sid={}", poll_open(target).await?);
        let mut sockets = Vec::new();
        for _ in 0..20 {
            let mut socket = Socket::open(target, &path).await?;
            socket.flood(&text("2probe"), SOON).await;
            sockets.push(socket);
        }
        // The first has its time; the others are refused at once.
        for socket in &mut sockets {
            socket.ends(SOON).await?;
        }
        Ok(())
    })
    .await
}

async fn violations(target: Target) -> Outcome {
    let broken: Vec<Vec<u8>> = vec![
        vec![0xf1, 0x81, 0, 0, 0, 0, b'x'],
        vec![0x81, 0x01, b'2'],
        vec![0x83, 0x80, 0, 0, 0, 0],
        vec![0xc1, 0x86, 0, 0, 0, 0, b'2', b'p', b'r', b'o', b'b', b'e'],
    ];
    cases(broken, move |octets| async move {
        let sid = poll_open(target).await?;
        let mut socket = Socket::open(target, &format!("{SOCKET}&sid={sid}")).await?;
        socket.flood(&octets, SOON).await;
        socket.ends(SOON).await
    })
    .await
}

/// What is no packet, or one that nobody should send.
const PACKETS: &[&str] = &[
    "",
    "4",
    "42",
    "42[",
    "42[]",
    "42[1]",
    "42[null]",
    "42[{}]",
    "42[[]]",
    "42{}",
    "42\"echo\"",
    "42[\"echo\"",
    "42[\"echo\",]",
    "42[\"echo\",1,]",
    "42[\"echo\" 1]",
    "42[\"echo\",nul]",
    "42[\"echo\",01]",
    "42[\"echo\",1e]",
    "42[\"echo\",\"\u{1}\"]",
    "42[\"echo\",\"\\x\"]",
    "42[\"echo\"]]",
    "42[\"echo\"],{}",
    "42-1[\"echo\"]",
    "42999999999999999999999[\"echo\"]",
    "42/nowhere,[\"echo\"]",
    "42/",
    "42/,",
    "41/nowhere",
    "43",
    "43[]",
    "4399[]",
    "43-1[]",
    "44",
    "44{}",
    "45",
    "451",
    "451-",
    "451-[]",
    "45-1-[\"echo\"]",
    "451-[1]",
    "451-[\"echo\",{\"_placeholder\":true,\"num\":1}]",
    "451-[\"echo\",{\"_placeholder\":true,\"num\":-1}]",
    "451-[\"echo\",{\"_placeholder\":true,\"num\":\"splice\"}]",
    "451-[\"echo\",{\"_placeholder\":true,\"num\":1e99}]",
    "46",
    "461-",
    "47",
    "4a",
    "40",
    "40{",
    "40/chat",
    "40/chat,{",
    "40/a\u{0}b,",
    "5",
    "6",
    "7",
    "9",
    "x",
    "\u{0}",
    "3probe",
    "2probe",
    "42[\"connect\"]",
    "42[\"disconnect\"]",
    "42[\"__proto__\"]",
    "42[\"constructor\",1]",
];
