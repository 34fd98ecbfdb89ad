//! Packets, as the text of a message has them:
//! `<type>[<attachments>-][<namespace>,][<id>][<JSON>]`
//! (<https://socket.io/docs/v4/socket-io-protocol/#packet-encoding>).
//!
//! No tree is built: arguments are slices of the message that were validated once.

use crate::RESERVED_EVENTS;
use omniwire_session::json::{self, JsonError};
use omniwire_session::{Args, ByteString, Fault};
use std::borrow::Cow;
use std::fmt;

/// A packet from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The namespace, as the client names it; `/` if it does not.
    pub namespace: ByteString,
    /// What it says.
    pub body: Body,
}

/// What a packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// CONNECT: let me in.
    Connect {
        /// An object, or nothing.
        auth: Args,
    },
    /// DISCONNECT: I leave.
    Disconnect,
    /// EVENT or BINARY_EVENT.
    Event {
        /// Its name; never one of [`RESERVED_EVENTS`]. A number is taken as it is written.
        name: ByteString,
        /// What follows the name.
        args: Args,
        /// The digits that its acknowledgement must repeat, if it wants one.
        id: Option<ByteString>,
    },
    /// ACK or BINARY_ACK.
    Ack {
        /// The event of ours that it acknowledges; `None` if it names none that can be.
        id: Option<u64>,
        /// The answer.
        args: Args,
    },
    /// EVENT without a payload, which the official server takes for a packet and passes over.
    Nothing,
    /// CONNECT_ERROR, which only servers may say.
    ConnectError,
}

/// Something that is no packet, or comes where none may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid(pub(crate) &'static str);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Invalid {}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::bad_request(invalid.0)
    }
}

impl From<JsonError> for Invalid {
    fn from(_: JsonError) -> Self {
        Self("invalid payload")
    }
}

/// Reads the text of a packet. Returns it with the number of binary messages that belong to it.
/// Attachments are still placeholders in its arguments.
///
/// # Errors
/// It is no packet.
pub fn decode(text: &ByteString, attachments_max: usize) -> Result<(Packet, usize), Invalid> {
    let kind = text.as_bytes().first().copied().unwrap_or_default();
    let rest = text.get(1..).unwrap_or_default();
    let (attachments, rest) = match kind {
        b'5' | b'6' => attachments(rest, attachments_max)?,
        _ => (0, rest),
    };
    let (namespace, rest) = namespace(text, rest);
    let id_len = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (id, payload) = rest.split_at_checked(id_len).unwrap_or_default();
    let payload = text.slice_ref(payload);
    let body = match kind {
        b'0' => Body::Connect { auth: auth(payload)? },
        b'1' if payload.is_empty() => Body::Disconnect,
        b'2' if payload.is_empty() => Body::Nothing,
        b'2' | b'5' => {
            let (name, args) = event(&payload)?;
            Body::Event { name, args, id: call_id(text, id)? }
        }
        b'3' | b'6' => Body::Ack { id: id.parse().ok(), args: answer(&payload)? },
        b'4' => Body::ConnectError,
        b'1' => return Err(Invalid("invalid payload")),
        _ => return Err(Invalid("unknown packet type")),
    };
    Ok((Packet { namespace, body }, attachments))
}

/// `<digits>-`
fn attachments(text: &str, max: usize) -> Result<(usize, &str), Invalid> {
    let (digits, rest) = text.split_once('-').ok_or(Invalid("illegal attachments"))?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Invalid("illegal attachments"));
    }
    match digits.parse() {
        Ok(0) => Err(Invalid("illegal attachments")),
        Ok(count) if count <= max => Ok((count, rest)),
        _ => Err(Invalid("too many attachments")),
    }
}

/// `/name,`, or `/name` and no more, or nothing for `/`.
fn namespace<'a>(text: &ByteString, rest: &'a str) -> (ByteString, &'a str) {
    if !rest.starts_with('/') {
        return (ByteString::from_static("/"), rest);
    }
    let (name, rest) = rest.split_once(',').unwrap_or((rest, ""));
    (text.slice_ref(name), rest)
}

fn call_id(text: &ByteString, digits: &str) -> Result<Option<ByteString>, Invalid> {
    if digits.is_empty() {
        return Ok(None);
    }
    // Bounded, and what any server or client can count.
    digits.parse::<u64>().map_err(|_| Invalid("illegal ack id"))?;
    Ok(Some(text.slice_ref(digits)))
}

/// Nothing, or an object.
fn auth(payload: ByteString) -> Result<Args, Invalid> {
    if payload.is_empty() {
        return Ok(Args::default());
    }
    json::validate(&payload)?;
    if !payload.trim_ascii().starts_with('{') {
        return Err(Invalid("invalid payload"));
    }
    Ok(Args::from_valid_element(payload))
}

/// An array whose first element is the event's name.
fn event(payload: &ByteString) -> Result<(ByteString, Args), Invalid> {
    let inner = between_brackets(payload)?.trim_ascii();
    let name_len = match inner.as_bytes().first() {
        Some(b'"') => string_len(inner).ok_or(Invalid("invalid payload"))?,
        Some(b'-' | b'0'..=b'9') => {
            inner.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(inner.len())
        }
        _ => return Err(Invalid("invalid payload")),
    };
    let (name, rest) = inner.split_at_checked(name_len).ok_or(Invalid("invalid payload"))?;
    json::validate(name)?;
    let name = match json::unescape(name) {
        None => payload.slice_ref(name),
        Some(Cow::Borrowed(name)) => payload.slice_ref(name),
        Some(Cow::Owned(name)) => name.into(),
    };
    if RESERVED_EVENTS.contains(&&*name) {
        return Err(Invalid("invalid payload"));
    }
    let rest = rest.trim_ascii_start();
    if rest.is_empty() {
        return Ok((name, Args::default()));
    }
    let elements = rest.strip_prefix(',').map(str::trim_ascii).filter(|text| !text.is_empty());
    let elements = elements.ok_or(Invalid("invalid payload"))?;
    Ok((name, Args::from_elements(payload.slice_ref(elements))?))
}

/// An array; the official parser lets an acknowledgement be without.
fn answer(payload: &ByteString) -> Result<Args, Invalid> {
    if payload.is_empty() {
        return Ok(Args::default());
    }
    let inner = between_brackets(payload)?.trim_ascii();
    Ok(Args::from_elements(payload.slice_ref(inner))?)
}

fn between_brackets(payload: &str) -> Result<&str, Invalid> {
    let inner = payload.trim_ascii().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.ok_or(Invalid("invalid payload"))
}

/// The length of the JSON string, quotes included, that `text` begins with.
pub(crate) fn string_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1_usize;
    loop {
        at = at.checked_add(memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?)?;
        match bytes.get(at)? {
            b'"' => return at.checked_add(1),
            _ => at = at.checked_add(2)?,
        }
    }
}

#[cfg(test)]
mod tests;
