//! Calls, their replies, and their failures.

use crate::harness::{Client, closed, http, open, serve};
use futures_util::FutureExt as _;
use omniwire::protocols::websocket::Message;
use omniwire::{
    Args, AskError, Failure, Json, Limits, Namespace, Omniwire, Peer, Reply, RequestInfo,
    Streaming, Upload,
};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

fn calls() -> Namespace {
    Namespace::new("/calls")
        .on("add", |Args((a, b)): Args<(i64, i64)>| async move { Reply(a + b) })
        .on("nothing", || async {})
        .on("panic", || async {
            if true {
                panic!("as the test wants it");
            }
        })
        .on("late-panic", || async {
            tokio::task::yield_now().await;
            if true {
                panic!("as the test wants it");
            }
        })
        .on("secret", || async { Err::<(), Failure>(std::io::Error::other("password").into()) })
        .on("told", || async { Err::<(), _>(Failure::client("not on Sundays")) })
        .on("count", |Args((n,)): Args<(u32,)>| async move {
            Streaming(futures_util::stream::iter(0..n))
        })
        .on("ask", |peer: Peer| async move {
            let (answer,): (i64,) = peer.ask("question", (6, 7), Duration::from_secs(10)).await?;
            Ok::<_, Failure>(Reply(answer))
        })
        .on("sum", |mut upload: Upload<i64>| async move {
            use futures_util::StreamExt as _;
            let mut sum = 0;
            while let Some(item) = upload.next().await {
                sum += item?;
            }
            Ok::<_, Failure>(Reply(sum))
        })
}

async fn client() -> Client {
    let (_, address) = serve(Omniwire::builder().namespace(calls())).await;
    Client::connect(address, "/ws/calls").await
}

#[tokio::test]
async fn replies_and_failures_are_told_apart() {
    let mut client = client().await;
    assert_eq!(client.call("add", json!([2, 3])).await["result"], 5);
    assert_eq!(
        client.call("nothing", json!([])).await,
        json!({"reply": "nothing", "result": null})
    );
    let error = client.call("nobody", json!([])).await["error"].clone();
    assert_eq!(error["code"], "not_found");
    let error = client.call("add", json!(["2", 3])).await["error"].clone();
    assert_eq!(error["code"], "bad_arguments");
    let error = client.call("told", json!([])).await["error"].clone();
    assert_eq!(error, json!({"code": "failed", "message": "not on Sundays"}));
}

#[tokio::test]
async fn what_is_not_for_clients_is_not_told() {
    let mut client = client().await;
    let error = client.call("secret", json!([])).await["error"].clone();
    assert_eq!(error["code"], "internal");
    assert!(!error.to_string().contains("password"), "{error}");
}

#[tokio::test]
async fn a_panic_ends_one_call_and_nothing_else() {
    let mut client = client().await;
    for event in ["panic", "late-panic"] {
        let error = client.call(event, json!([])).await["error"].clone();
        assert_eq!(error["code"], "internal", "{event}");
    }
    assert_eq!(client.call("add", json!([2, 3])).await["result"], 5);
}

/// A gate is the application's, and runs where no handler does.
#[tokio::test]
async fn a_panic_at_the_gate_costs_one_request_or_one_session() {
    let gate = |request: &RequestInfo| match request.query_value("token") {
        Some(_) => Ok(()),
        None => panic!("as the test wants it"),
    };
    let space = Namespace::new("/gate").authorize(gate);
    let (omniwire, address) = serve(Omniwire::builder().namespace(space)).await;
    for (count, line) in ["GET /poll/gate", "GET /sse/gate"].into_iter().enumerate() {
        let answer = http(address, &format!("{line} HTTP/1.0\nHost: x\n\n")).await;
        assert!(answer.starts_with("HTTP/1.0 500"), "{answer}");
        assert_eq!(omniwire.stats().panics, count as u64 + 1);
    }
    // Socket.IO names its namespace in a packet: its session has gone that far.
    let path = "/socket.io/?EIO=4&transport=websocket";
    let mut socket = open(address, path, "engine.io").await;
    socket.send(Message::text("40/gate,")).await.unwrap();
    assert_eq!(u16::from(closed(&mut socket).await), 1011);
    assert_eq!((omniwire.stats().panics, omniwire.stats().sessions), (3, 0));
    Client::connect(address, "/ws/gate?token=x").await;
}

#[tokio::test]
async fn panics_are_counted() {
    let panicking = Namespace::new("/panics").on("panic", || async {
        if true {
            panic!("as the test wants it");
        }
    });
    let (omniwire, address) = serve(Omniwire::builder().namespace(panicking)).await;
    let mut client = Client::connect(address, "/ws/panics").await;
    for count in 1..=3 {
        client.call("panic", json!([])).await;
        assert_eq!(omniwire.stats().handler_panics, count);
    }
}

#[tokio::test]
async fn streams_come_item_by_item() {
    let mut client = client().await;
    client.send(json!({"event": "count", "args": [3], "stream": 1})).await;
    for n in 0..3 {
        assert_eq!(client.next().await, json!({"item": 1, "value": n}));
    }
    assert_eq!(client.next().await, json!({"end": 1}));
}

