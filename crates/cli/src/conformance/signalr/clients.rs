//! Methods about connections: questions to them, what is known of them, their ends, records.

use super::send::RECEIVE;
use super::world;
use omniwire::protocols::signalr::request::query_value;
use omniwire::{Args, AskError, Namespace, Peer, Reply};
use std::time::Duration;

/// How long [`ask_me`] waits.
const ASK_ME_MS: u32 = 3000;

pub(super) fn add(namespace: Namespace) -> Namespace {
    namespace
        .on("AskClient", ask_client)
        .on("AskMe", ask_me)
        .on("GetConnectionId", |peer: Peer, _: Args<()>| async move { Reply(peer.id().to_owned()) })
        .on("GetUserId", |peer: Peer, _: Args<()>| async move { Reply(peer.user()) })
        .on("GetTransport", |peer: Peer, _: Args<()>| async move { Reply(peer.transport()) })
        .on("GetHeader", |peer: Peer, Args((name,)): Args<(String,)>| async move {
            Reply(peer.request().header(&name).map(str::to_owned))
        })
        .on("GetQuery", |peer: Peer, Args((name,)): Args<(String,)>| async move {
            Reply(query_value(peer.request().query(), &name).map(String::from))
        })
        .on("Abort", |peer: Peer, _: Args<()>| async move { peer.disconnect_session() })
        .on(
            "ConnectionState",
            |Args((id,)): Args<(String,)>| async move { Reply(world::state(&id)) },
        )
        .on("Record", |Args((key, value)): Args<(String, i32)>| async move {
            world::record(key, value);
        })
        .on(
            "GetRecorded",
            |Args((key,)): Args<(String,)>| async move { Reply(world::recorded(&key)) },
        )
        .on("StartPush", |peer: Peer, Args((n, ms)): Args<(i32, u64)>| async move {
            tokio::spawn(push(peer, n, Duration::from_millis(ms)));
        })
}

async fn ask_client(
    peer: Peer,
    Args((id, question, ms)): Args<(String, String, u32)>,
) -> Reply<String> {
    Reply(match peer.namespace().peer(&id) {
        Some(asked) => ask(&asked, question, ms).await,
        None => format!("failed:Connection '{id}' does not exist."),
    })
}

async fn ask_me(peer: Peer, Args((question,)): Args<(String,)>) -> Reply<String> {
    Reply(ask(&peer, question, ASK_ME_MS).await)
}

async fn ask(asked: &Peer, question: String, ms: u32) -> String {
    let timeout = Duration::from_millis(ms.into());
    match asked.ask::<(String,)>("Answer", (question,), timeout).await {
        Ok((answer,)) => format!("answer:{answer}"),
        Err(AskError::Client(text)) => format!("client error:{text}"),
        Err(AskError::TimedOut) => "client error:Invocation canceled by the server.".into(),
        Err(AskError::Answer(error)) => format!("client error:{error}"),
        Err(AskError::Disconnected) => {
            format!("failed:Connection '{}' disconnected.", asked.id())
        }
        Err(error) => format!("failed:{error}"),
    }
}

async fn push(peer: Peer, n: i32, interval: Duration) {
    for number in 0..n {
        if peer.emit(RECEIVE, ("seq", number)).is_err() {
            return;
        }
        tokio::time::sleep(interval).await;
    }
}
