//! MessagePack, as SignalR and Socket.IO's msgpack parser have it, to and from
//! [`omniwire_session::Args`] with no tree between.
//!
//! Extensions differ by [`Dialect`]. The tests are with the protocols: `omniwire-signalr`,
//! `omniwire-socketio`.
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

pub mod decode;
pub mod encode;
mod reader;
mod timestamp;

pub use reader::{Reader, Token};
pub use timestamp::{date_text, marked_date, parse_date};

use std::fmt;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// Which extensions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The specification's: type -1 is a timestamp.
    Standard,
    /// npm `notepack.io`'s: type 0 in one octet is `undefined`, in eight a date (milliseconds
    /// since 1970), and with a length of its own an `ArrayBuffer`.
    Notepack,
}
