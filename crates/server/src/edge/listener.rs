//! A server of its own: accepts connections and serves HTTP/1.1 and HTTP/2 on one port, over TLS
//! where there is a certificate, and HTTP/3 on the UDP port of the same number.

use super::http1;
use super::prefixed::Prefixed;
use super::site::{Site, Visit};
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::written::{self, Executor, Written};
use crate::carrier::stall::Reader;
use crate::carrier::upgrade::Socket;
use crate::clock;
use crate::panics::Witness;
use crate::server::Omniwire;
use axum::Router;
use axum::body::Body;
use http::{Method, Request, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use omniwire_session::limits::Limits;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// Where a server listens: a TCP port, made from a [`TcpListener`], and what else it is to speak.
///
/// ```no_run
/// # async fn run(omniwire: omniwire::Omniwire) -> Result<(), Box<dyn std::error::Error>> {
/// use omniwire::{Listener, Tls};
///
/// let tls = Tls::from_pem_files("certificate.pem", "key.pem")?;
/// let tcp = tokio::net::TcpListener::bind("0.0.0.0:443").await?;
/// let listener = Listener::from(tcp).tls(&tls).http3(&tls)?;
/// omniwire::serve(listener, omniwire.router(), &omniwire, std::future::pending()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    extended_connect: bool,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    #[cfg(feature = "http3")]
    quic: Option<super::http3::Socket>,
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self {
            tcp,
            extended_connect: true,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "http3")]
            quic: None,
        }
    }
}

impl Listener {
    /// Speaks TLS and nothing else on the TCP port: HTTP/2 or HTTP/1.1, as the client chooses by
    /// ALPN.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: &Tls) -> Self {
        self.tls = Some(tls.clone());
        self
    }

    /// Speaks HTTP/3 too, on the UDP port of the same number. Clients that come by TLS are told
    /// (`Alt-Svc`).
    ///
    /// # Errors
    /// The UDP port can't be bound.
    #[cfg(feature = "http3")]
    pub fn http3(self, tls: &Tls) -> io::Result<Self> {
        let port = self.tcp.local_addr()?.port();
        self.http3_at(port, tls)
    }

    /// The same on another UDP port. Socket.IO's clients look for WebTransport at the number of the
    /// TCP port.
    ///
    /// # Errors
    /// The UDP port can't be bound.
    #[cfg(feature = "http3")]
    pub fn http3_at(mut self, port: u16, tls: &Tls) -> io::Result<Self> {
        let mut address = self.tcp.local_addr()?;
        address.set_port(port);
        self.quic = Some(super::http3::Socket::bind(address, tls)?);
        Ok(self)
    }

    /// Takes WebSockets over HTTP/1.1 alone, or, as is the default, over HTTP/2 by extended CONNECT
    /// too (RFC 8441). Turned off, clients are told so in the settings.
    #[must_use]
    pub fn websockets_over_http2(mut self, on: bool) -> Self {
        self.extended_connect = on;
        self
    }

    /// The address of the TCP port.
    ///
    /// # Errors
    /// The system does not know.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Serves a router on a listener until `shutdown` resolves: HTTP/1.1 with upgrades, HTTP/2 (by ALPN,
/// or without TLS by prior knowledge) and HTTP/3 with extended CONNECT. Then it accepts no more,
/// and returns when every connection has answered what it was asked and is closed. HTTP/1.1
/// connections that have been upgraded live on. What else is open ends by
/// [`Omniwire::shut_down`], so call that too, and bound the wait: a client may never finish its
/// request.
///
/// `router` is [`Omniwire::router`], with whatever else the port is to serve. The server's
/// [`crate::Limits`] hold for all of it, and so does [`crate::Builder::hosts`].
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: impl Into<Listener>,
    router: Router,
    omniwire: &Omniwire,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = listener.into();
    let local = listener.local_addr()?;
    #[cfg_attr(not(feature = "http3"), expect(unused_mut))]
    let mut site = Site::new(omniwire, router, local);
    #[cfg(feature = "http3")]
    if let Some(quic) = &listener.quic {
        site.tell_http3(quic.local_addr()?.port());
    }
    let site = Arc::new(site);
    // Each connection holds a receiver until it is closed.
    let (stop, stopped) = watch::channel(());
    #[cfg(feature = "http3")]
    if let Some(quic) = listener.quic {
        let serving = quic.serve(Arc::clone(&site), stopped.clone())?;
        tokio::spawn(serving);
    }
    #[cfg(feature = "tls")]
    let security = listener.tls.as_ref().map_or(Security::None, Security::new);
    #[cfg(not(feature = "tls"))]
    let security = Security::None;
    let welcome =
        Arc::new(Welcome { builder: builder(&site, listener.extended_connect), security, site });
    accept(&listener.tcp, &welcome, &stopped, shutdown).await;
    drop((listener.tcp, stopped));
    stop.send_replace(());
    stop.closed().await;
    Ok(())
}

/// How connections of a TCP port are received.
struct Welcome {
    builder: auto::Builder<Executor>,
    security: Security,
    site: Arc<Site>,
}

