//! Peers whose connection was lost, and who may come back as the ones they were: with their id,
//! their rooms, what was kept with them, and what they missed.

use super::cell::Cell;
use super::peers::{Kept, PeerCell};
use crate::app::space::Space;
use crate::clock;
use crate::server::fresh_id;
use omniwire_hub::{Hub, JournalLimits, MemberKey};
use omniwire_session::{ByteString, Reason, Returning, Since, later};
use parking_lot::Mutex;
use smol_str::SmolStr;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How the peers of a namespace may come back when their connection is lost: Socket.IO's
/// *connection state recovery*. A peer that does has its id, its rooms and the values kept with it
/// ([`crate::Peer::set`]), gets what it missed, and [`crate::Peer::recovered`] says so. If not all
/// that it missed is known any more, it is a new peer.
///
/// Clients other than Socket.IO's since version 4.6 are not concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionRecovery {
    /// How long a peer may be away. Official name: `maxDisconnectionDuration`.
    pub window: Duration,
    /// Whether [`crate::Namespace::admit`] is not asked again. Official name: `skipMiddlewares`.
    pub skip_admission: bool,
    /// How long it takes at most to notice that a connection is lost: the sum of the protocol's
    /// `pingInterval` and `pingTimeout`.
    pub notice: Duration,
    /// Peers that may be away at a time; of more, the one that is away longest can't come back.
    pub away_max: usize,
    /// Events that are remembered for those who are away.
    pub events_max: usize,
    /// Bytes of these events.
    pub events_len_max: usize,
}

impl Default for ConnectionRecovery {
    /// Two minutes, and no second admission, as the official server has it.
    fn default() -> Self {
        Self {
            window: Duration::from_secs(120),
            skip_admission: true,
            notice: Duration::from_secs(45),
            away_max: 100_000,
            events_max: 65_536,
            events_len_max: 64 << 20,
        }
    }
}

impl ConnectionRecovery {
    /// What its namespace has to remember.
    pub(crate) fn journal(&self) -> JournalLimits {
        JournalLimits {
            count_max: self.events_max,
            len_max: self.events_len_max,
            age_max: self.window.saturating_add(self.notice),
        }
    }
}

/// Whether a peer that ended like this may come back. As the official server has it, one that was
/// told to go, or said so, may not.
fn may_return(reason: Reason) -> bool {
    match reason {
        Reason::ConnectionClosed
        | Reason::ConnectionLost
        | Reason::PingTimeout
        | Reason::NeverEntered
        | Reason::Forced
        | Reason::OutOfTurn
        | Reason::Slow
        | Reason::Shutdown => true,
        Reason::ClientLeft | Reason::Kicked | Reason::ProtocolError => false,
    }
}

/// A peer that is away.
#[derive(Debug)]
pub(crate) struct Away {
    pub(crate) key: MemberKey,
    pub(crate) id: SmolStr,
    pub(crate) token: ByteString,
    pub(crate) rooms: Vec<ByteString>,
    pub(crate) values: Kept,
    until: Instant,
}

/// Whom a client was.
#[derive(Debug)]
pub(crate) enum Former {
    /// A peer that is away.
    Away(Away),
    /// One whose connection is not known to be lost yet.
    Here(Arc<PeerCell>),
}

/// What a peer that may come back has besides others.
#[derive(Debug)]
pub(crate) struct Recoverable {
    pub(crate) token: ByteString,
    /// Whom it was, and what it had received; until it is let in.
    pub(crate) former: Mutex<Option<Former>>,
    pub(crate) since: Since,
    /// Whether it was anybody.
    pub(crate) recovered: bool,
    /// Whether it was let in.
    pub(crate) came_in: AtomicBool,
}

impl Recoverable {
    /// Of a peer that its client was not before.
    pub(crate) fn of_nobody() -> Self {
        Self::new(fresh_id(), None, Since::Entered)
    }

    fn new(token: ByteString, former: Option<Former>, since: Since) -> Self {
        let recovered = former.is_some();
        let former = Mutex::new(former);
        Self { token, former, since, recovered, came_in: AtomicBool::new(false) }
    }
}

/// The peers of one namespace that may come back.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) settings: ConnectionRecovery,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    here: HashMap<ByteString, Weak<PeerCell>>,
    away: HashMap<ByteString, Away>,
    /// Those who went, in that order. A token that is no more among them may stand here.
    order: VecDeque<(Instant, ByteString)>,
    /// Who waits for a peer to be away.
    awaited: HashMap<ByteString, oneshot::Sender<Away>>,
    /// A task forgets those who are away too long.
    watched: bool,
}

impl Recovery {
    pub(crate) fn new(settings: ConnectionRecovery) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// What is to be known of a peer that asks to enter; `None` if it is of a kind that can't come
    /// back.
    pub(crate) fn identify(
        &self,
        hub: &Hub<PeerCell>,
        cell: &Arc<Cell>,
        returning: Returning,
    ) -> Option<Recoverable> {
        if returning == Returning::No {
            return None;
        }
        if let Returning::As { token, since } = returning
            && let Some(former) = self.former(hub, &token, &since)
            // Who leaves a namespace and enters it again, over one connection, is new.
            && !matches!(&former, Former::Here(peer) if Arc::ptr_eq(&peer.cell, cell))
        {
            return Some(Recoverable::new(token, Some(former), since));
        }
        Some(Recoverable::of_nobody())
    }

