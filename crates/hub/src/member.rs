//! One peer, as rooms see it.

use crate::lock::Mutex;
use crate::{Manner, Outbox, OutboxLimits, PushError, Pushed, detached};
use omniwire_session::{ByteString, Few, Link, Prepared, WireForm};
use smol_str::SmolStr;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// The number of a member. Never used twice in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberKey(pub u64);

/// What a hub can have in its rooms: its own part of it is in there, so that a peer is one piece
/// of memory.
pub trait Member: fmt::Debug + Send + Sync + 'static {
    /// The hub's part.
    fn membership(&self) -> &Membership;

    /// Where its session's messages wait.
    fn outbox(&self) -> &Outbox;

    /// Puts a message in this member's outbox.
    ///
    /// # Errors
    /// The session is over, or its outbox ran full (and the session will be ended for it).
    fn push(&self, prepared: &Prepared) -> Result<(), PushError> {
        self.outbox().push(self.membership().link, prepared)
    }

    /// Puts a message of a room in this member's outbox.
    ///
    /// # Errors
    /// As [`Member::push`]; but the outbox never runs full for a room whose messages may be
    /// dropped.
    fn push_in(&self, prepared: &Prepared, manner: Manner) -> Result<Pushed, PushError> {
        match manner.lane.room {
            0 => self.push(prepared).map(|()| Pushed::TAKEN),
            _ => self.outbox().push_in(self.membership().link, prepared, manner),
        }
    }

    /// Puts a message in this member's outbox, if it can leave at once. Whether it was put there.
    ///
    /// # Errors
    /// The session is over.
    fn push_volatile(&self, prepared: &Prepared) -> Result<bool, PushError> {
        self.outbox().push_volatile(self.membership().link, prepared)
    }
}

/// What a hub knows of a member.
#[derive(Debug)]
pub struct Membership {
    /// Its number.
    pub key: MemberKey,
    /// Its public id.
    pub id: SmolStr,
    /// How it is spoken to.
    pub wire: WireForm,
    /// Which peer of its session it is.
    pub link: Link,
    /// Where it is among all members, as long as it is there. Theirs is the lock.
    pub(crate) place: AtomicU32,
    /// The rooms it is in. Locked until the room agrees: before everybody and shards, never after.
    pub(crate) rooms: Mutex<Few<RoomName>>,
}

impl Membership {
    /// In no room yet.
    pub fn new(key: MemberKey, id: SmolStr, wire: WireForm, link: Link) -> Self {
        Self { key, id, wire, link, place: AtomicU32::new(u32::MAX), rooms: Mutex::default() }
    }

    /// The rooms it is in, in the order in which it joined them.
    pub fn rooms(&self) -> Vec<ByteString> {
        self.rooms.lock().iter().map(|RoomName(name)| (**name).clone()).collect()
    }
}

/// A room's name, of which there is one for all of its members.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RoomName(Arc<ByteString>);

impl RoomName {
    pub(crate) fn new(name: &ByteString) -> Self {
        Self(Arc::new(detached(name)))
    }
}

impl Deref for RoomName {
    type Target = ByteString;

    fn deref(&self) -> &ByteString {
        &self.0
    }
}

/// So that a table of rooms is searched by any name.
impl std::borrow::Borrow<str> for RoomName {
    fn borrow(&self) -> &str {
        self
    }
}

/// A member that is a part of nothing else: for tests, and where there are no sessions.
#[derive(Debug)]
pub struct Lone {
    membership: Membership,
    outbox: Outbox,
}

impl Lone {
    /// With an empty outbox.
    pub fn new(membership: Membership, limits: OutboxLimits) -> Self {
        Self { membership, outbox: Outbox::new(limits) }
    }
}

impl Deref for Lone {
    type Target = Membership;

    fn deref(&self) -> &Membership {
        &self.membership
    }
}

impl Member for Lone {
    fn membership(&self) -> &Membership {
        &self.membership
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}
