//! Frames of RFC 6455, just enough for whole messages: written masked, read without a mask.

use crate::{Failure, Result};

/// A whole frame that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// FIN, RSV and the opcode.
    pub(crate) first: u8,
    pub(crate) payload: &'a [u8],
}

/// Appends a masked frame; `payload` appends what is in it, exactly `len` octets.
pub(crate) fn write(out: &mut Vec<u8>, first: u8, len: usize, payload: impl FnOnce(&mut Vec<u8>)) {
    out.push(first);
    match len {
        0..=125 => out.push(MASKED | len as u8),
        126..=0xffff => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    // It need not be unforeseeable here, only different.
    let key = (out.len() as u32).wrapping_add(1).wrapping_mul(0x9e37_79b9).to_be_bytes();
    out.extend_from_slice(&key);
    let start = out.len();
    payload(out);
    debug_assert_eq!(out.len() - start, len);
    for piece in out[start..].chunks_mut(key.len()) {
        piece.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
    }
}

/// The frame at the front, and where the next one begins. `None`: it is not all there.
pub(crate) fn read(octets: &[u8]) -> Result<Option<(Frame<'_>, usize)>> {
    let &[first, second, ref rest @ ..] = octets else { return Ok(None) };
    if first & FIN == 0 || second & MASKED != 0 {
        return Err(Failure::new(format!("not a whole frame: {first:#04x} {second:#04x}")));
    }
    let (len, head_len) = match second {
        126 => match rest.first_chunk::<2>() {
            Some(len) => (u64::from(u16::from_be_bytes(*len)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(len) => (u64::from_be_bytes(*len), 10),
            None => return Ok(None),
        },
        len => (u64::from(len), 2),
    };
    let end =
        usize::try_from(len).map_err(Failure::at("length of a frame"))?.saturating_add(head_len);
    Ok(octets.get(head_len..end).map(|payload| (Frame { first, payload }, end)))
}

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
/// RFC 7692, 6: this message is compressed.
pub(crate) const COMPRESSED: u8 = 0x40;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_masked() {
        let payload = [7; 200];
        let mut out = Vec::new();
        write(&mut out, TEXT, 200, |out| out.extend_from_slice(&payload));
        assert_eq!(out[..4], [0x81, 0x80 | 126, 0, 200]);
        let unmasked: Vec<_> =
            out[8..].iter().zip(out[4..8].iter().cycle()).map(|(octet, key)| octet ^ key).collect();
        assert_eq!(unmasked, payload);
    }

    #[test]
    fn what_is_cut_short_waits_and_what_is_no_whole_frame_fails() {
        let frame = Frame { first: TEXT, payload: b"hi" };
        assert_eq!(read(b"\x81\x02hi\x81").unwrap(), Some((frame, 4)));
        for cut in [&b""[..], b"\x81", b"\x81\x02h", b"\x81\x7e\x00", b"\x81\x7f\x00\x00"] {
            assert_eq!(read(cut).unwrap(), None);
        }
        assert!(read(b"\x01\x00").is_err());
        assert!(read(b"\x81\x82").is_err());
    }
}
