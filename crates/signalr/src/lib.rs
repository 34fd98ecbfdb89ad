//! SignalR (ASP.NET Core) as a state machine: what a request means ([`Request`]), answers to
//! negotiate ([`negotiate`]), one connection ([`SignalRSession`]) and how its peers are spoken to
//! ([`JSON`], [`MESSAGE_PACK`]).
//!
//! Comments cite `HubProtocol.md` and `TransportProtocols.md` of dotnet/aspnetcore. Where the
//! server, ASP.NET Core 9, differs from them, the server is followed, but for one thing: hub
//! messages of unknown type are ignored, as the specification means it.
//!
//! # How to drive it
//! 1. [`Request::read`] says what a request is, or how to refuse it.
//! 2. `Negotiate`: make two ids and a [`SignalRSession`], keep it under the token, answer with
//!    [`negotiate::accept`]. `Connect` without a token: make a session under a fresh id.
//! 3. Everything else names a session. If there is none, [`answers::no_connection`].
//! 4. `Connect`, `EventStream` and `Poll` are [`Input::Attach`](omniwire_session::Input::Attach)
//!    **before** a status is sent: the fault says how to refuse. [`SignalRSession::may_attach`]
//!    asks the same beforehand.
//! 5. `Send` is `Input::Body`; answer with [`answers::sent`] or the fault. `Delete` is
//!    `Input::Close` with [`Reason::ClientLeft`](omniwire_session::Reason::ClientLeft); answer with
//!    [`answers::deleted`] or the fault.
//! 6. What is longer than any message may be need not be read: `Input::Close` with
//!    [`Reason::ProtocolError`](omniwire_session::Reason::ProtocolError).
//! 7. A client that answers a call which another one got is ended: `Input::Close` with
//!    [`Reason::OutOfTurn`](omniwire_session::Reason::OutOfTurn).
//! 8. An event stream begins with [`answers::EVENT_STREAM_OPENING`], at once.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod answers;
pub mod client;
mod config;
mod control;
pub mod error_text;
mod handshake;
mod json;
mod message;
mod msgpack;
pub mod negotiate;
mod record;
pub mod request;
mod session;
mod wire;

pub use config::{Config, Transport, Transports};
pub use request::{Head, NegotiateVersion, Request};
pub use session::SignalRSession;
pub use wire::{JSON, JsonWire, MESSAGE_PACK, MessagePackWire};
