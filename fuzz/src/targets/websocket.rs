//! WebSocket: frames, messages, compression, handshakes.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header};
use omniwire_websocket::deflate::{Agreed, Config, Parameters, Reserved, Shared};
use omniwire_websocket::frame::{Header, MAX_MASKED_HEADER_LEN, encode};
use omniwire_websocket::handshake::client::{Address, Handshake, Options as ClientOptions};
use omniwire_websocket::handshake::origin::Origin;
use omniwire_websocket::handshake::server::{Accepted, Options, Refusal, Request, accept};
use omniwire_websocket::{
    Limits, Message, OpCode, PreparedMessage, Receiver, Role, Violation, accept_with,
};
use tokio::runtime::{Builder, Runtime};

use crate::input::{Input, cut, text};
use crate::pieces::Pieces;

const LIMITS: Limits = Limits { message_len: 2048, frame_len: 1024, fragments: 8 };

/// A header says the same however much of it is there, and is in its only form.
pub(crate) fn frame_header(input: &[u8]) {
    for role in [Role::Server, Role::Client] {
        let whole = Header::read(input, role);
        for len in 0..input.len() {
            match (Header::read(&input[..len], role), whole) {
                (Ok(None), _) => {}
                (Ok(Some(part)), Ok(Some(whole))) => assert_eq!(part, whole),
                (Err(part), Err(whole)) => assert_eq!(part, whole),
                other => panic!("{other:?} of {len} octets"),
            }
        }
        if let Ok(Some((header, len))) = whole {
            let mut out = [0; MAX_MASKED_HEADER_LEN];
            let written = header.write(&mut out);
            assert_eq!(out[..written], input[..len]);
        }
    }
}

/// What comes out of octets that come in these pieces, and how it ends.
fn receive(
    receiver: &mut Receiver,
    pieces: &[Bytes],
    limits: &Limits,
) -> (Vec<Message>, Option<Violation>) {
    let (mut messages, mut buf) = (Vec::new(), BytesMut::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match receiver.receive(&mut buf) {
                Ok(Some(message)) => {
                    assert!(message.clone().into_payload().len() <= limits.message_len);
                    messages.push(message);
                }
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
        assert!(buf.len() <= limits.frame_len + MAX_MASKED_HEADER_LEN, "octets pile up");
    }
    (messages, None)
}

/// Any split of the octets gives the same messages and the same end. `s`: we are the server.
pub(crate) fn message_assembly(input: &[u8]) {
    let mut input = Input::new(input);
    let role = if input.choice() == b's' { Role::Server } else { Role::Client };
    let cuts = input.part().to_vec();
    let octets = input.rest();
    let mut whole = Receiver::new(role, LIMITS);
    let mut parts = Receiver::new(role, LIMITS);
    let all = receive(&mut whole, &[Bytes::copy_from_slice(octets)], &LIMITS);
    assert_eq!(receive(&mut parts, &cut(octets, &cuts), &LIMITS), all);
    if !matches!(all.0.last(), Some(Message::Close(_))) && all.1.is_none() {
        assert_eq!(whole.is_idle(), parts.is_idle());
    }
}

/// Compressed payloads, in frames cut anywhere; and what we compress comes back as it was.
pub(crate) fn deflate(input: &[u8]) {
    let mut input = Input::new(input);
    let flags = input.choice();
    let cuts = input.part().to_vec();
    let payload = input.rest();
    let agreed = agreed(flags);
    let mut octets = BytesMut::new();
    for _ in 0..=flags & 1 {
        let header = Header { rsv1: true, ..Header::whole(OpCode::Binary, 0) };
        encode(&mut octets, header, payload);
    }
    let octets = octets.freeze();
    let mut whole = Receiver::with_deflate(Role::Client, LIMITS, &agreed);
    let mut parts = Receiver::with_deflate(Role::Client, LIMITS, &agreed);
    let all = receive(&mut whole, std::slice::from_ref(&octets), &LIMITS);
    assert_eq!(receive(&mut parts, &cut(&octets, &cuts), &LIMITS), all);

    let message = Message::binary(payload.to_vec());
    let shared = Shared::new(flags >> 4, flags & 15);
    let prepared = PreparedMessage::compressed(message.clone(), shared);
    let compressed = prepared.compressed_frame().map(|(_, frame)| frame);
    let limits = Limits::default();
    for frame in [prepared.frame()].into_iter().chain(compressed) {
        let mut receiver = Receiver::with_deflate(Role::Client, limits, &agreed);
        let frame = std::slice::from_ref(frame);
        assert_eq!(receive(&mut receiver, frame, &limits), (vec![message.clone()], None));
    }
}

fn agreed(flags: u8) -> Agreed {
    let parameters = Parameters {
        server_no_context_takeover: flags & 2 != 0,
        client_no_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
    Agreed { parameters, level: 1, threshold: 0, memory: Reserved::default() }
}

thread_local! {
    /// The handshake on a bare stream has a time limit, so it needs a clock.
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().build().expect("a runtime"));
}

/// What a server answers to octets that come in these pieces: whether it is a WebSocket, and the
/// whole of the answer.
fn serve(pieces: Vec<Bytes>) -> (bool, Vec<u8>) {
    let mut stream = Pieces::new(pieces);
    let options = Options {
        subprotocols: vec!["chat".into(), "superchat".into()],
        deflate: Some(Config::default()),
    };
    let taken = RUNTIME.with_borrow(|runtime| {
        let opening = accept_with(&mut stream, Default::default(), |_| Ok(options));
        runtime.block_on(opening).is_ok()
    });
    (taken, stream.written)
}

/// Any split of a request gets the same answer, which is one whole head.
pub(crate) fn handshake_server(input: &[u8]) {
    let mut input = Input::new(input);
    let cuts = input.part().to_vec();
    let octets = input.rest();
    let whole = serve(vec![Bytes::copy_from_slice(octets)]);
    assert_eq!(serve(cut(octets, &cuts)), whole);
    let (taken, answer) = whole;
    if answer.is_empty() {
        return assert!(!taken, "a WebSocket without an answer");
    }
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(len) = head.parse(&answer).unwrap() else {
        panic!("half an answer");
    };
    assert_eq!(head.code == Some(101), taken);
    assert!(!taken || len == answer.len(), "something follows the 101");
}

/// Whatever a server answers, what the client takes it to agree to was offered.
pub(crate) fn handshake_client(input: &[u8]) {
    let address = Address::parse("ws://example.org/").expect("a good URL");
    let config = Config::default();
    let offered = ["chat".to_owned(), "superchat".to_owned()];
    let options = ClientOptions {
        subprotocols: offered.to_vec(),
        deflate: Some(config),
        ..ClientOptions::default()
    };
    let handshake = Handshake::new(&address, options, [0; 16]).expect("a good request");
    let Some(answer) = read_answer(input) else { return };
    if let Ok(established) = handshake.check(&answer) {
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert!(established.subprotocol.is_none_or(|chosen| offered.contains(&chosen)));
        established.deflate.iter().for_each(check_agreed);
    }
}

fn check_agreed(agreed: &Agreed) {
    let Parameters { server_max_window_bits, client_max_window_bits, .. } = agreed.parameters;
    assert!((8..=15).contains(&server_max_window_bits));
    assert!((8..=15).contains(&client_max_window_bits));
}

fn read_answer(octets: &[u8]) -> Option<Response<()>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    head.parse(octets).ok().filter(httparse::Status::is_complete)?;
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::from_u16(head.code?).ok()?;
    *answer.version_mut() =
        if head.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    for field in head.headers.iter() {
        let name: HeaderName = field.name.parse().ok()?;
        answer.headers_mut().append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(answer)
}

/// The request of a browser with these values of one field, a value a line.
fn offer(field: HeaderName, values: &[u8]) -> Result<Accepted, Refusal> {
    let mut request = http::Request::new(());
    let headers = request.headers_mut();
    let given = [
        (header::HOST, "example.org"),
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "Upgrade"),
        (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        (header::SEC_WEBSOCKET_VERSION, "13"),
    ];
    headers.extend(given.map(|(name, value)| (name, HeaderValue::from_static(value))));
    for value in values.split(|octet| *octet == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(&field, value);
        }
    }
    let options = Options { subprotocols: vec!["chat".into()], deflate: Some(Config::default()) };
    accept(&Request::new(&request), &options)
}

