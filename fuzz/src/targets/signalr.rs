//! SignalR: requests, the handshake, and both hub protocols, through a session.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use omniwire_session::{Args, Event, Message, json as valid};
use omniwire_signalr::client::{
    Action, Client, EventStream, Negotiated, Opened, Options, Protocol,
};
use omniwire_signalr::{Config, Head, Request, SignalRSession, negotiate};

use crate::input::{Input, cut, text};
use crate::session::{Bench, Step};
use crate::targets::sessions::is_signalr;

/// A request: method, flags, path, `Accept`, query.
pub(crate) fn request(input: &[u8]) {
    let mut input = Input::new(input);
    let method = match input.choice() {
        b'P' => Method::POST,
        b'D' => Method::DELETE,
        b'U' => Method::PUT,
        _ => Method::GET,
    };
    let flags = input.choice();
    let tail = input.text();
    let mut headers = HeaderMap::new();
    if let Ok(accept) = HeaderValue::from_bytes(input.part()) {
        headers.insert(header::ACCEPT, accept);
    }
    let query = text(input.rest());
    let head = Head {
        tail: &tail,
        method: &method,
        query: Some(&query),
        headers: &headers,
        is_websocket_upgrade: flags & 1 != 0,
    };
    match Request::read(flags >> 1 & 1, &head) {
        Ok(Request::Connect { token }) => assert!(token.is_none_or(|token| !token.is_empty())),
        Ok(Request::Negotiate { version: Err(why), .. }) => {
            let refused = negotiate::refuse(&why);
            assert!(serde_json::from_slice::<serde_json::Value>(&refused.body).is_ok());
        }
        Ok(
            Request::EventStream { token }
            | Request::Poll { token }
            | Request::Send { token }
            | Request::Delete { token },
        ) => assert!(!token.is_empty()),
        Ok(Request::Negotiate { .. }) => {}
        Err(fault) => assert!(fault.status >= 400),
    }
}

/// The first record lets the client in, or is answered by one error and the end.
pub(crate) fn handshake(input: &[u8]) {
    let mut bench = bench();
    bench.step(Step::Message(0, Message::Binary(input.to_vec().into())));
    match (&bench.events[..], &bench.transmitted[..], bench.closed) {
        ([], [], false) => assert!(!input.contains(&0x1e), "a record without an answer"),
        ([], [Message::Text(refused)], true) => assert!(refused.starts_with(r#"{"error":"#)),
        ([Event::Enter { .. }, ..], [accepted, ..], _) => {
            assert_eq!(accepted.as_bytes(), b"{}\x1e");
        }
        other => panic!("{other:?}"),
    }
}

/// JSON records, cut anywhere.
pub(crate) fn json(input: &[u8]) {
    any_split_is_the_same("json", input);
}

/// MessagePack records, cut anywhere.
pub(crate) fn messagepack(input: &[u8]) {
    any_split_is_the_same("messagepack", input);
}

fn any_split_is_the_same(protocol: &str, input: &[u8]) {
    let mut input = Input::new(input);
    let cuts = input.part().to_vec();
    let bytes = input.rest();
    let whole = hear(protocol, &[Bytes::copy_from_slice(bytes)]);
    let parts = hear(protocol, &cut(bytes, &cuts));
    assert_eq!(parts.events, whole.events);
    assert_eq!(parts.transmitted, whole.transmitted);
    assert_eq!(parts.closed, whole.closed);
}

/// A session after its handshake that was told these pieces.
pub(crate) fn hear(protocol: &str, pieces: &[Bytes]) -> Bench<SignalRSession> {
    let mut bench = bench();
    bench.step(Step::text(format!("{{\"protocol\":\"{protocol}\",\"version\":1}}\u{1e}").into()));
    bench.step(Step::Accept(0));
    for piece in pieces {
        bench.step(Step::Message(0, Message::Binary(piece.clone())));
    }
    bench
}

/// What a server tells a client of ours, cut anywhere: protocol, cuts, then its bytes. They are an
/// answer to negotiate too.
pub(crate) fn client(input: &[u8]) {
    let mut input = Input::new(input);
    let protocol = if input.choice() & 1 == 0 { Protocol::Json } else { Protocol::MessagePack };
    let cuts = input.part().to_vec();
    let bytes = input.rest();
    let whole = told(protocol, &[Bytes::copy_from_slice(bytes)]);
    assert_eq!(told(protocol, &cut(bytes, &cuts)), whole);
    if let Ok(Negotiated::Connection(offer)) = Negotiated::read(&text(bytes)) {
        assert!(offer.transports.len() <= bytes.len() / 10);
    }
}

/// All that a client does that is told these pieces, behind its handshake, with two calls of each
/// kind under way.
fn told(protocol: Protocol, pieces: &[Bytes]) -> Vec<Action> {
    let now = Instant::now();
    let mut client = Client::new(Options::new(protocol), now);
    client.opened(now, Opened { stateful: true, ..Opened::default() });
    client.receive(now, Bytes::from_static(b"{}\x1e"));
    for _ in 0..2 {
        client.invoke(now, "call", &Args::default()).unwrap();
        client.stream(now, "stream", &Args::default()).unwrap();
    }
    for piece in pieces {
        client.receive(now, piece.clone());
    }
    std::iter::from_fn(|| client.poll_action()).collect()
}

/// An event stream, cut anywhere: cuts, then its bytes.
pub(crate) fn event_stream(input: &[u8]) {
    let mut input = Input::new(input);
    let cuts = input.part().to_vec();
    let bytes = input.rest();
    let whole = EventStream::default().take(bytes, bytes.len()).unwrap();
    let mut stream = EventStream::default();
    let pieces = cut(bytes, &cuts);
    let parts = pieces.iter().flat_map(|piece| stream.take(piece, bytes.len()).unwrap());
    assert_eq!(parts.collect::<Vec<_>>(), whole);
    assert!(whole.iter().map(Bytes::len).sum::<usize>() <= bytes.len());
}

fn bench() -> Bench<SignalRSession> {
    let config = Config { message_len_max: 1 << 20, ..Config::default() };
    let mut bench = Bench::new(SignalRSession::new(config.into(), Instant::now()), is_signalr);
    bench.step(Step::socket());
    bench
}

/// The one event that a whole record of ours says, to a server.
pub(crate) fn read_own(protocol: &str, record: &[u8]) -> Option<Event> {
    let bench = hear(protocol, &[Bytes::copy_from_slice(record)]);
    assert!(!bench.closed, "our own record is refused: {:?}", valid::quote(&text(record)));
    let mut events = bench.events.into_iter().skip(1);
    let event = events.next();
    assert_eq!(events.next(), None, "one record says two things");
    event
}
