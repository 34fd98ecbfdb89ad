//! The registry of rooms of one namespace.

pub(crate) mod broadcast;

use crate::Stored;
use crate::everybody::{Everybody, Members};
use crate::journal::Entry as JournalEntry;
use crate::lock::Mutex;
use crate::member::RoomName;
use crate::recent::{Recent, RecentLimits};
use crate::values::{Value, ValueLimits, Values};
use crate::{History, HistoryLimits, Journal, JournalLimits, Lone, Member, MemberKey, Membership};
use crate::{Lanes, Manner, Publication, SlowPolicy};
use indexmap::IndexSet;
use omniwire_session::limits::Limits;
use omniwire_session::{ByteString, Lane, Position, Since};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// How a namespace's rooms behave.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Rooms that one member may be in.
    pub rooms_max: usize,
    /// Rooms that may exist.
    pub all_rooms_max: usize,
    /// Length of a room's name, in bytes.
    pub name_len_max: usize,
    /// If set, rooms remember events, and a returning peer gets what it missed.
    pub history: Option<HistoryLimits>,
    /// If set, the namespace remembers events for members that come back.
    pub journal: Option<JournalLimits>,
    /// The epoch of the journal and of the first history, and one more for each history that
    /// follows: what was forgotten whole does not come back under its old name. Differs from one
    /// run of the server to the next.
    pub epoch: u32,
    /// Rooms without members whose histories are kept; of more, those are forgotten that have
    /// been without members the longest.
    pub idle_rooms_max: usize,
    /// How the names of rooms begin that are the server's own, and remember nothing; then a letter
    /// says of which kind. Neither counts in `name_len_max`. If empty, there are none.
    pub hidden: ByteString,
    /// Whether joins and leaves are logged, for [`Hub::take_change`]. Those of hidden rooms never are.
    pub logged: bool,
    /// While so many of them wait to be taken, nobody joins: what may still be added to the log is
    /// that those leave who are there.
    pub changes_max: usize,
    /// What becomes of rooms' messages for slow peers. If not set, those are closed.
    pub slow: Option<SlowPolicies>,
    /// How many values a room keeps.
    pub values: ValueLimits,
    /// How long publications are known by their ids.
    pub recent: RecentLimits,
    /// Where rooms get their numbers in [`Lane`]s: shared by all namespaces whose members share
    /// outboxes.
    pub lanes: Lanes,
}

impl HubConfig {
    /// Within these limits, without histories, hidden rooms and a log.
    pub fn new(limits: &Limits, epoch: u32) -> Self {
        Self {
            rooms_max: limits.rooms_max,
            all_rooms_max: limits.all_rooms_max,
            name_len_max: limits.name_len_max,
            history: None,
            journal: None,
            epoch,
            idle_rooms_max: limits.idle_rooms_max,
            hidden: ByteString::new(),
            logged: false,
            changes_max: CHANGES_MAX,
            slow: None,
            values: ValueLimits { count_max: limits.values_max, len_max: limits.values_len_max },
            recent: RecentLimits {
                count_max: limits.publication_ids_max,
                age_max: limits.publication_ids_age,
            },
            lanes: Lanes::default(),
        }
    }

    fn is_hidden(&self, room: &str) -> bool {
        !self.hidden.is_empty() && room.starts_with(&*self.hidden)
    }

    fn is_name_too_long(&self, room: &str) -> bool {
        let own_len = if self.is_hidden(room) { self.hidden.len().saturating_add(1) } else { 0 };
        room.len().saturating_sub(own_len) > self.name_len_max
    }
}

/// A member has joined a room or left it.
#[derive(Debug, Clone)]
pub struct Change<M> {
    /// The room.
    pub room: ByteString,
    /// The member.
    pub member: Arc<M>,
    /// Whether it joined.
    pub joined: bool,
    /// Whether it was the first to join, or the last to leave.
    pub edge: bool,
}

