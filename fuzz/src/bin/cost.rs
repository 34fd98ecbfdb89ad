//! What reading costs: `cost CASE TIMES` reads one input of the case's length, or of several times
//! that; without arguments it lists the cases. `cargo xtask test --only cost` counts instructions.

use std::env;
use std::hint::black_box;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, header};
use omniwire_engineio::payload::Payload;
use omniwire_engineio::{Protocol, frame};
use omniwire_fuzz::pieces::Pieces;
use omniwire_plain::envelope::Envelope;
use omniwire_session::{
    Args, Blob, ByteString, Carrier, CarrierId, Input, Kind, Message, Output, Session, json,
};
use omniwire_signalr::SignalRSession;
use omniwire_socketio::Decoder;
use omniwire_sockjs::{Raw, SockJsSession};
use omniwire_websocket::handshake::server::{Options, Request, accept};
use omniwire_websocket::{Limits, Receiver, Role, accept_with, deflate};

/// Something to read; it is made before the count begins.
type Reading = Box<dyn FnOnce()>;

struct Case {
    name: &'static str,
    /// The length that is doubled, in whatever the case is about.
    len: usize,
    prepare: fn(usize) -> Reading,
}

const CASES: &[Case] = &[
    Case { name: "handshake_long_header", len: 7 << 10, prepare: |n| handshake(n, n) },
    Case { name: "handshake_octet_by_octet", len: 7 << 10, prepare: |n| handshake(n, 1) },
    Case { name: "subprotocols_with_blanks", len: 20_000, prepare: subprotocols },
    Case { name: "extensions_unclosed_quote", len: 10_000, prepare: unclosed_quote },
    Case { name: "extensions_many_offers", len: 500, prepare: many_offers },
    Case { name: "extensions_many_parameters", len: 2_000, prepare: many_parameters },
    Case { name: "websocket_fragments", len: 2_000, prepare: |n| fragments(n, b"x") },
    Case { name: "websocket_empty_fragments", len: 2_000, prepare: |n| fragments(n, b"") },
    Case { name: "websocket_frame_in_pieces", len: 30_000, prepare: frame_in_pieces },
    Case { name: "websocket_inflate", len: 40_000, prepare: inflate },
    Case { name: "http3_answer_in_pieces", len: 7_000, prepare: http3_answer_in_pieces },
    Case { name: "http3_answer_of_many_frames", len: 4_000, prepare: http3_answer_frames },
    Case { name: "http3_control_in_pieces", len: 1_500, prepare: http3_control_in_pieces },
    Case { name: "json_members", len: 1_000, prepare: json_members },
    Case { name: "args_with_byte_strings", len: 500, prepare: byte_strings },
    Case { name: "engineio_frame_in_pieces", len: 30_000, prepare: engineio_frame },
    Case { name: "engineio4_payload", len: 2_000, prepare: payload4 },
    Case { name: "engineio3_payload", len: 2_000, prepare: payload3 },
    Case { name: "socketio_packet", len: 1_000, prepare: socketio_packet },
    Case { name: "socketio_placeholders", len: 500, prepare: placeholders },
    Case { name: "signalr_json_in_pieces", len: 5_000, prepare: signalr_json },
    Case { name: "signalr_posts_before_poll", len: 4_000, prepare: signalr_posts },
    Case { name: "messagepack_in_pieces", len: 5_000, prepare: messagepack_pieces },
    Case { name: "messagepack_values", len: 2_000, prepare: messagepack_values },
    Case { name: "sockjs_escapes", len: 1_000, prepare: sockjs_escapes },
    Case { name: "sockjs_messages", len: 1_000, prepare: sockjs_messages },
    Case { name: "plain_envelope", len: 1_000, prepare: envelope },
    Case { name: "plain_body", len: 100, prepare: plain_body },
    Case { name: "plain_places", len: 500, prepare: plain_places },
    Case { name: "client_handshake_answer", len: 1_000, prepare: client_answer },
    Case { name: "websocket_url", len: 10_000, prepare: websocket_url },
    Case { name: "http3_field_section", len: 5_000, prepare: field_section },
    Case { name: "engineio_query", len: 2_000, prepare: engineio_query },
    Case { name: "engineio_jsonp", len: 2_000, prepare: engineio_jsonp },
    Case { name: "socketio_messagepack", len: 2_000, prepare: socketio_messagepack },
    Case { name: "signalr_query", len: 2_000, prepare: signalr_query },
    Case { name: "signalr_handshake_in_pieces", len: 3_000, prepare: signalr_handshake },
    Case { name: "signalr_event_stream_in_pieces", len: 3_000, prepare: signalr_event_stream },
    Case { name: "sockjs_request", len: 5_000, prepare: sockjs_request },
    Case { name: "sockjs_form", len: 3_000, prepare: sockjs_form },
    Case { name: "configuration_file", len: 500, prepare: configuration },
];

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [name, times] = &arguments[..] else {
        return CASES.iter().for_each(|case| println!("{}", case.name));
    };
    let case = CASES.iter().find(|case| case.name == name).expect("a case that there is");
    let times: usize = times.parse().expect("a number");
    measured((case.prepare)(case.len * times));
}