    fn former(&self, hub: &Hub<PeerCell>, token: &ByteString, since: &Since) -> Option<Former> {
        let mut state = self.state.lock();
        if let Some(away) = state.away.get(token) {
            let in_time = clock::now() < away.until;
            let known = hub.journal().is_some_and(|journal| journal.can_replay(away.key, since));
            if !in_time || !known {
                return None;
            }
            return state.away.remove(token).map(Former::Away);
        }
        if state.awaited.contains_key(token) {
            return None;
        }
        state.here.get(token)?.upgrade().map(Former::Here)
    }

    /// This peer is here, and may come back.
    pub(crate) fn arrived(&self, token: &ByteString, peer: &Arc<PeerCell>) {
        self.state.lock().here.insert(token.clone(), Arc::downgrade(peer));
    }

    /// Brings the peer with this token as soon as it is away; fails if it has gone for good.
    pub(crate) fn await_away(&self, token: &ByteString) -> oneshot::Receiver<Away> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        if let Some(away) = state.away.remove(token) {
            // It went by itself meanwhile.
            sender.send(away).ok();
        } else if state.here.contains_key(token) {
            state.awaited.insert(token.clone(), sender);
        }
        receiver
    }

    /// Nobody waits any more for the peer with this token.
    pub(crate) fn give_up(&self, token: &ByteString) {
        self.state.lock().awaited.remove(token);
    }

    /// A peer is gone for good.
    pub(crate) fn forget(&self, token: &ByteString) {
        let mut state = self.state.lock();
        state.here.remove(token);
        state.awaited.remove(token);
    }

    /// A peer goes, for this reason. Whether it may come back.
    pub(crate) fn goes(space: &Arc<Space>, peer: &Arc<PeerCell>, reason: Reason) -> bool {
        let (Some(recovery), Some(own)) = (&space.recovery, peer.recovery()) else { return false };
        if !may_return(reason) {
            return false;
        }
        let rooms = space.hub.step_out(peer);
        let values = peer.take_values();
        let (key, id) = (peer.member.key, peer.member.id.clone());
        let until = later(clock::now(), recovery.settings.window);
        Self::keep(space, Away { key, id, token: own.token.clone(), rooms, values, until });
        true
    }

    /// Keeps a peer that is away, until it is back or its time is over.
    pub(crate) fn keep(space: &Arc<Space>, away: Away) {
        let Some(recovery) = &space.recovery else { return };
        let mut state = recovery.state.lock();
        state.here.remove(&away.token);
        let away = match state.awaited.remove(&away.token) {
            None => away,
            Some(awaiting) => match awaiting.send(away) {
                Ok(()) => return,
                Err(away) => away,
            },
        };
        state.order.push_back((away.until, away.token.clone()));
        state.away.insert(away.token.clone(), away);
        let surplus = state.trim(recovery.settings.away_max);
        let watched = std::mem::replace(&mut state.watched, true);
        drop(state);
        surplus.into_iter().for_each(|away| space.hub.forget(away.key));
        if !watched {
            tokio::spawn(watch(Arc::clone(space)));
        }
    }
}

/// Forgets those who are away too long, as long as anybody is. Meanwhile the namespace lives.
async fn watch(space: Arc<Space>) {
    let Some(recovery) = &space.recovery else { return };
    loop {
        let (expired, next) = recovery.state.lock().expire(clock::now());
        expired.into_iter().for_each(|away| space.hub.forget(away.key));
        if let Some(journal) = space.hub.journal() {
            journal.prune(clock::now());
        }
        let Some(next) = next else { return };
        tokio::time::sleep_until(next.into()).await;
    }
}

impl State {
    /// Forgets whose time is over, and says when to look again. To be dropped when this is not
    /// locked any more, as what is kept with them is the application's.
    fn expire(&mut self, now: Instant) -> (Vec<Away>, Option<Instant>) {
        let mut expired = Vec::new();
        while let Some((until, token)) = self.order.pop_front_if(|(until, _)| *until <= now) {
            expired.extend(self.remove(until, &token));
        }
        let next = self.order.front().map(|(until, _)| *until);
        self.watched = next.is_some();
        (expired, next)
    }

    /// Forgets who is away longest, if there are too many. To be dropped as above.
    fn trim(&mut self, away_max: usize) -> Vec<Away> {
        let mut surplus = Vec::new();
        while self.away.len() > away_max
            && let Some((until, token)) = self.order.pop_front()
        {
            surplus.extend(self.remove(until, &token));
        }
        if self.order.len().saturating_sub(ORDER_SLACK) / 2 > self.away.len() {
            let away = &self.away;
            self.order.retain(|(until, token)| away.get(token).is_some_and(|a| a.until == *until));
        }
        surplus
    }

    /// Forgets a peer, unless it was back meanwhile.
    fn remove(&mut self, until: Instant, token: &ByteString) -> Option<Away> {
        self.away.get(token).filter(|away| away.until == until)?;
        self.away.remove(token)
    }
}

/// Tokens of peers that are back may stand in the order, as many as are away and some more.
const ORDER_SLACK: usize = 64;

#[cfg(test)]
mod tests;
