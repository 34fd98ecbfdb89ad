//! What has brought other servers down, each by the number of its advisory, turned on ours in this
//! process. `conformance/advisories.md` lists them all, those too that are tested elsewhere.

mod requests;

use crate::harness::{Client, http, serve, until};
use flate2::{Compress, Compression, FlushCompress};
use omniwire::protocols::websocket::mask;
use omniwire::{Args, Limits, Namespace, Omniwire, Peer, Reply, Upload, WebSocketMount};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// One test for each advisory, of those that one input has caused.
macro_rules! advisories {
    ($($name:ident => $scenario:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            $scenario.await;
        })*
    };
}
pub(crate) use advisories;

const TEXT: u8 = 0x1;
const CONTINUATION: u8 = 0x0;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const PING: u8 = 0x9;

advisories! {
    // Pieces without number: text and empty ones, of one octet and of none.
    cve_2026_48779_fragments_are_counted_the_empty_ones_too => fragments();
    cve_2026_65623_fragments_cost_what_they_hold => fragments();
    cve_2026_42786_continuations_without_end => endless();
    cve_2014_0193_continuations_without_end => endless();
    // Lengths that lie.
    cve_2016_10542_a_payload_of_256_mib => declares(256 << 20, 1009);
    rustsec_2022_0035_nothing_is_reserved_for_what_is_declared => declares(1 << 62, 1009);
    cve_2026_27889_a_length_of_64_bits => declares(u64::MAX, 1002);
    cve_2020_13935_a_length_with_the_highest_bit => declares(1 << 63, 1002);
    cve_2026_54274_a_frame_that_stays_unfinished_is_judged_by_its_header => declares(5 << 20, 1009);
    cve_2020_27813_lengths_that_overflow_together => together();
    aiohttp_threat_model_3_1_frames_without_a_mask => closed_by(&[0x81, 1, b'x'], 1002);
    // Little that becomes much.
    npm_149_a_bomb => bomb(false);
    cve_2026_39804_a_bomb => bomb(false);
    cve_2026_27571_a_bomb => bomb(false);
    pysec_2018_79_a_bomb => bomb(true);
    netty_4_1_122_the_limit_is_for_what_is_inflated => bomb(true);
}

/// A WebSocket by raw octets.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn open(address: SocketAddr, path: &str, more: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\
             \r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             {more}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        Self(stream)
    }

    /// Sends, as far as the server takes it, and says what frame comes.
    pub(crate) async fn next(&mut self, octets: &[u8]) -> (u8, Vec<u8>) {
        let (mut reading, mut writing) = self.0.split();
        let write = async {
            // A server that has seen enough reads no more.
            writing.write_all(octets).await.ok();
            std::future::pending::<()>().await;
        };
        let read = async {
            let first = reading.read_u8().await.unwrap();
            let len = match reading.read_u8().await.unwrap() {
                126 => reading.read_u16().await.unwrap().into(),
                127 => reading.read_u64().await.unwrap() as usize,
                len => len.into(),
            };
            let mut payload = vec![0; len];
            reading.read_exact(&mut payload).await.unwrap();
            (first, payload)
        };
        let read = timeout(Duration::from_secs(20), read);
        tokio::select! {
            () = write => unreachable!("it waits for ever"),
            read = read => read.expect("a frame in time"),
        }
    }

    pub(crate) async fn closes(&mut self, octets: &[u8], code: u16) {
        let (first, payload) = self.next(octets).await;
        assert_eq!((first, &payload[..2]), (FIN | 0x8, &code.to_be_bytes()[..]));
    }
}

/// A masked frame.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    let key = frame[frame.len() - 4..].try_into().unwrap();
    let start = frame.len();
    frame.extend_from_slice(payload);
    mask::apply(&mut frame[start..], key, 0);
    frame
}

