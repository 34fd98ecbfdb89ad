//! A socket that is lent to hyper, and can be taken back.

use parking_lot::Mutex;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket as hyper has it. When it was taken back, it is at its end, and swallows what is
/// written.
#[derive(Debug)]
pub(crate) struct Lent(Arc<Mutex<Ledger>>);

/// The other end of the same.
#[derive(Debug, Clone)]
pub(super) struct Loan(Arc<Mutex<Ledger>>);

#[derive(Debug)]
struct Ledger {
    socket: Option<TcpStream>,
    /// What was read last is the end of one request, and nothing behind it.
    ends_request: bool,
    /// The request that is being answered is all that was read.
    is_alone: bool,
    /// Hyper keeps nothing that it has still to write.
    is_flushed: bool,
}

impl Lent {
    pub(super) fn new(socket: TcpStream) -> (Self, Loan) {
        let ledger = Arc::new(Mutex::new(Ledger {
            socket: Some(socket),
            ends_request: false,
            is_alone: false,
            is_flushed: true,
        }));
        (Self(Arc::clone(&ledger)), Loan(ledger))
    }

    /// The socket, for whoever has it in hyper's place.
    ///
    /// # Errors
    /// It was taken back.
    pub(crate) fn into_inner(self) -> Result<TcpStream, Self> {
        let socket = self.0.lock().socket.take();
        socket.ok_or(self)
    }
}

impl Loan {
    /// Hyper has read the head of a request, and hands it on.
    pub(super) fn note_request(&self) {
        let mut ledger = self.0.lock();
        ledger.is_alone = std::mem::take(&mut ledger.ends_request);
    }

    /// Takes the socket back while a request without a body is being answered. None: hyper has read
    /// more than that, or has still to write what it has of earlier answers.
    pub(super) fn take(&self) -> Option<TcpStream> {
        let mut ledger = self.0.lock();
        if ledger.is_alone && ledger.is_flushed { ledger.socket.take() } else { None }
    }
}

impl Ledger {
    fn write(
        &mut self,
        len: usize,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = &mut self.socket else { return Poll::Ready(Ok(len)) };
        self.is_flushed = false;
        write(Pin::new(socket))
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut ledger = self.0.lock();
        let Some(socket) = &mut ledger.socket else { return Poll::Ready(Ok(())) };
        let before = out.filled().len();
        ready!(Pin::new(socket).poll_read(context, out))?;
        let came = out.filled().get(before..).unwrap_or_default();
        ledger.ends_request = ends_one_head(came);
        ledger.is_alone = false;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().write(octets.len(), |socket| socket.poll_write(context, octets))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        self.0.lock().write(len, |socket| socket.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Hyper asks for this once it has written all that it has.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut ledger = self.0.lock();
        let Some(socket) = &mut ledger.socket else { return Poll::Ready(Ok(())) };
        ready!(Pin::new(socket).poll_flush(context))?;
        ledger.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0.lock().socket {
            Some(socket) => Pin::new(socket).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Whether this ends with the empty line of a head, and has no other.
fn ends_one_head(came: &[u8]) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    let Some(rest) = came.strip_suffix(END) else { return false };
    // An earlier end may reach into the last one: `\r\n\r\n\r\n`.
    !rest.ends_with(b"\r\n") && !rest.windows(END.len()).any(|window| window == END)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_one_request_and_no_more() {
        for (came, so) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
            ("t: x\r\n\r\n", true),
            ("\r\n\r\n", true),
            ("body of the one before, GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\nG", false),
            ("\n\r\n", false),
            ("", false),
        ] {
            assert_eq!(ends_one_head(came.as_bytes()), so, "{came:?}");
        }
    }
}
