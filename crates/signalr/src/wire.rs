//! Wire forms: what the application says, as hub messages (`HubProtocol.md`).

use crate::message::Protocol;
use crate::{error_text, msgpack};
use bytes::BytesMut;
use omniwire_session::{Args, Encoding, Outgoing, Wire, WireForm, WireId, json};

/// The form for peers that speak JSON.
pub const JSON: WireForm = WireForm(&(&JsonWire as &dyn Wire));

/// The form for peers that speak MessagePack.
pub const MESSAGE_PACK: WireForm = WireForm(&(&MessagePackWire as &dyn Wire));

/// `HubProtocol.md`, "JSON Encoding". Byte strings are base64.
#[derive(Debug, Clone, Copy)]
pub struct JsonWire;

/// `HubProtocol.md`, "MessagePack Encoding".
#[derive(Debug, Clone, Copy)]
pub struct MessagePackWire;

impl Wire for JsonWire {
    fn id(&self) -> WireId {
        WireId(32)
    }

    fn encode(&self, _namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        write_json(out.text(), what);
    }
}

impl Wire for MessagePackWire {
    fn id(&self) -> WireId {
        WireId(33)
    }

    fn encode(&self, _namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        msgpack::write(out.binary(), what);
    }
}

impl Protocol {
    /// The form for its peers.
    pub(crate) fn wire(self) -> WireForm {
        match self {
            Self::Json => JSON,
            Self::MessagePack => MESSAGE_PACK,
        }
    }
}

/// Writes a record. Names and ids are escaped here; arguments were validated, so that none of
/// them can hold a 0x1E or close a bracket that it did not open.
pub(crate) fn write_json(out: &mut BytesMut, what: Outgoing<'_>) {
    match what {
        Outgoing::Event { name, args, call, .. } => {
            out.reserve(args.json().len().saturating_add(name.len()).saturating_add(48));
            out.extend_from_slice(b"{\"type\":1,");
            if let Some(call) = call {
                out.extend_from_slice(format!("\"invocationId\":\"s{call}\",").as_bytes());
            }
            out.extend_from_slice(b"\"target\":");
            json::write_str(out, name);
            out.extend_from_slice(b",\"arguments\":[");
            args.write_base64(out);
            out.extend_from_slice(b"]}");
        }
        Outgoing::Reply { call, outcome } => {
            write_head(out, b"{\"type\":3,\"invocationId\":", &call.0);
            match outcome {
                Ok(args) => write_member(out, b",\"result\":", args),
                Err(error) => write_error(out, &error_text::call_failed(call, error)),
            }
            out.extend_from_slice(b"}");
        }
        Outgoing::Item { call, item } => {
            write_head(out, b"{\"type\":2,\"invocationId\":", &call.0);
            write_member(out, b",\"item\":", item);
            out.extend_from_slice(b"}");
        }
        Outgoing::End { call, error } => {
            write_head(out, b"{\"type\":3,\"invocationId\":", &call.0);
            if let Some(error) = error {
                write_error(out, &error_text::stream_failed(call, error));
            }
            out.extend_from_slice(b"}");
        }
    }
    out.extend_from_slice(b"\x1e");
}

pub(crate) fn write_head(out: &mut BytesMut, head: &[u8], id: &str) {
    out.extend_from_slice(head);
    json::write_str(out, id);
}

pub(crate) fn write_error(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(b",\"error\":");
    json::write_str(out, text);
}

/// Writes one value: `null` for no argument, an array for several.
pub(crate) fn write_member(out: &mut BytesMut, name: &[u8], args: &Args) {
    out.extend_from_slice(name);
    match args.len() {
        0 => out.extend_from_slice(b"null"),
        1 => args.write_base64(out),
        _ => {
            out.extend_from_slice(b"[");
            args.write_base64(out);
            out.extend_from_slice(b"]");
        }
    }
}

#[cfg(test)]
mod tests;
