//! What a session tells the application.

use crate::{Args, ByteString, Position, WireForm};

/// The number of a peer within its session. Protocols with one namespace per session only ever
/// use [`Link::FIRST`]; Socket.IO numbers the namespaces a client enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link(pub u32);

impl Link {
    /// The only peer of a session whose protocol has one namespace per session.
    pub const FIRST: Self = Self(0);
}

/// What names a call on the wire, in the protocol's own spelling: digits (Socket.IO), the decoded
/// string (SignalR), the raw JSON value (envelope). Echoed in the reply; never interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub ByteString);

/// That the sender of an event wants an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What the answer must name.
    pub id: CallId,
    /// The answer is to be a stream of items rather than one reply.
    pub stream: bool,
}

/// What a client says of the peer that it was before its connection was lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Returning {
    /// It remembers none: its kind of client can't come back.
    #[default]
    No,
    /// It was none yet, and takes a token by which it can come back.
    New,
    /// It was the peer with this token.
    As {
        /// The secret that [`crate::Input::Accept`] gave it.
        token: ByteString,
        /// How much it had received.
        since: Since,
    },
}

/// How much of what was said a returning client had received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// No event at all.
    Entered,
    /// All up to the event that stands there.
    Position(Position),
    /// All up to an event that had no position, and whose last argument is this text: such a
    /// client takes any text there for a position.
    Text(ByteString),
}

/// Something that the application must hear of.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A client asks to enter a namespace. Answered by [`crate::Input::Accept`] or
    /// [`crate::Input::Refuse`]; the peer's other events wait for that.
    Enter {
        /// The number of the new peer, never used before in this session.
        link: Link,
        /// The namespace as the client names it; empty where the mount decides it.
        namespace: ByteString,
        /// What the client sent along: no argument or one.
        auth: Args,
        /// How this peer wants to be spoken to.
        wire: WireForm,
        /// Whether it comes back, or may one day.
        returning: Returning,
    },
    /// The client says something.
    Message {
        /// The peer that says it.
        link: Link,
        /// The event's name.
        name: ByteString,
        /// Its arguments.
        args: Args,
        /// Whether it wants an answer.
        call: Option<Call>,
        /// Names of streams that the client will send along with this call
        /// ([`Event::Item`], [`Event::End`]).
        uploads: Vec<ByteString>,
    },
    /// The client answers a call of ours.
    Reply {
        /// The peer that answers.
        link: Link,
        /// The number given to [`crate::Outgoing::Event`].
        call: u64,
        /// What it answered; the error is the client's own text.
        outcome: Result<Args, ByteString>,
    },
    /// An item of a stream that the client sends.
    Item {
        /// The peer.
        link: Link,
        /// The stream's name.
        stream: ByteString,
        /// The item: one argument.
        item: Args,
    },
    /// A stream that the client sends is over.
    End {
        /// The peer.
        link: Link,
        /// The stream's name.
        stream: ByteString,
        /// The client's own text, if the stream failed.
        error: Option<ByteString>,
    },
    /// The client no longer wants the answer to this call.
    Cancel {
        /// The peer.
        link: Link,
        /// The call.
        call: CallId,
    },
    /// The client asks to join a room.
    Join {
        /// The peer.
        link: Link,
        /// The room.
        room: ByteString,
        /// Whether it wants an answer.
        call: Option<Call>,
        /// The last event of the room that the client has seen, if it comes back.
        since: Option<Position>,
    },
    /// The client asks to leave a room.
    LeaveRoom {
        /// The peer.
        link: Link,
        /// The room.
        room: ByteString,
        /// Whether it wants an answer.
        call: Option<Call>,
    },
    /// A peer is gone. Nothing follows from it.
    Leave {
        /// The peer.
        link: Link,
        /// Why.
        reason: Reason,
    },
}

