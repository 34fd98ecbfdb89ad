//! SockJS: sessions that clients name, bodies, callbacks, upgrades where there are none.

use crate::attack::{Attack, Outcome, Target, all, cases};
use crate::wire::http::{exchange, get, post};
use crate::wire::socket::{End, Socket};
use std::time::Duration;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "sockjs-sessions",
        what: "2,000 sessions that are opened and left alone",
        bare_environment: &[("SOCKJS_DISCONNECT_DELAY", "600000")],
        growth_max_mib: 16,
        run: |target| Box::pin(sessions(target)),
        ..SOCKJS
    },
    Attack {
        name: "sockjs-amplify",
        what: "10 peers that ask for 4 GiB each in 20 octets a MiB, and read nothing",
        stays: "a peer that takes nothing is not read from: no limit, but how a turn is made",
        growth_max_mib: 64,
        run: |target| Box::pin(amplify(target)),
        ..SOCKJS
    },
    Attack {
        name: "sockjs-bodies",
        what: "bodies that are no list of texts, or have too many",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(bodies(target)),
        ..SOCKJS
    },
    Attack {
        name: "sockjs-callbacks",
        what: "callbacks of JSONP and htmlfile that are scripts",
        stays: "a callback must be a name",
        run: |target| Box::pin(callbacks(target)),
        ..SOCKJS
    },
    Attack {
        name: "sockjs-upgrades",
        what: "an Upgrade header on every URL",
        stays: "101 is for WebSocket's own paths",
        run: |target| Box::pin(upgrades(target)),
        ..SOCKJS
    },
    Attack {
        name: "sockjs-frames",
        what: "WebSocket messages that are no list of texts",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(frames(target)),
        ..SOCKJS
    },
];

const SOCKJS: Attack = Attack { suite: "sockjs", ..Attack::DEFAULT };
const SOON: Duration = Duration::from_secs(6);

async fn sessions(target: Target) -> Outcome {
    for number in 0..2000 {
        let path = format!("/fast_echo/000/left{number}/xhr");
        let answer = exchange(target, &post(target, &path, "", b""), SOON).await?;
        if answer.status != 200 {
            return Err(format!("session {number} was answered {}", answer.status));
        }
    }
    // The contract's disconnect delay here, and one more second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let send = post(target, "/fast_echo/000/left0/xhr_send", "", b"[\"x\"]");
    match exchange(target, &send, SOON).await?.status {
        404 => Ok(()),
        status => Err(format!("a session that was left lives on: {status}")),
    }
}

async fn amplify(target: Target) -> Outcome {
    all(10, move |number| async move {
        let path = format!("/amplify/000/much{number}/websocket");
        let mut socket = Socket::open_narrow(target, &path).await?;
        let flood = crate::wire::frame::text("[\"20\"]").repeat(4096);
        socket.flood(&flood, Duration::from_secs(3)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        // What it has said and nobody has read yet must not be answered to nobody.
        super::closing::reset(&socket.stream);
        Ok(())
    })
    .await
}

async fn bodies(target: Target) -> Outcome {
    let deep = "[".repeat(100_000);
    let many = format!("[{}]", vec!["\"\""; 500_000].join(","));
    let list: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"[".to_vec(),
        b"[1]".to_vec(),
        b"{}".to_vec(),
        b"\"x\"".to_vec(),
        b"[\"x\"".to_vec(),
        b"[\"x\",]".to_vec(),
        b"[\"\\ud800".to_vec(),
        vec![0xff; 100],
        b"[null]".to_vec(),
        b"[[\"x\"]]".to_vec(),
        deep.into_bytes(),
        many.into_bytes(),
    ];
    cases(list.into_iter().enumerate().collect(), move |(number, body)| async move {
        let path = format!("/default_echo/000/bad{number}");
        exchange(target, &post(target, &format!("{path}/xhr"), "", b""), SOON).await?;
        let send = post(target, &format!("{path}/xhr_send"), "", &body);
        match exchange(target, &send, SOON).await?.status {
            // The reference takes any list, of whatever.
            204 | 400..=500 => Ok(()),
            status => Err(format!("the body {number} was answered {status}")),
        }
    })
    .await
}

async fn callbacks(target: Target) -> Outcome {
    for kind in ["jsonp", "htmlfile"] {
        for callback in ["%3Cscript%3E", "alert(1)//", "a%22b", "a%0ab", "a;b", "%F0%9F%92%A9"] {
            let path = format!("/default_echo/000/cb{}/{kind}?c={callback}", callback.len());
            let answer = exchange(target, &get(target, &path, ""), SOON).await?;
            if answer.status == 200 {
                return Err(format!("{kind} took the callback {callback}"));
            }
        }
        let path = format!("/default_echo/000/cb-{kind}/{kind}?c=good");
        let time = Duration::from_millis(300);
        let answer = exchange(target, &get(target, &path, ""), time).await?;
        let sniffed = !answer.head.contains("x-content-type-options: nosniff");
        if kind == "jsonp" && (sniffed || !answer.body.starts_with("/**/")) {
            return Err(format!("JSONP without its guards: {} {}", answer.head, answer.body));
        }
    }
    Ok(())
}

async fn upgrades(target: Target) -> Outcome {
    let tails = [
        "",
        "/",
        "/info",
        "/iframe.html",
        "/iframe-1.html",
        "/websocket",
        "/000/u/xhr",
        "/000/u/xhr_send",
        "/000/u/xhr_streaming",
        "/000/u/eventsource",
        "/000/u/htmlfile?c=x",
        "/000/u/jsonp?c=y",
        "/000/u/jsonp_send",
        "/000/u/websocket",
        "/000/u/nothing",
        "/a/b/c/d",
    ];
    for prefix in ["/default_echo", "/disabled_websocket_echo", "/close"] {
        for tail in tails {
            for upgrade in ["websocket", "h2c", "WebSocket, foo", ""] {
                let more = format!("Upgrade: {upgrade}\r\nConnection: Upgrade\r\n");
                let path = format!("{prefix}{tail}");
                let octets = get(target, &path, &more);
                let time = Duration::from_millis(400);
                let answer = exchange(target, &octets, time).await?;
                if answer.status == 101 || answer.status > 500 {
                    return Err(format!("{upgrade} at {path} was answered {}", answer.status));
                }
            }
        }
    }
    Ok(())
}

async fn frames(target: Target) -> Outcome {
    let list = ["[", "{}", "[1]", "x", "[\"a\"", "[[\"a\"]]", "\u{0}", "[\"\\x\"]"];
    cases(list.into(), move |said| async move {
        let mut socket = Socket::open(target, "/default_echo/000/f/websocket").await?;
        socket.flood(&crate::wire::frame::text(said), SOON).await;
        match socket.end(Duration::from_millis(700)).await {
            Ok(End::Close(1006 | 1011)) => Err(format!("{said} was ended as our own fault")),
            _ => Ok(()),
        }
    })
    .await
}
