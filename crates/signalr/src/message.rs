//! What a hub message from a client says, in either encoding (`HubProtocol.md`, "Message Types").

use omniwire_session::{Args, ByteString};

/// The two encodings of hub messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// "JSON Encoding".
    Json,
    /// "MessagePack Encoding".
    MessagePack,
}

/// A hub message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum HubMessage {
    /// `Invocation` or `StreamInvocation`.
    Invocation(Invocation),
    /// An invocation whose arguments can't be told; the rest of the connection is sound.
    Unbindable { id: Option<ByteString>, target: ByteString, why: &'static str },
    /// `StreamItem`; the error says why the item can't be told.
    StreamItem { id: ByteString, item: Result<Args, &'static str> },
    /// `Completion`.
    Completion { id: ByteString, outcome: Result<Args, ByteString> },
    /// `CancelInvocation`.
    Cancel { id: ByteString },
    /// `Ping`.
    Ping,
    /// `Close`: the error, if that is why, and whether one may come back by oneself.
    Close { error: Option<ByteString>, allow_reconnect: bool },
    /// `Ack`: everything up to this number has arrived.
    Ack(u64),
    /// `Sequence`: the number of the next message that counts.
    Sequence(u64),
    /// A type that is not known: the protocol may grow.
    Ignored,
}

impl HubMessage {
    /// Whether stateful reconnect numbers it.
    pub(crate) fn is_numbered(&self) -> bool {
        match self {
            Self::Invocation(_)
            | Self::Unbindable { .. }
            | Self::StreamItem { .. }
            | Self::Completion { .. }
            | Self::Cancel { .. } => true,
            Self::Ping | Self::Close { .. } | Self::Ack(_) | Self::Sequence(_) | Self::Ignored => {
                false
            }
        }
    }
}

/// `Invocation` or `StreamInvocation`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Invocation {
    /// The method.
    pub(crate) target: ByteString,
    /// Its arguments.
    pub(crate) args: Args,
    /// How the answer is to be named; none if none is wanted.
    pub(crate) id: Option<ByteString>,
    /// Names of the streams that the client sends along.
    pub(crate) streams: Vec<ByteString>,
    /// Whether the answer is to be a stream.
    pub(crate) wants_stream: bool,
}

/// Why bytes are no hub message.
pub(crate) use omniwire_msgpack::Malformed;

/// Message types.
pub(crate) mod kind {
    pub(crate) const INVOCATION: i32 = 1;
    pub(crate) const STREAM_ITEM: i32 = 2;
    pub(crate) const COMPLETION: i32 = 3;
    pub(crate) const STREAM_INVOCATION: i32 = 4;
    pub(crate) const CANCEL: i32 = 5;
    pub(crate) const PING: i32 = 6;
    pub(crate) const CLOSE: i32 = 7;
    pub(crate) const ACK: i32 = 8;
    /// The last one known.
    pub(crate) const SEQUENCE: i32 = 9;
}
