//! The connections that carry a session, as the session sees them.

use super::core::Core;
use super::{After, Cell};
use crate::clock::{self, Stamp};
use bytes::BytesMut;
use omniwire_hub::Drained;
use omniwire_session::{Carrier, CarrierId, Detached, Ending, Fault, Frame, Input, Packed, Reason};
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// One connection of a session.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) id: CarrierId,
    pub(super) carrier: Carrier,
    /// Most have none of it until they end.
    pub(super) aside: Option<Box<Aside>>,
    pub(super) ping: Ping,
    /// Since when the ping is as it is; for a peer that owes no answer, when it was heard last.
    pub(super) since: Stamp,
}

/// What does not go through the outbox.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// What goes in front of the outbox.
    direct: VecDeque<Frame>,
    ending: Option<Ending>,
    /// Of a carrier that does not drain the outbox: the one that does waits there.
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ping {
    Quiet,
    /// The carrier has still to send it.
    Owed,
    Sent,
}

/// What a WebSocket carrier is to do.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing; the waker will be woken.
    Idle,
    /// Frames were taken, or offered: write them and ask again.
    Took,
    /// All there were have been taken: write them; the waker will be woken.
    TookAll,
    /// Send a Ping.
    Ping,
    /// End like this.
    End(Ending),
}

/// What an HTTP carrier is to do.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Send this and ask again.
    More(BytesMut),
    /// Send this and end: the session knows.
    Last {
        /// What to send.
        data: BytesMut,
        /// Whether any of it may be compressed.
        compressible: bool,
    },
    /// End like this: the session knows.
    End(Ending),
}
impl Cell {
    /// Offers a connection to the session.
    ///
    /// # Errors
    /// The session may not be carried by it: refuse the connection as the fault says.
    pub(crate) fn attach(self: &Arc<Self>, carrier: Carrier) -> Result<CarrierId, Fault> {
        self.attach_after(carrier, |_, _| ())
    }

    /// The same, with something told to the state machine just before.
    ///
    /// # Errors
    /// As [`Cell::attach`].
    pub(crate) fn attach_after(
        self: &Arc<Self>,
        carrier: Carrier,
        prepare: impl FnOnce(&mut dyn Any, CarrierId),
    ) -> Result<CarrierId, Fault> {
        let id = {
            let mut core = self.core.lock();
            let id = CarrierId::new(core.next_carrier);
            core.next_carrier = core.next_carrier.wrapping_add(1);
            core.carriers.push(Attached::new(id, carrier));
            if core.closed.is_some() {
                let ending = Ending::close(1001, "");
                core.end(&self.outbox, id, ending);
            }
            id
        };
        let attached = self.run(|machine, now| {
            prepare(machine, id);
            machine.handle_input(now, Input::Attach { id, carrier })
        });
        match attached {
            Ok(()) => {
                self.core.lock().carried_by = Some(carrier);
                Ok(id)
            }
            Err(fault) => {
                self.core.lock().remove(&self.outbox, id);
                Err(fault)
            }
        }
    }

    /// A connection is gone.
    pub(crate) fn detach(self: &Arc<Self>, id: CarrierId, how: Detached) {
        if self.core.lock().remove(&self.outbox, id) {
            // How the peer went is not the peer's fault to hear.
            self.handle(Input::Detach { id, how }).ok();
        }
    }

    /// A message came over a WebSocket.
    pub(crate) fn receive(
        self: &Arc<Self>,
        id: CarrierId,
        message: omniwire_session::Message,
    ) -> Result<(), Fault> {
        self.handle(Input::Message { id, message })
    }

    /// The peer of a WebSocket gave a sign of life. Its carrier will look at the outbox in the
    /// same turn, so until then nobody has to wake it.
    pub(crate) fn heard(&self, id: CarrierId) {
        let mut core = self.core.lock();
        if core.main == Some(id) {
            self.outbox.attend();
        }
        if self.terms.ping.is_some()
            && let Some(attached) = core.attached(id)
        {
            attached.since = Stamp::of(clock::now());
            attached.ping = Ping::Quiet;
        }
    }

    /// Whether the peer of a carrier of messages may go on to say things that are answered: not if
    /// much waits in the outbox, or anything in front of it, that it has not taken.
    pub(crate) fn has_room(&self, id: CarrierId) -> bool {
        let has_direct = |attached: &mut Attached| attached.has_direct();
        self.outbox.has_room() && !self.core.lock().attached(id).is_some_and(has_direct)
    }

