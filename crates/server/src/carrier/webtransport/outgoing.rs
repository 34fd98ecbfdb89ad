//! What waits to be written to a stream.

use super::UNWRITTEN_LEN_MAX;
use bytes::{Buf as _, Bytes, BytesMut};
use omniwire_engineio::frame;
use omniwire_session::Frame;
use std::collections::VecDeque;

/// Bytes that are written at once; so many of a message are copied at a time. QUIC copies them too.
const CHUNK_LEN: usize = 16 << 10;

/// Messages in order. Their payloads are shared until their turn comes.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Octets of frames.
    chunk: BytesMut,
    /// What is left of the payload whose frame has begun.
    payload: Bytes,
    waiting: VecDeque<Frame>,
    waiting_len: usize,
}

impl Outgoing {
    pub(super) fn push(&mut self, frame: Frame) {
        self.waiting_len = self.waiting_len.saturating_add(frame.as_payload().len());
        self.waiting.push_back(frame);
    }

    /// Bytes that wait, headers left out.
    pub(super) fn len(&self) -> usize {
        self.waiting_len.saturating_add(self.payload.len()).saturating_add(self.chunk.len())
    }

    /// No more should be taken from the outbox now.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= UNWRITTEN_LEN_MAX || self.waiting.len() >= WAITING_MAX
    }

    /// What is to be written next.
    pub(super) fn chunk(&mut self) -> Option<&[u8]> {
        if self.chunk.is_empty() {
            self.fill();
        }
        (!self.chunk.is_empty()).then_some(&*self.chunk)
    }

    /// So much of the chunk was written.
    pub(super) fn advance(&mut self, len: usize) {
        self.chunk.advance(len);
        if self.len() == 0 && self.waiting.is_empty() {
            // An idle connection keeps nothing.
            *self = Self::default();
        }
    }

    fn fill(&mut self) {
        while self.chunk.len() < CHUNK_LEN {
            if self.payload.is_empty() {
                let Some(next) = self.waiting.pop_front() else { return };
                self.payload = next.payload();
                self.waiting_len = self.waiting_len.saturating_sub(self.payload.len());
                frame::write_header(next.kind(), self.payload.len(), &mut self.chunk);
            }
            let room = CHUNK_LEN.saturating_sub(self.chunk.len());
            let part = self.payload.split_to(self.payload.len().min(room));
            self.chunk.extend_from_slice(&part);
        }
    }
}

/// Messages that may wait here.
const WAITING_MAX: usize = 1024;
