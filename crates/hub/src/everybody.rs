//! Members in their order, found by number or by id.

use crate::{Member, MemberKey};
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The members of a room. What is said reaches them in the order in which they came, but that the
/// last takes the place of one that leaves; so a simulation does the same each time.
#[derive(Debug)]
pub(crate) struct Members<M> {
    list: Vec<Arc<M>>,
    /// Where each is in the list. A place takes half of what a pointer would.
    places: HashTable<u32>,
}

impl<M> Default for Members<M> {
    fn default() -> Self {
        Self { list: Vec::new(), places: HashTable::new() }
    }
}

impl<M: Member> Members<M> {
    pub(crate) fn as_slice(&self) -> &[Arc<M>] {
        &self.list
    }

    pub(crate) fn into_vec(self) -> Vec<Arc<M>> {
        self.list
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn contains(&self, member: &Arc<M>) -> bool {
        let is_it = |place: &u32| is_at(&self.list, *place, member);
        self.places.find(hash(member.membership().key), is_it).is_some()
    }

    /// Whether it was not there.
    pub(crate) fn insert(&mut self, member: &Arc<M>) -> bool {
        let Self { list, places } = self;
        let place = list.len() as u32;
        let entry = places.entry(
            hash(member.membership().key),
            |place| is_at(list, *place, member),
            |place| list.get(*place as usize).map_or(0, |it| hash(it.membership().key)),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(_) => false,
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                vacant.insert(place);
                list.push(Arc::clone(member));
                true
            }
        }
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, member: &Arc<M>) -> bool {
        let Self { list, places } = self;
        let is_it = |place: &u32| is_at(list, *place, member);
        let Ok(found) = places.find_entry(hash(member.membership().key), is_it) else {
            return false;
        };
        let (place, _) = found.remove();
        list.swap_remove(place as usize);
        if let Some(moved) = list.get(place as usize) {
            let before = list.len() as u32;
            let key = moved.membership().key;
            if let Some(found) = places.find_mut(hash(key), |other| *other == before) {
                *found = place;
            }
        }
        if list.len() < list.capacity() / 4 {
            list.shrink_to(list.len().saturating_mul(2));
            places.shrink_to(list.len().saturating_mul(2), |place| {
                list.get(*place as usize).map_or(0, |it| hash(it.membership().key))
            });
        }
        true
    }
}

fn is_at<M>(list: &[Arc<M>], place: u32, member: &Arc<M>) -> bool {
    list.get(place as usize).is_some_and(|other| Arc::ptr_eq(other, member))
}

/// Numbers are our own, one after the other: nobody can choose them so that they collide.
fn hash(key: MemberKey) -> u64 {
    // The golden ratio spreads them over all bits (Knuth, 6.4), of which tables use both ends.
    let spread = key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread ^ (spread >> 32)
}

/// Everybody in a namespace. Each knows its own place.
#[derive(Debug)]
pub(crate) struct Everybody<M> {
    list: Vec<Arc<M>>,
    /// Places, by id: a member knows its id itself.
    by_id: HashTable<u32>,
    hasher: RandomState,
}

impl<M> Default for Everybody<M> {
    fn default() -> Self {
        Self { list: Vec::new(), by_id: HashTable::new(), hasher: RandomState::new() }
    }
}

impl<M: Member> Everybody<M> {
    pub(crate) fn as_slice(&self) -> &[Arc<M>] {
        &self.list
    }

    pub(crate) fn contains(&self, member: &Arc<M>) -> bool {
        is_at(&self.list, member.membership().place.load(Ordering::Relaxed), member)
    }

    /// One that has the id of an earlier one is found in its place.
    pub(crate) fn insert(&mut self, member: Arc<M>) {
        let Self { list, by_id, hasher } = self;
        let place = list.len() as u32;
        member.membership().place.store(place, Ordering::Relaxed);
        list.push(member);
        let id_at = |place: &u32| list.get(*place as usize).map(|it| &*it.membership().id);
        let own = id_at(&place);
        let entry = by_id.entry(
            hasher.hash_one(own),
            |other| id_at(other) == own,
            |other| hasher.hash_one(id_at(other)),
        );
        *entry.insert(place).get_mut() = place;
    }

