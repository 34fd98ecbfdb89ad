//! The contract between Omniwire's protocols and everything else.
//!
//! A protocol (Socket.IO, SignalR, SockJS, plain) is a state machine that implements [`Session`]:
//! it eats [`Input`]s and is then drained of [`Output`]s until it says [`Output::Timeout`]. It has no
//! socket, no clock, no task and no randomness of its own, so vectors, property tests, fuzzers
//! and a simulator can all drive it.
//!
//! ```text
//!   carrier ──Input──▶ Session ──Event──▶ application (rooms, handlers)
//!      ▲                  │                    │
//!      └──── outbox ◀─Transmit          Wire::encode, once per wire form
//! ```
//!
//! - [`Args`] are the arguments of an event: JSON elements that were validated once, at ingress,
//!   and are then relayed as slices; byte strings stay outside the JSON.
//! - [`Wire`] turns something the application says ([`Outgoing`]) into the exact bytes that one
//!   kind of peer gets. A broadcast calls it once per wire form, never once per member.
//! - [`Carrier`] says what brings the bytes. The session decides *what* leaves
//!   ([`Session::pack`]); the carrier, which lives in the server, decides *how*.
//! - [`Fault`] means that the peer broke the rules.
//! - [`limits::Limits`] holds every bound in one place.
#![forbid(unsafe_code)]
// No octet from the network may make us panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod args;
mod carrier;
mod event;
mod fault;
mod few;
pub mod json;
mod later;
pub mod limits;
mod message;
mod outputs;
mod wire;

pub use args::{Args, Blob};
pub use bytestring::ByteString;
pub use carrier::{Answer, Carrier, CarrierId, Detached, Ending};
pub use event::{
    Call, CallError, CallErrorKind, CallId, Event, Link, Reason, Refusal, Returning, Since,
};
pub use fault::Fault;
pub use few::{Few, List};
pub use later::later;
pub use message::{Kind, Message};
pub use outputs::Outputs;
pub use wire::{
    Encoding, Frame, HEADROOM, Lane, Outgoing, Place, Position, Positions, Prepared, Resume, Wire,
    WireForm, WireId,
};

use bytes::{Bytes, BytesMut};
use std::any::Any;
use std::collections::VecDeque;
use std::time::Instant;

/// What a session is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// A connection offers itself to carry this session. Whether it may is the session's own
    /// rule: see [`Output::Carry`] and [`Output::End`].
    Attach {
        /// The number the driver gave to this connection, unique within the session.
        id: CarrierId,
        /// What kind of connection it is.
        carrier: Carrier,
    },
    /// A connection is gone.
    Detach {
        /// Which one.
        id: CarrierId,
        /// How it ended.
        how: Detached,
    },
    /// A whole message came over a carrier that has messages (WebSocket, WebTransport).
    Message {
        /// The carrier it came over.
        id: CarrierId,
        /// The message.
        message: Message,
    },
    /// The whole body of a POST that belongs to this session.
    Body {
        /// Whether the request said it is text.
        kind: Kind,
        /// The body, within the size limit.
        body: Bytes,
    },
    /// The instant of the last [`Output::Timeout`] may have come.
    Timeout,
    /// The application lets a peer in, after [`Event::Enter`].
    Accept {
        /// The peer.
        link: Link,
        /// The public id of the peer, for protocols that tell it to the client.
        id: ByteString,
        /// The secret by which the client can come back as this peer, if it can.
        token: Option<ByteString>,
    },
    /// The application turns a peer away, after [`Event::Enter`].
    Refuse {
        /// The peer.
        link: Link,
        /// What to tell it.
        refusal: Refusal,
    },
    /// The application ends a peer. With `whole`, the session and its connections too.
    Kick {
        /// The peer.
        link: Link,
        /// End the whole session.
        whole: bool,
        /// What to tell the client, for protocols that have a place for it.
        close: Option<(u16, ByteString)>,
    },
    /// The server ends the session.
    Close {
        /// Why: [`Reason::Shutdown`], [`Reason::Slow`] or [`Reason::Kicked`].
        reason: Reason,
    },
}

