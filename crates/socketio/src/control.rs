//! The packets with which a session itself speaks.

use bytes::BytesMut;
use omniwire_engineio::Protocol;
use omniwire_session::{Message, Refusal, json};

/// CONNECT: the client is in. Only later protocols tell it its id, and by what it may come back.
pub(crate) fn connect(
    protocol: Protocol,
    namespace: &str,
    id: &str,
    token: Option<&str>,
) -> Message {
    let mut out = head(b"40", namespace);
    if protocol == Protocol::V4 {
        out.extend_from_slice(b"{\"sid\":");
        json::write_str(&mut out, id);
        if let Some(token) = token {
            out.extend_from_slice(b",\"pid\":");
            json::write_str(&mut out, token);
        }
        out.extend_from_slice(b"}");
    }
    Message::Text(json::into_text(out))
}

/// DISCONNECT: the client is out.
pub(crate) fn disconnect(namespace: &str) -> Message {
    Message::Text(json::into_text(head(b"41", namespace)))
}

/// CONNECT_ERROR: an object with message and data; for Socket.IO 2 clients the data, or else
/// the message, by itself.
pub(crate) fn connect_error(protocol: Protocol, namespace: &str, refusal: &Refusal) -> Message {
    let mut out = head(b"44", namespace);
    let has_data = !refusal.data.is_empty();
    match protocol {
        Protocol::V3 if has_data => refusal.data.write_base64(&mut out),
        Protocol::V3 => json::write_str(&mut out, &refusal.message),
        Protocol::V4 => {
            out.extend_from_slice(b"{\"message\":");
            json::write_str(&mut out, &refusal.message);
            if has_data {
                out.extend_from_slice(b",\"data\":");
                refusal.data.write_base64(&mut out);
            }
            out.extend_from_slice(b"}");
        }
    }
    Message::Text(json::into_text(out))
}

fn head(kind: &[u8], namespace: &str) -> BytesMut {
    let mut out = BytesMut::with_capacity(64);
    out.extend_from_slice(kind);
    write_namespace(&mut out, namespace);
    out
}

/// `/name,`; nothing for `/`.
pub(crate) fn write_namespace(out: &mut BytesMut, namespace: &str) {
    if !matches!(namespace, "" | "/") {
        out.extend_from_slice(namespace.as_bytes());
        out.extend_from_slice(b",");
    }
}
