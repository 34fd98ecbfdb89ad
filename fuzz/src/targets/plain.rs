//! Plain peers: envelopes, bodies of them, and raw messages.

use bytes::Bytes;
use omniwire_plain::envelope::{self, Envelope};
use omniwire_plain::{Config, PlainSession};
use omniwire_session::{Event, Link, json};

use crate::input::text;
use crate::session::{Bench, Step, check_event};
use crate::targets::sessions;

/// One envelope, and a body of them. What is not taken is answered by an envelope.
pub(crate) fn envelope(input: &[u8]) {
    let text = text(input);
    match Envelope::parse(&text) {
        Ok(envelope) => match envelope.into_event(Link::FIRST) {
            Ok(event) => check_event(&event),
            Err(ping) => assert!(json::validate(&ping.to_pong()).is_ok()),
        },
        Err(bad) => assert!(json::validate(&bad.to_envelope()).is_ok()),
    }
    match envelope::parse_body(&Bytes::copy_from_slice(input)) {
        Ok(envelopes) => {
            assert!(envelopes.len() <= envelope::BODY_COUNT_MAX);
            let events = envelopes.into_iter().filter_map(|one| one.into_event(Link::FIRST).ok());
            events.for_each(|event| check_event(&event));
        }
        Err(fault) => {
            assert_eq!(fault.status, 400);
            assert!(json::validate(&fault.text).is_ok());
        }
    }
}

/// A raw text comes to the application as it was sent.
pub(crate) fn raw(input: &[u8]) {
    let text = text(input);
    let session = PlainSession::new(Config::default(), "TOKEN".into());
    let mut bench = Bench::new(session, sessions::is_anything);
    bench.step(Step::socket());
    bench.step(Step::text(text.clone()));
    match bench.events.last() {
        Some(Event::Message { args, .. }) => {
            assert_eq!(json::unescape(args.json()).as_deref(), Some(&*text));
        }
        other => panic!("no message: {other:?}"),
    }
}
