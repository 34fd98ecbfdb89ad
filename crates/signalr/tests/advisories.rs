//! Published vulnerabilities of SignalR and of MessagePack readers, as what they would take here.
//! Those whose advisory gives no detail are met by [`hostile`] at once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bytes::Bytes;
use omniwire_session::{
    Carrier, CarrierId, Detached, Encoding, Event, Frame, Input, Link, Message, Output, Prepared,
    Reason, Session,
};
use omniwire_signalr::{Config, SignalRSession};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The stack of the threads that read hostile input: less than a frame for each of 10,000 levels.
const STACK_LEN: usize = 256 << 10;
/// How deep, or how often.
const MANY: usize = 10_000;

const ID: CarrierId = CarrierId::new(1);

/// What became of an input.
#[derive(Debug, PartialEq)]
enum Became {
    /// The connection is over.
    Closed,
    /// The call was refused, with this in its answer, and the connection lives.
    Refused(String),
    /// It reached the application, as JSON.
    Heard(String),
    /// Nothing: it was ignored, is not whole, or fails the stream or the answer that it belongs to.
    Nothing,
}

fn drain(session: &mut SignalRSession) -> Vec<Output> {
    let next = || match session.poll_output() {
        Output::Timeout(_) => None,
        output => Some(output),
    };
    std::iter::from_fn(next).collect()
}

fn say(session: &mut SignalRSession, bytes: &[u8]) -> Vec<Output> {
    let message = Message::Binary(Bytes::copy_from_slice(bytes));
    session.handle_input(Instant::now(), Input::Message { id: ID, message }).unwrap();
    drain(session)
}

fn opened(config: Config, protocol: &str, version: u8, stateful: bool) -> SignalRSession {
    let session = SignalRSession::new(config.into(), Instant::now());
    let mut session = if stateful { session.stateful() } else { session };
    let attach = Input::Attach { id: ID, carrier: Carrier::WebSocket };
    session.handle_input(Instant::now(), attach).unwrap();
    let hello = format!("{{\"protocol\":\"{protocol}\",\"version\":{version}}}\u{1e}");
    say(&mut session, hello.as_bytes());
    let accept = Input::Accept { link: Link::FIRST, id: "id".into(), token: None };
    session.handle_input(Instant::now(), accept).unwrap();
    drain(&mut session);
    session
}

/// What becomes of these bytes behind a handshake, with room for them and little stack.
fn hostile(protocol: &'static str, bytes: Vec<u8>) -> Became {
    let read = move || {
        let config = Config { message_len_max: 1 << 20, ..Config::default() };
        let mut session = opened(config, protocol, 1, false);
        let outputs = say(&mut session, &bytes);
        if session.is_closed() {
            return Became::Closed;
        }
        match outputs.into_iter().next() {
            None => Became::Nothing,
            Some(Output::Transmit(message)) => {
                Became::Refused(String::from_utf8_lossy(message.as_bytes()).into_owned())
            }
            Some(Output::Event(Event::Message { args, .. })) => {
                Became::Heard(args.json().to_string())
            }
            Some(Output::Event(Event::End { .. } | Event::Reply { .. })) => Became::Nothing,
            Some(other) => panic!("{other:?}"),
        }
    };
    std::thread::Builder::new().stack_size(STACK_LEN).spawn(read).unwrap().join().unwrap()
}

/// A MessagePack record with its length in front.
fn record(body: &[u8]) -> Vec<u8> {
    let (mut record, mut len) = (Vec::new(), body.len());
    while len > 0x7f {
        record.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    record.push(len as u8);
    record.extend_from_slice(body);
    record
}

/// `[1, {}, "1", "Echo", ARGUMENTS]`.
fn call(arguments: &[u8]) -> Vec<u8> {
    let head = [0x95, 1, 0x80, 0xa1, b'1', 0xa4, b'E', b'c', b'h', b'o'];
    record(&[&head[..], arguments].concat())
}

fn is_refused(became: Became) -> bool {
    matches!(became, Became::Refused(text)
        if text.contains("Failed to invoke 'Echo' due to an error on the server."))
}

fn deep(open: &[u8]) -> Vec<u8> {
    [open.repeat(MANY), vec![0xc0]].concat()
}

#[test]
fn cve_2026_45591_nested_messagepack_is_no_recursion() {
    // In arguments, which spoil their call only.
    assert!(is_refused(hostile("messagepack", call(&[vec![0x91], deep(&[0x91])].concat()))));
    let maps = [vec![0x91], deep(&[0x81, 0xa1, b'a'])].concat();
    assert!(is_refused(hostile("messagepack", call(&maps))));
    // In items, results and headers, and where nothing is looked at.
    for head in [&[0x94, 2, 0x80, 0xa1, b'1'][..], &[0x95, 3, 0x80, 0xa1, b'1', 3]] {
        let became = hostile("messagepack", record(&[head, &deep(&[0x91])].concat()));
        assert_ne!(became, Became::Closed);
    }
    let headers = [&[0x95, 1, 0x81, 0xa1, b'h'][..], &deep(&[0x91])].concat();
    assert_eq!(hostile("messagepack", record(&headers)), Became::Closed);
    for head in [&[0x92, 99][..], &[0x92, 6], &[0x93, 7, 0xc0]] {
        hostile("messagepack", record(&[head, &deep(&[0x91])].concat()));
    }
    // JSON is no better.
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let (open, close) = (open.repeat(MANY), close.repeat(MANY));
        for members in [
            format!("\"type\":1,\"target\":\"Echo\",\"arguments\":[{open}1{close}]"),
            format!("\"type\":6,\"extension\":{open}1{close}"),
            format!("\"type\":99,\"more\":{open}"),
        ] {
            let bytes = format!("{{{members}}}\u{1e}").into_bytes();
            assert_eq!(hostile("json", bytes), Became::Closed);
        }
    }
}

