//! Every bound, in one place. Defaults are the official servers', where they have one.

use std::time::Duration;

/// Bounds that hold for every protocol. Lengths are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// One incoming message, or one POST body, of plain and SockJS peers. Socket.IO and SignalR
    /// have limits of their own, the official servers'.
    pub message_len_max: usize,
    /// Fragments of one WebSocket message, empty ones included.
    pub fragments_max: usize,
    /// What may wait in one session's outbox.
    pub outbox_len_max: usize,
    /// Messages that may wait in one session's outbox.
    pub outbox_count_max: usize,
    /// Events of one peer that may wait for their handler; then reading stops.
    pub inbox_count_max: usize,
    /// Handlers of one peer that may run at once, where the protocol sets no lower bound.
    pub calls_max: usize,
    /// Calls to one client that may wait for its answer.
    pub asks_max: usize,
    /// Namespaces made on demand that may exist at once.
    pub dynamic_namespaces_max: usize,
    /// Rooms that one peer may be in.
    pub rooms_max: usize,
    /// Length of the name of a room, an event or a namespace.
    pub name_len_max: usize,
    /// Sessions that may exist at once.
    pub sessions_max: usize,
    /// From accept to the end of the request's head, TLS included.
    pub handshake_timeout: Duration,
    /// A WebSocket that says nothing for this long is pinged...
    pub ping_interval: Duration,
    /// ...and closed if nothing whole comes for this long after the ping.
    pub ping_timeout: Duration,
    /// A peer that takes nothing of what is written to it for this long is closed.
    pub write_timeout: Duration,
    /// How long the closing handshake of a WebSocket may take.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_len_max: 4 << 20,
            fragments_max: 4096,
            outbox_len_max: 8 << 20,
            outbox_count_max: 16_384,
            inbox_count_max: 256,
            calls_max: 1024,
            asks_max: 1000,
            dynamic_namespaces_max: 10_000,
            rooms_max: 1000,
            name_len_max: 255,
            sessions_max: 1_000_000,
            handshake_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(3),
        }
    }
}

/// Nesting of arrays and objects in any JSON or MessagePack that a peer sends.
pub const DEPTH_MAX: u32 = 64;
