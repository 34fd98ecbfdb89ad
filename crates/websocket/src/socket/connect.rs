//! A client: the opening handshake over TCP or any stream.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http1::{HeadError, read_answer, read_head, write_request};
use super::{Config, Error, WebSocket};
use crate::Role;
use crate::deflate;
use crate::handshake::client::{Address, Established, Handshake, Options, RequestError};

/// Connects to a `ws://` URL over TCP, with compression.
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
/// See [`connect_with`].
pub async fn connect(url: &str) -> Result<WebSocket<TcpStream>, Error> {
    let options = Options { deflate: Some(deflate::Config::default()), ..Options::default() };
    connect_with(url, options, Config::default()).await
}

/// Connects to a `ws://` URL over TCP.
///
/// # Errors
/// The URL or an option is not valid, the server does not answer in time, or not with a WebSocket.
/// Redirects are not followed: the answer is in the error.
pub async fn connect_with(
    url: &str,
    options: Options,
    config: Config,
) -> Result<WebSocket<TcpStream>, Error> {
    let address = Address::parse(url)?;
    if address.secure {
        let reason = "For wss, connect with TLS first, then use connect_over.";
        return Err(RequestError::Url(reason).into());
    }
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let stream =
        timeout(config.handshake_timeout, connecting).await.map_err(|_| Error::TimedOut)??;
    stream.set_nodelay(true)?;
    connect_over(stream, &address, options, config).await
}

/// Makes the opening handshake over a stream that leads to the server already, such as TLS or a
/// proxy's tunnel.
///
/// # Errors
/// See [`connect_with`].
pub async fn connect_over<S>(
    mut io: S,
    address: &Address,
    options: Options,
    config: Config,
) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| io::Error::other(error.to_string()))?;
    let handshake = Handshake::new(address, options, nonce)?;
    let mut leftover = BytesMut::new();
    let exchange = exchange(&mut io, &handshake, &mut leftover);
    let established =
        timeout(config.handshake_timeout, exchange).await.map_err(|_| Error::TimedOut)??;
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
