//! The thin tokio layer: a [`Connection`] over any stream of octets.

mod accept;
pub mod browser;
mod connect;
mod ending;
mod error;
mod http1;
mod masks;
mod reading;

use std::future::poll_fn;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

pub use self::accept::{accept, accept_with};
#[cfg(feature = "tls")]
pub use self::connect::Tls;
pub use self::connect::{
    ClientStream, Connector, HttpVersion, Proxy, connect, connect_over, connect_with,
};
#[cfg(feature = "http2")]
pub use self::connect::{Http2, Http2Stream};
#[cfg(feature = "http3")]
pub use self::connect::{Http3, Http3Stream};
pub use self::error::Error;

use self::ending::Ending;
use crate::deflate::{Agreed, Shared};
use crate::{
    CloseCode, CloseFrame, CloseState, Connection, Limits, Message, PreparedMessage, Role,
    Utf8Bytes,
};

/// How a [`WebSocket`] behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the peer may send.
    pub limits: Limits,
    /// The compression that the handshake agreed on. [`accept`] and [`connect`] fill it in.
    pub deflate: Option<Agreed>,
    /// How long the closing handshake may take, until TCP is dropped (section 7.1.1).
    pub close_timeout: Duration,
    /// How long the opening handshake may take, for [`accept`] and [`connect`].
    pub handshake_timeout: Duration,
    /// The [`Sink`] takes no more messages while so many octets are unwritten.
    pub write_buffer_len: usize,
    /// Whether a Close for a broken rule says in words which: see [`Connection::saying_why`].
    pub says_why: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            deflate: None,
            close_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(10),
            write_buffer_len: 128 << 10,
            says_why: true,
        }
    }
}

/// A WebSocket over a stream of octets: `Stream` of what comes, `Sink` of what goes.
///
/// Ping and Close are answered by itself, and still shown. The stream ends, with `None`, once the
/// closing handshake is done and TCP is shut down; an end without a Close is [`Error::Dropped`].
///
/// It holds no read buffer while idle: octets are read into a buffer of the thread, and only
/// what came is copied to a buffer of its own, which the messages share and free.
///
/// Every method is cancel safe: a message is queued as a whole or not at all, and what was read is
/// never lost. For a task that reads and one that writes, use `futures_util::StreamExt::split`.
#[derive(Debug)]
pub struct WebSocket<S> {
    io: S,
    connection: Connection,
    /// What has been read and not yet been taken; without memory while idle.
    buf: BytesMut,
    ending: Ending,
    close_timer: Option<Pin<Box<Sleep>>>,
    /// The task that waits, by the `Sink`, for the stream to take more.
    sender: Option<Waker>,
    /// The stream has taken octets that it has not passed on, as TLS does.
    unflushed: bool,
    subprotocol: Option<Box<str>>,
    close_timeout: Duration,
    write_buffer_len: usize,
    /// See [`WebSocket::hold_close`].
    holds_close: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Goes on after a handshake that somebody else made, such as hyper. `leftover`: octets
    /// read behind the handshake.
    ///
    /// # Errors
    /// For clients: the system has no randomness for the masking keys.
    #[inline] // Whoever keeps no idle WebSocket makes one for each message: it is not copied then.
    pub fn from_parts(
        io: S,
        role: Role,
        config: Config,
        leftover: impl Into<BytesMut>,
    ) -> io::Result<Self> {
        let Config { limits, deflate, close_timeout, write_buffer_len, says_why, .. } = config;
        let connection = match role {
            Role::Server => Connection::server(limits, deflate),
            Role::Client => Connection::client(limits, deflate, masks::random()?),
        };
        Ok(Self {
            io,
            connection: connection.saying_why(says_why),
            buf: leftover.into(),
            ending: Ending::NotYet,
            close_timer: None,
            sender: None,
            unflushed: false,
            subprotocol: None,
            close_timeout,
            write_buffer_len,
            holds_close: false,
        })
    }

