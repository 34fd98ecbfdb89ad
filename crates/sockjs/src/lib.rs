//! SockJS, protocol 0.3.3 as its test suite has it on its `main` branch, without IO.
//!
//! - [`request`] reads requests below a service's prefix: what they are, the headers of their
//!   answers, the bodies of `/info`, the iframe page and the refusals.
//! - [`SockJsSession`] is the state machine of one session, over every transport but the raw
//!   WebSocket (`PREFIX/websocket`), which has no SockJS in it at all: any session of plain
//!   WebSockets carries that.
//! - [`Dress`] is how each transport writes its frames.
//! - [`client`] is the other side.
//! - [`Manner`] is what a message means: [`Raw`] makes it the event `message` with one string.
//!   A server that knows envelopes brings a manner of its own, and a [`Wrapped`] wire for it.
//!
//! Sessions belong in a table keyed by service and session name; those over WebSockets do not
//! belong in it, since their names need not be unique.
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

pub mod client;
mod dress;
mod escape;
mod manner;
pub mod request;
mod session;
mod wire;

pub use dress::Dress;
pub use escape::{unescape_keeping_surrogates, write_string};
pub use manner::{Heard, Manner, Raw};
pub use session::{Config, SockJsSession};
pub use wire::{RAW, RawWire, Wrapped};
