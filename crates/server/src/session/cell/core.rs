//! What the lock of a session guards: the state machine, what carries it, and its peers.

use super::carriers::{Attached, Ping};
use crate::carrier::intake::{Intake, NoRoom, Portion};
use crate::clock::{self, Stamp};
use crate::session::machine::Machine;
use crate::session::peers::PeerCell;
use omniwire_hub::Outbox;
use omniwire_session::{Carrier, CarrierId, Ending, Few, Link, Reason};
use smallvec::SmallVec;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

pub(super) struct Core {
    pub(super) machine: Machine,
    pub(super) carriers: Few<Attached>,
    pub(super) next_carrier: u32,
    pub(super) main: Option<CarrierId>,
    first_peer: Option<Arc<PeerCell>>,
    /// What carried it last.
    pub(super) carried_by: Option<Carrier>,
    /// The earliest instant that the timers know of.
    pub(super) armed: Option<Stamp>,
    pub(super) closed: Option<Reason>,
    /// Set while there is any of it.
    aside: Option<Box<Aside>>,
}

/// What most sessions have nothing of, most of the time.
#[derive(Default)]
struct Aside {
    /// All but the first.
    peers: Vec<Arc<PeerCell>>,
    /// Inputs that wait for room in the inboxes, and connections that wait for another to go. Those
    /// of requests that are over may be among them.
    congested: Vec<Waker>,
    /// What the state machine has of what is not complete.
    unfinished: Option<Portion>,
}

impl Core {
    pub(super) fn new(machine: Machine) -> Self {
        Self {
            machine,
            carriers: Few::None,
            next_carrier: 0,
            main: None,
            first_peer: None,
            carried_by: None,
            armed: None,
            closed: None,
            aside: None,
        }
    }

    pub(super) fn has_messages(&self, id: Option<CarrierId>) -> bool {
        let carrier = self.carriers.iter().find(|attached| Some(attached.id) == id);
        carrier.is_some_and(|attached| attached.carrier.has_messages())
    }

    pub(super) fn attached(&mut self, id: CarrierId) -> Option<&mut Attached> {
        self.carriers.iter_mut().find(|attached| attached.id == id)
    }

    pub(super) fn wake_congested(&mut self) {
        if self.is_congested() {
            let congested = self.aside.as_mut().map(|aside| std::mem::take(&mut aside.congested));
            self.tidy();
            self.excuse_silence(clock::now());
            congested.into_iter().flatten().for_each(Waker::wake);
        }
    }

    pub(super) fn end(&mut self, outbox: &Outbox, id: CarrierId, ending: Ending) {
        if let Some(attached) = self.attached(id) {
            attached.end(ending);
            self.wake(outbox, id);
        }
    }

    /// A carrier is to look at what there is for it.
    pub(super) fn wake(&mut self, outbox: &Outbox, id: CarrierId) {
        if self.main == Some(id) {
            outbox.wake_all();
        } else if let Some(attached) = self.attached(id) {
            attached.wake();
        }
    }

    /// Forgets a carrier; whether it was there.
    pub(super) fn remove(&mut self, outbox: &Outbox, id: CarrierId) -> bool {
        if self.main == Some(id) {
            outbox.set_unwritten(0);
        }
        self.wake(outbox, id);
        self.carriers.remove(|attached| attached.id == id).is_some()
    }

    /// Wakes the context at the next occasion.
    pub(super) fn wait(&mut self, context: &Context<'_>) {
        let waiting = self.aside.as_ref().map_or(0, |aside| aside.congested.len());
        if waiting >= WAITING_MAX {
            // Those who still wait say so again.
            self.wake_congested();
        }
        self.aside.get_or_insert_default().congested.push(context.waker().clone());
    }

