//! Envelopes of `omniwire-plain` inside SockJS, as a server composes them.

use bytes::BytesMut;
use omniwire_plain::envelope::{self, Envelope, Listener};
use omniwire_plain::{Config as PlainConfig, Manner as PlainManner, PlainSession};
use omniwire_session::{
    Args, ByteString, Carrier, CarrierId, Encoding, Event, Input, Link, Message, Outgoing, Output,
    Session, Wire, WireForm, WireId, json,
};
use omniwire_sockjs::{
    Config, Heard, Manner, RAW, SockJsSession, Wrapped, unescape_keeping_surrogates, write_string,
};
use proptest::prelude::*;
use std::time::Instant;

static WRAPPED: &dyn Wire = &Wrapped::new(&omniwire_plain::EnvelopeWire, WireId(49));

#[derive(Debug, Default)]
struct Envelopes(Listener);

impl Manner for Envelopes {
    fn wire(&self) -> WireForm {
        WireForm(&WRAPPED)
    }

    fn hear(&mut self, link: Link, message: &ByteString) -> Heard {
        let text = unescape_keeping_surrogates(message).unwrap_or_default();
        match self.0.hear(link, &text) {
            envelope::Heard::Event(event) => Heard::Event(event),
            envelope::Heard::Answer(answer) => Heard::Answer(answer),
            envelope::Heard::Bad { answer, fault, fatal } => Heard::Bad { answer, fault, fatal },
        }
    }

    fn welcome(&mut self, peer: &str) -> Option<ByteString> {
        let mut out = BytesMut::new();
        envelope::write_open(&mut out, peer, None);
        Some(json::into_text(out))
    }
}

/// What a session that was let in makes of a text on its WebSocket: events, and frames.
fn hear(session: &mut dyn Session, text: &str) -> (Vec<Event>, Vec<String>) {
    let id = CarrierId::new(1);
    let message = Message::text(text.to_owned());
    let inputs = [
        Input::Attach { id, carrier: Carrier::WebSocket },
        Input::Accept { link: Link::FIRST, id: "peer".into(), token: None },
        Input::Message { id, message },
    ];
    let (mut events, mut frames) = (Vec::new(), Vec::new());
    for input in inputs {
        // What is refused is seen by the frames.
        let _ = session.handle_input(Instant::now(), input);
        loop {
            match session.poll_output() {
                Output::Event(Event::Enter { .. }) => {}
                Output::Event(event) => events.push(event),
                Output::Transmit(message) => {
                    frames.push(String::from_utf8(message.as_bytes().to_vec()).unwrap());
                }
                Output::Timeout(_) => break,
                _ => {}
            }
        }
    }
    (events, frames)
}

fn sockjs(text: &str) -> (Vec<Event>, Vec<String>) {
    hear(&mut SockJsSession::new(Config::default().into(), Envelopes::default()), text)
}

fn args_of(events: &[Event]) -> Args {
    let [Event::Message { args, .. }] = events else { panic!("no message: {events:?}") };
    args.clone()
}

fn encode(wire: &dyn Wire, args: &Args) -> String {
    let mut out = Encoding::default();
    let what = Outgoing::Event { name: "say", args, call: None, position: None };
    wire.encode("", what, &mut out);
    let prepared = out.finish(|_, _, _| 0).unwrap();
    String::from_utf8(prepared.frames()[0].payload().to_vec()).unwrap()
}

#[test]
fn envelopes_over_sockjs() {
    let (events, frames) = sockjs(r#"["{\"event\":\"say\",\"args\":[\"hi\"],\"id\":1}"]"#);
    assert_eq!(args_of(&events), Args::from_text("hi"));
    assert_eq!(frames, ["o", r#"a["{\"open\":{\"peer\":\"peer\"}}"]"#]);
    let (_, frames) = sockjs(r#"["{\"ping\":1}"]"#);
    assert_eq!(frames[2], r#"a["{\"pong\":1}"]"#);
    let (_, frames) = sockjs("[7]");
    assert!(frames[2].starts_with(r#"a["{\"error\":{\"code\":\"bad_envelope\""#), "{frames:?}");
}

#[test]
fn a_lone_surrogate_passes_each_pair_where_json_is_the_wire() {
    let mut config = PlainConfig::default();
    config.manner = PlainManner::Envelope;
    let envelope = r#"{"event":"say","args":["\ud800"]}"#;
    let (events, _) = hear(&mut PlainSession::new(config, "".into()), envelope);
    let (raw, _) = hear(
        &mut SockJsSession::new(Config::default().into(), omniwire_sockjs::Raw),
        r#"["\ud800"]"#,
    );
    let (once, _) = sockjs(r#"["{\"event\":\"say\",\"args\":[\"\ud800\"]}"]"#);
    let (twice, _) = sockjs(r#"["{\"event\":\"say\",\"args\":[\"\\ud800\"]}"]"#);
    for events in [events, raw, once, twice] {
        let args = args_of(&events);
        assert_eq!(encode(RAW, &args), r#"a["\ud800"]"#);
        assert_eq!(encode(omniwire_plain::ENVELOPE, &args), envelope);
        assert_eq!(encode(WRAPPED, &args), r#"a["{\"event\":\"say\",\"args\":[\"\\ud800\"]}"]"#);
        assert_eq!(encode(omniwire_plain::SSE, &args), "event: say\ndata: [\"\\ud800\"]\n\n");
        // Text cannot hold it.
        assert_eq!(encode(omniwire_plain::RAW, &args), "\u{fffd}");
    }
}

proptest! {
    #[test]
    fn texts_pass_there_and_back(texts in prop::collection::vec(any::<String>(), 0..4)) {
        let args = Args::from_array(&serde_json::to_string(&texts).unwrap().into()).unwrap();
        let frame = encode(WRAPPED, &args);
        // What the server sends as `a[..]` a client could send as `[..]`.
        let (events, _) = sockjs(frame.strip_prefix('a').unwrap());
        prop_assert_eq!(args_of(&events), args);
    }

    #[test]
    fn any_message_is_an_envelope_or_refused(text in any::<String>()) {
        let mut quoted = BytesMut::new();
        write_string(&mut quoted, &text);
        let quoted = json::into_text(quoted);
        let (events, frames) = sockjs(&format!("[{quoted}]"));
        let good = Envelope::parse(&text.into()).is_ok();
        prop_assert!(good || (events.is_empty() && frames.len() == 3));
    }
}
