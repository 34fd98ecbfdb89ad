//! Every bound, in one place: its default, its unit, its name in the configuration and its words
//! for people are written once, in the table below. Defaults are the official servers', where they
//! have one.

use std::time::Duration;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Octets.
    Bytes,
    /// Pieces of something.
    Count,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Count => "count",
            Self::Milliseconds => "ms",
        }
    }
}

/// One limit as the configuration knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Its value, in its unit.
    pub value: u64,
    /// What it bounds.
    pub about: &'static str,
}

/// Why a limit was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// There is none of this name.
    #[error("there is no limit '{0}'; `omniwire config limits` lists them")]
    Unknown(String),
    /// Zero would let nothing pass at all.
    #[error("the limit '{0}' must be at least 1")]
    Zero(String),
    /// More than this machine can count.
    #[error("the limit '{0}' is out of range")]
    OutOfRange(String),
}

/// The field's type, its unit, the suffix of its name in the configuration, and its conversions.
macro_rules! kind {
    (type bytes) => {
        usize
    };
    (type count) => {
        usize
    };
    (type time) => {
        Duration
    };
    (unit bytes) => {
        Unit::Bytes
    };
    (unit count) => {
        Unit::Count
    };
    (unit time) => {
        Unit::Milliseconds
    };
    (name time $name:ident) => {
        concat!(stringify!($name), "_ms")
    };
    (name $kind:ident $name:ident) => {
        stringify!($name)
    };
    (get time $value:expr) => {
        u64::try_from($value.as_millis()).unwrap_or(u64::MAX)
    };
    (get $kind:ident $value:expr) => {
        $value as u64
    };
    (set time $value:expr) => {
        Some(Duration::from_millis($value))
    };
    (set $kind:ident $value:expr) => {
        usize::try_from($value).ok()
    };
}

macro_rules! limits {
    ($($name:ident: $kind:ident = $default:expr, $about:literal;)*) => {
        /// Bounds that hold for every protocol. Lengths are in bytes.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Limits {
            $(#[doc = $about] pub $name: kind!(type $kind),)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// All of them, in the order of the table.
            #[must_use]
            pub fn entries(&self) -> Vec<Entry> {
                vec![$(Entry {
                    name: kind!(name $kind $name),
                    unit: kind!(unit $kind),
                    value: kind!(get $kind self.$name),
                    about: $about,
                },)*]
            }

            /// Sets one by its name in the configuration, in its unit.
            ///
            /// # Errors
            /// There is none of this name, or the value is zero or out of range.
            pub fn set(&mut self, name: &str, value: u64) -> Result<(), LimitError> {
                if value == 0 {
                    return Err(LimitError::Zero(name.to_owned()));
                }
                let set = match name {
                    $(kind!(name $kind $name) => {
                        kind!(set $kind value).map(|value| self.$name = value)
                    })*
                    _ => return Err(LimitError::Unknown(name.to_owned())),
                };
                set.ok_or_else(|| LimitError::OutOfRange(name.to_owned()))
            }
        }
    };
}

