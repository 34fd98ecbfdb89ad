//! Wire forms: what a Socket.IO peer gets for an event or an acknowledgement.
//!
//! - An event is `42/ns,ID["name",args]`; with byte strings it is `45N-/ns,ID["name",args]` and N
//!   binary messages. More than ten byte strings are encoded too, though stock clients since
//!   socket.io-parser 4.2.6 refuse that.
//! - An event of the namespace's journal has one more argument, its offset (`recovery.rs`).
//! - An event with a reserved name has no words: it would make clients close.
//! - A reply is an acknowledgement, `43/ns,ID[args]` or `46N-..`. Acknowledgements know no
//!   failure: a failed call is answered with one argument,
//!   `{"error":{"code":"failed","message":"..."}}`. An event that nobody handles is not
//!   acknowledged, as with the official server: clients run into their timeout.
//! - With MessagePack, an event or an acknowledgement is one binary message (`msgpack.rs`).
//! - Streams have no words.

use crate::control::write_namespace;
use crate::{Parser, RESERVED_EVENTS, msgpack, placeholder, recovery};
use bytes::BytesMut;
use omniwire_engineio::wire::Binary;
use omniwire_session::{
    Args, CallError, CallErrorKind, Encoding, Outgoing, Position, Positions, Wire, WireForm,
    WireId, json,
};

/// A wire form of Socket.IO. The text is the same for all; binary differs.
#[derive(Debug)]
pub struct SocketIoWire {
    id: WireId,
    parser: Parser,
    binary: Binary,
}

impl SocketIoWire {
    /// The wire form of a session: [`Binary::Bare`] for protocol 5, the others for protocol 4.
    pub fn form(parser: Parser, binary: Binary) -> WireForm {
        WireForm(match (parser, binary) {
            (Parser::Json, Binary::Bare) => &SIO5,
            (Parser::Json, Binary::Typed) => &SIO4,
            (Parser::Json, Binary::Base64) => &SIO4_BASE64,
            (Parser::MsgPack, Binary::Bare) => &SIO5_MSGPACK,
            (Parser::MsgPack, Binary::Typed) => &SIO4_MSGPACK,
            (Parser::MsgPack, Binary::Base64) => &SIO4_MSGPACK_BASE64,
        })
    }

    fn encode_event(
        &self,
        namespace: &str,
        name: &str,
        args: &Args,
        ending: Ending,
        out: &mut Encoding,
    ) {
        if RESERVED_EVENTS.contains(&name) {
            return;
        }
        if self.parser == Parser::MsgPack {
            return self.binary.encode(&msgpack::event_packet(namespace, name, args, ending), out);
        }
        let count = args.blobs().len();
        let text = out.text();
        let len = namespace.len().saturating_add(name.len()).saturating_add(HEAD_LEN);
        text.reserve(args.json().len().saturating_add(len));
        write_head(text, if count == 0 { b"42" } else { b"45" }, count, namespace);
        if let Some(id) = ending.call {
            text.extend_from_slice(id.to_string().as_bytes());
        }
        text.extend_from_slice(b"[");
        json::write_str(text, name);
        if !args.is_empty() {
            text.extend_from_slice(b",");
            placeholder::write(args, text);
        }
        if let Some(position) = ending.position {
            text.extend_from_slice(b",");
            recovery::write_offset(text, position);
        }
        text.extend_from_slice(b"]");
        self.encode_attachments(args, out);
    }

    fn encode_ack(&self, namespace: &str, id: &str, args: &Args, out: &mut Encoding) {
        if self.parser == Parser::MsgPack {
            return self.binary.encode(&msgpack::ack_packet(namespace, id, args), out);
        }
        let count = args.blobs().len();
        let text = out.text();
        text.reserve(args.json().len().saturating_add(namespace.len()).saturating_add(HEAD_LEN));
        write_head(text, if count == 0 { b"43" } else { b"46" }, count, namespace);
        text.extend_from_slice(id.as_bytes());
        text.extend_from_slice(b"[");
        placeholder::write(args, text);
        text.extend_from_slice(b"]");
        self.encode_attachments(args, out);
    }

    fn encode_attachments(&self, args: &Args, out: &mut Encoding) {
        args.blobs().iter().for_each(|blob| self.binary.encode(&blob.bytes, out));
    }
}

impl Wire for SocketIoWire {
    fn id(&self) -> WireId {
        self.id
    }

    fn positions(&self) -> Positions {
        Positions::Journal
    }

    fn encode(&self, namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        match what {
            Outgoing::Event { name, args, call, position } => {
                let position = position.map(|place| place.position);
                self.encode_event(namespace, name, args, Ending { call, position }, out);
            }
            // The id is the client's own digits: a session lets no others in.
            Outgoing::Reply { call, outcome } if is_digits(&call.0) => match outcome {
                Ok(args) => self.encode_ack(namespace, &call.0, args, out),
                Err(error) if error.kind == CallErrorKind::NotFound => {}
                Err(error) => self.encode_ack(namespace, &call.0, &failure(error), out),
            },
            Outgoing::Reply { .. } | Outgoing::Item { .. } | Outgoing::End { .. } => {}
        }
    }
}

/// What an event has besides its name and arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    /// What an acknowledgement must repeat, if one is wanted.
    pub(crate) call: Option<u64>,
    /// Where it stands in the journal, if it does.
    pub(crate) position: Option<Position>,
}

/// `<4><type>[<attachments>-][<namespace>,]`
fn write_head(out: &mut BytesMut, kind: &[u8], attachments: usize, namespace: &str) {
    out.extend_from_slice(kind);
    if attachments > 0 {
        out.extend_from_slice(attachments.to_string().as_bytes());
        out.extend_from_slice(b"-");
    }
    write_namespace(out, namespace);
}

/// A failed call as the one argument of an acknowledgement.
fn failure(error: &CallError) -> Args {
    let mut out = BytesMut::with_capacity(64);
    out.extend_from_slice(b"{\"error\":{\"code\":");
    json::write_str(&mut out, error.kind.code());
    out.extend_from_slice(b",\"message\":");
    json::write_str(&mut out, error.text());
    out.extend_from_slice(b"}}");
    Args::from_valid_element(json::into_text(out))
}

fn is_digits(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

macro_rules! forms {
    ($($name:ident: $id:literal, $parser:ident, $binary:ident;)*) => {$(
        static $name: &dyn Wire = &SocketIoWire {
            id: WireId($id),
            parser: Parser::$parser,
            binary: Binary::$binary,
        };
    )*};
}

forms! {
    SIO5: 16, Json, Bare;
    SIO4: 17, Json, Typed;
    SIO4_BASE64: 18, Json, Base64;
    SIO5_MSGPACK: 19, MsgPack, Bare;
    SIO4_MSGPACK: 20, MsgPack, Typed;
    SIO4_MSGPACK_BASE64: 21, MsgPack, Base64;
}

/// What type, attachments, id, brackets and commas take at most, or nearly so.
const HEAD_LEN: usize = 40;

#[cfg(test)]
mod tests;
