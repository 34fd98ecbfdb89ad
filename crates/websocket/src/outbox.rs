//! What is queued for one connection, ready for one vectored write.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Deref;

use bytes::{Buf, Bytes, BytesMut};

/// Queued octets in order. Read it through [`bytes::Buf`]: `chunks_vectored` fills a vectored
/// write, `advance` takes off what was written.
///
/// A piece that is alone and large ones are kept by reference count; small ones are copied
/// together, because an entry of a vectored write costs more than a short copy. Empty, it
/// owns no memory.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The piece to be written first; empty only if everything is.
    first: First,
    rest: Option<Box<Rest>>,
    len: usize,
    /// Octets queued since the beginning, written or not.
    queued: u64,
}

#[derive(Debug)]
enum First {
    Shared(Bytes),
    /// Small pieces, copied together.
    Own(BytesMut),
}

#[derive(Debug, Default)]
struct Rest {
    pieces: VecDeque<Bytes>,
    /// Small pieces, copied together behind all others.
    tail: BytesMut,
}

impl Outbox {
    /// Queues octets that are shared; small ones may be copied.
    pub(crate) fn push(&mut self, piece: &Bytes) {
        self.count(piece.len());
        if self.first.is_empty() {
            self.first = First::Shared(piece.clone());
        } else if piece.len() <= COPIED_LEN_MAX {
            self.tail(piece.len(), TAIL_LEN_MIN).extend_from_slice(piece);
        } else {
            let rest = self.rest.get_or_insert_default();
            rest.seal();
            rest.pieces.push_back(piece.clone());
        }
    }

    /// Queues copies of a frame's header and payload, and gives that of the payload, to be masked.
    /// `room`: for so much there should be room, unless it is alone.
    pub(crate) fn copy(&mut self, head: &[u8], payload: &[u8], room: usize) -> &mut [u8] {
        let len = head.len().saturating_add(payload.len());
        let room = if self.len == 0 { 0 } else { room.max(TAIL_LEN_MIN) };
        self.count(len);
        let tail = self.tail(len, room);
        tail.extend_from_slice(head);
        let start = tail.len();
        tail.extend_from_slice(payload);
        tail.get_mut(start..).unwrap_or_default()
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

    /// Where the next small piece belongs, of this length. If there is no room for it, there will
    /// be for so much, and for as much as is queued: what is there is not copied to grow.
    fn tail(&mut self, len: usize, room: usize) -> &mut BytesMut {
        let room = room.max(self.len.min(TAIL_LEN_MAX)).max(len);
        let first = if self.rest.is_none() { self.first.own(len, room) } else { None };
        match first {
            Some(own) => own,
            None => {
                let rest = self.rest.get_or_insert_default();
                if !has_room(&rest.tail, len) {
                    rest.seal();
                    rest.tail = BytesMut::with_capacity(room);
                }
                &mut rest.tail
            }
        }
    }

    /// The first piece is written: the next one follows.
    fn follow(&mut self) {
        self.first = match &mut self.rest {
            None => First::default(),
            Some(rest) => match rest.pieces.pop_front() {
                Some(piece) => First::Shared(piece),
                None => First::Own(std::mem::take(&mut rest.tail)),
            },
        };
        if self.first.is_empty() {
            self.rest = None;
        }
    }
}

impl First {
    /// As a buffer with room for this length, and for so much if there was none, unless that would
    /// copy too much.
    fn own(&mut self, len: usize, room: usize) -> Option<&mut BytesMut> {
        if self.len() <= COPIED_LEN_MAX {
            match self {
                Self::Own(own) if has_room(own, len) => {}
                Self::Own(own) => own.reserve(room),
                Self::Shared(piece) => {
                    let mut own = BytesMut::with_capacity(piece.len().saturating_add(room));
                    own.extend_from_slice(piece);
                    *self = Self::Own(own);
                }
            }
        }
        match self {
            Self::Own(own) if has_room(own, len) => Some(own),
            _ => None,
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Shared(piece) => piece.advance(count),
            Self::Own(own) => own.advance(count),
        }
    }
}

fn has_room(buf: &BytesMut, len: usize) -> bool {
    buf.capacity().saturating_sub(buf.len()) >= len
}

impl Default for First {
    fn default() -> Self {
        Self::Shared(Bytes::new())
    }
}

impl Deref for First {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(piece) => piece,
            Self::Own(own) => own,
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
        let first = std::iter::once(&*self.first);
        let rest = self.rest.iter().flat_map(|rest| {
            rest.pieces.iter().map(|piece| &piece[..]).chain(std::iter::once(&rest.tail[..]))
        });
        let pieces = first.chain(rest).filter(|piece| !piece.is_empty());
        slices.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }
}

/// Up to this length a copy is cheaper than an entry of a vectored write.
const COPIED_LEN_MAX: usize = 2_048;

/// So much is asked for at once, and given back when it is written: a second small piece is
/// seldom the last.
const TAIL_LEN_MIN: usize = 4_096;

/// No more is asked for at once, unless a piece is larger: larger memory is dearer to get.
const TAIL_LEN_MAX: usize = 32 << 10;

#[cfg(test)]
mod tests;
