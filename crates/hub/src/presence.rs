//! Who is in which room, and when to say so: without a clock, and without flicker.
//!
//! A *person* is a user with all of its sessions, or a session that belongs to no user. Somebody
//! who comes is told of when [`PresenceConfig::gather`] is over, together with all others who came
//! meanwhile. Somebody who goes is told of if it is not back within [`PresenceConfig::grace`].

use crate::MemberKey;
use indexmap::{IndexMap, IndexSet};
use omniwire_session::{ByteString, later};
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// How presence behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceConfig {
    /// How long somebody may be away before it is said that it left.
    pub grace: Duration,
    /// How long changes of a room are gathered before they are told at once.
    pub gather: Duration,
    /// People that are listed in one room. Who comes when it is full is neither listed nor told of,
    /// also after others have left.
    pub people_max: usize,
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Person {
    /// A user, by its name.
    User(ByteString),
    /// A session that belongs to no user, by its peer's id.
    Peer(ByteString),
}

/// Somebody who is in a room, or was lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Who.
    pub person: Person,
    /// The ids of its peers in the room, in the order in which they came; none if it was there
    /// lately and may be back.
    pub peers: Vec<ByteString>,
}

/// What has changed in a room since the last time it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// The room.
    pub room: ByteString,
    /// Who came.
    pub joined: Vec<Present>,
    /// Who left.
    pub left: Vec<Person>,
    /// How many people are there now, as it has been told.
    pub count: usize,
}

/// Who is in the rooms of one namespace.
#[derive(Debug)]
pub struct Presence {
    config: PresenceConfig,
    rooms: HashMap<ByteString, Room>,
    /// When something is to be told of which room.
    due: BTreeSet<(Instant, ByteString)>,
}

#[derive(Debug, Default)]
struct Room {
    people: IndexMap<Person, Standing>,
    sessions: HashMap<MemberKey, Person>,
    /// Sessions of people who are not listed, since there are too many.
    unlisted: usize,
    /// How many of the people have been told.
    told: usize,
    /// Who came and has not been told.
    came: IndexSet<Person>,
    /// Who has been told, and is away since.
    went: BTreeSet<(Instant, Person)>,
    due: Option<Instant>,
}

#[derive(Debug, Default)]
struct Standing {
    peers: Vec<(MemberKey, ByteString)>,
    told: bool,
    went: Option<Instant>,
}

impl Presence {
    /// Nobody is anywhere.
    pub fn new(config: PresenceConfig) -> Self {
        Self { config, rooms: HashMap::new(), due: BTreeSet::new() }
    }

    /// A member has joined a room. `user` is the user whom it belongs to.
    pub fn joined(
        &mut self,
        now: Instant,
        room: &ByteString,
        key: MemberKey,
        id: &str,
        user: Option<ByteString>,
    ) {
        let PresenceConfig { gather, people_max, .. } = self.config;
        let entry = self.rooms.entry(room.clone()).or_default();
        if entry.sessions.contains_key(&key) {
            return;
        }
        let person = user.map_or_else(|| Person::Peer(id.into()), Person::User);
        if !entry.people.contains_key(&person) && entry.people.len() >= people_max {
            entry.unlisted = entry.unlisted.saturating_add(1);
            return;
        }
        entry.sessions.insert(key, person.clone());
        let standing = entry.people.entry(person.clone()).or_default();
        standing.peers.push((key, id.into()));
        if let Some(went) = standing.went.take() {
            entry.went.remove(&(went, person));
        } else if !standing.told && entry.came.insert(person) {
            let due = later(now, gather);
            Self::tell_at(&mut self.due, room, entry, due);
        }
    }

