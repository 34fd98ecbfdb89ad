//! HTTP/3 (RFC 9114) over QUIC: the same router, WebSockets by extended CONNECT (RFC
//! 9220), and WebTransport where a mount serves it.

mod exchange;
mod guarded;
mod protocol;
mod relay;
mod webtransport;

use super::site::{Site, Visit};
use super::tls::Tls;
use crate::panics::Witness;
use bytes::Bytes;
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use omniwire_session::limits::Limits;
use quinn::VarInt;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Endpoint, EndpointConfig, IdleTimeout, Runtime, ServerConfig, TokioRuntime, TransportConfig,
};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use webtransport::Sessions;

type Connection = h3::server::Connection<guarded::Connection, Bytes>;
type Receiving = RequestStream<guarded::RecvStream, Bytes>;
type Sending = RequestStream<guarded::SendStream, Bytes>;
type Resolver = RequestResolver<guarded::Connection, Bytes>;

/// Bytes of one stream, and of all streams of a connection, that wait for us.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// HTTP/3 itself needs three unidirectional streams; others are read and thrown away.
const UNIDIRECTIONAL_STREAMS_MAX: u32 = 8;

/// Browsers want datagrams for WebTransport; nobody reads any, and the newest push out the oldest.
const DATAGRAMS_LEN_MAX: usize = 2 << 10;

/// A connection may have so many times the streams that it may have at once without a request on
/// them: one for each session of WebTransport, and whatever broke off.
const STRAYS_PER_STREAM: usize = 40;

/// So many handshakes may be under way with addresses that have not shown that they hear us, each
/// of which takes some 70 KB. Further ones must show that first, which takes a round trip.
const STRANGERS_MAX: usize = 64;

/// A UDP port for HTTP/3.
#[derive(Debug)]
pub(super) struct Socket {
    socket: UdpSocket,
    tls: Tls,
    runtime: Arc<dyn Runtime>,
}