/// What is answered to an offer is itself an offer that is answered, and is in range; and a
/// subprotocol is chosen only if it is offered.
pub(crate) fn extension_list(input: &[u8]) {
    match offer(header::SEC_WEBSOCKET_EXTENSIONS, input) {
        Ok(accepted) => {
            let answer = accepted.headers.get(header::SEC_WEBSOCKET_EXTENSIONS);
            assert_eq!(answer.is_some(), accepted.deflate.is_some());
            accepted.deflate.iter().for_each(check_agreed);
            if let Some(answer) = answer {
                let again = offer(header::SEC_WEBSOCKET_EXTENSIONS, answer.as_bytes());
                assert!(again.expect("our own grammar").deflate.is_some());
            }
        }
        Err(refusal) => assert_eq!(refusal.status, StatusCode::BAD_REQUEST),
    }
    match offer(header::SEC_WEBSOCKET_PROTOCOL, input) {
        Ok(accepted) => {
            let is_offered = input.windows(4).any(|four| four == b"chat");
            assert!(accepted.subprotocol.is_none() || is_offered);
        }
        Err(refusal) => assert_eq!(refusal.status, StatusCode::BAD_REQUEST),
    }
}

/// A URL makes one request line and one Host, or none at all.
pub(crate) fn url(input: &[u8]) {
    let url = text(input);
    if let Some(origin) = Origin::parse(&url) {
        assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
    }
    let Ok(address) = Address::parse(&url) else { return };
    assert_ne!(address.port, 0);
    let Ok(handshake) = Handshake::new(&address, ClientOptions::default(), [0; 16]) else { return };
    let request = handshake.request();
    assert!(request.uri().to_string().starts_with('/'), "{}", request.uri());
    let host = request.headers()[header::HOST].as_bytes();
    assert!(!host.is_empty() && !host.contains(&b' ') && !host.contains(&b'@'), "{host:?}");
}
