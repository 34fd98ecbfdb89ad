//! The driver: one session, its state machine, and the connections that carry it.
//!
//! Whoever has news for a session calls [`Cell::handle`]: it locks the core, lets the state
//! machine take the input, carries out what comes out, and starts handlers after the lock is gone.
//! Locks nest in this order only: core, then a peer's inbox, then the outbox.

mod carriers;
mod core;
mod identity;
mod pace;

pub(crate) use carriers::{Chunk, Step};
pub(crate) use identity::{Past, PeerIds};
pub(crate) use pace::Weight;

use self::carriers::Attached;
use self::core::Core;
use self::identity::Identity;
use self::pace::EVENTS_PER_TURN;
use super::machine::Machine;
use super::peers::{Admission, Answered, Arrival, PeerCell, Pending, Queued, RoomWish};
use super::recovery::Recoverable;
use super::timers::Sleeper;
use crate::app::gate::Denied;
use crate::app::peer::Peer;
use crate::app::space::Space;
use crate::carrier::intake::NoRoom;
use crate::clock::{self, Stamp};
use crate::panics::contain;
use crate::quoted::quoted;
use crate::request::RequestInfo;
use crate::server::{Shared, fresh_id};
use crate::wires;
use http::StatusCode;
use omniwire_hub::Outbox;
use omniwire_session::{
    Answer, ByteString, Carrier, CarrierId, Detached, Ending, Event, Fault, Input, Link, Output,
    Reason, Refusal, Session,
};
use omniwire_websocket as websocket;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How a session's peers find their namespace.
#[derive(Debug, Clone)]
pub(crate) enum Entrance {
    /// The mount decides.
    Fixed(Arc<Space>),
    /// The client names it (Socket.IO).
    ByName,
}

/// What a mount says of the sessions it opens.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// What all sessions of the server share.
    pub(crate) shared: Arc<Shared>,
    /// How peers find their namespace.
    pub(crate) entrance: Entrance,
    /// What [`crate::Peer::protocol`] says.
    pub(crate) protocol: &'static str,
    /// What [`crate::Peer::transport`] says of each carrier.
    pub(crate) transport: fn(Carrier) -> &'static str,
    /// How many handlers of one peer may run at once.
    pub(crate) parallel_max: usize,
    /// Whether events are methods, as in SignalR: names have no case, arguments and streams are
    /// counted, and why arguments were not taken is a detail.
    pub(crate) methods: bool,
    /// WebSocket pings, for protocols that have none of their own: after this much silence, and
    /// how long the answer may take.
    pub(crate) ping: Option<(Duration, Duration)>,
    /// How its WebSockets are spoken to, but for the compression that each agrees on.
    pub(crate) websocket: websocket::Config,
}

/// What a session is opened with.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) request: RequestInfo,
    pub(crate) token: ByteString,
    pub(crate) ids: PeerIds,
}

/// One session.
pub(crate) struct Cell {
    pub(crate) terms: Arc<Terms>,
    identity: Identity,
    pub(crate) outbox: Outbox,
    core: Mutex<Core>,
    /// Events that wait for their handler, over all peers, by their [`Weight`].
    waiting: AtomicU32,
    /// A POST of this session is being read.
    pub(crate) posting: AtomicBool,
    /// The state machine has more to say than one turn takes.
    behind: AtomicBool,
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("protocol", &self.terms.protocol).finish_non_exhaustive()
    }
}

/// Its address's place for a session is free again (`Incoming::open_session` took it).
impl Drop for Cell {
    fn drop(&mut self) {
        self.terms.shared.crowd.stand_up(self.identity.opened_by().remote());
    }
}

/// Things to do when the core's lock is gone.
#[derive(Default)]
struct After {
    arrivals: SmallVec<[(Arc<PeerCell>, Option<Queued>); 1]>,
    strays: SmallVec<[(Link, Refusal); 1]>,
    closed: bool,
    /// There is more to be carried out, and nobody does it yet.
    behind: bool,
    /// The client answered what somebody else was asked.
    forged: bool,
    /// All peers together have sent too much that is not complete.
    no_room: bool,
    /// Those whose session went over to a WebSocket, where an Admin UI shows them.
    moved: Vec<Arc<PeerCell>>,
}

impl Cell {
    /// A session with this state machine. Nothing happens until a carrier attaches.
    pub(crate) fn new(terms: &Arc<Terms>, opening: Opening, machine: Machine) -> Arc<Self> {
        let Opening { request, token, ids } = opening;
        let shared = &terms.shared;
        let outbox = Outbox::among(&shared.backlog.waiting);
        let cell = Arc::new(Self {
            terms: Arc::clone(terms),
            identity: Identity::new(request, &token, ids),
            outbox,
            core: Mutex::new(Core::new(machine)),
            waiting: AtomicU32::new(0),
            posting: AtomicBool::new(false),
            behind: AtomicBool::new(false),
        });
        shared.table.opened(&cell);
        shared.counters.sessions_opened.fetch_add(1, Ordering::Relaxed);
        // A state machine may have something to say, and a deadline, from the start.
        cell.run(|_, _| Ok(())).ok();
        cell
    }

