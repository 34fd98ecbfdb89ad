//! What is measured: loads, the servers that bear them, and the columns of their tables.

use crate::bench::servers::Server;

/// One load, and who bears it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    /// What the generator is to do, its arguments but for which server.
    pub(crate) load: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) columns: &'static [Column],
    /// The labels of entries that the first column of the others is divided by.
    pub(crate) bases: &'static [&'static str],
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) label: &'static str,
    pub(crate) server: &'static Server,
    /// How the generator is to reach it: `PROTOCOL=PATH`.
    pub(crate) lanes: &'static [&'static str],
    /// Its own load, where that of the case is not for it.
    pub(crate) load: Option<String>,
}

impl Entry {
    /// A server under its own name.
    pub(crate) fn new(server: &'static Server, lanes: &'static [&'static str]) -> Self {
        Self::named(server.name, server, lanes)
    }

    /// The same server more than once.
    pub(crate) fn named(
        label: &'static str,
        server: &'static Server,
        lanes: &'static [&'static str],
    ) -> Self {
        Self { label, server, lanes, load: None }
    }
}

/// A figure made of what the generator says: one number, divided by another if that has a name.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) what: &'static str,
    pub(crate) of: &'static str,
    pub(crate) per: &'static str,
    pub(crate) times: f64,
    pub(crate) decimals: usize,
}

impl Column {
    const fn new(what: &'static str, of: &'static str, per: &'static str) -> Self {
        Self { what, of, per, times: 1.0, decimals: 0 }
    }

    const fn times(self, times: f64, decimals: usize) -> Self {
        Self { times, decimals, ..self }
    }
}

const CPU: Column = Column::new("CPU s per million", "cpu_seconds", "messages").times(1e6, 2);
const PER_SECOND: Column = Column::new("messages per s", "messages", "seconds");

pub(crate) const MESSAGES: &[Column] = &[CPU, PER_SECOND];

/// Of large messages: what counts is the octets.
pub(crate) const VOLUME: &[Column] =
    &[CPU, Column::new("MB per CPU s", "octets_in", "cpu_seconds").times(1e-6, 0), PER_SECOND];

/// Of compressed messages: how small they became.
pub(crate) const COMPRESSION: &[Column] =
    &[CPU, Column::new("sent of each octet", "octets_in", "content_len").times(1.0, 3), PER_SECOND];

pub(crate) const ROOMS: &[Column] = &[
    CPU,
    PER_SECOND,
    Column::new("p50 µs", "p50_us", ""),
    Column::new("p99 µs", "p99_us", ""),
    Column::new("p99.9 µs", "p999_us", ""),
    // A write is one system call, and over loopback one segment.
    Column::new("deliveries per write", "messages", "segments").times(1.0, 1),
    Column::new("bytes per member", "member_len", ""),
];

/// Of carriers: what they cost and what they put around a message.
pub(crate) const CARRIERS: &[Column] = &[
    CPU,
    Column::new("messages per CPU s", "messages", "cpu_seconds"),
    Column::new("octets down per message", "octets_in", "messages"),
    Column::new("octets up per message", "octets_out", "messages"),
];

pub(crate) const PARKED: &[Column] = &[Column::new("bytes each", "fresh_len", "")];

pub(crate) const CONNECTIONS: &[Column] = &[
    Column::new("bytes each, fresh", "fresh_len", ""),
    Column::new("after one echo", "used_len", ""),
    Column::new("CPU s per 1,000 handshakes", "handshake_cpu_seconds", "connections").times(1e3, 3),
];

pub(crate) const HANDSHAKES: &[Column] = &[
    Column::new("CPU s per 1,000 handshakes", "handshake_cpu_seconds", "connections").times(1e3, 3),
    Column::new("bytes each, fresh", "fresh_len", ""),
    Column::new("after one echo", "used_len", ""),
];

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// How long is measured, and what goes before, as the generator is told.
    pub(crate) span: &'static str,
    pub(crate) connections: usize,
    pub(crate) members: usize,
    pub(crate) sessions: usize,
}

impl Scale {
    pub(crate) fn new(quick: bool) -> Self {
        if quick {
            let span = "--seconds 0.3 --warm-up-seconds 0.1";
            Self { span, connections: 1_000, members: 1_000, sessions: 500 }
        } else {
            Self { span: "--seconds 2", connections: 10_000, members: 10_000, sessions: 5_000 }
        }
    }
}
