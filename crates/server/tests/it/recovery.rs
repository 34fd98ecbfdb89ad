//! Socket.IO's connection state recovery.

use crate::harness::{PATIENCE, open, serve, until};
use omniwire::protocols::websocket::{ClientStream, Message, WebSocket};
use omniwire::{ConnectionRecovery, Failure, Namespace, Omniwire, Peer, RawArgs, Reply};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// A client that was let in, or in again.
struct Entered {
    socket: WebSocket<ClientStream>,
    /// What the server says of it.
    own: Value,
    /// That of the last event, by which it may come back.
    offset: Value,
    /// What `who` answers.
    who: String,
}

impl Entered {
    /// What it says to be who it was.
    fn auth(&self) -> Value {
        json!({"pid": self.own["pid"], "offset": self.offset})
    }

    /// The next event, without what it would say to come back.
    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.recv()).await;
            let Ok(Some(Ok(Message::Text(text)))) = message else { panic!("no event") };
            if let Some(event) = text.strip_prefix("42/chat,") {
                let mut event: Value = serde_json::from_str(event).unwrap();
                self.offset = event.as_array_mut().unwrap().pop().unwrap();
                return event;
            }
        }
    }
}

/// Enters with what stands in its CONNECT. The namespace says `hello` on connecting, and answers
/// `who`.
async fn enter(address: SocketAddr, user: &str, auth: Value) -> Entered {
    let path = format!("/socket.io/?EIO=4&transport=websocket&user={user}");
    let mut socket = open(address, &path, "").await;
    socket.send(Message::text(format!("40/chat,{auth}"))).await.unwrap();
    socket.send(Message::text("42/chat,1[\"who\"]")).await.unwrap();
    let (mut own, mut offset) = (Value::Null, Value::Null);
    while let Some(Ok(Message::Text(text))) = socket.recv().await {
        if let Some(answer) = text.strip_prefix("43/chat,1") {
            return Entered { socket, own, offset, who: answer.to_owned() };
        }
        if let Some(entered) = text.strip_prefix("40/chat,") {
            own = serde_json::from_str(entered).unwrap();
        }
        if let Some(event) = text.strip_prefix("42/chat,") {
            offset = serde_json::from_str::<Value>(event).unwrap()[1].clone();
        }
    }
    panic!("{own}");
}

fn chat() -> Namespace {
    Namespace::new("/chat")
        .identify(|request| request.query_value("user"))
        .connection_recovery(ConnectionRecovery::default())
        .on("who", |peer: Peer| async move { Reply((peer.user(), peer.recovered())) })
}

#[tokio::test]
async fn who_comes_back_as_another_user_is_a_new_peer() {
    let chat = chat().on_connect(|peer: Peer| async move { peer.emit("hello", ()) });
    let (omniwire, address) = serve(Omniwire::builder().namespace(chat)).await;
    for (user, answer) in [("ann", "[\"ann\",true]"), ("bob", "[\"bob\",false]")] {
        let first = enter(address, "ann", json!({})).await;
        assert_eq!(first.who, "[\"ann\",false]");
        let (auth, sid) = (first.auth(), first.own["sid"].clone());
        drop(first);
        until(|| omniwire.stats().sessions == 0).await;
        let second = enter(address, user, auth).await;
        assert_eq!(second.who, answer);
        assert_eq!(sid == second.own["sid"], user == "ann");
        drop(second);
        until(|| omniwire.stats().sessions == 0).await;
    }
}

/// An application may keep a peer anywhere, and its client comes back with another connection.
#[tokio::test]
async fn who_is_kept_from_before_is_who_came_back() {
    let (keep, kept) = mpsc::channel();
    let chat = chat().on_connect(move |peer: Peer| {
        keep.send(peer.clone()).unwrap();
        async move { peer.emit("hello", ()) }
    });
    let (omniwire, address) = serve(Omniwire::builder().namespace(chat)).await;
    let first = enter(address, "ann", json!({})).await;
    let before = kept.recv().unwrap();
    let auth = first.auth();
    drop(first);
    until(|| omniwire.stats().sessions == 0).await;
    before.emit("away", ("while it was away",)).unwrap();
    let mut second = enter(address, "ann", auth).await;
    assert_eq!(second.who, "[\"ann\",true]");
    before.emit("back", ("to who it was",)).unwrap();
    kept.recv().unwrap().emit("back", ("to who it is",)).unwrap();
    assert_eq!(second.next().await, json!(["back", "to who it was"]));
    assert_eq!(second.next().await, json!(["back", "to who it is"]));
    let auth = second.auth();
    drop(second);
    until(|| omniwire.stats().sessions == 0).await;
    let mut third = enter(address, "ann", auth).await;
    before.emit("last", ()).unwrap();
    assert_eq!(third.next().await, json!(["last"]), "and heard nothing twice");
}

/// What overhears may do whatever a handler may: nothing is locked.
#[tokio::test]
async fn what_is_said_is_overheard_with_nothing_locked() {
    let (tell, told) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let overhear = move |peer: &Peer, event: &str, _: &RawArgs| {
        if event == "noted" {
            return;
        }
        // Apart, so that a lock would be told rather than stood at for ever.
        let (peer, (say, said)) = (peer.clone(), mpsc::channel());
        std::thread::spawn(move || {
            peer.leave("nowhere");
            peer.emit("noted", ("that",)).unwrap();
            say.send(()).ok();
        });
        let done = said.recv_timeout(Duration::from_secs(5));
        tell.send((event.to_owned(), done.is_ok())).unwrap();
    };
    let chat = chat().on_any_outgoing(overhear).on("talk", |peer: Peer| async move {
        let everybody = peer.namespace().everybody();
        peer.emit("emit", ("text",))?;
        everybody.emit("room", ("text",)).await?;
        everybody.emit_latest("key", "value", ("text",)).await?;
        everybody.ask("question", ("text",), Duration::ZERO).await?;
        peer.ask::<()>("ask", ("text",), Duration::ZERO).await.ok();
        while !peer.emit_volatile("volatile", ("text",))? {
            tokio::task::yield_now().await;
        }
        Ok::<_, Failure>(())
    });
    let (_omniwire, address) = serve(Omniwire::builder().namespace(chat)).await;
    let mut client = enter(address, "ann", json!({})).await;
    client.socket.send(Message::text("42/chat,[\"talk\"]")).await.unwrap();
    for event in ["emit", "room", "value", "question", "ask", "volatile"] {
        let heard = tokio::task::spawn_blocking({
            let told = Arc::clone(&told);
            move || told.lock().unwrap().recv().unwrap()
        });
        assert_eq!(heard.await.unwrap(), (event.to_owned(), true));
    }
}
