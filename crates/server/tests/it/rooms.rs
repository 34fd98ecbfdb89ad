//! Rooms, admission, and order.

use crate::harness::{Client, serve, until};
use omniwire::protocols::websocket::Message;
use omniwire::{Args, Failure, Namespace, Omniwire, Peer, RawArgs, Reply};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::Notify;

fn rooms() -> Namespace {
    Namespace::new("/rooms")
        .on("join", |peer: Peer, Args((room,)): Args<(String,)>| async move { peer.join(room) })
        .on("to", |peer: Peer, Args(args): Args<RawArgs>| async move {
            let Some(room) = args.get(0).map(|room| room.json().trim_matches('"').to_owned())
            else {
                return Err(Failure::client("no room"));
            };
            let delivery = peer.to(room).emit("said", args.skip(1)).await?;
            Ok(Reply((delivery.taken as u64, delivery.encodings as u64)))
        })
}

#[tokio::test]
async fn a_room_hears_everything_once_and_in_order_and_others_nothing() {
    let (_, address) = serve(Omniwire::builder().namespace(rooms())).await;
    let mut speaker = Client::connect(address, "/ws/rooms").await;
    let mut member = Client::connect(address, "/ws/rooms").await;
    let mut stranger = Client::connect(address, "/ws/rooms").await;
    member.call("join", json!(["x"])).await;
    for n in 0..300 {
        speaker.send(json!({"event": "to", "args": ["x", n]})).await;
    }
    for n in 0..300 {
        assert_eq!(member.next().await, json!({"event": "said", "args": [n]}));
    }
    stranger.hears_nothing().await;
    member.hears_nothing().await;
    let stranger_alone = json!([stranger.id, "psst"]);
    speaker.call("to", stranger_alone).await;
    assert_eq!(stranger.next().await, json!({"event": "said", "args": ["psst"]}));
}

/// Also those who are in it twice, by two rooms or as a user and in a room.
#[tokio::test]
async fn an_audience_hears_everything_once_and_nobody_else_does() {
    let users = rooms().identify(|request| request.query_value("user"));
    let (omniwire, address) = serve(Omniwire::builder().namespace(users)).await;
    let space = omniwire.namespace("/rooms").unwrap();
    let mut clients = Vec::new();
    for (user, rooms) in
        [("ann", &["a"][..]), ("ann", &["a", "b"]), ("bob", &["b", "c"]), ("eve", &[])]
    {
        let mut client = Client::connect(address, &format!("/ws/rooms?user={user}")).await;
        for room in rooms {
            client.call("join", json!([room])).await;
        }
        clients.push(client);
    }
    let id = |index: usize| clients[index].id.clone();
    let audiences = [
        (space.everybody(), &[0, 1, 2, 3][..]),
        (space.everybody().except("a"), &[2, 3]),
        (space.everybody().except(id(3)), &[0, 1, 2]),
        (space.to("a").and("b"), &[0, 1, 2]),
        (space.to("a").and("b").except("c"), &[0, 1]),
        (space.to("a").and("b").except("c").except(id(0)), &[1]),
        (space.to(id(3)).and("c"), &[2, 3]),
        (space.user("ann"), &[0, 1]),
        (space.user("ann").and_user("bob").except("b"), &[0]),
        (space.user("ann").and("a").and("c"), &[0, 1, 2]),
        (space.user("nobody").and("nowhere"), &[]),
    ];
    for (number, (audience, hearing)) in audiences.iter().enumerate() {
        let delivery = audience.emit("said", (number,)).await.unwrap();
        assert_eq!(delivery.taken, hearing.len(), "audience {number}");
        space.everybody().emit("over", ()).await.unwrap();
        for (index, client) in clients.iter_mut().enumerate() {
            if hearing.contains(&index) {
                assert_eq!(client.next().await["args"], json!([number]), "client {index}");
            }
            assert_eq!(client.next().await["event"], "over", "client {index}, audience {number}");
        }
    }
}

