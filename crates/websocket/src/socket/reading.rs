//! Reading without a buffer per connection.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::{Error, READS_PER_POLL, ReadOn, WebSocket};
use crate::{Connection, MessageRef, Violation};

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Reads once, behind what is there. 0: the peer will send nothing more.
    ///
    /// If nothing is there, `lend` sees what has come before it is copied, and tells how much of it
    /// is done with.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        lend: impl FnMut(&mut Connection, &mut [u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        if self.buf.is_empty() {
            self.buf = BytesMut::new(); // no memory while idle
        }
        let missing = self.connection.missing(&self.buf);
        if missing < DIRECT_LEN_MIN {
            return self.poll_fill_by_copy(cx, lend);
        }
        // A large frame: read it where it will stay. Twice what has come is reserved at most, so
        // that a length alone costs us nothing (section 10.4).
        let room = missing.min(self.buf.len().clamp(DIRECT_LEN_MIN, DIRECT_LEN_MAX));
        self.buf.reserve(room);
        let mut target = (&mut self.buf).limit(room);
        pin!(self.io.read_buf(&mut target)).poll(cx)
    }

    fn poll_fill_by_copy(
        &mut self,
        cx: &mut Context<'_>,
        mut lend: impl FnMut(&mut Connection, &mut [u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        // Taken out, so that a stream which is itself made of WebSockets finds no borrow.
        let mut scratch = SCRATCH.take().unwrap_or_else(|| vec![0; SCRATCH_LEN].into_boxed_slice());
        let mut read = ReadBuf::new(&mut scratch);
        let result = Pin::new(&mut self.io).poll_read(cx, &mut read);
        let len = read.filled().len();
        if self.buf.is_empty() && len > 0 {
            let done = lend(&mut self.connection, read.filled_mut());
            let rest = read.filled().get(done..).unwrap_or_default();
            if !rest.is_empty() {
                self.buf = BytesMut::from(rest);
            }
        } else {
            self.buf.extend_from_slice(read.filled());
        }
        SCRATCH.set(Some(scratch));
        ready!(result)?;
        Poll::Ready(Ok(len))
    }

    /// Lends each message to `visit`, where it was read, until the connection has ended. What `visit`
    /// queues on the [`Connection`] leaves in one write for all that came in one read; while
    /// [`super::Config::write_buffer_len`] octets or more are unwritten, nothing is read.
    ///
    /// A message that came in several pieces, or compressed, is put together first. To be done
    /// with it early, call [`Connection::start_close`] in `visit`. Cancel safe.
    ///
    /// # Errors
    /// The peer broke a rule, the stream failed or ended without a Close.
    pub async fn visit(
        &mut self,
        mut visit: impl FnMut(MessageRef<'_>, &mut Connection),
    ) -> Result<(), Error> {
        let mut result = Ok(());
        loop {
            match poll_fn(|cx| self.poll_visit(cx, &mut visit)).await {
                Ok(()) => return result,
                // Go on: our Close, which says why, is still to be delivered.
                Err(error) => result = Err(error),
            }
        }
    }

    /// [`WebSocket::visit`], for drivers. Ready with an error, it must be called again, until the end.
    ///
    /// # Errors
    /// See [`WebSocket::visit`].
    pub fn poll_visit(
        &mut self,
        cx: &mut Context<'_>,
        visit: &mut impl FnMut(MessageRef<'_>, &mut Connection),
    ) -> Poll<Result<(), Error>> {
        let mut broken = None;
        loop {
            // What was read before, and is left.
            match ready!(self.poll_read_on(cx)) {
                ReadOn::Message(message) => {
                    self.connection.lend(&message, &mut *visit);
                    continue;
                }
                ReadOn::Failed(error) => return Poll::Ready(Err(error)),
                ReadOn::Ended => return Poll::Ready(Ok(())),
                ReadOn::NeedsMore => {}
            }
            if self.buffered_amount() >= self.write_buffer_len {
                return Poll::Pending; // until the stream takes some of it
            }
            let lend = |connection: &mut Connection, octets: &mut [u8]| {
                connection.lends(octets.len());
                let done = lend(connection, octets, visit).unwrap_or_else(|violation| {
                    broken = Some(violation);
                    octets.len()
                });
                connection.lends(0);
                done
            };
            if let Err(error) = ready!(self.poll_more(cx, lend)) {
                return Poll::Ready(Err(error));
            }
            if let Some(violation) = broken {
                self.begin_ending(cx);
                return Poll::Ready(Err(violation.into()));
            }
        }
    }

    /// Reads and throws away, until the peer has nothing more to send; others have their turn, and
    /// the time limit its say, however fast the peer goes on.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..READS_PER_POLL {
            self.buf = BytesMut::new();
            if ready!(self.poll_fill_by_copy(cx, |_, _| 0))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Visits the messages at the front, and tells how long they are.
fn lend(
    connection: &mut Connection,
    octets: &mut [u8],
    visit: &mut impl FnMut(MessageRef<'_>, &mut Connection),
) -> Result<usize, Violation> {
    let len = octets.len();
    let mut rest = octets;
    while !rest.is_empty() {
        let left = rest.len();
        match connection.receive_in_place(rest)? {
            Some((message, behind)) => {
                visit(message, connection);
                rest = behind;
            }
            None => return Ok(len.saturating_sub(left)),
        }
    }
    Ok(len)
}

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// What one read takes at most.
const SCRATCH_LEN: usize = 64 << 10;

/// From here on the octets of a frame are not copied.
const DIRECT_LEN_MIN: usize = 16 << 10;

/// So many are read at once at most: what takes long, others wait for.
const DIRECT_LEN_MAX: usize = 256 << 10;
