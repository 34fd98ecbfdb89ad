//! Before the WebSocket: requests that never end, requests that are too large, foreign pages.

use crate::attack::{Attack, Outcome, Target, all, cases, within};
use crate::wire::http::{exchange, get};
use crate::wire::socket::request;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "slowloris",
        what: "requests whose head never ends, in six forms, 50 connections each",
        with: &["--limit", "handshake_timeout_ms=3000"],
        without: &["--limit", "handshake_timeout_ms=600000"],
        run: |target| Box::pin(slowloris(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "slow-body",
        what: "POSTs whose body comes octet by octet",
        suite: "sockjs",
        with: &["--limit", "body_timeout_ms=3000"],
        without: &["--limit", "body_timeout_ms=600000"],
        run: |target| Box::pin(slow_body(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "needless-bodies",
        what: "160 polls and streams with half a body that says nothing to anybody",
        suite: "sockjs",
        with: &["--limit", "body_timeout_ms=3000"],
        without: &["--limit", "body_timeout_ms=600000"],
        run: |target| Box::pin(needless_bodies(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "half-bodies",
        what: "40 POSTs that stop an octet before their end, at 3 MiB",
        suite: "sockjs",
        with: &["--limit", "unfinished_len_max=16777216", "--limit", "body_timeout_ms=3000"],
        without: &["--limit", "unfinished_len_max=1000000000"],
        growth_max_mib: 64,
        run: |target| Box::pin(half_bodies(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "log-unread",
        what: "2,000 refusals that a server logs whose log nobody reads",
        stays: "the log has a thread of its own",
        with: &["--log", "debug"],
        log_unread: true,
        run: |target| Box::pin(log_unread(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "big-headers",
        what: "a header of 1 MiB, whole and in pieces, and 20,000 headers",
        without: &["--limit", "head_len_max=16000000", "--limit", "headers_max=30000"],
        run: |target| Box::pin(big_headers(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "origins",
        what: "pages of other origins, and of names that only look like the allowed one",
        stays: "the allow-list is the mount's own",
        run: |target| Box::pin(origins(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "rebinding",
        what: "pages whose own name has been made to mean 127.0.0.1",
        without: &["--any-host"],
        run: |target| Box::pin(rebinding(target)),
        ..Attack::DEFAULT
    },
];

const SLOW_TIME_MAX: Duration = Duration::from_secs(6);

async fn slowloris(target: Target) -> Outcome {
    let whole = request(target, "/echo", "");
    let half = whole[..whole.len() / 2].to_owned();
    let late = "HTTP/1.1 408 ";
    let forms: Vec<(&str, String, &str, &str)> = vec![
        ("silent", String::new(), "", ""),
        ("one octet", "G".to_owned(), "", late),
        ("half a head", half.clone(), "", late),
        ("octet by octet", half, "x", late),
        ("header after header", whole[..whole.len() - 2].to_owned(), "X-Slow: 1\r\n", late),
        ("half a preface", "PRI * HTTP/2.0\r\n".to_owned(), "", ""),
    ];
    cases(forms, move |(name, start, drip, wanted)| async move {
        all(50, |_| {
            let (start, drip) = (start.clone(), drip.to_owned());
            async move {
                let told = drip_until_closed(target, start.into_bytes(), drip.into_bytes());
                let told = within(SLOW_TIME_MAX, name, told).await??;
                match told.starts_with(wanted) {
                    true => Ok(()),
                    false => Err(format!("{name}: told {told:.30?}, not {wanted:?}")),
                }
            }
        })
        .await
    })
    .await
}

/// Sends a start, then the same few octets again and again, until the server ends TCP. What it
/// says.
async fn drip_until_closed(target: Target, start: Vec<u8>, drip: Vec<u8>) -> Outcome<String> {
    let mut stream = TcpStream::connect(target.address).await.map_err(|e| e.to_string())?;
    let (mut chunk, mut told) = ([0; 4096], String::new());
    stream.write_all(&start).await.map_err(|e| e.to_string())?;
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            read = stream.read(&mut chunk) => match read {
                Ok(0) | Err(_) => return Ok(told),
                Ok(len) => told.push_str(&String::from_utf8_lossy(&chunk[..len])),
            },
            _ = ticks.tick() => {
                // The reading side finds out that it is over.
                stream.write_all(&drip).await.ok();
            }
        }
    }
}

async fn slow_body(target: Target) -> Outcome {
    let address = target.address;
    all(100, move |number| async move {
        let path = format!("/default_echo/000/slow{number}");
        // A session to post to: it opens with its first poll.
        exchange(target, &crate::wire::http::post(target, &format!("{path}/xhr"), "", b""), FAST)
            .await?;
        let head = format!(
            "POST {path}/xhr_send HTTP/1.1\r\nHost: {address}\r\nContent-Length: 4000000\r\n\r\n["
        );
        let answered = async {
            let mut stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
            stream.write_all(head.as_bytes()).await.map_err(|e| e.to_string())?;
            let mut chunk = [0; 4096];
            loop {
                let read =
                    tokio::time::timeout(Duration::from_millis(300), stream.read(&mut chunk));
                match read.await {
                    Ok(_) => return Ok(()),
                    Err(_) => {
                        stream.write_all(b" ").await.ok();
                    }
                }
            }
        };
        within(SLOW_TIME_MAX, "an answer to a body that does not end", answered).await?
    })
    .await
}

const FAST: Duration = Duration::from_secs(5);

async fn needless_bodies(target: Target) -> Outcome {
    all(160, move |number| async move {
        let path = format!("/default_echo/000/needless{number}");
        let (method, carrier) = match number % 4 {
            0 => ("POST", "xhr"),
            1 => ("POST", "xhr_streaming"),
            2 => ("GET", "eventsource"),
            _ => ("GET", "htmlfile?c=callback"),
        };
        let address = target.address;
        let half = format!(
            "{method} {path}/{carrier} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 9\r\n\r\n1234"
        );
        match exchange(target, half.as_bytes(), SLOW_TIME_MAX).await?.status {
            408 => Ok(()),
            status => Err(format!("{carrier} with half a body was answered {status}")),
        }
    })
    .await
}

async fn half_bodies(target: Target) -> Outcome {
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    all(40, move |number| {
        let refused = Arc::clone(&counted);
        async move {
            let path = format!("/default_echo/000/half{number}");
            let open = crate::wire::http::post(target, &format!("{path}/xhr"), "", b"");
            exchange(target, &open, FAST).await?;
            let body = vec![b' '; 3 << 20];
            let mut post = crate::wire::http::post(target, &format!("{path}/xhr_send"), "", &body);
            post.pop();
            match exchange(target, &post, SLOW_TIME_MAX).await?.status {
                408 => Ok(()),
                503 => {
                    refused.fetch_add(1, Relaxed);
                    Ok(())
                }
                status => Err(format!("half a body was answered {status}")),
            }
        }
    })
    .await?;
    match refused.load(Relaxed) {
        0 => Err("all of them were taken".to_owned()),
        _ => Ok(()),
    }
}

async fn log_unread(target: Target) -> Outcome {
    for number in 0..2000 {
        let more = format!("Origin: http://{}{number}.example\r\n", "evil".repeat(20));
        let octets = request(target, "/origin", &more).into_bytes();
        match exchange(target, &octets, FAST).await?.status {
            403 => {}
            status => return Err(format!("page {number} was answered {status}")),
        }
    }
    Ok(())
}

async fn big_headers(target: Target) -> Outcome {
    let one = format!("X-Big: {}\r\n", "x".repeat(1 << 20));
    let many: String = (0..20_000).map(|number| format!("X-{number}: 1\r\n")).collect();
    let same = "X-Same: 1\r\n".repeat(2000);
    let cookies = format!("Cookie: {}\r\n", "a=b; ".repeat(8000));
    let list: Vec<_> = [one, many, same, cookies].into_iter().cycle().take(40).collect();
    cases(list, move |more| async move {
        let octets = request(target, "/echo", &more).into_bytes();
        let answer = exchange(target, &octets, FAST).await?;
        match answer.status {
            400..=499 => Ok(()),
            0 if answer.ended => Ok(()),
            status => Err(format!("a head of {} octets was answered {status}", octets.len())),
        }
    })
    .await
}

async fn origins(target: Target) -> Outcome {
    let foreign = [
        "http://evil.example",
        "http://allowed.example.evil.example",
        "http://evilallowed.example",
        "http://allowed.example:8080",
        "https://allowed.example",
        "http://allowed.example@evil.example",
        "http://allowed.exampl",
        "http://sub.allowed.example",
        "null",
        "",
        "file://",
        "http://allowed.example/",
        "http://allowed.example, http://evil.example",
    ];
    for origin in foreign {
        let more = format!("Origin: {origin}\r\n");
        let octets = request(target, "/origin", &more).into_bytes();
        let answer = exchange(target, &octets, FAST).await?;
        if answer.status != 403 && answer.status != 400 {
            return Err(format!("the origin '{origin}' was answered {}", answer.status));
        }
    }
    let octets = request(target, "/origin", "Origin: http://allowed.example\r\n").into_bytes();
    match exchange(target, &octets, FAST).await?.status {
        101 => Ok(()),
        status => Err(format!("the allowed origin was answered {status}")),
    }
}

async fn rebinding(target: Target) -> Outcome {
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.test"]
    {
        for path in ["/echo", "/stats"] {
            let octets = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
            let answer = exchange(target, &octets, FAST).await?;
            if !matches!(answer.status, 403 | 421) {
                return Err(format!("the host {host} was answered {}", answer.status));
            }
        }
    }
    match exchange(target, &get(target, "/stats", ""), FAST).await?.status {
        200 => Ok(()),
        status => Err(format!("the server's own name was answered {status}")),
    }
}
