//! `--suite churn`: rooms to join, to leave and to speak in, for `cargo xtask soak`. Every room
//! numbers what is said in it, so that its members can account for every message.

use super::{Basis, Site};
use crate::mistake::Mistake;
use omniwire::{
    Args, ConnectionRecovery, Failure, Limits, Namespace, Origins, Peer, Reply, SignalRMount,
    protocols::signalr,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The last number that each room gave. Whoever holds it is the only one who joins or speaks there.
type Numbers = Arc<Mutex<HashMap<String, Arc<Mutex<u64>>>>>;

/// Events that each room of `/kept` remembers.
const HISTORY_COUNT: usize = 200;

/// How long a Socket.IO client may be away.
const WINDOW: Duration = Duration::from_secs(20);

pub(super) fn site(basis: &Basis) -> Result<Site, Mistake> {
    let mut recovery = ConnectionRecovery::default();
    recovery.window = WINDOW;
    let kept = Namespace::new("/kept").recoverable(HISTORY_COUNT).connection_recovery(recovery);
    let mut builder = basis
        .builder(Limits::default())?
        .origins(Origins::any())
        .namespace(handlers(kept))
        .namespace(handlers(Namespace::new("/free")));
    for name in ["/kept", "/free"] {
        let hub = signalr::Config { stateful_reconnects: true, ..signalr::Config::default() };
        builder = builder.mount(format!("/lasting{name}"), SignalRMount::new(name).config(hub));
    }
    Ok(Site::new(builder.build()?))
}

fn handlers(namespace: Namespace) -> Namespace {
    let numbers = Numbers::default();
    let (joining, publishing, hearing) =
        (Arc::clone(&numbers), Arc::clone(&numbers), Arc::clone(&numbers));
    namespace
        .on_connect(|peer: Peer| async move {
            match peer.protocol() {
                // A bare WebSocket has no other word for it.
                "WebSocket" => peer.emit("welcome", ("welcome",)),
                _ => Ok(()),
            }
        })
        .on_join(|| async {})
        .on("join", move |peer: Peer, Args((room,)): Args<(String,)>| {
            let numbers = Arc::clone(&joining);
            async move { join(&numbers, &peer, room).await }
        })
        .on(
            "leave",
            |peer: Peer, Args((room,)): Args<(String,)>| async move { leave(&peer, &room) },
        )
        .on("members", |peer: Peer, Args((room,)): Args<(String,)>| async move {
            Reply(peer.namespace().room_len(&room))
        })
        .on("publish", move |peer: Peer, Args(said): Args<(String, u64, String)>| {
            let numbers = Arc::clone(&publishing);
            async move { publish(&numbers, &peer, said).await }
        })
        .on("message", move |peer: Peer, Args((text,)): Args<(String,)>| {
            let numbers = Arc::clone(&hearing);
            async move { hear(&numbers, &peer, &text).await }
        })
}

async fn number_of(numbers: &Numbers, room: &str) -> Arc<Mutex<u64>> {
    Arc::clone(numbers.lock().await.entry(room.to_owned()).or_default())
}

async fn join(numbers: &Numbers, peer: &Peer, room: String) -> Result<(), Failure> {
    let number = number_of(numbers, &room).await;
    let number = number.lock().await;
    peer.join(room.clone())?;
    peer.emit("joined", (room, "joined", *number))?;
    Ok(())
}

fn leave(peer: &Peer, room: &str) -> Result<(), Failure> {
    peer.leave(room);
    peer.emit("left", (room, "left"))?;
    Ok(())
}

async fn publish(
    numbers: &Numbers,
    peer: &Peer,
    (room, own, padding): (String, u64, String),
) -> Result<Reply<u64>, Failure> {
    let number = number_of(numbers, &room).await;
    let mut number = number.lock().await;
    *number += 1;
    let said = (room.clone(), 0, own, padding, *number);
    peer.namespace().to(room).emit("said", said).await?;
    Ok(Reply(*number))
}

/// What a bare WebSocket says.
async fn hear(numbers: &Numbers, peer: &Peer, text: &str) -> Result<(), Failure> {
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["join", room] => join(numbers, peer, room.to_owned()).await,
        ["leave", room] => leave(peer, room),
        ["publish", room, own, padding] => {
            let own = own.parse().map_err(|_| Failure::client("no number"))?;
            publish(numbers, peer, (room.to_owned(), own, padding.to_owned())).await?;
            Ok(())
        }
        _ => Err(Failure::client("no such word")),
    }
}
