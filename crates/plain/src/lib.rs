//! What clients speak that have no library: a bare `WebSocket`, `EventSource`, or `fetch`.
//!
//! Plain peers come in two manners. **Raw**: a WebSocket frame is the event `message` with one
//! argument, and events go out as their payload alone ([`RawWire`]). **Envelope** (the WebSocket
//! subprotocol [`SUBPROTOCOL`], POST bodies and long polls): small JSON objects, specified in
//! [`envelope`]. An `EventSource` gets events in its own dress ([`event_stream`]).
//!
//! [`PlainSession`] is the state machine for all three carriers.
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

mod cursor;
pub mod envelope;
pub mod event_stream;
mod places;
mod session;
mod wire;

pub use cursor::Cursor;
pub use places::{PLACES_MAX, Places};
pub use session::{Config, Manner, PlainSession};
pub use wire::{ENVELOPE, EnvelopeWire, RAW, RawWire, SSE, SseWire};

/// The WebSocket subprotocol that chooses the envelope manner.
pub const SUBPROTOCOL: &str = "omniwire.json.v1";

/// `Content-Type` of long poll answers and of the answers to POSTs.
pub const JSON: &str = "application/json";
