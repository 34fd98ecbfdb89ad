//! The escapes of SockJS.

use bytes::BytesMut;
use omniwire_session::{ByteString, json};

/// Writes `text` as a JSON string as SockJS servers write it: besides what JSON demands, the
/// characters that browsers damage in transit are escaped
/// (`[\x00-\x1f\u200c-\u200f\u2028-\u202f\u2060-\u206f\ufff0-\uffff]`).
pub fn write_string(out: &mut BytesMut, text: &str) {
    out.reserve(text.len().saturating_add(2));
    out.extend_from_slice(b"\"");
    let bytes = text.as_bytes();
    let mut done = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (len, escape) = match byte {
            b'"' | b'\\' => (1, [b'\\', byte, 0, 0, 0, 0]),
            b'\n' => (1, *b"\\n\0\0\0\0"),
            b'\r' => (1, *b"\\r\0\0\0\0"),
            b'\t' => (1, *b"\\t\0\0\0\0"),
            0x08 => (1, *b"\\b\0\0\0\0"),
            0x0c => (1, *b"\\f\0\0\0\0"),
            0..0x20 => (1, unit_escape(u16::from(byte))),
            0xe2 | 0xef => match fragile(bytes.get(at..).unwrap_or_default()) {
                Some(unit) => (3, unit_escape(unit)),
                None => {
                    at = at.saturating_add(3);
                    continue;
                }
            },
            _ => {
                at = at.saturating_add(1);
                continue;
            }
        };
        out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
        let escape_len = escape.iter().position(|&byte| byte == 0).unwrap_or(escape.len());
        out.extend_from_slice(escape.get(..escape_len).unwrap_or_default());
        at = at.saturating_add(len);
        done = at;
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
    out.extend_from_slice(b"\"");
}

/// Writes a valid JSON string, quotes included, escaping what browsers damage and leaving
/// all else, lone surrogates among it, as it stands.
pub(crate) fn write_valid_string(out: &mut BytesMut, value: &str) {
    let bytes = value.as_bytes();
    out.reserve(bytes.len());
    let mut done = 0;
    for at in memchr::memchr2_iter(0xe2, 0xef, bytes) {
        if let Some(unit) = fragile(bytes.get(at..).unwrap_or_default()) {
            out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
            out.extend_from_slice(&unit_escape(unit));
            done = at.saturating_add(3);
        }
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
}

/// The UTF-16 unit of the character that `bytes` begins with, if browsers damage it.
fn fragile(bytes: &[u8]) -> Option<u16> {
    let &[first, second, third, ..] = bytes else { return None };
    let damaged = matches!(
        (first, second, third),
        (0xe2, 0x80, 0x8c..=0x8f | 0xa8..=0xaf) | (0xe2, 0x81, 0xa0..=0xaf) | (0xef, 0xbf, 0xb0..)
    );
    let unit =
        u16::from(first & 0x0f) << 12 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f);
    damaged.then_some(unit)
}

fn unit_escape(unit: u16) -> [u8; 6] {
    let digit = |shift: u16| match (unit >> shift & 15) as u8 {
        digit @ 0..10 => b'0' | digit,
        letter => letter.saturating_add(b'a' - 10),
    };
    [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]
}

/// The text of a valid JSON string whose text is JSON itself. A lone surrogate, which must stand
/// in a string of the inner JSON, stays the escape that it is. `None` if `value` is no string.
///
/// ```
/// use omniwire_sockjs::unescape_keeping_surrogates as unescape;
/// assert_eq!(unescape(r#""[\"a\\n\"]""#).unwrap(), r#"["a\n"]"#);
/// assert_eq!(unescape(r#""[\"\ud800 \ud83d\ude00\"]""#).unwrap(), r#"["\ud800 😀"]"#);
/// ```
pub fn unescape_keeping_surrogates(value: &str) -> Option<ByteString> {
    let text = json::unescape(value)?;
    if !text.contains(char::REPLACEMENT_CHARACTER) {
        return Some(text.into_owned().into());
    }
    // Rare: double the backslash of each lone surrogate, and unescape the rest.
    let mut doubled = String::with_capacity(value.len().saturating_add(8));
    let mut rest = value;
    while let Some((plain, escape)) = rest.split_once('\\') {
        doubled.push_str(plain);
        let unit = |from: usize| {
            let digits = escape.get(from..)?.strip_prefix('u')?.get(..4)?;
            u16::from_str_radix(digits, 16).ok()
        };
        let len = match unit(0) {
            Some(0xd800..0xdc00)
                if escape.get(5..6) == Some("\\") && matches!(unit(6), Some(0xdc00..0xe000)) =>
            {
                11
            }
            Some(0xd800..0xe000) => {
                doubled.push('\\');
                5
            }
            Some(_) => 5,
            None => 1,
        };
        doubled.push('\\');
        doubled.push_str(escape.get(..len)?);
        rest = escape.get(len..)?;
    }
    doubled.push_str(rest);
    Some(json::unescape(&doubled)?.into_owned().into())
}

#[cfg(test)]
mod tests;
