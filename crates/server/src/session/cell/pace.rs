//! How fast a session's events come: what its handlers don't keep up with is not read, and what one
//! input causes is carried out in turns.

use super::Cell;
use super::core::Core;
use omniwire_session::Args;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

/// Events that are delivered in one go: one POST may bring a hundred thousand.
pub(super) const EVENTS_PER_TURN: usize = 256;

/// Each so many bytes of an event count as one event more.
const LEN_PER_EVENT: usize = 4 << 10;

/// As how many events one counts while it waits: a long one takes the room of many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight(u32);

impl Weight {
    pub(crate) const ONE: Self = Self(1);

    /// Of an event with these arguments, which stay as they are while it waits.
    pub(crate) fn of(args: &Args) -> Self {
        let more = args.size_hint() / LEN_PER_EVENT;
        Self(u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1))
    }
}

impl Cell {
    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn event_waits(&self, weight: Weight) {
        self.waiting.fetch_add(weight.0, Ordering::Relaxed);
    }

    pub(crate) fn event_started(&self, weight: Weight) {
        let before = self.waiting.fetch_sub(weight.0, Ordering::Relaxed) as usize;
        // No more than that wait from now on: of one, none.
        let half = self.terms.shared.limits.inbox_count_max / 2;
        if before > half && before.saturating_sub(weight.0 as usize) <= half {
            self.core.lock().wake_congested();
        }
    }

    /// The same under the core's lock; [`Cell::wake_congested`] must follow.
    pub(crate) fn event_dropped(&self, weight: Weight) {
        self.waiting.fetch_sub(weight.0, Ordering::Relaxed);
    }

    pub(super) fn wake_congested(&self, core: &mut Core) {
        if self.waiting() <= self.terms.shared.limits.inbox_count_max / 2 {
            core.wake_congested();
        }
    }

    /// Ready when another input may be taken.
    pub(crate) fn poll_uncongested(&self, context: &Context<'_>) -> Poll<()> {
        ready!(self.poll_caught_up(context));
        self.poll_room(context)
    }

    /// Ready when all that the last input caused is carried out.
    pub(crate) fn poll_caught_up(&self, context: &Context<'_>) -> Poll<()> {
        if !self.behind.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        let mut core = self.core.lock();
        core.wait(context);
        if !self.behind.load(Ordering::Relaxed) || core.closed.is_some() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Ready when the handlers keep up.
    fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let limit = self.terms.shared.limits.inbox_count_max;
        if self.waiting() < limit {
            return Poll::Ready(());
        }
        let mut core = self.core.lock();
        core.wait(context);
        // Looked at again under the lock: the last event may have started just now.
        if self.waiting() < limit || core.closed.is_some() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Carries out what one turn did not take: when others have had theirs, and as its handlers
    /// keep up.
    pub(super) async fn catch_up(self: Arc<Self>) {
        while self.behind.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
            poll_fn(|context| self.poll_room(context)).await;
            self.run(|_, _| Ok(())).ok();
        }
    }
}
