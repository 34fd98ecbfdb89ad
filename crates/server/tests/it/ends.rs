//! How sessions end: by the server, by slowness, by broken rules.

use crate::harness::{Client, PATIENCE, open, serve, until};
use crate::hostile::{Raw, masked};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use omniwire::protocols::websocket::{CloseCode, Message};
use omniwire::{Args, Drain, Limits, Namespace, Omniwire, Peer, RawArgs, Reason, WebSocketMount};
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout;

fn echo() -> Namespace {
    Namespace::new("/echo").on("message", |peer: Peer, Args(args): Args<RawArgs>| async move {
        peer.emit("message", args)
    })
}

#[tokio::test]
async fn shutdown_says_that_it_goes_away() {
    let (omniwire, address) = serve(Omniwire::builder().namespace(echo())).await;
    let mut client = Client::connect(address, "/ws/echo").await;
    omniwire.shut_down();
    assert_eq!(u16::from(client.closed().await), 1001);
    until(|| omniwire.stats().sessions == 0 && omniwire.stats().connections == 0).await;
}

#[tokio::test]
async fn a_server_that_drains_takes_nobody_and_lets_go_one_by_one() {
    let (omniwire, address) = serve(Omniwire::builder().namespace(echo())).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::connect(address, "/ws/echo").await);
    }
    assert!(omniwire.is_ready());
    let mut drain = Drain::default();
    (drain.delay, drain.rate) = (Duration::from_millis(300), 20);
    let start = Instant::now();
    let mut draining = pin!(omniwire.drain(drain));
    assert!(draining.as_mut().now_or_never().is_none());
    assert!(!omniwire.is_ready());
    let refused = crate::harness::http(address, "GET /poll/echo HTTP/1.0\nHost: x\n\n").await;
    assert!(refused.starts_with("HTTP/1.0 503") || refused.starts_with("HTTP/1.1 503"));
    assert!(refused.to_lowercase().contains("retry-after"), "{refused}");
    // Those who are there are served.
    clients[0].send(json!({"event": "message", "args": [1]})).await;
    assert_eq!(clients[0].next().await["args"], json!([1]));
    draining.await;
    // Four times a twentieth of a second from the first to the last.
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    for client in &mut clients {
        assert_eq!(u16::from(client.closed().await), 1001);
    }
    until(|| omniwire.stats().sessions == 0).await;
}

