//! The registry of rooms of one namespace, and broadcast.

use crate::{
    Entry, History, HistoryLimits, Journal, JournalLimits, Member, MemberKey, PushError, Stored,
};
use indexmap::{IndexMap, IndexSet};
use omniwire_session::{Args, ByteString, Place, Position, Prepared, Since, WireForm, WireId};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// How a namespace's rooms behave.
#[derive(Debug, Clone, Copy)]
pub struct HubConfig {
    /// Rooms that one member may be in.
    pub rooms_max: usize,
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
}

/// Why a member can't join a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinError {
    /// The name is too long.
    NameTooLong,
    /// It is in too many rooms.
    TooManyRooms,
    /// It has left the namespace.
    Gone,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameTooLong => "the room's name is too long",
            Self::TooManyRooms => "in too many rooms",
            Self::Gone => "the peer is gone",
        })
    }
}

impl std::error::Error for JoinError {}

/// Whom a broadcast is for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'a> {
    /// The members of any of these rooms, each once. A member's id is a room that only it is in.
    /// Empty: everybody.
    pub rooms: &'a [ByteString],
    /// But not the members of these rooms.
    pub except_rooms: &'a [ByteString],
    /// And not these members.
    pub except: &'a [MemberKey],
}

/// What is published.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// The event's name.
    pub name: &'a ByteString,
    /// Its arguments.
    pub args: &'a Args,
    /// When it is published, if recoverable rooms are to remember it for those who return.
    pub remembered: Option<Instant>,
}

/// What became of a broadcast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Members whose outbox took it.
    pub taken: usize,
    /// Members who were not ready for something volatile.
    pub skipped: usize,
    /// Members whose outbox was full: they are closed as slow.
    pub refused: usize,
    /// How often the event was encoded: once per wire form.
    pub encodings: usize,
}

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

/// Encodes one event for a wire form. `None`: that kind of peer has no words for it.
pub type Encode<'a> = dyn FnMut(WireForm, Option<Place<'_>>) -> Option<Prepared> + 'a;

/// Hands an encoded event to one member. Whether its outbox took it. Called with the room locked.
pub type HandOver<'a> = dyn FnMut(&Arc<Member>, &Prepared) -> Result<bool, PushError> + 'a;

type Members = IndexMap<MemberKey, Arc<Member>, RandomState>;

#[derive(Debug, Default)]
struct Room {
    members: Members,
    history: Option<History>,
}

/// The rooms of one namespace and everybody who is in it.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    journal: Option<Journal>,
    next_epoch: AtomicU32,
    hasher: RandomState,
    everybody: Mutex<Everybody>,
    shards: Box<[Mutex<Shard>]>,
}

/// Some of the rooms.
#[derive(Debug, Default)]
struct Shard {
    rooms: HashMap<ByteString, Room>,
    /// Those that are there for their histories alone, by the time of the last member's leave.
    idle: IndexSet<ByteString, RandomState>,
}

#[derive(Debug, Default)]
struct Everybody {
    members: Members,
    by_id: HashMap<ByteString, MemberKey>,
}

const SHARD_COUNT: usize = 16;

impl Hub {
    /// A namespace without anybody.
    pub fn new(config: HubConfig) -> Self {
        let shards = (0..SHARD_COUNT).map(|_| Mutex::default()).collect();
        let journal = config.journal.map(|limits| Journal::new(limits, config.epoch));
        let next_epoch = AtomicU32::new(config.epoch);
        let (hasher, everybody) = (RandomState::new(), Mutex::default());
        Self { config, journal, next_epoch, hasher, everybody, shards }
    }

    /// What the namespace remembers for members that come back.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Lets a member in.
    pub fn enter(&self, member: Arc<Member>) {
        self.let_in(member);
    }

    /// Lets a member in that may come back as the same when its connection is lost.
    pub fn enter_to_return(&self, member: Arc<Member>) {
        let mut journal = self.journal.as_ref().map(Journal::lock);
        if let Some(journal) = &mut journal {
            journal.enter(member.key, &member.id);
        }
        self.let_in(member);
    }