/// What is counted: valgrind knows it by this name.
#[inline(never)]
fn measured(read: Reading) {
    read();
}

/// A request with one header of `len` bytes, in pieces of `piece_len`.
fn handshake(len: usize, piece_len: usize) -> Reading {
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", "x".repeat(len));
    let pieces: Vec<_> = head.as_bytes().chunks(piece_len).map(Bytes::copy_from_slice).collect();
    let mut stream = Pieces::new(pieces);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    Box::new(move || {
        let opening = accept_with(&mut stream, Default::default(), |_| Ok(Options::default()));
        assert!(runtime.block_on(opening).is_err());
        assert!(stream.written.starts_with(b"HTTP/1.1 4"));
    })
}

/// The server's side of a handshake with one more field.
fn field(name: HeaderName, value: String, good: bool) -> Reading {
    let mut request = http::Request::new(());
    let given = [
        (header::HOST, "a"),
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "Upgrade"),
        (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        (header::SEC_WEBSOCKET_VERSION, "13"),
    ];
    let headers = request.headers_mut();
    headers.extend(given.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(name, HeaderValue::from_str(&value).unwrap());
    let options =
        Options { subprotocols: vec!["chat".into()], deflate: Some(deflate::Config::default()) };
    Box::new(move || assert_eq!(accept(&Request::new(&request), &options).is_ok(), good))
}

fn subprotocols(len: usize) -> Reading {
    field(header::SEC_WEBSOCKET_PROTOCOL, format!("a{}b", " ".repeat(len)), false)
}

fn unclosed_quote(len: usize) -> Reading {
    let value = format!("a; b=\"{}", "\\c".repeat(len / 2));
    field(header::SEC_WEBSOCKET_EXTENSIONS, value, false)
}

fn many_offers(count: usize) -> Reading {
    let value = "permessage-deflate; x, ".repeat(count) + "permessage-deflate";
    field(header::SEC_WEBSOCKET_EXTENSIONS, value, true)
}

fn many_parameters(count: usize) -> Reading {
    let value = format!("permessage-deflate{}", "; x=1".repeat(count));
    field(header::SEC_WEBSOCKET_EXTENSIONS, value, true)
}

const UNBOUNDED: Limits = Limits { message_len: 1 << 26, frame_len: 1 << 26, fragments: 1 << 26 };

fn fragments(count: usize, payload: &'static [u8]) -> Reading {
    let mut octets = BytesMut::new();
    for index in 0..count {
        let opcode = if index == 0 { 2 } else { 0 };
        let fin = if index + 1 == count { 0x80 } else { 0 };
        octets.extend_from_slice(&[fin | opcode, payload.len() as u8]);
        octets.extend_from_slice(payload);
    }
    // A piece of its own for each fragment.
    let pieces: Vec<_> = octets.chunks(2 + payload.len()).map(Bytes::copy_from_slice).collect();
    Box::new(move || receive(Receiver::new(Role::Client, UNBOUNDED), &pieces))
}

fn frame_in_pieces(len: usize) -> Reading {
    let mut octets = vec![0x81, 126];
    octets.extend_from_slice(&(len as u16).to_be_bytes());
    octets.extend("é".repeat(len / 2).into_bytes());
    let pieces: Vec<_> = octets.chunks(7).map(Bytes::copy_from_slice).collect();
    Box::new(move || receive(Receiver::new(Role::Client, UNBOUNDED), &pieces))
}

/// Reads what holds one message, whose last piece completes it.
fn receive(mut receiver: Receiver, pieces: &[Bytes]) {
    let mut buf = BytesMut::new();
    let mut messages = 0;
    for piece in pieces {
        buf.extend_from_slice(piece);
        messages += usize::from(receiver.receive(&mut buf).unwrap().is_some());
    }
    assert_eq!(messages, 1);
}

fn inflate(len: usize) -> Reading {
    let text: String = (0..len / 8).map(|index| format!("{index:08}")).collect();
    let shared = deflate::Shared::new(15, 1);
    let message = omniwire_websocket::Message::text(text);
    let prepared = omniwire_websocket::PreparedMessage::compressed(message, shared);
    let (_, frame) = prepared.compressed_frame().cloned().unwrap();
    let parameters = deflate::Parameters {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
    let agreed = deflate::Agreed {
        parameters,
        level: 1,
        threshold: 0,
        memory: deflate::Reserved::default(),
    };
    let receiver = Receiver::with_deflate(Role::Client, UNBOUNDED, &agreed);
    Box::new(move || receive(receiver, &[frame]))
}

/// The answer 200, with this field in Huffman's code, of as many octets `a`.
fn http3_head(len: usize) -> Vec<u8> {
    // Five bits each; what is left over is ones.
    let code: Vec<u8> = b"\x18\xc6\x31\x8c\x63".repeat(len / 8);
    let mut section = b"\x00\x00\xd9\x21x\xff".to_vec();
    let mut rest = code.len() - 127;
    while rest >= 0x80 {
        section.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    section.push(rest as u8);
    section.extend(code);
    http3_frame(0x01, &section)
}

fn http3_frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind], &(0x8000_0000 | payload.len() as u32).to_be_bytes()[..], payload].concat()
}

