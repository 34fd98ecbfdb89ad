//! What a client's WebSocket runs over.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The stream under a WebSocket made by [`crate::connect`]: TCP, TLS over it, or a stream of HTTP/2
/// or HTTP/3.
#[derive(Debug)]
pub struct ClientStream(Inner);

#[derive(Debug)]
enum Inner {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    #[cfg(feature = "http2")]
    Http2(Box<super::Http2Stream>),
    #[cfg(feature = "http3")]
    Http3(Box<super::Http3Stream>),
}

impl ClientStream {
    pub(super) const fn plain(tcp: TcpStream) -> Self {
        Self(Inner::Plain(tcp))
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(tls: tokio_rustls::client::TlsStream<TcpStream>) -> Self {
        Self(Inner::Tls(Box::new(tls)))
    }

    #[cfg(feature = "http2")]
    pub(super) fn http2(stream: super::Http2Stream) -> Self {
        Self(Inner::Http2(Box::new(stream)))
    }

    #[cfg(feature = "http3")]
    pub(super) fn http3(stream: super::Http3Stream) -> Self {
        Self(Inner::Http3(Box::new(stream)))
    }

    /// The TCP stream underneath, to look at its addresses or set its options. `None`: it is a
    /// stream of HTTP/2 or HTTP/3.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            Inner::Plain(tcp) => Some(tcp),
            #[cfg(feature = "tls")]
            Inner::Tls(tls) => Some(tls.get_ref().0),
            #[cfg(any(feature = "http2", feature = "http3"))]
            _ => None,
        }
    }
}

/// Moves as much of what a stream of HTTP has brought as the reader takes now, and tells how much.
#[cfg(any(feature = "http2", feature = "http3"))]
pub(super) fn take_unread(unread: &mut bytes::Bytes, buf: &mut ReadBuf<'_>) -> usize {
    let len = unread.len().min(buf.remaining());
    buf.put_slice(unread.get(..len).unwrap_or_default());
    bytes::Buf::advance(unread, len);
    len
}

/// Calls the same method of whichever stream it is.
macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().0 {
            Inner::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            #[cfg(feature = "tls")]
            Inner::Tls($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
            #[cfg(feature = "http2")]
            Inner::Http2($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
            #[cfg(feature = "http3")]
            Inner::Http3($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
        }
    };
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write(cx, octets))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Plain(tcp) => tcp.is_write_vectored(),
            #[cfg(feature = "tls")]
            Inner::Tls(tls) => tls.is_write_vectored(),
            #[cfg(feature = "http2")]
            Inner::Http2(stream) => stream.is_write_vectored(),
            #[cfg(feature = "http3")]
            Inner::Http3(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_shutdown(cx))
    }
}
