//! `--suite plain`: event streams, long polls and POSTs.

use super::{Basis, Site, set_time_from_environment};
use crate::mistake::Mistake;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use omniwire::protocols::plain::Config;
use omniwire::{
    Args, BuildError, EventName, Failure, Limits, Namespace, NamespaceHandle, Origins, Peer,
    PlainMount, Raw, RawArgs, Reply,
};
use serde::{Deserialize, Serialize};

/// Events that each room remembers.
const HISTORY_COUNT: usize = 100;

pub(super) fn site(basis: &Basis) -> Result<Site, Mistake> {
    let chat = Namespace::new("/chat")
        .recoverable(HISTORY_COUNT)
        .on_join(|| async {})
        .on("say", |peer: Peer, Args((room, text)): Args<(String, Raw)>| async move {
            peer.namespace().to(room).emit("said", (peer.id().to_owned(), text)).await?;
            Ok::<_, Failure>(Reply("delivered"))
        })
        .on("echo", |Args(args): Args<RawArgs>| async move { Reply(args) })
        .on(
            "message",
            |peer: Peer, EventName(name): EventName, Args(args): Args<RawArgs>| async move {
                peer.emit(name, args)
            },
        );
    let mut config = Config::default();
    set_time_from_environment("PLAIN_POLL_GAP", &mut config.poll_gap_max)?;
    set_time_from_environment("PLAIN_POLL_GAP", &mut config.abort_gap_max)?;
    let omniwire = basis
        .builder(Limits::default())?
        .origins(Origins::any())
        .namespace(chat)
        .mount("/brief/poll/chat", PlainMount::long_poll("/chat").config(config))
        .mount("/gzip/sse/chat", PlainMount::event_stream("/chat").gzip(true))
        .mount("/gzip/poll/chat", PlainMount::long_poll("/chat").gzip(true))
        .mount("/gzip/send/chat", PlainMount::send("/chat").gzip(true))
        .build()?;
    let Some(chat) = omniwire.namespace("/chat") else {
        return Err(BuildError::NoNamespace("/chat".into()).into());
    };
    let beside = Router::new()
        .route("/bar/publish", post(publish))
        .route("/bar/history", get(history))
        .with_state(chat);
    Ok(Site { beside, ..Site::new(omniwire) })
}

#[derive(Deserialize)]
struct Publication {
    room: String,
    event: String,
    #[serde(default)]
    args: Vec<Raw>,
}

async fn publish(
    State(chat): State<NamespaceHandle>,
    Json(publication): Json<Publication>,
) -> Result<StatusCode, StatusCode> {
    let Publication { room, event, args } = publication;
    let elements = args.iter().map(Raw::as_json).collect::<Vec<_>>().join(",");
    let args = RawArgs::from_elements(elements.into()).map_err(|_| StatusCode::BAD_REQUEST)?;
    chat.to(room).emit(event, args).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Asked {
    room: String,
}

#[derive(Serialize)]
struct Remembered {
    epoch: u32,
    offset: u64,
    event: String,
    args: Option<Raw>,
}

async fn history(
    State(chat): State<NamespaceHandle>,
    Query(asked): Query<Asked>,
) -> Json<Vec<Remembered>> {
    let stored = chat.history(&asked.room).unwrap_or_default();
    let remembered = stored.into_iter().map(|stored| {
        let array = format!("[{}]", stored.args.to_base64_json());
        Remembered {
            epoch: stored.position.epoch,
            offset: stored.position.offset,
            event: stored.name.to_string(),
            args: serde_json::from_str(&array).ok(),
        }
    });
    Json(remembered.collect())
}
