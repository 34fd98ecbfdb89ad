//! The packets with which a session itself speaks.

use crate::{Parser, msgpack};
use bytes::BytesMut;
use omniwire_engineio::Protocol;
use omniwire_engineio::wire::Binary;
use omniwire_session::{Args, Message, Refusal, json};

/// The type of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// The client is in.
    Connect = 0,
    /// The client is out.
    Disconnect = 1,
    /// The client is not let in.
    ConnectError = 4,
}

/// A packet with a payload of one value or none.
pub(crate) fn message(
    (parser, binary): (Parser, Binary),
    control: Control,
    namespace: &str,
    payload: &Args,
) -> Message {
    match parser {
        Parser::Json => {
            let mut out = BytesMut::with_capacity(64);
            out.extend_from_slice(&[b'4', b'0' | control as u8]);
            write_namespace(&mut out, namespace);
            payload.write_base64(&mut out);
            Message::Text(json::into_text(out))
        }
        Parser::MsgPack => binary.message(&msgpack::control(control, namespace, payload)),
    }
}

/// What CONNECT says. Only later protocols tell the client its id, and by what it may come back.
pub(crate) fn connected(protocol: Protocol, id: &str, token: Option<&str>) -> Args {
    if protocol == Protocol::V3 {
        return Args::default();
    }
    let mut out = BytesMut::with_capacity(64);
    out.extend_from_slice(b"{\"sid\":");
    json::write_str(&mut out, id);
    if let Some(token) = token {
        out.extend_from_slice(b",\"pid\":");
        json::write_str(&mut out, token);
    }
    out.extend_from_slice(b"}");
    Args::from_valid_element(json::into_text(out))
}

/// What CONNECT_ERROR says: an object with message and data; for Socket.IO 2 clients the data, or
/// else the message, by itself. That there is no such namespace is an object for them too.
pub(crate) fn refused(protocol: Protocol, refusal: &Refusal) -> Args {
    let has_data = !refusal.data.is_empty();
    if protocol == Protocol::V3 && (has_data || refusal.message != NO_NAMESPACE) {
        let message = || Args::from_text(refusal.message.clone());
        return if has_data { refusal.data.clone() } else { message() };
    }
    let mut out = BytesMut::with_capacity(64);
    out.extend_from_slice(b"{\"message\":");
    json::write_str(&mut out, &refusal.message);
    if has_data {
        out.extend_from_slice(b",\"data\":");
        refusal.data.write_base64(&mut out);
    }
    out.extend_from_slice(b"}");
    Args::from_valid_element(json::into_text(out))
}

/// The official server's words for a namespace that it does not have.
pub(crate) const NO_NAMESPACE: &str = "Invalid namespace";

/// `/name,`; nothing for `/`.
pub(crate) fn write_namespace(out: &mut BytesMut, namespace: &str) {
    if !matches!(namespace, "" | "/") {
        out.extend_from_slice(namespace.as_bytes());
        out.extend_from_slice(b",");
    }
}