    /// What a WebSocket is to do next. `take` gets the frames to write.
    pub(crate) fn step(
        self: &Arc<Self>,
        id: CarrierId,
        context: &mut Context<'_>,
        take: &mut dyn FnMut(&mut VecDeque<Frame>),
    ) -> Step {
        loop {
            let mut held_back = false;
            let drained = {
                let mut core = self.core.lock();
                let core = &mut *core;
                let main = core.main == Some(id);
                let Some(attached) = core.attached(id) else {
                    // The session has let go of it: nothing came after a ping.
                    return Step::End(Ending::close(1001, "no answer to a ping"));
                };
                if attached.take_direct(take) {
                    return Step::Took;
                }
                if let Some(ending) = attached.ending() {
                    return Step::End(ending);
                }
                if attached.ping == Ping::Owed {
                    attached.ping = Ping::Sent;
                    return Step::Ping;
                }
                if !main {
                    attached.keep_waker(context);
                    return Step::Idle;
                }
                let mut passed = VecDeque::new();
                let drained = self.outbox.drain(context, |queue| match core.machine.pass(queue) {
                    None => take(queue),
                    Some(some) => {
                        passed = some;
                        held_back = passed.is_empty();
                        take(&mut passed);
                    }
                });
                // What the socket did not take has left the outbox all the same.
                if !passed.is_empty() {
                    if let Some(attached) = core.attached(id) {
                        attached.send_direct(passed);
                    }
                } else if drained == Drained::Some
                    && !held_back
                    && self.outbox.poll_news(context).is_pending()
                {
                    return Step::TookAll;
                }
                drained
            };
            match drained {
                Drained::Some if held_back => {
                    if self.outbox.poll_overflow(context).is_pending() {
                        return Step::Idle;
                    }
                    self.close_as_slow();
                }
                Drained::Empty => return Step::Idle,
                Drained::Some => return Step::Took,
                Drained::Finished(ending) => return Step::End(ending),
                Drained::Overflowed => self.close_as_slow(),
            }
        }
    }

    /// What an HTTP carrier is to send next.
    pub(crate) fn poll_chunk(
        self: &Arc<Self>,
        id: CarrierId,
        context: &mut Context<'_>,
    ) -> Poll<Chunk> {
        loop {
            let mut after = After::default();
            let step = {
                let mut core = self.core.lock();
                self.next_chunk(&mut core, id, context, &mut after)
            };
            self.finish(after);
            match step {
                Ok(chunk) => return chunk,
                Err(Overflowed) => self.close_as_slow(),
            }
        }
    }

    fn next_chunk(
        self: &Arc<Self>,
        core: &mut Core,
        id: CarrierId,
        context: &mut Context<'_>,
        after: &mut After,
    ) -> Result<Poll<Chunk>, Overflowed> {
        let main = core.main == Some(id);
        let Some(attached) = core.attached(id) else {
            return Ok(Poll::Ready(Chunk::End(Ending::close(1000, ""))));
        };
        let carrier = attached.carrier;
        if let Some(ending) = attached.ending() {
            self.done(core, id, after);
            return Ok(Poll::Ready(Chunk::End(ending)));
        }
        if !main {
            attached.keep_waker(context);
            return Ok(Poll::Pending);
        }
        let mut out = BytesMut::new();
        let (mut packed, mut compressible) = (Packed::Open, true);
        let machine = &mut core.machine;
        let drained = self.outbox.drain(context, |queue| {
            let waiting = queue.len();
            let as_they_are = queue.iter().take_while(|frame| !frame.is_compressible()).count();
            packed = machine.pack(id, carrier, queue, &mut out);
            compressible = waiting.saturating_sub(queue.len()) > as_they_are;
        });
        match drained {
            Drained::Empty => Ok(Poll::Pending),
            Drained::Some if packed == Packed::Open => Ok(Poll::Ready(Chunk::More(out))),
            Drained::Some => {
                self.done(core, id, after);
                Ok(Poll::Ready(Chunk::Last { data: out, compressible }))
            }
            Drained::Finished(ending) => {
                self.done(core, id, after);
                Ok(Poll::Ready(Chunk::End(ending)))
            }
            Drained::Overflowed => Err(Overflowed),
        }
    }

    /// An HTTP carrier has done its work.
    fn done(self: &Arc<Self>, core: &mut Core, id: CarrierId, after: &mut After) {
        core.remove(&self.outbox, id);
        if core.closed.is_none() {
            let input = Input::Detach { id, how: Detached::Done };
            core.machine.handle_input(clock::now(), input).ok();
            self.carry_out(core, after);
        }
    }

    /// Ready once the peer was closed as slow: for a WebSocket that can take nothing now.
    pub(crate) fn poll_slow(
        self: &Arc<Self>,
        id: CarrierId,
        context: &Context<'_>,
    ) -> Poll<Ending> {
        std::task::ready!(self.outbox.poll_overflow(context));
        self.close_as_slow();
        let ending = self.core.lock().attached(id).and_then(|attached| attached.ending());
        Poll::Ready(ending.unwrap_or_else(|| Ending::close(1001, "")))
    }

