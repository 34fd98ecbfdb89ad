//! The closing handshake over the tokio layer. Time is virtual: nobody waits.

use std::time::Duration;

use omniwire_websocket::{
    CloseCode, CloseFrame, CloseState, Error, Message, PreparedMessage, WebSocket,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use crate::wire::{client, masked, read_all, server};

async fn echo(mut socket: WebSocket<DuplexStream>) -> Vec<Result<Message, Error>> {
    let mut seen = Vec::new();
    while let Some(result) = socket.recv().await {
        if let Ok(message) = &result
            && message.is_data()
        {
            socket.queue(message.clone());
        }
        seen.push(result);
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn rfc6455_7_1_1_server_answers_the_close_and_ends_tcp_first() {
    // D2: the peer keeps its side of TCP open; no time passes.
    let (server, mut peer) = server();
    let started = Instant::now();
    peer.write_all(&[masked(0x81, b"hi"), masked(0x88, b"\x03\xe8bye")].concat()).await.unwrap();
    let (seen, out) = tokio::join!(echo(server), read_all(&mut peer));
    assert_eq!(out, b"\x81\x02hi\x88\x02\x03\xe8");
    assert_eq!(seen.len(), 2);
    assert!(matches!(&seen[1], Ok(Message::Close(Some(close))) if *close.reason() == "bye"));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn rfc6455_5_5_1_nothing_follows_our_close() {
    // D1: a broadcast goes on while we close.
    let (mut server, mut peer) = server();
    let shared = PreparedMessage::new(Message::text("to all"));
    server.queue_frames(shared.frame().clone());
    server.start_close(CloseFrame::new(CloseCode::GoingAway, ""));
    assert_eq!(server.close_state(), CloseState::CloseSent);
    server.queue_frames(shared.frame().clone());
    assert!(matches!(server.send("late").await, Err(Error::Closed)));
    peer.write_all(&masked(0x88, b"\x03\xe9")).await.unwrap();
    server.close(CloseCode::Normal, "").await.unwrap();
    assert!(server.is_closed());
    drop(server);
    assert_eq!(read_all(&mut peer).await, b"\x81\x06to all\x88\x02\x03\xe9");
}

#[tokio::test(start_paused = true)]
async fn rfc6455_7_1_1_silent_peer_is_dropped_after_the_time_limit() {
    // D3: it answers neither our Close, nor ends TCP. By close() and by recv() alike.
    let (mut server, _peer) = server();
    let started = Instant::now();
    let closed = server.close(CloseCode::GoingAway, "restart").await;
    assert!(matches!(closed, Err(Error::TimedOut)));
    assert_eq!(started.elapsed(), Duration::from_secs(5));

    let (mut server, _peer) = crate::wire::server();
    server.start_close(CloseCode::Normal.into());
    assert!(matches!(server.recv().await, Some(Err(Error::TimedOut))));
    assert!(server.recv().await.is_none());

    // A client whose server answers but keeps TCP open.
    let (mut client, mut peer) = client();
    peer.write_all(b"\x88\x00").await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), Message::Close(None));
    let started = Instant::now();
    assert!(client.recv().await.is_none());
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn rfc6455_7_1_1_a_peer_that_never_reads_does_not_hold_us() {
    // D3: our Close cannot even be written.
    let (ours, _theirs) = tokio::io::duplex(16);
    let config = omniwire_websocket::Config::default();
    let mut server =
        WebSocket::from_parts(ours, omniwire_websocket::Role::Server, config, &b""[..]).unwrap();
    server.queue(Message::binary(vec![0; 1_000]));
    assert!(matches!(server.close(CloseCode::Normal, "").await, Err(Error::TimedOut)));
    assert_eq!(server.buffered_amount(), 0);
}

#[tokio::test(start_paused = true)]
async fn rfc6455_7_1_1_client_waits_for_the_server_to_end_tcp() {
    let (mut client, mut peer) = client();
    let serve = async {
        let mut head = [0; 8];
        peer.read_exact(&mut head).await.unwrap();
        assert_eq!(head[..2], [0x88, 0x82]);
        peer.write_all(b"\x88\x02\x03\xe8").await.unwrap();
        // The client's end of TCP comes after ours.
        peer.shutdown().await.unwrap();
        assert_eq!(read_all(&mut peer).await, b"");
    };
    let (closed, ()) = tokio::join!(client.close(CloseCode::Normal, ""), serve);
    closed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rfc6455_7_1_7_violation_is_told_and_reported() {
    // D10, and A:unmasked.
    for (octets, code) in [
        (&b"\x81\x02hi"[..], 1002u16),
        (&masked(0x81, b"\xff"), 1007),
        (b"\x82\xff\x00\x00\x00\x10\x00\x00\x00\x00mask", 1009),
    ] {
        let (server, mut peer) = server();
        let serve = async {
            peer.write_all(octets).await.unwrap();
            let mut head = [0; 4];
            peer.read_exact(&mut head).await.unwrap();
            assert_eq!((head[0], &head[2..]), (0x88, &code.to_be_bytes()[..]));
            // It reads on, so that TCP is not reset before the Close is seen.
            peer.write_all(&[0; 100_000]).await.unwrap();
            read_all(&mut peer).await;
            drop(peer);
        };
        let (seen, ()) = tokio::join!(echo(server), serve);
        assert_eq!(seen.len(), 1);
        let error = seen[0].as_ref().unwrap_err();
        assert!(matches!(error, Error::Violation(_)));
        assert_eq!(u16::from(error.close_code()), code);
    }
}

#[tokio::test]
async fn rfc6455_7_1_5_end_without_a_close_is_1006() {
    // D8, D11: in the middle of a frame as well.
    for octets in [&b""[..], &masked(0x81, b"half")[..7], b"\x81"] {
        let (mut server, mut peer) = server();
        peer.write_all(octets).await.unwrap();
        drop(peer);
        let error = server.recv().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Dropped));
        assert_eq!(error.close_code(), CloseCode::Abnormal);
        assert!(server.recv().await.is_none());
        assert!(server.is_closed());
    }
}

#[tokio::test]
async fn last_words_of_a_peer_that_is_gone_are_read() {
    let (mut server, mut peer) = server();
    peer.write_all(&masked(0x81, b"bye")).await.unwrap();
    drop(peer);
    server.queue("we cannot tell it this");
    assert_eq!(server.recv().await.unwrap().unwrap(), Message::text("bye"));
    assert!(matches!(server.recv().await, Some(Err(Error::Dropped))));
}

#[tokio::test]
async fn a_caller_that_leaves_after_the_close_has_still_answered_it() {
    let (mut server, mut peer) = server();
    peer.write_all(&masked(0x88, b"")).await.unwrap();
    assert_eq!(server.recv().await.unwrap().unwrap(), Message::Close(None));
    drop(server);
    assert_eq!(read_all(&mut peer).await, b"\x88\x00");
}

#[tokio::test]
async fn driver_that_holds_the_close_has_the_last_word() {
    for last in [masked(0x88, b""), vec![0xff, 0x80]] {
        let (server, mut peer) = server();
        let mut server = server.hold_close();
        peer.write_all(&[masked(0x81, b"hi"), last].concat()).await.unwrap();
        let message = server.recv().await.unwrap().unwrap();
        server.recv().await.unwrap().ok();
        server.queue(message);
        let _ = peer.shutdown().await;
        while server.recv().await.is_some() {}
        drop(server);
        let out = read_all(&mut peer).await;
        assert_eq!((&out[..4], out[4]), (&b"\x81\x02hi"[..], 0x88));
    }
}

#[tokio::test]
async fn recv_is_cancel_safe() {
    let (mut server, mut peer) = server();
    let frame = masked(0x81, b"in many pieces");
    for octet in frame {
        peer.write_all(&[octet]).await.unwrap();
        tokio::select! {
            biased;
            message = server.recv() => {
                assert_eq!(message.unwrap().unwrap(), Message::text("in many pieces"));
                return;
            }
            () = std::future::ready(()) => {}
        }
    }
    unreachable!("the last octet completes the message");
}
