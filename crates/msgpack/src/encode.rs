//! [`Args`] as MessagePack values: integers and lengths in their shortest form, numbers with a
//! point or an exponent (and integers over 64 bits) as float 64, blobs as bin. A lone surrogate,
//! which MessagePack's str can't say, becomes U+FFFD. A text that was a timestamp is one again.

use crate::{Dialect, timestamp};
use bytes::BytesMut;
use omniwire_session::{Args, json};

/// The elements, one after the other. Without recursion: arrays and maps say their counts first,
/// so the JSON is walked once for these and once more to write.
pub fn values(out: &mut BytesMut, args: &Args, dialect: Dialect) {
    out.reserve(args.json().len());
    let mut counts = counts(args.json()).into_iter();
    let mut blobs = args.blobs().iter().peekable();
    for (at, token) in tokens(args.json()) {
        match token {
            Token::Open { is_map: false } => array(out, counts.next().unwrap_or_default()),
            Token::Open { is_map: true } => map(out, counts.next().unwrap_or_default() / 2),
            Token::Close => {}
            Token::Text(quoted) => match date(quoted, dialect) {
                Some((kind, date)) => extension(out, kind, &date),
                None => text(out, &json::unescape(quoted).unwrap_or_default()),
            },
            Token::Scalar(word) => match blobs.next_if(|blob| blob.at == at) {
                Some(blob) => bytes(out, &blob.bytes),
                None => scalar(out, word),
            },
        }
    }
}

/// The extension that says the date which a text stands for, if that is marked as one.
fn date(quoted: &str, dialect: Dialect) -> Option<(i8, Vec<u8>)> {
    match dialect {
        Dialect::Standard => Some((timestamp::KIND, timestamp::from_marked(quoted)?)),
        Dialect::Notepack => {
            Some((0, timestamp::millis_from_marked(quoted)?.to_be_bytes().to_vec()))
        }
    }
}

/// One value: nil for no argument, an array for several.
pub fn one_value(out: &mut BytesMut, args: &Args, dialect: Dialect) {
    match args.len() {
        0 => nil(out),
        1 => values(out, args, dialect),
        count => {
            array(out, count);
            values(out, args, dialect);
        }
    }
}

/// nil
pub fn nil(out: &mut BytesMut) {
    out.extend_from_slice(&[0xc0]);
}

/// false or true
pub fn bool(out: &mut BytesMut, value: bool) {
    out.extend_from_slice(&[0xc2 | u8::from(value)]);
}

