//! A server on the crate `omniwire`, as its users write one: one namespace over every protocol, on
//! one thread or on `--threads N`. `echo` is answered with its arguments; `say` goes to all of the room that the
//! query of the connecting request names, as `said`. What has no events (raw WebSocket and SockJS)
//! speaks to its room if it has one, and is echoed if not, or if the room is called `quiet`.
//!
//! With `--patient` it pings nobody for ten minutes, and waits as long for whatever it waits for:
//! where a million connections share two cores, their pings alone would be 40,000 a second, and a
//! generator that is behind is not gone.
#![forbid(unsafe_code)]

use omniwire::protocols::sockjs::request::Service;
use omniwire::{
    Args, Failure, Limits, Namespace, Omniwire, Origins, Peer, RawArgs, Reply, SockJsMount, serve,
};
use omniwire_allocator as _;
use std::error::Error;
use std::future::pending;
use std::io::{self, Write};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--threads");
    let mut builder = match arguments.nth(1) {
        Some(threads) => {
            let mut builder = runtime::Builder::new_multi_thread();
            builder.worker_threads(threads.parse()?);
            builder
        }
        None => runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build()?.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let bench = Namespace::new("/")
        .on_connect(|peer: Peer| async move {
            if let Some(room) = peer.request().query_value("room") {
                peer.join(room)?;
            }
            Ok::<_, Failure>(())
        })
        .on("echo", |Args(args): Args<RawArgs>| async move { Reply(args) })
        .on("say", |peer: Peer, Args(args): Args<RawArgs>| async move { say(&peer, args).await })
        .on("message", |peer: Peer, Args(args): Args<RawArgs>| async move {
            if peer.rooms().first().is_none_or(|room| *room == "quiet") {
                peer.emit("message", args)?;
                return Ok(());
            }
            say(&peer, args).await
        });
    let mut limits = Limits::default();
    if std::env::args().any(|argument| argument == "--patient") {
        limits.ping_interval = PATIENCE;
        limits.ping_timeout = PATIENCE;
        limits.handshake_timeout = PATIENCE;
    }
    let mut scripts = Service::default();
    scripts.scripts = true;
    let omniwire = Omniwire::builder()
        .origins(Origins::any())
        .limits(limits)
        .namespace(bench)
        .mount("/sockjs-raw", SockJsMount::new("/").raw().service(scripts))
        .build()?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    Ok(serve(listener, omniwire.router(), &omniwire, pending()).await?)
}

const PATIENCE: Duration = Duration::from_secs(600);

async fn say(peer: &Peer, args: RawArgs) -> Result<(), Failure> {
    let room = peer.rooms().into_iter().next().ok_or_else(|| Failure::client("it has no room"))?;
    peer.namespace().to(room).emit("said", args).await?;
    Ok(())
}
