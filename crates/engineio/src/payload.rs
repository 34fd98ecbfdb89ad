//! Payloads: the packets of one polling answer or one POST body.
//!
//! Protocol 4 parts packets by U+001E and writes binary as `b` and base64. Protocol 3 puts the
//! length, in UTF-16 units, in front of each packet, and has a binary form for payloads that
//! hold a binary packet.

use crate::packet::{BASE64, Malformed, Packet, Protocol};
use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use omniwire_session::{ByteString, Kind};

/// Parts packets in protocol 4. JSON escapes it, so it is never inside a Socket.IO packet.
pub const SEPARATOR: u8 = 0x1e;

/// Reads the packets of a POST body, one at a time. Ends after the first that is malformed.
#[derive(Debug, Clone)]
pub struct Payload {
    protocol: Protocol,
    rest: Rest,
}

#[derive(Debug, Clone)]
enum Rest {
    Text(ByteString),
    Binary(Bytes),
    Done,
}

impl Payload {
    /// Begins to read a body. Text that is not UTF-8 is mended, as Node does.
    ///
    /// # Errors
    /// The body is binary, which protocol 4 does not have.
    pub fn new(protocol: Protocol, kind: Kind, body: Bytes) -> Result<Self, Malformed> {
        let rest = match (kind, protocol) {
            (Kind::Text, _) => Rest::Text(to_text(body)),
            (Kind::Binary, Protocol::V3) => Rest::Binary(body),
            (Kind::Binary, Protocol::V4) => return Err(Malformed("invalid content")),
        };
        Ok(Self { protocol, rest })
    }

    /// The first packet, and what is left.
    fn split(&self) -> Result<(Option<Packet>, Rest), Malformed> {
        match (&self.rest, self.protocol) {
            (Rest::Done, _) => Ok((None, Rest::Done)),
            (Rest::Text(text), Protocol::V4) => split_v4(text),
            (Rest::Text(text), Protocol::V3) => split_text_v3(text),
            (Rest::Binary(bytes), _) => split_binary_v3(bytes),
        }
    }
}

impl Iterator for Payload {
    type Item = Result<Packet, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.split() {
                Ok((None, Rest::Done)) => {
                    self.rest = Rest::Done;
                    return None;
                }
                // Protocol 3 lets packets be empty, and skips them.
                Ok((None, rest)) => self.rest = rest,
                Ok((Some(packet), rest)) => {
                    self.rest = rest;
                    return Some(Ok(packet));
                }
                Err(malformed) => {
                    self.rest = Rest::Done;
                    return Some(Err(malformed));
                }
            }
        }
    }
}

fn to_text(body: Bytes) -> ByteString {
    ByteString::try_from(body.clone())
        .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into())
}

fn split_v4(text: &ByteString) -> Result<(Option<Packet>, Rest), Malformed> {
    let end = memchr::memchr(SEPARATOR, text.as_bytes());
    let parts = end.and_then(|end| Some((text.get(..end)?, text.get(end.saturating_add(1)..)?)));
    let (packet, rest) = match parts {
        Some((packet, rest)) => (text.slice_ref(packet), Rest::Text(text.slice_ref(rest))),
        None => (text.clone(), Rest::Done),
    };
    Ok((Some(Packet::decode_text(Protocol::V4, &packet)?), rest))
}

/// `<length>:<packet>`, the length in UTF-16 units.
fn split_text_v3(text: &ByteString) -> Result<(Option<Packet>, Rest), Malformed> {
    let (length, rest) = text.split_once(':').ok_or(Malformed("payload without a length"))?;
    let end = length
        .parse()
        .ok()
        .filter(|_| length.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|units| utf16_offset(rest, units))
        .ok_or(Malformed("bad length in a payload"))?;
    let (packet, rest) = rest.split_at_checked(end).unwrap_or_default();
    let packet = match packet {
        "" => None,
        packet => Some(Packet::decode_text(Protocol::V3, &text.slice_ref(packet))?),
    };
    let rest = if rest.is_empty() { Rest::Done } else { Rest::Text(text.slice_ref(rest)) };
    Ok((packet, rest))
}

