//! A stream of bytes through HTTP/3, where there is no socket to take over: what was asked for is
//! at one end, a request's stream at the other.

use super::offered;
use http::Extensions;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::oneshot;

/// Bytes under way in each direction. More waits where it counts against the peer's limits.
const TUNNEL_LEN: usize = 16 << 10;

/// The near end, for a carrier.
#[derive(Debug)]
pub(crate) struct Tunnel {
    io: DuplexStream,
    orderly: Arc<AtomicBool>,
    /// Dropped with the rest.
    _here: oneshot::Sender<()>,
}

/// The far end, for whoever moves the bytes.
#[derive(Debug)]
pub(crate) struct Far {
    pub(crate) io: DuplexStream,
    /// Set when the near end was shut down, rather than dropped in the middle of something.
    pub(crate) orderly: Arc<AtomicBool>,
    /// Resolves when nobody is at the near end.
    pub(crate) gone: oneshot::Receiver<()>,
}

impl Tunnel {
    /// A tunnel that whoever answers the request may take.
    pub(crate) fn offer(extensions: &mut Extensions) -> Far {
        let (near, far) = tokio::io::duplex(TUNNEL_LEN);
        let orderly = Arc::new(AtomicBool::new(false));
        let (here, gone) = oneshot::channel();
        let near = Self { io: near, orderly: Arc::clone(&orderly), _here: here };
        offered::offer(extensions, near);
        Far { io: far, orderly, gone }
    }

    /// The tunnel that is offered with a request.
    pub(crate) fn take(extensions: &Extensions) -> Option<Self> {
        offered::take(extensions)
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.orderly.store(true, Ordering::Release);
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
