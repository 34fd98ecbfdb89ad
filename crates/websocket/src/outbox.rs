//! What is queued for one connection, ready for one vectored write.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Queued octets in order. Read it through [`bytes::Buf`]: `chunks_vectored` fills a vectored
/// write, `advance` takes off what was written.
///
/// A first piece and large ones are kept by reference count; small ones after it are copied
/// together, because an entry of a vectored write costs more than a short copy. Empty, it
/// owns no memory.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The piece to be written first; empty only if everything is.
    first: Bytes,
    rest: Option<Box<Rest>>,
    len: usize,
    /// Octets queued since the beginning, written or not.
    queued: u64,
}

#[derive(Debug, Default)]
struct Rest {
    pieces: VecDeque<Bytes>,
    /// Small pieces, copied together behind all others.
    tail: BytesMut,
}

impl Outbox {
    /// Queues octets that are shared; small ones may be copied.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.count(piece.len());
        if self.first.is_empty() {
            self.first = piece;
        } else if piece.len() <= COPIED_LEN_MAX {
            self.tail().extend_from_slice(&piece);
        } else if !piece.is_empty() {
            let rest = self.rest.get_or_insert_default();
            rest.seal();
            rest.pieces.push_back(piece);
        }
    }

    /// Queues what `write` appends.
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.first.is_empty() {
            let mut piece = BytesMut::new();
            write(&mut piece);
            return self.push(piece.freeze());
        }
        let tail = self.tail();
        let before = tail.len();
        write(tail);
        let grown = tail.len().saturating_sub(before);
        self.count(grown);
    }

    /// Octets queued since the beginning.
    pub(crate) const fn queued(&self) -> u64 {
        self.queued
    }

    /// Octets written since the beginning.
    pub(crate) const fn written(&self) -> u64 {
        self.queued.saturating_sub(self.len as u64)
    }

    /// Throws away everything queued.
    pub(crate) fn clear(&mut self) {
        *self = Self { queued: self.queued, ..Self::default() };
    }

    const fn count(&mut self, len: usize) {
        self.len = self.len.saturating_add(len);
        self.queued = self.queued.saturating_add(len as u64);
    }

    fn tail(&mut self) -> &mut BytesMut {
        let rest = self.rest.get_or_insert_default();
        if rest.tail.len() > SEALED_LEN_MIN {
            rest.seal();
        }
        if rest.tail.is_empty() {
            rest.tail.reserve(TAIL_LEN_MIN);
        }
        &mut rest.tail
    }

    /// The first piece is written: the next one follows.
    fn follow(&mut self) {
        self.first = match &mut self.rest {
            None => Bytes::new(),
            Some(rest) => match rest.pieces.pop_front() {
                Some(piece) => piece,
                None => std::mem::take(&mut rest.tail).freeze(),
            },
        };
        if self.first.is_empty() {
            self.rest = None;
        }
    }
}

impl Rest {
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }
}

impl Buf for Outbox {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        &self.first
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len, "more was written than is queued");
        self.len = self.len.saturating_sub(count);
        while count >= self.first.len() && !self.first.is_empty() {
            count = count.saturating_sub(self.first.len());
            self.follow();
        }
        self.first.advance(count);
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let first = std::iter::once(&self.first[..]);
        let rest = self.rest.iter().flat_map(|rest| {
            rest.pieces.iter().map(|piece| &piece[..]).chain(std::iter::once(&rest.tail[..]))
        });
        let pieces = first.chain(rest).filter(|piece| !piece.is_empty());
        slices.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }
}

/// Up to this length a copy is cheaper than an entry of a vectored write.
const COPIED_LEN_MAX: usize = 2_048;

/// So much is asked for at once, and given back when it is written: what follows a first small
/// piece is seldom the last.
const TAIL_LEN_MIN: usize = 4_096;

/// A tail of this length is left as it is, so that growing it does not copy it over and over.
const SEALED_LEN_MIN: usize = 64 << 10;

#[cfg(test)]
mod tests;
