//! What waits to leave over all sessions, and which of them are given up when it is too much.

use super::cell::Cell;
use crate::server::Shared;
use bytes::{Bytes, BytesMut};
use omniwire_hub::OutboxLimits;
use omniwire_session::limits::Limits;
use std::cmp::Reverse;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// No session that holds less is given up for all the others.
const FREE_LEN: usize = 64 << 10;

/// Between two looks at who holds most, while there is too much.
const PAUSE: Duration = Duration::from_millis(20);

/// What waits to leave.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// As the outboxes count it.
    pub(crate) waiting: Arc<omniwire_hub::Backlog>,
    /// Where the sessions are.
    shared: OnceLock<Weak<Shared>>,
    /// The task that gives sessions up is there.
    shedding: AtomicBool,
}

impl Backlog {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        let outbox =
            OutboxLimits { len_max: limits.outbox_len_max, count_max: limits.outbox_count_max };
        let waiting = omniwire_hub::Backlog::new(outbox, limits.outboxes_len_max);
        Arc::new(Self { waiting, shared: OnceLock::new(), shedding: AtomicBool::new(false) })
    }

    /// From now on, the sessions of this server are given up.
    pub(crate) fn attach(&self, shared: &Arc<Shared>) {
        self.shared.get_or_init(|| Arc::downgrade(shared));
    }

    /// A message that is about to wait. If it is one too many, a task sees to that: whoever says
    /// it may hold a room's lock.
    pub(crate) fn count(&self, message: BytesMut) -> Bytes {
        let message = self.waiting.count(message);
        if self.waiting.is_over() {
            self.shed();
        }
        message
    }

    #[cold]
    fn shed(&self) {
        // From a thread without a runtime, the next message that comes from one will do.
        if let (Some(shared), Ok(runtime)) = (self.shared.get(), Handle::try_current())
            && !self.shedding.swap(true, Relaxed)
        {
            runtime.spawn(shed(Weak::clone(shared)));
        }
    }
}

/// Gives sessions up until no more waits than may.
async fn shed(shared: Weak<Shared>) {
    let mut leaving = Vec::new();
    while let Some(shared) = shared.upgrade() {
        if !shared.backlog.waiting.is_over() {
            shared.backlog.shedding.store(false, Relaxed);
            return;
        }
        give_up_the_fullest(&shared, &mut leaving);
        drop(shared);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Closes those who hold most, as many as must go. What others hold too does not go with them:
/// then there is a next time.
fn give_up_the_fullest(shared: &Shared, leaving: &mut Vec<Weak<Cell>>) {
    leaving.retain(|cell| cell.strong_count() > 0);
    // What their connections could not write goes when these are closed.
    let going: usize = leaving.iter().filter_map(Weak::upgrade).map(|cell| cell.weight()).sum();
    let mut excess = shared.backlog.waiting.excess().saturating_sub(going);
    let weighed = shared.table.all().into_iter().map(|cell| (cell.weight(), cell));
    let mut fullest: Vec<_> = weighed.filter(|(weight, _)| *weight > FREE_LEN).collect();
    fullest.sort_unstable_by_key(|(weight, _)| Reverse(*weight));
    for (weight, cell) in fullest {
        if excess == 0 {
            return;
        }
        cell.give_up();
        excess = excess.saturating_sub(weight);
        leaving.push(Arc::downgrade(&cell));
    }
}
