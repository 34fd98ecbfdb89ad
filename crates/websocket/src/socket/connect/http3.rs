//! WebSockets as streams of an HTTP/3 connection (RFC 9220), over QUIC by quinn.
//!
//! The HTTP/3 of it is this crate's own: no other crate lets a client ask for `websocket`.

mod stream;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, TransportConfig, VarInt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use self::stream::Http3Stream;

use super::{Tls, begin, check, look_up, within};
use crate::handshake::client::{Address, Established, Handshake, Options};
use crate::http3::{
    Code, Control, Piece, Purpose, Said, integer, read_answer, write_control, write_request,
};
use crate::socket::http1::HEAD_LEN_MAX;
use crate::socket::{Config, Error, WebSocket};

/// An HTTP/3 connection, which carries any number of WebSockets, each as a stream.
///
/// [`crate::Connector`] makes one for each WebSocket; this is for those who want many over one. It
/// ends when the last clone of it and the last of its WebSockets are dropped. While it is open, it
/// says something every ten seconds, so that neither side takes the other for dead.
///
/// ```no_run
/// use omniwire_websocket::handshake::client::{Address, Options};
/// use omniwire_websocket::{Config, Http3, Tls};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let address = Address::parse("wss://example.com/news")?;
/// let http3 = Http3::connect(&address, &Tls::system()?, &Config::default()).await?;
/// let mut socket = http3.open(&address, Options::default(), Config::default()).await?;
/// socket.send("hello").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Http3 {
    quic: Connection,
    server: watch::Receiver<Server>,
    /// Dropped with the last of those who use the connection.
    _user: mpsc::Sender<Infallible>,
}

/// What the server has said of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Server {
    has_control: bool,
    /// Whether extended CONNECT is allowed, once its settings are here.
    allows: Option<bool>,
    is_leaving: bool,
}

impl Http3 {
    /// Connects to the server of a `wss` URL by QUIC, within `config.handshake_timeout`.
    ///
    /// # Errors
    /// The server is not reached in time, or its certificate is not believed.
    pub async fn connect(address: &Address, tls: &Tls, config: &Config) -> Result<Self, Error> {
        within(config.handshake_timeout, async {
            let candidates: Vec<_> = look_up(address).await?.collect();
            Self::dial(&candidates, &address.host, tls).await
        })
        .await
    }

    /// Opens a WebSocket on a stream of this connection, within `config.handshake_timeout`.
    ///
    /// # Errors
    /// An option is not valid, the server does not answer in time, or not with a WebSocket, or
    /// takes none over HTTP/3.
    pub async fn open(
        &self,
        address: &Address,
        options: Options,
        config: Config,
    ) -> Result<WebSocket<Http3Stream>, Error> {
        let handshake = Handshake::extended_connect(address, options)?;
        within(config.handshake_timeout, async {
            let (stream, established) = self.exchange(&handshake).await?;
            begin(stream, established, config, BytesMut::new())
        })
        .await
    }