enum Security {
    None,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

impl Security {
    #[cfg(feature = "tls")]
    fn new(tls: &Tls) -> Self {
        Self::Tls(Arc::new(tls.config(&[b"h2", b"http/1.1"])).into())
    }
}

/// Accepts connections until `shutdown` resolves.
async fn accept(
    listener: &TcpListener,
    welcome: &Arc<Welcome>,
    stopped: &watch::Receiver<()>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => return,
        };
        match accepted {
            Ok((stream, remote)) => {
                let Some(connection) = welcome.site.crowd.connect(remote.ip()) else { continue };
                let visit = Visit { remote, connection, secure: false };
                let welcome = Arc::clone(welcome);
                tokio::spawn(receive(welcome, stream, visit, stopped.clone()));
            }
            // Out of descriptors, or the client was gone at once: others may do better.
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn builder(site: &Site, extended_connect: bool) -> auto::Builder<Executor> {
    let limits = &site.limits;
    let mut builder = auto::Builder::new(Executor(Arc::clone(&site.shared)));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.handshake_timeout)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.head_len_max.max(HYPER_BUF_LEN_MIN));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.head_len_max.try_into().unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams_max.try_into().unwrap_or(u32::MAX))
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    if extended_connect {
        builder.http2().enable_connect_protocol();
    }
    builder
}

/// Serves a connection, from the handshake of TLS on.
async fn receive(
    welcome: Arc<Welcome>,
    stream: TcpStream,
    visit: Visit,
    stopped: watch::Receiver<()>,
) {
    let _witness = Witness(Arc::clone(&welcome.site.shared));
    let limits = &welcome.site.limits;
    prepare(&stream, limits);
    // One timer from accept to the first request, which no byte resets.
    let deadline = clock::deadline(limits.handshake_timeout);
    match &welcome.security {
        Security::None => converse(&welcome, stream, visit, deadline, stopped).await,
        #[cfg(feature = "tls")]
        // Apart, for what TLS keeps is large.
        Security::Tls(acceptor) => {
            Box::pin(async {
                let remote = visit.remote;
                match tokio::time::timeout_at(deadline, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let visit = Visit { secure: true, ..visit };
                        converse(&welcome, stream, visit, deadline, stopped).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%remote, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(%remote, "no TLS handshake in time"),
                }
            })
            .await;
        }
    }
}

/// Answers requests, by the short way as long as that does. What follows it is large, and
/// most connections that wait never need it, so it has its own memory.
async fn converse<S>(
    welcome: &Welcome,
    stream: S,
    visit: Visit,
    deadline: Instant,
    mut stopped: watch::Receiver<()>,
) where
    S: Socket,
{
    let rest = http1::serve(&welcome.site, &visit, stream, deadline, &mut stopped).await;
    if let Some(stream) = rest {
        Box::pin(converse_by_hyper(welcome, stream, visit, deadline, stopped)).await;
    }
}

async fn converse_by_hyper<S>(
    welcome: &Welcome,
    stream: Prefixed<S>,
    visit: Visit,
    deadline: Instant,
    mut stopped: watch::Receiver<()>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Visit { remote, connection, .. } = visit.clone();
    let (site, shared) = (Arc::clone(&welcome.site), &welcome.site.shared);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let (site, visit) = (Arc::clone(&site), visit.clone());
        async move {
            if lacks_authority(&request) {
                // Hyper resets the stream with this.
                return Err(h2::Error::from(h2::Reason::PROTOCOL_ERROR));
            }
            if request.method() == Method::CONNECT {
                written::tie(request.extensions_mut());
            }
            let response = site.answer(&visit, request.map(Body::new)).await;
            let reader = Reader::of(&response, visit.remote);
            Ok(written::watch(response, reader))
        }
    });
    let io = TokioIo::new(stream);
    let mut serving = std::pin::pin!(welcome.builder.serve_connection_with_upgrades(io, service));
    // Hyper's own timer begins only when it knows which version of HTTP is spoken.
    let late = async {
        tokio::time::sleep_until(deadline).await;
        if !connection.is_greeting() {
            std::future::pending().await
        }
    };
    let served = tokio::select! {
        served = Written::new(shared, serving.as_mut()) => served,
        () = late => return tracing::debug!(%remote, "no request in time"),
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            Written::new(shared, serving).await
        }
    };
    if let Some(Err(error)) = served {
        tracing::debug!(%remote, %error, "connection failed");
    }
}

/// Whether an extended CONNECT names no host, which hyper lets pass (RFC 8441, 4).
fn lacks_authority(request: &Request<Incoming>) -> bool {
    request.extensions().get::<hyper::ext::Protocol>().is_some()
        && request.uri().authority().is_none()
        && !request.headers().contains_key(header::HOST)
}

/// What every connection's socket gets.
fn prepare(stream: &TcpStream, limits: &Limits) {
    stream.set_nodelay(true).ok();
    // A kernel without it lets go of a vanished peer later.
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(limits.unacknowledged_timeout)).ok();
}

/// Hyper reads at least so many bytes of a head.
const HYPER_BUF_LEN_MIN: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_kernel_lets_go_of_a_peer_that_acknowledges_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let limits = Limits::default();
        prepare(&stream, &limits);
        let timeout = SockRef::from(&stream).tcp_user_timeout().unwrap();
        assert_eq!(timeout, Some(limits.unacknowledged_timeout));
    }
}
