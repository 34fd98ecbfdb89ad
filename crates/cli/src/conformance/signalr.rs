//! `--suite signalr`: the hubs of the contract, all with the same methods.

mod beside;
mod clients;
mod echo;
mod functional;
mod send;
mod streams;
mod user;
mod world;

use super::{Basis, Site, set_from_environment, set_time_from_environment};
use crate::mistake::Mistake;
use axum::Router;
use axum::middleware::from_fn;
use omniwire::protocols::signalr::{Config, Transport, Transports};
use omniwire::{BuildError, Failure, Limits, Namespace, Origins, Peer, Reason, SignalRMount};
use std::time::Duration;

/// The largest result that a test asks for has to fit.
const OUTBOX_LEN_MAX: usize = 64 << 20;

pub(super) fn site(basis: &Basis) -> Result<Site, Mistake> {
    let mut limits = Limits::default();
    limits.outbox_len_max = OUTBOX_LEN_MAX;
    let mut builder = basis.builder(limits)?.without_socketio().origins(Origins::any());
    for hub in hubs().into_iter().chain(functional::hubs()) {
        let path = hub.name;
        let hub = hub.with_environment()?;
        let mount = SignalRMount::new(path).config(hub.config).parallel_max(hub.parallel_max);
        builder = builder.bare_namespace(hub.namespace).mount(path, mount);
    }
    let omniwire = builder.mount("/redirect", functional::redirecting()).build()?;
    let hub = |name: &str| {
        omniwire.namespace(name).ok_or_else(|| BuildError::NoNamespace(name.to_owned()))
    };
    let beside = beside::router(hub("/hubs/big")?)
        .merge(functional::router(hub(functional::HUB)?))
        .layer(from_fn(beside::any_page));
    let around = |site: Router| site.layer(from_fn(functional::cookies));
    Ok(Site { omniwire, beside, around })
}

/// One hub, with the defaults but for what the contract says of it.
struct Hub {
    name: &'static str,
    namespace: Namespace,
    config: Config,
    parallel_max: usize,
}

impl Hub {
    fn new(name: &'static str) -> Self {
        let namespace = with_methods(Namespace::new(name).identify(user::of))
            .on_connect(enter)
            .on_disconnect(leave);
        Self { name, namespace, config: Config::default(), parallel_max: 1 }
    }

    fn with_environment(mut self) -> Result<Self, Mistake> {
        let config = &mut self.config;
        set_from_environment("SIGNALR_MESSAGE_LEN_MAX", |len| config.message_len_max = len)?;
        set_from_environment("SIGNALR_STATEFUL_LEN_MAX", |len| config.stateful_len_max = len)?;
        set_time_from_environment("SIGNALR_HANDSHAKE_TIMEOUT", &mut config.handshake_timeout)?;
        set_time_from_environment("SIGNALR_DISCONNECT_TIMEOUT", &mut config.disconnect_timeout)?;
        Ok(self)
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }
}

fn hubs() -> Vec<Hub> {
    let mut par = Hub::new("/hubs/par");
    par.parallel_max = 4;
    let mut detail = Hub::new("/hubs/detail").with(|config| config.detailed_errors = true);
    detail.namespace = detail.namespace.detailed_errors(true);
    let mut auth = Hub::new("/hubs/auth");
    auth.namespace = auth.namespace.authorize(user::required);
    let mut refuse = Hub::new("/hubs/refuse");
    refuse.namespace = Namespace::new("/hubs/refuse")
        .on_connect(|| async { Err::<(), _>(Failure::client("not today")) });
    let stateful = |config: &mut Config| config.stateful_reconnects = true;
    vec![
        Hub::new("/hubs/test").with(stateful),
        Hub::new("/hubs/fast").with(stateful).with(fast),
        par,
        detail,
        Hub::new("/hubs/big").with(|config| config.message_len_max = 4 << 20),
        auth,
        refuse,
        Hub::new("/hubs/wsonly")
            .with(|config| config.transports = Transports::only(Transport::WebSockets)),
        Hub::new("/hubs/lponly")
            .with(|config| config.transports = Transports::only(Transport::LongPolling)),
        Hub::new("/hubs/v1only").with(|config| config.negotiate_version_min = 1),
    ]
}

fn fast(config: &mut Config) {
    config.keep_alive_interval = Duration::from_secs(1);
    config.client_timeout = Duration::from_secs(3);
    config.handshake_timeout = Duration::from_secs(2);
    config.poll_timeout = Duration::from_secs(3);
}

fn with_methods(namespace: Namespace) -> Namespace {
    let namespace = echo::add(namespace);
    let namespace = streams::add(namespace);
    let namespace = send::add(namespace);
    clients::add(namespace)
}

async fn enter(peer: Peer) {
    world::entered(peer.id());
}

async fn leave(peer: Peer, reason: Reason) {
    world::left(peer.id(), reason);
}