    /// The next message. `None`: closed, and nothing more will come.
    ///
    /// # Errors
    /// The peer broke a rule, or the stream failed. Its Close, if any, is already queued; go on
    /// calling until `None` to see it delivered.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Sends a message and everything queued before it.
    ///
    /// # Errors
    /// The closing handshake has begun, or the stream failed.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.try_queue(message.into())?;
        self.flush().await.map_err(Error::Io)
    }

    /// Writes everything queued.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Closes: sends our Close, waits for the peer's (messages before it are dropped), ends TCP.
    ///
    /// # Errors
    /// The peer did not answer in time, broke a rule, or dropped the connection.
    pub async fn close(
        &mut self,
        code: CloseCode,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<(), Error> {
        self.start_close(CloseFrame::new(code, reason));
        poll_fn(|cx| self.poll_close(cx)).await
    }

    /// The next message, for drivers. As long as messages are left of what was read before, it does
    /// no IO; then it writes what is queued, in one go, and reads. So a driver that calls it until
    /// `Pending` has everything that its messages caused leave in one write. A large message is
    /// read in several calls, between which others have their turn.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        for _ in 0..READS_PER_POLL {
            match ready!(self.poll_read_on(cx)) {
                ReadOn::Message(message) => return Poll::Ready(Some(Ok(message))),
                ReadOn::Failed(error) => return Poll::Ready(Some(Err(error))),
                ReadOn::Ended => return Poll::Ready(None),
                ReadOn::NeedsMore => {}
            }
            if let Err(error) = ready!(self.poll_more(cx, |_, _| 0)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next message of what was read before. If there is none, it writes what is queued.
    fn poll_read_on(&mut self, cx: &mut Context<'_>) -> Poll<ReadOn> {
        if self.ending != Ending::NotYet {
            ready!(self.poll_end(cx));
            return Poll::Ready(ReadOn::Ended);
        }
        // Where nothing is, there is nothing to be received.
        let received = match self.buf.is_empty() {
            true => Ok(None),
            false => self.connection.receive(&mut self.buf),
        };
        match received {
            Ok(None) => {}
            Ok(Some(message)) => {
                if matches!(message, Message::Close(_)) {
                    self.begin_ending(cx);
                }
                return Poll::Ready(ReadOn::Message(message));
            }
            Err(violation) => {
                self.begin_ending(cx);
                return Poll::Ready(ReadOn::Failed(violation.into()));
            }
        }
        if (self.connection.wants_write() || self.unflushed)
            && let Poll::Ready(Err(_)) = self.poll_flush_for_reader(cx)
        {
            // The peer may have sent its last words before it went: read on.
            self.connection.lost();
        }
        // Section 7.1.1: the peer's Close is not awaited for ever.
        if self.close_state() == CloseState::CloseSent && self.poll_close_timeout(cx).is_ready() {
            return Poll::Ready(ReadOn::Failed(Error::TimedOut));
        }
        Poll::Ready(ReadOn::NeedsMore)
    }

    /// Reads once; see [`WebSocket::poll_fill`] for `lend`.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        lend: impl FnMut(&mut Connection, &mut [u8]) -> usize,
    ) -> Poll<Result<(), Error>> {
        let error = match ready!(self.poll_fill(cx, lend)) {
            Ok(1..) => return Poll::Ready(Ok(())),
            Ok(0) => Error::Dropped,
            Err(error) => Error::Io(error),
        };
        // The stream ended under us.
        self.give_up();
        Poll::Ready(Err(error))
    }

    /// Queues a message, to be written by [`WebSocket::poll_flush`]. Ignored after our Close.
    pub fn queue(&mut self, message: impl Into<Message>) {
        self.connection.queue(message.into());
    }

    /// Queues whole server frames as they are, such as [`crate::PreparedMessage::frame`]. Ignored
    /// after our Close.
    pub fn queue_frames(&mut self, frames: Bytes) {
        self.connection.queue_frames(frames);
    }

    /// Queues a prepared message. Ignored after our Close.
    pub fn queue_prepared(&mut self, prepared: &PreparedMessage) {
        self.connection.queue_prepared(prepared);
    }

    /// Sends a message that was encoded, and perhaps compressed, once for many connections.
    ///
    /// # Errors
    /// The closing handshake has begun, or the stream failed.
    pub async fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), Error> {
        if !self.close_state().may_send() {
            return Err(Error::Closed);
        }
        self.connection.queue_prepared(prepared);
        self.flush().await.map_err(Error::Io)
    }

    /// Queues a plain server frame that goes to many connections; see
    /// [`Connection::queue_shared`]. Ignored after our Close.
    pub fn queue_shared(&mut self, frame: &Bytes) {
        self.connection.queue_shared(frame);
    }

    /// The compression whose prepared frames may be queued here.
    #[must_use]
    pub fn shared_compression(&self) -> Option<Shared> {
        self.connection.shared_compression()
    }

    /// Whether permessage-deflate was agreed on.
    #[must_use]
    pub const fn compresses(&self) -> bool {
        self.connection.compresses()
    }

    /// Writes everything queued, in as few vectored writes as the stream allows.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let outbox = self.connection.outbox();
            if !outbox.has_remaining() {
                let flushed = Pin::new(&mut self.io).poll_flush(cx);
                self.unflushed = flushed.is_pending();
                return flushed;
            }
            let io = Pin::new(&mut self.io);
            let is_one_piece = outbox.chunk().len() == outbox.remaining();
            let written = if io.is_write_vectored() && !is_one_piece {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let count = outbox.chunks_vectored(&mut slices);
                ready!(io.poll_write_vectored(cx, slices.get(..count).unwrap_or_default()))?
            } else {
                ready!(io.poll_write(cx, outbox.chunk()))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outbox.advance(written);
        }
    }

    /// Writes what is queued, on behalf of who reads. A task that waits to send stays the one
    /// that is woken when the stream takes more: of two, the stream remembers only the last.
    fn poll_flush_for_reader(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(sender) = self.sender.take() else { return self.poll_flush(cx) };
        let flushed = self.poll_flush(&mut Context::from_waker(&sender));
        match flushed {
            Poll::Ready(_) => sender.wake(),
            Poll::Pending => self.sender = Some(sender),
        }
        flushed
    }

    /// Writes what is queued, on behalf of who sends.
    fn poll_flush_for_sender(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let flushed = self.poll_flush(cx);
        self.sender = flushed.is_pending().then(|| cx.waker().clone());
        flushed.map_err(Error::Io)
    }

    /// Octets queued and not yet written.
    #[must_use]
    pub fn buffered_amount(&self) -> usize {
        self.connection.buffered_amount()
    }

    /// Octets written since the beginning: a peer of which this stays the same takes nothing.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.connection.written()
    }

    /// Queues our Close; nothing is sent after it. Ignored if we have sent one.
    pub fn start_close(&mut self, close: CloseFrame) {
        self.connection.start_close(close);
    }

    /// Fails the connection, as after a violation (section 7.1.7): our Close says why, and is the
    /// last that goes; what has come in part is freed, and whatever still comes thrown away.
    pub fn fail(&mut self, close: CloseFrame) {
        self.connection.give_up(close);
        self.buf = BytesMut::new();
        self.ending = Ending::Write;
    }

    /// Finishes the closing handshake, which it starts with 1000 if nobody has: writes our Close,
    /// drops messages until the peer's comes, and ends TCP, within the time limit.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.start_close(CloseCode::Normal.into());
        loop {
            match ready!(self.poll_recv(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// For drivers that queue their answers a turn later: when the peer's Close, or what it did
    /// wrong, has been shown, our Close waits for the next call, so that answers to earlier
    /// messages can be queued in front of it. Such a driver must make that next call.
    #[must_use]
    pub const fn hold_close(mut self) -> Self {
        self.holds_close = true;
        self
    }

    /// The number of the frame of which a part has come and not all, for drivers that bound how
    /// long a frame may take; asked when [`WebSocket::poll_recv`] is pending.
    #[must_use]
    pub fn unfinished_frame(&self) -> Option<u32> {
        self.connection.unfinished_frame(&self.buf)
    }

    /// The same for a message whose last fragment has not come: the number of its first frame.
    #[must_use]
    pub fn unfinished_message(&self) -> Option<u32> {
        self.connection.unfinished_message()
    }

    /// Octets that have been read and are no whole message yet, for drivers that bound them over
    /// many connections; asked when [`WebSocket::poll_recv`] is pending. They take twice the
    /// memory at most.
    #[must_use]
    pub fn held(&self) -> usize {
        self.connection.held(&self.buf)
    }

    /// How far the closing handshake has come.
    #[must_use]
    pub fn close_state(&self) -> CloseState {
        self.connection.close_state()
    }

    /// Whether nothing more can be sent or received.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.close_state() == CloseState::Closed
    }

    /// Whether nothing is in progress, in either direction: then all that is to be known of it is
    /// its stream and its configuration. A driver of very many may keep these alone, by
    /// [`WebSocket::into_inner`], and make it anew by [`WebSocket::from_parts`] when there is news.
    /// Never so with context takeover, which has a history.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.ending == Ending::NotYet
            && self.buf.is_empty()
            && self.close_timer.is_none()
            && self.sender.is_none()
            && self.connection.is_idle()
    }

    /// The stream alone. What was read of it or queued for it is lost.
    #[must_use]
    #[inline]
    pub fn into_inner(self) -> S {
        self.io
    }

    /// The subprotocol that the handshake of [`accept`] or [`connect`] agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The stream underneath, to look at. Reading or writing it breaks the WebSocket.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.io
    }

    /// The same, to tell it something.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.io
    }

    fn with_subprotocol(mut self, subprotocol: Option<String>) -> Self {
        self.subprotocol = subprotocol.map(String::into_boxed_str);
        self
    }

    fn try_queue(&mut self, message: Message) -> Result<(), Error> {
        if !self.close_state().may_send() {
            return Err(Error::Closed);
        }
        self.connection.queue(message);
        Ok(())
    }
}

/// What is left of what was read.
enum ReadOn {
    Message(Message),
    Failed(Error),
    /// Nothing: more must be read.
    NeedsMore,
    /// Nothing, and the connection has ended.
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        if this.buffered_amount() < this.write_buffer_len {
            return Poll::Ready(Ok(()));
        }
        this.poll_flush_for_sender(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.get_mut().try_queue(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_flush_for_sender(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_close(cx)
    }
}

/// The pieces of one vectored write.
const SLICES_MAX: usize = 64;

/// Reads that bring no whole message after which [`WebSocket::poll_recv`] gives way.
const READS_PER_POLL: usize = 8;

#[cfg(test)]
mod tests;
