//! Events that concern other peers.

use super::events;
use super::words::{self, at, event, rooms, within};
use omniwire::{
    Answers, Args, ArgsError, Audience, Failure, IntoArgs, IntoOutcome, Namespace, NamespaceHandle,
    Peer, RawArgs, Reason, Relayed, Reply,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::future::ready;
use std::time::Duration;

/// The events; `node` is this server's name for others.
pub(super) fn add(namespace: Namespace, node: &str) -> Namespace {
    let node = node.to_owned();
    let namespace = namespace
        .on("join", join)
        .on("leave", leave)
        .on("to", to)
        .on("in", to_all_in)
        .on("except", except)
        .on("broadcast", broadcast)
        .on("local", local)
        .on("volatile-in", volatile_in)
        .on("broadcast-ack", broadcast_ack);
    namespace
        .on("get-data", |peer: Peer| ready(Reply((Member::of(&peer),))))
        .on("fetch", fetch)
        .on("sockets-join", sockets_join)
        .on("sockets-leave", sockets_leave)
        .on("disconnect-sockets", disconnect_sockets)
        .on("server-side-emit", server_side_emit)
        .on("server-side-ask", server_side_ask)
        .on_server_side_emit("sse", move |here: NamespaceHandle, args: RawArgs| {
            heard_of_another(here, node.clone(), args)
        })
}

/// The room whose members hear who goes.
const WATCH: &str = "watch";

pub(super) async fn tell_watchers(peer: Peer, reason: Reason) -> Result<(), ArgsError> {
    let gone = (peer.id(), reason.as_str(), words::sorted_rooms(&peer));
    peer.to(WATCH).emit("gone", gone).await?;
    Ok(())
}

async fn join(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<Vec<String>>, Failure> {
    for room in rooms(&args, 0)? {
        peer.join(room)?;
    }
    Ok(Reply(words::sorted_rooms(&peer)))
}

async fn leave(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<Vec<String>>, Failure> {
    for room in rooms(&args, 0)? {
        peer.leave(&room);
    }
    Ok(Reply(words::sorted_rooms(&peer)))
}

async fn to(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, ArgsError> {
    let (name, said) = event(&args, 1)?;
    within(peer.others(), rooms(&args, 0)?).emit(name, said).await?;
    Ok(Reply(()))
}

async fn to_all_in(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, ArgsError> {
    let (name, said) = event(&args, 1)?;
    at(&peer, &args, 0)?.emit(name, said).await?;
    Ok(Reply(()))
}

async fn except(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, ArgsError> {
    let (name, said) = event(&args, 2)?;
    let audience = at(&peer, &args, 0)?;
    let audience = rooms(&args, 1)?.into_iter().fold(audience, Audience::except);
    audience.emit(name, said).await?;
    Ok(Reply(()))
}

async fn broadcast(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, ArgsError> {
    let (name, said) = event(&args, 0)?;
    peer.others().emit(name, said).await?;
    Ok(Reply(()))
}

async fn local(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, ArgsError> {
    let (name, said) = event(&args, 0)?;
    peer.namespace().everybody().emit(name, said).await?;
    Ok(Reply(()))
}

async fn volatile_in(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, ArgsError> {
    let (name, said) = event(&args, 1)?;
    at(&peer, &args, 0)?.emit_volatile(name, said).await?;
    Ok(Reply(()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    timed_out: bool,
    responses: Vec<Relayed>,
}

impl From<Answers> for Answered {
    fn from(answers: Answers) -> Self {
        let responses = answers.given.into_iter().map(Relayed).collect();
        Self { timed_out: answers.missing > 0, responses }
    }
}

async fn broadcast_ack(
    peer: Peer,
    Args(args): Args<RawArgs>,
) -> Result<Reply<(Answered,)>, ArgsError> {
    let timeout = Duration::from_millis(words::read(&args, 1)?);
    let (name, said) = event(&args, 2)?;
    let answers = at(&peer, &args, 0)?.ask(name, said, timeout).await?;
    Ok(Reply((answers.into(),)))
}

async fn server_side_emit(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, ArgsError> {
    peer.namespace().server_side_emit("sse", args).await?;
    Ok(Reply(()))
}

/// As long as the official server waits for another.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(5);

async fn server_side_ask(
    peer: Peer,
    Args(args): Args<RawArgs>,
) -> Result<Reply<(Answered,)>, ArgsError> {
    let answers = peer.namespace().server_side_ask("sse", args, OTHERS_TIMEOUT).await?;
    Ok(Reply((answers.into(),)))
}

/// What another server said, and who heard it.
#[derive(Serialize)]
struct Elsewhere {
    node: String,
    args: Vec<Relayed>,
}

async fn heard_of_another(
    here: NamespaceHandle,
    node: String,
    args: RawArgs,
) -> Result<Reply<RawArgs>, ArgsError> {
    let args = args.iter().map(Relayed).collect();
    let heard = (Elsewhere { node, args },).into_args()?;
    here.everybody().emit("sse", heard.clone()).await?;
    Ok(Reply(heard))
}

#[derive(Serialize)]
struct Member {
    data: Relayed,
    rooms: Vec<String>,
}

impl Member {
    fn of(peer: &Peer) -> Self {
        Self { data: events::data(peer), rooms: words::sorted_rooms(peer) }
    }
}

#[derive(Serialize)]
struct Found {
    id: String,
    #[serde(flatten)]
    member: Member,
    query: BTreeMap<String, String>,
}

async fn fetch(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<(Vec<Found>,)>, ArgsError> {
    let peers = at(&peer, &args, 0)?.peers();
    let found = peers.iter().map(|peer| Found {
        id: peer.id().to_owned(),
        member: Member::of(peer),
        query: events::query(peer),
    });
    Ok(Reply((found.collect(),)))
}

async fn sockets_join(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, ArgsError> {
    let room: String = words::read(&args, 1)?;
    at(&peer, &args, 0)?.join(room);
    Ok(Reply(()))
}

async fn sockets_leave(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, ArgsError> {
    let room: String = words::read(&args, 1)?;
    at(&peer, &args, 0)?.leave(&room);
    Ok(Reply(()))
}

async fn disconnect_sockets(
    peer: Peer,
    Args(args): Args<RawArgs>,
) -> Result<impl IntoOutcome, ArgsError> {
    let audience = at(&peer, &args, 0)?;
    let close: Option<bool> = words::read(&args, 1)?;
    Ok(Reply(()).then(async move { audience.disconnect(close == Some(true)) }))
}
