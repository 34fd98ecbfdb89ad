//! What a recoverable room remembers.

use crate::detached;
use omniwire_session::{Args, ByteString, Position};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How much a room remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Events.
    pub count_max: usize,
    /// Bytes of their names and arguments.
    pub len_max: usize,
    /// Age of an event.
    pub age_max: Duration,
}

/// A remembered event.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Where it stands.
    pub position: Position,
    /// Its name.
    pub name: ByteString,
    /// Its arguments.
    pub args: Args,
    at: Instant,
}

impl Stored {
    /// Bytes of its name and arguments.
    pub fn len(&self) -> usize {
        self.name.len().saturating_add(self.args.size_hint())
    }

    /// Whether it has neither a name nor arguments.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The last events of one room.
#[derive(Debug)]
pub struct History {
    limits: HistoryLimits,
    epoch: u32,
    next: u64,
    len: usize,
    events: VecDeque<Stored>,
}

impl History {
    /// An empty history. `epoch` must differ from that of any earlier history of the same room.
    pub fn new(limits: HistoryLimits, epoch: u32) -> Self {
        Self { limits, epoch, next: 1, len: 0, events: VecDeque::new() }
    }

    /// Remembers an event and says where it stands.
    pub fn append(&mut self, now: Instant, name: &ByteString, args: &Args) -> Position {
        let position = Position { epoch: self.epoch, offset: self.next };
        self.next = self.next.saturating_add(1);
        let stored = Stored { position, name: detached(name), args: args.detached(), at: now };
        self.len = self.len.saturating_add(stored.len());
        self.events.push_back(stored);
        while self.events.len() > self.limits.count_max || self.len > self.limits.len_max {
            self.forget_oldest();
        }
        self.forget_old(now);
        position
    }

    /// Forgets what is too old by now.
    pub fn forget_old(&mut self, now: Instant) {
        let age_max = self.limits.age_max;
        let is_old = |event: &Stored| now.saturating_duration_since(event.at) > age_max;
        while self.events.front().is_some_and(is_old) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.events.pop_front() {
            self.len = self.len.saturating_sub(oldest.len());
        }
    }

    /// Where the last event stands; offset 0 if there was none.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.next.saturating_sub(1) }
    }

    /// All that came after `since`, in order, or `None` if that can't be said: another epoch, an
    /// offset that was never given out, or one whose successor is forgotten.
    pub fn after(&self, since: Position) -> Option<impl Iterator<Item = &Stored>> {
        if since.epoch != self.epoch || since.offset >= self.next {
            return None;
        }
        let missed = self.position().offset.checked_sub(since.offset)?;
        let skip = self.events.len().checked_sub(usize::try_from(missed).ok()?)?;
        Some(self.events.range(skip..))
    }

    /// All that is remembered, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Stored> {
        self.events.iter()
    }
}

#[cfg(test)]
mod tests;
