//! permessage-deflate (RFC 7692): compressed messages.
//!
//! There are two ways to run it, and the handshake decides per direction:
//!
//! - **Shared** (the default): "no context takeover". Each message stands alone, so one compressor
//!   and one decompressor per thread serve every connection. An idle connection pays nothing,
//!   and a message for many is compressed once ([`compress_shared`], [`crate::PreparedMessage`]).
//! - **Own**, with context takeover: later messages may refer to earlier ones. It shrinks streams
//!   of similar messages much better, but costs 250 to 380 KB for each compressor and 48 KB for
//!   each decompressor, from the first compressed message on. [`Memory`] bounds what all of them
//!   take together: where it is used up, new connections are agreed on without context takeover.

mod codec;
pub(crate) mod fan_out;
mod memory;
mod negotiation;

pub(crate) use codec::{Deflater, Inflater};
pub use codec::{Shared, compress_shared};
pub use memory::{Memory, Reserved};
pub use negotiation::Parameters;
pub(crate) use negotiation::{NAME, accept_answer, offer};

use self::memory::cost;
use crate::Role;
use crate::handshake::extensions::Extension;

/// What we are willing to agree to, and how we compress.
///
/// ```
/// use omniwire_websocket::deflate::Config;
///
/// let shared = Config::default();
/// let dedicated = Config { server_context_takeover: true, level: 1, ..Config::default() };
/// assert!(!shared.server_context_takeover && dedicated.server_context_takeover);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Let the server's messages refer to its earlier ones.
    pub server_context_takeover: bool,
    /// Let the client's messages refer to its earlier ones.
    pub client_context_takeover: bool,
    /// The largest window of the server's compressor, 8 to 15 (a power of two in octets).
    pub server_max_window_bits: u8,
    /// The largest window of the client's compressor, 8 to 15.
    pub client_max_window_bits: u8,
    /// 1 (fast) to 9 (small).
    pub level: u8,
    /// Messages with fewer octets than this are sent as they are, and so are those that compression
    /// makes no shorter. 0: every message is sent compressed, whatever becomes of it.
    pub threshold: usize,
    /// What the compressors and decompressors of connections with context takeover may take
    /// together, by default 64 MiB.
    pub memory: Memory,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_context_takeover: false,
            client_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
            level: 3,
            threshold: 128,
            memory: Memory::default(),
        }
    }
}

impl Config {
    /// A client's: with what is set aside for the case that the server agrees to all of it. Where
    /// that is not left, without context takeover.
    pub(crate) fn within_memory(&self) -> (Self, Reserved) {
        let (takeover, bits) = (self.client_context_takeover, self.client_max_window_bits);
        match self.memory.reserve(cost(takeover, bits, self.server_context_takeover)) {
            Some(memory) => (self.clone(), memory),
            None => (self.without_takeover(), Reserved::default()),
        }
    }

    fn without_takeover(&self) -> Self {
        Self { server_context_takeover: false, client_context_takeover: false, ..self.clone() }
    }
}

/// A server's agreement to the first acceptable offer, with its answer; without context takeover
/// where too little memory is left.
pub(crate) fn agree(offers: &[Extension<'_>], config: &Config) -> Option<(Agreed, String)> {
    let (parameters, answer) = negotiation::answer(offers, config)?;
    let takeover = !parameters.server_no_context_takeover;
    let bits = parameters.server_max_window_bits;
    let cost = cost(takeover, bits, !parameters.client_no_context_takeover);
    if let Some(memory) = config.memory.reserve(cost) {
        return Some((Agreed::new(parameters, config, memory), answer));
    }
    let config = config.without_takeover();
    let (parameters, answer) = negotiation::answer(offers, &config)?;
    Some((Agreed::new(parameters, &config, Reserved::default()), answer))
}

/// The agreed extension with our own settings: what a connection needs to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What both sides agreed to.
    pub parameters: Parameters,
    /// See [`Config::level`].
    pub level: u8,
    /// See [`Config::threshold`].
    pub threshold: usize,
    /// What was set aside of [`Config::memory`], for as long as the [`crate::Connection`] lives.
    pub memory: Reserved,
}

impl Agreed {
    pub(crate) fn new(parameters: Parameters, config: &Config, memory: Reserved) -> Self {
        let level = config.level.clamp(1, 9);
        Self { parameters, level, threshold: config.threshold, memory }
    }

    /// The compressor for what we send.
    pub(crate) fn deflater(&self, role: Role) -> Deflater {
        let Parameters {
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
        } = self.parameters;
        let (alone, window_bits) = match role {
            Role::Server => (server_no_context_takeover, server_max_window_bits),
            Role::Client => (client_no_context_takeover, client_max_window_bits),
        };
        Deflater::new(Shared::new(window_bits, self.level), !alone)
    }

    /// The decompressor for what we receive.
    pub(crate) fn inflater(&self, role: Role) -> Inflater {
        Inflater::new(match role {
            Role::Server => !self.parameters.client_no_context_takeover,
            Role::Client => !self.parameters.server_no_context_takeover,
        })
    }
}

#[cfg(test)]
mod tests;
