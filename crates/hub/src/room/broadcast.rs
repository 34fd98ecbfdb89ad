//! Handing what is published to everybody it is for: encoded once per wire form.

use super::{Hub, Kept};
use crate::everybody::Members;
use crate::member::RoomName;
use crate::{Manner, Member, MemberKey, Membership, PushError, Pushed, SlowPolicy};
use omniwire_session::{Args, ByteString, Lane, Place, Position, Prepared, WireForm, WireId};
use smallvec::SmallVec;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// Whom a broadcast is for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'a> {
    /// The members of any of these rooms, each once. A member is always in the room of its id.
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
    /// Set if it is a value: rooms keep the newest of each key for those who join, and it takes
    /// the place of an older one that still waits for a member (of the same room; or, of those
    /// to everybody, to its id and to hidden rooms, any). Histories do not remember it.
    pub key: Option<&'a ByteString>,
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
    /// Messages that were thrown away because members were slow, where the rooms' policy allows.
    pub dropped: usize,
    /// Values that took the place of older ones which had not left yet.
    pub replaced: usize,
    /// It was published before, under the same id, and not again.
    pub repeated: bool,
    /// How often the event was encoded: once per wire form.
    pub encodings: usize,
}

/// Encodes one event for a wire form. `None`: that kind of peer has no words for it.
pub type Encode<'a> = dyn FnMut(WireForm, Option<Place<'_>>) -> Option<Prepared> + 'a;

/// Hands an encoded event to one member, for whom it waits in this manner. Called with the room
/// locked.
pub type HandOver<'a, M> = dyn FnMut(&Arc<M>, &Prepared, Manner) -> Result<Pushed, PushError> + 'a;

impl<M: Member> Hub<M> {
    /// Hands a publication to everybody it is for. `encode` is called once per wire form (and once
    /// more per recoverable room, whose events carry a position).
    pub fn broadcast(
        &self,
        target: Target<'_>,
        publication: Publication<'_>,
        encode: &mut Encode<'_>,
    ) -> Delivery {
        self.broadcast_with(target, publication, encode, &mut |member, prepared, manner| {
            member.push_in(prepared, manner)
        })
    }

    /// The same, with `hand_over` in place of [`Member::push_in`].
    pub fn broadcast_with(
        &self,
        target: Target<'_>,
        publication: Publication<'_>,
        encode: &mut Encode<'_>,
        hand_over: &mut HandOver<'_, M>,
    ) -> Delivery {
        let mut delivery = Delivery::default();
        let except = self.except(&target);
        let mut seen: HashSet<MemberKey> = HashSet::new();
        let several = target.rooms.len() > 1;
        let mut forms = Forms { position: None, cache: SmallVec::new() };
        let is_kept = self.config.history.is_some() && publication.remembered.is_some();
        if is_kept || publication.key.is_some() {
            self.create(target.rooms);
        }
        self.each_set(target.rooms, |room, members, kept| {
            let (position, manner) = match kept.filter(|_| !self.config.is_hidden(room)) {
                Some(kept) => (kept.remember(publication), self.keep_value(kept, publication)),
                None => (None, self.pass_value(publication)),
            };
            if position != forms.position {
                forms = Forms { position, cache: SmallVec::new() };
            }
            let place = position.map(|position| Place { room, position });
            for member in fetched_ahead(members) {
                let Membership { key, wire, .. } = member.membership();
                if except.contains(key) || several && !seen.insert(*key) {
                    continue;
                }
                let Some(prepared) = forms.get(*wire, place, encode, &mut delivery) else {
                    continue;
                };
                match hand_over(member, prepared, manner) {
                    Ok(pushed) => delivery.count(pushed),
                    Err(PushError::Full) => {
                        delivery.refused = delivery.refused.saturating_add(1);
                    }
                    Err(PushError::Closed) => {}
                }
            }
        });
        delivery
    }

    /// Whom something would be for. Each once.
    pub fn members(&self, target: Target<'_>) -> Vec<Arc<M>> {
        let except = self.except(&target);
        let mut found = Members::default();
        self.each_set(target.rooms, |_, members, _| {
            let wanted = |member: &&Arc<M>| !except.contains(&member.membership().key);
            for member in members.iter().filter(wanted) {
                found.insert(member);
            }
        });
        found.into_vec()
    }

    fn except(&self, target: &Target<'_>) -> HashSet<MemberKey> {
        let mut except: HashSet<MemberKey> = target.except.iter().copied().collect();
        if !target.except_rooms.is_empty() {
            self.each_set(target.except_rooms, |_, members, _| {
                except.extend(members.iter().map(|member| member.membership().key));
            });
        }
        except
    }

    /// Recoverable rooms, and those with values, remember what was said before anybody came.
    fn create(&self, rooms: &[ByteString]) {
        let may_be = |room: &&ByteString| {
            room.len() <= self.config.name_len_max && !self.config.is_hidden(room)
        };
        for room in rooms.iter().filter(may_be) {
            if self.member(room).is_none() {
                let mut shard = self.shard(room).lock();
                let is_there = shard.rooms.contains_key(&**room);
                if !is_there && self.find_or_make(&mut shard, &RoomName::new(room)).is_some() {
                    self.rest(&mut shard, room);
                }
            }
        }
    }

    /// Keeps a value, and says how the publication waits for members.
    fn keep_value(&self, kept: &mut Kept, publication: Publication<'_>) -> Manner {
        let Publication { name, args, key, .. } = publication;
        if let Some(key) = key {
            if kept.lane == 0 {
                kept.lane = self.config.lanes.fresh();
            }
            let values = kept.values.get_or_insert_default();
            let slot = values.set(self.config.values, key, name, args);
            return kept.manner(slot);
        }
        kept.manner(0)
    }

    /// The same outside of rooms and in hidden ones, where no value is kept.
    fn pass_value(&self, publication: Publication<'_>) -> Manner {
        let Some(key) = publication.key else { return Manner::default() };
        let (limits, no_name) = (self.config.values, ByteString::new());
        let slot = self.loose.lock().set(limits, key, &no_name, &Args::default());
        let lane = Lane { room: self.loose_lane, key: slot };
        Manner { lane, slow: SlowPolicy::Close }
    }
}

/// The members, and their outboxes are near: asking for one after the other would be waiting for
/// each.
fn fetched_ahead<M: Member>(members: &[Arc<M>]) -> impl Iterator<Item = &Arc<M>> {
    members.chunks(FETCHED_COUNT).flat_map(|some| {
        some.iter().for_each(|member| member.outbox().fetch());
        some
    })
}

/// Few enough that the first is still near when the last has come.
const FETCHED_COUNT: usize = 16;

impl Delivery {
    fn count(&mut self, pushed: Pushed) {
        let Pushed { taken, replaced, dropped, .. } = pushed;
        self.taken = self.taken.saturating_add(taken.into());
        self.replaced = self.replaced.saturating_add(replaced.into());
        self.dropped = self.dropped.saturating_add(dropped);
        self.skipped = self.skipped.saturating_add((!taken && dropped == 0).into());
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
                delivery.encodings = delivery.encodings.saturating_add(1);
                self.cache.push((id, encode(wire, place)));
                self.cache.len().saturating_sub(1)
            }
        };
        self.cache.get(index)?.1.as_ref()
    }
}