    /// Lets a member in that was here before, and puts it in the rooms that it was in.
    /// `deliver` hands it what it missed, with nobody else publishing; whether it could.
    /// If not, or if not all that it missed is known, it is not let in.
    pub fn come_back(
        &self,
        member: &Arc<Member>,
        rooms: &[ByteString],
        since: &Since,
        deliver: impl FnOnce(&mut dyn Iterator<Item = &Entry>) -> bool,
    ) -> bool {
        let Some(journal) = &self.journal else { return false };
        let state = journal.lock();
        let Some(offset) = journal.offset(&state, member.key, since) else { return false };
        if !deliver(&mut state.missed(member.key, offset)) {
            return false;
        }
        self.let_in(Arc::clone(member));
        for room in rooms {
            // It was in no more rooms than it may be.
            self.put(member, room, |_, _| ()).ok();
        }
        true
    }

    fn let_in(&self, member: Arc<Member>) {
        let mut everybody = self.everybody.lock();
        everybody.by_id.insert(member.id.clone(), member.key);
        everybody.members.insert(member.key, member);
    }

    /// Takes a member out of everything. Gives the rooms that it was in.
    pub fn exit(&self, member: &Member) -> Vec<ByteString> {
        let mut journal = self.journal.as_ref().map(Journal::lock);
        if let Some(journal) = &mut journal {
            journal.forget(member.key);
        }
        self.take_out(member)
    }

    /// The same for a member that may come back: what is said to it is remembered.
    pub fn step_out(&self, member: &Member) -> Vec<ByteString> {
        let _journal = self.journal.as_ref().map(Journal::lock);
        self.take_out(member)
    }

    /// A member that stepped out won't come back.
    pub fn forget(&self, key: MemberKey) {
        if let Some(journal) = &self.journal {
            journal.lock().forget(key);
        }
    }

    fn take_out(&self, member: &Member) -> Vec<ByteString> {
        {
            let mut everybody = self.everybody.lock();
            everybody.members.swap_remove(&member.key);
            everybody.by_id.remove(&member.id);
        }
        let rooms = std::mem::take(&mut *member.rooms.lock());
        for room in &rooms {
            self.remove(member.key, room);
        }
        rooms
    }