fn octets(octets: &[u8]) -> Vec<Bytes> {
    octets.chunks(1).map(Bytes::copy_from_slice).collect()
}

/// A long head, then as much data, octet by octet.
fn http3_answer_in_pieces(len: usize) -> Reading {
    let answer = [http3_head(len), http3_frame(0x00, &vec![b'x'; len])].concat();
    let pieces = octets(&answer);
    Box::new(move || assert_eq!(omniwire_fuzz::answered(&pieces), Some(len)))
}

/// Frames of one octet, between unknown ones, all at once.
fn http3_answer_frames(count: usize) -> Reading {
    let frames = [http3_frame(0x00, b"x"), http3_frame(0x21, b"y")].concat().repeat(count);
    let pieces = [Bytes::from([http3_head(1_024), frames].concat())];
    Box::new(move || assert_eq!(omniwire_fuzz::answered(&pieces), Some(count)))
}

/// Many settings, then as many unknown frames, octet by octet.
fn http3_control_in_pieces(count: usize) -> Reading {
    let setting = |id: usize| [&(0x8000_4000 | id as u32).to_be_bytes()[..], b"\x01"].concat();
    let settings: Vec<u8> = (0..count).flat_map(setting).collect();
    let frames = http3_frame(0x21, b"y").repeat(count);
    let pieces = octets(&[http3_frame(0x04, &settings), frames].concat());
    Box::new(move || assert!(omniwire_fuzz::settled(&pieces)))
}

fn json_members(count: usize) -> Reading {
    let members: Vec<_> = (0..count).map(|index| format!("\"\\u0061{index}\":[{index}]")).collect();
    let object: ByteString = format!("{{{}}}", members.join(",")).into();
    Box::new(move || assert_eq!(json::members(&object).unwrap().count(), count))
}

