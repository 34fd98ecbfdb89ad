//! Frames (RFC 6455 section 5.2): reading a header, writing one, and room for one in front of a
//! payload that is shared.

use bytes::BytesMut;

use crate::{Role, Violation, mask};

/// The longest header of an unmasked frame: what a server needs in front of a payload.
pub const MAX_HEADER_LEN: usize = 10;

/// The longest header of a masked frame.
pub const MAX_MASKED_HEADER_LEN: usize = 14;

/// What a frame is (section 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OpCode {
    /// A further fragment of the message that a Text or Binary frame began.
    Continuation = 0x0,
    /// UTF-8 text.
    Text = 0x1,
    /// Binary data.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A question for a sign of life.
    Ping = 0x9,
    /// The answer to it.
    Pong = 0xa,
}

impl OpCode {
    /// Whether it is Close, Ping or Pong (section 5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    /// Whether it starts a message: Text or Binary (section 5.6).
    #[must_use]
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Text | Self::Binary)
    }

    const fn read(nibble: u8) -> Option<Self> {
        match nibble {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }
}

/// The head of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// Whether the message is compressed (RFC 7692 section 6).
    pub rsv1: bool,
    /// What the frame is.
    pub opcode: OpCode,
    /// Octets of payload.
    pub len: u64,
    /// The masking key, on frames of a client.
    pub mask: Option<[u8; 4]>,
}

impl Header {
    /// The head of an unmasked, uncompressed message in one frame.
    #[must_use]
    pub const fn whole(opcode: OpCode, len: usize) -> Self {
        Self { fin: true, rsv1: false, opcode, len: len as u64, mask: None }
    }

    /// Reads a header as `role` must see it: `None` until it is complete, then with its length.
    ///
    /// Each rule is applied as soon as its octet is there. What needs the connection's state
    /// (order of fragments, limits, whether RSV1 was agreed) is left to [`crate::Receiver`].
    ///
    /// # Errors
    /// A [`Violation`] with code 1002.
    pub fn read(octets: &[u8], role: Role) -> Result<Option<(Self, usize)>, Violation> {
        let Some((&[first, second], rest)) = octets.split_first_chunk::<2>() else {
            return Ok(None);
        };
        if first & 0x30 != 0 {
            return Err(Violation::RESERVED_BITS); // section 5.2: RSV2 and RSV3 mean nothing yet
        }
        let Some(opcode) = OpCode::read(first & 0x0f) else {
            return Err(Violation::UNKNOWN_OPCODE); // section 5.2
        };
        let fin = first & 0x80 != 0;
        if opcode.is_control() && !fin {
            return Err(Violation::CONTROL_FRAGMENTED); // section 5.5
        }
        // Section 5.1: clients mask every frame, servers none.
        match (role, second & 0x80 != 0) {
            (Role::Server, false) => return Err(Violation::UNMASKED),
            (Role::Client, true) => return Err(Violation::MASKED),
            _ => {}
        }
        let Some((len, rest)) = read_len(second & 0x7f, opcode, rest)? else { return Ok(None) };
        let (mask, rest) = match role {
            Role::Client => (None, rest),
            Role::Server => match rest.split_first_chunk::<4>() {
                Some((key, rest)) => (Some(*key), rest),
                None => return Ok(None),
            },
        };
        let header = Self { fin, rsv1: first & 0x40 != 0, opcode, len, mask };
        Ok(Some((header, octets.len().saturating_sub(rest.len()))))
    }