    pub(super) fn peer(&self, link: Link) -> Option<&Arc<PeerCell>> {
        self.peers().find(|peer| peer.member.link == link)
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = &Arc<PeerCell>> {
        self.first_peer.iter().chain(self.aside.iter().flat_map(|aside| &aside.peers))
    }

    pub(super) fn peers_mut(&mut self) -> impl Iterator<Item = &mut Arc<PeerCell>> {
        let others = self.aside.iter_mut().flat_map(|aside| &mut aside.peers);
        self.first_peer.iter_mut().chain(others)
    }

    pub(super) fn add_peer(&mut self, peer: Arc<PeerCell>) {
        match self.first_peer {
            None => self.first_peer = Some(peer),
            Some(_) => self.aside.get_or_insert_default().peers.push(peer),
        }
    }

    pub(super) fn remove_peer(&mut self, link: Link) -> Option<Arc<PeerCell>> {
        let is_it = |peer: &Arc<PeerCell>| peer.member.link == link;
        let others = self.aside.as_mut().map(|aside| &mut aside.peers);
        let peer = match self.first_peer.take_if(|peer| is_it(peer)) {
            Some(first) => {
                self.first_peer = others.filter(|it| !it.is_empty()).map(|it| it.remove(0));
                first
            }
            None => {
                let others = others?;
                others.remove(others.iter().position(is_it)?)
            }
        };
        self.tidy();
        Some(peer)
    }

    pub(super) fn take_peers(&mut self) -> Vec<Arc<PeerCell>> {
        let others = self.aside.as_mut().map(|aside| std::mem::take(&mut aside.peers));
        self.tidy();
        self.first_peer.take().into_iter().chain(others.into_iter().flatten()).collect()
    }

    pub(super) fn is_congested(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| !aside.congested.is_empty())
    }

    /// What there is nothing in any more leaves no memory behind.
    fn tidy(&mut self) {
        self.aside.take_if(|aside| {
            aside.peers.is_empty() && aside.congested.is_empty() && aside.unfinished.is_none()
        });
    }

    /// Counts what the state machine has of a record or a packet that is not complete.
    ///
    /// # Errors
    /// All peers together have sent too much that is not.
    pub(super) fn count_unfinished(&mut self, intake: &Arc<Intake>) -> Result<(), NoRoom> {
        match self.machine.held_len() {
            held @ 1.. if self.closed.is_none() => {
                let unfinished = &mut self.aside.get_or_insert_default().unfinished;
                unfinished.get_or_insert_with(|| intake.portion()).set(held)
            }
            _ => {
                if self.aside.as_mut().is_some_and(|aside| aside.unfinished.take().is_some()) {
                    self.tidy();
                }
                Ok(())
            }
        }
    }

    pub(super) fn with_peer(&self, link: Link, act: impl FnOnce(&Arc<PeerCell>)) {
        if let Some(peer) = self.peer(link) {
            act(peer);
        }
    }

    /// A peer that is not read from, or has not read what is in front of a Ping, can't be heard:
    /// its silence begins anew.
    pub(super) fn excuse_silence(&mut self, now: Instant) {
        for attached in self.carriers.iter_mut() {
            (attached.ping, attached.since) = (Ping::Quiet, Stamp::of(now));
        }
    }

    pub(super) fn ping_the_quiet(
        &mut self,
        outbox: &Outbox,
        now: Instant,
        ping: (Duration, Duration),
        lost: &mut SmallVec<[CarrierId; 1]>,
    ) {
        let (main, is_congested) = (self.main, self.is_congested());
        for attached in self.carriers.iter_mut() {
            if attached.due(ping).is_none_or(|due| due > now) {
                continue;
            }
            // Where nothing is read, an answer is not heard; but a Ping that can't be written tells
            // that the peer is gone.
            if attached.ping != Ping::Quiet && !is_congested {
                lost.push(attached.id);
                continue;
            }
            (attached.ping, attached.since) = (Ping::Owed, Stamp::of(now));
            match main == Some(attached.id) {
                true => outbox.wake(),
                false => attached.wake(),
            }
        }
    }
}

/// Wakers that may wait in a session. Beyond, all are woken: requests that are over leave some.
const WAITING_MAX: usize = 64;
