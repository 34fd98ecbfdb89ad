//! Who is let in: by whose it is, on every way in.

use crate::harness::{Client, PATIENCE, http, open, serve, until};
use omniwire::protocols::websocket::Message;
use omniwire::{
    AdminUi, Args, Failure, Limits, Namespace, Omniwire, Peer, Reply, RequestInfo, Streaming,
};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout;

fn user_of(request: &RequestInfo) -> Option<String> {
    request.query_value("user")
}

async fn no_mallory(peer: Peer) -> Result<(), Failure> {
    match peer.user().as_deref() {
        Some("mallory") => Err(Failure::client("you are banned")),
        Some(_) => Ok(()),
        None => Err(Failure::client("nobody knows you")),
    }
}

/// What somebody hears who asks to enter over a WebSocket, up to the word about it.
async fn hears_over_websocket(address: SocketAddr, path: &str, first: &str) -> String {
    let subprotocol = if path.starts_with("/ws") { "omniwire.json.v1" } else { "" };
    let mut socket = open(address, path, subprotocol).await;
    if !first.is_empty() {
        socket.send(Message::text(first.to_owned())).await.unwrap();
    }
    let mut heard = String::new();
    while let Some(Ok(Message::Text(text))) = socket.recv().await {
        heard.push_str(&text);
        if ["banned", "knows", "peer\":", "\"type\":", "40/chat,{"]
            .iter()
            .any(|word| heard.contains(word))
        {
            break;
        }
    }
    heard
}

async fn hears_over_polling(address: SocketAddr, user: &str) -> String {
    let path = format!("/socket.io/?EIO=4&transport=polling&user={user}");
    let opened = http(address, &format!("GET {path} HTTP/1.0\n\n")).await;
    let sid = opened.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let line = format!("POST {path}&sid={sid} HTTP/1.0\nContent-Length: 8");
    http(address, &format!("{line}\n\n40/chat,")).await;
    http(address, &format!("GET {path}&sid={sid} HTTP/1.0\n\n")).await
}

/// The first part of an event stream.
async fn hears_over_sse(address: SocketAddr, user: &str) -> String {
    stream_up_to(address, &format!("/sse/chat?user={user}"), "data: ").await
}

/// What an event stream says, up to the event in which this stands.
async fn stream_up_to(address: SocketAddr, path: &str, word: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let hear = async {
        while !(String::from_utf8_lossy(&heard).contains(word) && heard.ends_with(b"\n\n")) {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "{word}");
        }
    };
    timeout(Duration::from_secs(20), hear).await.expect("it is said in time");
    String::from_utf8_lossy(&heard).into_owned()
}

async fn heard_on_each_way(address: SocketAddr, user: &str) -> Vec<(&'static str, String)> {
    let query = format!("?user={user}");
    let socketio = format!("/socket.io/?EIO=4&transport=websocket&user={user}");
    let signalr = "{\"protocol\":\"json\",\"version\":1}\u{1e}\
                   {\"type\":1,\"invocationId\":\"1\",\"target\":\"who\",\"arguments\":[]}\u{1e}";
    let (ws, hub) = (format!("/ws/chat{query}"), format!("/signalr/chat{query}"));
    let sockjs = format!("/sockjs/chat/websocket{query}");
    let envelope = "{\"event\":\"who\",\"id\":1}";
    let poll = format!("GET /poll/chat{query} HTTP/1.0\n\n");
    vec![
        ("websocket", hears_over_websocket(address, &ws, "").await),
        ("socket.io", hears_over_websocket(address, &socketio, "40/chat,").await),
        ("socket.io polling", hears_over_polling(address, user).await),
        ("signalr", hears_over_websocket(address, &hub, signalr).await),
        ("sockjs", hears_over_websocket(address, &sockjs, envelope).await),
        ("sse", hears_over_sse(address, user).await),
        ("poll", http(address, &poll).await),
    ]
}

