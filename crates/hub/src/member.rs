//! One peer, as rooms see it.

use crate::lock::Mutex;
use crate::{Manner, Outbox, PushError, Pushed};
use omniwire_session::{ByteString, Link, Prepared, WireForm};
use std::any::Any;
use std::sync::{Arc, Weak};

/// The number of a member. Never used twice in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberKey(pub u64);

/// One peer, as rooms see it: where its messages go and in which wire form.
#[derive(Debug)]
pub struct Member {
    /// Its number.
    pub key: MemberKey,
    /// Its public id.
    pub id: ByteString,
    /// How it is spoken to.
    pub wire: WireForm,
    /// Which peer of its session it is.
    pub link: Link,
    /// Where its session's messages wait.
    pub outbox: Arc<Outbox>,
    owner: Option<Weak<dyn Any + Send + Sync>>,
    /// The rooms it is in. Locked alone, never together with a shard.
    pub(crate) rooms: Mutex<Box<[ByteString]>>,
}

impl Member {
    /// A member of no room yet.
    pub fn new(
        key: MemberKey,
        id: ByteString,
        wire: WireForm,
        link: Link,
        outbox: Arc<Outbox>,
    ) -> Self {
        Self { key, id, wire, link, outbox, owner: None, rooms: Mutex::default() }
    }

    /// The same, as a part of something that finds members in rooms.
    #[must_use]
    pub fn owned_by(mut self, owner: Weak<dyn Any + Send + Sync>) -> Self {
        self.owner = Some(owner);
        self
    }

    /// What it is a part of, if that is one of these and is still there.
    pub fn owner<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.owner.as_ref()?.upgrade()?.downcast().ok()
    }

    /// Puts a message in this member's outbox.
    ///
    /// # Errors
    /// The session is over, or its outbox ran full (and the session will be ended for it).
    pub fn push(&self, prepared: &Prepared) -> Result<(), PushError> {
        self.outbox.push(self.link, prepared)
    }

    /// Puts a message of a room in this member's outbox.
    ///
    /// # Errors
    /// As [`Member::push`]; but the outbox never runs full for a room whose messages may be
    /// dropped.
    pub fn push_in(&self, prepared: &Prepared, manner: Manner) -> Result<Pushed, PushError> {
        match manner.lane.room {
            0 => self.push(prepared).map(|()| Pushed::TAKEN),
            _ => self.outbox.push_in(self.link, prepared, manner),
        }
    }

    /// Puts a message in this member's outbox, if it can leave at once. Whether it was put there.
    ///
    /// # Errors
    /// The session is over.
    pub fn push_volatile(&self, prepared: &Prepared) -> Result<bool, PushError> {
        self.outbox.push_volatile(self.link, prepared)
    }

    /// It is in this room no more. Gives the name as the room has it.
    pub(crate) fn forget_room(&self, room: &str) -> Option<ByteString> {
        let mut rooms = self.rooms.lock();
        let index = rooms.iter().position(|name| name == room)?;
        let mut names = std::mem::take(&mut *rooms).into_vec();
        let name = names.remove(index);
        *rooms = names.into_boxed_slice();
        Some(name)
    }

    /// The rooms it is in, in the order in which it joined them.
    pub fn rooms(&self) -> Vec<ByteString> {
        self.rooms.lock().to_vec()
    }
}
