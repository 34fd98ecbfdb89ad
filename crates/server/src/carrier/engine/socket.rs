//! A TCP socket that an engine watches.

use std::cell::Cell;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is known of a socket without asking the system, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Readiness(pub(super) u8);

impl Readiness {
    pub(super) const READ: Self = Self(1);
    pub(super) const WRITE: Self = Self(2);
    /// The peer has said its last, which is read again and again.
    pub(super) const READ_CLOSED: Self = Self(4);

    pub(super) fn with(self, other: Self, is_so: bool) -> Self {
        Self(self.0 | if is_so { other.0 } else { 0 })
    }

    fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A TCP socket for one future, which its engine polls when there is news: so it keeps no waker.
/// News comes once; what was not read or written until the system had enough is still there.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    readiness: Cell<Readiness>,
}

impl Socket {
    /// Of a stream that does not block.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, readiness: Cell::new(Readiness::WRITE) }
    }

    /// Hears what the selector said.
    pub(super) fn note(&self, news: Readiness) {
        self.readiness.set(Readiness(self.readiness.get().0 | news.0));
    }

    /// Tries something that `what` must be known for. One that did less than it was asked for has
    /// met the end of what there is: the next news says when there is more.
    fn attempt(
        &self,
        what: Readiness,
        asked: usize,
        mut attempt: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let known = self.readiness.get();
        if !known.has(what) {
            return Poll::Pending;
        }
        loop {
            match attempt(&self.stream) {
                Ok(done) => {
                    if 0 < done && done < asked {
                        self.readiness.set(known.without(what.without(Readiness::READ_CLOSED)));
                    }
                    return Poll::Ready(Ok(done));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.set(known.without(what));
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let what = Readiness(Readiness::READ.0 | Readiness::READ_CLOSED.0);
        let room = buffer.initialize_unfilled();
        let read = self.attempt(what, room.len(), |mut stream| stream.read(room));
        read.map_ok(|count| buffer.advance(count))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.attempt(Readiness::WRITE, bytes.len(), |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = slices.iter().map(|slice| slice.len()).sum();
        self.attempt(Readiness::WRITE, len, |mut stream| stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }
}
