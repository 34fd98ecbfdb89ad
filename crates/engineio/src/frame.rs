//! Frames: the packets of one stream of WebTransport, each behind a header of one, three or nine
//! octets. The highest bit of the first octet says that the payload is binary; the other seven are
//! its length, or 126 or 127 for one of two or eight octets that follow, the highest first.
//! Protocol 4.1: `createPacketEncoderStream` and `createPacketDecoderStream` of engine.io-parser.

use crate::Malformed;
use bytes::{Buf as _, BufMut as _, BytesMut};
use omniwire_session::{ByteString, Kind, Message, json};

/// Appends the header of a frame; its payload is to follow. An empty payload is not allowed, so
/// for no bytes the whole frame is written: their base64, as long polling has it.
pub fn write_header(kind: Kind, payload_len: usize, out: &mut BytesMut) {
    let bit = match kind {
        Kind::Text => 0,
        Kind::Binary if payload_len == 0 => return out.put_slice(b"\x01b"),
        Kind::Binary => BINARY,
    };
    match (u8::try_from(payload_len), u16::try_from(payload_len)) {
        (Ok(len @ 0..LEN_16), _) => out.put_u8(bit | len),
        (_, Ok(len)) => {
            out.put_u8(bit | LEN_16);
            out.put_u16(len);
        }
        _ => {
            out.put_u8(bit | LEN_64);
            out.put_u64(payload_len as u64);
        }
    }
}

/// Takes the first frame out of `buffer`; `None` if it has not come in whole. Reserves nothing.
///
/// # Errors
/// It is empty, longer than `payload_len_max` bytes, which its header tells, or text that is not
/// UTF-8.
pub fn take(payload_len_max: usize, buffer: &mut BytesMut) -> Result<Option<Message>, Malformed> {
    let Some((kind, header_len, payload_len)) = header(buffer) else { return Ok(None) };
    let payload_len = usize::try_from(payload_len).ok().filter(|len| *len <= payload_len_max);
    match payload_len {
        None => Err(Malformed("a frame is too long")),
        Some(0) => Err(Malformed("a frame is empty")),
        Some(len) if buffer.len().saturating_sub(header_len) < len => Ok(None),
        Some(len) => {
            buffer.advance(header_len);
            let payload = buffer.split_to(len).freeze();
            Ok(Some(match kind {
                Kind::Binary => Message::Binary(payload),
                Kind::Text => Message::Text(
                    ByteString::try_from(payload).map_err(|_| Malformed("text is not UTF-8"))?,
                ),
            }))
        }
    }
}

/// What the header at the front says, and its own length, if it is whole.
fn header(buffer: &[u8]) -> Option<(Kind, usize, u64)> {
    let (first, rest) = buffer.split_first()?;
    let kind = if first & BINARY == 0 { Kind::Text } else { Kind::Binary };
    Some(match first & !BINARY {
        LEN_16 => (kind, 3, u16::from_be_bytes(*rest.first_chunk()?).into()),
        LEN_64 => (kind, 9, u64::from_be_bytes(*rest.first_chunk()?)),
        len => (kind, 1, len.into()),
    })
}

/// What the first frame of a WebTransport asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// A new session.
    Open,
    /// To take over from the long polling of this session.
    Upgrade(ByteString),
}

impl Greeting {
    /// Reads the first frame: an open packet without data, or with the name of a session in it.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(first: &Message) -> Result<Self, Malformed> {
        let Message::Text(text) = first else { return Err(NO_GREETING) };
        let data = text.strip_prefix('0').ok_or(NO_GREETING)?;
        if data.is_empty() {
            return Ok(Self::Open);
        }
        let members = json::member_slices(data).map_err(|_| NO_GREETING)?;
        // Of members with the same name, the last counts.
        let sid = members.filter(|(name, _)| *name == "sid").last();
        let sid = sid.and_then(|(_, value)| json::unescape(value).map(|sid| (&*sid).into()));
        sid.map(Self::Upgrade).ok_or(NO_GREETING)
    }
}

const NO_GREETING: Malformed = Malformed("not the first frame of a session");

/// The bit of the first octet that tells binary from text.
const BINARY: u8 = 0x80;

/// In place of a length: two octets of it follow, or eight.
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

#[cfg(test)]
mod tests;