    pub(super) async fn dial(
        candidates: &[SocketAddr],
        host: &str,
        tls: &Tls,
    ) -> Result<Self, Error> {
        let config = client_config(tls)?;
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for address in candidates {
            let any: IpAddr = match address {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let endpoint = Endpoint::client((any, 0).into())?;
            let connecting = endpoint.connect_with(config.clone(), *address, host);
            match connecting.map_err(io::Error::other)?.await {
                Ok(quic) => return Self::over(quic).await,
                Err(error) => failed = error.into(),
            }
        }
        Err(failed.into())
    }

    async fn over(quic: Connection) -> Result<Self, Error> {
        let mut control = quic.open_uni().await.map_err(io::Error::from)?;
        control.write_all(&write_control(HEAD_LEN_MAX as u32)).await.map_err(io::Error::from)?;
        let (server_said, server) = watch::channel(Server::default());
        let (user, users) = mpsc::channel(1);
        tokio::spawn(drive(quic.clone(), control, users, server_said));
        Ok(Self { quic, server, _user: user })
    }

    pub(super) async fn exchange(
        &self,
        handshake: &Handshake,
    ) -> Result<(Http3Stream, Established), Error> {
        let mut server = self.server.clone();
        // RFC 9220 section 3: `:protocol` is for servers alone whose settings allow it.
        let server = match server.wait_for(|server| server.allows.is_some()).await {
            Ok(server) => *server,
            Err(_) => return Err(self.lost()),
        };
        if server.is_leaving {
            return Err(Error::Http("The server takes no more requests on this connection."));
        }
        if server.allows != Some(true) {
            return Err(Error::Http("The server takes no WebSockets over HTTP/3."));
        }
        let (mut sending, receiving) = self.quic.open_bi().await.map_err(io::Error::from)?;
        sending.write_all(&write_request(handshake.request())).await.map_err(io::Error::from)?;
        let mut stream = Http3Stream::new(self.clone(), sending, receiving);
        let answer = loop {
            let section = match stream.next_piece().await? {
                Piece::Headers(section) => section,
                // Before the head there is none.
                Piece::Data(_) => return Err(stream.fail(Code::FRAME_UNEXPECTED).into()),
            };
            match read_answer(&section, HEAD_LEN_MAX) {
                Ok(Some(answer)) => break answer,
                Ok(None) => {}
                Err(code) => return Err(stream.refuse(code).into()),
            }
        };
        let established = check(handshake, answer)?;
        stream.open();
        Ok((stream, established))
    }

    /// What has ended the connection.
    fn lost(&self) -> Error {
        self.quic
            .close_reason()
            .map_or_else(|| Error::Dropped, |reason| io::Error::from(reason).into())
    }

    /// Ends the connection because of what the server did.
    fn fail(&self, code: Code) {
        fail(&self.quic, code);
    }
}

fn client_config(tls: &Tls) -> Result<ClientConfig, Error> {
    let crypto = QuicClientConfig::try_from(tls.speaking(b"h3")).map_err(io::Error::other)?;
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(KEEP_ALIVE_INTERVAL))
        .max_concurrent_bidi_streams(0_u32.into()) // RFC 9114 section 6.1: a server opens none
        .max_concurrent_uni_streams(UNIDIRECTIONAL_STREAMS_MAX.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into());
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Attends to the streams that belong to the connection as a whole, as long as anybody uses it.
/// `control` is our own control stream, which must stay open (section 6.2.1).
async fn drive(
    quic: Connection,
    control: SendStream,
    mut users: mpsc::Receiver<Infallible>,
    server: watch::Sender<Server>,
) {
    let server = Arc::new(server);
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            stream = quic.accept_uni() => match stream {
                Ok(stream) => drop(streams.spawn(attend(stream, Arc::clone(&server)))),
                Err(_) => return,
            },
            Some(done) = streams.join_next() => {
                if let Ok(Err(code)) = done {
                    return fail(&quic, code);
                }
            }
            None = users.recv() => break,
        }
    }
    // What was written last is on its way still, and would be lost if the connection were closed.
    let time = LINGER_MIN.max(quic.rtt().saturating_mul(3));
    let _ = tokio::time::timeout(time, quic.closed()).await;
    drop(control);
    fail(&quic, Code::NO_ERROR);
}

/// One stream of the server's, to its end.
async fn attend(mut stream: RecvStream, server: Arc<watch::Sender<Server>>) -> Result<(), Code> {
    let mut octets = BytesMut::new();
    let kind = loop {
        let mut rest = &octets[..];
        if let Some(kind) = integer(&mut rest) {
            let head_len = octets.len().saturating_sub(rest.len());
            bytes::Buf::advance(&mut octets, head_len);
            break kind;
        }
        match stream.read_chunk(CHUNK_LEN_MAX, true).await {
            Ok(Some(chunk)) => octets.extend_from_slice(&chunk.bytes),
            // Section 6.2: it may end before it says its purpose.
            Ok(None) | Err(_) => return Ok(()),
        }
    };
    match Purpose::of(kind)? {
        Purpose::Control => read_control(stream, &octets, &server).await,
        Purpose::Qpack => {
            while let Ok(Some(_)) = stream.read_chunk(CHUNK_LEN_MAX, true).await {}
            Err(Code::CLOSED_CRITICAL_STREAM) // RFC 9204 section 4.2
        }
        Purpose::Unknown => {
            let _ = stream.stop(code(Code::STREAM_CREATION_ERROR));
            Ok(())
        }
    }
}

async fn read_control(
    mut stream: RecvStream,
    first: &[u8],
    server: &watch::Sender<Server>,
) -> Result<(), Code> {
    // Section 6.2.1: only one.
    if !server.send_if_modified(|server| !std::mem::replace(&mut server.has_control, true)) {
        return Err(Code::STREAM_CREATION_ERROR);
    }
    let mut control = Control::default();
    control.push(first);
    loop {
        while let Some(said) = control.next()? {
            server.send_modify(|server| match said {
                Said::Settings(allows) => server.allows = Some(allows),
                Said::GoAway => server.is_leaving = true,
            });
        }
        match stream.read_chunk(CHUNK_LEN_MAX, true).await {
            Ok(Some(chunk)) => control.push(&chunk.bytes),
            Ok(None) | Err(_) => return Err(Code::CLOSED_CRITICAL_STREAM),
        }
    }
}

fn fail(quic: &Connection, why: Code) {
    quic.close(code(why), b"");
}

fn code(Code(code): Code) -> VarInt {
    code.into()
}

/// Well below the time after which QUIC takes a silent peer for dead: quinn's 30 s, or what the
/// server asks for.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// HTTP/3 itself needs three.
const UNIDIRECTIONAL_STREAMS_MAX: u32 = 8;

/// Octets of one stream, and of all streams of a connection, that wait for us.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

const CHUNK_LEN_MAX: usize = 16 << 10;

const LINGER_MIN: Duration = Duration::from_millis(50);
