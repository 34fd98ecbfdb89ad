//! Who is in a room, and the hooks of rooms that come and go.

use crate::harness::{Client, closed, serve, until};
use omniwire::{Args, Failure, Namespace, NamespaceHandle, Omniwire, Peer, Presence, RawArgs};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Whoever connects as `?user=NAME` is that user, and is in the hall.
fn hall(grace: Duration) -> Namespace {
    let presence = Presence::default().grace(grace).gather(Duration::from_millis(50));
    Namespace::new("/hall")
        .presence(presence)
        .identify(|request| request.query_value("user"))
        .on_connect(|peer: Peer| async move { peer.join("hall") })
        .on_watch(|_: Peer, Args((room,)): Args<(String,)>| async move {
            if room == "secret" { Err(Failure::forbidden("it is secret")) } else { Ok(()) }
        })
}

async fn user(address: std::net::SocketAddr, name: &str) -> Client {
    Client::connect(address, &format!("/ws/hall?user={name}")).await
}

/// The next change: who joined, who left, how many are there.
async fn change(client: &mut Client) -> Value {
    let envelope = client.next().await;
    assert_eq!(envelope["event"], "presence");
    assert_eq!(envelope["args"][0], "hall");
    envelope["args"][1].clone()
}

const LONG: Duration = Duration::from_secs(600);
const NONE: Duration = Duration::ZERO;

#[tokio::test]
async fn whoever_watches_is_told_who_comes_and_who_leaves() {
    let (omniwire, address) = serve(Omniwire::builder().namespace(hall(NONE))).await;
    let mut watcher = Client::connect(address, "/ws/hall").await;
    let id = watcher.id.clone();
    let here = json!([{"peers": [id]}]);
    // Nobody was told of the watcher itself yet: that may come first.
    let known = watcher.call("presence.watch", json!(["hall"])).await["result"].clone();
    if known == json!([]) {
        assert_eq!(change(&mut watcher).await, json!({"joined": here, "left": [], "count": 1}));
    } else {
        assert_eq!(known, here);
    }
    let ann = user(address, "ann").await;
    let joined = json!([{"user": "ann", "peers": [ann.id]}]);
    assert_eq!(change(&mut watcher).await, json!({"joined": joined, "left": [], "count": 2}));
    let again = user(address, "ann").await;
    let namespace = omniwire.namespace("/hall").unwrap();
    until(|| namespace.presence("hall").iter().any(|present| present.peers.len() == 2)).await;
    // A user leaves with her last peer.
    drop(ann);
    until(|| namespace.room_len("hall") == 2).await;
    drop(again);
    let left = json!([{"user": "ann", "peers": []}]);
    assert_eq!(change(&mut watcher).await, json!({"joined": [], "left": left, "count": 1}));
    assert_eq!(watcher.call("presence.unwatch", json!(["hall"])).await["result"], Value::Null);
    // Any room that there may be.
    let longest = "x".repeat(omniwire::Limits::default().name_len_max);
    assert_eq!(watcher.call("presence.watch", json!([longest])).await["result"], json!([]));
    let _bob = user(address, "bob").await;
    let knows_bob = || namespace.presence("hall").iter().any(|p| p.user.as_deref() == Some("bob"));
    until(knows_bob).await;
    // The answer to a call comes behind whatever was said before.
    watcher.send(json!({"ping": 1})).await;
    assert_eq!(watcher.next().await, json!({"pong": 1}));
}

#[tokio::test]
async fn a_reconnect_is_no_flicker() {
    let (omniwire, address) = serve(Omniwire::builder().namespace(hall(LONG))).await;
    let namespace = omniwire.namespace("/hall").unwrap();
    let mut watcher = user(address, "watcher").await;
    let first = user(address, "ann").await;
    let mut known = watcher.call("presence.watch", json!(["hall"])).await["result"].clone();
    while known.as_array().unwrap().len() < 2 {
        let joined = change(&mut watcher).await["joined"].take();
        known.as_array_mut().unwrap().extend(joined.as_array().unwrap().iter().cloned());
    }
    drop(first);
    let ann = || {
        let mut present = namespace.presence("hall").into_iter();
        present.find(|p| p.user.as_deref() == Some("ann")).expect("away for a moment").peers
    };
    until(|| ann().is_empty()).await;
    let second = user(address, "ann").await;
    assert!(ann().iter().eq([&second.id]));
    let _bob = user(address, "bob").await;
    // The next thing that is told is Bob.
    let told = change(&mut watcher).await;
    assert_eq!(told["joined"][0]["user"], "bob");
    assert_eq!((&told["left"], &told["count"]), (&json!([]), &json!(3)));
    watcher.hears_nothing().await;
}