    /// Tells the session something.
    ///
    /// # Errors
    /// The peer broke the rules; what brought the input is refused as the fault says.
    pub(crate) fn handle(self: &Arc<Self>, input: Input) -> Result<(), Fault> {
        self.run(|machine, now| machine.handle_input(now, input))
    }

    fn run(
        self: &Arc<Self>,
        mutate: impl FnOnce(&mut dyn Session, Instant) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut after = After::default();
        let result = {
            let core = &mut *self.core.lock();
            let result = contain(&self.terms.shared.counters, || {
                let result = match core.closed {
                    Some(_) => Ok(()),
                    None => mutate(&mut *core.machine, clock::now()),
                };
                self.carry_out(core, &mut after);
                let intake = &self.terms.shared.intake;
                after.no_room = core.count_unfinished(intake) == Err(NoRoom);
                result
            });
            result.unwrap_or_else(|| {
                self.break_off(core, &mut after);
                Err(Fault::new(INTERNAL_ERROR.as_u16(), "internal error\n"))
            })
        };
        self.finish(after);
        if let Err(fault) = &result {
            let fault = fault.to_string();
            let protocol = self.terms.protocol;
            tracing::debug!(protocol, fault = %quoted(&fault), "the peer broke the rules");
        }
        result
    }

    /// Drains the state machine's outputs, as many as one turn takes.
    fn carry_out(self: &Arc<Self>, core: &mut Core, after: &mut After) {
        let (mut events, mut due) = (0_usize, None);
        while core.closed.is_none() {
            if events == EVENTS_PER_TURN {
                after.behind = !self.behind.swap(true, Ordering::Relaxed);
                return;
            }
            match core.machine.poll_output() {
                Output::Event(event) => {
                    events = events.saturating_add(1);
                    self.deliver(core, event, after);
                }
                Output::Transmit(message) => {
                    // Refused only if the peer does not read, and then the carrier ends it.
                    self.outbox
                        .push_own(&wires::prepare(&message, &self.terms.shared.backlog))
                        .ok();
                }
                Output::Direct { id, message } => {
                    if let Some(attached) = core.attached(id) {
                        let prepared = wires::prepare(&message, &self.terms.shared.backlog);
                        attached.send_direct(prepared.frames().iter().cloned());
                        core.wake(&self.outbox, id);
                    }
                }
                Output::Resend { id, frames } => {
                    if let Some(attached) = core.attached(id) {
                        attached.send_direct(frames);
                        core.wake(&self.outbox, id);
                    }
                }
                Output::Carry(id) => {
                    if core.has_messages(id) {
                        let shown = core.peers().filter(|peer| peer.space().feed.is_some());
                        after.moved.extend(shown.cloned());
                    }
                    core.main = id;
                    // The former carrier must look again: the outbox no longer is its own.
                    self.outbox.wake();
                    core.carriers.iter_mut().for_each(Attached::wake);
                    core.wake_congested();
                }
                Output::Release(link) => self.outbox.release(link),
                Output::End { id, ending } => core.end(&self.outbox, id, ending),
                Output::Closed { reason, ending } => self.close(core, reason, &ending, after),
                Output::Timeout(at) => {
                    due = at.map(Stamp::of);
                    break;
                }
            }
        }
        if self.behind.swap(false, Ordering::Relaxed) {
            core.wake_congested();
        }
        self.arm(core, due);
    }

    fn close(
        self: &Arc<Self>,
        core: &mut Core,
        reason: Reason,
        ending: &Ending,
        after: &mut After,
    ) {
        core.closed = Some(reason);
        for peer in core.take_peers() {
            let first = peer.arrive(Arrival::Leave(reason));
            after.arrivals.push((peer, first));
        }
        match reason {
            Reason::Slow => self.outbox.abandon(ending.clone()),
            _ => self.outbox.finish(ending.clone()),
        }
        let main = core.main;
        for attached in core.carriers.iter_mut() {
            // The main carrier first sends what is left, if its peer still reads.
            if main != Some(attached.id) || reason == Reason::Slow {
                attached.end(ending.clone());
            }
            attached.wake();
        }
        core.wake_congested();
        after.closed = true;
    }

    /// The state machine panicked: it is not asked again.
    fn break_off(self: &Arc<Self>, core: &mut Core, after: &mut After) {
        if core.closed.is_none() {
            let answer = Answer::empty(INTERNAL_ERROR.as_u16());
            // RFC 6455, 7.4.1: an unexpected condition.
            let ending = Ending::close(1011, "internal error").with_answer(answer);
            self.close(core, Reason::Forced, &ending, after);
        }
    }