    pub(crate) fn remove(&mut self, member: &Arc<M>) {
        if !self.contains(member) {
            return;
        }
        let Self { list, by_id, hasher } = self;
        let hash_of = |member: &M| hasher.hash_one(Some(&*member.membership().id));
        let place = member.membership().place.load(Ordering::Relaxed);
        if let Ok(found) = by_id.find_entry(hash_of(member), |other| *other == place) {
            found.remove();
        }
        list.swap_remove(place as usize);
        if let Some(moved) = list.get(place as usize) {
            let before = moved.membership().place.swap(place, Ordering::Relaxed);
            if let Some(found) = by_id.find_mut(hash_of(moved), |other| *other == before) {
                *found = place;
            }
        }
    }

    /// The member with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Arc<M>> {
        let at = |place: &u32| self.list.get(*place as usize);
        let is_it = |place: &u32| at(place).is_some_and(|it| it.membership().id == id);
        at(self.by_id.find(self.hasher.hash_one(Some(id)), is_it)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lone, Membership, OutboxLimits};
    use omniwire_session::{Encoding, Link, Outgoing, Wire, WireForm, WireId};

    #[derive(Debug)]
    struct Dumb;

    impl Wire for Dumb {
        fn id(&self) -> WireId {
            WireId(0)
        }

        fn encode(&self, _: &str, _: Outgoing<'_>, _: &mut Encoding) {}
    }

    static DUMB: &dyn Wire = &Dumb;

    fn member(number: u64, id: &str) -> Arc<Lone> {
        let limits = OutboxLimits { len_max: 1, count_max: 1 };
        let (key, wire) = (MemberKey(number), WireForm(&DUMB));
        Arc::new(Lone::new(Membership::new(key, id.into(), wire, Link::FIRST), limits))
    }

    #[test]
    fn members_are_found_by_id_until_they_are_gone() {
        let mut everybody = Everybody::default();
        let all: Vec<_> = (0..1000).map(|number| member(number, &format!("m{number}"))).collect();
        all.iter().for_each(|member| everybody.insert(Arc::clone(member)));
        let found = |everybody: &Everybody<Lone>, id: &str| everybody.find(id).map(|it| it.key.0);
        assert!((0..1000).all(|number| found(&everybody, &format!("m{number}")) == Some(number)));
        // The same id anew: the older one goes without taking the newer one along.
        everybody.insert(member(1000, "m7"));
        assert_eq!(found(&everybody, "m7"), Some(1000));
        everybody.remove(&all[7]);
        assert_eq!(found(&everybody, "m7"), Some(1000));
        everybody.remove(&all[8]);
        everybody.remove(&all[8]);
        assert_eq!((found(&everybody, "m8"), found(&everybody, "m9")), (None, Some(9)));
        assert_eq!(everybody.as_slice().len(), 999);
        assert!(everybody.contains(&all[9]) && !everybody.contains(&all[8]));
        let stranger = member(9, "m9");
        assert!(!everybody.contains(&stranger), "another one of the same number and id");
        everybody.remove(&stranger);
        assert_eq!(found(&everybody, "m9"), Some(9));
    }

    #[test]
    fn whoever_leaves_a_room_the_others_stay_in_it_once_each() {
        let all: Vec<_> = (0..200).map(|number| member(number, "")).collect();
        let mut members = Members::default();
        assert!(all.iter().all(|member| members.insert(member)));
        assert!(!all.iter().any(|member| members.insert(member)));
        // Odd ones first, from the middle outwards.
        for number in (0..200).map(|n| (n * 67 + 100) % 200) {
            assert!(members.remove(&all[number]) && !members.remove(&all[number]));
            let mut left: Vec<_> = members.as_slice().iter().map(|it| it.key.0).collect();
            left.sort_unstable();
            left.dedup();
            assert_eq!(left.len(), members.len());
            assert!(!left.contains(&(number as u64)));
        }
        assert!(members.is_empty());
        assert!(members.list.capacity() <= 4, "an empty room keeps no memory");
    }
}
