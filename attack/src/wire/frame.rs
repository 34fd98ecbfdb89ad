//! WebSocket frames, right and wrong.

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;

const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0x88];

/// A masked frame; `first` is its first octet.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len() as u64, true);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}

/// A frame without a mask.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len() as u64, false);
    frame.extend_from_slice(payload);
    frame
}

/// A whole text.
pub(crate) fn text(text: &str) -> Vec<u8> {
    masked(FIN | TEXT, text.as_bytes())
}

/// The header of a frame, with its mask, which need not tell the truth about its length.
pub(crate) fn head(first: u8, len: u64, is_masked: bool) -> Vec<u8> {
    let bit = if is_masked { 0x80 } else { 0 };
    let mut head = vec![first];
    match len {
        0..=125 => head.push(bit | len as u8),
        126..=0xffff => {
            head.push(bit | 126);
            head.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            head.push(bit | 127);
            head.extend_from_slice(&len.to_be_bytes());
        }
    }
    if is_masked {
        head.extend_from_slice(&MASK);
    }
    head
}
