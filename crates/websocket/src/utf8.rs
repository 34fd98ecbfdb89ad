//! Text: payload known to be UTF-8, and the check of text that arrives in pieces
//! (RFC 6455 section 8.1).

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::Violation;

/// Shared bytes that are known to be UTF-8: the payload of a text message.
///
/// It is a [`Bytes`] underneath: cloning counts a reference, and [`Utf8Bytes::into_bytes`] is free.
/// This crate has no `unsafe`, so [`Utf8Bytes::as_str`] checks the bytes once more with SIMD
/// (some nanoseconds for a chat message); relay the bytes where no `&str` is needed.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Utf8Bytes(Bytes);

impl Utf8Bytes {
    /// The empty text.
    #[must_use]
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// Wraps a literal without allocating.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every constructor has checked the bytes, so the default is never taken.
        simdutf8::basic::from_utf8(&self.0).unwrap_or_default()
    }

    /// The octets, which costs nothing.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The shared octets, which costs nothing.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// For payload that [`Incremental`] or simdutf8 has just accepted.
    pub(crate) fn from_checked(bytes: Bytes) -> Self {
        debug_assert!(simdutf8::basic::from_utf8(&bytes).is_ok());
        Self(bytes)
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(Bytes::from(text.into_bytes()))
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        text.0
    }
}

/// Refused where the bytes are not UTF-8, so that what we send as text is valid (section 5.6).
impl TryFrom<Bytes> for Utf8Bytes {
    type Error = InvalidUtf8;

    fn try_from(bytes: Bytes) -> Result<Self, InvalidUtf8> {
        match simdutf8::basic::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(InvalidUtf8),
        }
    }
}

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Utf8Bytes {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

/// The bytes given as text are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The bytes are not valid UTF-8.")]
pub struct InvalidUtf8;

/// Checks text that arrives in pieces cut anywhere, and refuses at the first octet that can no
/// longer become UTF-8. It keeps at most three octets: a character that is not yet complete.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Incremental {
    open: [u8; 4],
    open_len: u8,
}

impl Incremental {
    /// Checks the next piece.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> Result<(), Violation> {
        while self.open_len > 0 {
            let Some((&octet, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            self.push(octet)?;
        }
        let (complete, tail) = split_at_last_character(piece);
        if simdutf8::basic::from_utf8(complete).is_err() {
            return Err(Violation::INVALID_UTF8);
        }
        tail.iter().try_for_each(|&octet| self.push(octet))
    }

    /// At the end of the message no character may be open.
    pub(crate) fn finish(self) -> Result<(), Violation> {
        if self.open_len == 0 { Ok(()) } else { Err(Violation::INVALID_UTF8) }
    }

    /// Takes one octet of a character that lies across two pieces.
    fn push(&mut self, octet: u8) -> Result<(), Violation> {
        let len = usize::from(self.open_len);
        let Some(slot) = self.open.get_mut(len) else { return Err(Violation::INVALID_UTF8) };
        *slot = octet;
        let open = self.open.get(..=len).unwrap_or_default();
        match std::str::from_utf8(open) {
            Ok(_) => self.open_len = 0,
            Err(error) if error.error_len().is_none() => {
                self.open_len = self.open_len.saturating_add(1)
            }
            Err(_) => return Err(Violation::INVALID_UTF8),
        }
        Ok(())
    }
}

/// Cuts off a character that the piece does not end: at most three octets after the last octet
/// that starts a character.
fn split_at_last_character(piece: &[u8]) -> (&[u8], &[u8]) {
    for back in 1..=piece.len().min(3) {
        let at = piece.len().saturating_sub(back);
        let Some((head, tail)) = piece.split_at_checked(at) else { break };
        match tail.first() {
            Some(0x80..=0xbf) => {} // a continuation: its lead stands further left
            Some(lead) if needed(*lead) > back => return (head, tail),
            _ => break,
        }
    }
    (piece, &[])
}

/// How many octets the character that starts with `lead` has.
const fn needed(lead: u8) -> usize {
    match lead {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
