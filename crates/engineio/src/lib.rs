//! Engine.IO, protocols 4 and 3: packets, payloads, requests, and the session that moves from
//! polling to WebSocket or WebTransport. Sans-IO, as `omniwire-session` describes.
//!
//! - [`request::parse`] reads what a request asks for, in the order of the official server's
//!   checks; [`request::Refused`] holds the official answers.
//! - [`Machine`] is one Engine.IO session, without an application: Socket.IO is built around it.
//! - [`EngineIoSession`] is bare Engine.IO as a [`omniwire_session::Session`].
//! - [`frame`] has the frames of WebTransport.
//! - [`wire`] has the wire forms of bare Engine.IO.
//!
//! The protocol: <https://github.com/socketio/socket.io/tree/main/docs/engine.io-protocol>.
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

mod config;
mod cookie;
pub mod frame;
mod heartbeat;
pub mod jsonp;
mod machine;
pub mod packet;
pub mod payload;
pub mod request;
mod session;
pub mod wire;

pub use config::{Config, Transports};
pub use cookie::{BadCookie, Cookie, Priority, SameSite};
pub use machine::{End, Machine, Manner, PACKETS_MAX};
pub use packet::{Malformed, Packet, PacketType, Protocol};
pub use request::{Asks, Open, Refused, Request};
pub use session::EngineIoSession;

#[cfg(test)]
mod harness;
#[cfg(test)]
use payload::content_type;
