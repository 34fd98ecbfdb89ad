//! Packets: what one WebSocket message, or one part of a polling payload, holds.
//! Protocol 4: <https://socket.io/docs/v4/engine-io-protocol/#packet-encoding>.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{Bytes, BytesMut};
use omniwire_session::{ByteString, Fault, Message};
use std::fmt;

/// The revision of the protocol, which a client names in the parameter `EIO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Revision 3, of Socket.IO 1 and 2: the client pings.
    V3,
    /// Revision 4, of Socket.IO 3 and later: the server pings.
    V4,
}

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// The server's first packet.
    Open,
    /// The session is over.
    Close,
    /// Are you there?
    Ping,
    /// I am.
    Pong,
    /// A message of the application.
    Message,
    /// The client moves to this connection.
    Upgrade,
    /// Nothing: it ends a poll.
    Noop,
}

impl PacketType {
    /// The type with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Open,
            1 => Self::Close,
            2 => Self::Ping,
            3 => Self::Pong,
            4 => Self::Message,
            5 => Self::Upgrade,
            6 => Self::Noop,
            _ => return None,
        })
    }

    /// The type that this ASCII digit stands for.
    pub fn from_digit(digit: u8) -> Option<Self> {
        Self::from_number(digit.wrapping_sub(b'0'))
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Close => 1,
            Self::Ping => 2,
            Self::Pong => 3,
            Self::Message => 4,
            Self::Upgrade => 5,
            Self::Noop => 6,
        }
    }

    /// Its ASCII digit.
    pub fn digit(self) -> u8 {
        b'0' | self.number()
    }
}

/// A packet. Binary data is of type [`PacketType::Message`] always in protocol 4, and as good as
/// always in protocol 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// What it is for.
    pub kind: PacketType,
    /// What it holds; empty text for nothing.
    pub data: Message,
}

impl Packet {
    /// A packet with text.
    pub fn text(kind: PacketType, text: impl Into<ByteString>) -> Self {
        Self { kind, data: Message::Text(text.into()) }
    }

    /// A message packet.
    pub fn message(data: Message) -> Self {
        Self { kind: PacketType::Message, data }
    }

    /// Reads a packet as WebSocket carries it. The data is a slice of the message, except
    /// where it was base64.
    ///
    /// # Errors
    /// It has no known type, or bad base64.
    pub fn decode(protocol: Protocol, message: Message) -> Result<Self, Malformed> {
        match (message, protocol) {
            (Message::Text(text), _) => Self::decode_text(protocol, &text),
            (Message::Binary(bytes), Protocol::V4) => Ok(Self::message(Message::Binary(bytes))),
            (Message::Binary(bytes), Protocol::V3) => Self::decode_binary_v3(&bytes),
        }
    }

    pub(crate) fn decode_text(protocol: Protocol, text: &ByteString) -> Result<Self, Malformed> {
        if let Some(encoded) = text.strip_prefix('b') {
            return Self::decode_base64(protocol, encoded);
        }
        let first = text.as_bytes().first().copied().unwrap_or_default();
        let kind = PacketType::from_digit(first).ok_or(Malformed("unknown packet type"))?;
        let data = text.get(1..).unwrap_or_default();
        Ok(Self { kind, data: Message::Text(text.slice_ref(data)) })
    }

    fn decode_base64(protocol: Protocol, encoded: &str) -> Result<Self, Malformed> {
        let (kind, encoded) = match protocol {
            Protocol::V4 => (PacketType::Message, encoded),
            Protocol::V3 => {
                let first = encoded.as_bytes().first().copied().unwrap_or_default();
                let kind = PacketType::from_digit(first).ok_or(Malformed("unknown packet type"))?;
                (kind, encoded.get(1..).unwrap_or_default())
            }
        };
        let bytes = BASE64.decode(encoded).map_err(|_| Malformed("bad base64"))?;
        Ok(Self { kind, data: Message::Binary(bytes.into()) })
    }

    pub(crate) fn decode_binary_v3(bytes: &Bytes) -> Result<Self, Malformed> {
        let kind = bytes.first().and_then(|&number| PacketType::from_number(number));
        let kind = kind.ok_or(Malformed("unknown packet type"))?;
        Ok(Self { kind, data: Message::Binary(bytes.slice(1..)) })
    }

    /// The packet as WebSocket carries it.
    pub fn encode(&self, protocol: Protocol) -> Message {
        match (&self.data, protocol) {
            (Message::Binary(bytes), Protocol::V4) => Message::Binary(bytes.clone()),
            (Message::Binary(bytes), Protocol::V3) => {
                let mut out = BytesMut::with_capacity(bytes.len().saturating_add(1));
                out.extend_from_slice(&[self.kind.number()]);
                out.extend_from_slice(bytes);
                Message::Binary(out.freeze())
            }
            (Message::Text(text), _) => {
                let digit = char::from(self.kind.digit());
                Message::text(format!("{digit}{text}"))
            }
        }
    }
}

/// Something that is no packet, or no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::bad_request(malformed.0)
    }
}

/// Base64 (RFC 4648, section 4) that, as Node does, minds neither padding nor stray bits.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
pub(crate) mod tests;
