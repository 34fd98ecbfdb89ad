//! What brings the bytes of a session.

use crate::message::Message;
use bytes::Bytes;
use bytestring::ByteString;
use std::num::NonZeroU32;

/// The kind of connection that carries a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A WebSocket, over any version of HTTP: messages both ways.
    WebSocket,
    /// One response that ends with the first thing it brings.
    LongPoll,
    /// `text/event-stream`.
    EventStream,
    /// One endless response, a chunk per frame (SockJS xhr-streaming).
    Streaming,
    /// A stream of a WebTransport session: messages both ways.
    WebTransport,
}

impl Carrier {
    /// Whether it brings messages both ways, for as long as it lives.
    pub fn has_messages(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebTransport)
    }
}

/// The number of a connection within its session. Never used twice in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CarrierId(NonZeroU32);

impl CarrierId {
    /// That of the connection before which there were so many.
    pub const fn new(number: u32) -> Self {
        // One more, so that there being none takes no room of its own.
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    /// How many there were before.
    pub const fn number(self) -> u32 {
        self.0.get().saturating_sub(1)
    }
}

/// How a connection went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detached {
    /// It did its work: the poll was answered, the stream reached its limit.
    Done,
    /// The client closed it in the carrier's own way (a WebSocket Close frame), or our side did for
    /// what came over it.
    Closed {
        /// The WebSocket close code; 1005 if the frame had none. Also for other carriers.
        code: u16,
    },
    /// It broke off: connection lost, request aborted.
    Lost,
}

/// An HTTP answer, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`; empty for none.
    pub content_type: &'static str,
    /// The body; may be empty.
    pub body: Bytes,
}

impl Answer {
    /// An answer with a body.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, body: body.into() }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, content_type: "", body: Bytes::new() }
    }
}

/// How a carrier ends. Each carrier takes from it what it has a place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// For HTTP carriers: the answer of a poll that has not been answered yet, or the last chunk
    /// of a stream (its status was sent long ago).
    pub answer: Answer,
    /// For WebSocket: the code of the Close frame; `None` sends a Close without a code.
    pub code: Option<u16>,
    /// For WebSocket: the reason in the Close frame.
    pub reason: ByteString,
    /// For WebSocket: a message in front of the Close frame, for a peer of whose outbox nothing
    /// leaves any more ([`crate::Reason::Slow`]).
    pub farewell: Option<Message>,
}

impl Ending {
    /// An ending with this WebSocket close code and an empty 200 for polls.
    pub fn close(code: u16, reason: impl Into<ByteString>) -> Self {
        Self { answer: Answer::empty(200), code: Some(code), reason: reason.into(), farewell: None }
    }

    /// The same ending with a last message.
    #[must_use]
    pub fn with_farewell(mut self, farewell: Message) -> Self {
        self.farewell = Some(farewell);
        self
    }

    /// The same ending with another HTTP answer.
    #[must_use]
    pub fn with_answer(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self
    }
}
