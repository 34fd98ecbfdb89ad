//! The bytes behind a handshake, wherever they come from.

use super::tunnel::Tunnel;
use crate::edge::prefixed::Prefixed;
use bytes::Bytes;
use http::Request;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What a handshake will have when it is answered.
#[derive(Debug)]
pub(crate) enum Upgrade {
    /// Hyper's connection, or a stream of it.
    Hyper(OnUpgrade),
    /// A stream of HTTP/3.
    Tunnel(Tunnel),
}

/// A stream of bytes.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The stream, and what was read of it already.
pub(crate) enum Upgraded {
    /// A plain TCP socket, taken out of hyper: no layer stays between it and the frames.
    Tcp(TcpStream, Bytes),
    /// Anything else.
    Other(Box<dyn Stream>, Bytes),
}

impl Upgrade {
    /// Of the request that asks for it.
    pub(crate) fn of(request: &mut Request<()>) -> Self {
        match Tunnel::take(request.extensions()) {
            Some(tunnel) => Self::Tunnel(tunnel),
            None => Self::Hyper(hyper::upgrade::on(request)),
        }
    }

    /// Waits until the handshake has been answered.
    ///
    /// # Errors
    /// The connection was lost before.
    pub(crate) async fn wait(self) -> hyper::Result<Upgraded> {
        let upgraded = match self {
            Self::Tunnel(tunnel) => return Ok(Upgraded::Other(Box::new(tunnel), Bytes::new())),
            Self::Hyper(upgrade) => upgrade.await?,
        };
        // Of our own listener, then of whoever else serves the router by hyper.
        let upgraded = match downcast::<Prefixed<TcpStream>>(upgraded) {
            Ok((stream, read)) => {
                let (stream, rest) = stream.into_parts();
                return Ok(Upgraded::Tcp(stream, joined(read, rest)));
            }
            Err(upgraded) => upgraded,
        };
        let upgraded = match downcast::<TcpStream>(upgraded) {
            Ok((stream, read)) => return Ok(Upgraded::Tcp(stream, read)),
            Err(upgraded) => upgraded,
        };
        #[cfg(feature = "tls")]
        let upgraded = match downcast::<Prefixed<TlsStream>>(upgraded) {
            Ok((stream, read)) => {
                let (stream, rest) = stream.into_parts();
                return Ok(Upgraded::Other(Box::new(stream), joined(read, rest)));
            }
            Err(upgraded) => upgraded,
        };
        Ok(Upgraded::Other(Box::new(TokioIo::new(upgraded)), Bytes::new()))
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

/// What hyper has read, and what it has not.
fn joined(read: Bytes, rest: Bytes) -> Bytes {
    if rest.is_empty() { read } else { [read, rest].concat().into() }
}

#[cfg(feature = "tls")]
type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgraded")
    }
}