    fn deliver(self: &Arc<Self>, core: &mut Core, event: Event, after: &mut After) {
        let (link, arrival) = match event {
            Event::Enter { link, namespace, auth, wire, returning } => {
                let Some(space) = self.find_space(&namespace) else {
                    after.strays.push((link, Refusal::new("Invalid namespace")));
                    return;
                };
                if let Err(denied) = self.pass_gate(&space) {
                    after.strays.push((link, Refusal::new(denied.message())));
                    return;
                }
                let id = self.peer_id(&namespace);
                self.outbox.hold(link);
                let recovery = space.recovery.as_ref();
                let recovery = recovery.and_then(|r| r.identify(&space.hub, self, returning));
                let admission = Admission { link, id, auth, wire, recovery };
                let peer = PeerCell::new(self, space, admission);
                core.add_peer(Arc::clone(&peer));
                after.arrivals.push((peer, None));
                return;
            }
            Event::Message { link, name, args, call, uploads } => {
                let pending = Pending { name, args, call, uploads, answer: None };
                (link, Arrival::Message(pending))
            }
            Event::Join { link, room, call, since } => {
                (link, Arrival::Join(RoomWish { room, call, since, answer: None }))
            }
            Event::LeaveRoom { link, room, call } => {
                (link, Arrival::LeaveRoom(RoomWish { room, call, ..RoomWish::default() }))
            }
            Event::Leave { link, reason } => (link, Arrival::Leave(reason)),
            Event::Reply { link, call, outcome } => {
                let answered = core.peer(link).map(|peer| peer.answered(call, outcome));
                after.forged |= answered == Some(Answered::Foreign);
                return;
            }
            Event::Item { link, stream, item } => {
                core.with_peer(link, |peer| peer.uploaded(&stream, Ok(item)));
                return self.wake_congested(core);
            }
            Event::End { link, stream, error } => {
                core.with_peer(link, |peer| peer.upload_ended(&stream, error));
                return self.wake_congested(core);
            }
            Event::Cancel { link, call } => {
                return core.with_peer(link, |peer| peer.cancel(&call));
            }
        };
        let peer = match arrival {
            Arrival::Leave(_) => core.remove_peer(link),
            _ => core.peer(link).cloned(),
        };
        let Some(peer) = peer else { return };
        let first = peer.arrive(arrival);
        after.arrivals.push((peer, first));
    }

    /// Puts a new peer in the place of one that waits to be let in as whom its client was, if it
    /// still does.
    pub(crate) fn replace(self: &Arc<Self>, former: &PeerCell) -> Option<Arc<PeerCell>> {
        let core = &mut *self.core.lock();
        let place = core.peers_mut().find(|peer| std::ptr::eq(&***peer, former))?;
        let (space, link, auth) = (former.space(), former.member.link, former.auth().clone());
        self.outbox.forget(link);
        self.outbox.hold(link);
        let recovery = Some(Recoverable::of_nobody());
        let id = (*fresh_id()).into();
        let admission = Admission { link, id, auth, wire: former.member.wire, recovery };
        *place = PeerCell::new(self, Arc::clone(space), admission);
        Some(Arc::clone(place))
    }

    /// Where the client names the namespace, no mount has looked at its gate.
    fn pass_gate(&self, space: &Space) -> Result<(), Denied> {
        match (&self.terms.entrance, &space.handlers.gate) {
            (Entrance::ByName, Some(gate)) => gate.check(self.request()),
            _ => Ok(()),
        }
    }

    fn find_space(&self, name: &ByteString) -> Option<Arc<Space>> {
        match &self.terms.entrance {
            Entrance::Fixed(space) => Some(Arc::clone(space)),
            Entrance::ByName => self.terms.shared.enter_space(name),
        }
    }

    fn finish(self: &Arc<Self>, after: After) {
        for (link, refusal) in after.strays {
            self.handle(Input::Refuse { link, refusal }).ok();
        }
        if after.forged && self.terms.methods {
            self.handle(Input::Close { reason: Reason::OutOfTurn }).ok();
        }
        if after.no_room {
            self.close_for_slowness("all peers together have too much unfinished: it is closed");
        }
        if after.closed {
            self.terms.shared.table.closed(self);
            self.terms.shared.counters.sessions_closed.fetch_add(1, Ordering::Relaxed);
        }
        for (peer, first) in after.arrivals {
            peer.pump(first);
        }
        for peer in after.moved {
            if let Some(feed) = peer.space().feed.clone() {
                feed.moved(&Peer(peer));
            }
        }
        if after.behind {
            tokio::spawn(Arc::clone(self).catch_up());
        }
    }

