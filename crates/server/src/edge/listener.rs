//! A server of its own: accepts connections and serves HTTP/1.1 and HTTP/2 on one port.

use crate::mount::Remote;
use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_service::Service as _;

/// Serves a router on a listener until `shutdown` resolves: HTTP/1.1 with upgrades, and HTTP/2 by
/// prior knowledge with extended CONNECT. Then it accepts no more, and returns when every
/// connection has answered what it was asked and is closed. Connections that have been upgraded
/// live on. What else is open ends by [`crate::Omniwire::shut_down`], so call that too, and bound
/// the wait: a client may never finish its request.
///
/// `handshake_timeout` runs from accept to the end of a request's head.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    handshake_timeout: Duration,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let builder = builder(handshake_timeout);
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
                let terms = Terms { handshake_timeout, stopped: stopped.clone() };
                let (builder, router) = (builder.clone(), router.clone());
                tokio::spawn(serve_connection(builder, stream, remote, router, terms));
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

/// What holds for each connection.
struct Terms {
    handshake_timeout: Duration,
    /// Changes when the server is going down.
    stopped: watch::Receiver<()>,
}

fn builder(handshake_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(handshake_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_LEN_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_header_list_size(HEAD_LEN_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(Duration::from_secs(30));
    builder
}

async fn serve_connection(
    builder: auto::Builder<TokioExecutor>,
    stream: TcpStream,
    remote: SocketAddr,
    router: Router,
    mut terms: Terms,
) {
    stream.set_nodelay(true).ok();
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        seen.store(true, Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Remote(remote));
        router.clone().call(request)
    });
    let mut serving =
        std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // One timer from accept to the first request, which no byte resets: hyper's own begins only
    // when it knows which version of HTTP is spoken.
    let late = async {
        tokio::time::sleep(terms.handshake_timeout).await;
        if asked.load(Relaxed) {
            std::future::pending().await
        }
    };
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = late => return tracing::debug!(%remote, "no request in time"),
        _ = terms.stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%remote, %error, "connection failed");
    }
}

/// Header fields of one request.
const HEADERS_MAX: usize = 100;

/// Bytes of one request's head; hyper reads at least 8 KiB.
const HEAD_LEN_MAX: usize = 64 << 10;

/// Streams of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 256;
