//! A client: the opening handshake over TCP, TLS, a proxy, HTTP/2, HTTP/3, or any stream.

#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod proxy;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod turns;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[cfg(feature = "http2")]
pub use self::http2::{Http2, Http2Stream};
#[cfg(feature = "http3")]
pub use self::http3::{Http3, Http3Stream};
pub use self::proxy::Proxy;
pub use self::stream::ClientStream;
#[cfg(feature = "tls")]
pub use self::tls::Tls;

use super::http1::{HeadError, read_answer, read_head, write_request};
use super::{Config, Error, WebSocket};
use crate::Role;
use crate::deflate;
use crate::handshake::client::{Address, Established, Handshake, Options};

/// Connects to a `ws://` or `wss://` URL, with compression.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut socket = omniwire_websocket::connect("ws://127.0.0.1:9001/").await?;
/// socket.send("hello").await?;
/// println!("{:?}", socket.recv().await);
/// socket.close(omniwire_websocket::CloseCode::Normal, "").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// See [`Connector::connect`].
pub async fn connect(url: &str) -> Result<WebSocket<ClientStream>, Error> {
    let options = Options { deflate: Some(deflate::Config::default()), ..Options::default() };
    connect_with(url, options, Config::default()).await
}

/// Connects to a `ws://` or `wss://` URL; [`Connector`] has more to choose.
///
/// # Errors
/// See [`Connector::connect`].
pub async fn connect_with(
    url: &str,
    options: Options,
    config: Config,
) -> Result<WebSocket<ClientStream>, Error> {
    Connector { options, config, ..Connector::default() }.connect(url).await
}

/// Which version of HTTP a WebSocket begins with, and so what carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// A connection of its own, by Upgrade (RFC 6455). Every server knows this.
    #[default]
    Http1,
    /// A stream of an HTTP/2 connection, by extended CONNECT (RFC 8441): over TLS for `wss`, and with
    /// prior knowledge, in cleartext, for `ws`.
    #[cfg(feature = "http2")]
    Http2,
    /// A stream of an HTTP/3 connection, by extended CONNECT (RFC 9220): QUIC to the URL's port,
    /// for `wss` only and not through a proxy.
    #[cfg(feature = "http3")]
    Http3,
}

/// How a client gets to its server.
///
/// ```no_run
/// use omniwire_websocket::{Connector, Proxy};
///
/// # async fn run() -> Result<(), omniwire_websocket::Error> {
/// let connector = Connector { proxy: Some(Proxy::socks5("127.0.0.1", 1080)), ..Connector::default() };
/// let socket = connector.connect("ws://example.com/feed").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Connector {
    /// What the request holds: subprotocols, compression, further header fields.
    pub options: Options,
    /// How the WebSocket behaves. `handshake_timeout` is the limit for all of it: the name's
    /// look-up, TCP, the proxy, TLS and the opening handshake.
    pub config: Config,
    /// What leads to the server, if it is not reached directly.
    pub proxy: Option<Proxy>,
    /// The version of HTTP. It is not negotiated: a server that lacks it is an error.
    pub http: HttpVersion,
    /// Whose certificates are believed for `wss`; by default the system's.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
}

impl Connector {
    /// Connects to a `ws://` or `wss://` URL.
    ///
    /// While another connection of this process to the same address is still in its opening
    /// handshake, this one waits for its turn (RFC 6455 section 4.1, item 2); the time limit runs
    /// from then on.
    ///
    /// # Errors
    /// The URL or an option is not valid, the certificate is not for this name or nobody vouches
    /// for it, the server does not answer in time, or not with a WebSocket, or does not know the
    /// version of HTTP. Redirects are not followed: the answer, with its Location, is in
    /// [`Error::Answer`].
    pub async fn connect(&self, url: &str) -> Result<WebSocket<ClientStream>, Error> {
        let address = Address::parse(url)?;
        let handshake = match self.http {
            HttpVersion::Http1 => fresh_handshake(&address, self.options.clone())?,
            #[cfg(any(feature = "http2", feature = "http3"))]
            _ => Handshake::extended_connect(&address, self.options.clone())?,
        };
        let limit = self.config.handshake_timeout;
        // A proxy looks up the name itself, so the name stands for the address.
        let (candidates, key) = match &self.proxy {
            Some(_) => (Vec::new(), turns::Key::Name(address.host.clone(), address.port)),
            None => {
                let found = look_up(&address);
                let found: Vec<_> = within(limit, async { Ok(found.await?.collect()) }).await?;
                let first = found
                    .first()
                    .copied()
                    .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                (found, turns::Key::Address(first))
            }
        };
        let _turn = turns::wait(key).await;
        within(limit, async {
            let mut leftover = BytesMut::new();
            let (stream, established) = match self.http {
                HttpVersion::Http1 => {
                    let tcp = self.dial(&address, &candidates).await?;
                    let mut stream = self.secure(tcp, &address).await?;
                    let established = exchange(&mut stream, &handshake, &mut leftover).await?;
                    (stream, established)
                }
                #[cfg(feature = "http2")]
                HttpVersion::Http2 => self.open_http2(&address, &candidates, &handshake).await?,
                #[cfg(feature = "http3")]
                HttpVersion::Http3 => self.open_http3(&address, &candidates, &handshake).await?,
            };
            begin(stream, established, self.config.clone(), leftover)
        })
        .await
    }

