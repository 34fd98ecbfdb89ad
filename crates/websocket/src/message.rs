//! What applications send and receive.

use bytes::Bytes;

use crate::{CloseFrame, OpCode, Utf8Bytes};

/// A whole message, or a control frame.
///
/// Cloning counts references; no payload is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text, known to be UTF-8.
    Text(Utf8Bytes),
    /// Binary data.
    Binary(Bytes),
    /// A Ping, which this crate answers by itself. At most 125 octets; more is cut when sent.
    Ping(Bytes),
    /// A Pong, asked for or not. At most 125 octets; more is cut when sent.
    Pong(Bytes),
    /// A Close. `None`: without a code, reported as 1005.
    Close(Option<CloseFrame>),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(data: impl Into<Bytes>) -> Self {
        Self::Binary(data.into())
    }

    /// Whether it is text or binary, not control.
    #[must_use]
    pub const fn is_data(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }

    /// The opcode it travels under.
    #[must_use]
    pub const fn opcode(&self) -> OpCode {
        match self {
            Self::Text(_) => OpCode::Text,
            Self::Binary(_) => OpCode::Binary,
            Self::Ping(_) => OpCode::Ping,
            Self::Pong(_) => OpCode::Pong,
            Self::Close(_) => OpCode::Close,
        }
    }

    /// The octets of its payload.
    #[must_use]
    pub fn into_payload(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(data) => data,
            // Section 5.5: a control frame holds at most 125 octets.
            Self::Ping(data) | Self::Pong(data) => data.slice(..data.len().min(125)),
            Self::Close(close) => close.map(|close| close.payload()).unwrap_or_default(),
        }
    }
}

/// A message whose payload lies in the buffer that it was read into, and is lent while it is looked
/// at: no memory is asked for, and no reference is counted. See [`crate::WebSocket::visit`] and
/// [`crate::Connection::receive_in_place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageRef<'a> {
    /// Text.
    Text(&'a str),
    /// Binary data.
    Binary(&'a [u8]),
    /// A Ping, which this crate answers by itself.
    Ping(&'a [u8]),
    /// A Pong, asked for or not.
    Pong(&'a [u8]),
    /// A Close, which is answered too. `None`: without a code, reported as 1005.
    Close(Option<CloseFrame>),
}

impl MessageRef<'_> {
    /// Whether it is text or binary, not control.
    #[must_use]
    pub const fn is_data(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }

    /// A message of its own, with a copy of the payload.
    #[must_use]
    pub fn to_message(&self) -> Message {
        match self {
            Self::Text(text) => Message::text(*text),
            Self::Binary(data) => Message::Binary(Bytes::copy_from_slice(data)),
            Self::Ping(data) => Message::Ping(Bytes::copy_from_slice(data)),
            Self::Pong(data) => Message::Pong(Bytes::copy_from_slice(data)),
            Self::Close(close) => Message::Close(close.clone()),
        }
    }
}

impl<'a> From<&'a Message> for MessageRef<'a> {
    fn from(message: &'a Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.as_str()),
            Message::Binary(data) => Self::Binary(data),
            Message::Ping(data) => Self::Ping(data),
            Message::Pong(data) => Self::Pong(data),
            Message::Close(close) => Self::Close(close.clone()),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(data: Bytes) -> Self {
        Self::Binary(data)
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data.into())
    }
}
