//! Peers that do not keep up, current values, and publications that are made once.

use crate::harness::{Client, http, serve, until};
use crate::log::{listen, read};
use omniwire::{Args, Limits, Namespace, NamespaceHandle, Omniwire, Peer, SlowPolicy};
use serde_json::{Value, json};

fn rooms() -> Namespace {
    Namespace::new("/rooms")
        .slow_peers(|room| match room {
            "drop" => SlowPolicy::DropOldest,
            "latest" => SlowPolicy::KeepLatest,
            _ => SlowPolicy::Close,
        })
        .on("join", |peer: Peer, Args((room,)): Args<(String,)>| async move { peer.join(room) })
}

fn small() -> Limits {
    let mut limits = Limits::default();
    limits.outbox_len_max = 1 << 20;
    limits
}

/// Says numbers, each with much behind it, to a room in which one peer reads and one does not,
/// until what waits for the latter has been dropped many times. Gives how many.
async fn flood(namespace: &NamespaceHandle, room: &str, quick: &mut Client) -> u64 {
    let ballast = "x".repeat(64 << 10);
    let (mut number, mut dropped) = (0, 0);
    while dropped < 40 {
        assert!(number < 2000, "nothing was dropped");
        let delivery = namespace.to(room).emit("n", (number, &ballast)).await.unwrap();
        assert_eq!(delivery.refused, 0);
        dropped += delivery.dropped;
        assert_eq!(quick.next().await["args"][0], json!(number), "the other one hears all");
        number += 1;
    }
    number
}

/// Single-threaded, as the subscriber is.
#[tokio::test]
async fn a_room_may_drop_for_the_slow_what_others_hear() {
    let (log, _guard) = listen();
    let builder = Omniwire::builder().limits(small()).namespace(rooms());
    let (omniwire, address) = serve(builder).await;
    let namespace = omniwire.namespace("/rooms").unwrap();
    for room in ["drop", "latest"] {
        let mut slow = Client::connect(address, "/ws/rooms").await;
        let mut quick = Client::connect(address, "/ws/rooms").await;
        slow.call("join", json!([room])).await;
        quick.call("join", json!([room])).await;
        let count = flood(&namespace, room, &mut quick).await;
        let log = read(&log);
        let line = log.lines().find(|line| line.contains(&slow.id)).unwrap_or_default();
        assert!(line.contains("its outbox is full") && line.contains("WebSocket"), "{line}");
        assert!(!log.contains(&quick.id), "{log}");
        // It reads at last: some are missing, none out of order, and the newest is there.
        let mut heard: Vec<u64> = Vec::new();
        while heard.last() != Some(&(count - 1)) {
            heard.push(slow.next().await["args"][0].as_u64().unwrap());
        }
        assert!(heard.is_sorted() && heard.len() < count as usize - 30, "{heard:?}");
        slow.hears_nothing().await;
        assert_eq!(slow.call("join", json!([room])).await["reply"], "join");
    }
    assert_eq!(omniwire.stats().slow_peers_closed, 0);
    assert!(omniwire.stats().slow_messages_dropped >= 80);
}

