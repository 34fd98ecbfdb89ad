//! Packets in MessagePack, as npm's `socket.io-msgpack-parser` has them: a map with `type` (0 to
//! 4: there are no types of their own for packets with byte strings), `nsp`, `data` and `id`,
//! in one binary message. The number of byte strings has no bound but the message's length.
//!
//! JavaScript's `undefined` stands for what is not there, and is read as such.

use crate::RESERVED_EVENTS;
use crate::control::Control;
use crate::packet::{Body, Invalid, Packet};
use crate::recovery;
use crate::wire::Ending;
use bytes::{Bytes, BytesMut};
use omniwire_msgpack::{Dialect, Malformed, Reader, Token, decode, encode};
use omniwire_session::{Args, ByteString, json};

const DIALECT: Dialect = Dialect::Notepack;

impl From<Malformed> for Invalid {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.0)
    }
}

/// What a packet carries.
#[derive(Debug)]
enum Data {
    None,
    List(Args),
    One(Args),
}

/// Reads a packet.
///
/// # Errors
/// It is none.
pub(crate) fn decode(bytes: &Bytes) -> Result<Packet, Invalid> {
    let mut reader = Reader::new(bytes);
    let (mut kind, mut namespace, mut id, mut data) = (None, None, None, Data::None);
    for _ in 0..reader.map("not a packet")? {
        match &*reader.text("not a packet")? {
            "type" => kind = Some(reader.int("invalid packet type")?),
            "nsp" => namespace = Some(reader.text("invalid namespace")?),
            "id" => id = read_id(&mut reader)?,
            "data" => data = read_data(&mut reader)?,
            // `options` and the like mean something to the sender alone.
            _ => drop(decode::values(&mut reader, 1, DIALECT)?),
        }
    }
    if !reader.is_at_end() {
        return Err(Invalid("something behind the packet"));
    }
    let namespace = namespace.ok_or(Invalid("invalid namespace"))?;
    let body = match (kind, data) {
        (Some(0), Data::None) => Body::Connect { auth: Args::default() },
        (Some(0), Data::One(auth)) if auth.json().starts_with('{') => Body::Connect { auth },
        (Some(1), Data::None) => Body::Disconnect,
        (Some(2), Data::List(list)) => {
            let (name, args) = event(&list)?;
            Body::Event { name, args, id: id.map(|id| id.to_string().into()) }
        }
        (Some(3), Data::List(args)) => Body::Ack { id, args },
        (Some(4), _) => Body::ConnectError,
        (Some(0..=3), _) => return Err(Invalid("invalid payload")),
        _ => return Err(Invalid("invalid packet type")),
    };
    Ok(Packet { namespace, body })
}

/// An integer, or nothing.
fn read_id(reader: &mut Reader<'_>) -> Result<Option<u64>, Invalid> {
    match reader.token()? {
        Token::Uint(id) => Ok(Some(id)),
        token if is_nothing(&token) => Ok(None),
        _ => Err(Invalid("invalid packet id")),
    }
}

fn read_data(reader: &mut Reader<'_>) -> Result<Data, Invalid> {
    let mut ahead = reader.clone();
    let token = ahead.token()?;
    Ok(match token {
        Token::Array(count) => {
            *reader = ahead;
            Data::List(decode::values(reader, count, DIALECT)?)
        }
        token if is_nothing(&token) => {
            *reader = ahead;
            Data::None
        }
        _ => Data::One(decode::values(reader, 1, DIALECT)?),
    })
}

fn is_nothing(token: &Token<'_>) -> bool {
    matches!(token, Token::Nil | Token::Extension { kind: 0, bytes: [_], is_fixed: true })
}

/// The name, which is a text or a number, and what follows.
fn event(list: &Args) -> Result<(ByteString, Args), Invalid> {
    let invalid = Invalid("invalid payload");
    let first = list.get(0).ok_or(invalid)?;
    let name: ByteString = match json::unescape(first.json()) {
        Some(name) => ByteString::from(&*name),
        None if first.json().starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            first.json().clone()
        }
        None => return Err(invalid),
    };
    if RESERVED_EVENTS.contains(&&*name) {
        return Err(invalid);
    }
    Ok((name, list.skip(1)))
}

/// An EVENT packet.
pub(crate) fn event_packet(namespace: &str, name: &str, args: &Args, ending: Ending) -> BytesMut {
    let members = if ending.call.is_some() { 4 } else { 3 };
    let mut out = head(members, 2, namespace, args);
    let items = args.len().saturating_add(1);
    encode::array(&mut out, items.saturating_add(ending.position.is_some().into()));
    encode::text(&mut out, name);
    encode::values(&mut out, args, DIALECT);
    if let Some(position) = ending.position {
        encode::text(&mut out, &recovery::offset(position));
    }
    if let Some(id) = ending.call {
        encode::text(&mut out, "id");
        encode::uint(&mut out, id);
    }
    out
}

/// An ACK packet. `id` is the client's own digits.
pub(crate) fn ack_packet(namespace: &str, id: &str, args: &Args) -> BytesMut {
    let mut out = head(4, 3, namespace, args);
    encode::array(&mut out, args.len());
    encode::values(&mut out, args, DIALECT);
    encode::text(&mut out, "id");
    encode::uint(&mut out, id.parse().unwrap_or_default());
    out
}

/// A packet of the session itself.
pub(crate) fn control(control: Control, namespace: &str, payload: &Args) -> BytesMut {
    if !payload.is_empty() {
        let mut out = head(3, control as u64, namespace, payload);
        encode::one_value(&mut out, payload, DIALECT);
        return out;
    }
    let mut out = BytesMut::with_capacity(namespace.len().saturating_add(HEAD_LEN));
    write_head(&mut out, 2, control as u64, namespace);
    out
}

/// All up to the data.
fn head(members: usize, kind: u64, namespace: &str, args: &Args) -> BytesMut {
    let len = namespace.len().saturating_add(args.size_hint());
    let mut out = BytesMut::with_capacity(len.saturating_add(HEAD_LEN));
    write_head(&mut out, members, kind, namespace);
    encode::text(&mut out, "data");
    out
}

fn write_head(out: &mut BytesMut, members: usize, kind: u64, namespace: &str) {
    encode::map(out, members);
    encode::text(out, "type");
    encode::uint(out, kind);
    encode::text(out, "nsp");
    encode::text(out, if namespace.is_empty() { "/" } else { namespace });
}

/// What the members' names and the like take, or nearly so.
const HEAD_LEN: usize = 48;

#[cfg(test)]
mod tests;
