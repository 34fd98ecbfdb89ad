//! `--suite websocket`.

use super::{Basis, Site};
use crate::mistake::Mistake;
use axum::routing::get;
use axum::{Json, Router};
use omniwire::protocols::websocket::deflate;
use omniwire::{
    Args, Denied, Limits, Namespace, Omniwire, Origins, Peer, RawArgs, RequestInfo, WebSocketMount,
};
use serde::Serialize;
use std::time::Duration;

/// Limit of one message, and of one frame, where the contract does not say otherwise.
const MESSAGE_LEN_MAX: usize = 64 << 20;
const FRAGMENTS_MAX: usize = 70_000;
/// What may wait for one peer; a larger message fits where nothing waits.
const OUTBOX_LEN_MAX: usize = 16 << 20;

pub(super) fn site(basis: &Basis) -> Result<Site, Mistake> {
    let mut limits = Limits::default();
    limits.message_len_max = MESSAGE_LEN_MAX;
    limits.fragments_max = FRAGMENTS_MAX;
    limits.outbox_len_max = OUTBOX_LEN_MAX;
    let with_deflate = || WebSocketMount::new("/echo").deflate(everything());
    let builder = basis
        .builder(limits)?
        .without_socketio()
        .origins(Origins::any())
        .bare_namespace(echo("/echo"))
        .bare_namespace(broadcast())
        .bare_namespace(echo("/auth").authorize(bearer))
        .bare_namespace(close())
        .mount("/", with_deflate())
        .mount("/echo", with_deflate())
        .mount("/echo-plain", WebSocketMount::new("/echo"))
        .mount("/echo-shared", WebSocketMount::new("/echo").deflate(shared()))
        .mount("/small", small())
        .mount("/broadcast", WebSocketMount::new("/broadcast"))
        .mount("/chat", WebSocketMount::new("/echo").subprotocols(["chat", "superchat"]))
        .mount("/origin", WebSocketMount::new("/echo").origins(allowed()))
        .mount("/auth", WebSocketMount::new("/auth"))
        .mount("/close", WebSocketMount::new("/close"));
    let omniwire = builder.build()?;
    let counted = omniwire.clone();
    let stats = get(move || std::future::ready(Json(Stats::of(&counted))));
    Ok(Site { beside: Router::new().route("/stats", stats), ..Site::new(omniwire) })
}

fn echo(name: &'static str) -> Namespace {
    Namespace::new(name).on("message", |peer: Peer, Args(args): Args<RawArgs>| async move {
        peer.emit("message", args)
    })
}

fn broadcast() -> Namespace {
    Namespace::new("/broadcast").on("message", |peer: Peer, Args(args): Args<RawArgs>| async move {
        peer.namespace().everybody().emit("message", args).await.map(|_| ())
    })
}

fn close() -> Namespace {
    Namespace::new("/close").on_connect(|peer: Peer| async move { peer.close(3000, "Go away!") })
}

fn small() -> WebSocketMount {
    WebSocketMount::new("/echo")
        .message_len_max(1 << 20)
        .fragments_max(4096)
        // With the closing handshake, which a dead peer takes no part in, 19 s.
        .ping(Duration::from_secs(8), Duration::from_secs(8))
}

/// What any client may ask for; every message is compressed, as suites that time it expect.
fn everything() -> deflate::Config {
    deflate::Config {
        server_context_takeover: true,
        client_context_takeover: true,
        threshold: 0,
        ..deflate::Config::default()
    }
}

fn shared() -> deflate::Config {
    deflate::Config {
        server_context_takeover: false,
        client_context_takeover: false,
        ..deflate::Config::default()
    }
}

fn allowed() -> Origins {
    Origins::list(["http://allowed.example"]).expect("it is an origin")
}

fn bearer(request: &RequestInfo) -> Result<(), Denied> {
    match request.header("authorization") {
        Some("Bearer secret") => Ok(()),
        _ => Err(Denied::unauthorized("a bearer token is needed")),
    }
}

#[derive(Serialize)]
struct Stats {
    connections: usize,
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    slow_peers_closed: u64,
}

impl Stats {
    fn of(omniwire: &Omniwire) -> Self {
        let stats = omniwire.stats();
        Self {
            connections: stats.connections,
            messages_in: stats.messages_in,
            messages_out: stats.messages_out,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
            slow_peers_closed: stats.slow_peers_closed,
        }
    }
}
