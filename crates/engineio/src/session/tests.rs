//! The cases of the official suites (docs/engine.io-protocol/v4-test-suite, v3-test-suite) that
//! are about a session, and the rules of socketio.md, section 4. The server's echo has the
//! suites' timers: pings every 300 ms, 200 ms for the answer.

use super::*;
use crate::harness::{Deed, Driver};
use omniwire_session::{Answer, Detached, Kind};
use std::time::Duration;

mod close;
mod upgrade;
mod v3;
mod v4;
mod webtransport;

fn config() -> Arc<Config> {
    Arc::new(Config {
        ping_interval: ms(300),
        ping_timeout: ms(200),
        upgrade_timeout: ms(1000),
        allow_eio3: true,
        ..Config::default()
    })
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn driver(open: &Open) -> Driver<EngineIoSession> {
    let now = Instant::now();
    Driver::new(EngineIoSession::new(config(), open, "SID".into(), now), now, echo)
}

fn echo(event: &Event) -> Vec<Deed> {
    match event {
        Event::Enter { link, .. } => {
            vec![Deed::Input(Input::Accept { link: *link, id: "ID".into(), token: None })]
        }
        Event::Message { name, args, .. } => {
            assert_eq!(*name, "message");
            vec![Deed::Emit { namespace: "", name: "message", args: args.clone() }]
        }
        _ => Vec::new(),
    }
}

/// A session on polling, its open packet fetched.
fn polling() -> Driver<EngineIoSession> {
    let mut driver = driver(&Open::new(Carrier::LongPoll));
    assert!(driver.get().starts_with('0'));
    driver
}

/// A session on a WebSocket, its open packet received.
fn websocket() -> (Driver<EngineIoSession>, CarrierId) {
    let mut driver = driver(&Open::new(Carrier::WebSocket));
    let id = driver.websocket();
    assert!(driver.receive_text(id).starts_with('0'));
    (driver, id)
}

fn reasons(driver: &Driver<EngineIoSession>) -> Vec<Reason> {
    let reason = |event: &Event| match event {
        Event::Leave { reason, .. } => Some(*reason),
        _ => None,
    };
    driver.events.iter().filter_map(reason).collect()
}

/// The session is over, and the application heard of it once.
fn assert_over(driver: &Driver<EngineIoSession>, reason: Reason) {
    assert_eq!(driver.closed, Some(reason));
    assert_eq!(reasons(driver), [reason]);
    assert_eq!(driver.due, None);
}
