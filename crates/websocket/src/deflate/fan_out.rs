//! One compression for many connections, where the same frame comes to each of them by itself.

use std::cell::RefCell;

use bytes::Bytes;

use super::{Shared, compress_shared};
use crate::OpCode;
use crate::frame::{MAX_HEADER_LEN, fill_headroom};

/// The last frame that this thread compressed.
struct Last {
    /// Held, so that no other frame can lie at its place in memory: the same place and length mean
    /// the same octets.
    frame: Bytes,
    shared: Shared,
    must: bool,
    compressed: Bytes,
}

/// The frame with its payload compressed, or as it is where it would not shrink and need not be
/// compressed (`must`).
pub(crate) fn compressed(
    frame: &Bytes,
    payload: &[u8],
    opcode: OpCode,
    shared: Shared,
    must: bool,
) -> Bytes {
    LAST.with_borrow_mut(|last| {
        if let Some(last) = last
            && (last.shared, last.must) == (shared, must)
            && (last.frame.as_ptr(), last.frame.len()) == (frame.as_ptr(), frame.len())
        {
            return last.compressed.clone();
        }
        let compressed = compress(payload, opcode, shared, must).unwrap_or_else(|| frame.clone());
        *last = (frame.len() <= KEPT_LEN_MAX).then(|| Last {
            frame: frame.clone(),
            shared,
            must,
            compressed: compressed.clone(),
        });
        compressed
    })
}

/// A compressed frame. `None`: it would not shrink, and need not be compressed.
pub(crate) fn compress(
    payload: &[u8],
    opcode: OpCode,
    shared: Shared,
    must: bool,
) -> Option<Bytes> {
    let mut out = vec![0; MAX_HEADER_LEN];
    compress_shared(payload, shared, &mut out);
    if !must && out.len() >= MAX_HEADER_LEN.saturating_add(payload.len()) {
        return None;
    }
    let start = fill_headroom(&mut out, opcode, true);
    Some(Bytes::from(out).slice(start..))
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Longer frames are compressed for each connection, rather than kept.
const KEPT_LEN_MAX: usize = 1 << 20;
