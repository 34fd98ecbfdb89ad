//! A client: the opening handshake over TCP, TLS, a proxy, or any stream.

mod proxy;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod turns;

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

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
    /// for it, the server does not answer in time, or not with a WebSocket. Redirects are not
    /// followed: the answer, with its Location, is in [`Error::Answer`].
    pub async fn connect(&self, url: &str) -> Result<WebSocket<ClientStream>, Error> {
        let address = Address::parse(url)?;
        let handshake = fresh_handshake(&address, self.options.clone())?;
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
            let tcp = match &self.proxy {
                Some(proxy) => proxy.connect(&address).await?,
                None => TcpStream::connect(&candidates[..]).await?,
            };
            tcp.set_nodelay(true)?;
            let stream = self.secure(tcp, &address).await?;
            open(stream, &handshake, self.config.clone()).await
        })
        .await
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, tcp: TcpStream, address: &Address) -> Result<ClientStream, Error> {
        if !address.secure {
            return Ok(ClientStream::plain(tcp));
        }
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None => Tls::system()?,
        };
        Ok(ClientStream::tls(tls.connect(tcp, &address.host).await?))
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

async fn look_up(
    address: &Address,
) -> Result<impl Iterator<Item = std::net::SocketAddr>, io::Error> {
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
    handshake.check(&answer).map_err(|error| Error::Answer { error, answer: Box::new(answer) })
}