/// The header of a masked frame, which need not tell the truth.
fn header(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first, 0x80 | 127];
    match len {
        0..126 => header[1] = 0x80 | len as u8,
        126..65_536 => {
            header[1] = 0x80 | 126;
            header.extend((len as u16).to_be_bytes());
        }
        _ => header.extend(len.to_be_bytes()),
    }
    header.extend([1, 2, 3, 4]);
    header
}

async fn server() -> (Omniwire, SocketAddr) {
    let deflate = omniwire::protocols::websocket::deflate::Config::default();
    let open = Namespace::new("/open").on_join(|| async {}).on_any(|| async {});
    let builder = Omniwire::builder()
        .namespace(open)
        .mount("/deflate", WebSocketMount::new("/open").deflate(deflate));
    serve(builder).await
}

/// What `octets` end, they end with this code, and nobody else's.
pub(crate) async fn closed_by(octets: &[u8], code: u16) {
    let (omniwire, address) = server().await;
    let mut good = Client::connect(address, "/ws/open").await;
    Raw::open(address, "/ws/open", "").await.closes(octets, code).await;
    good.call("still", json!([])).await;
    until(|| omniwire.stats().sessions == 1).await;
    assert_eq!(omniwire.stats().panics, 0);
}

async fn fragments() {
    for piece in [&b"x"[..], b""] {
        let first = masked(TEXT, piece);
        let rest = masked(CONTINUATION, piece).repeat(5000);
        closed_by(&[first, rest].concat(), 1008).await;
    }
}

async fn endless() {
    let piece = vec![b'x'; 64 << 10];
    let rest = masked(CONTINUATION, &piece).repeat(70);
    closed_by(&[masked(TEXT, &piece), rest].concat(), 1009).await;
}

async fn declares(len: u64, code: u16) {
    closed_by(&header(FIN | TEXT, len), code).await;
    closed_by(&header(TEXT, len), code).await;
}

async fn together() {
    let most = (1 << 63) - 1;
    let octets = [masked(TEXT, b"x"), header(CONTINUATION, most)].concat();
    closed_by(&octets, 1009).await;
}

/// 16 MiB of zeros.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bomb = Vec::with_capacity(64 << 10);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(&vec![0; 16 << 20], &mut bomb, FlushCompress::Sync).unwrap();
    bomb
});

async fn bomb(in_fragments: bool) {
    let bomb = BOMB.as_slice();
    let (_omniwire, address) = server().await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let mut raw = Raw::open(address, "/deflate", offer).await;
    let (first, rest) = bomb.split_at(if in_fragments { bomb.len() / 2 } else { bomb.len() });
    let octets = match in_fragments {
        true => [masked(RSV1 | TEXT, first), masked(FIN | CONTINUATION, rest)].concat(),
        false => masked(FIN | RSV1 | TEXT, first),
    };
    raw.closes(&octets, 1009).await;
}

/// Not a byte more than was sent, whatever its length.
#[tokio::test]
async fn cve_2016_10518_a_pong_is_the_ping() {
    let (_omniwire, address) = server().await;
    let mut raw = Raw::open(address, "/ws/open", "").await;
    for len in 0..=125 {
        let payload: Vec<u8> = (0..len).collect();
        let (first, pong) = raw.next(&masked(FIN | PING, &payload)).await;
        assert_eq!((first, pong), (FIN | 0xa, payload));
    }
}

#[tokio::test]
async fn rustsec_2020_0043_a_peer_that_does_not_read_is_closed() {
    let mut limits = Limits::default();
    limits.outbox_len_max = 256 << 10;
    let (omniwire, address) =
        serve(Omniwire::builder().limits(limits).namespace(Namespace::new("/open"))).await;
    let _silent = Raw::open(address, "/ws/open", "").await;
    until(|| omniwire.namespace("/open").is_some_and(|space| space.len() == 1)).await;
    let text = "x".repeat(64 << 10);
    let mut sent = 0;
    while omniwire.stats().slow_peers_closed == 0 {
        assert!(sent < 2000, "what it does not read has no bound");
        let space = omniwire.namespace("/open").unwrap();
        space.everybody().emit("said", (text.clone(),)).await.unwrap();
        tokio::task::yield_now().await;
        sent += 1;
    }
    until(|| omniwire.stats().sessions == 0).await;
}