/// `admit` is the one place where a database can be asked about a user.
#[tokio::test]
async fn a_user_is_known_where_it_is_asked_whether_it_may_enter() {
    let who = |peer: Peer| async move { peer.emit("you are", (json!({ "peer": peer.user() }),)) };
    for waits in [false, true] {
        let admit = move |peer: Peer| async move {
            if waits {
                tokio::task::yield_now().await;
            }
            no_mallory(peer).await
        };
        let chat = Namespace::new("/chat").identify(user_of).admit(admit).on("who", who);
        let (_, address) = serve(Omniwire::builder().namespace(chat)).await;
        for (way, heard) in heard_on_each_way(address, "mallory").await {
            assert!(heard.contains("you are banned"), "{way}: {heard}");
        }
        for (way, heard) in heard_on_each_way(address, "ann").await {
            let refused = ["banned", "nobody", "error"].iter().any(|word| heard.contains(word));
            assert!(!refused && !heard.is_empty(), "{way}: {heard}");
        }
    }
}

/// What is written down of a call after a wait is not written down of nobody.
#[tokio::test]
async fn a_user_is_the_same_when_the_client_is_gone() {
    let (go, (say, mut said)) = (Arc::new(Notify::new()), mpsc::channel(3));
    let (gone, leaves) = (Arc::clone(&go), say.clone());
    let chat = Namespace::new("/chat")
        .identify(user_of)
        .on("begin", move |peer: Peer| {
            let (go, say) = (Arc::clone(&go), say.clone());
            async move {
                say.try_send(("begins", peer.user())).unwrap();
                go.notified().await;
                say.try_send(("ends", peer.user())).unwrap();
            }
        })
        .on_disconnect(move |peer: Peer| {
            leaves.try_send(("leaves", peer.user())).unwrap();
            // From now on it is in no room.
            let gone = Arc::clone(&gone);
            async move { gone.notify_one() }
        });
    let (_, address) = serve(Omniwire::builder().namespace(chat)).await;
    let mut client = Client::connect(address, "/ws/chat?user=ann").await;
    client.send(json!({"event": "begin"})).await;
    let ann = Some("ann".to_owned());
    assert_eq!(said.recv().await, Some(("begins", ann.clone())));
    drop(client);
    assert_eq!(said.recv().await, Some(("leaves", ann.clone())));
    assert_eq!(said.recv().await, Some(("ends", ann)));
}