/// Each event and each peer once, whoever says it and however; answers are no events.
#[tokio::test]
async fn what_is_said_is_overheard() {
    let (say, heard) = std::sync::mpsc::channel();
    let namespace = rooms()
        .on("tell", |peer: Peer| async move {
            peer.emit("told", (1,))?;
            // It is behind another, so it does not leave.
            peer.emit_volatile("late", ())?;
            Ok::<_, Failure>(Reply(()))
        })
        .on("tell-now", |peer: Peer| async move { peer.emit_volatile("now", ()).map(Reply) })
        .on_any_outgoing(move |peer: &Peer, event: &str, args: &RawArgs| {
            say.send((peer.id().to_owned(), event.to_owned(), args.json().to_string())).unwrap();
        });
    let (_, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let mut speaker = Client::connect(address, "/ws/rooms").await;
    let mut members =
        [Client::connect(address, "/ws/rooms").await, Client::connect(address, "/ws/rooms").await];
    for member in &mut members {
        member.call("join", json!(["x"])).await;
    }
    speaker.call("to", json!(["x", "hi"])).await;
    let mut both = [heard.try_recv().unwrap(), heard.try_recv().unwrap()];
    both.sort();
    let mut expected = members.map(|member| (member.id, "said".to_owned(), "\"hi\"".to_owned()));
    expected.sort();
    assert_eq!(both, expected);
    speaker.call("tell", json!([])).await;
    let (id, event, args) = heard.try_recv().unwrap();
    assert_eq!((id, event.as_str(), args.as_str()), (speaker.id.clone(), "told", "1"));
    assert_eq!(speaker.call("tell-now", json!([])).await["result"], true);
    let (id, event, _) = heard.try_recv().unwrap();
    assert_eq!((id, event.as_str()), (speaker.id.clone(), "now"));
    speaker.call("to", json!(["nobody", "hi"])).await;
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn what_is_emitted_on_connect_follows_the_welcome() {
    let greeter = Namespace::new("/greeter").on_connect(|peer: Peer| async move {
        peer.join("all")?;
        peer.emit("one", ())?;
        tokio::task::yield_now().await;
        peer.namespace().to("all").emit("two", ()).await?;
        Ok::<_, Failure>(())
    });
    let (_, address) = serve(Omniwire::builder().namespace(greeter)).await;
    // Client::connect wants `open` to be the first.
    let mut client = Client::connect(address, "/ws/greeter").await;
    assert_eq!(client.next().await["event"], "one");
    assert_eq!(client.next().await["event"], "two");
}

#[tokio::test]
async fn who_is_turned_away_was_never_there() {
    let closed = Namespace::new("/closed").on_connect(|peer: Peer| async move {
        peer.join("inside")?;
        peer.emit("secret", ())?;
        Err::<(), _>(Failure::client("full"))
    });
    let (omniwire, address) = serve(Omniwire::builder().namespace(closed)).await;
    let mut socket = crate::harness::open(address, "/ws/closed", "omniwire.json.v1").await;
    let first = socket.recv().await.unwrap().unwrap();
    assert_eq!(first, Message::text(r#"{"refused":{"message":"full"}}"#));
    assert_eq!(u16::from(crate::harness::closed(&mut socket).await), 1008);
    let namespace = omniwire.namespace("/closed").unwrap();
    until(|| namespace.is_empty() && namespace.to("inside").peers().is_empty()).await;
}

#[tokio::test]
async fn nothing_is_handled_of_who_is_turned_away() {
    let (handled, go) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let (heard, gate) = (Arc::clone(&handled), Arc::clone(&go));
    let closed = Namespace::new("/closed")
        .on_connect(move || {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                Err::<(), _>(Failure::client("no"))
            }
        })
        .on("say", move || {
            heard.store(true, Relaxed);
            async {}
        });
    let (omniwire, address) = serve(Omniwire::builder().namespace(closed)).await;
    let mut socket = crate::harness::open(address, "/ws/closed", "omniwire.json.v1").await;
    for _ in 0..3 {
        socket.send(Message::text(r#"{"event":"say","id":1}"#)).await.unwrap();
    }
    until(|| omniwire.stats().messages_in == 3).await;
    go.notify_one();
    assert_eq!(u16::from(crate::harness::closed(&mut socket).await), 1008);
    until(|| omniwire.stats().sessions == 0).await;
    assert!(!handled.load(Relaxed));
}

#[tokio::test]
async fn who_leaves_while_being_let_in_stays_nowhere() {
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, gate) = (Arc::clone(&reached), Arc::clone(&go));
    let slow = Namespace::new("/slow").on_connect(move |peer: Peer| {
        let (told, gate) = (Arc::clone(&told), Arc::clone(&gate));
        async move {
            told.notify_one();
            gate.notified().await;
            // May be too late, which is what the test is about.
            peer.join("inside").ok();
        }
    });
    let (omniwire, address) = serve(Omniwire::builder().namespace(slow)).await;
    let socket = crate::harness::open(address, "/ws/slow", "omniwire.json.v1").await;
    reached.notified().await;
    drop(socket);
    until(|| omniwire.stats().sessions == 0).await;
    go.notify_one();
    let namespace = omniwire.namespace("/slow").unwrap();
    until(|| namespace.is_empty() && namespace.to("inside").peers().is_empty()).await;
}

#[tokio::test]
async fn leaving_tells_the_handler_while_rooms_are_known() {
    let namespace = Namespace::new("/leave")
        .on_connect(|peer: Peer| async move { peer.join("watch") })
        .on_disconnect(|peer: Peer, reason: omniwire::Reason| async move {
            let rooms = peer.rooms().len() as u64;
            peer.to("watch").emit("gone", (peer.id(), reason.as_str(), rooms)).await?;
            Ok::<_, Failure>(())
        });
    let (_, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let mut watcher = Client::connect(address, "/ws/leave").await;
    let leaver = Client::connect(address, "/ws/leave").await;
    let id = leaver.id.clone();
    drop(leaver);
    let gone = watcher.next().await;
    assert_eq!(gone["args"][0], json!(id));
    assert_eq!(gone["args"][2], 1);
}
