//! The peers of a session: what comes for each, and in which order its handlers are started.

mod admission;
mod failures;
mod guarded;
mod handling;
mod inbox;
mod questions;
mod returning;
mod rooms;
mod streams;
mod user;

pub(crate) use failures::Lines;
pub(crate) use guarded::{AtWork, Away};
pub(crate) use questions::{Answered, Awaited, OpenQuestions, Question};

use self::inbox::{Inbox, Stage, Work};
use super::cell::{Cell, Entrance, Weight};
use super::recovery::Recoverable;
use crate::app::handler::CallContext;
use crate::app::peer::Peer;
use crate::app::space::Space;
use crate::app::upload;
use omniwire_hub::{Member, MemberKey, Membership, Outbox};
use omniwire_session::{
    Args as RawArgs, ByteString, Call, CallError, CallId, Input, Link, Position, Reason, WireForm,
};
use parking_lot::Mutex;
use smol_str::SmolStr;
use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use tokio::sync::oneshot;

/// Values that the application keeps with a peer, one per type.
pub(crate) type Kept = Vec<Arc<dyn Any + Send + Sync>>;

/// The answer to a call that does not go through the peer's outbox.
pub(crate) type Answer = Result<RawArgs, CallError>;

/// What is known of a peer that asks to enter.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) link: Link,
    pub(crate) id: SmolStr,
    pub(crate) auth: RawArgs,
    pub(crate) wire: WireForm,
    pub(crate) recovery: Option<Recoverable>,
}

/// An event that waits for its handler.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) name: ByteString,
    pub(crate) args: RawArgs,
    pub(crate) call: Option<Call>,
    pub(crate) uploads: Vec<ByteString>,
    /// Where the answer goes instead of the outbox.
    pub(crate) answer: Option<oneshot::Sender<Answer>>,
}

/// What comes for a peer.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message(Pending),
    Join(RoomWish),
    LeaveRoom(RoomWish),
    Leave(Reason),
}

/// A client's wish to be in a room, or out of it.
#[derive(Debug, Default)]
pub(crate) struct RoomWish {
    pub(crate) room: ByteString,
    pub(crate) call: Option<Call>,
    /// To join: the last event of the room that the client says it has seen.
    pub(crate) since: Option<Position>,
    /// Where the answer goes instead of the outbox.
    pub(crate) answer: Option<oneshot::Sender<Answer>>,
}

/// An arrival on its way to its handler.
#[derive(Debug)]
pub(crate) struct Queued {
    arrival: Arrival,
    /// The streams that come with it: they are open from here on, whenever its handler starts.
    uploads: Vec<upload::Receiver>,
    /// The client wants the answer no more.
    cancelled: bool,
}

/// One peer of a session.
pub(crate) struct PeerCell {
    pub(crate) cell: Arc<Cell>,
    /// Its part in rooms.
    pub(crate) member: Membership,
    /// Set if it named its namespace, or brought something.
    luggage: Option<Box<Luggage>>,
    inbox: Mutex<Inbox>,
}

/// What peers of most protocols don't have.
struct Luggage {
    space: Arc<Space>,
    brought: Option<Box<Brought>>,
}

/// What few peers have.
struct Brought {
    /// One argument, or none.
    auth: RawArgs,
    /// What is known of it if it may come back.
    recovery: Option<Recoverable>,
}

impl Member for PeerCell {
    fn membership(&self) -> &Membership {
        &self.member
    }

    fn outbox(&self) -> &Outbox {
        &self.cell.outbox
    }
}

/// Without its namespace, in which it is itself.
impl fmt::Debug for PeerCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCell").field("member", &self.member).finish_non_exhaustive()
    }
}

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

impl PeerCell {
    pub(crate) fn new(cell: &Arc<Cell>, space: Arc<Space>, admission: Admission) -> Arc<Self> {
        let Admission { link, id, auth, wire, recovery } = admission;
        let named = matches!(cell.terms.entrance, Entrance::ByName);
        let brings = recovery.is_some() || !auth.is_empty();
        let former = recovery.as_ref().and_then(Recoverable::identity);
        let (key, id) =
            former.unwrap_or_else(|| (MemberKey(NEXT_KEY.fetch_add(1, Ordering::Relaxed)), id));
        let brought = brings.then(|| Box::new(Brought { auth, recovery }));
        let luggage = (named || brings).then(|| Box::new(Luggage { space, brought }));
        Arc::new(Self {
            cell: Arc::clone(cell),
            member: Membership::new(key, id, wire, link),
            luggage,
            inbox: Mutex::default(),
        })
    }

    fn brought(&self) -> Option<&Brought> {
        self.luggage.as_deref()?.brought.as_deref()
    }