    /// The outbox has refused something. A carrier may be busy with what it can't write, and not
    /// look at the outbox for as long as its peer takes nothing; so the timers see to it, in whose
    /// task a handler that hears of the end may say something to the next slow peer.
    pub(crate) fn overflow(self: &Arc<Self>) {
        let mut core = self.core.lock();
        if core.closed.is_none() {
            self.arm_at(&mut core, Stamp::of(clock::now()));
        }
    }

    pub(super) fn close_as_slow(self: &Arc<Self>) {
        self.close_for_slowness("its outbox is full: it is closed");
    }

    /// All outboxes together hold too much, and this session's is among the fullest.
    pub(crate) fn give_up(self: &Arc<Self>) {
        if self.close_for_slowness("all outboxes together are full, and its own most: it is closed")
        {
            self.terms.shared.counters.slow_shed.fetch_add(1, Ordering::Relaxed);
        }
        // A carrier that can take nothing now hears of it.
        self.outbox.give_up();
    }

    /// Whether it was not over already.
    pub(super) fn close_for_slowness(self: &Arc<Self>, why: &str) -> bool {
        let slow = self.slow();
        let mut was_open = false;
        self.run(|machine, now| {
            // If nothing carries the session now, it may wait for what can bring its last words.
            was_open = self.outbox.silence();
            match was_open {
                true => machine.handle_input(now, Input::Close { reason: Reason::Slow }),
                false => Ok(()),
            }
        })
        .ok();
        if was_open {
            self.terms.shared.counters.slow_peers.fetch_add(1, Ordering::Relaxed);
            self.log(&slow, why);
        }
        was_open
    }

    /// Bytes that wait to leave for this session, wherever they are.
    pub(crate) fn weight(&self) -> usize {
        self.outbox.weight().saturating_add(self.core.lock().machine.kept_len())
    }

    /// Tells the operator who is slow, and what comes of it.
    pub(crate) fn log_slow(&self, why: &str) {
        self.log(&self.slow(), why);
    }

    fn slow(&self) -> Slow {
        let peers = self.core.lock().peers().map(|peer| peer.member.id.clone()).collect();
        Slow { peers, buffered: self.outbox.buffered_amount() }
    }

    fn log(&self, Slow { peers, buffered }: &Slow, why: &str) {
        let (protocol, remote) = (self.terms.protocol, self.request().remote());
        tracing::warn!(protocol, ?peers, ?remote, buffered, "a peer is slow: {why}");
    }

    /// The word for what carries the session now, or did last; empty if nothing ever did.
    pub(crate) fn transport(&self) -> &'static str {
        let core = self.core.lock();
        let main = core.carriers.iter().find(|attached| core.main == Some(attached.id));
        let any = main.or(core.carriers.first()).map(|attached| attached.carrier);
        any.or(core.carried_by).map_or("", self.terms.transport)
    }
}

/// The outbox was found overflowed.
struct Overflowed;

/// What is told of a slow peer.
struct Slow {
    peers: SmallVec<[SmolStr; 1]>,
    buffered: usize,
}

impl Attached {
    pub(super) fn new(id: CarrierId, carrier: Carrier) -> Self {
        let since = Stamp::of(clock::now());
        Self { id, carrier, aside: None, ping: Ping::Quiet, since }
    }

    /// Lets it end like this, unless it ends already.
    pub(super) fn end(&mut self, ending: Ending) {
        self.aside.get_or_insert_default().ending.get_or_insert(ending);
    }

    #[inline]
    pub(super) fn ending(&self) -> Option<Ending> {
        self.aside.as_ref()?.ending.clone()
    }

    fn has_direct(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| !aside.direct.is_empty())
    }

    pub(super) fn send_direct(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.aside.get_or_insert_default().direct.extend(frames);
    }

    /// Hands over what goes in front of the outbox. Whether there was anything.
    fn take_direct(&mut self, take: &mut dyn FnMut(&mut VecDeque<Frame>)) -> bool {
        let Some(aside) = &mut self.aside else { return false };
        if aside.direct.is_empty() {
            return false;
        }
        take(&mut aside.direct);
        if aside.direct.is_empty() && aside.ending.is_none() && aside.waker.is_none() {
            self.aside = None;
        }
        true
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.aside.as_mut().and_then(|aside| aside.waker.take()) {
            waker.wake();
        }
    }

    pub(super) fn keep_waker(&mut self, context: &Context<'_>) {
        match &mut self.aside.get_or_insert_default().waker {
            Some(kept) => kept.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
    }

    /// When something must be done about a peer that is silent.
    pub(super) fn due(&self, (interval, timeout): (Duration, Duration)) -> Option<Instant> {
        if self.carrier != Carrier::WebSocket {
            return None;
        }
        match self.ping {
            Ping::Quiet => self.since.instant().checked_add(interval),
            Ping::Owed | Ping::Sent => self.since.instant().checked_add(timeout),
        }
    }
}
