//! What a Socket.IO server can be told.

use omniwire_engineio as engineio;
use std::sync::Arc;
use std::time::Duration;

/// The settings of a Socket.IO server, with the official server's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The Engine.IO server below.
    pub engine: Arc<engineio::Config>,
    /// How packets are written, for all clients of the server.
    pub parser: Parser,
    /// How long a client may be in no namespace. Official name: `connectTimeout`.
    pub connect_timeout: Duration,
    /// Attachments of one packet that comes in; socket.io-parser's `maxAttachments`.
    pub attachments_max: usize,
    /// Namespaces that one session may be in.
    pub namespaces_max: usize,
    /// Length of a namespace's name, its query included.
    pub namespace_len_max: usize,
}

/// How packets are written. Clients can't choose: they must be given the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parser {
    /// JSON, with byte strings as attachments.
    #[default]
    Json,
    /// MessagePack: npm's `socket.io-msgpack-parser`.
    MsgPack,
}

impl Config {
    /// Bytes that the placeholders of one packet may stand for in all: what as many different
    /// attachments could hold. A placeholder may be repeated, so it needs a bound.
    pub(crate) fn attached_len_max(&self) -> usize {
        self.attachments_max.saturating_mul(self.engine.max_payload)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            engine: Arc::default(),
            parser: Parser::default(),
            connect_timeout: Duration::from_secs(45),
            attachments_max: 10,
            namespaces_max: 100,
            namespace_len_max: 1024,
        }
    }
}