/// What a session wants done. Draining ends with [`Output::Timeout`].
#[derive(Debug, Clone)]
pub enum Output {
    /// Something the application must hear of.
    Event(Event),
    /// Append this to the outbox, behind what is already there.
    Transmit(Message),
    /// Send this on one carrier at once, past the outbox (the answer to an upgrade probe).
    Direct {
        /// The carrier.
        id: CarrierId,
        /// The message.
        message: Message,
    },
    /// Send these frames on one carrier at once, past the outbox: they left before, and may not
    /// have arrived.
    Resend {
        /// The carrier.
        id: CarrierId,
        /// The frames, in order.
        frames: Vec<Frame>,
    },
    /// From now on this carrier drains the outbox (`None`: it gathers).
    Carry(Option<CarrierId>),
    /// Events of this peer that the application emitted while [`Event::Enter`] was pending may
    /// now follow: all that had to come before them has been transmitted.
    Release(Link),
    /// End this carrier, at once.
    End {
        /// The carrier.
        id: CarrierId,
        /// How.
        ending: Ending,
    },
    /// The session is over. What is in the outbox still leaves, then every carrier that is
    /// still attached ends as told. No output but [`Output::Timeout`] follows, ever.
    Closed {
        /// Why.
        reason: Reason,
        /// How the carriers end.
        ending: Ending,
    },
    /// Nothing more to do until this instant (or at all), unless there is input.
    Timeout(Option<Instant>),
}

/// Whether a carrier can go on after [`Session::pack`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// The carrier may carry more (a stream).
    Open,
    /// The carrier has carried what it can: end the response.
    Full,
}

/// A protocol's state machine for one session.
///
/// The driver mutates it once ([`Session::handle_input`]) and then drains
/// [`Session::poll_output`] until that returns [`Output::Timeout`]. Where one input causes very many
/// outputs, it drains them in turns, and other inputs may come in between: so outputs must
/// stay true until they are taken, whatever comes.
///
/// `Any`, so that whoever made a session can tell it what is particular to its protocol.
pub trait Session: Any + Send {
    /// Tells the session something.
    ///
    /// # Errors
    /// The peer broke the rules; the request or message that did is to be refused as the fault
    /// says. Whether the session ends is said by the outputs, which must be drained all the same.
    fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Fault>;

    /// The next thing to do.
    fn poll_output(&mut self) -> Output;

    /// Moves as many frames from the front of `queue` as fit into one chunk (a stream) or one
    /// response (a poll) of `carrier` and writes them to `out` as that carrier's body wants them.
    /// Called only with a queue that is not empty; takes at least one frame.
    fn pack(
        &mut self,
        id: CarrierId,
        carrier: Carrier,
        queue: &mut VecDeque<Frame>,
        out: &mut BytesMut,
    ) -> Packed;

    /// The driver reads nothing from the peer for now, since handlers don't keep up: that nothing is
    /// heard does not mean that the peer is gone. Told before [`Input::Timeout`]. By default it
    /// means nothing.
    fn held_back(&mut self, _now: Instant) {}

    /// Bytes of the copies that [`Session::pass`] keeps: none by default.
    fn kept_len(&self) -> usize {
        0
    }

    /// Bytes that have come of what is not complete, such as a record or a packet with attachments:
    /// none by default.
    fn held_len(&self) -> usize {
        0
    }

    /// A carrier of messages is about to take frames from the front of `queue`. A session that may
    /// have to send them again takes those that may leave now, keeps copies, and hands them over:
    /// none, while it holds back. `None`, by default: it keeps nothing, and all may leave.
    fn pass(&mut self, _queue: &mut VecDeque<Frame>) -> Option<VecDeque<Frame>> {
        None
    }
}