    /// Its namespace.
    pub(crate) fn space(&self) -> &Arc<Space> {
        match (&self.luggage, &self.cell.terms.entrance) {
            (Some(luggage), _) => &luggage.space,
            (None, Entrance::Fixed(space)) => space,
            (None, Entrance::ByName) => unreachable!("who named its namespace has luggage"),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        let stage = self.inbox.lock().stage;
        !matches!(stage, Stage::Gone | Stage::Refused) && !self.cell.is_closed()
    }

    /// Takes what came. [`PeerCell::pump`] must follow, with what this returns, when no lock is
    /// held.
    pub(crate) fn arrive(&self, arrival: Arrival) -> Option<Queued> {
        let mut inbox = self.inbox.lock();
        let uploads = match &arrival {
            Arrival::Message(pending) => self.open_uploads(&mut inbox, &pending.uploads),
            _ => Vec::new(),
        };
        if matches!(arrival, Arrival::Leave(_)) {
            self.leaves(&mut inbox);
        }
        let queued = Queued { arrival, uploads, cancelled: false };
        if inbox.is_next(&queued, self.cell.terms.parallel_max) {
            // It waits for nobody: there is no need for a queue.
            inbox.pumping = true;
            return Some(queued);
        }
        self.cell.event_waits(queued.weight());
        inbox.more().queue.push_back(queued);
        None
    }

    /// Whoever waits for this client waits in vain.
    fn leaves(&self, inbox: &mut Inbox) {
        inbox.left = true;
        let Some(more) = &mut inbox.more else { return };
        more.askers.clear();
        more.admission = None;
        for upload in std::mem::take(&mut more.uploads).into_values() {
            upload.send(&self.cell, Err(ByteString::from_static("the client disconnected")));
        }
        std::mem::take(&mut more.streams).into_values().for_each(|handle| handle.abort());
        inbox.tidy();
    }

    /// Starts handlers, in order, as many as may run. A handler runs on this thread up to its
    /// first wait, so that what does not wait needs no task, and order is what it was. `first`
    /// is what [`PeerCell::arrive`] returned, if it did.
    pub(crate) fn pump(self: &Arc<Self>, first: Option<Queued>) {
        let mut is_ours = first.is_some();
        if let Some(first) = first {
            self.start(first);
        }
        loop {
            let work = {
                let mut inbox = self.inbox.lock();
                if inbox.pumping && !is_ours {
                    return;
                }
                let work = inbox.next(self.cell.terms.parallel_max);
                is_ours = work.is_some();
                inbox.pumping = is_ours;
                work
            };
            let Some(work) = work else { return };
            match work {
                Work::Enter => self.enter(),
                Work::Handle(Queued { arrival: Arrival::Leave(reason), .. }) => self.leave(reason),
                Work::Handle(queued) => {
                    self.cell.event_started(queued.weight());
                    self.start(queued);
                }
                Work::Drop(queued) => {
                    self.cell.event_started(queued.weight());
                    drop(queued);
                }
            }
        }
    }

    fn context(self: &Arc<Self>, name: ByteString) -> CallContext {
        CallContext {
            peer: Peer(Arc::clone(self)),
            name,
            args: RawArgs::default(),
            uploads: Vec::new(),
            reason: None,
        }
    }

    /// What is known of it if it may come back.
    pub(crate) fn recovery(&self) -> Option<&Recoverable> {
        self.brought()?.recovery.as_ref()
    }

    /// What the client sent along when it asked to enter.
    pub(crate) fn auth(&self) -> &RawArgs {
        static NOTHING: LazyLock<RawArgs> = LazyLock::new(RawArgs::default);
        self.brought().map_or(&NOTHING, |brought| &brought.auth)
    }

    /// Keeps a value, in place of an earlier one of its type.
    pub(crate) fn keep<T: Any + Send + Sync>(&self, value: T) {
        let mut value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        let mut inbox = self.inbox.lock();
        let values = &mut inbox.more().values;
        match values.iter_mut().find(|kept| kept.is::<T>()) {
            // The earlier one is dropped last: it may look at its peer.
            Some(kept) => std::mem::swap(kept, &mut value),
            None => values.push(value),
        }
    }

    pub(crate) fn kept<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let inbox = self.inbox.lock();
        let mut values = inbox.more.iter().flat_map(|more| &more.values);
        values.find(|kept| kept.is::<T>()).cloned()?.downcast().ok()
    }

    pub(crate) fn take_values(&self) -> Kept {
        let mut inbox = self.inbox.lock();
        let values = inbox.more.as_mut().map(|more| std::mem::take(&mut more.values));
        inbox.tidy();
        values.unwrap_or_default()
    }

    fn set_values(&self, values: Kept) {
        self.inbox.lock().more().values = values;
    }

    pub(crate) fn hang_up(&self) {
        let _runtime = self.cell.terms.shared.timers.enter_runtime();
        // A session that is over needs no end.
        self.cell.handle(Input::Close { reason: Reason::Kicked }).ok();
    }

    pub(crate) fn kick(&self, whole: bool, close: Option<(u16, ByteString)>) {
        let _runtime = self.cell.terms.shared.timers.enter_runtime();
        // A session that is over needs no end.
        self.cell.handle(Input::Kick { link: self.member.link, whole, close }).ok();
    }
}

impl Queued {
    /// As how many events it counts while it waits.
    fn weight(&self) -> Weight {
        match &self.arrival {
            Arrival::Message(pending) => Weight::of(&pending.args),
            _ => Weight::ONE,
        }
    }

    /// Whether its handler counts among those that run at once. Streams of either direction last
    /// as long as they please, and so don't.
    fn takes_slot(&self) -> bool {
        match &self.arrival {
            Arrival::Message(Pending { call, uploads, .. }) => {
                uploads.is_empty() && !call.as_ref().is_some_and(|call| call.stream)
            }
            _ => true,
        }
    }

    /// The call that it is, if that asks for a stream.
    fn stream(&self) -> Option<&CallId> {
        let call = match &self.arrival {
            Arrival::Message(Pending { call, .. }) => call,
            Arrival::Join(wish) | Arrival::LeaveRoom(wish) => &wish.call,
            Arrival::Leave(_) => &None,
        };
        call.as_ref().filter(|call| call.stream).map(|call| &call.id)
    }
}
