//! WebSockets as streams of an HTTP/2 connection (RFC 8441).

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::client::{Builder, Connection, SendRequest};
use h2::ext::Protocol;
use h2::{Ping, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::take_unread;
use super::{begin, check, within};
use crate::handshake::client::{Address, Established, Handshake, Options};
use crate::socket::http1::HEAD_LEN_MAX;
use crate::socket::{Config, Error, WebSocket};

/// An HTTP/2 connection, which carries any number of WebSockets, each as a stream.
///
/// [`crate::Connector`] makes one for each WebSocket; this is for those who want many over one. It
/// ends when the last clone of it and the last of its WebSockets are dropped.
///
/// ```no_run
/// use omniwire_websocket::handshake::client::{Address, Options};
/// use omniwire_websocket::{Config, Http2};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// // Cleartext, with prior knowledge. For TLS, agree on `h2` by ALPN.
/// let tcp = tokio::net::TcpStream::connect("127.0.0.1:9001").await?;
/// let http2 = Http2::over(tcp).await?;
/// for room in ["news", "sports"] {
///     let address = Address::parse(&format!("ws://127.0.0.1:9001/{room}"))?;
///     let mut socket = http2.open(&address, Options::default(), Config::default()).await?;
///     socket.send("hello").await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Http2(SendRequest<Bytes>);

impl Http2 {
    /// Begins HTTP/2 on a stream that leads to the server, and waits for the server's settings. A
    /// task of its own drives the connection.
    ///
    /// # Errors
    /// The stream failed, or the server takes no WebSockets over HTTP/2.
    pub async fn over<S>(io: S) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD_LEN_MAX as u32);
        let (requests, mut connection) = builder.handshake(io).await.map_err(into_io)?;
        wait_for_settings(&mut connection, &requests).await?;
        tokio::spawn(async move {
            // What goes wrong with the connection is told to each of its streams.
            let _ = connection.await;
        });
        Ok(Self(requests))
    }

    /// Opens a WebSocket on a stream of this connection, within `config.handshake_timeout`.
    ///
    /// # Errors
    /// An option is not valid, the server does not answer in time, or not with a WebSocket.
    pub async fn open(
        &self,
        address: &Address,
        options: Options,
        config: Config,
    ) -> Result<WebSocket<Http2Stream>, Error> {
        let handshake = Handshake::extended_connect(address, options)?;
        within(config.handshake_timeout, async {
            let (stream, established) = self.exchange(&handshake).await?;
            begin(stream, established, config, BytesMut::new())
        })
        .await
    }

    pub(super) async fn exchange(
        &self,
        handshake: &Handshake,
    ) -> Result<(Http2Stream, Established), Error> {
        let mut request = handshake.request().clone();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let mut requests = self.0.clone().ready().await.map_err(into_io)?;
        let (answer, sending) = requests.send_request(request, false).map_err(into_io)?;
        let (head, receiving) = answer.await.map_err(into_io)?.into_parts();
        let established = check(handshake, http::Response::from_parts(head, ()))?;
        Ok((Http2Stream { sending, receiving, unread: Bytes::new(), ended: false }, established))
    }
}

/// RFC 8441 section 3: `:protocol` is for servers alone whose settings allow it. They are the first
/// that a server sends, so they are here when it answers a Ping.
async fn wait_for_settings<S>(
    connection: &mut Connection<S, Bytes>,
    requests: &SendRequest<Bytes>,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut pings = connection.ping_pong();
    if let Some(pings) = &mut pings {
        pings.send_ping(Ping::opaque()).map_err(into_io)?;
    }
    poll_fn(|cx| {
        let ended = pin!(&mut *connection).poll(cx);
        if requests.is_extended_connect_protocol_enabled() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(ended) = ended {
            return Poll::Ready(Err(
                ended.map_or_else(|error| into_io(error).into(), |()| NO_HTTP2)
            ));
        }
        if pings.as_mut().is_some_and(|pings| pings.poll_pong(cx).is_pending()) {
            return Poll::Pending;
        }
        Poll::Ready(Err(Error::Http("The server takes no WebSockets over HTTP/2.")))
    })
    .await
}

/// A stream of an HTTP/2 connection: octets travel in its DATA frames, END_STREAM is the end that
/// TCP's FIN would be, a reset is the loss of the connection (RFC 8441 section 5).
#[derive(Debug)]
pub struct Http2Stream {
    sending: SendStream<Bytes>,
    receiving: RecvStream,
    unread: Bytes,
    /// END_STREAM is sent.
    ended: bool,
}

impl AsyncRead for Http2Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() {
            match ready!(this.receiving.poll_data(cx)) {
                Some(Ok(data)) => this.unread = data,
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = take_unread(&mut this.unread, buf);
        // What is taken may be sent anew. It fails only where nothing comes any more.
        let _ = this.receiving.flow_control().release_capacity(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sending = &mut self.get_mut().sending;
        sending.reserve_capacity(octets.len());
        while sending.capacity() == 0 && !octets.is_empty() {
            match ready!(sending.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let (fitting, _) = octets.split_at_checked(sending.capacity()).unwrap_or((octets, &[]));
        let sent = sending.send_data(Bytes::copy_from_slice(fitting), false);
        Poll::Ready(sent.map(|()| fitting.len()).map_err(into_io))
    }

    /// The connection's own task writes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if std::mem::replace(&mut this.ended, true) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(this.sending.send_data(Bytes::new(), true).map_err(into_io))
    }
}

fn into_io(error: h2::Error) -> io::Error {
    if error.is_reset() {
        return io::Error::new(io::ErrorKind::ConnectionReset, error);
    }
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    io::Error::other(error)
}

const NO_HTTP2: Error = Error::Http("The server has closed its HTTP/2 connection.");

/// Octets of one stream, and of all streams of a connection, that wait for us.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
