//! Wire forms: the exact bytes that one kind of peer gets for one event.

use crate::{Args, CallError, CallId, Kind};
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

/// Free bytes that an [`Encoding`] leaves in front of each message, enough for the header of any
/// WebSocket frame that a server sends (RFC 6455, 5.2: at most 2 + 8 octets without a mask).
pub const HEADROOM: usize = 10;

/// Tells wire forms apart. Two peers with the same id get the same bytes for the same event of
/// the same namespace. Each protocol has a range of its own: plain 0 to 15, Socket.IO and
/// Engine.IO 16 to 31, SignalR 32 to 47, SockJS 48 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WireId(pub u16);

/// Where in a recoverable room's history an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Changes when the history was lost (a restart, for one).
    pub epoch: u32,
    /// 1 for the first event of the room, then one more for each.
    pub offset: u64,
}

/// Where the positions come from that a kind of peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Positions {
    /// From the history of a recoverable room.
    Room,
    /// From the journal of the namespace, in which returning peers are looked up.
    Journal,
}

/// Where an event stands, and in which room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The room; empty for a journal.
    pub room: &'a str,
    /// Where in its history.
    pub position: Position,
}

impl Place<'_> {
    /// In the journal of a namespace.
    pub fn in_journal(position: Position) -> Self {
        Self { room: "", position }
    }
}

/// Where a peer stands in a recoverable room that it has just joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume<'a> {
    /// What follows of the room comes after this.
    pub place: Place<'a>,
    /// Set if the peer came back: whether it gets all that it missed.
    pub recovered: Option<bool>,
}

/// Something the application says to a peer.
#[derive(Debug, Clone, Copy)]
pub enum Outgoing<'a> {
    /// An event.
    Event {
        /// Its name.
        name: &'a str,
        /// Its arguments.
        args: &'a Args,
        /// Set if an answer is wanted: it comes back as [`crate::Event::Reply`].
        call: Option<u64>,
        /// Set if the event stands in a recoverable room or a journal: see [`Wire::positions`].
        position: Option<Place<'a>>,
    },
    /// The answer to a client's call.
    Reply {
        /// The client's own name of the call.
        call: &'a CallId,
        /// The result (any number of arguments), or why there is none.
        outcome: Result<&'a Args, &'a CallError>,
    },
    /// One item of the stream that a client's call asked for.
    Item {
        /// The client's own name of the call.
        call: &'a CallId,
        /// The item: one argument.
        item: &'a Args,
    },
    /// The end of the stream that a client's call asked for.
    End {
        /// The client's own name of the call.
        call: &'a CallId,
        /// Why the stream failed, if it did.
        error: Option<&'a CallError>,
    },
}

/// Encodes what the application says for one kind of peer. Has no state: the same input gives
/// the same bytes, so that they can be shared by all peers of the same [`WireId`].
pub trait Wire: fmt::Debug + Send + Sync {
    /// The wire form's number.
    fn id(&self) -> WireId;

    /// Which position of an event these peers are told.
    fn positions(&self) -> Positions {
        Positions::Room
    }

