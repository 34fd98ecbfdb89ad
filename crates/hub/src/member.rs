//! One peer, as rooms see it.

use crate::{Outbox, PushError};
use omniwire_session::{ByteString, Link, Prepared, WireForm};
use parking_lot::Mutex;
use std::sync::Arc;

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
    /// The rooms it is in. Locked alone, never together with a shard.
    pub(crate) rooms: Mutex<Vec<ByteString>>,
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
        Self { key, id, wire, link, outbox, rooms: Mutex::default() }
    }

    /// Puts a message in this member's outbox.
    ///
    /// # Errors
    /// The session is over, or its outbox ran full (and the session will be ended for it).
    pub fn push(&self, prepared: &Prepared) -> Result<(), PushError> {
        self.outbox.push(self.link, prepared)
    }

    /// Puts a message in this member's outbox, if it can leave at once. Whether it was put there.
    ///
    /// # Errors
    /// The session is over.
    pub fn push_volatile(&self, prepared: &Prepared) -> Result<bool, PushError> {
        self.outbox.push_volatile(self.link, prepared)
    }

    /// The rooms it is in, in the order in which it joined them.
    pub fn rooms(&self) -> Vec<ByteString> {
        self.rooms.lock().clone()
    }
}