    /// A member has left a room.
    pub fn left(&mut self, now: Instant, room: &ByteString, key: MemberKey) {
        let PresenceConfig { grace, gather, .. } = self.config;
        let Some(entry) = self.rooms.get_mut(room) else { return };
        let Some(person) = entry.sessions.remove(&key) else {
            entry.unlisted = entry.unlisted.saturating_sub(1);
            return self.forget_if_empty(room);
        };
        let Some(standing) = entry.people.get_mut(&person) else { return };
        standing.peers.retain(|(listed, _)| *listed != key);
        if !standing.peers.is_empty() {
            return;
        }
        if !standing.told {
            // It came and went while nobody was told: nobody is.
            entry.people.swap_remove(&person);
            entry.came.swap_remove(&person);
            return self.forget_if_empty(room);
        }
        standing.went = Some(now);
        entry.went.insert((now, person));
        Self::tell_at(&mut self.due, room, entry, later(later(now, grace), gather));
    }

    fn tell_at(
        due: &mut BTreeSet<(Instant, ByteString)>,
        room: &ByteString,
        entry: &mut Room,
        at: Instant,
    ) {
        if entry.due.is_some_and(|earlier| earlier <= at) {
            return;
        }
        if let Some(later) = entry.due.replace(at) {
            due.remove(&(later, room.clone()));
        }
        due.insert((at, room.clone()));
    }

    fn forget_if_empty(&mut self, room: &ByteString) {
        let is_empty = |entry: &Room| entry.people.is_empty() && entry.unlisted == 0;
        if self.rooms.get(room).is_some_and(is_empty)
            && let Some(Room { due: Some(due), .. }) = self.rooms.remove(room)
        {
            self.due.remove(&(due, room.clone()));
        }
    }

    /// When [`Presence::poll`] has something to say, if nothing changes until then.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next change that is to be told by now.
    pub fn poll(&mut self, now: Instant) -> Option<PresenceChange> {
        loop {
            let (due, _) = self.due.first()?;
            if *due > now {
                return None;
            }
            let (_, room) = self.due.pop_first()?;
            let change = self.tell(&room, now);
            self.forget_if_empty(&room);
            if change.as_ref().is_some_and(|c| !c.joined.is_empty() || !c.left.is_empty()) {
                return change;
            }
        }
    }

    fn tell(&mut self, room: &ByteString, now: Instant) -> Option<PresenceChange> {
        let PresenceConfig { grace, gather, .. } = self.config;
        let entry = self.rooms.get_mut(room)?;
        entry.due = None;
        let mut joined = Vec::new();
        for person in std::mem::take(&mut entry.came) {
            if let Some(standing) = entry.people.get_mut(&person) {
                standing.told = true;
                joined.push(Present::new(&person, standing));
            }
        }
        let mut left = Vec::new();
        while let Some((went, _)) = entry.went.first()
            && now.saturating_duration_since(*went) >= grace
            && let Some((_, person)) = entry.went.pop_first()
        {
            entry.people.swap_remove(&person);
            left.push(person);
        }
        entry.told = entry.told.saturating_add(joined.len()).saturating_sub(left.len());
        let count = entry.told;
        if let Some((next, _)) = entry.went.first() {
            let due = later(later(*next, grace), gather);
            Self::tell_at(&mut self.due, room, entry, due);
        }
        Some(PresenceChange { room: room.clone(), joined, left, count })
    }

    /// Who is in a room, told or not, and who was there lately and may be back; in no order that
    /// means anything.
    pub fn list(&self, room: &str) -> Vec<Present> {
        self.people(room, |_| true)
    }

    /// The same as those know who have been told of all changes so far.
    pub fn told(&self, room: &str) -> Vec<Present> {
        self.people(room, |standing| standing.told)
    }

    fn people(&self, room: &str, is_wanted: impl Fn(&Standing) -> bool) -> Vec<Present> {
        let Some(entry) = self.rooms.get(room) else { return Vec::new() };
        let wanted = entry.people.iter().filter(|(_, standing)| is_wanted(standing));
        wanted.map(|(person, standing)| Present::new(person, standing)).collect()
    }

    /// Whether nobody is anywhere, and nothing is to be told.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.due.is_empty()
    }
}

impl Present {
    fn new(person: &Person, standing: &Standing) -> Self {
        let peers = standing.peers.iter().map(|(_, id)| id.clone()).collect();
        Self { person: person.clone(), peers }
    }
}

#[cfg(test)]
mod tests;
