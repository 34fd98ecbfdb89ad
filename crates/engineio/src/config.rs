//! What an Engine.IO server can be told.

use crate::{Cookie, Protocol};
use std::time::Duration;

/// The settings of an Engine.IO server, with the official server's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// From a pong (or the opening) to the server's next ping. Official name: `pingInterval`.
    pub ping_interval: Duration,
    /// How long a ping may stay without an answer. Official name: `pingTimeout`.
    pub ping_timeout: Duration,
    /// How long a client may take to move to its WebSocket or WebTransport, and from the start of
    /// a WebTransport session to its first frame. Official name: `upgradeTimeout`.
    pub upgrade_timeout: Duration,
    /// Bytes of a POST body, of a WebSocket message or of a frame over WebTransport; the client is
    /// told. The carrier enforces it. Official name: `maxHttpBufferSize`.
    pub max_payload: usize,
    /// The transports on offer.
    pub transports: Transports,
    /// Whether a polling client is told to what it may move. Official name: `allowUpgrades`.
    pub allow_upgrades: bool,
    /// Polling answers of so many bytes or more are compressed where the client accepts it; `None`:
    /// never. Official name: `httpCompression.threshold`.
    pub compression_threshold: Option<usize>,
    /// Serve protocol 3 (Socket.IO 2 clients) too. Official name: `allowEIO3`.
    pub allow_eio3: bool,
    /// A request whose `EIO` is missing or strange counts as protocol 3, as the official server
    /// has it; else it is refused. Means nothing without [`Config::allow_eio3`].
    pub assume_eio3: bool,
    /// The cookie that the first polling answer sets, if any. Official name: `cookie`; `true` there
    /// is [`Cookie::default`].
    pub cookie: Option<Cookie>,
}

impl Config {
    /// What the `EIO` parameter of an opening request means here; `None` is refused.
    pub(crate) fn protocol(&self, eio: Option<&str>) -> Option<Protocol> {
        match eio {
            Some("4") => Some(Protocol::V4),
            Some("3") if self.allow_eio3 => Some(Protocol::V3),
            _ if self.allow_eio3 && self.assume_eio3 => Some(Protocol::V3),
            _ => None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            transports: Transports::default(),
            allow_upgrades: true,
            compression_threshold: Some(1024),
            allow_eio3: false,
            assume_eio3: true,
            cookie: None,
        }
    }
}

/// The transports that a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    /// HTTP long polling.
    pub polling: bool,
    /// WebSocket.
    pub websocket: bool,
    /// WebTransport, where the server speaks HTTP/3. Off by default, as in the official server.
    pub webtransport: bool,
}

impl Transports {
    /// The names of those that a session on long polling may move to, as a JSON array.
    pub(crate) fn upgrades(self) -> &'static str {
        match (self.websocket, self.webtransport) {
            (false, false) => "[]",
            (true, false) => r#"["websocket"]"#,
            (false, true) => r#"["webtransport"]"#,
            (true, true) => r#"["websocket","webtransport"]"#,
        }
    }
}

impl Default for Transports {
    fn default() -> Self {
        Self { polling: true, websocket: true, webtransport: false }
    }
}