/// What follows may need a runtime: that of the sessions.
#[tokio::test]
async fn a_thread_without_a_runtime_may_end_peers_and_the_server() {
    let (say, mut said) = mpsc::channel(3);
    let namespace = echo().on_disconnect(move |peer: Peer, why: Reason| {
        let say = say.clone();
        async move {
            tokio::spawn(async {}).await.unwrap();
            say.try_send((peer.id().to_owned(), why)).unwrap();
        }
    });
    let (omniwire, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let namespace = omniwire.namespace("/echo").unwrap();
    let kick: fn(Omniwire, Peer) = |_, peer| peer.disconnect_session();
    let hang_up: fn(Omniwire, Peer) = |_, peer| peer.hang_up();
    let shut_down: fn(Omniwire, Peer) = |omniwire, _| omniwire.shut_down();
    for (end, why) in
        [(kick, Reason::Kicked), (hang_up, Reason::Kicked), (shut_down, Reason::Shutdown)]
    {
        let client = Client::connect(address, "/ws/echo").await;
        let (omniwire, peer) = (omniwire.clone(), namespace.peer(&client.id).unwrap());
        std::thread::spawn(move || end(omniwire, peer)).join().unwrap();
        let said = timeout(PATIENCE, said.recv()).await.expect("its handler is done");
        assert_eq!(said, Some((client.id, why)));
    }
}

/// What a handler has begun, and what is done for a client that has gone, is done before the end.
#[tokio::test]
async fn a_server_that_drains_waits_for_its_handlers() {
    let (go, done) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let work = {
        let (go, done) = (Arc::clone(&go), Arc::clone(&done));
        move || {
            let (go, done) = (Arc::clone(&go), Arc::clone(&done));
            async move {
                go.notified().await;
                done.fetch_add(1, Relaxed);
            }
        }
    };
    let saving = Namespace::new("/saving")
        .on("save", {
            let work = work.clone();
            move |peer: Peer| {
                peer.emit("begun", ()).unwrap();
                work()
            }
        })
        .on_disconnect(work);
    let (omniwire, address) = serve(Omniwire::builder().namespace(saving)).await;
    let mut client = Client::connect(address, "/ws/saving").await;
    client.send(json!({"event": "save"})).await;
    assert_eq!(client.next().await["event"], "begun");
    let mut draining = pin!(omniwire.drain(Drain::default()));
    let code = tokio::select! {
        () = &mut draining => panic!("it did not wait"),
        code = client.closed() => code,
    };
    assert_eq!(u16::from(code), 1001);
    for finished in 0..2 {
        assert!(draining.as_mut().now_or_never().is_none());
        assert_eq!(done.load(Relaxed), finished);
        go.notify_one();
        until(|| done.load(Relaxed) == finished + 1).await;
    }
    draining.await;
}

#[tokio::test]
async fn no_handler_holds_up_the_end_for_ever() {
    let stuck = Namespace::new("/stuck").on("wait", |peer: Peer| async move {
        peer.emit("begun", ()).unwrap();
        std::future::pending::<()>().await;
    });
    let (omniwire, address) = serve(Omniwire::builder().namespace(stuck)).await;
    let mut client = Client::connect(address, "/ws/stuck").await;
    client.send(json!({"event": "wait"})).await;
    assert_eq!(client.next().await["event"], "begun");
    let mut drain = Drain::default();
    drain.handlers_time_max = Duration::from_millis(50);
    omniwire.drain(drain).await;
    assert!(omniwire.handlers_done().now_or_never().is_none());
}

#[tokio::test]
async fn a_websocket_counts_as_a_connection_until_it_ends() {
    let (omniwire, address) = serve(Omniwire::builder().namespace(echo())).await;
    let mut client = Client::connect(address, "/ws/echo").await;
    for n in 0..3 {
        client.send(json!({"event": "message", "args": [n]})).await;
        assert_eq!(client.next().await["args"], json!([n]));
    }
    // By now the HTTP that it came by has long ended.
    assert_eq!(omniwire.stats().tcp_connections, 1);
    drop(client);
    until(|| omniwire.stats().tcp_connections == 0).await;
}

#[tokio::test]
async fn a_slow_peer_is_closed_and_the_others_miss_nothing() {
    let mut limits = Limits::default();
    limits.outbox_len_max = 256 << 10;
    let all =
        Namespace::new("/all").on("all", |peer: Peer, Args(args): Args<RawArgs>| async move {
            peer.namespace().everybody().emit("all", args).await.map(|_| ())
        });
    let (omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(all)).await;
    let slow = Client::connect(address, "/ws/all").await;
    let mut quick = Client::connect(address, "/ws/all").await;
    let text = "x".repeat(64 << 10);
    // Enough for the socket's buffers on both sides and the outbox.
    let mut sent = 0;
    while omniwire.stats().slow_peers_closed == 0 {
        assert!(sent < 2000, "the slow peer was never closed");
        quick.send(json!({"event": "all", "args": [sent, text]})).await;
        let heard = quick.next().await;
        assert_eq!(heard["args"][0], json!(sent));
        sent += 1;
    }
    until(|| omniwire.stats().sessions == 1).await;
    drop(slow);
}

#[tokio::test]
async fn who_says_more_than_it_takes_is_held_up_and_not_closed() {
    let mut limits = Limits::default();
    limits.outbox_len_max = 1 << 20;
    let (omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(echo())).await;
    let (mut sink, mut stream) = open(address, "/ws/echo", "none").await.split();
    // Far more than the outbox and the buffers of the sockets hold.
    let count = 1000_u32;
    let said = tokio::spawn(async move {
        for n in 0..count {
            let mut message = n.to_be_bytes().to_vec();
            message.resize(64 << 10, 0);
            sink.send(Message::Binary(message.into())).await.unwrap();
        }
    });
    let namespace = omniwire.namespace("/echo").unwrap();
    until(|| namespace.everybody().peers().len() == 1).await;
    for n in 0..count {
        let heard = stream.next().await.unwrap().unwrap().into_payload();
        assert_eq!((heard.len(), &heard[..4]), (64 << 10, &n.to_be_bytes()[..]));
        tokio::task::yield_now().await;
    }
    said.await.unwrap();
    assert_eq!(omniwire.stats().slow_peers_closed, 0);
}

#[tokio::test]
async fn rfc6455_5_1_an_unmasked_frame_is_1002() {
    let (omniwire, address) = serve(Omniwire::builder().namespace(echo())).await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "GET /ws/echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    // The first frame comes in the segment of the request.
    stream.write_all(&[head.as_bytes(), b"\x81\x02hi"].concat()).await.unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.unwrap();
    let close = answer.windows(4).rposition(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(answer[close], 0x88);
    assert_eq!(answer[close + 2..close + 4], 1002_u16.to_be_bytes());
    until(|| omniwire.stats().sessions == 0).await;
}

#[tokio::test]
async fn rfc6455_7_4_1_too_large_is_1009_before_it_has_come() {
    let mount = WebSocketMount::new("/echo").message_len_max(1000);
    let builder = Omniwire::builder().bare_namespace(echo()).mount("/small", mount);
    let (_, address) = serve(builder).await;
    let mut socket = open(address, "/small", "omniwire.json.v1").await;
    socket.queue(Message::text("x".repeat(1001)));
    socket.flush().await.unwrap();
    assert_eq!(crate::harness::closed(&mut socket).await, CloseCode::from(1009));
}

#[tokio::test]
async fn raw_frames_come_back_as_they_were() {
    let mount = WebSocketMount::new("/echo").subprotocols(["raw"]);
    let builder = Omniwire::builder().bare_namespace(echo()).mount("/raw", mount);
    let (_, address) = serve(builder).await;
    let mut socket = open(address, "/raw", "raw").await;
    let messages = [
        Message::text("\"quoted\" \u{0}\u{1f} \\ 😀"),
        Message::text(""),
        Message::Binary(bytes::Bytes::from_static(&[0, 255, 1])),
        Message::Binary(bytes::Bytes::new()),
    ];
    for message in messages {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), message);
    }
}

