//! `--suite sockjs`: the services of the contract, in which messages are texts.

use super::{Basis, Site, set_time_from_environment};
use crate::mistake::Mistake;
use omniwire::protocols::sockjs::Config;
use omniwire::protocols::sockjs::request::Service;
use omniwire::{Args, Builder, Limits, Namespace, Origins, Peer, RawArgs, SockJsMount};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The response limit of the services whose contract wants a small one.
const RESPONSE_LEN_MAX: usize = 4096;

/// The only origin that `/locked_echo` lets in.
const OWN_ORIGIN: &str = "http://localhost:8090";

/// Everybody who has been told its number, in `/presence`.
const PRESENT: &str = "present";

/// `address` is the server's own, as clients are told it.
pub(super) fn site(basis: &Basis, client_url: &str, address: &str) -> Result<Site, Mistake> {
    let builder = basis.builder(Limits::default())?.without_socketio().origins(Origins::any());
    let mut fast = fast();
    set_time_from_environment("SOCKJS_DISCONNECT_DELAY", &mut fast.disconnect_delay)?;
    let services = Services { client_url: client_url.to_owned(), fast };
    let builder = services.add_echoes(builder);
    let builder = services.add_others(builder, address);
    Ok(Site::new(builder.build()?))
}

/// Makes mounts that differ from the defaults.
struct Services {
    client_url: String,
    /// Of `/fast_echo`.
    fast: Config,
}

impl Services {
    fn add_echoes(&self, builder: Builder) -> Builder {
        let echo = || self.mount("/echo");
        builder
            .bare_namespace(Namespace::new("/echo").on("message", give_back))
            .mount("/echo", echo().config(small()))
            .mount("/disabled_websocket_echo", self.serve("/echo", |s| s.websocket = false))
            .mount("/cookie_needed_echo", self.serve("/echo", |s| s.cookie = true))
            .mount("/a/b/c/echo", echo())
            .mount("/default_echo", echo())
            .mount("/fast_echo", echo().config(self.fast.clone()))
            .mount("/beat_echo", echo().config(beating()))
            .mount("/no_cors_echo", self.serve("/echo", |s| s.cors = false))
            .mount("/locked_echo", echo().origins(own_origin()))
    }

    fn add_others(&self, builder: Builder, address: &str) -> Builder {
        let elsewhere = format!("{address}/echo");
        builder
            .bare_namespace(closing("/close", 3000, "Go away!"))
            .bare_namespace(closing("/elsewhere", 3999, "not here"))
            .bare_namespace(Namespace::new("/amplify").on("message", amplify))
            .bare_namespace(Namespace::new("/broadcast").on("message", broadcast))
            .bare_namespace(Namespace::new("/close_with").on("message", close_with))
            .bare_namespace(Namespace::new("/burst").on("message", burst))
            .bare_namespace(presence())
            .mount("/close", self.mount("/close"))
            .mount("/elsewhere", self.serve("/elsewhere", |s| s.base_url = Some(elsewhere.into())))
            .mount("/amplify", self.mount("/amplify"))
            .mount("/broadcast", self.mount("/broadcast"))
            .mount("/close_with", self.mount("/close_with"))
            .mount("/burst", self.mount("/burst").config(small()))
            .mount("/presence", self.mount("/presence").config(brief()))
    }

    fn mount(&self, namespace: &str) -> SockJsMount {
        self.serve(namespace, |_| {})
    }

    fn serve(&self, namespace: &str, adjust: impl FnOnce(&mut Service)) -> SockJsMount {
        let mut service = Service::default();
        service.scripts = true;
        service.client_url = self.client_url.clone().into();
        adjust(&mut service);
        SockJsMount::new(namespace).raw().service(service)
    }
}

fn small() -> Config {
    let mut config = Config::default();
    config.response_len_max = RESPONSE_LEN_MAX;
    config
}

fn beating() -> Config {
    let mut config = Config::default();
    config.heartbeat_interval = Duration::from_millis(500);
    config
}

fn brief() -> Config {
    let mut config = Config::default();
    config.disconnect_delay = Duration::from_secs(2);
    config
}

fn fast() -> Config {
    let mut config = beating();
    config.disconnect_delay = brief().disconnect_delay;
    config
}

fn own_origin() -> Origins {
    Origins::list([OWN_ORIGIN]).expect("it is an origin")
}

// What is said to a peer that has just gone is nobody's loss, here and below.

async fn give_back(peer: Peer, Args(args): Args<RawArgs>) {
    peer.emit("message", args).ok();
}

async fn broadcast(peer: Peer, Args(args): Args<RawArgs>) {
    peer.namespace().everybody().emit("message", args).await.ok();
}

fn closing(name: &'static str, code: u16, reason: &'static str) -> Namespace {
    Namespace::new(name).on_connect(move |peer: Peer| async move { peer.close(code, reason) })
}

/// Like the reference server, takes what is out of bounds for 1.
async fn amplify(peer: Peer, Args((text,)): Args<(String,)>) {
    let exponent = text.parse().ok().filter(|exponent| (1..=20).contains(exponent)).unwrap_or(1);
    peer.emit("message", ("x".repeat(1 << exponent),)).ok();
}

/// `CODE REASON`, or `bare`.
async fn close_with(peer: Peer, Args((text,)): Args<(String,)>) {
    let (code, reason) = text.split_once(' ').unwrap_or((&text, ""));
    match code.parse() {
        Ok(code) => peer.close(code, reason),
        Err(_) => peer.disconnect_session(),
    }
}

/// `N`, or `N close`.
async fn burst(peer: Peer, Args((text,)): Args<(String,)>) {
    let (count, then) = text.split_once(' ').unwrap_or((&text, ""));
    for number in 0..count.parse::<u64>().unwrap_or_default() {
        peer.writable().await;
        if peer.emit("message", (number.to_string(),)).is_err() {
            return;
        }
    }
    if then == "close" {
        peer.close(3001, "done");
    }
}

/// Its number, kept with each peer of `/presence`.
struct Number(u64);

fn presence() -> Namespace {
    let last = Arc::new(AtomicU64::new(0));
    Namespace::new("/presence")
        .on("message", give_back)
        .on_connect(move |peer: Peer| {
            let number = last.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                peer.set(Number(number));
                peer.emit("message", (format!("you {number}"),)).ok();
                // Only now, so that nobody hears of others before it knows who it is.
                peer.join(PRESENT)?;
                peer.to(PRESENT).emit("message", (format!("+{number}"),)).await?;
                Ok::<_, omniwire::Failure>(())
            }
        })
        .on_disconnect(|peer: Peer| async move {
            if let Some(number) = peer.get::<Number>() {
                peer.to(PRESENT).emit("message", (format!("-{}", number.0),)).await.ok();
            }
        })
}