/// A POST without a session enters like any other client, and leaves with its answer.
#[tokio::test]
async fn a_post_without_a_session_is_refused_with_the_reason() {
    for waits in [false, true] {
        let admit = move |peer: Peer| async move {
            if waits {
                tokio::task::yield_now().await;
            }
            no_mallory(peer).await
        };
        let chat = Namespace::new("/chat")
            .identify(user_of)
            .admit(admit)
            .on("who", |peer: Peer| async move { Reply(peer.user()) })
            .on("count", || async { Streaming(futures_util::stream::iter(0..3)) });
        let (omniwire, address) = serve(Omniwire::builder().namespace(chat)).await;
        let post = async |user: &str, body: &str| {
            let line = format!("POST /send/chat?user={user} HTTP/1.0");
            let answer =
                http(address, &format!("{line}\nContent-Length: {}\n\n{body}", body.len())).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
        };
        for body in [r#"{"event":"who","id":1}"#, r#"{"event":"who"}"#, "[]"] {
            let (status, answer) = post("mallory", body).await;
            assert_eq!(status, "403");
            assert!(answer.contains(r#"{"refused":{"message":"you are banned"}}"#), "{answer}");
        }
        let (status, answer) = post("ann", r#"[{"event":"who","id":1},{"ping":2}]"#).await;
        assert_eq!(status, "200");
        assert_eq!(answer, r#"[{"reply":1,"result":"ann"},{"pong":2}]"#);
        // Nobody would be there to hear its items.
        let (_, answer) = post("ann", r#"{"event":"count","stream":1}"#).await;
        assert!(answer.starts_with(r#"[{"end":1,"error":{"code":"wrong_manner""#), "{answer}");
        until(|| omniwire.stats().sessions == 0).await;
    }
}

/// A client that asks by `?room=`, or by an envelope without an id, is told of a room that it does
/// not get.
#[tokio::test]
async fn who_may_not_be_in_a_room_is_told_so() {
    for waits in [false, true] {
        let on_join = move |_: Peer, Args((room,)): Args<(String,)>| async move {
            if waits {
                tokio::task::yield_now().await;
            }
            if room == "secret" { Err(Failure::forbidden("members only")) } else { Ok(()) }
        };
        let chat = Namespace::new("/chat").on_join(on_join);
        let (omniwire, address) = serve(Omniwire::builder().namespace(chat)).await;
        let refused = r#"{"error":{"code":"forbidden","message":"members only","room":"secret"}}"#;
        let path = "/sse/chat?room=secret&room=open";
        assert!(stream_up_to(address, path, "error").await.contains(refused));
        let mut query = "room=open&room=secret".to_owned();
        let mut poll = async || {
            let heard = http(address, &format!("GET /poll/chat?{query} HTTP/1.0\n\n")).await;
            let cursor = heard.split("\"cursor\":\"").nth(1).unwrap().split('"').next().unwrap();
            query = format!("cursor={cursor}&room=secret");
            heard
        };
        let mut heard = poll().await;
        if !heard.contains("error") {
            heard = poll().await;
        }
        assert!(heard.contains(refused), "{heard}");
        // It is told once, though each poll asks.
        omniwire.namespace("/chat").unwrap().everybody().emit("said", ()).await.unwrap();
        let heard = poll().await;
        assert!(heard.contains("said") && !heard.contains("error"), "{heard}");
        let mut client = Client::connect(address, "/ws/chat").await;
        client.send(json!({"join": "open"})).await;
        client.send(json!({"join": "secret"})).await;
        assert_eq!(client.next().await.to_string(), refused);
    }
}

/// Or else it would come back every two seconds, for ever.
#[tokio::test]
async fn an_event_source_that_is_not_wanted_ends() {
    let chat = Namespace::new("/chat").identify(user_of).admit(no_mallory);
    let (omniwire, address) = serve(Omniwire::builder().namespace(chat)).await;
    let answer = async |user: &str, id: &str| {
        let path = format!("GET /sse/chat?user={user}");
        http(address, &format!("{path} HTTP/1.0\nLast-Event-ID: {id}\n\n")).await
    };
    let last = "\nid: over\nevent: omniwire\ndata: ";
    let refused = answer("mallory", "").await;
    let word = format!("{last}{{\"refused\":{{\"message\":\"you are banned\"}}}}\n\n");
    assert!(refused.ends_with(&word), "{refused}");

    let everybody = omniwire.namespace("/chat").unwrap().everybody();
    let kick = async {
        until(|| !everybody.peers().is_empty()).await;
        everybody.disconnect(true);
    };
    let (kicked, ()) = tokio::join!(answer("ann", ""), kick);
    let word = format!("{last}{{\"close\":{{\"code\":1000,\"reason\":\"\"}}}}\n\n");
    assert!(kicked.ends_with(&word), "{kicked}");

    let back = answer("ann", "over").await;
    assert!(back.contains(" 204 ") && omniwire.stats().sessions == 0, "{back}");
}

#[tokio::test]
async fn a_poll_that_names_a_session_is_told_to_name_a_cursor() {
    let (_, address) = serve(Omniwire::builder().namespace(Namespace::new("/chat"))).await;
    let answer = http(address, "GET /poll/chat?session=nobody HTTP/1.0\n\n").await;
    assert!(answer.contains(" 400 ") && answer.contains("?cursor="), "{answer}");
}

/// What was said to it meanwhile is held for a welcome that never comes.
#[tokio::test]
async fn who_leaves_while_it_is_let_in_leaves_nothing_that_waits() {
    let (go, left) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (waiting, leaves) = (Arc::clone(&go), Arc::clone(&left));
    let chat = Namespace::new("/chat")
        .on_connect(move |peer: Peer| {
            let go = Arc::clone(&waiting);
            async move {
                go.notified().await;
                peer.emit("hello", ("x".repeat(1000),))
            }
        })
        .on_disconnect(move || {
            leaves.fetch_add(1, Relaxed);
            std::future::ready(())
        });
    let (omniwire, address) = serve(Omniwire::builder().namespace(chat)).await;
    let mut socket = open(address, "/socket.io/?EIO=4&transport=websocket", "").await;
    for times in 1..=20 {
        socket.send(Message::text("40/chat,")).await.unwrap();
        socket.send(Message::text("41/chat,")).await.unwrap();
        until(|| omniwire.stats().messages_in == 2 * times).await;
        go.notify_one();
        until(|| left.load(Relaxed) as u64 == times).await;
    }
    assert_eq!(omniwire.stats().outboxes_len, 0);
}

/// Whoever was shown as connected is shown as gone.
#[tokio::test]
async fn who_is_turned_away_on_connecting_is_no_ghost_in_the_admin_ui() {
    let chat = Namespace::new("/chat").on_connect(|| async { Err::<(), _>(Failure::client("no")) });
    let admin = AdminUi::new(Namespace::new("/admin"));
    let (_omniwire, address) = serve(Omniwire::builder().namespace(chat).admin_ui(admin)).await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    let mut page = open(address, path, "").await;
    page.send(Message::text("40/admin,")).await.unwrap();
    let mut hear = async |event: &str| loop {
        let Message::Text(text) = page.recv().await.unwrap().unwrap() else { continue };
        let Some(told) = text.strip_prefix("42/admin,") else { continue };
        let told: serde_json::Value = serde_json::from_str(told).unwrap();
        if told[0] == event {
            return told;
        }
    };
    hear("all_sockets").await;
    let mut client = open(address, path, "").await;
    client.send(Message::text("40/chat,")).await.unwrap();
    let id = hear("socket_connected").await[1]["id"].clone();
    let gone = timeout(PATIENCE, hear("socket_disconnected")).await.expect("it is told");
    assert_eq!(gone[2], id);
}

/// What is said to a client before it is ended comes too, and it does not come back unawares.
#[tokio::test]
async fn who_is_ended_between_two_polls_hears_so_by_the_next() {
    let chat = Namespace::new("/chat").recoverable(10).on_join(|_: Peer| async {});
    let (omniwire, address) = serve(Omniwire::builder().namespace(chat)).await;
    let poll =
        async |query: &str| http(address, &format!("GET /poll/chat?{query} HTTP/1.0\n\n")).await;
    let cursor = |answer: &str| answer.split('"').rev().nth(1).unwrap().to_owned();
    // The place in the room comes with the peer, or by a poll of its own.
    let mut query = "room=lobby".to_owned();
    let mut heard = String::new();
    while !heard.contains("resume") {
        heard = poll(&query).await;
        query = format!("cursor={}", cursor(&heard));
    }
    let [peer] = &omniwire.namespace("/chat").unwrap().everybody().peers()[..] else {
        panic!("one peer")
    };
    peer.emit("bye", "for good").unwrap();
    peer.close(4001, "banned");
    assert!(!peer.is_connected());
    let heard = poll(&query).await;
    let bye = r#"[{"event":"bye","args":["for good"]},{"close":{"code":4001,"reason":"banned"}},"#;
    assert!(heard.contains(bye), "{heard}");
    until(|| omniwire.stats().sessions == 0).await;
}

/// A poll may ask for as many rooms as it likes, as often as it comes; and so may a stream.
#[tokio::test]
async fn wishes_to_join_wait_in_bounds_however_they_come() {
    let (go, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (waiting, asks) = (Arc::clone(&go), Arc::clone(&asked));
    let chat = Namespace::new("/chat").on_join(move || {
        asks.fetch_add(1, Relaxed);
        let go = Arc::clone(&waiting);
        async move { drop(go.acquire().await) }
    });
    let mut limits = Limits::default();
    (limits.calls_max, limits.inbox_count_max) = (4, 64);
    let (omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(chat)).await;
    let first = http(address, "GET /poll/chat HTTP/1.0\n\n").await;
    let cursor = first.split("\"cursor\":\"").nth(1).unwrap().split('"').next().unwrap();
    let rooms: String = (0..32).map(|room| format!("&room={room}")).collect();
    let polls: Vec<_> = (0..50)
        .map(|_| {
            let line = format!("GET /poll/chat?cursor={cursor}{rooms} HTTP/1.0\n\n");
            tokio::spawn(async move { http(address, &line).await })
        })
        .collect();
    until(|| asked.load(Relaxed) == 4).await;
    // All have come when these are answered.
    for _ in 0..50 {
        http(address, "GET /nothing HTTP/1.0\n\n").await;
    }
    go.close();
    let namespace = omniwire.namespace("/chat").unwrap();
    until(|| namespace.rooms().len() == 32).await;
    namespace.everybody().emit("said", ()).await.unwrap();
    for poll in polls {
        poll.await.unwrap();
    }
    assert!(asked.load(Relaxed) < 200, "{asked:?}");
}
