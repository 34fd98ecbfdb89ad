//! Messages of the session's own: `Ping`, `Close`, `Ack` and `Sequence` (`HubProtocol.md`, "Ping
//! (aka Heartbeat) Message", "Close Message", "Ack Message", "Sequence Message").

use crate::message::{Protocol, kind};
use crate::msgpack;
use bytes::{Bytes, BytesMut};
use omniwire_session::{ByteString, Message, json};

/// A ping.
pub(crate) fn ping(protocol: Protocol) -> Message {
    match protocol {
        Protocol::Json => Message::Text(ByteString::from_static("{\"type\":6}\u{1e}")),
        Protocol::MessagePack => Message::Binary(Bytes::from_static(&[0x02, 0x91, 0x06])),
    }
}

/// The last message. The client may come back by itself only with `allow_reconnect`.
pub(crate) fn close(protocol: Protocol, error: Option<&str>, allow_reconnect: bool) -> Message {
    let mut out = BytesMut::new();
    match protocol {
        Protocol::Json => {
            out.extend_from_slice(b"{\"type\":7");
            if let Some(error) = error {
                out.extend_from_slice(b",\"error\":");
                json::write_str(&mut out, error);
            }
            if allow_reconnect {
                out.extend_from_slice(b",\"allowReconnect\":true");
            }
            out.extend_from_slice(b"}\x1e");
            Message::Text(json::into_text(out))
        }
        Protocol::MessagePack => {
            msgpack::write_close(&mut out, error, allow_reconnect);
            Message::Binary(out.freeze())
        }
    }
}

/// Everything up to this number has arrived.
pub(crate) fn ack(protocol: Protocol, sequence_id: u64) -> Message {
    numbered(protocol, kind::ACK, sequence_id)
}

/// The number of the next message that counts.
pub(crate) fn sequence(protocol: Protocol, sequence_id: u64) -> Message {
    numbered(protocol, kind::SEQUENCE, sequence_id)
}

fn numbered(protocol: Protocol, kind: i32, sequence_id: u64) -> Message {
    match protocol {
        Protocol::Json => {
            let text = format!("{{\"type\":{kind},\"sequenceId\":{sequence_id}}}\u{1e}");
            Message::Text(text.into())
        }
        Protocol::MessagePack => {
            let mut out = BytesMut::new();
            msgpack::write_numbered(&mut out, kind, sequence_id);
            Message::Binary(out.freeze())
        }
    }
}