/// Nothing bounds what a handler takes its time for, so its client is not read from meanwhile.
#[tokio::test]
async fn who_comes_and_goes_faster_than_that_is_handled_is_held_back() {
    for waits_to_leave in [false, true] {
        let (go, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let handler = {
            let (go, begun) = (Arc::clone(&go), Arc::clone(&begun));
            move || {
                begun.fetch_add(1, Relaxed);
                let go = Arc::clone(&go);
                async move { drop(go.acquire().await) }
            }
        };
        let slow = Namespace::new("/slow");
        let slow =
            if waits_to_leave { slow.on_disconnect(handler) } else { slow.on_connect(handler) };
        let mut limits = Limits::default();
        limits.inbox_count_max = 8;
        let builder = Omniwire::builder().limits(limits).namespace(slow).namespace(echo());
        let (_omniwire, address) = serve(builder).await;
        let mut client = Raw::open(address, "/socket.io/?EIO=4&transport=websocket", "").await;
        let once = [masked(0x81, b"40/slow,"), masked(0x81, b"41/slow,")].concat();
        client.0.write_all(&once.repeat(500)).await.unwrap();
        let mut other = Client::connect(address, "/ws/echo").await;
        for _ in 0..50 {
            other.call("nothing", json!([])).await;
        }
        let count = begun.load(Relaxed);
        assert!((1..=16).contains(&count), "{count}");
        // Nobody waits any more.
        go.close();
        until(|| begun.load(Relaxed) == 500).await;
    }
}

/// Says when it is dropped.
struct Working(mpsc::Sender<&'static str>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.try_send("dropped").ok();
    }
}

#[tokio::test]
async fn an_admission_is_dropped_with_the_client_that_waits_for_it() {
    let (say, mut said) = mpsc::channel(2);
    let admit = move || {
        let say = say.clone();
        async move {
            say.try_send("begun").ok();
            let _working = Working(say);
            std::future::pending::<()>().await;
        }
    };
    let slow = Namespace::new("/slow").admit(admit);
    let (omniwire, address) = serve(Omniwire::builder().namespace(slow)).await;
    let client = open(address, "/ws/slow", "omniwire.json.v1").await;
    assert_eq!(said.recv().await, Some("begun"));
    drop(client);
    assert_eq!(timeout(Duration::from_secs(20), said.recv()).await, Ok(Some("dropped")));
    until(|| omniwire.stats().sessions == 0).await;
    timeout(Duration::from_secs(20), omniwire.handlers_done()).await.unwrap();
}

/// A peer that takes nothing of what it is answered, and then is gone: what it has still said is
/// not answered to nobody, until its outbox would be full.
#[tokio::test]
async fn who_is_gone_is_not_answered_what_it_has_still_said() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let much = Namespace::new("/much").on("message", move |peer: Peer| {
        counted.fetch_add(1, Relaxed);
        async move { peer.emit("message", ("x".repeat(64 << 10),)) }
    });
    let (omniwire, address) = serve(Omniwire::builder().namespace(much)).await;
    let mut raw = Raw::open(address, "/ws/much", "").await;
    // Far more than the sockets' buffers hold of the answers.
    raw.0.write_all(&masked(0x81, b"x").repeat(2000)).await.unwrap();
    until(|| omniwire.stats().outboxes_len > 256 << 10).await;
    raw.0.set_zero_linger().unwrap();
    drop(raw);
    until(|| omniwire.stats().sessions == 0).await;
    assert!(asked.load(Relaxed) < 1000, "{asked:?}");
    assert_eq!(omniwire.stats().slow_peers_closed, 0);
}

/// Nothing is read from a client whose handlers don't keep up, not even its end.
#[tokio::test]
async fn who_is_gone_is_let_go_though_its_handlers_are_behind() {
    for resets in [true, false] {
        let mut limits = Limits::default();
        (limits.inbox_count_max, limits.calls_max) = (4, 1);
        if !resets {
            // A peer that said its last in good order may still hear us: a Ping tells whether.
            limits.ping_interval = Duration::from_millis(100);
        }
        let stuck = Namespace::new("/stuck").on("message", std::future::pending::<()>);
        let (omniwire, address) = serve(Omniwire::builder().limits(limits).namespace(stuck)).await;
        let mut raw = Raw::open(address, "/ws/stuck", "").await;
        raw.0.write_all(&masked(0x81, b"x").repeat(100)).await.unwrap();
        until(|| omniwire.stats().messages_in > 4).await;
        if resets {
            raw.0.set_zero_linger().unwrap();
        }
        drop(raw);
        until(|| omniwire.stats().sessions == 0).await;
    }
}
