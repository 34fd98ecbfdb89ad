//! The pseudo-header `:protocol` of an extended CONNECT (RFC 9220), taken out of a field section.
//!
//! The crate `h3` refuses every request whose `:protocol` it does not know, and `websocket` is not
//! among those it does. So the line is taken out before `h3` decodes the section. What is needed
//! of QPACK (RFC 9204) for that is where each line ends: the dynamic table is never in use, and
//! Huffman codes are only compared.

use bytes::{Bytes, BytesMut};

/// What an extended CONNECT is to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    WebSocket,
    WebTransport,
    Other,
}

/// A field section without its `:protocol`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) block: Bytes,
    pub(super) protocol: Option<Protocol>,
}

/// There are two of them (RFC 9114, 4.3).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated;

/// Takes `:protocol` out of an encoded field section. One that is not well-formed is left alone:
/// whoever decodes it will say so.
///
/// # Errors
/// It is there twice.
pub(super) fn take(block: Bytes) -> Result<Section, Repeated> {
    let Some(lines) = find(&block) else { return Ok(Section { block, protocol: None }) };
    match lines.as_slice() {
        [] => Ok(Section { block, protocol: None }),
        [line] => {
            let mut rest = BytesMut::with_capacity(block.len());
            rest.extend_from_slice(block.get(..line.start).unwrap_or_default());
            rest.extend_from_slice(block.get(line.end..).unwrap_or_default());
            Ok(Section { block: rest.freeze(), protocol: Some(line.protocol) })
        }
        _ => Err(Repeated),
    }
}

/// A line with `:protocol`: where it is, and what it says.
struct Line {
    start: usize,
    end: usize,
    protocol: Protocol,
}

/// All lines with `:protocol`; `None` if the section is not well-formed.
fn find(block: &[u8]) -> Option<Vec<Line>> {
    let mut reader = Reader { rest: block };
    // Section 4.5.1: Required Insert Count, Base.
    reader.integer(8)?;
    reader.integer(7)?;
    let mut lines = Vec::new();
    while let Some(&first) = reader.rest.first() {
        let start = block.len().saturating_sub(reader.rest.len());
        match first {
            // 4.5.2 and 4.5.3: indexed, also behind the base.
            0x80.. => drop(reader.integer(6)?),
            0x10..0x20 => drop(reader.integer(4)?),
            // 4.5.4 and 4.5.5: a name of the table, a value of its own.
            0x40..0x80 => {
                reader.integer(4)?;
                reader.string(7)?;
            }
            0x00..0x10 => {
                reader.integer(3)?;
                reader.string(7)?;
            }
            // 4.5.6: both of its own. `:protocol` is in no table.
            0x20..0x40 => {
                let (name, value) = (reader.string(3)?, reader.string(7)?);
                if name.is(":protocol", PROTOCOL) {
                    let end = block.len().saturating_sub(reader.rest.len());
                    lines.push(Line { start, end, protocol: value.protocol() });
                }
            }
        }
    }
    Some(lines)
}

/// A string literal, as it was sent (section 4.1.2).
struct Literal<'a> {
    huffman: bool,
    octets: &'a [u8],
}

impl Literal<'_> {
    /// Whether it is this word, whose Huffman code (RFC 7541, B) is given as well.
    fn is(&self, word: &str, code: &[u8]) -> bool {
        if self.huffman { self.octets == code } else { self.octets == word.as_bytes() }
    }

    fn protocol(&self) -> Protocol {
        if self.is("websocket", WEBSOCKET) {
            Protocol::WebSocket
        } else if self.is("webtransport", WEBTRANSPORT) {
            Protocol::WebTransport
        } else {
            Protocol::Other
        }
    }
}

const PROTOCOL: &[u8] = b"\xb9\x5d\x87\x49\xc8\x7a\x3f";
const WEBSOCKET: &[u8] = b"\xf0\x58\xd0\x72\x75\x2a\x7f";
const WEBTRANSPORT: &[u8] = b"\xf0\x58\xd3\x60\xea\x45\x67\xb1\x3f";

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// An integer in the lowest `bits` of the first octet, and in what follows (RFC 7541, 5.1).
    fn integer(&mut self, bits: u32) -> Option<usize> {
        let (first, mut rest) = self.rest.split_first()?;
        let most = !(usize::MAX << bits);
        let mut value = usize::from(*first) & most;
        if value == most {
            for shift in (0..28).step_by(7) {
                let (octet, after) = rest.split_first()?;
                rest = after;
                value = value.saturating_add(usize::from(octet & 0x7f) << shift);
                if octet & 0x80 == 0 {
                    self.rest = rest;
                    return Some(value);
                }
            }
            return None;
        }
        self.rest = rest;
        Some(value)
    }

    /// A string whose length is in the lowest `bits` of the first octet, with the flag for Huffman
    /// above them.
    fn string(&mut self, bits: u32) -> Option<Literal<'a>> {
        let huffman = self.rest.first()? & (1 << bits) != 0;
        let len = self.integer(bits)?;
        let (octets, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(Literal { huffman, octets })
    }
}

// By its path, since the fuzz target `field_section` takes this file as it is.
#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
