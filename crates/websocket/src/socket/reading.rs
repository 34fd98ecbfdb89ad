//! Reading without a buffer per connection.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::WebSocket;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Reads once, behind what is there. 0: the peer will send nothing more.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buf.is_empty() {
            self.buf = BytesMut::new(); // no memory while idle
        }
        let missing = self.connection.missing(&self.buf);
        if missing < DIRECT_LEN_MIN {
            return self.poll_fill_by_copy(cx);
        }
        // A large frame: read it where it will stay. Twice what has come is reserved at most, so
        // that a length alone costs us nothing (section 10.4).
        let room = missing.min(self.buf.len().max(DIRECT_LEN_MIN));
        self.buf.reserve(room);
        let mut target = (&mut self.buf).limit(room);
        pin!(self.io.read_buf(&mut target)).poll(cx)
    }

    fn poll_fill_by_copy(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Taken out, so that a stream which is itself made of WebSockets finds no borrow.
        let mut scratch = SCRATCH.take().unwrap_or_else(|| vec![0; SCRATCH_LEN].into_boxed_slice());
        let mut read = ReadBuf::new(&mut scratch);
        let result = Pin::new(&mut self.io).poll_read(cx, &mut read);
        let filled = read.filled();
        let len = filled.len();
        if self.buf.is_empty() && len > 0 {
            self.buf = BytesMut::from(filled);
        } else {
            self.buf.extend_from_slice(filled);
        }
        SCRATCH.set(Some(scratch));
        ready!(result)?;
        Poll::Ready(Ok(len))
    }

    /// Reads and throws away, until the peer has nothing more to send.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.buf = BytesMut::new();
            if ready!(self.poll_fill_by_copy(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// What one read takes at most.
const SCRATCH_LEN: usize = 64 << 10;

/// From here on the octets of a frame are not copied.
const DIRECT_LEN_MIN: usize = 16 << 10;
