//! What a namespace published lately, for peers that come back after a lost connection.
//!
//! A peer that comes back names the position of the last event that it received. What it missed
//! is found here by the rooms that it was in. Whoever publishes holds the journal until the event
//! is in every outbox ([`Journal::publish`]), and so does whoever joins, leaves, or comes back:
//! that is why nothing is missed and nothing comes twice, and why it is locked before anything
//! else in the hub.

use crate::lock::{Mutex, MutexGuard};
use crate::member::RoomName;
use crate::{MemberKey, Target, detached};
use omniwire_session::{Args, ByteString, Position, Since, json};
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// How much a journal remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLimits {
    /// Events.
    pub count_max: usize,
    /// Bytes of their names, arguments and rooms.
    pub len_max: usize,
    /// How old an event may be that somebody still misses: as long as it takes to notice that a
    /// connection is lost, and then to come back.
    pub age_max: Duration,
}

/// The last events of a namespace.
#[derive(Debug)]
pub struct Journal {
    limits: JournalLimits,
    epoch: u32,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The offset of the last event.
    head: u64,
    /// The offset of the last event that was forgotten before its time.
    lost: u64,
    len: usize,
    entries: VecDeque<Entry>,
    standings: HashMap<MemberKey, Standing>,
}

/// An event in the journal.
#[derive(Debug)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// Its name.
    pub name: ByteString,
    /// Its arguments.
    pub args: Args,
    at: Instant,
    rooms: Box<[ByteString]>,
    except_rooms: Box<[ByteString]>,
    except: Box<[MemberKey]>,
}

/// What the journal knows of a member that may come back.
#[derive(Debug, Default)]
struct Standing {
    id: ByteString,
    /// The head when it entered.
    entered: u64,
    /// Its rooms, with the head when it joined each.
    rooms: Vec<(RoomName, u64)>,
    /// Texts (hashed) that it may take for a position, with the head when they were said.
    texts: VecDeque<(u64, u64)>,
}

/// An event that is being published. Nobody else publishes, joins or comes back meanwhile.
#[derive(Debug)]
pub struct Publishing<'a> {
    state: MutexGuard<'a, State>,
    position: Option<Position>,
    text: Option<u64>,
}

impl Publishing<'_> {
    /// Where the event stands, if it is remembered.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Whether this member, though it may be away, will get what is remembered.
    pub fn may_return(&self, key: MemberKey) -> bool {
        self.state.standings.contains_key(&key)
    }

    /// The event, which is not remembered, is on its way to this member.
    pub fn told(&mut self, key: MemberKey) {
        if let Some(text) = self.text {
            self.state.told(key, text);
        }
    }
}

impl Journal {
    /// An empty journal. `epoch` must differ from that of any earlier one of the namespace.
    pub fn new(limits: JournalLimits, epoch: u32) -> Self {
        Self { limits, epoch, hasher: RandomState::new(), state: Mutex::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Publishes an event. It is remembered if anybody may come back for it. The event must be
    /// handed out before the result is dropped.
    pub fn publish(
        &self,
        now: Instant,
        target: Target<'_>,
        name: &ByteString,
        args: &Args,
    ) -> Publishing<'_> {
        let mut state = self.state.lock();
        if state.standings.is_empty() {
            return Publishing { state, position: None, text: None };
        }
        state.head = state.head.saturating_add(1);
        let position = Position { epoch: self.epoch, offset: state.head };
        let entry = Entry {
            position,
            name: detached(name),
            args: args.detached(),
            at: now,
            rooms: target.rooms.iter().map(detached).collect(),
            except_rooms: target.except_rooms.iter().map(detached).collect(),
            except: target.except.into(),
        };
        state.len = state.len.saturating_add(entry.len());
        state.entries.push_back(entry);
        state.prune(now, &self.limits);
        Publishing { state, position: Some(position), text: None }
    }

    /// The same for an event that is not remembered: volatile, or one that wants an answer. Each
    /// member that it is handed to must be noted ([`Publishing::told`]). `None` if nobody could
    /// take its end for a position.
    pub fn pass(&self, args: &Args) -> Option<Publishing<'_>> {
        let text = self.hasher.hash_one(&*trailing_text(args)?);
        Some(Publishing { state: self.state.lock(), position: None, text: Some(text) })
    }

    /// Notes for a member that joins what it is told on this occasion, as [`Publishing::told`] does.
    pub(crate) fn note(&self, state: &mut State, key: MemberKey, args: &Args) {
        if let Some(text) = trailing_text(args) {
            state.told(key, self.hasher.hash_one(&*text));
        }
    }

    /// Forgets what is too old.
    pub fn prune(&self, now: Instant) {
        self.state.lock().prune(now, &self.limits);
    }

