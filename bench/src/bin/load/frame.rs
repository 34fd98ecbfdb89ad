//! Frames of RFC 6455, just enough for whole text messages: written masked, read without a mask.

use crate::payload;
use crate::{Failure, Result};

/// Appends a masked text frame with a message of [`payload`].
pub(crate) fn write(out: &mut Vec<u8>, connection: usize, sequence: u64, len: usize) {
    out.push(TEXT);
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
    let key = (sequence as u32).wrapping_mul(0x9e37_79b9).to_be_bytes();
    out.extend_from_slice(&key);
    let start = out.len();
    payload::write(out, connection, sequence, len);
    for (index, octet) in out[start..].iter_mut().enumerate() {
        *octet ^= key[index & 3];
    }
}

/// The payload of the text frame at the front, and where the next frame begins. `None`: it is not
/// all there.
pub(crate) fn read(octets: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let &[first, second, ref rest @ ..] = octets else { return Ok(None) };
    if first != TEXT || second & MASKED != 0 {
        return Err(Failure::new(format!("not a whole text frame: {first:#04x} {second:#04x}")));
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
    Ok(octets.get(head_len..end).map(|payload| (payload, end)))
}

const TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_masked() {
        let mut out = Vec::new();
        write(&mut out, 0, 1, 200);
        assert_eq!(out[..4], [0x81, 0x80 | 126, 0, 200]);
        let mut expected = Vec::new();
        payload::write(&mut expected, 0, 1, 200);
        let unmasked: Vec<_> =
            out[8..].iter().zip(out[4..8].iter().cycle()).map(|(octet, key)| octet ^ key).collect();
        assert_eq!(unmasked, expected);
    }

    #[test]
    fn what_is_cut_short_waits_and_what_is_no_text_fails() {
        assert_eq!(read(b"\x81\x02hi\x81").unwrap(), Some((&b"hi"[..], 4)));
        for cut in [&b""[..], b"\x81", b"\x81\x02h", b"\x81\x7e\x00", b"\x81\x7f\x00\x00"] {
            assert_eq!(read(cut).unwrap(), None);
        }
        assert!(read(b"\x88\x00").is_err());
        assert!(read(b"\x81\x82").is_err());
    }
}