/// As many byte strings as arguments, each looked at by itself.
fn byte_strings(count: usize) -> Reading {
    let elements = vec!["null"; count].join(",");
    let blobs = (0..count).map(|index| Blob { at: index * 5, bytes: Bytes::from_static(b"x") });
    let args = Args::with_blobs(elements.into(), blobs.collect()).unwrap();
    Box::new(move || {
        assert!(args.iter().all(|argument| argument.as_bytes().is_some()));
    })
}

/// One frame of WebTransport, octet by octet.
fn engineio_frame(len: usize) -> Reading {
    let mut octets = BytesMut::new();
    frame::write_header(Kind::Text, len, &mut octets);
    octets.resize(octets.len() + len, b'4');
    Box::new(move || {
        let (mut buffer, mut taken) = (BytesMut::new(), 0);
        for octet in &octets {
            buffer.extend_from_slice(&[*octet]);
            taken += usize::from(frame::take(len, &mut buffer).unwrap().is_some());
        }
        assert_eq!(taken, 1);
    })
}

fn payload4(count: usize) -> Reading {
    let body = vec!["4x"; count].join("\u{1e}");
    payload(Protocol::V4, body, count)
}

fn payload3(count: usize) -> Reading {
    payload(Protocol::V3, "3:4\u{1f600}".repeat(count), count)
}

fn payload(protocol: Protocol, body: String, count: usize) -> Reading {
    Box::new(move || {
        let payload = Payload::new(protocol, Kind::Text, body.into()).unwrap();
        assert_eq!(payload.filter(Result::is_ok).count(), count);
    })
}

fn socketio_packet(count: usize) -> Reading {
    let packet = format!("2[\"a\"{}]", ",{\"a\":[1,\"\\n\"]}".repeat(count));
    decode(vec![Message::text(packet)])
}

fn placeholders(count: usize) -> Reading {
    let placeholder = ",{\"_placeholder\":true,\"num\":0}";
    let packet = format!("51-[\"a\"{}]", placeholder.repeat(count));
    decode(vec![Message::text(packet), Message::Binary(Bytes::from_static(b"x"))])
}

fn decode(messages: Vec<Message>) -> Reading {
    let (config, mut decoder) = (omniwire_socketio::Config::default(), Decoder::default());
    Box::new(move || {
        let read =
            messages.into_iter().map(|message| decoder.add(&config, message).unwrap()).last();
        assert!(black_box(read).flatten().is_some());
    })
}

/// One session under one carrier.
fn attached<S: Session>(mut session: S, carrier: Carrier) -> S {
    hear(&mut session, Input::Attach { id: CarrierId::new(0), carrier });
    session
}

/// How many events the input makes.
fn hear(session: &mut impl Session, input: Input) -> usize {
    session.handle_input(Instant::now(), input).unwrap();
    let mut events = 0;
    loop {
        match session.poll_output() {
            Output::Timeout(_) => return events,
            Output::Event(_) => events += 1,
            _ => {}
        }
    }
}

fn say(session: &mut impl Session, bytes: Bytes) -> usize {
    hear(session, Input::Message { id: CarrierId::new(0), message: Message::Binary(bytes) })
}

fn signalr() -> SignalRSession {
    let config = omniwire_signalr::Config { message_len_max: 1 << 26, ..Default::default() };
    SignalRSession::new(config.into(), Instant::now())
}

/// A record after the handshake, in pieces; it is one event.
fn record(protocol: &str, record: Vec<u8>, piece_len: usize) -> Reading {
    let mut session = attached(signalr(), Carrier::WebSocket);
    let handshake = format!("{{\"protocol\":\"{protocol}\",\"version\":1}}\u{1e}");
    assert_eq!(say(&mut session, handshake.into()), 1);
    let pieces: Vec<_> = record.chunks(piece_len).map(Bytes::copy_from_slice).collect();
    Box::new(move || {
        let events: usize = pieces.into_iter().map(|piece| say(&mut session, piece)).sum();
        assert_eq!(events, 1);
    })
}