/// Why a peer or a session ended. [`Reason::as_str`] gives Socket.IO's words, which are the
/// best known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The client left the namespace, or closed in the protocol's own words.
    ClientLeft,
    /// The application ended it.
    Kicked,
    /// The connection was closed.
    ConnectionClosed,
    /// The connection failed.
    ConnectionLost,
    /// No sign of life in time.
    PingTimeout,
    /// The client broke the protocol.
    ProtocolError,
    /// The client's outbox ran over.
    Slow,
    /// The client did not enter a namespace, or finish its handshake, in time.
    NeverEntered,
    /// The server is going down.
    Shutdown,
    /// The server closed the connection without a word to its peers.
    Forced,
    /// The client said what its state does not allow, so the server closed the connection.
    OutOfTurn,
}

impl Reason {
    /// A few words, as Socket.IO's server words them where it has a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientLeft => "client namespace disconnect",
            Self::Kicked => "server namespace disconnect",
            Self::ConnectionClosed => "transport close",
            Self::ConnectionLost => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ProtocolError => "parse error",
            Self::Slow => "slow peer",
            Self::NeverEntered => "forced close",
            Self::Shutdown => "server shutting down",
            Self::Forced => "forced close",
            Self::OutOfTurn => "forced server close",
        }
    }

    /// Whether the session ended in an orderly way.
    pub fn is_clean(self) -> bool {
        matches!(self, Self::ClientLeft | Self::Kicked | Self::ConnectionClosed | Self::Shutdown)
    }
}

/// Why a peer is turned away.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What kind of failure it was: some protocols tell whether the text is meant for clients.
    pub kind: CallErrorKind,
    /// For people.
    pub message: ByteString,
    /// For programs: no argument or one.
    pub data: Args,
}

impl Refusal {
    /// A refusal with a message only, which is meant for the client.
    pub fn new(message: impl Into<ByteString>) -> Self {
        let kind = CallErrorKind::Failed;
        Self { kind, message: message.into(), data: Args::default() }
    }
}

/// What kind of failure a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallErrorKind {
    /// Nobody handles this event.
    NotFound,
    /// The arguments are not what the handler takes.
    BadArguments,
    /// The peer may not do this.
    Forbidden,
    /// The event answers with a stream, and the call did not ask for one; or (not `streams`) it
    /// was asked for a stream and has none.
    WrongManner {
        /// Whether the event answers with a stream.
        streams: bool,
    },
    /// Another call that is not over has the same id.
    IdInUse,
    /// The handler failed with a message that is meant for the client.
    Failed,
    /// The handler failed, and why is not the client's business.
    Internal,
}

impl CallErrorKind {
    /// The code in envelopes.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::BadArguments => "bad_arguments",
            Self::Forbidden => "forbidden",
            Self::WrongManner { .. } => "wrong_manner",
            Self::IdInUse => "id_in_use",
            Self::Failed => "failed",
            Self::Internal => "internal",
        }
    }
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What kind of failure.
    pub kind: CallErrorKind,
    /// The event that was called.
    pub event: ByteString,
    /// For the client; empty for [`CallErrorKind::Internal`] unless details are on
    /// ([`CallError::text`]).
    pub message: ByteString,
}

impl CallError {
    /// What a client without words of its own is told: the message, or what its kind says.
    pub fn text(&self) -> &str {
        if !self.message.is_empty() {
            return &self.message;
        }
        match self.kind {
            CallErrorKind::NotFound => "nobody handles this event",
            CallErrorKind::BadArguments => "the arguments are not what the handler takes",
            CallErrorKind::Forbidden => "not allowed",
            CallErrorKind::WrongManner { streams: true } => {
                "this event answers with a stream, which the call did not ask for"
            }
            CallErrorKind::WrongManner { streams: false } => {
                "this event does not answer with a stream"
            }
            CallErrorKind::IdInUse => "another call has this id",
            CallErrorKind::Failed | CallErrorKind::Internal => "the call failed",
        }
    }
}
