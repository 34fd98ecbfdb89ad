//! What follows from joins and leaves: hooks of rooms, and presence.

use super::audience::Audience;
use super::failure::Failure;
use super::handler::{Args, BoxedHandler, CallContext, FromCall as _, IntoOutcome as _};
use super::handler::{Reply, Shape};
use super::namespace::NamespaceHandle;
use super::peer::Peer;
use super::space::Space;
use crate::clock::{self, Stamp};
use crate::panics::contain;
use crate::session::peers::PeerCell;
use crate::session::timers::Sleeper;
use omniwire_hub::{Change, JoinError, Person, PresenceChange, PresenceConfig};
use omniwire_session::ByteString;
use omniwire_session::limits::Limits;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a namespace says who is in its rooms: [`crate::Namespace::presence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    grace: Duration,
    gather: Duration,
}

impl Default for Presence {
    /// Ten seconds of grace; changes are gathered for half a second.
    fn default() -> Self {
        Self { grace: Duration::from_secs(10), gather: Duration::from_millis(500) }
    }
}

impl Presence {
    /// How long somebody may be away before it is told that it left: who reconnects within it was
    /// never away.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long changes of a room are gathered, to be told in one event.
    #[must_use]
    pub fn gather(mut self, gather: Duration) -> Self {
        self.gather = gather;
        self
    }
}

/// Somebody who is in a room: a user with all of its peers there, or a peer that belongs to no
/// user ([`crate::Namespace::identify`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Present {
    /// The user, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The ids of its peers. None if it was there lately and may be back at once.
    pub peers: Vec<String>,
}

impl From<omniwire_hub::Present> for Present {
    fn from(present: omniwire_hub::Present) -> Self {
        let user = match present.person {
            Person::User(user) => Some(user.into()),
            Person::Peer(_) => None,
        };
        Self { user, peers: present.peers.into_iter().map(Into::into).collect() }
    }
}

impl From<Person> for Present {
    /// Somebody who has left.
    fn from(person: Person) -> Self {
        match person {
            Person::User(user) => Self { user: Some(user.into()), peers: Vec::new() },
            Person::Peer(id) => Self { user: None, peers: vec![id.into()] },
        }
    }
}

/// Why a peer can't watch who is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The namespace has no [`crate::Namespace::presence`].
    #[error("the namespace does not know who is present")]
    Off,
    /// What it watches counts among its rooms.
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// Hears that a room has come or gone.
type Hook = Box<dyn Fn(&NamespaceHandle, &str) + Send + Sync>;

/// What an application wants to follow from joins and leaves.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) created: Option<Hook>,
    pub(crate) destroyed: Option<Hook>,
    pub(crate) presence: Option<Presence>,
    pub(crate) watch: Option<BoxedHandler>,
}

impl fmt::Debug for Wishes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wishes").field("presence", &self.presence).finish_non_exhaustive()
    }
}

/// Sees to it that they follow.
#[derive(Debug)]
pub(crate) struct Attendance {
    /// Whoever holds this handles what was logged, in order.
    hooks: Mutex<Wishes>,
    /// Locked before the hub's own locks.
    presence: Option<Mutex<Watched>>,
}

#[derive(Debug)]
struct Watched {
    presence: omniwire_hub::Presence,
    /// The earliest instant that the timers know of.
    armed: Option<Instant>,
}

impl Attendance {
    /// `None` if nothing follows.
    pub(crate) fn new(wishes: Wishes, limits: &Limits) -> Option<Self> {
        let config = wishes.presence.map(|Presence { grace, gather }| PresenceConfig {
            grace,
            gather,
            people_max: limits.presence_people_max,
        });
        let is_wanted = config.is_some() || wishes.created.is_some() || wishes.destroyed.is_some();
        let presence = config.map(omniwire_hub::Presence::new);
        let presence = presence.map(|presence| Mutex::new(Watched { presence, armed: None }));
        is_wanted.then(|| Self { hooks: Mutex::new(wishes), presence })
    }
}

impl Space {
    /// Does what follows from the joins and leaves so far. To be called after any, with no lock
    /// held.
    pub(crate) fn settle(self: &Arc<Self>) {
        let Some(attendance) = &self.attendance else { return };
        loop {
            {
                // Whoever holds it goes on with what we have to tell.
                let Some(hooks) = attendance.hooks.try_lock() else { return };
                while let Some(change) = self.hub.take_change() {
                    self.attend(attendance, &change);
                    self.tell_hooks(&hooks, &change);
                }
            }
            if !self.hub.has_changes() {
                break;
            }
        }
        if let Some(watched) = &attendance.presence {
            self.arm(&mut watched.lock());
        }
    }

    fn attend(&self, attendance: &Attendance, change: &Change<PeerCell>) {
        let Some(presence) = &attendance.presence else { return };
        let Change { room, member: peer, joined, .. } = change;
        let member = &peer.member;
        let now = clock::now();
        if *joined {
            let user = peer.user().map(ByteString::from);
            presence.lock().presence.joined(now, room, member.key, &member.id, user);
        } else {
            presence.lock().presence.left(now, room, member.key);
        }
    }

    fn tell_hooks(self: &Arc<Self>, hooks: &Wishes, change: &Change<PeerCell>) {
        let hook = if change.joined { &hooks.created } else { &hooks.destroyed };
        if let Some(hook) = hook.as_ref().filter(|_| change.edge) {
            let namespace = NamespaceHandle(Arc::clone(self));
            contain(&self.counters, || hook(&namespace, &change.room));
        }
    }

    fn arm(self: &Arc<Self>, watched: &mut Watched) {
        let Some(due) = watched.presence.deadline() else { return };
        if watched.armed.is_none_or(|armed| due < armed) {
            watched.armed = Some(due);
            self.timers.arm(Stamp::of(due), Sleeper::Space(Arc::downgrade(self)));
        }
    }

    /// The timers' call.
    pub(crate) fn tick(self: &Arc<Self>, now: Instant) {
        let presence = self.attendance.as_ref().and_then(|attendance| attendance.presence.as_ref());
        let Some(presence) = presence else { return };
        let mut afterwards = Vec::new();
        {
            let mut watched = presence.lock();
            if watched.armed.is_some_and(|armed| armed <= now) {
                watched.armed = None;
            }
            while let Some(change) = watched.presence.poll(now) {
                // Still locked: nobody begins to watch between a change and its telling.
                afterwards.extend(self.tell(change));
            }
            self.arm(&mut watched);
        }
        for after in afterwards {
            contain(&self.counters, after);
        }
    }

    /// Gives what follows, once nothing is locked.
    fn tell(self: &Arc<Self>, change: PresenceChange) -> Option<Box<dyn FnOnce()>> {
        let PresenceChange { room, joined, left, count } = change;
        let joined: Vec<Present> = joined.into_iter().map(Into::into).collect();
        let left: Vec<Present> = left.into_iter().map(Into::into).collect();
        let change = json!({ "joined": joined, "left": left, "count": count });
        let watchers = Audience::new(self).and(self.watch_room(&room));
        watchers
            .emit_locked("presence", (&*room, change))
            .inspect_err(|error| tracing::error!(%error, "a change of presence can't be said"))
            .ok()
    }

    /// Who is in a room now.
    pub(crate) fn present(&self, room: &str) -> Vec<Present> {
        let presence = self.attendance.as_ref().and_then(|attendance| attendance.presence.as_ref());
        let list = presence.map(|presence| presence.lock().presence.list(room));
        list.unwrap_or_default().into_iter().map(Into::into).collect()
    }

    /// Tells a peer from now on of changes to what this gives.
    pub(crate) fn watch(&self, peer: &Peer, room: &str) -> Result<Vec<Present>, WatchError> {
        let presence = self.attendance.as_ref().and_then(|attendance| attendance.presence.as_ref());
        let watched = presence.ok_or(WatchError::Off)?.lock();
        self.hub.join(&peer.0, &self.watch_room(room))?;
        Ok(watched.presence.told(room).into_iter().map(Into::into).collect())
    }
}

/// The handler of the events by which clients watch, if `may_watch` lets them.
pub(crate) fn watching(may_watch: &BoxedHandler, watches: bool) -> BoxedHandler {
    let shape = Shape { args: Some(1), uploads: 0, streams: false };
    let may_watch = may_watch.clone();
    BoxedHandler::new(shape, move |mut call: CallContext| {
        let peer = call.peer().clone();
        let room = Args::<(String,)>::from_call(&mut call);
        let allowed = may_watch.call(call);
        Box::pin(async move {
            let Args((room,)) = room?;
            if !watches {
                peer.unwatch(&room);
                return ().into_outcome();
            }
            allowed.await?;
            let present = peer.watch(&room).map_err(|e| Failure::client(e.to_string()))?;
            Reply((present,)).into_outcome()
        })
    })
}
