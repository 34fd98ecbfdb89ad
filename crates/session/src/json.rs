//! JSON (RFC 8259) as a relay needs it: validated once, then cut into slices, never built into a
//! tree. No recursion; nesting is bounded by [`DEPTH_MAX`].
//!
//! Escaped lone surrogates (`"\ud800"`) are valid here, as they are in the grammar: JavaScript
//! clients send them, and a relay must not damage them.

use crate::limits::DEPTH_MAX;
use bytes::BytesMut;
use bytestring::ByteString;
use std::borrow::Cow;
use std::fmt;

mod scan;
pub use scan::{elements, member_slices, members};

/// Why a text is not the JSON that it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    at: usize,
    why: &'static str,
}

impl JsonError {
    /// An error at a byte offset.
    pub fn new(at: usize, why: &'static str) -> Self {
        Self { at, why }
    }

    /// Byte offset of the first byte that does not fit.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.why, self.at)
    }
}

impl std::error::Error for JsonError {}

/// Checks that `text` is one JSON value with nothing but blanks around it.
///
/// # Errors
/// It is not, or nests deeper than [`DEPTH_MAX`].
pub fn validate(text: &str) -> Result<(), JsonError> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    scanner.blanks();
    scanner.value()?;
    scanner.blanks();
    scanner.expect_end()
}

/// Checks that `text` is what may stand between the brackets of a JSON array: nothing, or values
/// separated by commas.
///
/// # Errors
/// It is not, or nests deeper than [`DEPTH_MAX`].
pub fn validate_elements(text: &str) -> Result<(), JsonError> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    scanner.blanks();
    if scanner.peek().is_none() {
        return Ok(());
    }
    loop {
        scanner.blanks();
        scanner.value()?;
        scanner.blanks();
        match scanner.peek() {
            Some(b',') => scanner.step(1),
            _ => return scanner.expect_end(),
        }
    }
}

/// Whether a byte of a string needs a look: the quote, the backslash, and control characters.
const fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Where the first special byte is. Looks at whole blocks first, which the compiler makes vector
/// instructions of: most text has none.
fn find_special(bytes: &[u8]) -> Option<usize> {
    let is_plain =
        |block: &&[u8]| !block.iter().fold(false, |found, &byte| found | is_special(byte));
    let blocks = bytes.chunks_exact(BLOCK_LEN).take_while(is_plain).count();
    let plain = blocks.wrapping_mul(BLOCK_LEN); // at most all of them
    let rest = bytes.get(plain..)?;
    rest.iter().position(|&byte| is_special(byte)).map(|at| plain.wrapping_add(at))
}

const BLOCK_LEN: usize = 32;

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Over what has just been looked at, so never beyond the end.
    const fn step(&mut self, len: usize) {
        self.at = self.at.wrapping_add(len);
    }

    fn error<T>(&self, why: &'static str) -> Result<T, JsonError> {
        Err(JsonError::new(self.at, why))
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.step(1);
        }
    }

    fn expect_end(&self) -> Result<(), JsonError> {
        if self.at == self.bytes.len() { Ok(()) } else { self.error("unexpected character") }
    }

    /// One value, iteratively: `open` holds a bit per level, 1 for an object.
    fn value(&mut self) -> Result<(), JsonError> {
        let mut open: u64 = 0;
        let mut depth: u32 = 0;
        loop {
            // A value begins here.
            match self.peek() {
                Some(bracket @ (b'[' | b'{')) => {
                    if depth == DEPTH_MAX {
                        return self.error("nested too deep");
                    }
                    self.step(1);
                    self.blanks();
                    let close = if bracket == b'{' { b'}' } else { b']' };
                    if self.peek() != Some(close) {
                        depth = depth.saturating_add(1);
                        open = (open << 1) | u64::from(bracket == b'{');
                        if bracket == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                    self.step(1);
                }
                _ => self.scalar()?,
            }
            // A value ended here: close what ends with it, or go on to the next one.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                self.blanks();
                let object = open & 1 == 1;
                match (self.peek(), object) {
                    (Some(b','), _) => {
                        self.step(1);
                        self.blanks();
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.step(1);
                        depth = depth.saturating_sub(1);
                        open >>= 1;
                    }
                    _ => return self.error("expected a comma or the end"),
                }
            }
        }
    }

    fn key(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return self.error("expected a member name");
        }
        self.string()?;
        self.blanks();
        if self.peek() != Some(b':') {
            return self.error("expected a colon");
        }
        self.step(1);
        self.blanks();
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => self.error("expected a value"),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.step(word.len());
            return Ok(());
        }
        self.error("expected a value")
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.step(1);
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(plain) = find_special(rest) else {
                return self.error("string without an end");
            };
            self.step(plain);
            match self.peek() {
                Some(b'"') => {
                    self.step(1);
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return self.error("control character in a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let escape = self.bytes.get(self.at..).unwrap_or_default();
        let (len, valid) = match escape.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (2, true),
            Some(b'u') => {
                let digits = escape.get(2..6).unwrap_or_default();
                (6, digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit))
            }
            _ => (0, false),
        };
        if !valid {
            return self.error("bad escape");
        }
        self.step(len);
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.step(1);
        }
        match self.peek() {
            Some(b'0') => self.step(1),
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.error("bad number"),
        }
        if self.peek() == Some(b'.') {
            self.step(1);
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.step(1);
            if let Some(b'+' | b'-') = self.peek() {
                self.step(1);
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.step(1);
        }
    }

    fn some_digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.digits();
        if self.at == start { self.error("bad number") } else { Ok(()) }
    }
}