/// Nothing of a WebSocket is read before its request was let in.
#[tokio::test]
async fn cve_2026_33219_a_stranger_has_no_websocket() {
    let closed = Namespace::new("/closed")
        .authorize(|_: &omniwire::RequestInfo| Err(omniwire::Denied::unauthorized("no")));
    let (omniwire, address) = serve(Omniwire::builder().namespace(closed)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "GET /ws/closed HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\
                \r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\
                \r\n\r\n";
    let octets = [head.as_bytes(), &masked(TEXT, &[b'x'; 4096])].concat();
    stream.write_all(&octets).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    assert_eq!(omniwire.stats().sessions, 0);
}

/// One task a connection, never one a message; and no more handlers at once than there may be.
#[tokio::test]
async fn cve_2025_69199_messages_are_no_tasks() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let slow = Namespace::new("/slow").on("wait", move || {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
    });
    let mut limits = Limits::default();
    limits.calls_max = 10;
    let (omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(slow)).await;
    let mut client = Client::connect(address, "/ws/slow").await;
    // The inbox fills, and then nothing more is read.
    for _ in 0..200 {
        client.send(json!({"event": "wait", "args": []})).await;
    }
    until(|| omniwire.stats().messages_in == 200).await;
    assert_eq!(most.load(Ordering::Relaxed), 10);
    drop(client);
    until(|| omniwire.stats().sessions == 0).await;
}

#[tokio::test]
async fn cve_2026_53522_calls_of_one_peer_are_bounded() {
    let mut limits = Limits::default();
    limits.calls_max = 1;
    let once = Namespace::new("/once").on("wait", || async {
        tokio::task::yield_now().await;
        Reply("done")
    });
    let (_omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(once)).await;
    let mut client = Client::connect(address, "/ws/once").await;
    for _ in 0..100 {
        assert_eq!(client.call("wait", json!([])).await["result"], "done");
    }
}