fn signalr_json(len: usize) -> Reading {
    let text = "x".repeat(len);
    let text = format!("{{\"type\":1,\"target\":\"a\",\"arguments\":[\"{text}\"]}}\u{1e}");
    record("json", text.into_bytes(), 1)
}

fn signalr_posts(len: usize) -> Reading {
    let mut session = signalr();
    Box::new(move || {
        for _ in 0..len {
            let body = Bytes::from_static(b" ");
            assert_eq!(hear(&mut session, Input::Body { kind: Kind::Text, body }), 0);
        }
    })
}

/// An invocation of `a` with these arguments.
fn invocation(arguments: &[u8]) -> Vec<u8> {
    let body = [b"\x95\x01\x80\xc0\xa1a", arguments].concat();
    let mut prefixed = Vec::new();
    let mut len = body.len();
    while len > 0x7f {
        prefixed.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    prefixed.push(len as u8);
    prefixed.extend(body);
    prefixed
}

fn messagepack_pieces(len: usize) -> Reading {
    let len_octets = (len as u32).to_be_bytes();
    let text = [b"\x91\xdb", &len_octets[..], "x".repeat(len).as_bytes()].concat();
    record("messagepack", invocation(&text), 1)
}

/// Maps of byte strings, whose keys are all the same.
fn messagepack_values(count: usize) -> Reading {
    let head = [b"\xdd", &(count as u32).to_be_bytes()[..]].concat();
    let arguments = [head, b"\x81\xa1a\xc4\x01b".repeat(count)].concat();
    let whole = invocation(&arguments);
    let len = whole.len();
    record("messagepack", whole, len)
}

fn sockjs_escapes(count: usize) -> Reading {
    let text = "\u{2028}\n\"\u{200c}é".repeat(count);
    let surrogates = format!("\"[\\\"{}\\\"]\"", "\\ud800".repeat(count));
    Box::new(move || {
        let mut out = BytesMut::new();
        omniwire_sockjs::write_string(&mut out, &text);
        assert!(out.len() > text.len());
        assert!(omniwire_sockjs::unescape_keeping_surrogates(&surrogates).is_some());
    })
}

fn sockjs_messages(count: usize) -> Reading {
    let mut session = attached(SockJsSession::new(Default::default(), Raw), Carrier::WebSocket);
    let frame = format!("[{}]", vec!["\"x\""; count].join(","));
    Box::new(move || {
        let message = Message::text(frame);
        assert_eq!(hear(&mut session, Input::Message { id: CarrierId::new(0), message }), count);
    })
}

fn envelope(count: usize) -> Reading {
    let text = format!("{{\"event\":\"a\"{}}}", ",\"args\":[\"\\n\"]".repeat(count)).into();
    Box::new(move || assert!(black_box(Envelope::parse(&text)).is_ok()))
}

fn plain_body(count: usize) -> Reading {
    let body = Bytes::from(format!("[{}]", vec!["{\"event\":\"a\"}"; count].join(",")));
    Box::new(move || {
        let envelopes = omniwire_plain::envelope::parse_body(&body).expect("a good body");
        assert_eq!(envelopes.len(), count);
    })
}

/// What a fuzz target does with one input, which must be linear too.
fn target(name: &str, input: Vec<u8>) -> Reading {
    let target = omniwire_fuzz::find(name).expect("a target that there is");
    Box::new(move || (target.run)(&input))
}

fn client_answer(count: usize) -> Reading {
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Extensions: permessage-deflate{}\r\n\r\n",
        "; x=\"\\1\"".repeat(count)
    );
    target("handshake_client", answer.into_bytes())
}

fn websocket_url(len: usize) -> Reading {
    target("websocket_url", format!("ws://a/{}", "%41".repeat(len / 3)).into_bytes())
}

/// RFC 9204, 4.5: a prefix, then lines `a: b` with literal names.
fn field_section(count: usize) -> Reading {
    target("field_section", [&[0, 0][..], &b"\x21a\x01b".repeat(count)].concat())
}