    /// Appends the message or messages that say `what`, as a peer in `namespace` gets them.
    /// Appends none if this kind of peer has no words for it.
    fn encode(&self, namespace: &str, what: Outgoing<'_>, out: &mut Encoding);

    /// Appends the message that says where a peer stands in a room. None by default: most kinds of
    /// peers do not resume by rooms.
    fn encode_resume(&self, _resume: Resume<'_>, _out: &mut Encoding) {}

    /// Appends the message that says why a peer is not in a room for which it asked by no call.
    /// None by default: most kinds of peers ask for no rooms.
    fn encode_not_joined(&self, _room: &str, _error: &CallError, _out: &mut Encoding) {}
}

/// A reference to a wire form, compared by its number. It is thin, since every peer keeps one.
#[derive(Debug, Clone, Copy)]
pub struct WireForm(pub &'static &'static dyn Wire);

impl PartialEq for WireForm {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for WireForm {}

/// Messages under construction, each with [`HEADROOM`] in front.
#[derive(Debug, Default)]
pub struct Encoding {
    buffer: BytesMut,
    starts: SmallVec<[(Kind, usize); 1]>,
}

impl Encoding {
    /// With room for a message of so many bytes; more is taken where it is needed.
    pub fn with_capacity(payload_len: usize) -> Self {
        Self {
            buffer: BytesMut::with_capacity(payload_len.saturating_add(HEADROOM)),
            starts: SmallVec::new(),
        }
    }

    /// Begins a text message. What is written to the buffer until the next message begins is its
    /// payload. It must be UTF-8.
    pub fn text(&mut self) -> &mut BytesMut {
        self.begin(Kind::Text)
    }

    /// Begins a binary message.
    pub fn binary(&mut self) -> &mut BytesMut {
        self.begin(Kind::Binary)
    }

    fn begin(&mut self, kind: Kind) -> &mut BytesMut {
        self.buffer.resize(self.buffer.len().saturating_add(HEADROOM), 0);
        self.starts.push((kind, self.buffer.len()));
        &mut self.buffer
    }

    /// Whether no message was begun.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Ends the work. `write_header` gets each message's kind, the payload's length, and its
    /// headroom, and writes a header to the *end* of the headroom; it returns the header's length.
    ///
    /// Returns `None` if no message was begun.
    pub fn finish(
        self,
        write_header: impl FnMut(Kind, usize, &mut [u8; HEADROOM]) -> usize,
    ) -> Option<Prepared> {
        self.finish_as(write_header, BytesMut::freeze)
    }

    /// The same, where `freeze` says what the frames' memory is.
    pub fn finish_as(
        mut self,
        mut write_header: impl FnMut(Kind, usize, &mut [u8; HEADROOM]) -> usize,
        freeze: impl FnOnce(BytesMut) -> Bytes,
    ) -> Option<Prepared> {
        let mut frames: SmallVec<[(Kind, usize, usize, usize); 1]> = SmallVec::new();
        for (index, &(kind, start)) in self.starts.iter().enumerate() {
            let end = match self.starts.get(index.saturating_add(1)) {
                Some(&(_, next)) => next.checked_sub(HEADROOM)?,
                None => self.buffer.len(),
            };
            let room = self.buffer.get_mut(start.checked_sub(HEADROOM)?..start)?;
            let len = end.checked_sub(start)?;
            let header_len = write_header(kind, len, room.try_into().ok()?);
            frames.push((kind, start.checked_sub(header_len)?, end, header_len));
        }
        let bytes = freeze(self.buffer);
        let frame = |(index, (kind, from, to, header_len))| Frame {
            bytes: bytes.slice(from..to),
            room: 0,
            key: 0,
            head: header_len as u8 | if index > 0 { FOLLOWS } else { 0 },
            kind,
        };
        let mut frames = frames.into_iter().enumerate().map(frame);
        let first = frames.next()?;
        Some(match frames.len() {
            0 => Prepared::One(first),
            _ => Prepared::Many(std::iter::once(first).chain(frames).collect()),
        })
    }
}

/// One message ready to leave on any carrier: a whole WebSocket frame, whose payload is a slice
/// of it. Cloning copies no bytes.
#[derive(Debug, Clone)]
pub struct Frame {
    bytes: Bytes,
    // What follows fills the eight bytes that the alignment of `bytes` leaves.
    room: u32,
    key: u16,
    /// The header's length, [`FOLLOWS`] and [`AS_IT_IS`].
    head: u8,
    kind: Kind,
}

/// Set in [`Frame::head`] if the frame belongs to the same message as the one before.
const FOLLOWS: u8 = 0x80;

/// Set in [`Frame::head`] if the frame is not to be compressed.
const AS_IT_IS: u8 = 0x40;

/// Which of the messages that wait for a peer may stand for one another: those of one room, or of
/// one key in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Lane {
    /// The room's number; 0: none of what waits may be thrown away.
    pub room: u32,
    /// The key's number in this room; 0: none.
    pub key: u16,
}

impl Frame {
    /// The same frame in this lane.
    #[must_use]
    pub fn in_lane(&self, lane: Lane) -> Self {
        let Lane { room, key } = lane;
        Self { room, key, ..self.clone() }
    }

    /// The lane in which it waits.
    pub fn lane(&self) -> Lane {
        Lane { room: self.room, key: self.key }
    }

    /// Whether it belongs to the same message as the frame before.
    pub fn follows(&self) -> bool {
        self.head & FOLLOWS != 0
    }

    /// Whether carriers that compress may compress it.
    pub fn is_compressible(&self) -> bool {
        self.head & AS_IT_IS == 0
    }

    fn as_it_is(&self) -> Self {
        Self { head: self.head | AS_IT_IS, ..self.clone() }
    }

    fn header_len(&self) -> usize {
        usize::from(self.head & !(FOLLOWS | AS_IT_IS))
    }

    /// The frame as a WebSocket carries it, header included.
    pub fn as_websocket(&self) -> &Bytes {
        &self.bytes
    }

    /// The message alone, as HTTP carriers and compressors want it.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.header_len()..)
    }

    /// The payload, borrowed.
    pub fn as_payload(&self) -> &[u8] {
        self.bytes.get(self.header_len()..).unwrap_or_default()
    }

    /// Text or binary.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes that this frame holds in memory; what outbox limits count.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: there is at least a header.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// One event in one wire form: usually one frame; with attachments, several that must not be
/// parted. Cloning copies no bytes.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// One frame.
    One(Frame),
    /// Several, in order.
    Many(Arc<[Frame]>),
}

impl Prepared {
    /// The frames.
    pub fn frames(&self) -> &[Frame] {
        match self {
            Self::One(frame) => std::slice::from_ref(frame),
            Self::Many(frames) => frames,
        }
    }

    /// The same frames, which no carrier compresses.
    #[must_use]
    pub fn uncompressed(&self) -> Self {
        match self {
            Self::One(frame) => Self::One(frame.as_it_is()),
            Self::Many(frames) => Self::Many(frames.iter().map(Frame::as_it_is).collect()),
        }
    }

    /// Bytes in all frames.
    pub fn len(&self) -> usize {
        self.frames().iter().map(Frame::len).sum()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.frames().iter().all(Frame::is_empty)
    }
}
