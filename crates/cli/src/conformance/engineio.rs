//! `--suite engineio`: bare Engine.IO that echoes.

pub(super) mod client;

use super::{Basis, Site};
use crate::mistake::Mistake;
use omniwire::protocols::engineio::Config;
use omniwire::{Args, EngineIoMount, EventName, Limits, Namespace, Origins, Peer, RawArgs};
use std::time::Duration;

pub(super) fn site(basis: &Basis) -> Result<Site, Mistake> {
    let echo = Namespace::new("/").on_any(
        |peer: Peer, EventName(name): EventName, Args(args): Args<RawArgs>| async move {
            peer.emit(name, args)
        },
    );
    let config = Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        max_payload: 1_000_000,
        allow_eio3: true,
        assume_eio3: false,
        ..Config::default()
    };
    let omniwire = basis
        .builder(Limits::default())?
        .without_socketio()
        .origins(Origins::any())
        .bare_namespace(echo)
        .mount("/engine.io", EngineIoMount::new("/").config(config))
        .build()?;
    Ok(Site::new(omniwire))
}
