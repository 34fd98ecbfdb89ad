//! One alarm clock for all sessions and namespaces: a heap of deadlines and one task, never a timer
//! a session.

use super::cell::Cell;
use crate::app::space::Space;
use crate::clock::{self, Stamp};
use crate::panics::contain;
use parking_lot::Mutex;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::{EnterGuard, Handle};
use tokio::sync::Notify;

/// The deadlines of all sessions, and of namespaces. Each has at most a few entries: it adds one
/// only when its deadline moves forward.
#[derive(Default)]
pub(crate) struct Timers {
    heaps: Mutex<Heaps>,
    /// Something is due before all else, or nothing ever will be.
    news: Arc<Notify>,
    /// That of their task, and so of all sessions.
    runtime: OnceLock<Handle>,
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.news.notify_one();
    }
}

/// One for each kind of sleeper, so that an entry is a deadline and a pointer.
#[derive(Default)]
struct Heaps {
    sessions: BinaryHeap<Alarm<Cell>>,
    spaces: BinaryHeap<Alarm<Space>>,
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heaps = self.heaps.lock();
        write!(f, "Timers({}, {})", heaps.sessions.len(), heaps.spaces.len())
    }
}

/// No timer of an idle machine is as late as this.
const LATE: Duration = Duration::from_millis(250);

struct Alarm<T> {
    at: Stamp,
    sleeper: Weak<T>,
}

/// Whom the timers wake.
#[derive(Debug)]
pub(crate) enum Sleeper {
    Session(Weak<Cell>),
    Space(Weak<Space>),
}

impl Sleeper {
    /// A panic of one stops no other's clock.
    fn wake(&self, now: Instant) {
        match self {
            Self::Session(cell) => {
                if let Some(cell) = cell.upgrade() {
                    contain(&cell.terms.shared.counters, || cell.tick(now));
                }
            }
            Self::Space(space) => {
                if let Some(space) = space.upgrade() {
                    contain(&space.counters, || space.tick(now));
                }
            }
        }
    }
}

impl<T> PartialEq for Alarm<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Alarm<T> {}

impl<T> PartialOrd for Alarm<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The heap has the greatest on top: that is the earliest.
impl<T> Ord for Alarm<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl Heaps {
    fn first(&self) -> Option<Stamp> {
        let session = self.sessions.peek().map(|alarm| alarm.at);
        let space = self.spaces.peek().map(|alarm| alarm.at);
        session.into_iter().chain(space).min()
    }

    fn take_due(&mut self, now: Stamp) -> Option<Sleeper> {
        if let Some(session) = pop_due(&mut self.sessions, now) {
            return Some(Sleeper::Session(session));
        }
        pop_due(&mut self.spaces, now).map(Sleeper::Space)
    }
}

fn pop_due<T>(heap: &mut BinaryHeap<Alarm<T>>, now: Stamp) -> Option<Weak<T>> {
    heap.peek().filter(|alarm| alarm.at <= now)?;
    heap.pop().map(|alarm| alarm.sleeper)
}

impl Timers {
    /// Calls [`Cell::tick`] or [`Space::tick`] at this instant.
    pub(crate) fn arm(self: &Arc<Self>, at: Stamp, sleeper: Sleeper) {
        let is_first = {
            let mut heaps = self.heaps.lock();
            let is_first = heaps.first().is_none_or(|first| at < first);
            match sleeper {
                Sleeper::Session(sleeper) => heaps.sessions.push(Alarm { at, sleeper }),
                Sleeper::Space(sleeper) => heaps.spaces.push(Alarm { at, sleeper }),
            }
            is_first
        };
        if is_first {
            self.news.notify_one();
        }
        self.runtime.get_or_init(|| {
            tokio::spawn(Self::run(Arc::downgrade(self), Arc::clone(&self.news)));
            Handle::current()
        });
    }

    /// For who may come from a thread that has no runtime, though what follows needs one: handlers,
    /// and timers of theirs.
    pub(crate) fn enter_runtime(&self) -> Option<EnterGuard<'_>> {
        let runtime = self.runtime.get()?;
        Handle::try_current().is_err().then(|| runtime.enter())
    }

    /// Whoever wakes this late stood still: the machine slept, or the process was starved. What
    /// peers have said meanwhile waits in their sockets, and is read before they are judged for
    /// their silence.
    async fn catch_up(&self) {
        let first = self.heaps.lock().first().map(Stamp::instant);
        if first.is_some_and(|first| clock::now().saturating_duration_since(first) > LATE) {
            tokio::time::sleep(LATE).await;
        }
    }

    /// Wakes whose time has come, and says when the next one's will.
    fn wake_due(&self) -> Option<Stamp> {
        let now = clock::now();
        let take_due = || self.heaps.lock().take_due(Stamp::of(now));
        while let Some(sleeper) = take_due() {
            sleeper.wake(now);
        }
        self.heaps.lock().first()
    }

    /// Ends with the timers, which it does not hold while it sleeps.
    async fn run(timers: Weak<Self>, news: Arc<Notify>) {
        loop {
            let next = match timers.upgrade() {
                None => return,
                Some(timers) => {
                    timers.catch_up().await;
                    timers.wake_due()
                }
            };
            match next {
                Some(at) => {
                    tokio::time::timeout_at(at.instant().into(), news.notified()).await.ok();
                }
                None => news.notified().await,
            }
        }
    }
}
