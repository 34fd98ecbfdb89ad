//! What stateful reconnect keeps: the numbers of messages in both directions, and those that the
//! client has not acknowledged (`TransportProtocols.md`, "Stateful Reconnect"; `HubProtocol.md`,
//! "Ack Message", "Sequence Message").
//!
//! Numbers are not in the messages: each side counts. So copies share their bytes with those of
//! every other connection, also after a broadcast.

use omniwire_session::{Frame, later};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The books of one connection.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Sent, and not acknowledged; the oldest first.
    unacked: VecDeque<Frame>,
    /// Bytes in it.
    unacked_len: usize,
    /// Nothing more is sent while there are more bytes than this.
    len_max: usize,
    /// The number of the first message in `unacked`, or of the next one that is sent.
    oldest: u64,
    /// Sent again and acknowledged since, but perhaps before it came again: see
    /// [`Ledger::acknowledged`]. Just before `oldest`.
    kept: VecDeque<Frame>,
    /// Bytes in it.
    kept_len: usize,
    /// The highest number that was sent again.
    resent: u64,
    /// The number that the next message from the client has.
    next: u64,
    /// The highest number that was handled.
    handled: u64,
    /// The highest number that was acknowledged.
    acked: u64,
    /// When to acknowledge.
    ack_at: Option<Instant>,
}

/// The client's Sequence leaves out messages that never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap;

impl Ledger {
    pub(crate) fn new(len_max: usize) -> Self {
        Self {
            unacked: VecDeque::new(),
            unacked_len: 0,
            len_max,
            oldest: 1,
            kept: VecDeque::new(),
            kept_len: 0,
            resent: 0,
            next: 1,
            handled: 0,
            acked: 0,
            ack_at: None,
        }
    }

    /// Whether nothing may be sent until the client acknowledges.
    pub(crate) fn holds_back(&self) -> bool {
        self.unacked_len > self.len_max
    }

    /// Bytes that are kept.
    pub(super) fn len(&self) -> usize {
        self.unacked_len.saturating_add(self.kept_len)
    }

    /// Takes what may be sent from the front of `queue`, and keeps a copy.
    pub(crate) fn send(&mut self, queue: &mut VecDeque<Frame>) -> VecDeque<Frame> {
        let mut sent = VecDeque::new();
        while !self.holds_back()
            && let Some(frame) = queue.pop_front()
        {
            self.unacked_len = self.unacked_len.saturating_add(frame.as_payload().len());
            self.unacked.push_back(frame.clone());
            sent.push_back(frame);
        }
        sent
    }

    /// The client has everything up to this number. Whether that ends a hold-back.
    ///
    /// Microsoft's JavaScript client gives up when a Sequence is above the number that it counts
    /// to, and an earlier Sequence has set that back. An Ack of what was sent again may have
    /// overtaken it; then only what was sent again can bring the count forward, also on the line
    /// after this one. So that is kept until something newer is acknowledged, or is more than may
    /// wait for an Ack: else a client that comes back again and again could pile it up.
    pub(crate) fn acknowledged(&mut self, number: u64) -> bool {
        let held_back = self.holds_back();
        while self.oldest <= number
            && let Some(frame) = self.unacked.pop_front()
        {
            let len = frame.as_payload().len();
            self.unacked_len = self.unacked_len.saturating_sub(len);
            self.kept_len = self.kept_len.saturating_add(len);
            self.oldest = self.oldest.saturating_add(1);
            self.kept.push_back(frame);
        }
        if self.oldest.saturating_sub(1) > self.resent || self.kept_len > self.len_max {
            self.kept = VecDeque::new();
            self.kept_len = 0;
        }
        if self.unacked.is_empty() {
            self.unacked = VecDeque::new();
        }
        held_back && !self.holds_back()
    }

    /// What is sent again on a new line, and the number of the first of it.
    pub(crate) fn resend(&mut self, now: Instant) -> (u64, Vec<Frame>) {
        // An Ack that was due while there was no line is due now.
        self.ack_at = self.ack_at.map(|at| at.max(now));
        let first = self.oldest.saturating_sub(self.kept.len() as u64);
        let frames: Vec<_> = self.kept.iter().chain(&self.unacked).cloned().collect();
        self.resent = first.saturating_add(frames.len() as u64).saturating_sub(1);
        (first, frames)
    }

    /// The next message from the client has this number.
    pub(crate) fn sequence(&mut self, number: u64, now: Instant) -> Result<(), Gap> {
        if number == 0 || number > self.handled.saturating_add(1) {
            return Err(Gap);
        }
        self.next = number;
        if number <= self.handled {
            // The client sends again what arrived: it missed the last Ack.
            self.acked = self.acked.min(number.saturating_sub(1));
            self.ack_soon(now);
        }
        Ok(())
    }

    /// Counts a message of the client. Whether it has not been handled before.
    pub(crate) fn receive(&mut self, now: Instant) -> bool {
        let is_new = self.next > self.handled;
        if is_new {
            self.handled = self.next;
            self.ack_soon(now);
        }
        self.next = self.next.saturating_add(1);
        is_new
    }

    fn ack_soon(&mut self, now: Instant) {
        self.ack_at.get_or_insert(later(now, ACK_INTERVAL));
    }

    /// When to call [`Ledger::ack`].
    pub(crate) fn ack_at(&self) -> Option<Instant> {
        self.ack_at
    }

    /// The number to acknowledge, if there is one and it is time.
    pub(crate) fn ack(&mut self, now: Instant) -> Option<u64> {
        self.ack_at.take_if(|at| *at <= now)?;
        (self.acked < self.handled).then(|| {
            self.acked = self.handled;
            self.handled
        })
    }
}

/// As ASP.NET Core and its clients: at most one Ack a second.
const ACK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
