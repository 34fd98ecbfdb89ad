//! A TCP socket that an engine watches.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is known of a socket without asking the system. Not as bits: what a `bool` can't be tells
/// the states of what is built around it apart (`Carried`), so these need no room of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Readiness {
    pub(super) read: bool,
    pub(super) write: bool,
    /// The peer has said its last, which is read again and again.
    pub(super) read_closed: bool,
    /// Nothing more will come or go: the peer has reset the connection, or is taken for lost.
    pub(super) failed: bool,
}

impl Readiness {
    pub(super) fn bits(self) -> u8 {
        u8::from(self.read)
            | u8::from(self.write) << 1
            | u8::from(self.read_closed) << 2
            | u8::from(self.failed) << 3
    }

    pub(super) fn of_bits(bits: u8) -> Self {
        Self {
            read: bits & 1 != 0,
            write: bits & 2 != 0,
            read_closed: bits & 4 != 0,
            failed: bits & 8 != 0,
        }
    }
}

/// A TCP socket for one future, which its engine polls when there is news: so it keeps no waker.
/// News comes once; what was not read or written until the system had enough is still there.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    readiness: Readiness,
}

impl Socket {
    /// Of a stream that does not block.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, readiness: Readiness { write: true, ..Readiness::default() } }
    }

    /// Whether nothing has come, and what is written is taken, as far as is known.
    pub(crate) fn only_writes(&self) -> bool {
        self.readiness == Readiness { write: true, ..Readiness::default() }
    }

    /// Hears what the selector said.
    pub(super) fn note(&mut self, news: Readiness) {
        self.readiness = Readiness::of_bits(self.readiness.bits() | news.bits());
    }
}

/// Tries what the socket is `ready` for, if it is. Something that did less than it was asked for
/// has met the end of what there is: the next news says when there is more.
fn attempt(
    stream: &TcpStream,
    ready: &mut bool,
    asked: usize,
    mut attempt: impl FnMut(&TcpStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    if !*ready {
        return Poll::Pending;
    }
    loop {
        match attempt(stream) {
            Ok(done) => {
                *ready = done == 0 || done >= asked;
                return Poll::Ready(Ok(done));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                *ready = false;
                return Poll::Pending;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
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
        let Self { stream, readiness } = self.get_mut();
        readiness.read |= readiness.read_closed;
        let room = buffer.initialize_unfilled();
        let asked = room.len();
        let read = attempt(stream, &mut readiness.read, asked, |mut stream| stream.read(room));
        readiness.read_closed &= read.is_ready();
        read.map_ok(|count| buffer.advance(count))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, readiness } = self.get_mut();
        attempt(stream, &mut readiness.write, bytes.len(), |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = slices.iter().map(|slice| slice.len()).sum();
        let Self { stream, readiness } = self.get_mut();
        attempt(stream, &mut readiness.write, len, |mut stream| stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Fails where a write would, so that even who has nothing to write learns of it.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.readiness.failed {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }
}