    /// Writes the header to the front of `out`, its length in the shortest form (section 5.2),
    /// and returns how many octets it took.
    #[allow(clippy::indexing_slicing, reason = "the lengths are our own")]
    pub fn write(&self, out: &mut [u8; MAX_MASKED_HEADER_LEN]) -> usize {
        out[0] = u8::from(self.fin) << 7 | u8::from(self.rsv1) << 6 | self.opcode as u8;
        let mask_bit = u8::from(self.mask.is_some()) << 7;
        let end = if self.len <= 125 {
            out[1] = mask_bit | self.len as u8;
            2
        } else if let Ok(len) = u16::try_from(self.len) {
            out[1] = mask_bit | 126;
            out[2..4].copy_from_slice(&len.to_be_bytes());
            4
        } else {
            out[1] = mask_bit | 127;
            out[2..10].copy_from_slice(&self.len.to_be_bytes());
            10
        };
        match self.mask {
            None => end,
            Some(key) => {
                let masked_end = end.saturating_add(4);
                out[end..masked_end].copy_from_slice(&key);
                masked_end
            }
        }
    }
}

/// Appends a frame with this payload; `header.len` is set by it, and the payload is masked if the
/// header has a key.
#[allow(clippy::indexing_slicing, reason = "the lengths are our own")]
pub fn encode(out: &mut BytesMut, header: Header, payload: &[u8]) {
    let header = Header { len: payload.len() as u64, ..header };
    let mut head = [0; MAX_MASKED_HEADER_LEN];
    let head_len = header.write(&mut head);
    out.reserve(head_len.saturating_add(payload.len()));
    out.extend_from_slice(&head[..head_len]);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = header.mask {
        mask::apply(&mut out[start..], key, 0);
    }
}

/// Writes a server's header right before a payload, into the ten octets left free for it, and
/// returns where the frame starts.
///
/// So one buffer holds the WebSocket frame and the bare payload, and both are shared slices of it:
///
/// ```
/// use bytes::BytesMut;
/// use omniwire_websocket::{OpCode, frame};
///
/// let mut buf = BytesMut::zeroed(frame::MAX_HEADER_LEN);
/// buf.extend_from_slice(b"hello");
/// let start = frame::fill_headroom(&mut buf, OpCode::Text, false);
/// let shared = buf.freeze();
/// assert_eq!(shared.slice(start..), &b"\x81\x05hello"[..]);
/// assert_eq!(shared.slice(frame::MAX_HEADER_LEN..), &b"hello"[..]);
/// ```
///
/// `compressed` sets RSV1, for a payload made by [`crate::deflate::compress_shared`].
///
/// # Panics
/// If `buf` is shorter than [`MAX_HEADER_LEN`]: there is no room then.
#[allow(clippy::indexing_slicing, clippy::panic, reason = "as documented")]
pub fn fill_headroom(buf: &mut [u8], opcode: OpCode, compressed: bool) -> usize {
    let Some(len) = buf.len().checked_sub(MAX_HEADER_LEN) else {
        panic!("fill_headroom needs MAX_HEADER_LEN octets before the payload");
    };
    let header = Header { rsv1: compressed, ..Header::whole(opcode, len) };
    let mut head = [0; MAX_MASKED_HEADER_LEN];
    let head_len = header.write(&mut head);
    let start = MAX_HEADER_LEN.saturating_sub(head_len);
    buf[start..MAX_HEADER_LEN].copy_from_slice(&head[..head_len]);
    start
}

/// The payload length, by its seven bits and up to eight further octets (section 5.2).
fn read_len(short: u8, opcode: OpCode, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    if opcode.is_control() && short > 125 {
        return Err(Violation::CONTROL_TOO_LONG); // section 5.5
    }
    match short {
        126 => {
            let Some((octets, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
            let len = u16::from_be_bytes(*octets);
            if len <= 125 {
                return Err(Violation::LENGTH_NOT_MINIMAL);
            }
            Ok(Some((len.into(), rest)))
        }
        127 => {
            let Some((octets, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
            let len = u64::from_be_bytes(*octets);
            if len >> 63 != 0 {
                return Err(Violation::LENGTH_TOP_BIT);
            }
            if len <= u64::from(u16::MAX) {
                return Err(Violation::LENGTH_NOT_MINIMAL);
            }
            Ok(Some((len, rest)))
        }
        len => Ok(Some((len.into(), rest))),
    }
}

#[cfg(test)]
mod tests;
