//! Socket.IO: protocol 5 over Engine.IO 4, and protocol 4 (Socket.IO 2 clients) over Engine.IO 3.
//! Sans-IO, as `omniwire-session` describes.
//!
//! - [`SocketIoSession`] is one client's session: its Engine.IO session, and the namespaces in it.
//! - [`Decoder`] reads packets out of text and binary messages; [`packet`] has their parts.
//! - With [`Parser::MsgPack`] packets are MessagePack; all else is the same.
//! - [`wire`] has the wire forms: what a peer gets for an event or an acknowledgement.
//!
//! Requests are read by [`omniwire_engineio::request`].
//!
//! The protocol: <https://github.com/socketio/socket.io/tree/main/docs/socket.io-protocol>.
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
mod control;
mod decoder;
mod msgpack;
pub mod packet;
mod placeholder;
mod query;
mod recovery;
mod session;
pub mod wire;

pub use config::{Config, Parser};
pub use decoder::Decoder;
pub use packet::{Body, Invalid, Packet};
pub use session::SocketIoSession;

use omniwire_session::ByteString;

/// The public id that a Socket.IO 2 client gives itself in a namespace. The server must use the
/// same: it is not told on the wire.
pub fn legacy_id(sid: &str, namespace: &str) -> ByteString {
    match namespace {
        "/" => sid.into(),
        _ => format!("{namespace}#{sid}").into(),
    }
}

/// Names that no event may have, since clients and servers give them a meaning of their own.
pub const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

#[cfg(test)]
#[path = "../../engineio/src/harness.rs"]
mod harness;
#[cfg(test)]
use omniwire_engineio::payload::content_type;