/// Why a member can't join a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinError {
    /// The name is too long.
    NameTooLong,
    /// It is in too many rooms.
    TooManyRooms,
    /// The namespace has too many rooms.
    NamespaceFull,
    /// Too many joins and leaves wait to be told.
    Busy,
    /// It has not entered the namespace yet, or has left it.
    Gone,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameTooLong => "the room's name is too long",
            Self::TooManyRooms => "in too many rooms",
            Self::NamespaceFull => "there are too many rooms",
            Self::Busy => "too many joins and leaves are still to be told",
            Self::Gone => "the peer is not let in yet, or gone",
        })
    }
}

impl std::error::Error for JoinError {}

/// From where a member that joins a room goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It has not been here before.
    Nothing,
    /// It has seen everything up to this event.
    UpTo(Position),
    /// It has been here before, and can't say up to where.
    Unknown,
}

/// What a member that joins a recoverable room is given.
#[derive(Debug, Clone, PartialEq)]
pub enum Recovery {
    /// It has not been here before, and goes on from this position.
    Fresh(Position),
    /// All that it missed since the position that it named, in order; may be nothing.
    Recovered(Vec<Stored>),
    /// What it missed is not known any more; it goes on from this position.
    Lost(Position),
}

#[derive(Debug)]
struct Room<M> {
    members: Members<M>,
    kept: Kept,
}

/// What a room has besides its members.
#[derive(Debug, Default)]
struct Kept {
    history: Option<History>,
    values: Option<Box<Values>>,
    slow: SlowPolicy,
    /// Its number in [`Lane`]s; 0 as long as none of what waits may be thrown away.
    lane: u32,
}

impl Kept {
    /// Whether there is anything to keep the room for when nobody is in it.
    fn is_empty(&self) -> bool {
        self.history.is_none() && self.values.as_ref().is_none_or(|values| values.is_empty())
    }

    fn remember(&mut self, publication: Publication<'_>) -> Option<Position> {
        let Publication { name, args, remembered, key } = publication;
        let now = remembered.filter(|_| key.is_none())?;
        self.history.as_mut().map(|history| history.append(now, name, args))
    }

    /// How a message waits for a member: a value whose key has the number `key`, or any (0).
    fn manner(&self, key: u16) -> Manner {
        Manner { lane: Lane { room: self.lane, key }, slow: self.slow }
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter().flat_map(|values| values.iter())
    }
}

/// What a member that joins a room is told.
#[derive(Debug)]
pub struct Welcome<'a> {
    /// What it missed, if the room is recoverable.
    pub recovery: Option<Recovery>,
    kept: &'a Kept,
}

impl Welcome<'_> {
    /// The room's current values, and how each waits for the member.
    pub fn values(&self) -> impl Iterator<Item = (&Value, Manner)> {
        self.kept.values().map(|value| (value, self.kept.manner(value.slot)))
    }
}

/// Says what becomes of a room's messages for slow peers. Called with rooms locked.
#[derive(Clone)]
pub struct SlowPolicies(pub Arc<dyn Fn(&str) -> SlowPolicy + Send + Sync>);

impl fmt::Debug for SlowPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlowPolicies")
    }
}

/// The rooms of one namespace and everybody who is in it.
#[derive(Debug)]
pub struct Hub<M = Lone> {
    config: HubConfig,
    journal: Option<Journal>,
    next_epoch: AtomicU32,
    hasher: RandomState,
    /// Locked after a shard, and while members of it are pushed to.
    everybody: Mutex<Everybody<M>>,
    /// The lengths that ids have, a bit each: a room's name of another length is nobody's id, and
    /// what is said to that room asks nothing of `everybody`.
    id_lens: AtomicU64,
    shards: Box<[Mutex<Shard<M>>]>,
    room_count: AtomicUsize,
    recent: Mutex<Recent>,
    /// The keys of values that were said to everybody, to an id or to a hidden room, without the
    /// values: nobody joins there who would be given them. Locked after everybody.
    loose: Mutex<Values>,
    loose_lane: u32,
    /// Locked last.
    changes: Mutex<VecDeque<Change<M>>>,
}

