//! MessagePack values as [`Args`].
//!
//! | MessagePack | JSON |
//! | --- | --- |
//! | nil, bool, str, array | the same |
//! | integers | digits, all of them |
//! | floats | with a point or an exponent, so that they come back as floats |
//! | infinities | `1e999`, `-1e999`: valid JSON that readers of doubles take for infinity |
//! | NaN | `null`, as JavaScript's JSON has it |
//! | bin | a [`Blob`] |
//! | map | an object; integer keys become text, other keys are refused |
//! | date (see [`Dialect`]) | a text in the form of ISO 8601, in UTC, marked |
//! | `undefined` | `null` |
//! | other extensions | refused |

use crate::reader::{Reader, Token};
use crate::timestamp;
use crate::{Dialect, Malformed};
use bytes::BytesMut;
use omniwire_session::limits::DEPTH_MAX;
use omniwire_session::{Args, Blob, json};

/// The next `count` values. Without recursion; nesting is bounded by [`DEPTH_MAX`].
///
/// # Errors
/// They are no MessagePack, nest too deep, or have something that has no JSON.
pub fn values(reader: &mut Reader<'_>, count: usize, dialect: Dialect) -> Result<Args, Malformed> {
    let mut writer = Writer { out: BytesMut::new(), blobs: Vec::new(), dialect };
    let mut open: Vec<Container> = Vec::new();
    let mut current = Container { left: count, is_map: false, is_empty: true };
    loop {
        let Some(left) = current.left.checked_sub(1) else {
            let Some(outer) = open.pop() else { break };
            writer.raw(if current.is_map { b"}" } else { b"]" });
            current = outer;
            continue;
        };
        current.left = left;
        if !current.is_empty {
            writer.raw(b",");
        }
        current.is_empty = false;
        if current.is_map {
            writer.key(reader.token()?)?;
        }
        let (left, is_map) = match reader.token()? {
            Token::Array(count) => (count, false),
            Token::Map(count) => (count, true),
            scalar => {
                writer.scalar(reader, scalar)?;
                continue;
            }
        };
        if open.len() >= DEPTH_MAX as usize {
            return Err(Malformed("Nested too deep."));
        }
        writer.raw(if is_map { b"{" } else { b"[" });
        open.push(std::mem::replace(&mut current, Container { left, is_map, is_empty: true }));
    }
    Args::with_blobs(json::into_text(writer.out), writer.blobs)
        .map_err(|_| Malformed("Error reading MessagePack."))
}

/// An array or a map that has begun; outermost, the list of values itself.
#[derive(Debug, Clone, Copy)]
struct Container {
    /// How many values or pairs are to come.
    left: usize,
    is_map: bool,
    is_empty: bool,
}

#[derive(Debug)]
struct Writer {
    out: BytesMut,
    blobs: Vec<Blob>,
    dialect: Dialect,
}

impl Writer {
    fn raw(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn key(&mut self, token: Token<'_>) -> Result<(), Malformed> {
        match token {
            Token::Text(text) => json::write_str(&mut self.out, text),
            Token::Uint(value) => self.raw(format!("\"{value}\"").as_bytes()),
            Token::Negative(value) => self.raw(format!("\"{value}\"").as_bytes()),
            _ => return Err(Malformed("A map's key is neither a text nor an integer.")),
        }
        self.raw(b":");
        Ok(())
    }

    fn scalar<'a>(&mut self, reader: &Reader<'a>, token: Token<'a>) -> Result<(), Malformed> {
        match token {
            Token::Nil => self.raw(b"null"),
            Token::Bool(true) => self.raw(b"true"),
            Token::Bool(false) => self.raw(b"false"),
            Token::Uint(value) => self.raw(value.to_string().as_bytes()),
            Token::Negative(value) => self.raw(value.to_string().as_bytes()),
            Token::Float(value) if value.is_finite() => self.raw(format!("{value:?}").as_bytes()),
            Token::Float(value) if value.is_nan() => self.raw(b"null"),
            Token::Float(value) => self.raw(if value > 0.0 { b"1e999" } else { b"-1e999" }),
            Token::Text(text) => json::write_str(&mut self.out, text),
            Token::Bytes(bytes) => {
                self.blobs.push(Blob { at: self.out.len(), bytes: reader.share(bytes) });
                self.raw(b"null");
            }
            Token::Extension { kind, bytes, is_fixed } => {
                self.extension(reader, kind, bytes, is_fixed)?;
            }
            Token::Array(_) | Token::Map(_) => return Err(Malformed("Not a scalar.")),
        }
        Ok(())
    }

    fn extension<'a>(
        &mut self,
        reader: &Reader<'a>,
        kind: i8,
        bytes: &'a [u8],
        is_fixed: bool,
    ) -> Result<(), Malformed> {
        let date = match (self.dialect, kind, bytes) {
            (Dialect::Standard, timestamp::KIND, _) => {
                timestamp::write_marked(&mut self.out, bytes)
            }
            (Dialect::Notepack, 0, _) if !is_fixed => {
                self.blobs.push(Blob { at: self.out.len(), bytes: reader.share(bytes) });
                self.raw(b"null");
                return Ok(());
            }
            (Dialect::Notepack, 0, [_]) => {
                self.raw(b"null");
                return Ok(());
            }
            (Dialect::Notepack, 0, &[a, b, c, d, e, f, g, h]) => {
                let millis = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
                timestamp::write_marked_millis(&mut self.out, millis)
            }
            _ => return Err(Malformed("Unknown extension type.")),
        };
        date.ok_or(Malformed("Bad timestamp."))
    }
}
