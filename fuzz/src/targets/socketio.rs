//! Socket.IO: packets and their attachments.

use bytes::Bytes;
use omniwire_session::{Args, Message, json};
use omniwire_socketio::{Body, Config, Decoder, Packet, Parser, RESERVED_EVENTS, packet};

use crate::input::{Input, text};

const ATTACHMENTS_MAX: usize = 10;

/// Whatever is read holds valid JSON, and no name or id that is not the client's own.
pub(crate) fn packet(input: &[u8]) {
    let text = text(input);
    if let Ok((packet, attachments)) = packet::decode(&text, ATTACHMENTS_MAX) {
        assert!(attachments <= ATTACHMENTS_MAX);
        check(&packet);
    }
}

fn check(packet: &Packet) {
    let namespace = &packet.namespace;
    assert!(namespace.starts_with('/') && !namespace.contains(','), "{namespace:?}");
    check_body(&packet.body);
}

fn check_body(body: &Body) {
    match body {
        Body::Connect { auth } => {
            assert!(auth.is_empty() || (auth.len() == 1 && auth.json().starts_with('{')));
            check_args(auth);
        }
        Body::Event { name, args, id } => {
            assert!(!RESERVED_EVENTS.contains(&&**name));
            let digits = id.as_deref().unwrap_or("0");
            assert!(!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
            check_args(args);
        }
        Body::Ack { args, .. } => check_args(args),
        Body::Disconnect | Body::Nothing | Body::ConnectError => {}
    }
}

/// That arguments keep their invariant.
pub(crate) fn check_args(args: &Args) {
    assert!(json::validate_elements(args.json()).is_ok(), "arguments are no JSON");
    if !args.blobs().is_empty() {
        let again = Args::with_blobs(args.json().clone(), args.blobs().to_vec());
        assert_eq!(again.as_ref(), Ok(args), "byte strings stand where they can't");
    }
}

/// One packet of the MessagePack parser. There a namespace is any text: its name needs no end.
pub(crate) fn messagepack(input: &[u8]) {
    let config = Config { parser: Parser::MsgPack, ..Config::default() };
    let message = Message::Binary(Bytes::copy_from_slice(input));
    if let Ok(Some(packet)) = Decoder::default().add(&config, message) {
        check_body(&packet.body);
    }
}

/// A sequence of messages: `t` for text, `b` for binary.
pub(crate) fn attachments(input: &[u8]) {
    let mut input = Input::new(input);
    let config = Config::default();
    let mut decoder = Decoder::default();
    let mut binary_len = 0;
    while let Some(kind) = input.byte() {
        let message = match kind {
            b'b' => {
                let bytes = Bytes::copy_from_slice(input.part());
                binary_len += bytes.len();
                Message::Binary(bytes)
            }
            _ => Message::Text(input.text()),
        };
        match decoder.add(&config, message) {
            Ok(Some(packet)) => {
                check(&packet);
                if let Body::Event { args, .. } | Body::Ack { args, .. } = &packet.body {
                    let attached: usize = args.blobs().iter().map(|blob| blob.bytes.len()).sum();
                    let repeats = args.json().len() / PLACEHOLDER_LEN_MIN + 1;
                    assert!(attached <= binary_len * repeats);
                }
            }
            Ok(None) => {}
            // The session is closed.
            Err(_) => return,
        }
    }
}

/// What stands for a byte string takes this much in arguments: `null`.
const PLACEHOLDER_LEN_MIN: usize = 4;

/// Reads what our own wire form wrote, as a client of the same protocol would.
pub(crate) fn read_own(messages: Vec<Message>) -> Option<Packet> {
    let config = Config { attachments_max: 1000, ..Config::default() };
    let mut decoder = Decoder::default();
    let mut whole = None;
    for message in messages {
        assert!(whole.is_none(), "a message behind a whole packet");
        whole = decoder.add(&config, message).expect("it is our own");
    }
    whole
}
