//! The bytes behind a handshake, wherever they come from.

use super::offered;
use super::tunnel::{Near, Tie, Tunnel};
use crate::edge::prefixed::Prefixed;
use bytes::Bytes;
use http::{Extensions, Request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// What a handshake will have when it is answered.
#[derive(Debug)]
pub(crate) enum Upgrade {
    /// A connection of our own listener.
    Ours(oneshot::Receiver<Upgraded>),
    /// Hyper's connection, or a stream of it, and who is to know how that ends.
    Hyper(OnUpgrade, Option<Tie>),
    /// A stream of HTTP/3.
    Tunnel(Tunnel),
}

/// A stream of bytes.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream that HTTP came over.
pub(crate) trait Socket: Stream + 'static {
    /// What it is after a handshake, with what was read of it already.
    fn upgraded(self, read: Bytes) -> Upgraded;
}

impl Socket for TcpStream {
    fn upgraded(self, read: Bytes) -> Upgraded {
        Upgraded::Tcp(self, read)
    }
}

#[cfg(feature = "tls")]
impl Socket for TlsStream {
    fn upgraded(self, read: Bytes) -> Upgraded {
        Upgraded::Other(Box::new(self), read)
    }
}

#[cfg(test)]
impl Socket for tokio::io::DuplexStream {
    fn upgraded(self, read: Bytes) -> Upgraded {
        Upgraded::Other(Box::new(self), read)
    }
}

/// The stream, and what was read of it already.
pub(crate) enum Upgraded {
    /// A plain TCP socket, taken out of hyper: no layer stays between it and the frames.
    Tcp(TcpStream, Bytes),
    /// Anything else.
    Other(Box<dyn Stream>, Bytes),
}

impl Upgrade {
    /// Offers the request's connection to whoever answers the request; it is to be sent when that
    /// answer is written.
    pub(crate) fn offer(extensions: &mut Extensions) -> oneshot::Sender<Upgraded> {
        let (sender, receiver) = oneshot::channel();
        offered::offer(extensions, receiver);
        sender
    }

    /// Of the request that asks for it.
    pub(crate) fn of(request: &mut Request<()>) -> Self {
        if let Some(ours) = offered::take(request.extensions()) {
            return Self::Ours(ours);
        }
        if let Some(tunnel) = Tunnel::take(request.extensions()) {
            return Self::Tunnel(tunnel);
        }
        let tie = Tie::take(request.extensions());
        Self::Hyper(hyper::upgrade::on(request), tie)
    }

    /// Waits until the handshake has been answered.
    ///
    /// # Errors
    /// The connection was lost before.
    pub(crate) async fn wait(self) -> io::Result<Upgraded> {
        let (upgraded, tie) = match self {
            Self::Ours(upgraded) => return upgraded.await.map_err(io::Error::other),
            Self::Tunnel(tunnel) => return Ok(Upgraded::Other(Box::new(tunnel), Bytes::new())),
            Self::Hyper(upgrade, tie) => (upgrade.await.map_err(io::Error::other)?, tie),
        };
        // Of our own listener, then of whoever else serves the router by hyper.
        let upgraded = match prefixed::<TcpStream>(upgraded) {
            Ok((stream, read)) => return Ok(stream.upgraded(read)),
            Err(upgraded) => upgraded,
        };
        #[cfg(feature = "tls")]
        let upgraded = match prefixed::<TlsStream>(upgraded) {
            Ok((stream, read)) => return Ok(stream.upgraded(read)),
            Err(upgraded) => upgraded,
        };
        match downcast::<TcpStream>(upgraded) {
            Ok((stream, read)) => Ok(stream.upgraded(read)),
            Err(upgraded) => {
                let near = Near::new(TokioIo::new(upgraded), tie.unwrap_or_else(|| Tie::new().0));
                Ok(Upgraded::Other(Box::new(near), Bytes::new()))
            }
        }
    }
}

/// Hyper's stream itself, and what hyper has read of it, if that is what it is.
fn downcast<S>(upgraded: hyper::upgrade::Upgraded) -> Result<(S, Bytes), hyper::upgrade::Upgraded>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let parts = auto::upgrade::downcast::<TokioIo<S>>(upgraded)?;
    Ok((parts.io.into_inner(), parts.read_buf))
}

/// The same where hyper was given what had been read before.
fn prefixed<S: Socket>(
    upgraded: hyper::upgrade::Upgraded,
) -> Result<(S, Bytes), hyper::upgrade::Upgraded> {
    let (stream, read) = downcast::<Prefixed<S>>(upgraded)?;
    let (stream, rest) = stream.into_parts();
    Ok((stream, if rest.is_empty() { read } else { [read, rest].concat().into() }))
}

#[cfg(feature = "tls")]
type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgraded")
    }
}
