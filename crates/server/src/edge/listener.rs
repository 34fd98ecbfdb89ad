//! A server of its own: accepts connections and serves HTTP/1.1 and HTTP/2 on one port.

use super::answers;
use super::crowd::{Connection, Crowd};
use super::hosts::{Hosts, Verdict};
use crate::mount::Remote;
use crate::quoted::quoted;
use crate::server::Omniwire;
use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use omniwire_session::limits::Limits;
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_service::Service as _;

/// Serves a router on a listener until `shutdown` resolves: HTTP/1.1 with upgrades, and HTTP/2 by
/// prior knowledge with extended CONNECT. Then it accepts no more, and returns when every
/// connection has answered what it was asked and is closed. Connections that have been upgraded
/// live on. What else is open ends by [`Omniwire::shut_down`], so call that too, and bound
/// the wait: a client may never finish its request.
///
/// `router` is [`Omniwire::router`], with whatever else the port is to serve. The server's
/// [`crate::Limits`] hold for all of it, and so does [`crate::Builder::hosts`].
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    omniwire: &Omniwire,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let shared = &omniwire.shared;
    let site = Arc::new(Site {
        builder: builder(&shared.limits),
        limits: shared.limits.clone(),
        crowd: Arc::clone(&shared.crowd),
        hosts: shared.hosts.clone(),
        local: listener.local_addr()?.ip(),
    });
    // Each connection holds a receiver until it is closed.
    let (stop, stopped) = watch::channel(());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                let Some(connection) = site.crowd.connect(remote.ip()) else { continue };
                let visit = Visit { remote, connection, stopped: stopped.clone() };
                tokio::spawn(serve_connection(Arc::clone(&site), stream, router.clone(), visit));
            }
            // Out of descriptors, or the client was gone at once: others may do better.
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop((listener, stopped));
    stop.send_replace(());
    stop.closed().await;
    Ok(())
}

/// What all connections of a listener have in common.
struct Site {
    builder: auto::Builder<TokioExecutor>,
    limits: Limits,
    crowd: Arc<Crowd>,
    hosts: Hosts,
    local: IpAddr,
}

/// What a connection has of its own.
struct Visit {
    remote: SocketAddr,
    connection: Arc<Connection>,
    /// Changes when the server is going down.
    stopped: watch::Receiver<()>,
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.handshake_timeout)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.head_len_max.max(HYPER_BUF_LEN_MIN));
    builder
        .http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_header_list_size(limits.head_len_max.try_into().unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams_max.try_into().unwrap_or(u32::MAX))
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    builder
}

async fn serve_connection(site: Arc<Site>, stream: TcpStream, router: Router, visit: Visit) {
    let Visit { remote, connection, mut stopped } = visit;
    prepare(&stream, &site.limits);
    let (hosts, local, asking) = (site.hosts.clone(), site.local, Arc::clone(&connection));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        asking.greeted();
        let verdict = hosts.judge(&request, local);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Remote(remote));
        // A WebSocket outlives its HTTP connection, and still counts.
        request.extensions_mut().insert(Arc::clone(&asking));
        let mut router = router.clone();
        async move {
            match verdict {
                Verdict::Ours => router.call(request).await,
                Verdict::NotOurs => Ok(misdirected(&request)),
                Verdict::Malformed => Ok(answers::bad_host()),
            }
        }
    });
    let io = TokioIo::new(stream);
    let mut serving = std::pin::pin!(site.builder.serve_connection_with_upgrades(io, service));
    // One timer from accept to the first request, which no byte resets: hyper's own begins only
    // when it knows which version of HTTP is spoken.
    let late = async {
        tokio::time::sleep(site.limits.handshake_timeout).await;
        if !connection.is_greeting() {
            std::future::pending().await
        }
    };
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = late => return tracing::debug!(%remote, "no request in time"),
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%remote, %error, "connection failed");
    }
}

fn misdirected(request: &Request<Body>) -> Response<Body> {
    let host = request.headers().get(http::header::HOST);
    tracing::info!(
        host = ?host.map(quoted),
        "refused a name that is not ours; Builder::hosts (or `hosts` in the configuration) says \
         which are"
    );
    answers::misdirected()
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
