//! Events that are between one peer and the server.

use super::words;
use omniwire::{
    Args, AskError, Binary, EmitError, Failure, Namespace, Peer, RawArgs, Relayed, Reply,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::future::ready;
use std::time::Duration;

/// Longer than any test waits.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn add(namespace: Namespace) -> Namespace {
    namespace
        .on("echo", |peer: Peer, Args(args): Args<RawArgs>| ready(peer.emit("echo-back", args)))
        .on("echo-ack", |Args(args): Args<RawArgs>| ready(Reply(args)))
        .on("ask", ask)
        .on("ask-timeout", ask_timeout)
        .on("bin-info", |Args(args): Args<RawArgs>| ready(Reply((binary_info(&args),))))
        .on("make-bin", |Args((count,)): Args<(u8,)>| ready(Reply((made_binary(count),))))
        .on("volatile", volatile)
        .on("set-data", |peer: Peer, Args(args): Args<RawArgs>| {
            peer.set(Data(args.get(0).unwrap_or_default()));
            ready(Reply(()))
        })
        .on("bye", bye)
        .on("kick-transport", |peer: Peer| async move { peer.hang_up() })
        .on("burst", burst)
        .on("transport", |peer: Peer| ready(Reply(peer.transport())))
        .on("handshake", |peer: Peer| ready(Reply((Handshake::of(&peer),))))
}

/// What `set-data` keeps with a peer.
struct Data(RawArgs);

/// What `set-data` has kept with a peer; an empty object if that is nothing.
pub(super) fn data(peer: &Peer) -> Relayed {
    words::or_empty(&peer.get::<Data>().map(|data| data.0.clone()).unwrap_or_default())
}

async fn ask(peer: Peer, Args(args): Args<RawArgs>) -> Result<(), Failure> {
    let answer: RawArgs = peer.ask("question", args, PATIENCE).await?;
    Ok(peer.emit("answered", answer)?)
}

#[derive(Serialize)]
struct Asked {
    ok: bool,
    args: Vec<Relayed>,
}

async fn ask_timeout(peer: Peer, Args(args): Args<RawArgs>) -> Result<(), Failure> {
    let timeout = Duration::from_millis(words::read(&args, 0)?);
    let answer: Result<RawArgs, AskError> = peer.ask("question", args.skip(1), timeout).await;
    let (ok, answer) = (answer.is_ok(), answer.unwrap_or_default());
    let args = answer.iter().map(Relayed).collect();
    Ok(peer.emit("ask-result", (Asked { ok, args },))?)
}

#[derive(Serialize)]
struct BinaryInfo {
    count: usize,
    hex: Vec<String>,
}

fn binary_info(args: &RawArgs) -> BinaryInfo {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex: Vec<String> = args.blobs().iter().map(|blob| hex(&blob.bytes)).collect();
    BinaryInfo { count: hex.len(), hex }
}

#[derive(Serialize)]
struct MadeBinary {
    list: Vec<Binary>,
    nested: Nested,
}

#[derive(Serialize)]
struct Nested {
    deep: Deep,
}

#[derive(Serialize)]
struct Deep {
    blob: Binary,
    text: &'static str,
}

fn made_binary(count: u8) -> MadeBinary {
    let list = (0..count).map(|byte| Binary(vec![byte].into())).collect();
    let blob = Binary(vec![0xde, 0xad, 0xbe, 0xef].into());
    MadeBinary { list, nested: Nested { deep: Deep { blob, text: "t" } } }
}

async fn volatile(peer: Peer, Args(args): Args<RawArgs>) -> Result<Reply<()>, Failure> {
    let (event, args) = words::event(&args, 0)?;
    peer.emit_volatile(event, args)?;
    Ok(Reply(()))
}

async fn bye(peer: Peer, Args((close,)): Args<(Option<bool>,)>) {
    if close == Some(true) { peer.disconnect_session() } else { peer.disconnect() }
}

async fn burst(
    peer: Peer,
    Args((count, size)): Args<(u32, usize)>,
) -> Result<Reply<u32>, EmitError> {
    let text = "x".repeat(size);
    for number in 0..count {
        peer.writable().await;
        peer.emit("b", (number, &text))?;
    }
    Ok(Reply(count))
}

/// What npm's server calls so.
#[derive(Serialize)]
pub(super) struct Handshake {
    query: BTreeMap<String, String>,
    auth: Relayed,
    headers: BTreeMap<String, String>,
    secure: bool,
    xdomain: bool,
}

impl Handshake {
    pub(super) fn of(peer: &Peer) -> Self {
        let request = peer.request();
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in request.headers() {
            let value = String::from_utf8_lossy(value);
            let known = headers.entry(name.to_string()).or_default();
            if !known.is_empty() {
                known.push_str(", ");
            }
            known.push_str(&value);
        }
        Self {
            query: query(peer),
            auth: words::auth(peer),
            xdomain: headers.contains_key("origin"),
            headers,
            secure: request.is_secure(),
        }
    }
}

/// The query of the request that opened the session.
pub(super) fn query(peer: &Peer) -> BTreeMap<String, String> {
    peer.request().query_pairs().collect()
}
