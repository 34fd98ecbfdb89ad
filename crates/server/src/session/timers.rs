//! One alarm clock for all sessions and namespaces: a heap of deadlines and one task, never a timer
//! a session.

use super::cell::Cell;
use crate::app::namespace::Space;
use crate::clock;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::Notify;

/// The deadlines of all sessions, and of namespaces. Each has at most a few entries: it adds one
/// only when its deadline moves forward.
#[derive(Default)]
pub(crate) struct Timers {
    heap: Mutex<BinaryHeap<Reverse<Alarm>>>,
    sooner: Notify,
    started: AtomicBool,
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timers({})", self.heap.lock().len())
    }
}

struct Alarm {
    at: Instant,
    sleeper: Sleeper,
}

/// Whom the timers wake.
#[derive(Debug)]
pub(crate) enum Sleeper {
    Session(Weak<Cell>),
    Space(Weak<Space>),
}

impl Sleeper {
    fn wake(&self, now: Instant) {
        match self {
            Self::Session(cell) => {
                if let Some(cell) = cell.upgrade() {
                    cell.tick(now);
                }
            }
            Self::Space(space) => {
                if let Some(space) = space.upgrade() {
                    space.tick(now);
                }
            }
        }
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Timers {
    /// Calls [`Cell::tick`] or [`Space::tick`] at this instant.
    pub(crate) fn arm(self: &Arc<Self>, at: Instant, sleeper: Sleeper) {
        let is_first = {
            let mut heap = self.heap.lock();
            let is_first = heap.peek().is_none_or(|Reverse(first)| at < first.at);
            heap.push(Reverse(Alarm { at, sleeper }));
            is_first
        };
        if is_first {
            self.sooner.notify_one();
        }
        if !self.started.swap(true, Ordering::Relaxed) {
            tokio::spawn(Self::run(Arc::downgrade(self)));
        }
    }

    async fn run(timers: Weak<Self>) {
        while let Some(timers) = timers.upgrade() {
            let now = clock::now();
            while let Some(sleeper) = timers.take_due(now) {
                sleeper.wake(now);
            }
            let next = timers.heap.lock().peek().map(|Reverse(alarm)| alarm.at);
            let sooner = timers.sooner.notified();
            match next {
                Some(at) => {
                    tokio::time::timeout_at(at.into(), sooner).await.ok();
                }
                None => sooner.await,
            }
        }
    }

    fn take_due(&self, now: Instant) -> Option<Sleeper> {
        let mut heap = self.heap.lock();
        let Reverse(first) = heap.peek()?;
        if first.at > now {
            return None;
        }
        heap.pop().map(|Reverse(alarm)| alarm.sleeper)
    }
}