impl Socket {
    pub(super) fn bind(address: SocketAddr, tls: &Tls) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        Ok(Self { socket, tls: tls.clone(), runtime: Arc::new(TokioRuntime) })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stopped` changes, and holds it until the last connection has ended.
    pub(super) fn serve(
        self,
        site: Arc<Site>,
        mut stopped: watch::Receiver<()>,
    ) -> io::Result<impl Future<Output = ()> + Send> {
        let config = server_config(&self.tls, &site)?;
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(config), self.socket, self.runtime)?;
        Ok(async move {
            let all_stopped = stopped.clone();
            // Held by each handshake of an address that may be made up.
            let strangers = Arc::new(());
            loop {
                let incoming = tokio::select! {
                    incoming = endpoint.accept() => incoming,
                    _ = stopped.changed() => break,
                };
                let Some(incoming) = incoming else { break };
                let is_known = incoming.remote_address_validated();
                if !is_known && Arc::strong_count(&strangers) > STRANGERS_MAX {
                    // RFC 9000, 8.1.2: it comes again, with what we keep nothing for.
                    incoming.retry().ok();
                    continue;
                }
                let stranger = (!is_known).then(|| Arc::clone(&strangers));
                let remote = incoming.remote_address();
                let Some(connection) = site.crowd.connect(remote.ip()) else {
                    incoming.refuse();
                    continue;
                };
                let visit = Visit { remote, connection, secure: true };
                let (site, stopped) = (Arc::clone(&site), all_stopped.clone());
                tokio::spawn(receive(site, incoming, stranger, visit, stopped));
            }
            // The endpoint goes when its last connection does.
            drop(all_stopped);
        })
    }
}

fn server_config(tls: &Tls, site: &Site) -> io::Result<ServerConfig> {
    let limits = &site.limits;
    // No early data: a handshake in it could be replayed (RFC 9114, 10.9).
    let crypto: Arc<rustls::ServerConfig> = Arc::new(tls.config(&[b"h3"]));
    let crypto = QuicServerConfig::try_from(crypto).map_err(io::Error::other)?;
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(limits.ping_interval.saturating_add(limits.ping_timeout));
    transport
        .max_idle_timeout(Some(idle.map_err(io::Error::other)?))
        // As over HTTP/2: it is not for HTTP to end a session whose heartbeat is slow.
        .keep_alive_interval(Some(limits.ping_interval))
        .max_concurrent_bidi_streams(limits.streams_max.try_into().unwrap_or(VarInt::MAX))
        .max_concurrent_uni_streams(UNIDIRECTIONAL_STREAMS_MAX.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(CONNECTION_WINDOW.into())
        .datagram_receive_buffer_size(site.webtransport.then_some(DATAGRAMS_LEN_MAX));
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Serves a connection, from its handshake on.
async fn receive(
    site: Arc<Site>,
    incoming: quinn::Incoming,
    stranger: Option<Arc<()>>,
    visit: Visit,
    stopped: watch::Receiver<()>,
) {
    let _witness = Witness(Arc::clone(&site.shared));
    let remote = visit.remote;
    let handshake = async {
        let quic = incoming.await?;
        drop(stranger);
        let mut builder = h3::server::builder();
        builder
            .enable_extended_connect(true)
            .enable_webtransport(site.webtransport)
            .enable_datagram(site.webtransport)
            .max_webtransport_sessions(if site.webtransport {
                site.limits.streams_max as u64
            } else {
                0
            })
            .max_field_section_size(site.limits.head_len_max as u64);
        // A field section that is a bit too long is answered (431).
        let frame_len_max = site.limits.head_len_max.saturating_mul(FIELD_SECTIONS_PER_FRAME);
        let guarded = guarded::Connection::new(quic.clone(), frame_len_max);
        let connection: Connection = builder.build(guarded).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((quic, connection))
    };
    match tokio::time::timeout(site.limits.handshake_timeout, handshake).await {
        Ok(Ok((quic, connection))) => converse(site, quic, connection, visit, stopped).await,
        Ok(Err(error)) => tracing::debug!(%remote, %error, "QUIC handshake failed"),
        Err(_) => tracing::debug!(%remote, "no QUIC handshake in time"),
    }
}

/// A connection, as all that happens on it sees it.
struct Peer {
    quic: quinn::Connection,
    sessions: Sessions,
    /// Streams that were no request.
    strays: AtomicUsize,
}

impl Peer {
    /// Counts a stream that was no request: `h3` keeps the number of each until the connection
    /// ends, which it does when they are too many.
    fn count_stray(&self, limits: &Limits) {
        let before = self.strays.fetch_add(1, Relaxed);
        if before >= limits.streams_max.saturating_mul(STRAYS_PER_STREAM) {
            fail(&self.quic, Code::H3_EXCESSIVE_LOAD, "too many streams without a request");
        }
    }
}

async fn converse(
    site: Arc<Site>,
    quic: quinn::Connection,
    mut connection: Connection,
    visit: Visit,
    mut stopped: watch::Receiver<()>,
) {
    let peer = Arc::new(Peer {
        quic: quic.clone(),
        sessions: Sessions::default(),
        strays: AtomicUsize::new(0),
    });
    // Ends all requests when the connection ends.
    let mut exchanges = JoinSet::new();
    let late = tokio::time::sleep(site.limits.handshake_timeout);
    let mut late = std::pin::pin!(late);
    let (mut waiting, mut stopping) = (true, false);
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Ok(Some(resolver)) => {
                    let (site, visit, peer) = (Arc::clone(&site), visit.clone(), Arc::clone(&peer));
                    exchanges.spawn(exchange::run(site, visit, peer, resolver));
                }
                Ok(None) => break,
                Err(error) => {
                    return tracing::debug!(remote = %visit.remote, %error, "connection ended");
                }
            },
            Some(_) = exchanges.join_next() => {
                if stopping && exchanges.is_empty() {
                    break;
                }
            }
            () = &mut late, if waiting => {
                waiting = false;
                if visit.connection.is_greeting() {
                    return tracing::debug!(remote = %visit.remote, "no request in time");
                }
            }
            _ = stopped.changed(), if !stopping => {
                stopping = true;
                if connection.shutdown(0).await.is_err() || exchanges.is_empty() {
                    break;
                }
            }
        }
    }
    linger(&quic).await;
}

/// What was written last is on its way still, and would be lost if the connection were closed now.
async fn linger(quic: &quinn::Connection) {
    let time = LINGER_MIN.max(quic.rtt().saturating_mul(3));
    tokio::time::timeout(time, quic.closed()).await.ok();
}

/// How many times as long as the longest field section a frame other than DATA may be.
const FIELD_SECTIONS_PER_FRAME: usize = 4;

const LINGER_MIN: Duration = Duration::from_millis(50);

/// Ends the whole connection because of what a client sent on one stream.
fn fail(quic: &quinn::Connection, code: Code, reason: &'static str) {
    let code = VarInt::from_u64(code.value()).unwrap_or_default();
    quic.close(code, reason.as_bytes());
}

#[cfg(test)]
mod tests;
