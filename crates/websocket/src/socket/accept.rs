//! A server without an HTTP library: the opening handshake on a bare stream.

use bytes::BytesMut;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::http1::{HeadError, read_head, read_request, write_answer};
use super::{Config, Error, WebSocket};
use crate::Role;
use crate::deflate;
use crate::handshake::server::{self, Accepted, Options, Refusal, Request};

/// Takes a WebSocket on a bare stream, on any path and from any Origin, with compression.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// let (stream, _) = listener.accept().await?;
/// let mut socket = omniwire_websocket::accept(stream).await?;
/// while let Some(message) = socket.recv().await {
///     let message = message?;
///     if message.is_data() {
///         socket.send(message).await?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// See [`accept_with`].
pub async fn accept<S>(io: S) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let options = Options { deflate: Some(deflate::Config::default()), ..Options::default() };
    accept_with(io, Config::default(), |_| Ok(options)).await
}

/// Takes a WebSocket on a bare stream. `decide` sees the request, and refuses it (404 for a path,
/// 401 for credentials, 403 for an Origin) or says what to agree to.
///
/// The request may have 16 KiB and 100 fields, and must come within the time limit.
///
/// # Errors
/// The request was refused, with an answer that says why, or the stream failed.
pub async fn accept_with<S, F>(mut io: S, config: Config, decide: F) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: FnOnce(&http::Request<()>) -> Result<Options, Refusal>,
{
    let handshake = async {
        let mut buf = BytesMut::new();
        let result = match read_head(&mut io, &mut buf).await {
            Ok(head) => read_request(&head),
            Err(error) => Err(error),
        };
        let result = match result {
            Ok(request) => decide(&request)
                .and_then(|options| server::accept(&Request::new(&request), &options)),
            Err(HeadError::Error(error)) => return Err(error),
            Err(HeadError::TooLarge) => Err(Refusal::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The head of the request is too large.",
            )),
            Err(HeadError::Malformed) => {
                Err(Refusal::new(StatusCode::BAD_REQUEST, "The request is not HTTP/1.1."))
            }
        };
        answer(&mut io, result).await.map(|accepted| (accepted, buf))
    };
    // In a box: a task that goes on with the WebSocket holds no room for its handshake.
    let handshake = timeout(config.handshake_timeout, Box::pin(handshake));
    let (accepted, leftover) = handshake.await.map_err(|_| Error::TimedOut)??;
    let config = Config { deflate: accepted.deflate, ..config };
    let socket = WebSocket::from_parts(io, Role::Server, config, leftover)?;
    Ok(socket.with_subprotocol(accepted.subprotocol))
}

async fn answer<S: AsyncWrite + Unpin>(
    io: &mut S,
    result: Result<Accepted, Refusal>,
) -> Result<Accepted, Error> {
    match result {
        Ok(accepted) => {
            io.write_all(&write_answer(accepted.status, &accepted.headers, "")).await?;
            io.flush().await?;
            Ok(accepted)
        }
        Err(refusal) => {
            let mut headers = refusal.headers.clone();
            headers.append(http::header::CONNECTION, http::HeaderValue::from_static("close"));
            io.write_all(&write_answer(refusal.status, &headers, refusal.reason)).await?;
            io.shutdown().await?;
            Err(Error::Refused(Box::new(refusal)))
        }
    }
}
