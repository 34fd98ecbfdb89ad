//! permessage-deflate (RFC 7692): compressed messages.
//!
//! There are two ways to run it, and the handshake decides per direction:
//!
//! - **Shared** (the default): "no context takeover". Each message stands alone, so one compressor
//!   and one decompressor per thread serve every connection. An idle connection pays nothing,
//!   and a message for many is compressed once ([`compress_shared`], [`crate::PreparedMessage`]).
//! - **Own**, with context takeover: later messages may refer to earlier ones. It shrinks streams
//!   of similar messages much better, but costs about 140 to 380 KB for each compressor and 48 KB
//!   for each decompressor, from the first compressed message on.

mod codec;
pub(crate) mod fan_out;
mod negotiation;

pub(crate) use codec::{Deflater, Inflater};
pub use codec::{Shared, compress_shared};
pub use negotiation::Parameters;
pub(crate) use negotiation::{NAME, accept_answer, answer, offer};

use crate::Role;

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
        }
    }
}

/// The agreed extension with our own settings: what a connection needs to run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What both sides agreed to.
    pub parameters: Parameters,
    /// See [`Config::level`].
    pub level: u8,
    /// See [`Config::threshold`].
    pub threshold: usize,
}

impl Agreed {
    pub(crate) fn new(parameters: Parameters, config: &Config) -> Self {
        Self { parameters, level: config.level.clamp(1, 9), threshold: config.threshold }
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
