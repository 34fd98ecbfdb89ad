//! Everybody in a namespace, found by number and by id.

use crate::{Member, MemberKey};
use hashbrown::HashTable;
use indexmap::IndexMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Members by number.
pub(crate) type Members = IndexMap<MemberKey, Arc<Member>, RandomState>;

#[derive(Debug, Default)]
pub(crate) struct Everybody {
    members: Members,
    /// Numbers alone: a member knows its id itself.
    by_id: HashTable<MemberKey>,
}

impl Everybody {
    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// One that has the id of an earlier one is found in its place.
    pub(crate) fn insert(&mut self, member: Arc<Member>) {
        let key = member.key;
        self.members.insert(key, Arc::clone(&member));
        let members = &self.members;
        let hasher = members.hasher();
        let entry = self.by_id.entry(
            hasher.hash_one(&*member.id),
            |other| members.get(other).is_some_and(|other| other.id == member.id),
            |other| members.get(other).map_or(0, |other| hasher.hash_one(&*other.id)),
        );
        *entry.insert(key).get_mut() = key;
    }

    pub(crate) fn remove(&mut self, member: &Member) {
        let hash = self.members.hasher().hash_one(&*member.id);
        if let Ok(entry) = self.by_id.find_entry(hash, |key| *key == member.key) {
            entry.remove();
        }
        self.members.swap_remove(&member.key);
    }

    /// The member with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Member>> {
        let hash = self.members.hasher().hash_one(id);
        let is_it = |key: &MemberKey| self.members.get(key).is_some_and(|other| *other.id == *id);
        self.members.get(self.by_id.find(hash, is_it)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outbox, OutboxLimits};
    use omniwire_session::{Encoding, Link, Outgoing, Wire, WireForm, WireId};

    #[derive(Debug)]
    struct Dumb;

    impl Wire for Dumb {
        fn id(&self) -> WireId {
            WireId(0)
        }

        fn encode(&self, _: &str, _: Outgoing<'_>, _: &mut Encoding) {}
    }

    #[test]
    fn members_are_found_by_id_until_they_are_gone() {
        let outbox = Arc::new(Outbox::new(OutboxLimits { len_max: 1, count_max: 1 }));
        let member = |number: u64, id: &str| {
            let outbox = Arc::clone(&outbox);
            let (key, wire) = (MemberKey(number), WireForm(&Dumb));
            Arc::new(Member::new(key, id.into(), wire, Link::FIRST, outbox))
        };
        let mut everybody = Everybody::default();
        let all: Vec<_> = (0..1000).map(|number| member(number, &format!("m{number}"))).collect();
        all.iter().for_each(|member| everybody.insert(Arc::clone(member)));
        let found = |everybody: &Everybody, id: &str| everybody.find(id).map(|it| it.key.0);
        assert!((0..1000).all(|number| found(&everybody, &format!("m{number}")) == Some(number)));
        // The same id anew: the older one goes without taking the newer one along.
        everybody.insert(member(1000, "m7"));
        assert_eq!(found(&everybody, "m7"), Some(1000));
        everybody.remove(&all[7]);
        assert_eq!(found(&everybody, "m7"), Some(1000));
        everybody.remove(&all[8]);
        assert_eq!((found(&everybody, "m8"), found(&everybody, "m9")), (None, Some(9)));
        assert_eq!(everybody.members().len(), 999);
    }
}
