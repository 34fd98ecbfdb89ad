//! Wire forms of bare Engine.IO: each argument of an event is one message, and the event's name
//! is not told. A string goes as its text, bytes as binary, anything else as JSON. Calls,
//! replies and streams have no words.

use crate::{Protocol, payload};
use bytes::{Bytes, BytesMut};
use omniwire_session::{Args, Encoding, Message, Outgoing, Wire, WireForm, WireId, json};

/// How binary goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binary {
    /// As binary messages (protocol 4).
    Bare,
    /// As binary messages with the packet type as first octet (protocol 3).
    Typed,
    /// As text: `b4` and base64 (protocol 3 with `b64=1`).
    Base64,
}

impl Binary {
    /// What a session gets.
    pub fn new(protocol: Protocol, base64: bool) -> Self {
        match (protocol, base64) {
            (Protocol::V4, _) => Self::Bare,
            (Protocol::V3, false) => Self::Typed,
            (Protocol::V3, true) => Self::Base64,
        }
    }

    /// A message packet with binary data.
    pub fn message(self, bytes: &[u8]) -> Message {
        match self {
            Self::Bare => Message::Binary(Bytes::copy_from_slice(bytes)),
            Self::Typed => Message::Binary([&[4], bytes].concat().into()),
            Self::Base64 => {
                let mut out = BytesMut::from(&b"b4"[..]);
                payload::write_base64(bytes, &mut out);
                Message::Text(json::into_text(out))
            }
        }
    }

    /// Appends a message packet with binary data.
    pub fn encode(self, bytes: &[u8], out: &mut Encoding) {
        match self {
            Self::Bare => out.binary().extend_from_slice(bytes),
            Self::Typed => {
                let out = out.binary();
                out.extend_from_slice(&[4]);
                out.extend_from_slice(bytes);
            }
            Self::Base64 => {
                let out = out.text();
                out.extend_from_slice(b"b4");
                payload::write_base64(bytes, out);
            }
        }
    }
}

/// A wire form of bare Engine.IO.
#[derive(Debug)]
pub struct EngineIoWire {
    id: WireId,
    binary: Binary,
}

impl EngineIoWire {
    /// The wire form of a session.
    pub fn form(binary: Binary) -> WireForm {
        WireForm(match binary {
            Binary::Bare => &EIO4,
            Binary::Typed => &EIO3,
            Binary::Base64 => &EIO3_BASE64,
        })
    }

    fn encode_argument(&self, argument: &Args, out: &mut Encoding) {
        if let Some(bytes) = argument.as_bytes() {
            return self.binary.encode(bytes, out);
        }
        let out = out.text();
        out.extend_from_slice(b"4");
        if let Some(text) = argument.as_text() {
            return out.extend_from_slice(text.as_bytes());
        }
        match json::unescape(argument.json()) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => argument.write_base64(out),
        }
    }
}

impl Wire for EngineIoWire {
    fn id(&self) -> WireId {
        self.id
    }

    fn encode(&self, _namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        if let Outgoing::Event { args, .. } = what {
            args.iter().for_each(|argument| self.encode_argument(&argument, out));
        }
    }
}

static EIO4: &dyn Wire = &EngineIoWire { id: WireId(24), binary: Binary::Bare };
static EIO3: &dyn Wire = &EngineIoWire { id: WireId(25), binary: Binary::Typed };
static EIO3_BASE64: &dyn Wire = &EngineIoWire { id: WireId(26), binary: Binary::Base64 };

#[cfg(test)]
mod tests;
