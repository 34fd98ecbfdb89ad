//! Listening, serving, and ending in good order.

use crate::descriptors;
use crate::log::{self, Lines};
use crate::mistake::Mistake;
use axum::Router;
use omniwire::{Drain, Listener, Omniwire, Tls};
use std::backtrace::Backtrace;
use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// How long connections have to end after all sessions did.
const GRACE: Duration = Duration::from_secs(3);

/// The same after the second.
const HASTE: Duration = Duration::from_secs(1);

/// Starts the runtime and runs `work` on it.
pub(crate) fn on_runtime(
    threads: Option<usize>,
    log: &str,
    work: impl Future<Output = Result<(), Mistake>>,
) -> Result<(), Mistake> {
    let filter = log::filter(log).map_err(|why| Mistake(format!("--log: {why}")))?;
    let lines = Lines::to(io::stderr());
    let lines =
        lines.map_err(|error| Mistake(format!("cannot start the log's thread: {error}")))?;
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(move || writer.clone())
        .init();
    match descriptors::raise() {
        Ok(limit) => {
            let limit = limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
            tracing::info!(limit, "descriptors that may be open, each connection being one");
        }
        Err(error) => tracing::warn!(%error, "the soft limit of descriptors stays as it is"),
    }
    // The usual one writes to standard error, and waits.
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        tracing::error!(panic = ?panic.to_string(), %backtrace, "a thread panicked");
    }));
    let mut builder = match threads {
        // One thread needs no queue that others could take work from.
        Some(1) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Mistake(format!("cannot start threads: {error}")))?;
    let done = runtime.block_on(work);
    // A handler that never ends must not keep the process.
    runtime.shutdown_background();
    lines.finish();
    done
}

/// Binds the addresses that a host name stands for: `localhost` is both loopback addresses.
pub(crate) async fn bind(host: &str, port: u16) -> Result<Vec<TcpListener>, Mistake> {
    let mistake = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "; choose another with --port, or 0 for a free one",
            io::ErrorKind::PermissionDenied if port < 1024 => {
                "; ports below 1024 need CAP_NET_BIND_SERVICE: choose another with --port"
            }
            io::ErrorKind::AddrNotAvailable => {
                "; this machine has no such address: choose one with --host, or 0.0.0.0 for all"
            }
            _ => "",
        };
        Mistake(format!("cannot listen on {host}:{port}: {error}{hint}"))
    };
    if host != "localhost" {
        return Ok(vec![TcpListener::bind((host, port)).await.map_err(mistake)?]);
    }
    let first = TcpListener::bind(("127.0.0.1", port)).await.map_err(mistake)?;
    let port = first.local_addr().map_err(mistake)?.port();
    let mut listeners = vec![first];
    // A machine without IPv6 has only the one.
    listeners.extend(TcpListener::bind(("::1", port)).await.ok());
    Ok(listeners)
}

/// What the ports are to speak, besides HTTP over TCP.
#[derive(Debug, Default)]
pub(crate) struct Security {
    /// TLS on the TCP ports.
    pub(crate) tcp: Option<Tls>,
    /// HTTP/3 on UDP ports.
    pub(crate) udp: Option<Tls>,
    /// Their number, if it is not that of the TCP ports.
    pub(crate) udp_port: Option<u16>,
}

impl Security {
    /// TLS and HTTP/3, if there is a certificate.
    pub(crate) fn all(tls: Option<Tls>) -> Self {
        Self { tcp: tls.clone(), udp: tls, udp_port: None }
    }

    /// The scheme of a URL there.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tcp.is_some() { "https" } else { "http" }
    }

    pub(crate) fn secure(&self, tcp: Vec<TcpListener>) -> Result<Vec<Listener>, Mistake> {
        let secure = |tcp: TcpListener| {
            let mut listener = Listener::from(tcp);
            if let Some(tls) = &self.tcp {
                listener = listener.tls(tls);
            }
            let listening = match (&self.udp, self.udp_port) {
                (Some(tls), Some(port)) => listener.http3_at(port, tls),
                (Some(tls), None) => listener.http3(tls),
                (None, _) => return Ok(listener),
            };
            listening.map_err(|error| {
                Mistake(format!("cannot listen on the UDP port for HTTP/3: {error}"))
            })
        };
        tcp.into_iter().map(secure).collect()
    }
}

/// The address to tell people.
pub(crate) fn address(listeners: &[TcpListener]) -> Result<SocketAddr, Mistake> {
    let first = listeners.first().ok_or_else(|| Mistake("nothing to listen on".into()))?;
    first.local_addr().map_err(|error| Mistake(format!("no address: {error}")))
}

/// Prints a line that somebody waits for.
pub(crate) fn announce(line: &str) {
    let mut out = io::stdout().lock();
    // Whoever closed our output does not wait for the line.
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}

/// Prints `line`, since it is ready, and serves until SIGTERM or Ctrl-C. Then the server drains: sessions end in their own words, at
/// their pace, or all at once at the second signal. Returns when they are gone, when [`GRACE`] (at
/// the second signal [`HASTE`]) is over, or at one more signal.
pub(crate) async fn serve(
    line: &str,
    listeners: Vec<Listener>,
    router: Router,
    omniwire: &Omniwire,
    drain: Drain,
) -> Result<(), Mistake> {
    // Whoever reads the line may send one at once.
    let mut signals = Signals::new()?;
    announce(line);
    let (stop, stopped) = watch::channel(());
    let mut serving = JoinSet::new();
    for listener in listeners {
        let (router, omniwire, mut stopped) = (router.clone(), omniwire.clone(), stopped.clone());
        let until_stopped = async move {
            // Fails when the sender is gone, which is a stop as well.
            stopped.changed().await.ok();
        };
        serving.spawn(
            async move { omniwire::serve(listener, router, &omniwire, until_stopped).await },
        );
    }
    signals.next().await;
    tracing::info!(sessions = omniwire.stats().sessions, "going down");
    let grace = tokio::select! {
        () = omniwire.drain(drain) => GRACE,
        () = signals.next() => {
            tracing::warn!("a second signal: all sessions end at once");
            omniwire.shut_down();
            HASTE
        }
    };
    drop(stop);
    let deadline = Instant::now() + grace;
    let emptied = async {
        // What was said last is on its way when the connections are closed.
        while serving.join_next().await.is_some() {}
        while omniwire.stats().connections > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        done = timeout_at(deadline, emptied) => {
            if done.is_err() {
                tracing::warn!("some connections did not end in time");
            }
        }
        () = signals.next() => tracing::warn!("ending at once"),
    }
    Ok(())
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Mistake> {
        let listen = |kind| {
            signal(kind).map_err(|error| Mistake(format!("cannot listen for signals: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
