//! The bytes behind a handshake, wherever they come from.

use super::tunnel::Tunnel;
use crate::edge::listener::Lent;
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
        let upgraded = match auto::upgrade::downcast::<TokioIo<Lent>>(upgraded) {
            Ok(parts) => {
                return Ok(match parts.io.into_inner().into_inner() {
                    Ok(socket) => Upgraded::Tcp(socket, parts.read_buf),
                    Err(lent) => Upgraded::Other(Box::new(lent), parts.read_buf),
                });
            }
            Err(upgraded) => upgraded,
        };
        #[cfg(feature = "tls")]
        let upgraded = match auto::upgrade::downcast::<TokioIo<TlsStream>>(upgraded) {
            Ok(parts) => {
                return Ok(Upgraded::Other(Box::new(parts.io.into_inner()), parts.read_buf));
            }
            Err(upgraded) => upgraded,
        };
        Ok(Upgraded::Other(Box::new(TokioIo::new(upgraded)), Bytes::new()))
    }
}

#[cfg(feature = "tls")]
type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgraded")
    }
}
