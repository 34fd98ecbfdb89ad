//! Field sections (RFC 9204) without the dynamic table: what requests and answers are written in.

mod huffman;
mod table;

use bytes::{BufMut, Bytes, BytesMut};

use self::table::STATIC;

/// A name and a value, as octets.
pub(crate) type Field = (Bytes, Bytes);

/// The section cannot be read: it is malformed, refers to a table that we have not allowed, or is
/// too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// The prefix of every section: no dynamic table (section 4.5.1).
pub(crate) fn begin(out: &mut BytesMut) {
    out.put_slice(&[0, 0]);
}

/// Writes a field line, with a literal name (section 4.5.6). `secret`: no proxy may put it into a
/// table.
pub(crate) fn write(out: &mut BytesMut, name: &[u8], value: &[u8], secret: bool) {
    write_integer(out, if secret { 0b0011_0000 } else { 0b0010_0000 }, 3, name.len());
    out.put_slice(name);
    write_integer(out, 0, 7, value.len());
    out.put_slice(value);
}

/// Reads a section, of which names and values have `len_max` octets at most.
pub(crate) fn read(section: &[u8], len_max: usize) -> Result<Vec<Field>, Undecodable> {
    let mut rest = Rest(section);
    // Section 4.5.1.1: what needs insertions into the dynamic table cannot be meant for us.
    if rest.integer(8)? != 0 {
        return Err(Undecodable);
    }
    rest.integer(7)?;
    let (mut fields, mut len) = (Vec::new(), 0_usize);
    while let Some(&first) = rest.0.first() {
        let (name, value) = match first {
            // Section 4.5.2: a line of the static table.
            0b1100_0000.. => {
                let (name, value) = entry(rest.integer(6)?)?;
                (Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes()))
            }
            // Section 4.5.4: a name of the static table.
            0b0100_0000..0b1000_0000 if first & 0b0001_0000 != 0 => {
                let (name, _) = entry(rest.integer(4)?)?;
                (Bytes::from_static(name.as_bytes()), rest.string(7)?)
            }
            // Section 4.5.6: both are literals.
            0b0010_0000..0b0100_0000 => (rest.string(3)?, rest.string(7)?),
            // The others refer to the dynamic table.
            _ => return Err(Undecodable),
        };
        len = len.saturating_add(name.len()).saturating_add(value.len());
        if len > len_max || fields.len() >= FIELDS_MAX {
            return Err(Undecodable);
        }
        fields.push((name, value));
    }
    Ok(fields)
}

fn entry(index: usize) -> Result<(&'static str, &'static str), Undecodable> {
    STATIC.get(index).copied().ok_or(Undecodable)
}

/// Section 4.1.1: the lowest `bits` of the first octet, and what follows it.
fn write_integer(out: &mut BytesMut, first: u8, bits: u32, value: usize) {
    let most = prefix_max(bits);
    match u8::try_from(value) {
        Ok(short) if value < most => out.put_u8(first | short),
        _ => {
            out.put_u8(first | most as u8);
            let mut rest = value.saturating_sub(most);
            while rest >= 0x80 {
                out.put_u8((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            out.put_u8(rest as u8);
        }
    }
}

const fn prefix_max(bits: u32) -> usize {
    0xff_usize >> 8_u32.saturating_sub(bits)
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// Section 4.1.1. Up to 2^28, which nothing in a section of ours reaches.
    fn integer(&mut self, bits: u32) -> Result<usize, Undecodable> {
        let most = prefix_max(bits);
        let mut value = usize::from(self.octet()?) & most;
        if value < most {
            return Ok(value);
        }
        for shift in [0, 7, 14, 21] {
            let octet = self.octet()?;
            value = value.saturating_add(usize::from(octet & 0x7f) << shift);
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Undecodable)
    }

    /// Section 4.1.2: the flag for Huffman stands above the length.
    fn string(&mut self, bits: u32) -> Result<Bytes, Undecodable> {
        let huffman = self.0.first().ok_or(Undecodable)? & (1 << bits) != 0;
        let len = self.integer(bits)?;
        let (octets, rest) = self.0.split_at_checked(len).ok_or(Undecodable)?;
        self.0 = rest;
        if huffman {
            return huffman::decode(octets).map(Bytes::from).ok_or(Undecodable);
        }
        Ok(Bytes::copy_from_slice(octets))
    }

    fn octet(&mut self) -> Result<u8, Undecodable> {
        let (octet, rest) = self.0.split_first().ok_or(Undecodable)?;
        self.0 = rest;
        Ok(*octet)
    }
}

/// As many as a head over HTTP/1.1 may have.
const FIELDS_MAX: usize = 100;

#[cfg(test)]
mod tests;
