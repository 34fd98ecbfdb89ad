//! Handlers at work: the slot that each holds, and panics that fail one call.

use super::PeerCell;
use crate::app::failure::Failure;
use crate::app::handler::{BoxedHandler, CallContext, Outcome, OutcomeFuture};
use crate::panics::text_of;
use std::any::Any;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::sync::watch;

/// One waiting handler among those of its peer that may run at once, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    peer: Arc<PeerCell>,
    held: AtomicBool,
}

impl Slot {
    pub(super) fn take(peer: &Arc<PeerCell>) -> Arc<Self> {
        peer.inbox.lock().count_running(1);
        Arc::new(Self { peer: Arc::clone(peer), held: AtomicBool::new(true) })
    }

    fn give_up(&self) {
        if self.held.swap(false, Ordering::Relaxed) {
            self.peer.inbox.lock().count_running(-1);
            self.peer.pump(None);
        }
    }

    fn take_back(&self) {
        if !self.held.swap(true, Ordering::Relaxed) {
            self.peer.inbox.lock().count_running(1);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// A handler that counts among those that run at once, while it is being polled. One that ends at
/// its first poll never needs a slot: until then its peer starts no other.
struct Polled {
    peer: Arc<PeerCell>,
    slot: Option<Arc<Slot>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Polled>> = const { RefCell::new(None) };
}

/// A handler that waits for a client does not count among those that run: else the client, which
/// may want something answered first, and the handler would wait for each other.
#[derive(Debug)]
pub(crate) struct Away(Option<Arc<Slot>>);

impl Away {
    /// The handler that is being polled, if one is, waits until this is dropped.
    pub(crate) fn of_this_handler() -> Self {
        let slot = CURRENT.with_borrow_mut(|current| {
            let Polled { peer, slot } = current.as_mut()?;
            Some(Arc::clone(slot.get_or_insert_with(|| Slot::take(peer))))
        });
        if let Some(slot) = &slot {
            slot.give_up();
        }
        Self(slot)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Some(slot) = &self.0 {
            slot.take_back();
        }
    }
}

/// A handler at work, whose panic is a failure of this one call.
pub(super) struct Guarded {
    work: OutcomeFuture,
    /// Set if it counts among those that run at once.
    counts_for: Option<Arc<PeerCell>>,
    slot: Option<Arc<Slot>>,
}

impl Guarded {
    pub(super) fn new(work: OutcomeFuture) -> Self {
        Self { work, counts_for: None, slot: None }
    }

    /// From now on it counts among the handlers of this peer that run at once.
    pub(super) fn count_for(&mut self, peer: &Arc<PeerCell>) {
        self.counts_for = Some(Arc::clone(peer));
    }

    /// The slot that it holds, if it counts; called when it waits.
    pub(super) fn hold_slot(&mut self) -> Option<Arc<Slot>> {
        let peer = self.counts_for.as_ref()?;
        Some(Arc::clone(self.slot.get_or_insert_with(|| Slot::take(peer))))
    }

    /// Polls it here and now: what does not wait is done, with no task.
    pub(super) fn poll_now(&mut self) -> Poll<Result<Outcome, Failure>> {
        Pin::new(self).poll(&mut Context::from_waker(Waker::noop()))
    }
}

impl Future for Guarded {
    type Output = Result<Outcome, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // What a handler does may start another one on this thread.
        let current = self
            .counts_for
            .as_ref()
            .map(|peer| Polled { peer: Arc::clone(peer), slot: self.slot.clone() });
        let outer = CURRENT.replace(current);
        let poll = AssertUnwindSafe(|| self.work.as_mut().poll(context));
        let poll = std::panic::catch_unwind(poll);
        self.slot = CURRENT.replace(outer).and_then(|polled| polled.slot);
        poll.unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic))))
    }
}

pub(super) fn guard(handler: &BoxedHandler, context: CallContext) -> Guarded {
    let call = AssertUnwindSafe(|| handler.call(context));
    Guarded::new(std::panic::catch_unwind(call).unwrap_or_else(|panic| {
        let failure = panicked(&*panic);
        Box::pin(std::future::ready(Err(failure)))
    }))
}

pub(super) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    Failure::panic(text_of(panic))
}

/// Handlers that wait for something: none holds up the end of the server unnoticed.
#[derive(Debug, Default)]
pub(crate) struct AtWork(watch::Sender<()>);

impl AtWork {
    /// One more is at work until this is dropped.
    pub(crate) fn begin(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }

    /// Waits until none is.
    pub(crate) async fn done(&self) {
        self.0.closed().await;
    }
}

/// Calls `then` with what a handler answers: now if it does not wait, else from a task.
pub(super) fn conclude(
    at_work: &AtWork,
    mut outcome: Guarded,
    then: impl FnOnce(Result<Outcome, Failure>) + Send + 'static,
) {
    match outcome.poll_now() {
        Poll::Ready(outcome) => then(outcome),
        Poll::Pending => {
            let working = at_work.begin();
            tokio::spawn(async move {
                then(outcome.await);
                drop(working);
            });
        }
    }
}
