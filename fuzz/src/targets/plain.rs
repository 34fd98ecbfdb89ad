//! Plain peers: envelopes, bodies of them, and raw messages.

use bytes::Bytes;
use omniwire_plain::envelope::{self, Envelope};
use omniwire_plain::{Config, Cursor, PLACES_MAX, Places, PlainSession};
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

/// A cursor and a `Last-Event-ID`: what is taken is written as it is read again, and fits into a
/// header.
pub(crate) fn places(input: &[u8]) {
    let text = text(input);
    if let Some(places) = Places::parse(&text) {
        assert!(places.len() <= PLACES_MAX);
        let written = places.to_string();
        assert!(written.is_ascii() && written.len() <= 3 * text.len());
        assert_eq!(Places::parse(&written), Some(places));
    }
    if let Some(Cursor { token, number, places }) = Cursor::parse(&text) {
        let written = Cursor { token, number, places: &places }.to_string();
        let again = Cursor::parse(&written).expect("it is our own");
        assert_eq!((again.token, again.number, again.places), (token, number, places));
    }
}
