//! Each timer, and what is counted, with its limit made short.

use crate::harness::{http, serve, until};
use crate::hostile::{Raw, masked};
use omniwire::protocols::signalr;
use omniwire::{Limits, Namespace, Omniwire, Peer, Presence, SignalRMount};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(600);

async fn limited(change: impl FnOnce(&mut Limits)) -> (Omniwire, SocketAddr) {
    let mut limits = Limits::default();
    change(&mut limits);
    let open = Namespace::new("/open").on_any(|| async {});
    serve(Omniwire::builder().limits(limits).namespace(open)).await
}

/// Sends a frame octet by octet, and gives the frames that come until TCP ends.
async fn drip(raw: &mut Raw) -> Vec<u8> {
    let (mut reading, mut writing) = raw.0.split();
    let write = async {
        for octet in masked(0x81, &[b'x'; 1000]) {
            // A server that has closed reads no more.
            writing.write_all(&[octet]).await.ok();
            sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut come = Vec::new();
    tokio::select! {
        read = timeout(Duration::from_secs(15), reading.read_to_end(&mut come)) => {
            read.expect("TCP ends in time").ok();
        }
        () = write => unreachable!("it waits for ever"),
    }
    come
}

#[tokio::test]
async fn a_frame_has_its_time_however_its_octets_come() {
    let (_omniwire, address) = limited(|limits| limits.frame_timeout = SHORT).await;
    let mut raw = Raw::open(address, "/ws/open", "").await;
    let begun = Instant::now();
    let come = drip(&mut raw).await;
    assert_eq!(&come[..4], [0x88, come[1], 0x03, 0xf0], "1008");
    assert!(begun.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_message_has_its_time_however_its_frames_come() {
    let (_omniwire, address) = limited(|limits| limits.message_timeout = SHORT).await;
    let mut raw = Raw::open(address, "/ws/open", "").await;
    raw.0.write_all(&masked(1, b"begun, and never ended")).await.unwrap();
    // Alive it is.
    raw.0.write_all(&masked(0x89, b"")).await.unwrap();
    assert_eq!(raw.next(b"").await, (0x8a, Vec::new()));
    assert_eq!(raw.next(b"").await.1[..2], 1008_u16.to_be_bytes());
}

/// A message of which so many octets have come, and never its end.
async fn begin(address: SocketAddr, len: usize) -> Raw {
    let mut raw = Raw::open(address, "/ws/open", "").await;
    raw.0.write_all(&masked(2, &vec![0; len])).await.unwrap();
    raw
}

#[tokio::test]
async fn what_all_peers_have_not_finished_is_bounded() {
    let (omniwire, address) = limited(|limits| limits.unfinished_len_max = 1 << 20).await;
    let mut first = begin(address, 700 << 10).await;
    // It has been read when what comes behind it is answered.
    first.0.write_all(&masked(0x89, b"")).await.unwrap();
    assert_eq!(first.next(b"").await, (0x8a, Vec::new()));
    let mut second = begin(address, 700 << 10).await;
    assert_eq!(second.next(b"").await.1[..2], 1013_u16.to_be_bytes());
    let head = "POST /send/open HTTP/1.0\nHost: x\nContent-Length: 716800\n\n";
    let answer = http(address, &(head.to_owned() + &" ".repeat(700 << 10))).await;
    assert!(answer.starts_with("HTTP/1.0 503"), "{answer}");
    // Short ones pass.
    let mut short = begin(address, 1000).await;
    short.0.write_all(&masked(0x89, b"")).await.unwrap();
    assert_eq!(short.next(b"").await, (0x8a, Vec::new()));
    // What the first held is given back with it.
    drop((first, second, short));
    until(|| omniwire.stats().connections == 0).await;
    let mut third = begin(address, 700 << 10).await;
    third.0.write_all(&masked(0x89, b"")).await.unwrap();
    assert_eq!(third.next(b"").await, (0x8a, Vec::new()));
}

/// A client that has sent this and so much more of what is not complete, and is alive.
async fn begin_packet(address: SocketAddr, path: &str, words: &[&str], rest: &[u8]) -> Raw {
    let mut raw = Raw::open(address, path, "").await;
    for word in words {
        raw.0.write_all(&masked(0x81, word.as_bytes())).await.unwrap();
    }
    raw.0.write_all(&masked(0x82, rest)).await.unwrap();
    raw.0.write_all(&masked(0x89, b"")).await.unwrap();
    raw
}

/// The next that is not text, which is what its protocol says.
async fn next_word(raw: &mut Raw) -> (u8, Vec<u8>) {
    loop {
        let come = raw.next(b"").await;
        if come.0 != 0x81 {
            return come;
        }
    }
}

/// Of WebSocket's messages each is whole.
#[tokio::test]
async fn packets_and_records_that_are_not_complete_are_bounded_too() {
    let mut limits = Limits::default();
    limits.unfinished_len_max = 1 << 20;
    let config = signalr::Config { message_len_max: 1 << 20, ..Default::default() };
    let open = || Namespace::new("/").on_any(|| async {});
    let hub = SignalRMount::new("/").config(config);
    let builder = Omniwire::builder().limits(limits).namespace(open()).mount("/hub", hub);
    let (omniwire, address) = serve(builder).await;
    let event = r#"452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let hello = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
    let attached = vec![0; 700 << 10];
    let part = vec![b' '; 700 << 10];
    for (path, words, rest) in [
        ("/socket.io/?EIO=4&transport=websocket", vec!["40", event], attached),
        ("/hub", vec![hello], part),
    ] {
        let mut first = begin_packet(address, path, &words, &rest).await;
        assert_eq!(next_word(&mut first).await, (0x8a, Vec::new()));
        let mut second = begin_packet(address, path, &words, &rest).await;
        assert_eq!(next_word(&mut second).await.0, 0x88, "{path}");
        drop((first, second));
        until(|| omniwire.stats().connections == 0).await;
        let mut third = begin_packet(address, path, &words, &rest).await;
        assert_eq!(next_word(&mut third).await, (0x8a, Vec::new()));
        drop(third);
        until(|| omniwire.stats().connections == 0).await;
    }
}

#[tokio::test]
async fn octets_of_an_unfinished_frame_are_no_sign_of_life() {
    let (omniwire, address) = limited(|limits| {
        (limits.ping_interval, limits.ping_timeout) = (SHORT, SHORT);
        limits.frame_timeout = LONG;
    })
    .await;
    let mut raw = Raw::open(address, "/ws/open", "").await;
    let come = drip(&mut raw).await;
    // One Ping, which nobody answered; and the end, with a word for it.
    assert_eq!((&come[..3], &come[4..6]), (&[0x89, 0, 0x88][..], &1001_u16.to_be_bytes()[..]));
    until(|| omniwire.stats().sessions == 0).await;
}

#[tokio::test]
async fn whole_frames_are_signs_of_life() {
    let (omniwire, address) = limited(|limits| {
        (limits.ping_interval, limits.ping_timeout) = (SHORT, SHORT);
    })
    .await;
    let mut raw = Raw::open(address, "/ws/open", "").await;
    for _ in 0..3 {
        assert_eq!(raw.next(b"").await, (0x89, Vec::new()));
        raw.0.write_all(&masked(0x8a, b"")).await.unwrap();
    }
    assert_eq!(omniwire.stats().sessions, 1);
}

/// A machine that slept, or a process that was starved, finds answers and time-outs at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stood_still_reads_before_it_judges() {
    let time = 4 * SHORT;
    let limits = |limits: &mut Limits| (limits.ping_interval, limits.ping_timeout) = (time, time);
    let (_omniwire, address) = limited(limits).await;
    let mut peers = Vec::new();
    for _ in 0..100 {
        peers.push(Raw::open(address, "/ws/open", "").await);
    }
    for peer in &mut peers {
        assert_eq!(peer.next(b"").await, (0x89, Vec::new()));
    }
    // Every worker stands still until the answers have come, and are late.
    let all = Arc::new(std::sync::Barrier::new(3));
    for _ in 0..2 {
        let all = Arc::clone(&all);
        tokio::spawn(async move {
            all.wait();
            all.wait();
        });
    }
    all.wait();
    for peer in &peers {
        assert_eq!(peer.0.try_write(&masked(0x8a, b"")).unwrap(), 6);
    }
    let begun = Instant::now();
    while begun.elapsed() < 2 * time {
        std::thread::yield_now();
    }
    all.wait();
    for peer in &mut peers {
        assert_eq!(peer.next(b"").await, (0x89, Vec::new()), "it is asked again");
    }
}

/// One that comes now: whoever came before has been silent for longer.
async fn another_is_dropped_for_its_silence(address: SocketAddr) {
    let mut silent = Raw::open(address, "/ws/open", "").await;
    let mut come = Vec::new();
    let read = timeout(Duration::from_secs(15), silent.0.read_to_end(&mut come));
    read.await.expect("it is dropped").ok();
}

/// Nor timers, nor engines.
#[tokio::test]
async fn a_server_that_is_over_leaves_no_task_behind() {
    let open = Namespace::new("/open").presence(Presence::default());
    let omniwire = Omniwire::builder().namespace(open).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, (stop, stopped)) = (omniwire.router(), oneshot::channel::<()>());
    let client = async {
        drop(Raw::open(address, "/ws/open", "").await);
        until(|| omniwire.stats().connections == 0).await;
        omniwire.shut_down();
        drop(stop);
    };
    let shutdown = async { drop(stopped.await) };
    let (served, ()) = tokio::join!(omniwire::serve(listener, router, &omniwire, shutdown), client);
    served.unwrap();
    drop(omniwire);
    let metrics = Handle::current().metrics();
    until(|| metrics.num_alive_tasks() == 0).await;
}

/// A peer that is not read from, because its handlers don't keep up, can't be heard.
#[tokio::test]
async fn silence_does_not_count_while_a_peer_is_held_back() {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let slow = Namespace::new("/slow").on("message", move |peer: Peer| {
        let go = Arc::clone(&waiting);
        async move {
            go.notified().await;
            go.notify_one();
            peer.emit("message", ("done",))
        }
    });
    let mut limits = Limits::default();
    (limits.ping_interval, limits.ping_timeout) = (SHORT, SHORT);
    limits.inbox_count_max = 4;
    let open = Namespace::new("/open").on_any(|| async {});
    let builder = Omniwire::builder().limits(limits).namespace(slow).namespace(open);
    let (omniwire, address) = serve(builder).await;
    let mut held_back = Raw::open(address, "/ws/slow", "").await;
    // More than may run at once, and than may wait for that.
    held_back.0.write_all(&masked(0x81, b"x").repeat(1100)).await.unwrap();
    another_is_dropped_for_its_silence(address).await;
    go.notify_one();
    for _ in 0..1100 {
        while held_back.next(b"").await != (0x81, b"done".to_vec()) {
            // It was a Ping.
            held_back.0.write_all(&masked(0x8a, b"")).await.unwrap();
        }
    }
    assert_eq!(omniwire.stats().sessions, 1);
}

/// A server on which so much may wait, and the word for what waits there: handlers run one at a
/// time, and without answers, which would wake what reads from a client too.
async fn serve_gated(inbox_count_max: usize) -> (Omniwire, SocketAddr, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let gated = Namespace::new("/gated").on_any(move || {
        let go = Arc::clone(&waiting);
        async move {
            go.notified().await;
            go.notify_one();
        }
    });
    let mut limits = Limits::default();
    (limits.inbox_count_max, limits.calls_max) = (inbox_count_max, 1);
    let (omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(gated)).await;
    (omniwire, address, go)
}

/// Read on when there is room again, which for one event at a time is when none waits.
#[tokio::test]
async fn who_was_held_back_is_read_on_however_small_the_limit() {
    for inbox_count_max in [1, 2, 3] {
        let (omniwire, address, go) = serve_gated(inbox_count_max).await;
        let mut client = Raw::open(address, "/ws/gated", "").await;
        client.0.write_all(&masked(0x81, b"x").repeat(10)).await.unwrap();
        until(|| omniwire.stats().messages_in >= inbox_count_max as u64).await;
        go.notify_one();
        until(|| omniwire.stats().messages_in == 10).await;
    }
}

/// A few long ones are as much as many short ones.
#[tokio::test]
async fn events_that_wait_are_counted_by_their_length() {
    let (omniwire, address, go) = serve_gated(100).await;
    let mut client = Raw::open(address, "/ws/gated", "").await;
    let (mut reading, mut writing) = client.0.split();
    let say = async {
        writing.write_all(&masked(0x81, &[b'x'; 300 << 10]).repeat(10)).await.unwrap();
        std::future::pending::<()>().await;
    };
    let check = async {
        // One runs, and of two that wait the second is one too many.
        until(|| omniwire.stats().messages_in == 3).await;
        let mut other = Raw::open(address, "/ws/gated", "").await;
        for _ in 0..10 {
            other.0.write_all(&masked(0x89, b"")).await.unwrap();
            assert_eq!(other.next(b"").await, (0x8a, Vec::new()));
        }
        assert_eq!(omniwire.stats().messages_in, 3);
        go.notify_one();
        until(|| omniwire.stats().messages_in == 10).await;
    };
    tokio::select! {
        () = say => {}
        () = check => {}
        _ = reading.read_u8() => panic!("nothing is said to it"),
    }
}

/// A Ping behind a large message can't be answered before that has come.
#[tokio::test]
async fn silence_does_not_count_while_a_peer_takes_what_it_is_sent() {
    let (omniwire, address) = limited(|limits| {
        (limits.ping_interval, limits.ping_timeout) = (SHORT, SHORT);
        limits.write_timeout = LONG;
        limits.outbox_len_max = 256 << 20;
    })
    .await;
    let mut slow = Raw::open(address, "/ws/open", "").await;
    let space = omniwire.namespace("/open").unwrap();
    until(|| space.len() == 1).await;
    // More than the buffers of both sockets take.
    space.everybody().emit("said", ("x".repeat(32 << 20),)).await.unwrap();
    another_is_dropped_for_its_silence(address).await;
    let mut text_len = 0;
    while text_len == 0 {
        let (first, payload) = slow.next(b"").await;
        text_len = if first == 0x81 { payload.len() } else { 0 };
    }
    assert_eq!(text_len, 32 << 20);
    assert_eq!(slow.next(b"").await, (0x89, Vec::new()), "it is asked, and is there");
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_dropped() {
    let (omniwire, address) = limited(|limits| {
        limits.write_timeout = SHORT;
        limits.outbox_len_max = 256 << 20;
    })
    .await;
    let _silent = Raw::open(address, "/ws/open", "").await;
    let space = omniwire.namespace("/open").unwrap();
    until(|| space.len() == 1).await;
    // More than the buffers of both sockets take.
    let text = "x".repeat(1 << 20);
    for _ in 0..64 {
        space.everybody().emit("said", (text.clone(),)).await.unwrap();
    }
    until(|| omniwire.stats().slow_peers_closed == 1 && omniwire.stats().sessions == 0).await;
}

#[tokio::test]
async fn a_body_has_its_time() {
    let (_omniwire, address) = limited(|limits| limits.body_timeout = SHORT).await;
    let head = "POST /send/open HTTP/1.0\nHost: x\nContent-Length: 100\n\n[";
    assert!(http(address, head).await.starts_with("HTTP/1.0 408"));
}

/// As long as a body is not whole, nobody sees that its client has gone, and these wait long.
#[tokio::test]
async fn a_body_that_nobody_needs_has_its_time_too() {
    let (omniwire, address) = limited(|limits| limits.body_timeout = SHORT).await;
    for line in [
        "GET /poll/open",
        "GET /sse/open",
        "GET /signalr/open?id=none",
        "GET /socket.io/?EIO=4&transport=polling",
        "POST /sockjs/open/000/a/xhr_streaming",
        "POST /sockjs/open/000/b/xhr",
    ] {
        let ask = |len| format!("{line} HTTP/1.0\nHost: x\nContent-Length: {len}\n\n[");
        assert!(http(address, &ask(100)).await.starts_with("HTTP/1.0 408"), "{line}");
        assert!(http(address, &ask(1 << 30)).await.starts_with("HTTP/1.0 413"), "{line}");
        assert_eq!(omniwire.stats().sessions, 0, "{line}");
    }
    let whole = "GET /socket.io/?EIO=4&transport=polling HTTP/1.0\nHost: x\nContent-Length: 1\n\n[";
    assert!(http(address, whole).await.starts_with("HTTP/1.0 200"));
}

#[tokio::test]
async fn pings_and_pongs_are_counted() {
    for opcode in [0x89, 0x8a] {
        let (_omniwire, address) = limited(|limits| {
            (limits.control_burst_max, limits.control_rate_max) = (10, 1);
        })
        .await;
        let mut raw = Raw::open(address, "/ws/open", "").await;
        raw.0.write_all(&masked(opcode, b"").repeat(100)).await.unwrap();
        let mut next = raw.next(b"").await;
        while next.0 == 0x8a {
            next = raw.next(b"").await;
        }
        assert_eq!((next.0, &next.1[..2]), (0x88, &1008_u16.to_be_bytes()[..]));
    }
}

#[tokio::test]
async fn connections_and_sessions_are_counted() {
    let (omniwire, address) = limited(|limits| limits.connections_max = 2).await;
    let _two = [Raw::open(address, "/ws/open", "").await, Raw::open(address, "/ws/open", "").await];
    let mut third = TcpStream::connect(address).await.unwrap();
    let read = timeout(Duration::from_secs(15), third.read_u8());
    assert!(read.await.expect("it ends at once").is_err());
    assert_eq!(omniwire.stats().tcp_refused, 1);
    let (omniwire, address) = limited(|limits| limits.sessions_max = 1).await;
    let _one = Raw::open(address, "/ws/open", "").await;
    let answer = http(address, "GET /poll/open HTTP/1.0\nHost: x\n\n").await;
    assert!(answer.starts_with("HTTP/1.0 503") && answer.contains("retry-after"), "{answer}");
    assert_eq!(omniwire.stats().sessions_refused, 1);
}