/// `<0 text or 1 binary><digits as octets><255><packet>`, the length in octets.
fn split_binary_v3(bytes: &Bytes) -> Result<(Option<Packet>, Rest), Malformed> {
    let Some((kind, _)) = bytes.split_first() else { return Ok((None, Rest::Done)) };
    let bad = Malformed("bad length in a payload");
    let digits_end = bytes.iter().take(LENGTH_DIGITS_MAX + 2).position(|&octet| octet == 255);
    let digits_end = digits_end.filter(|&end| end > 1).ok_or(bad)?;
    let mut length = 0_usize;
    for &digit in bytes.get(1..digits_end).unwrap_or_default() {
        if digit > 9 {
            return Err(bad);
        }
        length = length.saturating_mul(10).saturating_add(usize::from(digit));
    }
    let start = digits_end.saturating_add(1);
    let end = start.checked_add(length).filter(|&end| end <= bytes.len()).ok_or(bad)?;
    let packet = bytes.slice(start..end);
    let packet = match (kind, length) {
        (_, 0) => None,
        (0, _) => Some(Packet::decode_text(Protocol::V3, &to_text(packet))?),
        _ => Some(Packet::decode_binary_v3(&packet)?),
    };
    let rest = if end == bytes.len() { Rest::Done } else { Rest::Binary(bytes.slice(end..)) };
    Ok((packet, rest))
}

/// The byte offset in `text` that `units` UTF-16 units reach; `None` if there are fewer, or if
/// it is inside a character.
fn utf16_offset(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

fn utf16_len(text: &[u8]) -> usize {
    let units = |byte| match byte {
        0x80..0xc0 => 0,
        0xf0.. => 2,
        _ => 1,
    };
    text.iter().copied().map(units).sum()
}

/// Writes packets, given as the messages that WebSocket would carry, as one polling answer or
/// POST body.
///
/// In protocol 4 text that holds the [`SEPARATOR`] has U+FFFD in its place.
/// In protocol 3 one binary packet brings the binary form for all: the caller who must not
/// have it (`b64=1`) gives binary packets as the text `b4` and base64.
pub fn write<'a, I>(protocol: Protocol, packets: I, out: &mut BytesMut)
where
    I: IntoIterator<Item = (Kind, &'a [u8])>,
    I::IntoIter: Clone,
{
    let packets = packets.into_iter();
    match protocol {
        Protocol::V4 => write_v4(packets, out),
        Protocol::V3 if packets.clone().any(|(kind, _)| kind == Kind::Binary) => {
            for (kind, packet) in packets {
                write_binary_v3(kind, packet, out);
            }
        }
        Protocol::V3 => {
            for (_, packet) in packets {
                out.extend_from_slice(utf16_len(packet).to_string().as_bytes());
                out.extend_from_slice(b":");
                out.extend_from_slice(packet);
            }
        }
    }
}

fn write_v4<'a>(packets: impl Iterator<Item = (Kind, &'a [u8])> + Clone, out: &mut BytesMut) {
    // Binary takes more, and is rare.
    let lens = packets.clone().map(|(_, packet)| packet.len().saturating_add(1));
    out.reserve(lens.fold(0, usize::saturating_add));
    for (index, (kind, packet)) in packets.enumerate() {
        if index > 0 {
            out.extend_from_slice(&[SEPARATOR]);
        }
        match kind {
            Kind::Text => write_text_v4(packet, out),
            Kind::Binary => {
                out.extend_from_slice(b"b");
                write_base64(packet, out);
            }
        }
    }
}

/// Protocol 4 cannot escape the separator: text that has one, which JSON never has, would forge
/// another packet. It becomes U+FFFD.
fn write_text_v4(packet: &[u8], out: &mut BytesMut) {
    let mut rest = packet;
    while let Some((part, more)) =
        memchr::memchr(SEPARATOR, rest).and_then(|at| rest.split_at_checked(at))
    {
        out.extend_from_slice(part);
        out.extend_from_slice("\u{fffd}".as_bytes());
        rest = more.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn write_binary_v3(kind: Kind, packet: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(&[u8::from(kind == Kind::Binary)]);
    let length = packet.len().to_string();
    out.extend(length.bytes().map(|digit| digit & 0x0f));
    out.extend_from_slice(&[255]);
    out.extend_from_slice(packet);
}

/// Appends `bytes` as base64 (RFC 4648, section 4).
pub fn write_base64(bytes: &[u8], out: &mut BytesMut) {
    // Multiples of three, so that the parts join without padding.
    for part in bytes.chunks(BASE64_PART) {
        let mut text = [0; BASE64_PART / 3 * 4];
        let len = BASE64.encode_slice(part, &mut text).unwrap_or_default();
        out.extend_from_slice(text.get(..len).unwrap_or_default());
    }
}

/// `Content-Type` of a polling answer, known by how it begins: only the binary form of
/// protocol 3 begins with an octet 0 or 1.
pub fn content_type(answer: &[u8]) -> &'static str {
    match answer.first() {
        Some(0 | 1) => "application/octet-stream",
        _ => TEXT_PLAIN,
    }
}

/// `Content-Type` of a polling answer that is text, as the official server spells it.
pub const TEXT_PLAIN: &str = "text/plain; charset=UTF-8";

const LENGTH_DIGITS_MAX: usize = 15;
const BASE64_PART: usize = 3 * 1024;

#[cfg(test)]
mod tests;