#[tokio::test]
async fn the_server_asks_and_the_client_answers() {
    let mut client = client().await;
    client.send(json!({"event": "ask", "id": 1})).await;
    let question = client.next().await;
    assert_eq!((&question["event"], &question["args"]), (&json!("question"), &json!([6, 7])));
    client.send(json!({"reply": question["call"], "result": [42]})).await;
    assert_eq!(client.next().await, json!({"reply": 1, "result": 42}));
}

#[tokio::test]
async fn clients_send_streams_too() {
    let mut client = client().await;
    client.send(json!({"event": "sum", "id": 1, "uploads": ["u"]})).await;
    for n in 1..=4 {
        client.send(json!({"item": "u", "value": n})).await;
    }
    client.send(json!({"end": "u"})).await;
    assert_eq!(client.next().await, json!({"reply": 1, "result": 10}));
}

#[tokio::test]
async fn what_is_no_envelope_gets_an_error_and_costs_nothing() {
    let mut client = client().await;
    client.send(json!([1, 2])).await;
    assert_eq!(client.next().await["error"]["code"], "bad_envelope");
    assert_eq!(client.call("add", json!([2, 3])).await["result"], 5);
}

#[tokio::test]
async fn handlers_start_in_order_and_overlap_where_they_wait() {
    let gate = Arc::new(Notify::new());
    let started = Arc::new(AtomicUsize::new(0));
    let (wait_at, count) = (Arc::clone(&gate), Arc::clone(&started));
    let orders = Namespace::new("/orders")
        .on("wait", move || {
            let (gate, turn) = (Arc::clone(&wait_at), count.fetch_add(1, Ordering::SeqCst));
            async move {
                gate.notified().await;
                Reply(turn as u64)
            }
        })
        .on("open", move || {
            gate.notify_waiters();
            async {}
        });
    let (_, address) = serve(Omniwire::builder().namespace(orders)).await;
    let mut client = Client::connect(address, "/ws/orders").await;
    for id in 0..5 {
        client.send(json!({"event": "wait", "id": id})).await;
    }
    client.send(json!({"event": "open"})).await;
    let mut turns = Vec::new();
    for _ in 0..5 {
        let reply = client.next().await;
        turns.push((reply["reply"].as_u64().unwrap(), reply["result"].as_u64().unwrap()));
    }
    turns.sort_unstable();
    assert_eq!(turns, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(started.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_cancelled_stream_ends_and_its_handler_stops() {
    let dropped = Arc::new(Notify::new());
    struct OnDrop(Arc<Notify>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let told = Arc::clone(&dropped);
    let endless = Namespace::new("/endless").on("tick", move || {
        let guard = OnDrop(Arc::clone(&told));
        async move {
            Streaming(futures_util::stream::unfold((0_u32, guard), |(n, guard)| async move {
                tokio::task::yield_now().await;
                Some((n, (n + 1, guard)))
            }))
        }
    });
    let (_, address) = serve(Omniwire::builder().namespace(endless)).await;
    let mut client = Client::connect(address, "/ws/endless").await;
    client.send(json!({"event": "tick", "stream": "t"})).await;
    assert_eq!(client.next().await, json!({"item": "t", "value": 0}));
    client.send(json!({"cancel": "t"})).await;
    while client.next().await != json!({"end": "t"}) {}
    tokio::time::timeout(Duration::from_secs(20), dropped.notified()).await.expect("stopped");
}

#[tokio::test]
async fn any_type_can_be_an_argument() {
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Point {
        x: i32,
        y: Option<String>,
    }
    let points = Namespace::new("/points")
        .on("turn", |Args((point,)): Args<(Point,)>| async move {
            Reply(Json(Point { x: -point.x, ..point }))
        });
    let (_, address) = serve(Omniwire::builder().namespace(points)).await;
    let mut client = Client::connect(address, "/ws/points").await;
    let reply = client.call("turn", json!([{"x": 3, "y": "é", "z": 0}])).await;
    assert_eq!(reply["result"], json!({"x": -3, "y": "é"}));
}

/// Looks at its peer when it is dropped.
struct Guard(Option<Peer>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(peer) = &self.0 {
            peer.emit("dropped", (peer.is_connected(), peer.get::<Self>().is_some())).unwrap();
        }
    }
}

#[tokio::test]
async fn a_value_that_is_replaced_may_look_at_its_peer() {
    let namespace = Namespace::new("/set").on("set", |peer: Peer| async move {
        peer.set(Guard(Some(peer.clone())));
        peer.set(Guard(None));
    });
    let (_, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let mut client = Client::connect(address, "/ws/set").await;
    client.send(json!({"event": "set"})).await;
    assert_eq!(client.next().await["args"], json!([true, true]));
}

async fn ask_a_question(peer: &Peer) -> Result<(u8,), AskError> {
    peer.ask("question", (), Duration::from_secs(600)).await
}

/// Whoever stops waiting for an answer takes up no place among those that wait.
#[tokio::test]
async fn a_question_that_nobody_waits_for_any_more_is_not_counted() {
    let mut limits = Limits::default();
    limits.asks_max = 1;
    let namespace = Namespace::new("/asks").on("ask", |peer: Peer| async move {
        for _ in 0..3 {
            let waiting = ask_a_question(&peer).now_or_never();
            assert_eq!(waiting, None);
            let all = peer.alone();
            let waiting = all.ask("question", (), Duration::from_secs(600)).now_or_never();
            assert_eq!(waiting, None);
        }
        Ok::<_, Failure>(Reply(ask_a_question(&peer).await?))
    });
    let builder = Omniwire::builder().limits(limits).namespace(namespace);
    let (_, address) = serve(builder).await;
    let mut client = Client::connect(address, "/ws/asks").await;
    client.send(json!({"event": "ask", "id": 1})).await;
    for _ in 0..7 {
        let question = client.next().await;
        assert_eq!(question["event"], "question");
        client.send(json!({"reply": question["call"], "result": 5})).await;
    }
    assert_eq!(client.next().await, json!({"reply": 1, "result": 5}));
}

#[tokio::test]
async fn a_question_above_the_limit_is_not_put_and_says_so() {
    let mut limits = Limits::default();
    limits.asks_max = 1;
    let namespace = Namespace::new("/asks").on("ask", |peer: Peer| async move {
        let (first, second) = (ask_a_question(&peer), ask_a_question(&peer));
        let all = peer.alone();
        let third = all.ask("question", (), Duration::from_secs(600));
        let (first, second, third) = tokio::join!(first, second, third);
        assert_eq!(first, Ok((5,)));
        assert_eq!(second, Err(AskError::TooMany));
        Reply(third.unwrap().missing)
    });
    let builder = Omniwire::builder().limits(limits).namespace(namespace);
    let (_, address) = serve(builder).await;
    let mut client = Client::connect(address, "/ws/asks").await;
    client.send(json!({"event": "ask", "id": 1})).await;
    let question = client.next().await;
    client.send(json!({"reply": question["call"], "result": 5})).await;
    assert_eq!(client.next().await, json!({"reply": 1, "result": 1}));
}

/// A handler runs on the thread of whoever made room for it, while the client is heard on another.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stream_that_is_cancelled_while_it_begins_does_not_run() {
    let mut limits = Limits::default();
    limits.calls_max = 1;
    let (go, begun, cancelled) =
        (Arc::new(Notify::new()), Arc::new(Notify::new()), Gate::default());
    let (wait, begins, until_cancelled) = (Arc::clone(&go), Arc::clone(&begun), cancelled.clone());
    let namespace = Namespace::new("/cancel")
        .on("wait", move || {
            let wait = Arc::clone(&wait);
            async move { wait.notified().await }
        })
        .on("nothing", || async {})
        .on("endless", move || {
            begins.notify_one();
            tokio::task::block_in_place(|| until_cancelled.pass());
            async { Streaming(futures_util::stream::iter(0..10)) }
        });
    let builder = Omniwire::builder().limits(limits).namespace(namespace);
    let (_, address) = serve(builder).await;
    let mut client = Client::connect(address, "/ws/cancel").await;
    client.send(json!({"event": "wait", "id": "a"})).await;
    client.send(json!({"event": "nothing", "id": "b"})).await;
    client.send(json!({"event": "endless", "stream": "c"})).await;
    client.send(json!({"ping": 1})).await;
    assert_eq!(client.next().await, json!({"pong": 1}));
    go.notify_one();
    begun.notified().await;
    client.send(json!({"cancel": "c"})).await;
    client.send(json!({"ping": 2})).await;
    while client.next().await != json!({"pong": 2}) {}
    cancelled.open();
    assert_eq!(client.next().await, json!({"end": "c"}));
    client.send(json!({"ping": 3})).await;
    assert_eq!(client.next().await, json!({"pong": 3}));
}

/// Holds up a thread until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let (is_open, opened) = &*self.0;
        drop(opened.wait_while(is_open.lock().unwrap(), |is_open| !*is_open));
    }
}

/// Who is asked may want something answered first: the handler that waits for it is out of the way.
#[tokio::test]
async fn who_is_asked_on_joining_may_ask_back() {
    let mut limits = Limits::default();
    limits.calls_max = 1;
    let namespace = Namespace::new("/asks")
        .on_join(|peer: Peer| async move { ask_a_question(&peer).await.map(drop) })
        .on("which", || async { Reply("that one") });
    let (_omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(namespace)).await;
    let mut client = Client::connect(address, "/ws/asks").await;
    client.send(json!({"join": "room", "id": 1})).await;
    let question = client.next().await["call"].clone();
    assert_eq!(client.call("which", json!([])).await["result"], "that one");
    client.send(json!({"reply": question, "result": [7]})).await;
    assert_eq!(client.next().await, json!({"reply": 1, "result": null}));
}