#[tokio::test]
async fn the_application_says_who_may_watch() {
    let (_, address) = serve(Omniwire::builder().namespace(hall(NONE))).await;
    let mut client = Client::connect(address, "/ws/hall").await;
    let refused = client.call("presence.watch", json!(["secret"])).await;
    assert_eq!(refused["error"]["code"], "forbidden");
    let silly = client.call("presence.watch", json!([7])).await;
    assert_eq!(silly["error"]["code"], "bad_arguments");

    let deaf = Namespace::new("/deaf").on("watch", |peer: Peer| async move {
        peer.watch("hall").map(|_| ()).map_err(|error| Failure::client(error.to_string()))
    });
    let (_, address) = serve(Omniwire::builder().namespace(deaf)).await;
    let mut client = Client::connect(address, "/ws/deaf").await;
    let off = client.call("watch", json!([])).await;
    assert_eq!(off["error"]["message"], "the namespace does not know who is present");
    let nobody = client.call("presence.watch", json!(["hall"])).await;
    assert_eq!(nobody["error"]["code"], "not_found");
}

#[tokio::test]
async fn hooks_hear_of_rooms_in_order_and_may_act() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = |sign: &'static str| {
        let heard = Arc::clone(&heard);
        move |namespace: &NamespaceHandle, room: &str| {
            heard.lock().unwrap().push(format!("{sign}{room}"));
            assert!(sign == "+" || room != "a", "a hook that panics costs nobody anything");
            // Joins from within a hook are hooked in their turn.
            if sign == "+" && room == "a" {
                namespace.everybody().join("b");
            }
        }
    };
    let namespace = Namespace::new("/hooks")
        .identify(|_| Some("user".into()))
        .on_room_created(note("+"))
        .on_room_destroyed(note("-"))
        .on("join", |peer: Peer, Args((room,)): Args<(String,)>| async move { peer.join(room) })
        .on("leave", |peer: Peer, Args((room,)): Args<(String,)>| async move {
            peer.leave(&room);
        });
    let (omniwire, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let mut one = Client::connect(address, "/ws/hooks").await;
    let mut two = Client::connect(address, "/ws/hooks").await;
    one.call("join", json!(["a"])).await;
    two.call("join", json!(["a"])).await;
    one.call("leave", json!(["a"])).await;
    let namespace = omniwire.namespace("/hooks").unwrap();
    let mut rooms = namespace.rooms();
    rooms.sort_unstable();
    assert_eq!(rooms, [("a".into(), 1), ("b".into(), 2)], "users are no rooms");
    two.call("leave", json!(["a"])).await;
    assert_eq!(*heard.lock().unwrap(), ["+a", "+b", "-a"]);
    assert_eq!(omniwire.stats().panics, 1, "its panic is counted");
    drop((one, two));
    until(|| heard.lock().unwrap().len() == 4).await;
    assert_eq!(heard.lock().unwrap()[3], "-b");
    assert_eq!(namespace.rooms(), []);
}

#[tokio::test]
async fn rooms_are_bounded_for_peers_and_namespaces_and_in_their_names() {
    let joins = Namespace::new("/joins")
        .on("join", |peer: Peer, Args((room,)): Args<(String,)>| async move {
            peer.join(room).map_err(|error| Failure::client(error.to_string()))
        })
        .on("close", |peer: Peer| async move { peer.disconnect_session() });
    let mut limits = omniwire::Limits::default();
    (limits.rooms_max, limits.all_rooms_max, limits.name_len_max) = (2, 3, 8);
    let (_, address) = serve(Omniwire::builder().limits(limits).namespace(joins)).await;
    let mut one = Client::connect(address, "/ws/joins").await;
    let mut two = Client::connect(address, "/ws/joins").await;
    let join = async |client: &mut Client, room: &str| {
        let mut answer = client.call("join", json!([room])).await;
        answer["error"]["message"].take()
    };
    assert_eq!(join(&mut one, "123456789").await, "the room's name is too long");
    for room in ["a", "b", "b"] {
        assert_eq!(join(&mut one, room).await, Value::Null);
    }
    assert_eq!(join(&mut one, "c").await, "in too many rooms");
    assert_eq!(join(&mut two, "c").await, Value::Null);
    assert_eq!(join(&mut two, "d").await, "there are too many rooms");
    assert_eq!(join(&mut two, "a").await, Value::Null);
    one.send(json!({"event": "close"})).await;
    closed(&mut one.socket).await;
}

/// Who overhears what is told of a room may look into that room, and may panic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_overhears_a_change_of_presence_stops_no_clock() {
    let overheard = Arc::new(Mutex::new(Vec::new()));
    let overhear = {
        let overheard = Arc::clone(&overheard);
        move |peer: &Peer, event: &str, _: &RawArgs| {
            if event == "presence" {
                assert!(peer.join("told").is_ok() && peer.leave("told"));
                overheard.lock().unwrap().push(peer.namespace().presence("hall").len());
                panic!("while it is told");
            }
        }
    };
    let namespace = hall(NONE).on_any_outgoing(overhear);
    let (omniwire, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let mut watcher = user(address, "watcher").await;
    watcher.call("presence.watch", json!(["hall"])).await;
    for name in ["ann", "bob"] {
        let client = user(address, name).await;
        let mut told = String::new();
        while !told.contains(name) {
            told = change(&mut watcher).await["joined"].to_string();
        }
        drop(client);
        while !change(&mut watcher).await["left"].to_string().contains(name) {}
    }
    let count = || overheard.lock().unwrap().len() as u64;
    until(|| count() >= 4 && omniwire.stats().panics == count()).await;
}
