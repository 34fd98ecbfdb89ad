//! How fast a session's events come: what its handlers don't keep up with is not read, and what one
//! input causes is carried out in turns.

use super::Cell;
use super::core::Core;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

/// Events that are delivered in one go: one POST may bring a hundred thousand.
pub(super) const EVENTS_PER_TURN: usize = 256;

impl Cell {
    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn event_waits(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn event_started(&self) {
        let before = self.waiting.fetch_sub(1, Ordering::Relaxed);
        // No more than that wait from now on: of one, none.
        if before.saturating_sub(1) as usize == self.terms.shared.limits.inbox_count_max / 2 {
            self.core.lock().wake_congested();
        }
    }

    /// The same under the core's lock; [`Cell::wake_congested`] must follow.
    pub(crate) fn event_dropped(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
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