fn frame(len: usize) -> Frame {
    let mut encoding = Encoding::default();
    encoding.text().extend_from_slice("x".repeat(len).as_bytes());
    match encoding.finish(|_, _, _| 2) {
        Some(Prepared::One(frame)) => frame,
        other => panic!("{other:?}"),
    }
}

fn comes_back(session: &mut SignalRSession, carrier: u32) -> usize {
    let id = CarrierId::new(carrier);
    let detach = Input::Detach { id: CarrierId::new(carrier - 1), how: Detached::Lost };
    session.handle_input(Instant::now(), detach).unwrap();
    let attach = Input::Attach { id, carrier: Carrier::WebSocket };
    session.handle_input(Instant::now(), attach).unwrap();
    let resent = drain(session).into_iter().find_map(|output| match output {
        Output::Resend { frames, .. } => Some(frames.iter().map(|f| f.as_payload().len()).sum()),
        _ => None,
    });
    resent.unwrap()
}

#[test]
fn cve_2026_56170_what_a_stateful_reconnect_replays_is_bounded() {
    const LEN: usize = 1000;
    let config = Config { stateful_len_max: 100 * LEN, ..Config::default() };
    let mut session = opened(config, "json", 2, true);
    let mut acked = 0;
    for carrier in 2..100 {
        // A client that acknowledges no more than what was sent again to it, and comes back.
        let mut queue: VecDeque<_> = (0..1000).map(|_| frame(LEN)).collect();
        session.pass(&mut queue).unwrap();
        let sent = 1000 - queue.len();
        assert!(sent <= 101, "more than may wait for an Ack");
        let resent = comes_back(&mut session, carrier);
        assert!(resent <= 202 * LEN, "{resent} bytes are kept");
        acked += sent;
        let ack = format!("{{\"type\":8,\"sequenceId\":{acked}}}\u{1e}");
        let message = Message::text(ack);
        let input = Input::Message { id: CarrierId::new(carrier), message };
        session.handle_input(Instant::now(), input).unwrap();
        drain(&mut session);
    }
}

#[test]
fn cve_2026_56170_a_client_that_does_not_come_back_is_forgotten() {
    let config = Config::default();
    let wait = config.disconnect_timeout;
    let mut session = opened(config, "json", 2, true);
    session.pass(&mut VecDeque::from([frame(50_000)])).unwrap();
    let now = Instant::now();
    session.handle_input(now, Input::Detach { id: ID, how: Detached::Lost }).unwrap();
    drain(&mut session);
    session.handle_input(now + wait + Duration::from_secs(1), Input::Timeout).unwrap();
    let closed =
        |output: &Output| matches!(output, Output::Closed { reason: Reason::ConnectionLost, .. });
    assert!(drain(&mut session).iter().any(closed));
}

#[test]
fn cve_2026_26130_a_record_without_an_end_fills_no_buffer() {
    for protocol in ["json", "messagepack"] {
        let mut session = opened(Config::default(), protocol, 1, false);
        // To MessagePack it says that 268,435,327 bytes follow; JSON has only no end.
        let mut taken = 0;
        let mut piece = vec![0xff, 0xff, 0xff, 0x7f];
        while !session.is_closed() {
            say(&mut session, &piece);
            taken += piece.len();
            piece = vec![b'x'; 100];
            assert!(taken <= 33_000, "{protocol}: {taken} bytes are kept");
        }
    }
    // What is POSTed before there is a transport is kept, but not for ever.
    let mut session = SignalRSession::new(Config::default().into(), Instant::now());
    let kind = omniwire_session::Kind::Text;
    let post = || Input::Body { kind, body: vec![b'x'; 1000].into() };
    let posts = (0..1000).take_while(|_| session.handle_input(Instant::now(), post()).is_ok());
    assert!(posts.count() <= 66);
}

#[test]
fn cve_2020_5234_keys_that_collide_meet_no_table() {
    // Maps stay text, pair by pair and in their order, so there is nothing to collide in.
    let pairs = 10_000_u16;
    let mut map = vec![0x91, 0xde];
    map.extend_from_slice(&pairs.to_be_bytes());
    map.extend_from_slice(&[0xa1, b'k', 0x01].repeat(pairs.into()));
    let Became::Heard(json) = hostile("messagepack", call(&map)) else { panic!("not heard") };
    assert_eq!(json.matches("\"k\":1").count(), usize::from(pairs));
}