/// Those with streams are counted apart, by whatever names they come.
#[tokio::test]
async fn cve_2026_53522_calls_with_streams_are_bounded_too() {
    let (begun, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let wait = || {
        let (begun, over) = (Arc::clone(&begun), Arc::clone(&over));
        move || {
            begun.fetch_add(1, Ordering::Relaxed);
            let over = Arc::clone(&over);
            async move { drop(over.acquire().await) }
        }
    };
    let takes = wait();
    let calls = Namespace::new("/calls")
        .on("takes", move |_: Upload<u32>| takes())
        .on("takes none", wait())
        .on("answers", wait());
    let mut limits = Limits::default();
    limits.calls_max = 4;
    let (_omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(calls)).await;
    let mut answered = 0;
    for event in ["takes", "takes none", "answers"] {
        let mut client = Client::connect(address, "/ws/calls").await;
        for number in 0..50 {
            let call = match event {
                "answers" => json!({"event": event, "stream": number}),
                _ => json!({"event": event, "id": number, "uploads": ["again"]}),
            };
            client.send(call).await;
            client.send(json!({"end": "again"})).await;
        }
        // The others are refused at once.
        for _ in 4..50 {
            assert_eq!(client.next().await["error"]["message"], "there are too many streams");
        }
        client.hears_nothing().await;
        answered += 4;
        assert_eq!(begun.load(Ordering::Relaxed), answered, "{event}");
    }
    over.close();
}

#[tokio::test]
async fn cve_2026_48802_pongs_that_nobody_asked_for_are_no_tasks() {
    let (omniwire, address) = server().await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    let mut raw = Raw::open(address, path, "").await;
    raw.next(b"").await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    until(|| omniwire.stats().sessions == 1).await;
    let before = tasks();
    let pongs = masked(FIN | TEXT, b"3").repeat(1000);
    let entered = raw.next(&[pongs, masked(FIN | TEXT, b"40/open,")].concat()).await;
    assert!(entered.1.starts_with(b"40/open,{"));
    assert!(tasks() <= before + 1);
}

#[tokio::test]
async fn cve_2026_56811_rooms_of_one_peer_are_counted() {
    let (_omniwire, address) = server().await;
    let mut client = Client::connect(address, "/ws/open").await;
    let rooms = Limits::default().rooms_max;
    for number in 0..=rooms {
        client.send(json!({"join": format!("room {number}"), "id": number})).await;
        let answer = loop {
            let answer = client.next().await;
            if answer["reply"] == number {
                break answer;
            }
        };
        assert_eq!(answer["error"].is_null(), number < rooms, "{answer}");
    }
}

/// Names that mean something in JavaScript mean nothing here.
#[tokio::test]
async fn cve_2026_56812_names_are_only_names() {
    let names = Namespace::new("/names").on_join(|| async {}).on(
        "__proto__",
        |peer: Peer, Args((room,)): Args<(String,)>| async move {
            peer.namespace().to(room.clone()).emit("constructor", (room,)).await.map(drop)
        },
    );
    let (_omniwire, address) = serve(Omniwire::builder().namespace(names)).await;
    let mut client = Client::connect(address, "/ws/names").await;
    for room in ["__proto__", "constructor", "toString", "hasOwnProperty"] {
        client.send(json!({"join": room})).await;
        client.send(json!({"event": "__proto__", "args": [room]})).await;
        let said = loop {
            let envelope = client.next().await;
            if envelope["event"] == "constructor" {
                break envelope;
            }
        };
        assert_eq!(said["args"], json!([room]));
    }
}

/// Nobody hears or says anything in a namespace that did not let them in.
#[tokio::test]
async fn cve_2022_22971_nothing_is_routed_before_its_sender_was_let_in() {
    let (heard, count) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let hearing = Arc::clone(&heard);
    let space = Namespace::new("/s").on_any(move || {
        hearing.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    let (omniwire, address) = serve(Omniwire::builder().namespace(space)).await;
    for said in ["42/s,[\"say\",1]", "42[\"say\",1]", "43/s,1[]", "41/s,"] {
        let path = "/socket.io/?EIO=4&transport=websocket";
        let mut raw = Raw::open(address, path, "").await;
        raw.next(b"").await;
        let (first, _) = raw.next(&masked(FIN | TEXT, said.as_bytes())).await;
        assert_eq!(first, FIN | 0x8, "{said}");
        count.fetch_add(1, Ordering::Relaxed);
    }
    // SignalR: before its handshake.
    let mut raw = Raw::open(address, "/signalr/s", "").await;
    let call = b"{\"type\":1,\"target\":\"say\",\"arguments\":[1]}\x1e";
    raw.next(&masked(FIN | TEXT, call)).await;
    assert_eq!((heard.load(Ordering::Relaxed), count.load(Ordering::Relaxed)), (0, 4));
    until(|| omniwire.stats().sessions == 0).await;
}

/// To know a room's or a peer's name is to be allowed nothing.
#[tokio::test]
async fn cve_2026_47124_no_name_is_a_right() {
    let closed = Namespace::new("/closed")
        .on("say", |peer: Peer| async move { peer.join("tenant 1").map(drop) });
    let (_omniwire, address) = serve(Omniwire::builder().namespace(closed)).await;
    let mut member = Client::connect(address, "/ws/closed").await;
    member.call("say", json!([])).await;
    let mut stranger = Client::connect(address, "/ws/closed").await;
    for room in ["tenant 1", member.id.as_str()] {
        stranger.send(json!({"join": room, "id": 1})).await;
        let answer = stranger.next().await;
        assert!(answer["error"].is_object(), "{answer}");
    }
    let poll = format!("GET /poll/closed?cursor={}.0 HTTP/1.0\nHost: x\n\n", member.id);
    assert!(http(address, &poll).await.starts_with("HTTP/1.0 404"));
}
