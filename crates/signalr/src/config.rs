//! Settings of one hub, with ASP.NET Core's defaults.

use std::time::Duration;

/// One of SignalR's transports (`TransportProtocols.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `WebSockets (Full Duplex)`.
    WebSockets,
    /// `Server-Sent Events (Server-to-Client only)`.
    ServerSentEvents,
    /// `Long Polling (Server-to-Client only)`.
    LongPolling,
}

impl Transport {
    /// The name in negotiate answers and error texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSockets => "WebSockets",
            Self::ServerSentEvents => "ServerSentEvents",
            Self::LongPolling => "LongPolling",
        }
    }
}

/// The transports that a hub offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    /// Whether WebSockets are offered.
    pub web_sockets: bool,
    /// Whether server-sent events are offered.
    pub server_sent_events: bool,
    /// Whether long polling is offered.
    pub long_polling: bool,
}

impl Transports {
    /// All three.
    pub const ALL: Self = Self { web_sockets: true, server_sent_events: true, long_polling: true };

    /// Only this one.
    pub fn only(transport: Transport) -> Self {
        Self {
            web_sockets: transport == Transport::WebSockets,
            server_sent_events: transport == Transport::ServerSentEvents,
            long_polling: transport == Transport::LongPolling,
        }
    }

    /// Whether this one is among them.
    pub fn has(self, transport: Transport) -> bool {
        match transport {
            Transport::WebSockets => self.web_sockets,
            Transport::ServerSentEvents => self.server_sent_events,
            Transport::LongPolling => self.long_polling,
        }
    }
}

/// Settings of one hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The transports offered: all.
    pub transports: Transports,
    /// The lowest `negotiateVersion` accepted: 0.
    pub negotiate_version_min: u8,
    /// Whether error texts name causes that only developers need to know: no.
    pub detailed_errors: bool,
    /// From the first transport to the end of the handshake: 15 s.
    pub handshake_timeout: Duration,
    /// Between two pings of ours: 15 s.
    pub keep_alive_interval: Duration,
    /// A client that pings is closed when nothing comes from it for this long: 30 s.
    pub client_timeout: Duration,
    /// An idle poll is answered after this long: 90 s.
    pub poll_timeout: Duration,
    /// A connection without a transport, or without a poll, or that waits for a stateful
    /// reconnect, ends after this long: 15 s.
    pub disconnect_timeout: Duration,
    /// Whether a client that asks for it may come back on a new WebSocket, without loss
    /// (`AllowStatefulReconnects`): no.
    pub stateful_reconnects: bool,
    /// With stateful reconnect, what may be sent and not acknowledged: 100000 bytes. Beyond that
    /// messages are held back.
    pub stateful_len_max: usize,
    /// The longest hub message that is taken, its 0x1E or its length prefix included: 32768 bytes.
    pub message_len_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            transports: Transports::ALL,
            negotiate_version_min: 0,
            detailed_errors: false,
            handshake_timeout: Duration::from_secs(15),
            keep_alive_interval: Duration::from_secs(15),
            client_timeout: Duration::from_secs(30),
            poll_timeout: Duration::from_secs(90),
            disconnect_timeout: Duration::from_secs(15),
            stateful_reconnects: false,
            stateful_len_max: 100_000,
            message_len_max: 32_768,
        }
    }
}