limits! {
    message_len_max: bytes = 4 << 20,
        "One incoming message, or one POST body, of plain and SockJS peers; Socket.IO and SignalR \
         have limits of their own, the official servers'.";
    unfinished_len_max: bytes = 128 << 20,
        "What all peers together have sent of messages, POST bodies, records and packets with \
         attachments that are not complete, but for 64 KiB of each; it takes twice the memory, and \
         more while a buffer grows.";
    fragments_max: count = 4096,
        "Fragments of one WebSocket message, empty ones included.";
    control_burst_max: count = 1000,
        "Pings and pongs that a WebSocket peer may send at once.";
    control_rate_max: count = 100,
        "Pings and pongs that a WebSocket peer may send in a second, on average.";
    outbox_len_max: bytes = 8 << 20,
        "What may wait in one session's outbox.";
    outbox_count_max: count = 16_384,
        "Messages that may wait in one session's outbox.";
    outboxes_len_max: bytes = 256 << 20,
        "What may wait in all outboxes together, what they share counted once; beyond it, the \
         sessions that hold most are closed as slow, down to 64 KiB each.";
    inbox_count_max: count = 256,
        "Events of one session that may wait for their handlers, each 4 KiB of one counted as one \
         more, and peers of it that may be leaving; then it is not read from.";
    calls_max: count = 1024,
        "Handlers of one peer that may run at once, where the protocol sets no lower bound; and as \
         many of calls with streams.";
    asks_max: count = 1000,
        "Calls to one client that may wait for its answer.";
    dynamic_namespaces_max: count = 10_000,
        "Namespaces made on demand that may exist at once.";
    rooms_max: count = 1000,
        "Rooms that one peer may be in.";
    all_rooms_max: count = 1_000_000,
        "Rooms of one namespace, those that only a history keeps included.";
    values_max: count = 1000,
        "Keys of one room whose newest values are kept, 32000 at most.";
    values_len_max: bytes = 1 << 20,
        "These values.";
    publication_ids_max: count = 10_000,
        "Ids of publications that a namespace knows, so that none is made twice.";
    publication_ids_age: time = Duration::from_secs(120),
        "How long it knows them.";
    presence_people_max: count = 1000,
        "People whom presence lists in one room; of more, nobody is told.";
    name_len_max: bytes = 255,
        "The name of a room or a user, the key of a value, the id of a publication.";
    idle_rooms_max: count = 10_000,
        "Recoverable rooms without members that a namespace remembers. By their names they are \
         in 16 parts, each of which forgets by itself.";
    sessions_max: count = 1_000_000,
        "Sessions that may exist at once.";
    connections_max: count = 1_000_000,
        "TCP connections that may exist at once.";
    ip_handshakes_max: count = 256,
        "Connections of one IP address (IPv6: of one /64) that have not finished a request's head; \
         loopback, where a proxy may be, is not counted, here and below.";
    ip_connections_max: count = 10_000,
        "TCP connections of one IP address.";
    ip_sessions_max: count = 10_000,
        "Sessions of one IP address.";
    head_len_max: bytes = 16 << 10,
        "The head of one HTTP request; of HTTP/2, the header list.";
    headers_max: count = 100,
        "Header fields of one HTTP/1.1 request.";
    streams_max: count = 256,
        "Streams of one HTTP/2 connection at once.";
    handshake_timeout: time = Duration::from_secs(10),
        "From accept to the end of the first request's head, TLS included, whatever comes \
         meanwhile; then from each request's first byte to the end of its head.";
    body_timeout: time = Duration::from_secs(30),
        "One body, from first to last byte.";
    frame_timeout: time = Duration::from_secs(30),
        "One frame of WebSocket or WebTransport, from first to last byte.";
    message_timeout: time = Duration::from_secs(120),
        "One WebSocket message of several frames, from the first to the last.";
    ping_interval: time = Duration::from_secs(25),
        "A WebSocket whose peer completes no frame for this long is pinged, where the protocol has \
         no heartbeat of its own.";
    ping_timeout: time = Duration::from_secs(20),
        "How long after that ping a whole frame may take to come. It does not run while the server \
         does not read from the peer, nor, as the interval, while the peer has not taken what it \
         was sent.";
    write_timeout: time = Duration::from_secs(30),
        "A peer that takes nothing of what is written to it for this long is closed.";
    unacknowledged_timeout: time = Duration::from_secs(45),
        "The kernel drops a connection whose peer acknowledges nothing for this long \
         (TCP_USER_TIMEOUT).";
    close_timeout: time = Duration::from_secs(3),
        "The closing handshake of a WebSocket.";
}

/// Nesting of arrays and objects in any JSON or MessagePack that a peer sends.
pub const DEPTH_MAX: u32 = 64;

#[cfg(test)]
mod tests;
