//! `--suite socketio-client`: what the own suite of npm's `socket.io-client` wants of the server in
//! its `test/support`.

use super::events::Handshake;
use crate::conformance::{Basis, Site};
use crate::mistake::Mistake;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use omniwire::protocols::{engineio, socketio};
use omniwire::{
    Args, Binary, ConnectionRecovery, Failure, FromArgs, Limits, Namespace, Peer, RawArgs, Reply,
    SocketIoMount, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// What each handshake has to wait for, so that the client's time-outs come first.
const HANDSHAKE_DELAY: Duration = Duration::from_millis(10);

/// How long the client may take to answer `ack`.
const PATIENCE: Duration = Duration::from_secs(60);

const TEXTS: [&str; 5] = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"];

const BYTES: &[u8] = b"asdfasdf";

pub(in crate::conformance) fn site(basis: &Basis) -> Result<Site, Mistake> {
    let engine = engineio::Config { ping_interval: Duration::from_secs(2), ..Default::default() };
    let mut recovery = ConnectionRecovery::default();
    recovery.notice = engine.ping_interval + engine.ping_timeout;
    let config = socketio::Config { engine: Arc::new(engine), ..Default::default() };
    let bare = ["/timeout_socket", "/valid", "/asd"].map(Namespace::new);
    let others = [
        main_namespace(),
        Namespace::new("/foo").on("getId", id),
        Namespace::new("/abc")
            .on_connect(|peer: Peer| ready(peer.emit("handshake", (Handshake::of(&peer),)))),
        Namespace::new("/no")
            .admit(|| ready(Err::<(), _>(Failure::client("Auth failed (custom namespace)")))),
    ];
    let mut builder = basis.builder(Limits::default())?.without_socketio();
    for namespace in bare.into_iter().chain(others) {
        builder = builder.bare_namespace(namespace.connection_recovery(recovery.clone()));
    }
    let omniwire = builder.mount("/socket.io/", SocketIoMount::new().config(config)).build()?;
    let around = |site: axum::Router| site.layer(from_fn(delayed));
    Ok(Site { around, ..Site::new(omniwire) })
}

async fn delayed(request: Request, next: Next) -> Response {
    let is_handshake = !request.uri().query().is_some_and(|query| query.contains("sid="));
    if is_handshake {
        sleep(HANDSHAKE_DELAY).await;
    }
    next.run(request).await
}

async fn id(peer: Peer) -> Reply<String> {
    Reply(peer.id().to_owned())
}

async fn admit(peer: Peer) -> Result<(), Failure> {
    match peer.request().query_value("fail").filter(|value| !value.is_empty()) {
        Some(_) => Err(Failure::client("Auth failed (main namespace)")),
        None => Ok(()),
    }
}

fn main_namespace() -> Namespace {
    let namespace = Namespace::new("/").admit(admit).on("ack", ask);
    let namespace = answering(says(namespace));
    let namespace = heard(namespace, "buffa", "buffack", is_binary);
    let namespace = heard(namespace, "jsonbuff", "jsonbuff-ack", is_mixed);
    let namespace = heard(namespace, "blob", "back", is_binary);
    let namespace = heard(namespace, "jsonblob", "jsonblob-ack", is_mixed);
    let namespace = in_order(namespace, &BUFFERS, "abuff2-ack");
    in_order(namespace, &BLOBS, "blob3-ack")
}

/// Events that are answered by an acknowledgement.
fn answering(namespace: Namespace) -> Namespace {
    namespace
        .on("echo", |Args(args): Args<RawArgs>| ready(Reply(args)))
        .on("getAckDate", |Args(_): Args<RawArgs>| ready(Reply((Timestamp::now(),))))
        .on("getHandshake", |peer: Peer| ready(Reply((Handshake::of(&peer),))))
        .on("getId", id)
}

/// Events that are answered by events.
fn says(namespace: Namespace) -> Namespace {
    namespace
        .on("hi", |peer: Peer| ready(peer.emit("hi", ())))
        .on("false", |peer: Peer| ready(peer.emit("false", false)))
        .on("getDate", |peer: Peer| ready(peer.emit("takeDate", (Timestamp::now(),))))
        .on("getDateObj", |peer: Peer| ready(peer.emit("takeDateObj", (Dated::now(),))))
        .on("getUtf8", |peer: Peer| {
            ready(TEXTS.iter().try_for_each(|text| peer.emit("takeUtf8", *text)))
        })
        .on("doge", |peer: Peer| ready(peer.emit("doge", Binary(BYTES.into()))))
        .on("getbin", |peer: Peer| ready(peer.emit("takebin", Binary(BYTES.into()))))
}

#[derive(Serialize)]
struct Dated {
    date: Timestamp,
}

impl Dated {
    fn now() -> Self {
        Self { date: Timestamp::now() }
    }
}

#[derive(Deserialize)]
struct Tested {
    test: bool,
}

async fn ask(peer: Peer) -> Result<(), Failure> {
    let (five, Tested { test }): (u8, Tested) = peer.ask("ack", (), PATIENCE).await?;
    if five == 5 && test {
        peer.emit("got it", ())?;
    }
    Ok(())
}

/// Answers by an event if what came is as it must be.
fn heard(
    namespace: Namespace,
    event: &'static str,
    answer: &'static str,
    is_right: fn(&RawArgs) -> bool,
) -> Namespace {
    namespace.on(event, move |peer: Peer, Args(args): Args<RawArgs>| {
        ready(if is_right(&args) { peer.emit(answer, ()) } else { Ok(()) })
    })
}

fn is_binary(args: &RawArgs) -> bool {
    args.as_bytes().is_some()
}

#[derive(Deserialize)]
struct Mixed {
    hello: String,
    goodbye: String,
}

fn is_mixed(args: &RawArgs) -> bool {
    let mixed: Option<(Mixed,)> = FromArgs::from_args(args).ok();
    let texts = mixed.is_some_and(|(it,)| it.hello == "lol" && it.goodbye == "gotcha");
    texts && args.blobs().len() == 1
}

/// An event of several that come one after the other, and whether its arguments are right.
type Due = (&'static str, fn(&RawArgs) -> bool);

/// How many of those events have come, in this order.
struct Come(usize);

/// Answers the last of these events, if they came in this order.
fn in_order(mut namespace: Namespace, events: &'static [Due], answer: &'static str) -> Namespace {
    for (index, (event, is_right)) in events.iter().enumerate() {
        namespace = namespace.on(*event, move |peer: Peer, Args(args): Args<RawArgs>| {
            let before = peer.get::<Come>().map_or(0, |come| come.0);
            let come = if before == index && is_right(&args) { index + 1 } else { 0 };
            peer.set(Come(come));
            ready(if come == events.len() { peer.emit(answer, ()) } else { Ok(()) })
        });
    }
    namespace
}

const BUFFERS: [Due; 2] = [("abuff1", is_binary), ("abuff2", |_| true)];
const BLOBS: [Due; 3] =
    [("blob1", is_binary), ("blob2", |args| args.json() == r#""second""#), ("blob3", is_binary)];
