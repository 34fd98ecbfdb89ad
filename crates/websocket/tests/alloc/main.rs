//! How often memory is asked for, and how much of it is held, as the documentation promises.

mod counting;
mod deflate;

use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use omniwire_websocket::frame::{self, Header};
use omniwire_websocket::{
    Config, Connection, Limits, Message, MessageRef, OpCode, PreparedMessage, Role, WebSocket,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use counting::counted;

/// A stream that brings the same octets whenever it is asked, and takes all that is written.
struct Same(Bytes, usize);

impl AsyncRead for Same {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        if this.1 == 0 {
            return Poll::Pending;
        }
        this.1 -= 1;
        buf.put_slice(&this.0);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Same {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn masked(payload: &[u8], count: usize) -> BytesMut {
    let mut out = BytesMut::new();
    let header = Header { mask: Some([1, 2, 3, 4]), ..Header::whole(OpCode::Text, 0) };
    (0..count).for_each(|_| frame::encode(&mut out, header, payload));
    out
}

fn server(reads: usize) -> WebSocket<Same> {
    let stream = Same(masked(b"hello", 100).freeze(), reads);
    WebSocket::from_parts(stream, Role::Server, Config::default(), BytesMut::new()).unwrap()
}

#[test]
fn a_message_shares_the_buffer_that_it_was_read_into() {
    let mut connection = Connection::server(Limits::default(), None);
    let mut buf = masked(b"hello", 100);
    let range = buf.as_ptr_range();
    let (count, asked) = counted(|| {
        let mut count = 0;
        while let Some(message) = connection.receive(&mut buf).unwrap() {
            // Where it was read: nothing is copied.
            assert!(range.contains(&message.into_payload().as_ptr()));
            count += 1;
        }
        count
    });
    assert_eq!(count, 100);
    // The count of references, once for the whole buffer.
    assert!(asked.calls <= 1, "{asked:?}");
}

#[test]
fn recv_asks_for_memory_by_reads_and_not_by_messages() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut socket = server(11);
    // The thread's own buffer comes first.
    (0..100).for_each(|_| assert!(socket.poll_recv(&mut cx).is_ready()));
    let ((), asked) = counted(|| {
        (0..1_000).for_each(|_| assert!(socket.poll_recv(&mut cx).is_ready()));
    });
    assert!(asked.calls <= 20, "two for each of ten reads: {asked:?}");
    assert!(socket.poll_recv(&mut cx).is_pending());
}

#[test]
fn visit_asks_for_no_memory() {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut socket, mut count) = (server(11), 0);
    let mut warm = server(1);
    assert!(warm.poll_visit(&mut cx, &mut |_, _| ()).is_pending());
    let mut visit = |message: MessageRef<'_>, _: &mut Connection| {
        assert_eq!(message, MessageRef::Text("hello"));
        count += 1;
    };
    let (visited, asked) = counted(|| socket.poll_visit(&mut cx, &mut visit));
    assert!(visited.is_pending());
    assert_eq!((count, asked.calls), (1_100, 0));
}

#[test]
fn answers_to_what_is_lent_ask_for_memory_by_reads_and_not_by_messages() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut warm = server(1);
    assert!(warm.poll_visit(&mut cx, &mut |_, _| ()).is_pending());
    let mut socket = server(10);
    let (visited, asked) = counted(|| {
        let mut echo = |message: MessageRef<'_>, replies: &mut Connection| {
            replies.queue_ref(message);
        };
        socket.poll_visit(&mut cx, &mut echo)
    });
    assert!(visited.is_pending());
    // The first of a hundred answers, and once more for all that may follow it.
    assert!(asked.calls <= 10 * 2, "{asked:?}");
    assert_eq!(asked.live, 0);
}

#[test]
fn an_answer_to_a_large_message_is_not_copied() {
    let mut cx = Context::from_waker(Waker::noop());
    let payload = "x".repeat(1 << 20);
    let stream = Same(Bytes::new(), 0);
    let read = masked(payload.as_bytes(), 1);
    let mut socket = WebSocket::from_parts(stream, Role::Server, Config::default(), read).unwrap();
    let (visited, asked) =
        counted(|| socket.poll_visit(&mut cx, &mut |message, replies| replies.queue_ref(message)));
    assert!(visited.is_pending());
    assert!(asked.peak < 1 << 12, "{asked:?}");
}

#[test]
fn send_prepared_asks_for_no_memory_for_any_member() {
    let prepared = PreparedMessage::new(Message::text("x".repeat(128)));
    let mut members: Vec<_> =
        (0..1_000).map(|_| Connection::server(Limits::default(), None)).collect();
    // The count of references, once for all.
    let _shared = prepared.clone();
    let ((), asked) = counted(|| {
        for member in &mut members {
            member.queue_prepared(&prepared);
            let outbox = member.outbox();
            assert_eq!(outbox.chunk().as_ptr(), prepared.frame().as_ptr(), "the same octets");
            outbox.advance(prepared.frame().len());
        }
    });
    assert_eq!(asked.calls, 0);
}

#[test]
fn an_idle_connection_holds_no_more_than_200_octets() {
    let mut connection = Connection::server(Limits::default(), None);
    let ((), asked) = counted(|| {
        let mut buf = masked(b"hello", 3);
        while let Some(message) = connection.receive(&mut buf).unwrap() {
            connection.queue(message);
        }
        let outbox = connection.outbox();
        outbox.advance(outbox.remaining());
    });
    assert_eq!(asked.live, 0);
    assert!(size_of::<Connection>() <= 200, "{}", size_of::<Connection>());
    // With what belongs to reading and writing by tokio, but neither stream nor task.
    let state = size_of::<WebSocket<()>>();
    assert!(state <= 320, "{state}");
}
