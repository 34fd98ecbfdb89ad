use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::net::TcpStream;

use super::{Config, Error, WebSocket};
use crate::frame::{self, Header};
use crate::{Message, OpCode, Role};

fn server() -> (WebSocket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(1 << 22);
    (WebSocket::from_parts(ours, Role::Server, Config::default(), &b""[..]).unwrap(), theirs)
}

fn masked(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    let mask = Some([9, 8, 7, 6]);
    frame::encode(&mut out, Header { mask, ..Header::whole(opcode, 0) }, payload);
    out.to_vec()
}

fn assert_pending(socket: &mut WebSocket<DuplexStream>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(socket.poll_recv(&mut cx), Poll::Pending));
}

#[tokio::test]
async fn idle_socket_holds_no_buffer() {
    let (mut socket, mut peer) = server();
    for payload in [&b"small"[..], &[7; 100_000]] {
        peer.write_all(&masked(OpCode::Binary, payload)).await.unwrap();
        peer.write_all(&masked(OpCode::Ping, b"p")).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::binary(payload.to_vec()));
        assert!(matches!(socket.recv().await, Some(Ok(Message::Ping(_)))));
        assert_pending(&mut socket);
        assert_eq!(socket.buf.capacity(), 0);
    }
    assert!(size_of::<WebSocket<TcpStream>>() <= 448, "{}", size_of::<WebSocket<TcpStream>>());
}

#[tokio::test]
async fn rfc6455_10_4_memory_follows_what_arrives_not_what_is_declared() {
    // CVE-2022-35922, A:length-lies: 64 MiB declared, few octets sent.
    let (mut socket, mut peer) = server();
    let header = Header { len: 64 << 20, mask: Some([0; 4]), ..Header::whole(OpCode::Binary, 0) };
    let mut head = [0; frame::MAX_MASKED_HEADER_LEN];
    let head_len = header.write(&mut head);
    peer.write_all(&head[..head_len]).await.unwrap();
    for round in 1..=20 {
        peer.write_all(&[0; 10_000]).await.unwrap();
        assert_pending(&mut socket);
        assert_eq!(socket.buf.len(), round * 10_000);
        assert!(socket.buf.capacity() <= 4 * (round * 10_000 + (16 << 10)));
    }
}

#[tokio::test]
async fn rfc6455_5_4_a_flood_of_fragments_costs_what_it_carries() {
    // A:fragment-flood, CVE-2026-65623: 100,000 fragments of one octet, in linear time.
    let (mut socket, mut peer) = server();
    let mut frames = Vec::new();
    for n in 0..100_000u32 {
        let opcode = if n == 0 { OpCode::Binary } else { OpCode::Continuation };
        let header = Header { fin: n == 99_999, mask: Some([0; 4]), ..Header::whole(opcode, 0) };
        let mut out = bytes::BytesMut::new();
        frame::encode(&mut out, header, &[n as u8]);
        frames.extend_from_slice(&out);
    }
    peer.write_all(&frames).await.unwrap();
    let message = socket.recv().await.unwrap().unwrap().into_payload();
    assert_eq!(message.len(), 100_000);
    assert!(message.iter().enumerate().all(|(at, octet)| *octet == at as u8));
}

/// What a driver may throw away, and make anew from the stream.
#[tokio::test]
async fn a_socket_is_idle_only_when_nothing_is_under_way() {
    let (mut socket, mut peer) = server();
    assert!(socket.is_idle());
    // Half a frame, then its rest.
    let text = masked(OpCode::Text, b"hello");
    peer.write_all(&text[..8]).await.unwrap();
    assert_pending(&mut socket);
    assert!(!socket.is_idle());
    peer.write_all(&text[8..]).await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hello"));
    assert!(socket.is_idle());
    // A first fragment.
    let mut fragment = masked(OpCode::Text, b"he");
    fragment[0] &= 0x7f;
    peer.write_all(&fragment).await.unwrap();
    assert_pending(&mut socket);
    assert!(!socket.is_idle());
    peer.write_all(&masked(OpCode::Continuation, b"llo")).await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hello"));
    // What is queued.
    socket.queue(Message::text("out"));
    assert!(!socket.is_idle());
    socket.flush().await.unwrap();
    assert!(socket.is_idle());
    // The same stream goes on, with another machine.
    let ours = socket.into_inner();
    let mut socket =
        WebSocket::from_parts(ours, Role::Server, Config::default(), &b""[..]).unwrap();
    peer.write_all(&masked(OpCode::Text, b"again")).await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("again"));
    socket.start_close(crate::CloseCode::Normal.into());
    assert!(!socket.is_idle());
}

/// A peer of which there is always more to read, and which takes everything.
#[derive(Default)]
struct Endless {
    reads: usize,
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads += 1;
        assert!(self.reads < 1000, "nobody else has a turn");
        buffer.initialize_unfilled().fill(0xff);
        buffer.set_filled(buffer.capacity());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn rfc6455_7_1_7_a_peer_that_goes_on_after_a_violation_leaves_others_their_turn() {
    let config = Config::default();
    let timeout = config.close_timeout;
    let mut socket =
        WebSocket::from_parts(Endless::default(), Role::Server, config, &b""[..]).unwrap();
    assert!(matches!(socket.recv().await, Some(Err(Error::Violation(_)))));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10 {
        socket.io.reads = 0;
        assert!(socket.poll_recv(&mut context).is_pending());
    }
    tokio::time::advance(timeout).await;
    assert!(matches!(socket.poll_recv(&mut context), Poll::Ready(None)));
}
