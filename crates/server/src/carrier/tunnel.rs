//! A stream of bytes through HTTP/2 or HTTP/3, where there is no socket to take over: what was
//! asked for is at one end, a request's stream at the other, which hears how the near end ended.

use super::offered;
use http::Extensions;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::oneshot;

/// Bytes under way in each direction, and of one write. More waits where it counts against the
/// peer's limits.
const TUNNEL_LEN: usize = 16 << 10;

/// The near end, for a carrier.
#[derive(Debug)]
pub(crate) struct Near<S> {
    io: S,
    tie: Tie,
}

/// The near end of a stream of HTTP/3.
pub(crate) type Tunnel = Near<DuplexStream>;

/// The far end, for whoever moves the bytes.
#[derive(Debug)]
pub(crate) struct Far {
    pub(crate) io: DuplexStream,
    pub(crate) tied: Tied,
}

/// What the near end has of the far one.
#[derive(Debug)]
pub(crate) struct Tie {
    orderly: Arc<AtomicBool>,
    /// Dropped with the rest.
    _here: oneshot::Sender<()>,
}

/// What the far end knows of the near one.
#[derive(Debug)]
pub(crate) struct Tied {
    /// Set when the near end was shut down, rather than dropped in the middle of something.
    pub(crate) orderly: Arc<AtomicBool>,
    /// Resolves when nobody is at the near end.
    pub(crate) gone: oneshot::Receiver<()>,
}

impl Tunnel {
    /// A tunnel that whoever answers the request may take.
    pub(crate) fn offer(extensions: &mut Extensions) -> Far {
        let (near, far) = tokio::io::duplex(TUNNEL_LEN);
        let (tie, tied) = Tie::new();
        offered::offer(extensions, Self { io: near, tie });
        Far { io: far, tied }
    }

    /// The tunnel that is offered with a request.
    pub(crate) fn take(extensions: &Extensions) -> Option<Self> {
        offered::take(extensions)
    }
}

impl<S> Near<S> {
    pub(crate) fn new(io: S, tie: Tie) -> Self {
        Self { io, tie }
    }
}

impl Tie {
    pub(crate) fn new() -> (Self, Tied) {
        let orderly = Arc::new(AtomicBool::new(false));
        let (here, gone) = oneshot::channel();
        let tied = Tied { orderly: Arc::clone(&orderly), gone };
        (Self { orderly, _here: here }, tied)
    }

    /// Ties whoever takes over the stream of a request to who is to know how that ends.
    pub(crate) fn offer(extensions: &mut Extensions) -> Tied {
        let (tie, tied) = Self::new();
        offered::offer(extensions, tie);
        tied
    }

    /// The tie that is offered with a request.
    pub(crate) fn take(extensions: &Extensions) -> Option<Self> {
        offered::take(extensions)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Near<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Near<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Hyper would take all of it, though its client takes nothing.
        let piece = bytes.get(..TUNNEL_LEN).unwrap_or(bytes);
        Pin::new(&mut self.io).poll_write(context, piece)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tie.orderly.store(true, Ordering::Release);
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