    /// The member with this id.
    pub fn member(&self, id: &str) -> Option<Arc<Member>> {
        let everybody = self.everybody.lock();
        let key = everybody.by_id.get(id)?;
        everybody.members.get(key).cloned()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.everybody.lock().members.len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a member in a room. Being there already is fine.
    ///
    /// # Errors
    /// The name is too long, the member is in too many rooms, or it is gone.
    pub fn join(&self, member: &Arc<Member>, room: &ByteString) -> Result<(), JoinError> {
        self.join_and(member, room, |_, _| ())
    }

    /// Whether rooms remember events.
    pub fn is_recoverable(&self) -> bool {
        self.config.history.is_some()
    }

    /// Puts a member in a room and says what it missed there, with no gap and no
    /// repetition between the two: if the room is recoverable, `deliver` is called with the room
    /// locked. A member that is there already has missed nothing that this could give it.
    ///
    /// # Errors
    /// As [`Hub::join`].
    pub fn join_since(
        &self,
        member: &Arc<Member>,
        room: &ByteString,
        seen: Seen,
        now: Instant,
        deliver: impl FnOnce(Recovery),
    ) -> Result<(), JoinError> {
        self.join_and(member, room, |history, is_new| {
            let Some(history) = history else { return };
            history.forget_old(now);
            let missed = match seen {
                Seen::Nothing if is_new => return deliver(Recovery::Fresh(history.position())),
                Seen::Nothing => return,
                Seen::UpTo(position) if is_new => history.after(position),
                Seen::UpTo(_) | Seen::Unknown => None,
            };
            deliver(match missed {
                Some(missed) => Recovery::Recovered(missed.cloned().collect()),
                None => Recovery::Lost(history.position()),
            });
        })
    }

    /// `then` learns what the room remembers and whether the member is new to it.
    fn join_and(
        &self,
        member: &Arc<Member>,
        room: &ByteString,
        then: impl FnOnce(Option<&mut History>, bool),
    ) -> Result<(), JoinError> {
        let mut journal = self.journal.as_ref().map(Journal::lock);
        self.put(member, room, then)?;
        if let Some(journal) = &mut journal {
            journal.join(member.key, room);
        }
        Ok(())
    }

    fn put(
        &self,
        member: &Arc<Member>,
        room: &ByteString,
        then: impl FnOnce(Option<&mut History>, bool),
    ) -> Result<(), JoinError> {
        if room.len() > self.config.name_len_max {
            return Err(JoinError::NameTooLong);
        }
        {
            let mut rooms = member.rooms.lock();
            if !rooms.contains(room) {
                if rooms.len() >= self.config.rooms_max {
                    return Err(JoinError::TooManyRooms);
                }
                rooms.push(room.clone());
            }
        }
        {
            let mut shard = self.shard(room).lock();
            shard.idle.shift_remove(room);
            let entry = shard.rooms.entry(room.clone()).or_insert_with(|| self.new_room());
            let is_new = entry.members.insert(member.key, Arc::clone(member)).is_none();
            then(entry.history.as_mut(), is_new);
        }
        // A member that left in the meantime must not stay as a ghost.
        if !self.everybody.lock().members.contains_key(&member.key) {
            self.remove(member.key, room);
            return Err(JoinError::Gone);
        }
        Ok(())
    }

    /// Takes a member out of a room. Whether it was there.
    pub fn leave(&self, member: &Member, room: &str) -> bool {
        let mut journal = self.journal.as_ref().map(Journal::lock);
        if let Some(journal) = &mut journal {
            journal.leave(member.key, room);
        }
        let mut rooms = member.rooms.lock();
        let Some(index) = rooms.iter().position(|name| name == room) else { return false };
        let name = rooms.remove(index);
        drop(rooms);
        self.remove(member.key, &name);
        true
    }

    fn remove(&self, key: MemberKey, room: &ByteString) {
        let mut shard = self.shard(room).lock();
        let Some(entry) = shard.rooms.get_mut(room) else { return };
        entry.members.swap_remove(&key);
        if !entry.members.is_empty() {
            return;
        }
        match entry.history {
            Some(_) => shard.rest(room, self.config.idle_rooms_max.div_ceil(SHARD_COUNT)),
            None => drop(shard.rooms.remove(room)),
        }
    }

    fn new_room(&self) -> Room {
        let new_history =
            |limits| History::new(limits, self.next_epoch.fetch_add(1, Ordering::Relaxed));
        Room { members: Members::default(), history: self.config.history.map(new_history) }
    }

    fn shard(&self, room: &str) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(room) as usize;
        &self.shards[hash % SHARD_COUNT]
    }

    /// Who is in any of these rooms; with no rooms, everybody. Each once.
    pub fn members(&self, rooms: &[ByteString]) -> Vec<Arc<Member>> {
        let mut found = Members::default();
        self.each_set(rooms, |_, members, _| {
            found.extend(members.iter().map(|(key, member)| (*key, Arc::clone(member))));
        });
        found.into_values().collect()
    }

    /// What a room remembers now, oldest first.
    pub fn history(&self, room: &str, now: Instant) -> Option<Vec<Stored>> {
        let mut shard = self.shard(room).lock();
        let history = shard.rooms.get_mut(room)?.history.as_mut()?;
        history.forget_old(now);
        Some(history.iter().cloned().collect())
    }

    /// Hands a publication to everybody it is for. `encode` is called once per wire form (and once
    /// more per recoverable room, whose events carry a position).
    pub fn broadcast(
        &self,
        target: Target<'_>,
        publication: Publication<'_>,
        encode: &mut Encode<'_>,
    ) -> Delivery {
        self.broadcast_with(target, publication, encode, &mut |member, prepared| {
            member.push(prepared).map(|()| true)
        })
    }

