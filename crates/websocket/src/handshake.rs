//! The opening handshake (RFC 6455 section 4), without IO, on the types of the `http` crate.
//!
//! [`server::accept`] answers a request that any HTTP library has read: HTTP/1.1 with `Upgrade`, or
//! extended CONNECT over HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220). [`client::Handshake`] makes the
//! request and checks the answer.

pub mod client;
pub(crate) mod extensions;
mod list;
pub mod origin;
pub mod server;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (section 4.2.2, item 5.4).
fn accept_value(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

/// Section 4.1, item 7: a key is the base64 form of 16 octets, so 22 characters and `==`.
fn is_key(key: &[u8]) -> bool {
    let Some((digits, padding)) = key.split_at_checked(22) else { return false };
    padding == b"=="
        && digits.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/'))
}

#[cfg(test)]
mod tests;