#[test]
fn cve_2024_48924_deep_graphs_are_refused() {
    // Just deeper than may be, mixed: each level is an array in a map.
    let open = [0x81, 0xa1, b'a', 0x91].repeat(64);
    assert!(is_refused(hostile("messagepack", call(&[vec![0x91], open, vec![0xc0]].concat()))));
    let open = [0x81, 0xa1, b'a', 0x91].repeat(20);
    let became = hostile("messagepack", call(&[vec![0x91], open, vec![0xc0]].concat()));
    assert!(matches!(became, Became::Heard(_)), "{became:?}");
}

#[test]
fn cve_2026_48109_compressed_blocks_are_not_unpacked() {
    // MessagePack-CSharp's LZ4: extension 99 with the unpacked length in front, and 98 in an array.
    let lz4 = [0x91, 0xc7, 9, 99, 0xd2, 0x7f, 0xff, 0xff, 0xff, 0x1f, 0x61, 0x01, 0x00];
    assert!(is_refused(hostile("messagepack", call(&lz4))));
    let blocks = [0x91, 0x92, 0xc7, 5, 98, 0xd2, 0x7f, 0xff, 0xff, 0xff, 0xc4, 1, 0x00];
    assert!(is_refused(hostile("messagepack", call(&blocks))));
}

#[test]
fn cve_2026_48517_counts_that_the_bytes_cannot_hold_are_refused() {
    // A count of pairs whose double does not fit 32 bits, and dimensions that multiply.
    for lie in [
        &[0xdf, 0x80, 0, 0, 0][..],
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0x93, 0xdd, 0x00, 0x01, 0x00, 0x00, 0xdd, 0x00, 0x01, 0x00, 0x00],
        &[0xdc, 0xff, 0xff, 0xdc, 0xff, 0xff],
    ] {
        assert!(is_refused(hostile("messagepack", call(&[&[0x91][..], lie].concat()))));
    }
    // The count of the arguments, of the headers and of the streams.
    assert!(is_refused(hostile("messagepack", call(&[0xdd, 0xff, 0xff, 0xff, 0xff]))));
    let headers = [0x95, 1, 0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, b'1'];
    assert_eq!(hostile("messagepack", record(&headers)), Became::Closed);
    let streams =
        [&[0x96, 1, 0x80, 0xa1, b'1', 0xa1, b'm', 0x90][..], &[0xdd, 0xff, 0xff, 0xff, 0xff]];
    assert_eq!(hostile("messagepack", record(&streams.concat())), Became::Closed);
}

/// What the length says, and what is there, with room for no more than that.
fn lengths_lie(markers: &[u8], tail: &[u8]) {
    for &marker in markers {
        let lie = [&[0x91, marker, 0xff, 0xff, 0xff, 0xff][..], tail].concat();
        assert!(is_refused(hostile("messagepack", call(&lie))), "{marker:x}");
    }
}

#[test]
fn cve_2026_21452_extensions_that_lie_about_their_length_are_refused() {
    lengths_lie(&[0xc9], &[1]);
    lengths_lie(&[0xc9], &[0xff]);
}

#[test]
fn rustsec_2017_0006_byte_strings_that_lie_about_their_length_are_refused() {
    lengths_lie(&[0xc6, 0xdb], &[]);
}

#[test]
fn cve_2026_5740_records_that_lie_about_their_length_are_refused() {
    for prefix in [&[0xff; 5][..], &[0xff, 0xff, 0xff, 0xff, 0x07], &[0xff, 0xff, 0xff, 0x7f]] {
        assert_eq!(hostile("messagepack", prefix.to_vec()), Became::Closed);
    }
    // One that may come is waited for.
    assert_eq!(hostile("messagepack", vec![0x80, 0x80, 0x01, 0x95]), Became::Nothing);
}

/// Bytes that look like records as often as not.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(0x80_u8..0xa4, 1..20).prop_map(|body| record(&body)),
        "\\{\"type\":[0-9]{1,2},\"(target|invocationId|item|arguments)\":[\\[\\]\"0-9]{0,4}\\}\u{1e}"
            .prop_map(String::into_bytes),
        Just(b"{\"type\":1,\"target\":\"a\",\"arguments\":[]}\x1e".to_vec()),
    ];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// CVE-2024-21386, CVE-2019-0982, CVE-2020-0602, CVE-2020-0603: a hostile client, no detail.
    #[test]
    fn cve_2024_21386_cve_2019_0982_cve_2020_0602_cve_2020_0603_hostile_clients(
        bytes in bytes(),
        cut in any::<prop::sample::Index>(),
        is_json in any::<bool>(),
    ) {
        let protocol = if is_json { "json" } else { "messagepack" };
        let mut session = opened(Config::default(), protocol, 1, false);
        let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut outputs = say(&mut session, head);
        outputs.extend(say(&mut session, tail));
        let ends = outputs.iter().filter(|output| matches!(output, Output::Closed { .. })).count();
        prop_assert_eq!(ends, usize::from(session.is_closed()));
        if session.is_closed() {
            prop_assert!(say(&mut session, &bytes).is_empty());
        }
    }
}