/// The text of a JSON string that was validated before, quotes included. A lone surrogate, which
/// no Rust string can hold, becomes U+FFFD. `None` if `value` is no string.
///
/// ```
/// use omniwire_session::json::unescape;
/// assert_eq!(unescape(r#""a\n\ud83d\ude00""#).unwrap(), "a\n😀");
/// assert_eq!(unescape(r#""\ud800!""#).unwrap(), "\u{fffd}!");
/// assert_eq!(unescape("12"), None);
/// ```
pub fn unescape(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.trim_ascii().strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let (read, len) = match escape.as_bytes().first()? {
            b'u' => unescape_unit(escape)?,
            b'b' => ('\u{8}', 1),
            b'f' => ('\u{c}', 1),
            b'n' => ('\n', 1),
            b'r' => ('\r', 1),
            b't' => ('\t', 1),
            &other => (char::from(other), 1),
        };
        out.push(read);
        rest = escape.get(len..)?;
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// The character that `uXXXX`, or `uXXXX\uXXXX` for a pair, stands for, and its length.
fn unescape_unit(escape: &str) -> Option<(char, usize)> {
    let unit = |digits: Option<&str>| u32::from_str_radix(digits?, 16).ok();
    let high = unit(escape.get(1..5))?;
    if (0xd800..0xdc00).contains(&high)
        && escape.get(5..7) == Some("\\u")
        && let Some(low @ 0xdc00..0xe000) = unit(escape.get(7..11))
    {
        let pair = [high as u16, low as u16];
        return Some((char::decode_utf16(pair).next()?.ok()?, 11));
    }
    Some((char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 5))
}

/// Writes `text` as a JSON string, quotes included.
pub fn write_str(out: &mut BytesMut, text: &str) {
    out.reserve(text.len().saturating_add(2));
    escape(text, |piece| out.extend_from_slice(piece.as_bytes()));
}

/// `text` as a JSON string, quotes included.
pub fn quote(text: &str) -> ByteString {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    escape(text, |piece| out.push_str(piece));
    out.into()
}

fn escape(text: &str, mut write: impl FnMut(&str)) {
    write("\"");
    let mut rest = text;
    while let Some((plain, special, behind)) = split_special(rest) {
        write(plain);
        write(match special {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            control => CONTROLS.get(usize::from(control)).copied().unwrap_or_default(),
        });
        rest = behind;
    }
    write(rest);
    write("\"");
}

fn split_special(text: &str) -> Option<(&str, u8, &str)> {
    let (plain, rest) = text.split_at_checked(find_special(text.as_bytes())?)?;
    Some((plain, *rest.as_bytes().first()?, rest.get(1..)?))
}

/// The escapes of the control characters.
const CONTROLS: [&str; 32] = [
    r"\u0000", r"\u0001", r"\u0002", r"\u0003", r"\u0004", r"\u0005", r"\u0006", r"\u0007",
    r"\u0008", r"\t", r"\n", r"\u000b", r"\u000c", r"\r", r"\u000e", r"\u000f", r"\u0010",
    r"\u0011", r"\u0012", r"\u0013", r"\u0014", r"\u0015", r"\u0016", r"\u0017", r"\u0018",
    r"\u0019", r"\u001a", r"\u001b", r"\u001c", r"\u001d", r"\u001e", r"\u001f",
];

/// What was written by functions that write only text, as text. Replaces what is not UTF-8,
/// which cannot be there.
pub fn into_text(out: BytesMut) -> ByteString {
    let bytes = out.freeze();
    ByteString::try_from(bytes.clone())
        .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into())
}

#[cfg(test)]
mod tests;