/// An integer, in its shortest form.
pub fn uint(out: &mut BytesMut, value: u64) {
    if let Ok(value @ 0..=0x7f) = u8::try_from(value) {
        out.extend_from_slice(&[value]);
    } else if let Ok(value) = u8::try_from(value) {
        out.extend_from_slice(&[0xcc, value]);
    } else if let Ok(value) = u16::try_from(value) {
        head(out, 0xcd, &value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        head(out, 0xce, &value.to_be_bytes());
    } else {
        head(out, 0xcf, &value.to_be_bytes());
    }
}

fn int(out: &mut BytesMut, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        uint(out, value);
    } else if let Ok(value) = i8::try_from(value) {
        let fits_marker = value >= -32;
        let octets = value.to_be_bytes();
        if fits_marker { out.extend_from_slice(&octets) } else { head(out, 0xd0, &octets) }
    } else if let Ok(value) = i16::try_from(value) {
        head(out, 0xd1, &value.to_be_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        head(out, 0xd2, &value.to_be_bytes());
    } else {
        head(out, 0xd3, &value.to_be_bytes());
    }
}

/// A str.
pub fn text(out: &mut BytesMut, text: &str) {
    match u8::try_from(text.len()) {
        Ok(len @ 0..=31) => out.extend_from_slice(&[0xa0 | len]),
        Ok(len) => out.extend_from_slice(&[0xd9, len]),
        Err(_) => long(out, 0xda, text.len()),
    }
    out.extend_from_slice(text.as_bytes());
}

/// 4, 8 or 12 bytes.
fn extension(out: &mut BytesMut, kind: i8, bytes: &[u8]) {
    match bytes.len() {
        4 => out.extend_from_slice(&[0xd6]),
        8 => out.extend_from_slice(&[0xd7]),
        len => out.extend_from_slice(&[0xc7, u8::try_from(len).unwrap_or_default()]),
    }
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn bytes(out: &mut BytesMut, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(len) => out.extend_from_slice(&[0xc4, len]),
        Err(_) => long(out, 0xc5, bytes.len()),
    }
    out.extend_from_slice(bytes);
}

/// The head of an array.
pub fn array(out: &mut BytesMut, count: usize) {
    match u8::try_from(count) {
        Ok(count @ 0..=15) => out.extend_from_slice(&[0x90 | count]),
        _ => long(out, 0xdc, count),
    }
}

/// The head of a map.
pub fn map(out: &mut BytesMut, count: usize) {
    match u8::try_from(count) {
        Ok(count @ 0..=15) => out.extend_from_slice(&[0x80 | count]),
        _ => long(out, 0xde, count),
    }
}

/// A length of 16 bits, or after the next marker, which there always is, of 32. None is longer than
/// memory for one message.
fn long(out: &mut BytesMut, marker: u8, len: usize) {
    match u16::try_from(len) {
        Ok(len) => head(out, marker, &len.to_be_bytes()),
        Err(_) => {
            head(out, marker.wrapping_add(1), &u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes())
        }
    }
}

fn head(out: &mut BytesMut, marker: u8, octets: &[u8]) {
    out.extend_from_slice(&[marker]);
    out.extend_from_slice(octets);
}

fn scalar(out: &mut BytesMut, word: &str) {
    match word {
        "null" => nil(out),
        "true" => bool(out, true),
        "false" => bool(out, false),
        _ => number(out, word),
    }
}

fn number(out: &mut BytesMut, digits: &str) {
    let is_float = digits == "-0" || digits.contains(['.', 'e', 'E']);
    if !is_float && let Ok(value) = digits.parse() {
        uint(out, value);
    } else if !is_float && let Ok(value) = digits.parse() {
        int(out, value);
    } else {
        let value: f64 = digits.parse().unwrap_or(f64::NAN);
        head(out, 0xcb, &value.to_be_bytes());
    }
}

/// A piece of valid JSON. Commas and colons say nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Open {
        is_map: bool,
    },
    Close,
    /// With its quotes.
    Text(&'a str),
    Scalar(&'a str),
}

/// The pieces of valid JSON, each with where it begins.
fn tokens(json: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = json.get(at..)?;
        let rest = rest.trim_start_matches([',', ':', ' ', '\t', '\n', '\r']);
        let start = json.len().saturating_sub(rest.len());
        let (len, token) = match rest.as_bytes().first()? {
            b'[' => (1, Token::Open { is_map: false }),
            b'{' => (1, Token::Open { is_map: true }),
            b']' | b'}' => (1, Token::Close),
            b'"' => {
                let text = rest.get(..text_len(rest.as_bytes())?)?;
                (text.len(), Token::Text(text))
            }
            _ => {
                let ends = [',', ':', ' ', '\t', '\n', '\r', '[', '{', ']', '}', '"'];
                let word = rest.get(..rest.find(ends).unwrap_or(rest.len()))?;
                (word.len(), Token::Scalar(word))
            }
        };
        at = start.saturating_add(len);
        Some((start, token))
    })
}

/// The length of the text, quotes included, that `bytes` begin with.
fn text_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1_usize;
    loop {
        at = at.saturating_add(memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?);
        match bytes.get(at)? {
            b'"' => return at.checked_add(1),
            _ => at = at.saturating_add(2),
        }
    }
}

/// How many values are directly inside each array and object, names of members included, in the
/// order in which they open.
fn counts(json: &str) -> Vec<usize> {
    let mut counts: Vec<usize> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for (_, token) in tokens(json) {
        if token == Token::Close {
            open.pop();
            continue;
        }
        if let Some(count) = open.last().and_then(|&index| counts.get_mut(index)) {
            *count = count.saturating_add(1);
        }
        if let Token::Open { .. } = token {
            open.push(counts.len());
            counts.push(0);
        }
    }
    counts
}