/// Some of the rooms.
#[derive(Debug)]
struct Shard<M> {
    rooms: HashMap<RoomName, Room<M>>,
    /// Those that are there for their histories and values alone, by the time of the last member's leave.
    idle: IndexSet<ByteString, RandomState>,
}

impl<M> Default for Shard<M> {
    fn default() -> Self {
        Self { rooms: HashMap::new(), idle: IndexSet::default() }
    }
}

const SHARD_COUNT: usize = 16;

impl<M: Member> Hub<M> {
    /// A namespace without anybody.
    pub fn new(config: HubConfig) -> Self {
        let shards = (0..SHARD_COUNT).map(|_| Mutex::default()).collect();
        let journal = config.journal.map(|limits| Journal::new(limits, config.epoch));
        Self {
            journal,
            next_epoch: AtomicU32::new(config.epoch),
            hasher: RandomState::new(),
            everybody: Mutex::default(),
            id_lens: AtomicU64::new(0),
            shards,
            room_count: AtomicUsize::new(0),
            recent: Mutex::new(Recent::new(config.recent)),
            loose: Mutex::default(),
            loose_lane: config.lanes.fresh(),
            changes: Mutex::default(),
            config,
        }
    }

    /// What the namespace remembers for members that come back.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Lets a member in.
    pub fn enter(&self, member: Arc<M>) {
        self.let_in(member);
    }

    /// Lets a member in that may come back as the same when its connection is lost.
    pub fn enter_to_return(&self, member: Arc<M>) {
        let mut journal = self.journal.as_ref().map(Journal::lock);
        if let Some(journal) = &mut journal {
            let Membership { key, id, .. } = member.membership();
            journal.enter(*key, id);
        }
        self.let_in(member);
    }

    /// Lets a member in that was here before, and puts it in the rooms that it was in.
    /// `deliver` hands it what it missed, with nobody else publishing; whether it could.
    /// If not, if not all that it missed is known, or if it could not join its rooms now
    /// ([`JoinError::Busy`], [`JoinError::NamespaceFull`]), it is not let in. `greet` tells it what its
    /// rooms have besides.
    pub fn come_back(
        &self,
        member: &Arc<M>,
        rooms: &[ByteString],
        since: &Since,
        deliver: impl FnOnce(&mut dyn Iterator<Item = &JournalEntry>) -> bool,
        mut greet: impl FnMut(&Welcome<'_>),
    ) -> bool {
        let Some(journal) = &self.journal else { return false };
        let mut state = journal.lock();
        if self.log_is_full() || !self.has_place_for(rooms) {
            return false;
        }
        let key = member.membership().key;
        let Some(offset) = journal.offset(&state, key, since) else { return false };
        if !deliver(&mut state.missed(key, offset)) {
            return false;
        }
        self.let_in(Arc::clone(member));
        for room in rooms {
            let joined = self.put(member, room, |kept, _| {
                greet(&Welcome { recovery: None, kept });
                kept.values().for_each(|value| journal.note(&mut state, key, &value.args));
            });
            // Values make rooms without the journal: there may be too many since it was asked.
            if joined.is_err() {
                self.take_out(member);
                return false;
            }
        }
        true
    }

    /// Whether those of these rooms that are not there may be made now.
    fn has_place_for(&self, rooms: &[ByteString]) -> bool {
        let is_missing = |room: &&ByteString| !self.shard(room).lock().rooms.contains_key(&***room);
        let missing = rooms.iter().filter(is_missing).count();
        let count = self.room_count.load(Ordering::Relaxed);
        missing == 0 || count.saturating_add(missing) <= self.config.all_rooms_max
    }

    fn let_in(&self, member: Arc<M>) {
        self.id_lens.fetch_or(len_bit(&member.membership().id), Ordering::Relaxed);
        self.everybody.lock().insert(member);
    }

    /// Takes a member out of everything. Gives the rooms that it was in.
    pub fn exit(&self, member: &Arc<M>) -> Vec<ByteString> {
        let mut journal = self.journal.as_ref().map(Journal::lock);
        if let Some(journal) = &mut journal {
            journal.forget(member.membership().key);
        }
        self.take_out(member)
    }

    /// The same for a member that may come back: what is said to it is remembered.
    pub fn step_out(&self, member: &Arc<M>) -> Vec<ByteString> {
        let _journal = self.journal.as_ref().map(Journal::lock);
        self.take_out(member)
    }

    /// A member that stepped out won't come back.
    pub fn forget(&self, key: MemberKey) {
        if let Some(journal) = &self.journal {
            journal.lock().forget(key);
        }
    }

    fn take_out(&self, member: &Arc<M>) -> Vec<ByteString> {
        self.everybody.lock().remove(member);
        let mut rooms = member.membership().rooms.lock();
        let left = |name: &RoomName| {
            self.remove(member, name);
            (**name).clone()
        };
        std::mem::take(&mut *rooms).iter().map(left).collect()
    }

    /// The member with this id.
    pub fn member(&self, id: &str) -> Option<Arc<M>> {
        if self.id_lens.load(Ordering::Relaxed) & len_bit(id) == 0 {
            return None;
        }
        self.everybody.lock().find(id).cloned()
    }

    /// The rooms that have members, with how many, in no particular order.
    pub fn rooms(&self) -> Vec<(ByteString, usize)> {
        let mut rooms = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let occupied = shard.rooms.iter().filter(|(_, room)| !room.members.is_empty());
            rooms.extend(occupied.map(|(name, room)| ((**name).clone(), room.members.len())));
        }
        rooms.retain(|(name, _)| !self.config.is_hidden(name));
        rooms
    }

