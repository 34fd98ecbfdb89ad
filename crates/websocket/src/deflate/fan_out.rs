//! One compression for many connections, where the same frame comes to each of them by itself.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::Bytes;

use super::{Shared, compress_shared};
use crate::OpCode;
use crate::frame::{MAX_HEADER_LEN, fill_headroom};

/// A frame that this thread compressed lately.
struct Made {
    /// Held, so that no other frame can lie at its place in memory: the same place and length mean
    /// the same octets.
    frame: Bytes,
    shared: Shared,
    must: bool,
    compressed: Bytes,
}

impl Made {
    fn len(&self) -> usize {
        self.frame.len().saturating_add(self.compressed.len())
    }
}

/// The last that were made, oldest first. More than one, since whoever is written to next may have
/// several that wait, and another window.
struct Kept {
    made: VecDeque<Made>,
    len: usize,
}

impl Kept {
    fn find(&self, frame: &Bytes, shared: Shared, must: bool) -> Option<&Bytes> {
        let found = self.made.iter().find(|made| {
            (made.frame.as_ptr(), made.frame.len()) == (frame.as_ptr(), frame.len())
                && (made.shared, made.must) == (shared, must)
        });
        found.map(|made| &made.compressed)
    }

    fn add(&mut self, made: Made) {
        let len = made.len();
        if len > KEPT_LEN_MAX {
            return;
        }
        self.len = self.len.saturating_add(len);
        self.made.push_back(made);
        while (self.len > KEPT_LEN_MAX || self.made.len() > KEPT_COUNT_MAX)
            && let Some(oldest) = self.made.pop_front()
        {
            self.len = self.len.saturating_sub(oldest.len());
        }
    }
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
    KEPT.with_borrow_mut(|kept| {
        if let Some(compressed) = kept.find(frame, shared, must) {
            return compressed.clone();
        }
        let compressed = compress(payload, opcode, shared, must).unwrap_or_else(|| frame.clone());
        kept.add(Made { frame: frame.clone(), shared, must, compressed: compressed.clone() });
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
    #[cfg(test)]
    tests::COUNT.set(tests::COUNT.get() + 1);
    let mut out = vec![0; MAX_HEADER_LEN];
    compress_shared(payload, shared, &mut out);
    if !must && out.len() >= MAX_HEADER_LEN.saturating_add(payload.len()) {
        return None;
    }
    let start = fill_headroom(&mut out, opcode, true);
    Some(Bytes::from(out).slice(start..))
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { made: VecDeque::new(), len: 0 }) };
}

/// What is kept for each thread: so many octets of frames as they were and compressed...
const KEPT_LEN_MAX: usize = 2 << 20;
/// ...and so many frames. What is longer, or waits behind more than these, is compressed for each
/// connection.
const KEPT_COUNT_MAX: usize = 64;

#[cfg(test)]
mod tests;
