//! A namespace at work.

use super::admin::Feed;
use super::attendance::Attendance;
use super::cluster::{Cluster, Listener};
use super::dynamic::Listed;
use super::gate::FindUser;
use super::handler::BoxedHandler;
use super::namespace::Handlers;
use super::peer::Peer;
use crate::request::RequestInfo;
use crate::server::Counters;
use crate::session::backlog::Backlog;
use crate::session::peers::{OpenQuestions, PeerCell};
use crate::session::recovery::Recovery;
use crate::session::timers::Timers;
use omniwire_hub::{Delivery, Hub, Lanes, Membership, SlowPolicy};
use omniwire_session::limits::Limits;
use omniwire_session::{Args as RawArgs, ByteString};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A namespace at work.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) name: ByteString,
    pub(crate) handlers: Handlers,
    pub(crate) identify: Option<FindUser>,
    /// How the names of its own rooms begin: nobody can guess it.
    pub(super) hidden: ByteString,
    pub(crate) hub: Hub<PeerCell>,
    pub(crate) attendance: Option<Attendance>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) name_len_max: usize,
    pub(crate) recovery: Option<Recovery>,
    pub(super) outgoing: Option<Overhear>,
    /// Who hears other servers.
    pub(crate) listeners: HashMap<ByteString, Listener>,
    /// The way to them.
    pub(crate) cluster: Option<Arc<dyn Cluster>>,
    /// Whom the Admin UI hears of this namespace by.
    pub(crate) feed: Option<Arc<Feed>>,
    pub(crate) questions: OpenQuestions,
    /// Where it is listed as long as it lives, if it was made on demand.
    pub(super) _listed: Option<Listed>,
}

/// What the namespaces of one server share.
#[derive(Debug, Clone)]
pub(crate) struct SpaceTerms {
    pub(crate) limits: Limits,
    pub(crate) epoch: u32,
    pub(crate) timers: Arc<Timers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) cluster: Option<Arc<dyn Cluster>>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) lanes: Lanes,
}

impl Space {
    pub(crate) fn handler(&self, event: &ByteString, methods: bool) -> Option<&BoxedHandler> {
        let exact = self.handlers.by_name.get(event);
        let found = match exact {
            None if methods => self.handlers.by_lower_name.get(&event.to_lowercase()),
            exact => exact,
        };
        found.or(self.handlers.any.as_ref())
    }

    /// Counts what a broadcast cost slow peers, and logs those that begin to be slow.
    pub(crate) fn note(&self, delivery: &Delivery, slow: &[(Arc<PeerCell>, SlowPolicy)]) {
        let Delivery { dropped, replaced, .. } = *delivery;
        if dropped > 0 {
            self.counters.slow_dropped.fetch_add(dropped as u64, Ordering::Relaxed);
        }
        if replaced > 0 {
            self.counters.values_replaced.fetch_add(replaced as u64, Ordering::Relaxed);
        }
        for (peer, policy) in slow {
            peer.cell.log_slow(&format!("its outbox is full: {policy:?} applies"));
        }
    }

    /// Whether anybody wants to know what is said to peers.
    pub(crate) fn is_overheard(&self) -> bool {
        self.outgoing.is_some() || self.feed.is_some()
    }

    /// An event was said to a peer.
    pub(crate) fn overhear(&self, peer: &Peer, event: &ByteString, args: &RawArgs) {
        if let Some(Overhear(overhear)) = &self.outgoing {
            overhear(peer, event, args);
        }
        if let Some(feed) = &self.feed {
            feed.event("event_sent", &self.name, peer.id(), event, args);
        }
    }

    // A user is a room of its own, and so are those who watch a room.

    /// The room of a user.
    pub(crate) fn user_room(&self, user: &str) -> ByteString {
        format!("{}{USER}{user}", self.hidden).into()
    }

    /// The user that a request belongs to.
    pub(crate) fn user_of(&self, request: &RequestInfo) -> Option<String> {
        let FindUser(find) = self.identify.as_ref()?;
        find(request)
    }

    /// The user whom a member that is in these rooms belongs to.
    pub(crate) fn user_among(&self, rooms: &[ByteString]) -> Option<String> {
        let user_of_room = |room: &ByteString| {
            let user = room.strip_prefix(&*self.hidden)?.strip_prefix(USER)?;
            Some(user.to_owned())
        };
        rooms.iter().find_map(user_of_room)
    }

    /// The room of those who watch who is in a room.
    pub(crate) fn watch_room(&self, room: &str) -> ByteString {
        format!("{}{WATCHERS}{room}", self.hidden).into()
    }

    /// The rooms that a member is in and may know of.
    pub(crate) fn rooms_of(&self, member: &Membership) -> Vec<ByteString> {
        let mut rooms = member.rooms();
        rooms.retain(|room| !room.starts_with(&*self.hidden));
        rooms
    }
}

type Overhearing = dyn Fn(&Peer, &str, &RawArgs) + Send + Sync;

/// Overhears what is said to peers.
#[derive(Clone)]
pub(super) struct Overhear(pub(super) Arc<Overhearing>);

impl fmt::Debug for Overhear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Overhear")
    }
}

/// What follows the hidden part of the name of a user's room...
const USER: char = 'u';
/// ...and of the room of those who watch another.
const WATCHERS: char = 'w';