    /// TCP to the server, perhaps through a proxy.
    async fn dial(&self, address: &Address, candidates: &[SocketAddr]) -> Result<TcpStream, Error> {
        let tcp = match &self.proxy {
            Some(proxy) => proxy.connect(address).await?,
            None => TcpStream::connect(candidates).await?,
        };
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    #[cfg(feature = "http2")]
    async fn open_http2(
        &self,
        address: &Address,
        candidates: &[SocketAddr],
        handshake: &Handshake,
    ) -> Result<(ClientStream, Established), Error> {
        let tcp = self.dial(address, candidates).await?;
        let http2 = if address.secure {
            let tls = self.tls()?.connect(tcp, &address.host, Some(b"h2")).await?;
            // RFC 9113 section 3.2: over TLS the two agree on it first.
            if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(Error::Http("The server does not speak HTTP/2."));
            }
            Http2::over(tls).await?
        } else {
            Http2::over(tcp).await?
        };
        let (stream, established) = http2.exchange(handshake).await?;
        Ok((ClientStream::http2(stream), established))
    }

    #[cfg(feature = "http3")]
    async fn open_http3(
        &self,
        address: &Address,
        candidates: &[SocketAddr],
        handshake: &Handshake,
    ) -> Result<(ClientStream, Established), Error> {
        if self.proxy.is_some() {
            return Err(Error::Proxy("No proxy leads to HTTP/3."));
        }
        if !address.secure {
            return Err(Error::Http("HTTP/3 is always secure: the URL's scheme is wss."));
        }
        let http3 = Http3::dial(candidates, &address.host, &self.tls()?).await?;
        let (stream, established) = http3.exchange(handshake).await?;
        Ok((ClientStream::http3(stream), established))
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> io::Result<Tls> {
        self.tls.clone().map_or_else(Tls::system, Ok)
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, tcp: TcpStream, address: &Address) -> Result<ClientStream, Error> {
        if !address.secure {
            return Ok(ClientStream::plain(tcp));
        }
        Ok(ClientStream::tls(self.tls()?.connect(tcp, &address.host, None).await?))
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, tcp: TcpStream, address: &Address) -> Result<ClientStream, Error> {
        if address.secure {
            let reason = "For wss, turn on the feature tls, or bring TLS and use connect_over.";
            return Err(crate::handshake::client::RequestError::Url(reason).into());
        }
        Ok(ClientStream::plain(tcp))
    }
}

/// Makes the opening handshake over a stream that leads to the server already.
///
/// # Errors
/// An option is not valid, the server does not answer in time, or not with a WebSocket.
pub async fn connect_over<S>(
    io: S,
    address: &Address,
    options: Options,
    config: Config,
) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = fresh_handshake(address, options)?;
    within(config.handshake_timeout, open(io, &handshake, config)).await
}

async fn look_up(address: &Address) -> Result<impl Iterator<Item = SocketAddr>, io::Error> {
    tokio::net::lookup_host((address.host.clone(), address.port)).await
}

fn fresh_handshake(address: &Address, options: Options) -> Result<Handshake, Error> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Handshake::new(address, options, nonce)?)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, work).await.map_err(|_| Error::TimedOut)?
}

async fn open<S>(mut io: S, handshake: &Handshake, config: Config) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut leftover = BytesMut::new();
    let established = exchange(&mut io, handshake, &mut leftover).await?;
    begin(io, established, config, leftover)
}

/// The WebSocket behind a handshake.
fn begin<S>(
    io: S,
    established: Established,
    config: Config,
    leftover: BytesMut,
) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = Config { deflate: established.deflate, ..config };
    let socket = WebSocket::from_parts(io, Role::Client, config, leftover)?;
    Ok(socket.with_subprotocol(established.subprotocol))
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    handshake: &Handshake,
    buf: &mut BytesMut,
) -> Result<Established, Error> {
    io.write_all(&write_request(handshake.request())).await?;
    io.flush().await?;
    let answer = match read_head(io, buf).await {
        Ok(head) => read_answer(&head),
        Err(error) => Err(error),
    };
    let answer = answer.map_err(|error| match error {
        HeadError::TooLarge => Error::Head("The head of the answer is too large."),
        HeadError::Malformed => Error::Head("The answer is not HTTP/1.1."),
        HeadError::Error(error) => error,
    })?;
    check(handshake, answer)
}

fn check(handshake: &Handshake, answer: http::Response<()>) -> Result<Established, Error> {
    handshake.check(&answer).map_err(|error| Error::Answer { error, answer: Box::new(answer) })
}
