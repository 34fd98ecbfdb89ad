//! The cases of the official suite (docs/socket.io-protocol/v5-test-suite) that are about a
//! session, and the rules of socketio.md, section 4. The application is the suite's: namespaces
//! `/` and `/custom`, events `message` and `message-with-ack`.

use super::*;
use crate::harness::{Deed, Driver};
use omniwire_engineio as engineio;
use omniwire_session::{Detached, Outgoing};
use std::time::Duration;

mod advisories;
mod chaos;
mod connect;
mod legacy;
mod message;

type SioDriver = Driver<SocketIoSession>;

fn config() -> Arc<Config> {
    let engine = engineio::Config {
        ping_interval: ms(300),
        ping_timeout: ms(200),
        allow_eio3: true,
        ..engineio::Config::default()
    };
    let engine = Arc::new(engine);
    Arc::new(Config { engine, connect_timeout: ms(1000), namespaces_max: 3, ..Config::default() })
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn known(namespace: &str) -> Option<&'static str> {
    ["/", "/custom", "/slow"].into_iter().find(|known| *known == namespace)
}

fn application(event: &Event) -> Vec<Deed> {
    // The links of these tests: 0 is the first namespace, and so on. What comes for one is
    // answered in `/`, which is the first in all of them that say something.
    match event {
        Event::Enter { link, namespace, auth, .. } => {
            let link = *link;
            match known(namespace) {
                Some("/slow") => Vec::new(),
                Some(namespace) => {
                    let auth = if auth.is_empty() {
                        Args::from_elements("{}".into()).unwrap()
                    } else {
                        auth.clone()
                    };
                    vec![
                        Deed::Input(Input::Accept {
                            link,
                            id: format!("ID{}", link.0).into(),
                            token: None,
                        }),
                        Deed::Emit { namespace, name: "auth", args: auth },
                    ]
                }
                None => {
                    let refusal = Refusal::new("Invalid namespace");
                    vec![Deed::Input(Input::Refuse { link, refusal })]
                }
            }
        }
        Event::Message { name, args, call, .. } => match (&**name, call) {
            ("message", _) => {
                let args = args.clone();
                vec![Deed::Emit { namespace: "/", name: "message-back", args }]
            }
            ("message-with-ack", Some(call)) => {
                let (call, args) = (call.id.clone(), args.clone());
                vec![Deed::Reply { namespace: "/", call, args }]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn driver(open: &Open) -> SioDriver {
    let now = Instant::now();
    let session = SocketIoSession::new(config(), open, "SID".into(), now);
    Driver::new(session, now, application)
}

/// A client on a WebSocket, in no namespace.
fn websocket() -> (SioDriver, CarrierId) {
    let mut driver = driver(&Open::new(Carrier::WebSocket));
    let id = driver.websocket();
    assert!(driver.receive_text(id).starts_with("0{"));
    (driver, id)
}

/// A client on a WebSocket, in `/`.
fn connected() -> (SioDriver, CarrierId) {
    let (mut driver, id) = websocket();
    driver.send(id, "40").unwrap();
    assert_eq!(driver.receive_text(id), r#"40{"sid":"ID0"}"#);
    assert_eq!(driver.receive_text(id), r#"42["auth",{}]"#);
    (driver, id)
}

/// A client on polling, in `/`.
fn polling() -> SioDriver {
    let mut driver = driver(&Open::new(Carrier::LongPoll));
    assert!(driver.get().starts_with("0{"));
    driver.post("40").unwrap();
    assert_eq!(driver.get(), "40{\"sid\":\"ID0\"}\x1e42[\"auth\",{}]");
    driver
}

/// Who left, and why, in npm's words.
fn left(driver: &SioDriver) -> Vec<(u32, &'static str)> {
    let left = |event: &Event| match event {
        Event::Leave { link, reason } => Some((link.0, reason.as_str())),
        _ => None,
    };
    driver.events.iter().filter_map(left).collect()
}

/// That these packets end the connection of a client in `/`.
fn assert_closes(packets: &[&str], reason: &'static str) {
    let (mut driver, id) = connected();
    let results: Vec<_> = packets.iter().map(|packet| driver.send(id, packet)).collect();
    assert!(results.last().unwrap().is_err(), "{packets:?}");
    assert!(driver.is_ended(id), "{packets:?}");
    assert_eq!(driver.closed, Some(Reason::ProtocolError), "{packets:?}");
    assert!(left(&driver).contains(&(0, reason)), "{packets:?}");
}

#[test]
fn a_slow_client_that_does_not_poll_learns_it_by_its_next_poll() {
    let mut driver = polling();
    driver.input(Input::Close { reason: Reason::Slow }).unwrap();
    assert_eq!(left(&driver), [(0, Reason::Slow.as_str())]);
    assert_eq!(driver.closed, None);
    assert_eq!(driver.get(), "1");
    assert_eq!(driver.closed, Some(Reason::Slow));
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<SocketIoSession>() <= 320, "{}", size_of::<SocketIoSession>());
}
