//! Messages over the tokio layer.

use futures_util::{SinkExt, StreamExt};
use omniwire_websocket::{
    ClientStream, CloseCode, Config, Message, PreparedMessage, Role, WebSocket, accept, connect,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{client, masked, server};

async fn pair() -> (WebSocket<ClientStream>, WebSocket<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let accepting = async { accept(listener.accept().await.unwrap().0).await.unwrap() };
    let (client, server) = tokio::join!(connect(&url), accepting);
    (client.unwrap(), server)
}

#[tokio::test]
async fn messages_of_every_size_come_back_over_tcp() {
    let (mut client, mut server) = pair().await;
    let echo = tokio::spawn(async move {
        while let Some(Ok(message)) = server.recv().await {
            if message.is_data() {
                server.send(message).await.unwrap();
            }
        }
    });
    for len in [0, 1, 125, 126, 127, 128, 4_096, 65_535, 65_536, 1 << 20, 3_000_001] {
        let payload: Vec<u8> =
            (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let (sent, message) = (payload.clone(), Message::binary(payload));
        // Large messages fill both directions, so the client must read while it writes.
        client.queue(message);
        let echoed = client.recv().await.unwrap().unwrap().into_payload();
        assert!(echoed == sent, "{len}");
    }
    client.send("ünï").await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), Message::text("ünï"));
    client.close(CloseCode::Normal, "done").await.unwrap();
    echo.await.unwrap();
}

#[tokio::test]
async fn stream_and_sink_split_into_two_tasks() {
    let (client, server) = pair().await;
    let (mut sink, stream) = client.split();
    let echo = tokio::spawn(async move {
        let (sink, stream) = server.split();
        let _ = stream
            .filter(|m| std::future::ready(m.as_ref().is_ok_and(Message::is_data)))
            .forward(sink)
            .await;
    });
    let writer = tokio::spawn(async move {
        for n in 0..1_000 {
            sink.feed(Message::text(n.to_string())).await.unwrap();
        }
        sink.flush().await.unwrap();
        sink
    });
    let echoed: Vec<_> = stream.take(1_000).collect().await;
    for (n, message) in echoed.into_iter().enumerate() {
        assert_eq!(message.unwrap(), Message::text(n.to_string()));
    }
    drop(writer.await.unwrap());
    echo.await.unwrap();
}

#[tokio::test]
async fn everything_read_at_once_is_answered_in_one_write() {
    let (mut server, mut peer) = server();
    let frames: Vec<u8> = (0..16).flat_map(|_| masked(0x81, b"hello")).collect();
    peer.write_all(&frames).await.unwrap();
    for _ in 0..16 {
        let message = server.recv().await.unwrap().unwrap();
        server.queue(message);
        assert!(server.buffered_amount() > 0, "nothing is written while messages are left");
    }
    let mut out = [0; 16 * 7];
    tokio::select! {
        biased;
        read = peer.read_exact(&mut out) => { read.unwrap(); }
        _ = server.recv() => unreachable!("there is no further message"),
    }
    assert_eq!(out[..7], *b"\x81\x05hello");
}

#[tokio::test]
async fn shared_frames_leave_as_they_are() {
    let (mut server, mut peer) = server();
    let prepared = PreparedMessage::new(Message::text("to all"));
    server.queue_frames(prepared.frame().clone());
    server.queue_frames(prepared.frame().clone());
    server.flush().await.unwrap();
    let mut out = [0; 16];
    peer.read_exact(&mut out).await.unwrap();
    assert_eq!(out, *b"\x81\x06to all\x81\x06to all");
}

#[tokio::test]
async fn rfc6455_4_1_frames_behind_the_handshake_are_not_lost() {
    // A20, B6: what was read too far is given on.
    let (ours, _theirs) = tokio::io::duplex(64);
    let mut socket =
        WebSocket::from_parts(ours, Role::Server, Config::default(), &masked(0x81, b"early")[..])
            .unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("early"));
}

#[tokio::test]
async fn rfc6455_5_1_client_masks_what_it_sends() {
    let (mut client, mut peer) = client();
    client.send("hello").await.unwrap();
    let mut out = [0; 11];
    peer.read_exact(&mut out).await.unwrap();
    assert_eq!(out[..2], [0x81, 0x85]);
}

#[tokio::test]
async fn what_the_stream_holds_back_leaves_while_nothing_but_recv_is_called() {
    // A stream that takes more than it can pass on, as TLS does.
    let (ours, mut peer) = tokio::io::duplex(16);
    let ours = tokio::io::BufWriter::new(ours);
    let mut server =
        WebSocket::from_parts(ours, Role::Server, Config::default(), &b""[..]).unwrap();
    server.queue(Message::binary(vec![7; 1_000]));
    let reading = tokio::spawn(async move { server.recv().await.map(|last| last.map(drop)) });
    let mut octets = vec![0; 1_004];
    peer.read_exact(&mut octets).await.unwrap();
    assert!(octets[4..].iter().all(|&octet| octet == 7));
    drop(peer);
    assert!(reading.await.unwrap().unwrap().is_err());
}