/// Values come for the peer that keeps up one by one, and for one that does not only the newest.
#[tokio::test]
async fn values_replace_each_other_and_joiners_get_the_newest() {
    let builder = Omniwire::builder().limits(small()).namespace(rooms());
    let (omniwire, address) = serve(builder).await;
    let namespace = omniwire.namespace("/rooms").unwrap();
    let mut slow = Client::connect(address, "/ws/rooms").await;
    let mut quick = Client::connect(address, "/ws/rooms").await;
    slow.call("join", json!(["rates"])).await;
    quick.call("join", json!(["rates"])).await;
    let rates = namespace.to("rates");
    let ballast = "x".repeat(64 << 10);
    let mut count = 0;
    while omniwire.stats().values_replaced < 40 {
        assert!(count < 2000, "nothing was replaced");
        for currency in ["EUR", "CHF"] {
            rates.emit_latest(currency, "rate", (currency, count, &ballast)).await.unwrap();
            let args = quick.next().await["args"].take();
            assert_eq!((&args[0], &args[1]), (&json!(currency), &json!(count)));
        }
        count += 1;
    }
    rates.emit("end", ()).await.unwrap();
    let mut heard: Vec<Value> = Vec::new();
    while heard.last().is_none_or(|last| last["event"] != "end") {
        heard.push(slow.next().await);
    }
    heard.pop();
    assert!(heard.len() < 2 * count - 35, "{} of {count} twice", heard.len());
    for currency in ["EUR", "CHF"] {
        let mine = heard.iter().filter(|value| value["args"][0] == currency);
        let numbers: Vec<_> = mine.map(|value| value["args"][1].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(numbers.last(), Some(&(count as u64 - 1)));
    }
    // Who joins gets the newest, and no event.
    let mut late = Client::connect(address, "/ws/rooms").await;
    late.send(json!({"event": "join", "args": ["rates"], "id": 1})).await;
    for currency in ["EUR", "CHF"] {
        let args = late.next().await["args"].take();
        assert_eq!((&args[0], &args[1]), (&json!(currency), &json!(count - 1)));
    }
    assert_eq!(late.next().await["reply"], 1);
    assert!(namespace.forget_latest("rates", "EUR"));
    assert_eq!(namespace.latest("rates").len(), 1);
    late.hears_nothing().await;
}

/// A Socket.IO session has peers in several namespaces, and one outbox for all of them.
#[tokio::test]
async fn a_value_takes_the_place_of_none_of_another_namespace() {
    let builder = ["/a", "/b"].into_iter().fold(Omniwire::builder(), |builder, name| {
        let joining = |peer: Peer| async move { peer.join("rates") };
        builder.bare_namespace(Namespace::new(name).on_connect(joining))
    });
    let (omniwire, address) = serve(builder).await;
    let path = "/socket.io/?EIO=4&transport=polling";
    let get = async |target: &str| {
        http(address, &format!("GET {target} HTTP/1.0\nHost: {address}\n\n")).await
    };
    let opened = get(path).await;
    let sid = opened.split_once("\"sid\":\"").and_then(|(_, rest)| rest.split('"').next());
    let target = format!("{path}&sid={}", sid.expect("an open packet"));
    let body = "40/a,\u{1e}40/b,";
    let head = format!("POST {target} HTTP/1.0\nHost: {address}\nContent-Length: {}", body.len());
    http(address, &format!("{head}\n\n{body}")).await;
    let spaces = ["/a", "/b"].map(|name| omniwire.namespace(name).unwrap());
    until(|| spaces.iter().all(|space| space.room_len("rates") == 1)).await;
    // The answers to its wish to enter.
    let mut entered = String::new();
    while !(entered.contains("40/a,{") && entered.contains("40/b,{")) {
        entered += &get(&target).await;
    }
    for (space, value) in spaces.iter().zip(["first", "second"]) {
        let delivery = space.to("rates").emit_latest("EUR", "rate", value).await.unwrap();
        assert_eq!((delivery.taken, delivery.replaced), (1, 0));
    }
    let answer = get(&target).await;
    assert!(answer.contains(r#"42/a,["rate","first"]"#), "{answer}");
    assert!(answer.contains(r#"42/b,["rate","second"]"#), "{answer}");
}

#[tokio::test]
async fn what_is_published_again_under_the_same_id_is_said_once() {
    let (omniwire, address) = serve(Omniwire::builder().namespace(rooms())).await;
    let namespace = omniwire.namespace("/rooms").unwrap();
    let mut client = Client::connect(address, "/ws/rooms").await;
    client.call("join", json!(["r"])).await;
    let room = namespace.to("r");
    for (id, text, is_new) in [("1", "a", true), ("1", "b", false), ("2", "c", true)] {
        let delivery = room.emit_once(id, "said", text).await.unwrap();
        assert_eq!((delivery.repeated, delivery.taken), (!is_new, usize::from(is_new)));
    }
    for text in ["a", "c"] {
        assert_eq!(client.next().await["args"], json!([text]));
    }
    client.hears_nothing().await;
    let long = "x".repeat(256);
    let error = room.emit_once(long.clone(), "said", ()).await.unwrap_err();
    assert_eq!(error.to_string(), "the publication's id is too long");
    let error = room.emit_latest(long, "said", ()).await.unwrap_err();
    assert_eq!(error.to_string(), "the value's key is too long");
}

/// Of those that hold up memory, the one that holds most goes; the others are served on.
#[tokio::test]
async fn of_all_outboxes_together_the_fullest_is_given_up() {
    let (log, _guard) = listen();
    let mut limits = Limits::default();
    (limits.outbox_len_max, limits.outboxes_len_max) = (1 << 30, 4 << 20);
    let (omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(rooms())).await;
    let namespace = omniwire.namespace("/rooms").unwrap();
    let fullest = Client::connect(address, "/ws/rooms").await;
    let slow = Client::connect(address, "/ws/rooms").await;
    let mut quick = Client::connect(address, "/ws/rooms").await;
    let ballast = "x".repeat(64 << 10);
    let mut number = 0;
    while omniwire.stats().slow_peers_shed == 0 {
        assert!(number < 2000, "what all of them do not read has no bound");
        for id in [&fullest.id, &fullest.id, &fullest.id, &slow.id, &quick.id] {
            namespace.peer(id).unwrap().emit("n", (number, &ballast)).ok();
        }
        assert_eq!(quick.next().await["args"][0], json!(number));
        number += 1;
    }
    until(|| namespace.peer(&fullest.id).is_none()).await;
    assert!(namespace.peer(&slow.id).is_some() && omniwire.stats().slow_peers_closed == 1);
    let log = read(&log);
    assert!(log.contains("all outboxes together are full"), "{log}");
    namespace.peer(&quick.id).unwrap().emit("n", (number, &ballast)).unwrap();
    assert_eq!(quick.next().await["args"][0], json!(number));
    until(|| omniwire.stats().outboxes_len < 4 << 20).await;
    drop((fullest, slow, quick));
    until(|| omniwire.stats().sessions == 0 && omniwire.stats().outboxes_len == 0).await;
}

/// A message to many waits once, however many they are.
#[tokio::test]
async fn what_outboxes_share_counts_once() {
    let mut limits = Limits::default();
    limits.outboxes_len_max = 4 << 20;
    let (omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(rooms())).await;
    let mut all = Vec::new();
    for _ in 0..40 {
        all.push(Client::connect(address, "/ws/rooms").await);
    }
    let ballast = "x".repeat(1 << 20);
    omniwire.namespace("/rooms").unwrap().everybody().emit("n", (1, &ballast)).await.unwrap();
    for client in &mut all {
        assert_eq!(client.next().await["args"][0], json!(1));
    }
    assert_eq!(omniwire.stats().slow_peers_shed, 0);
}