    /// The same, with `hand_over` in place of [`Member::push`].
    pub fn broadcast_with(
        &self,
        target: Target<'_>,
        publication: Publication<'_>,
        encode: &mut Encode<'_>,
        hand_over: &mut HandOver<'_>,
    ) -> Delivery {
        let mut delivery = Delivery::default();
        let except = self.except(&target);
        let mut seen: HashSet<MemberKey> = HashSet::new();
        let several = target.rooms.len() > 1;
        let mut forms = Forms { position: None, cache: SmallVec::new() };
        if self.config.history.is_some() && publication.remembered.is_some() {
            self.create(target.rooms);
        }
        self.each_set(target.rooms, |room, members, history| {
            let history = history.zip(publication.remembered);
            let position = history
                .map(|(history, now)| history.append(now, publication.name, publication.args));
            if position != forms.position {
                forms = Forms { position, cache: SmallVec::new() };
            }
            let place = position.map(|position| Place { room, position });
            for (key, member) in members {
                if except.contains(key) || several && !seen.insert(*key) {
                    continue;
                }
                let Some(prepared) = forms.get(member.wire, place, encode, &mut delivery) else {
                    continue;
                };
                match hand_over(member, prepared) {
                    Ok(true) => delivery.taken += 1,
                    Ok(false) => delivery.skipped += 1,
                    Err(PushError::Full) => delivery.refused += 1,
                    Err(PushError::Closed) => {}
                }
            }
        });
        delivery
    }

    fn except(&self, target: &Target<'_>) -> HashSet<MemberKey> {
        let mut except: HashSet<MemberKey> = target.except.iter().copied().collect();
        if !target.except_rooms.is_empty() {
            self.each_set(target.except_rooms, |_, members, _| except.extend(members.keys()));
        }
        except
    }

    /// Recoverable rooms remember what was said before anybody came.
    fn create(&self, rooms: &[ByteString]) {
        for room in rooms.iter().filter(|room| room.len() <= self.config.name_len_max) {
            if self.member(room).is_none() {
                let mut shard = self.shard(room).lock();
                if !shard.rooms.contains_key(room) {
                    shard.rooms.insert(room.clone(), self.new_room());
                    shard.rest(room, self.config.idle_rooms_max.div_ceil(SHARD_COUNT));
                }
            }
        }
    }

    /// Calls `visit` with the members of each room, one lock at a time.
    fn each_set(
        &self,
        rooms: &[ByteString],
        mut visit: impl FnMut(&str, &Members, Option<&mut History>),
    ) {
        if rooms.is_empty() {
            visit("", &self.everybody.lock().members, None);
        }
        for room in rooms {
            {
                let mut shard = self.shard(room).lock();
                if let Some(entry) = shard.rooms.get_mut(room) {
                    visit(room, &entry.members, entry.history.as_mut());
                    continue;
                }
            }
            if let Some(member) = self.member(room) {
                visit(room, &Members::from_iter([(member.key, member)]), None);
            }
        }
    }
}

impl Shard {
    /// A room has no members, but a history. Too many such: the one that rests longest is
    /// forgotten.
    fn rest(&mut self, room: &str, idle_max: usize) {
        self.idle.insert(room.into());
        if self.idle.len() > idle_max
            && let Some(oldest) = self.idle.shift_remove_index(0)
        {
            self.rooms.remove(&oldest);
        }
    }
}

/// One event in the wire forms that were needed so far. Few, so a list beats a map.
struct Forms {
    position: Option<Position>,
    cache: SmallVec<[(WireId, Option<Prepared>); 4]>,
}

impl Forms {
    fn get(
        &mut self,
        wire: WireForm,
        place: Option<Place<'_>>,
        encode: &mut Encode<'_>,
        delivery: &mut Delivery,
    ) -> Option<&Prepared> {
        let id = wire.0.id();
        let index = match self.cache.iter().position(|(cached, _)| *cached == id) {
            Some(index) => index,
            None => {
                delivery.encodings += 1;
                self.cache.push((id, encode(wire, place)));
                self.cache.len() - 1
            }
        };
        self.cache.get(index)?.1.as_ref()
    }
}

#[cfg(test)]
mod tests;
