//! What waits for a peer's handlers, and what else it has under way.

use super::questions::{Asker, Askers};
use super::{Arrival, Kept, Pending, Queued};
use crate::app::upload;
use omniwire_session::{ByteString, CallId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// A peer's events, in order. At most one thread at a time starts handlers ([`PeerCell::pump`]).
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) stage: Stage,
    pub(super) pumping: bool,
    running: u32,
    /// Nothing more comes from the client.
    pub(super) left: bool,
    /// Set while there is any of it.
    pub(super) more: Option<Box<More>>,
}

/// What most peers have nothing of, most of the time.
#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) queue: VecDeque<Queued>,
    /// Calls that answer with a stream, which the client may cancel.
    pub(super) streams: BTreeMap<CallId, AbortHandle>,
    /// Such a call whose handler is being started, until it is one of those or is cancelled.
    pub(super) starting: Option<CallId>,
    pub(super) uploads: BTreeMap<ByteString, upload::Sender>,
    /// Each call with streams that is at work holds it: how many do is bounded as slots are.
    pub(super) streaming: Option<Arc<()>>,
    /// Who waits for the client's answers.
    pub(super) askers: Askers,
    pub(super) values: Kept,
    /// While `admit` waits: dropped if the client leaves meanwhile.
    pub(super) admission: Option<oneshot::Sender<()>>,
    /// Whose it is, while no room says so: before it is let in, and once it is out.
    pub(super) user: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// `on_connect` has not been started.
    #[default]
    New,
    /// `on_connect` runs.
    Entering,
    /// Let in.
    Open,
    /// Has left: what was said before is still handled.
    Gone,
    /// Was turned away: nothing that it says is handled.
    Refused,
}

/// What the pump is to start.
pub(super) enum Work {
    Enter,
    Handle(Queued),
    /// From a peer that was turned away.
    Drop(Queued),
}

impl Inbox {
    /// Whether nothing stands between this message and its handler. A call for a stream always
    /// queues, so that it can be cancelled until it starts.
    pub(super) fn is_next(&self, queued: &Queued, parallel_max: usize) -> bool {
        let waits = self.more.as_ref().is_some_and(|more| !more.queue.is_empty());
        let free = self.stage == Stage::Open && !self.pumping && !waits;
        let may_run = self.runs_less_than(parallel_max) || !queued.takes_slot();
        let plain = match &queued.arrival {
            Arrival::Message(Pending { call, .. }) => !call.as_ref().is_some_and(|c| c.stream),
            _ => false,
        };
        free && may_run && plain
    }

    pub(super) fn next(&mut self, parallel_max: usize) -> Option<Work> {
        match self.stage {
            Stage::New => {
                self.stage = Stage::Entering;
                return Some(Work::Enter);
            }
            Stage::Entering => return None,
            Stage::Open | Stage::Gone | Stage::Refused => {}
        }
        let refused = self.stage == Stage::Refused;
        // Once the peer is leaving, nothing that it said before is held back.
        let may_run = self.runs_less_than(parallel_max) || self.left || refused;
        let more = self.more.as_mut()?;
        let next = more.queue.pop_front_if(|queued| may_run || !queued.takes_slot());
        more.starting = next.as_ref().and_then(|next| Some(next.stream()?.clone()));
        self.tidy();
        let next = next?;
        Some(match next.arrival {
            Arrival::Leave(_) => Work::Handle(next),
            _ if refused => Work::Drop(next),
            _ => Work::Handle(next),
        })
    }

    /// The peer goes, if it was let in.
    pub(super) fn begin_leave(&mut self) -> bool {
        let was_in = self.stage == Stage::Open;
        if was_in {
            self.stage = Stage::Gone;
        }
        was_in
    }

    /// So many more handlers run, or less.
    pub(super) fn count_running(&mut self, more: i32) {
        self.running = self.running.saturating_add_signed(more);
    }

    fn runs_less_than(&self, parallel_max: usize) -> bool {
        (self.running as usize) < parallel_max
    }

    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Takes a stream off the list, if it is on it.
    pub(super) fn take_stream(&mut self, id: &CallId) -> Option<AbortHandle> {
        let handle = self.more.as_mut()?.streams.remove(id);
        self.tidy();
        handle
    }

    /// The stream of this call begins. Whether it was not cancelled meanwhile.
    pub(super) fn begin_stream(&mut self, id: &CallId) -> bool {
        let starting = self.more.as_mut().and_then(|more| more.starting.take());
        self.tidy();
        starting.is_some_and(|starting| starting == *id)
    }

    /// Takes a question off the list, if it is on it.
    pub(super) fn take_asker(&mut self, call: u64) -> Option<Asker> {
        let asker = self.more.as_mut()?.askers.remove(&call);
        self.tidy();
        asker
    }

    /// `admit` has answered. Whether the client has left meanwhile.
    pub(super) fn end_admission(&mut self) -> bool {
        if let Some(more) = &mut self.more {
            more.admission = None;
            self.tidy();
        }
        self.left
    }

    /// Gives back what there is nothing in any more.
    pub(super) fn tidy(&mut self) {
        self.more.take_if(|more| more.is_empty());
    }
}

impl More {
    /// Calls with streams that are at work.
    pub(super) fn streaming(&self) -> usize {
        // One is our own.
        self.streaming.as_ref().map_or(0, |held| Arc::strong_count(held).saturating_sub(1))
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty()
            && self.streams.is_empty()
            && self.starting.is_none()
            && self.uploads.is_empty()
            && self.streaming() == 0
            && self.askers.is_empty()
            && self.values.is_empty()
            && self.admission.is_none()
            && self.user.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_with_nothing_under_way_is_small() {
        assert!(size_of::<Inbox>() <= 16, "{}", size_of::<Inbox>());
        let mut inbox = Inbox::default();
        inbox.more().values.push(Arc::new(1));
        inbox.tidy();
        assert!(inbox.more.is_some());
        inbox.more().values.clear();
        inbox.tidy();
        assert!(inbox.more.is_none());
    }
}