    /// Whether all that this member missed is known.
    pub fn can_replay(&self, key: MemberKey, since: &Since) -> bool {
        let state = self.state.lock();
        self.offset(&state, key, since).is_some()
    }

    /// The offset of the last event that the member received, if all that followed is known.
    pub(crate) fn offset(&self, state: &State, key: MemberKey, since: &Since) -> Option<u64> {
        let standing = state.standings.get(&key)?;
        let offset = match since {
            Since::Entered => standing.entered,
            Since::Position(position) if position.epoch == self.epoch => position.offset,
            Since::Position(_) => return None,
            Since::Text(text) => {
                let text = self.hasher.hash_one(&**text);
                let mut heads = standing.texts.iter().filter(|said| said.0 == text).map(|s| s.1);
                let first = heads.next()?;
                let last = heads.next_back().unwrap_or(first);
                // Said twice, with something between: which one it received can't be told.
                if state.missed(key, first).any(|entry| entry.position.offset <= last) {
                    return None;
                }
                last
            }
        };
        (state.lost <= offset && offset <= state.head).then_some(offset)
    }
}

/// The text that a client would take for a position: the last argument.
fn trailing_text(args: &Args) -> Option<Cow<'_, str>> {
    let json = args.json().trim_ascii_end();
    if !json.ends_with('"') {
        return None;
    }
    json::unescape(json::elements(json).last()?)
}

impl State {
    pub(crate) fn enter(&mut self, key: MemberKey, id: &str) {
        let standing = Standing { id: id.into(), entered: self.head, ..Standing::default() };
        self.standings.insert(key, standing);
    }

    pub(crate) fn join(&mut self, key: MemberKey, room: RoomName) {
        let head = self.head;
        if let Some(standing) = self.standings.get_mut(&key)
            && !standing.rooms.iter().any(|(joined, _)| *joined == room)
        {
            standing.rooms.push((room, head));
        }
    }

    pub(crate) fn leave(&mut self, key: MemberKey, room: &str) {
        if let Some(standing) = self.standings.get_mut(&key) {
            standing.rooms.retain(|(joined, _)| **joined != *room);
        }
    }

    fn told(&mut self, key: MemberKey, text: u64) {
        let head = self.head;
        let Some(standing) = self.standings.get_mut(&key) else { return };
        if standing.texts.back() != Some(&(text, head)) {
            standing.texts.push_back((text, head));
        }
        if standing.texts.len() > TEXTS_MAX {
            standing.texts.pop_front();
        }
    }

    /// The member won't come back.
    pub(crate) fn forget(&mut self, key: MemberKey) {
        self.standings.remove(&key);
        if self.standings.is_empty() {
            self.standings = HashMap::new();
            self.entries = VecDeque::new();
            self.len = 0;
            self.lost = self.head;
        }
    }

    /// What came for the member after this offset.
    pub(crate) fn missed(&self, key: MemberKey, offset: u64) -> impl Iterator<Item = &Entry> {
        let standing = self.standings.get(&key);
        let first = self.entries.partition_point(|entry| entry.position.offset <= offset);
        let later = self.entries.range(first..);
        later.filter(move |entry| standing.is_some_and(|standing| entry.is_for(key, standing)))
    }

    fn prune(&mut self, now: Instant, limits: &JournalLimits) {
        while let Some(oldest) = self.entries.front() {
            let expired = now.saturating_duration_since(oldest.at) > limits.age_max;
            let full = self.entries.len() > limits.count_max || self.len > limits.len_max;
            if !expired && !full {
                break;
            }
            if !expired {
                self.lost = oldest.position.offset;
            }
            self.len = self.len.saturating_sub(oldest.len());
            self.entries.pop_front();
        }
    }
}

impl Entry {
    fn len(&self) -> usize {
        let rooms = self.rooms.iter().chain(&*self.except_rooms).map(|room| room.len());
        let rooms: usize = rooms.map(|len| len.saturating_add(size_of::<ByteString>())).sum();
        [self.args.size_hint(), rooms, size_of::<Self>()]
            .into_iter()
            .fold(self.name.len(), usize::saturating_add)
    }

    fn is_for(&self, key: MemberKey, standing: &Standing) -> bool {
        let offset = self.position.offset;
        let was_in = |room: &ByteString| {
            *room == standing.id
                || standing.rooms.iter().any(|(joined, since)| **joined == *room && *since < offset)
        };
        (self.rooms.is_empty() || self.rooms.iter().any(was_in))
            && !self.except.contains(&key)
            && !self.except_rooms.iter().any(was_in)
    }
}

/// Texts of one member that are remembered; more than that since the last event with a position,
/// and the client can't be recovered.
const TEXTS_MAX: usize = 64;

#[cfg(test)]
mod tests;