    /// How many members a room has.
    pub fn room_len(&self, room: &str) -> usize {
        self.shard(room).lock().rooms.get(room).map_or(0, |room| room.members.len())
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.everybody.lock().as_slice().len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a member in a room. Being there already is fine.
    ///
    /// # Errors
    /// The name is too long, the member is in too many rooms, or it is gone.
    pub fn join(&self, member: &Arc<M>, room: &ByteString) -> Result<(), JoinError> {
        self.join_and(member, room, |_, _| ())
    }

    /// Whether rooms remember events.
    pub fn is_recoverable(&self) -> bool {
        self.config.history.is_some()
    }

    /// Puts a member in a room and says what it missed there, and the room's current values, with
    /// no gap and no repetition between the two: `greet` is called with the room locked. A member
    /// that is there already has missed nothing that this could give it.
    ///
    /// # Errors
    /// As [`Hub::join`].
    pub fn join_since(
        &self,
        member: &Arc<M>,
        room: &ByteString,
        seen: Seen,
        now: Instant,
        greet: impl FnOnce(Welcome<'_>),
    ) -> Result<(), JoinError> {
        self.join_and(member, room, |kept, is_new| {
            let recovery = kept.history.as_mut().and_then(|history| {
                history.forget_old(now);
                let missed = match seen {
                    Seen::Nothing if is_new => return Some(Recovery::Fresh(history.position())),
                    Seen::Nothing => return None,
                    Seen::UpTo(position) if is_new => history.after(position),
                    Seen::UpTo(_) | Seen::Unknown => None,
                };
                Some(match missed {
                    Some(missed) => Recovery::Recovered(missed.cloned().collect()),
                    None => Recovery::Lost(history.position()),
                })
            });
            if is_new {
                greet(Welcome { recovery, kept });
            } else {
                greet(Welcome { recovery, kept: &Kept::default() });
            }
        })
    }

    /// `then` learns what the room remembers and whether the member is new to it.
    fn join_and(
        &self,
        member: &Arc<M>,
        room: &ByteString,
        then: impl FnOnce(&mut Kept, bool),
    ) -> Result<(), JoinError> {
        if self.is_logged(room)
            && self.log_is_full()
            && !member.membership().rooms.lock().iter().any(|name| **name == *room)
        {
            return Err(JoinError::Busy);
        }
        let Some(journal) = &self.journal else { return self.put(member, room, then).map(drop) };
        let mut state = journal.lock();
        let key = member.membership().key;
        let name = self.put(member, room, |kept, is_new| {
            then(kept, is_new);
            if is_new {
                kept.values().for_each(|value| journal.note(&mut state, key, &value.args));
            }
        })?;
        state.join(key, name);
        Ok(())
    }

    /// Gives the room's name, which all of its members share.
    fn put(
        &self,
        member: &Arc<M>,
        room: &ByteString,
        then: impl FnOnce(&mut Kept, bool),
    ) -> Result<RoomName, JoinError> {
        if self.config.is_name_too_long(room) {
            return Err(JoinError::NameTooLong);
        }
        let mut rooms = member.membership().rooms.lock();
        // Who leaves the namespace takes the rooms after this, and so finds this one.
        if !self.everybody.lock().contains(member) {
            return Err(JoinError::Gone);
        }
        let mut shard = self.shard(room).lock();
        let shared = shard.rooms.get_key_value(&**room).map(|(name, _)| name.clone());
        let room = shared.unwrap_or_else(|| RoomName::new(room));
        if !rooms.contains(&room) && rooms.len() >= self.config.rooms_max {
            return Err(JoinError::TooManyRooms);
        }
        let entry = self.find_or_make(&mut shard, &room).ok_or(JoinError::NamespaceFull)?;
        let is_new = entry.members.insert(member);
        then(&mut entry.kept, is_new);
        if is_new {
            let edge = entry.members.len() == 1;
            shard.idle.shift_remove(&**room);
            self.log(&room, member, true, edge);
            rooms.push(room.clone());
        }
        Ok(room)
    }

    /// Takes a member out of a room. Whether it was there.
    pub fn leave(&self, member: &Arc<M>, room: &str) -> bool {
        let mut journal = self.journal.as_ref().map(Journal::lock);
        let mut rooms = member.membership().rooms.lock();
        let was_in = rooms.remove(|name| ***name == *room).is_some();
        if was_in {
            self.remove(member, room);
            // Who is away is in no room, but comes back to those that it was in.
            if let Some(journal) = &mut journal {
                journal.leave(member.membership().key, room);
            }
        }
        was_in
    }

    fn remove(&self, member: &Arc<M>, room: &str) {
        let mut shard = self.shard(room).lock();
        let Some(entry) = shard.rooms.get_mut(room) else { return };
        if !entry.members.remove(member) {
            return;
        }
        let (is_empty, is_kept) = (entry.members.is_empty(), !entry.kept.is_empty());
        self.log(room, member, false, is_empty);
        match is_empty {
            true if is_kept => self.rest(&mut shard, room),
            true => self.forget_room(&mut shard, room),
            false => {}
        }
    }

    fn log(&self, room: &str, member: &Arc<M>, joined: bool, edge: bool) {
        if self.is_logged(room) {
            let (room, member) = (room.into(), Arc::clone(member));
            self.changes.lock().push_back(Change { room, member, joined, edge });
        }
    }

    /// The next join or leave, in the order of each room, if they are logged. To be asked for
    /// after whatever may have changed who is where, until there is none. Nothing is left out: if
    /// nobody asks, joins fail at last ([`HubConfig::changes_max`]).
    pub fn take_change(&self) -> Option<Change<M>> {
        self.changes.lock().pop_front()
    }

    /// Who is in its owner's own rooms, nobody asks.
    fn is_logged(&self, room: &str) -> bool {
        self.config.logged && !self.config.is_hidden(room)
    }

    fn log_is_full(&self) -> bool {
        self.config.logged && self.changes.lock().len() >= self.config.changes_max
    }

    /// Whether [`Hub::take_change`] has any to give.
    pub fn has_changes(&self) -> bool {
        !self.changes.lock().is_empty()
    }

    /// The room of this name, made if there is none; `None` if there are too many.
    fn find_or_make<'a>(
        &self,
        shard: &'a mut Shard<M>,
        room: &RoomName,
    ) -> Option<&'a mut Room<M>> {
        let made = match shard.rooms.entry(room.clone()) {
            Entry::Occupied(entry) => return Some(entry.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        // The application's, which may panic: nothing is counted yet.
        let policies = self.config.slow.as_ref().filter(|_| !self.config.is_hidden(room));
        let slow = policies.map_or(SlowPolicy::Close, |policies| policies.0(room));
        if self.room_count.fetch_add(1, Ordering::Relaxed) >= self.config.all_rooms_max {
            self.room_count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let history = self.config.history.filter(|_| !self.config.is_hidden(room));
        let new_history =
            |limits| History::new(limits, self.next_epoch.fetch_add(1, Ordering::Relaxed));
        let history = history.map(new_history);
        let lane = if slow == SlowPolicy::Close { 0 } else { self.config.lanes.fresh() };
        let kept = Kept { history, values: None, slow, lane };
        Some(made.insert(Room { members: Members::default(), kept }))
    }

    /// The current values of a room, in the order in which their keys were first set.
    pub fn values(&self, room: &str) -> Vec<Value> {
        let shard = self.shard(room).lock();
        shard.rooms.get(room).iter().flat_map(|room| room.kept.values()).cloned().collect()
    }

    /// Forgets a room's value. Whether there was one of this key.
    pub fn forget_value(&self, room: &str, key: &str) -> bool {
        let mut shard = self.shard(room).lock();
        let Some(entry) = shard.rooms.get_mut(room) else { return false };
        let was_there = entry.kept.values.as_mut().is_some_and(|values| values.forget(key));
        if entry.members.is_empty() && entry.kept.is_empty() {
            shard.idle.shift_remove(room);
            self.forget_room(&mut shard, room);
        }
        was_there
    }

    /// Whether a publication with this id is the first lately. From now on it is not.
    pub fn is_first(&self, now: Instant, id: &ByteString) -> bool {
        self.recent.lock().is_first(now, id)
    }

    fn forget_room(&self, shard: &mut Shard<M>, room: &str) {
        if shard.rooms.remove(room).is_some() {
            self.room_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A room has no members, but a history or values. Too many such: the one that rests longest
    /// is forgotten.
    fn rest(&self, shard: &mut Shard<M>, room: &str) {
        shard.idle.insert(room.into());
        if shard.idle.len() > self.config.idle_rooms_max.div_ceil(SHARD_COUNT)
            && let Some(oldest) = shard.idle.shift_remove_index(0)
        {
            self.forget_room(shard, &oldest);
        }
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is one of them")]
    fn shard(&self, room: &str) -> &Mutex<Shard<M>> {
        let hash = self.hasher.hash_one(room) as usize;
        &self.shards[hash % SHARD_COUNT]
    }

    /// What a room remembers now, oldest first.
    pub fn history(&self, room: &str, now: Instant) -> Option<Vec<Stored>> {
        let mut shard = self.shard(room).lock();
        let history = shard.rooms.get_mut(room)?.kept.history.as_mut()?;
        history.forget_old(now);
        Some(history.iter().cloned().collect())
    }

    /// Calls `visit` with the members of each room, one lock at a time, and with the member whose
    /// id is the room's name, if it is not among them. A room that is named twice is visited once:
    /// it remembers what it is told.
    fn each_set(
        &self,
        rooms: &[ByteString],
        mut visit: impl FnMut(&str, &[Arc<M>], Option<&mut Kept>),
    ) {
        if rooms.is_empty() {
            visit("", self.everybody.lock().as_slice(), None);
        }
        let mut visited: HashSet<&str> = HashSet::new();
        for room in rooms {
            if rooms.len() > 1 && !visited.insert(room) {
                continue;
            }
            let mut shard = self.shard(room).lock();
            let mut namesake = self.member(room);
            if let Some(Room { members, kept }) = shard.rooms.get_mut(&**room) {
                visit(room, members.as_slice(), Some(kept));
                namesake = namesake.filter(|member| !members.contains(member));
            }
            if let Some(member) = namesake {
                visit(room, std::slice::from_ref(&member), None);
            }
        }
    }
}

/// One of 64 bits for the length of an id; all long ones share the last.
fn len_bit(id: &str) -> u64 {
    1 << id.len().min(63)
}

/// Some megabytes. Whoever takes changes does so right after they were made.
const CHANGES_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests;