fn engineio_query(count: usize) -> Reading {
    let query = format!("{}EIO=4&transport=polling", "x=%41&".repeat(count));
    Box::new(move || {
        let (config, headers) = (omniwire_engineio::Config::default(), http::HeaderMap::new());
        let get = http::Method::GET;
        let read = omniwire_engineio::request::parse(&config, &get, &query, &headers, false);
        assert!(read.is_ok());
    })
}

fn engineio_jsonp(count: usize) -> Reading {
    let body = format!("d={}", "%5Cn".repeat(count));
    Box::new(move || {
        assert!(omniwire_engineio::jsonp::unwrap(body.as_bytes()).is_some());
    })
}

fn socketio_messagepack(count: usize) -> Reading {
    let arguments = u32::try_from(count + 1).expect("a short list").to_be_bytes();
    let data = [b"\xa4data\xdd", &arguments[..], b"\xa1a", &b"\x91\x01".repeat(count)].concat();
    let packet = [b"\x83\xa4type\x02\xa3nsp\xa1/", &data[..]].concat();
    let parser = omniwire_socketio::Parser::MsgPack;
    let config = omniwire_socketio::Config { parser, ..Default::default() };
    let mut decoder = Decoder::default();
    Box::new(move || {
        let read = decoder.add(&config, Message::Binary(packet.into())).expect("a good packet");
        assert!(read.is_some());
    })
}

/// Places in more rooms than are kept.
fn plain_places(count: usize) -> Reading {
    let places: Vec<_> = (0..count).map(|room| format!("7.1.room_20{room}")).collect();
    let places = places.join("~");
    Box::new(move || {
        let read = omniwire_plain::Places::parse(&places).expect("they are ours");
        assert_eq!(read.len(), omniwire_plain::PLACES_MAX);
    })
}

fn signalr_query(count: usize) -> Reading {
    let query = format!("{}id=token", "x=%41&".repeat(count));
    Box::new(move || {
        let head = omniwire_signalr::Head {
            tail: "",
            method: &http::Method::DELETE,
            query: Some(&query),
            headers: &http::HeaderMap::new(),
            is_websocket_upgrade: false,
        };
        assert!(omniwire_signalr::Request::read(0, &head).is_ok());
    })
}

fn signalr_handshake(len: usize) -> Reading {
    let mut session = attached(signalr(), Carrier::WebSocket);
    let text = "x".repeat(len);
    let record = format!("{{\"protocol\":\"json\",\"version\":1,\"more\":\"{text}\"}}\u{1e}");
    let octets: Vec<_> = record.bytes().map(|octet| Bytes::copy_from_slice(&[octet])).collect();
    Box::new(move || {
        let events: usize = octets.into_iter().map(|octet| say(&mut session, octet)).sum();
        assert_eq!(events, 1);
    })
}

fn signalr_event_stream(len: usize) -> Reading {
    let event = format!("data: {}\n\n", "x".repeat(len));
    Box::new(move || {
        let mut stream = omniwire_signalr::client::EventStream::default();
        let octets = event.as_bytes().chunks(1);
        let events = octets.flat_map(|octet| stream.take(octet, usize::MAX).expect("no limit"));
        assert_eq!(events.count(), 1);
    })
}

fn sockjs_request(count: usize) -> Reading {
    use omniwire_sockjs::request::{Found, Request, Service, find};
    let path = format!("/000/{}/xhr", "a".repeat(count));
    let cookie = "x=1; ".repeat(count);
    let mut service = Service::default();
    service.cookie = true;
    Box::new(move || {
        let cookie = Some(cookie.as_str());
        let request = Request { method: "POST", path: &path, cookie, ..Request::default() };
        assert!(matches!(find(&service, &request), Found::Receive { .. }));
    })
}

fn sockjs_form(count: usize) -> Reading {
    let form = Bytes::from(format!("d={}", "%5B".repeat(count)));
    let kind = Some("application/x-www-form-urlencoded");
    Box::new(move || {
        assert!(omniwire_sockjs::request::decode_form(kind, &form).is_ok());
    })
}

fn configuration(count: usize) -> Reading {
    target("configuration", "# said of nothing\n".repeat(count).into_bytes())
}
