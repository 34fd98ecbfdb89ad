//! Engine.IO: frames of WebTransport, packets, payloads, requests.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, header};
use omniwire_engineio::payload::{self, Payload};
use omniwire_engineio::{Config, Packet, Protocol, frame, jsonp, request};
use omniwire_session::{Kind, Message};

use crate::input::{Input, text};

const PROTOCOLS: [Protocol; 2] = [Protocol::V4, Protocol::V3];

/// The first octet says how long a frame may be and how much comes at once. Messages are never
/// longer, nor longer than what came; written, they are what was read; and the pieces in which
/// they come change nothing.
pub(crate) fn frame(input: &[u8]) {
    let mut input = Input::new(input);
    let max = usize::from(input.choice());
    let octets = input.rest();
    let (whole, how) = read_frames(max, octets, octets.len().max(1));
    assert_eq!(read_frames(max, octets, max / 8 + 1), (whole.clone(), how));
    let mut again = BytesMut::new();
    for message in &whole {
        assert!((1..=max).contains(&message.as_bytes().len()));
        frame::write_header(message.kind(), message.as_bytes().len(), &mut again);
        again.extend_from_slice(message.as_bytes());
    }
    assert!(again.len() <= octets.len(), "a header grew");
    assert_eq!(read_frames(max, &again, again.len().max(1)), (whole.clone(), true));
    if let Some(Ok(frame::Greeting::Upgrade(sid))) = whole.first().map(frame::Greeting::parse) {
        assert!(sid.len() <= octets.len());
    }
}

/// What frames there are, if so many octets come at once, and whether nothing was wrong.
fn read_frames(max: usize, octets: &[u8], step: usize) -> (Vec<Message>, bool) {
    let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
    for piece in octets.chunks(step) {
        buffer.extend_from_slice(piece);
        loop {
            match frame::take(max, &mut buffer) {
                Ok(Some(message)) => read.push(message),
                Ok(None) => break,
                Err(_) => return (read, false),
            }
        }
    }
    (read, true)
}

/// What is read is written as what reads the same.
pub(crate) fn packet(input: &[u8]) {
    let messages = [Message::Text(text(input)), Message::Binary(Bytes::copy_from_slice(input))];
    for (protocol, message) in PROTOCOLS.iter().flat_map(|p| messages.iter().map(move |m| (*p, m)))
    {
        let Ok(packet) = Packet::decode(protocol, message.clone()) else { continue };
        let written = packet.encode(protocol);
        assert_eq!(Packet::decode(protocol, written), Ok(packet));
    }
}

/// No packet is made of nothing, and packets written are the packets read.
pub(crate) fn payload(input: &[u8]) {
    let body = Bytes::copy_from_slice(input);
    for protocol in PROTOCOLS {
        for kind in [Kind::Text, Kind::Binary] {
            let Ok(packets) = Payload::new(protocol, kind, body.clone()) else { continue };
            let mut read = Vec::new();
            let mut bad = 0;
            for packet in packets {
                assert_eq!(bad, 0, "a packet behind a malformed one");
                match packet {
                    Ok(packet) => read.push(packet),
                    Err(_) => bad += 1,
                }
            }
            assert!(read.len() <= body.len() + 1);
            write_and_read(protocol, &read);
        }
    }
    if let Some(unwrapped) = jsonp::unwrap(input) {
        assert!(unwrapped.len() <= input.len() * 3, "a form grew");
    }
    let wrapped = jsonp::wrap("0", input);
    let literal = wrapped.strip_prefix(b"___eio[0](").and_then(|rest| rest.strip_suffix(b");"));
    let literal: String = serde_json::from_slice(literal.unwrap()).unwrap();
    assert_eq!(literal, String::from_utf8_lossy(input));
}

fn write_and_read(protocol: Protocol, packets: &[Packet]) {
    // An empty binary packet of protocol 4 is `b`, which reads as itself; text with a separator
    // would be two packets, so the writer replaces it.
    let messages: Vec<_> = packets.iter().map(|packet| packet.encode(protocol)).collect();
    let mut out = BytesMut::new();
    payload::write(protocol, messages.iter().map(|m| (m.kind(), m.as_bytes())), &mut out);
    let has_binary = messages.iter().any(|message| message.kind() == Kind::Binary);
    let kind = match protocol {
        Protocol::V3 if has_binary => Kind::Binary,
        _ => Kind::Text,
    };
    if packets.is_empty() {
        return assert!(out.is_empty());
    }
    let read = Payload::new(protocol, kind, out.freeze()).unwrap();
    let read: Vec<_> = read.map(|packet| packet.expect("it is our own")).collect();
    assert_eq!(read.len(), packets.len());
    for (read, written) in read.iter().zip(packets) {
        let separator = char::from(payload::SEPARATOR);
        let replaced = protocol == Protocol::V4
            && matches!(&written.data, Message::Text(text) if text.contains(separator));
        assert!(replaced || read == written, "{read:?} for {written:?}");
    }
}

/// Whatever is asked for, the session named is the client's own word, and a refusal is JSON.
pub(crate) fn request(input: &[u8]) {
    let mut input = Input::new(input);
    let method = match input.choice() {
        b'P' => Method::POST,
        b'C' => Method::CONNECT,
        b'O' => Method::OPTIONS,
        _ => Method::GET,
    };
    let flags = input.choice();
    let config =
        Config { allow_eio3: flags & 1 != 0, assume_eio3: flags & 2 != 0, ..Config::default() };
    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_bytes(input.part()) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let query = text(input.rest());
    for (name, value) in request::parameters(&query) {
        assert!(name.len() + value.len() <= query.len() * 3);
    }
    match request::parse(&config, &method, &query, &headers, flags & 4 != 0) {
        Ok(request) => {
            use omniwire_engineio::Request;
            match request {
                Request::Open(open) => {
                    let digits = open.jsonp.iter().flat_map(|index| index.bytes());
                    assert!(digits.into_iter().all(|byte| byte.is_ascii_digit()));
                    assert!(open.protocol == Protocol::V4 || config.allow_eio3);
                }
                Request::Session { sid, .. } => assert!(!sid.is_empty()),
            }
        }
        Err(refused) => {
            assert!(serde_json::from_str::<serde_json::Value>(&refused.body()).is_ok());
        }
    }
}