    /// An event that did not come through the state machine: the body of a plain POST.
    pub(crate) fn hear(self: &Arc<Self>, event: Event) {
        let mut after = After::default();
        self.deliver(&mut self.core.lock(), event, &mut after);
        self.finish(after);
    }

    /// The same for what no state machine says.
    pub(crate) fn arrive(self: &Arc<Self>, link: Link, arrival: Arrival) -> bool {
        let Some(peer) = self.core.lock().peer(link).cloned() else { return false };
        let first = peer.arrive(arrival);
        peer.pump(first);
        true
    }

    /// Whether its peer of this link is in a room.
    pub(crate) fn is_in(&self, link: Link, room: &str) -> bool {
        let peer = self.core.lock().peer(link).cloned();
        peer.is_some_and(|peer| peer.member.rooms().iter().any(|joined| joined == room))
    }

    /// Whether a request comes from the user whose session it is, in every namespace that knows
    /// users. A session that nobody has used yet may have been opened by nobody in particular
    /// (SignalR's negotiate).
    pub(crate) fn is_for(&self, request: impl FnOnce() -> RequestInfo) -> bool {
        let (mut spaces, is_new) = {
            let core = self.core.lock();
            let spaces = core.peers().map(|peer| Arc::clone(peer.space()));
            (spaces.collect::<SmallVec<[_; 1]>>(), core.carried_by.is_none())
        };
        if let Entrance::Fixed(space) = &self.terms.entrance {
            spaces.push(Arc::clone(space));
        }
        spaces.retain(|space| space.identify.is_some());
        if spaces.is_empty() {
            return true;
        }
        let (own, request) = (self.request(), request());
        spaces.iter().all(|space| match space.user_of(own) {
            None if is_new => true,
            user => user == space.user_of(&request),
        })
    }

    /// Whether its peers enter the same namespace as those of `entrance`.
    pub(crate) fn enters(&self, entrance: &Entrance) -> bool {
        match (&self.terms.entrance, entrance) {
            (Entrance::Fixed(own), Entrance::Fixed(other)) => Arc::ptr_eq(own, other),
            (own, other) => matches!((own, other), (Entrance::ByName, Entrance::ByName)),
        }
    }

    /// Ready when no connection drains the outbox, as the state machine knows.
    pub(crate) fn poll_uncarried(&self, context: &Context<'_>) -> Poll<()> {
        let mut core = self.core.lock();
        if core.main.is_none() || core.closed.is_some() {
            return Poll::Ready(());
        }
        core.wait(context);
        Poll::Pending
    }

    /// Whether the session is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.core.lock().closed.is_some()
    }

    // Time.

    /// Makes the timers call [`Cell::tick`] when the state machine wants to be told the time, or
    /// something else is due.
    fn arm(self: &Arc<Self>, core: &mut Core, due: Option<Stamp>) {
        let ping = self.terms.ping;
        let pings = core.carriers.iter().filter_map(|attached| attached.due(ping?));
        if let Some(due) = pings.map(Stamp::of).chain(due).min() {
            self.arm_at(core, due);
        }
    }

    fn arm_at(self: &Arc<Self>, core: &mut Core, due: Stamp) {
        if core.armed.is_none_or(|armed| due < armed) {
            core.armed = Some(due);
            self.terms.shared.timers.arm(due, Sleeper::Session(Arc::downgrade(self)));
        }
    }

    /// The timers' call.
    pub(crate) fn tick(self: &Arc<Self>, now: Instant) {
        let mut after = After::default();
        let mut lost = SmallVec::<[CarrierId; 1]>::new();
        {
            let core = &mut *self.core.lock();
            if core.armed.is_some_and(|armed| armed <= Stamp::of(now)) {
                core.armed = None;
            }
            if core.closed.is_some() {
                return;
            }
            if let Some(ping) = self.terms.ping {
                // What it has not taken yet is in front of a Ping; `write_timeout` bounds that.
                if !self.outbox.is_written() {
                    core.excuse_silence(now);
                }
                core.ping_the_quiet(&self.outbox, now, ping, &mut lost);
            }
            let done = contain(&self.terms.shared.counters, || {
                if core.is_congested() {
                    core.machine.held_back(now);
                }
                core.machine.handle_input(now, Input::Timeout).ok();
                self.carry_out(core, &mut after);
            });
            if done.is_none() {
                self.break_off(core, &mut after);
            }
        }
        self.finish(after);
        if self.outbox.is_overflowed() {
            self.close_as_slow();
        }
        for id in lost {
            tracing::debug!(protocol = self.terms.protocol, "no answer to a ping");
            self.detach(id, Detached::Lost);
        }
    }
}

const INTERNAL_ERROR: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
