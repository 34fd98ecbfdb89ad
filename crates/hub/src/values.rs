//! The current values of a room: the newest event of each key, for those who join.

use crate::detached;
use indexmap::IndexMap;
use omniwire_session::{Args, ByteString};

/// How many values a room keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueLimits {
    /// Keys, at most [`KEYS_MAX`]. Of more, the one that was set first is forgotten.
    pub count_max: usize,
    /// Bytes of keys, names and arguments; the same.
    pub len_max: usize,
}

/// More keys than this could not be told apart while they wait in an outbox.
pub const KEYS_MAX: usize = 32_000;

/// The newest event of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// The key.
    pub key: ByteString,
    /// The event's name.
    pub name: ByteString,
    /// Its arguments.
    pub args: Args,
    /// The key's number in its room.
    pub(crate) slot: u16,
}

impl Value {
    fn len(&self) -> usize {
        let words = self.key.len().saturating_add(self.name.len());
        words.saturating_add(self.args.size_hint())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Values {
    entries: IndexMap<ByteString, Value>,
    len: usize,
    last_slot: u16,
    /// All numbers have been given out once.
    wrapped: bool,
}

impl Values {
    /// Keeps an event as the newest of its key, whose number this gives.
    pub(crate) fn set(
        &mut self,
        limits: ValueLimits,
        key: &ByteString,
        name: &ByteString,
        args: &Args,
    ) -> u16 {
        let slot = match self.entries.get(key) {
            Some(value) => value.slot,
            None => self.fresh_slot(),
        };
        let key = detached(key);
        let value = Value { key: key.clone(), name: detached(name), args: args.detached(), slot };
        self.len = self.len.saturating_add(value.len());
        if let Some(older) = self.entries.insert(key, value) {
            self.len = self.len.saturating_sub(older.len());
        }
        let count_max = limits.count_max.min(KEYS_MAX);
        while self.entries.len() > count_max || self.len > limits.len_max {
            self.remove_at(0);
        }
        slot
    }

    /// The number of a key that was forgotten may still be that of what waits, so it is not given
    /// out again before all others were.
    fn fresh_slot(&mut self) -> u16 {
        loop {
            self.last_slot = self.last_slot.wrapping_add(1);
            self.wrapped |= self.last_slot == 0;
            let slot = self.last_slot;
            let is_taken = || self.entries.values().any(|value| value.slot == slot);
            if slot != 0 && !(self.wrapped && is_taken()) {
                return slot;
            }
        }
    }

    /// Forgets a key. Whether it was there.
    pub(crate) fn forget(&mut self, key: &str) -> bool {
        match self.entries.get_index_of(key) {
            Some(index) => self.remove_at(index),
            None => return false,
        }
        true
    }

    fn remove_at(&mut self, index: usize) {
        if let Some((_, value)) = self.entries.shift_remove_index(index) {
            self.len = self.len.saturating_sub(value.len());
        }
    }

    /// All of them, in the order in which their keys were first set.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.entries.values()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ValueLimits = ValueLimits { count_max: 3, len_max: 30 };

    fn keys(values: &Values) -> Vec<&str> {
        values.iter().map(|value| &*value.key).collect()
    }

    #[test]
    fn keeps_the_newest_of_each_key_within_its_limits() {
        let mut values = Values::default();
        let mut set = |key: &str, name: &str| {
            let slot = values.set(LIMITS, &key.into(), &name.into(), &Args::default());
            (slot, keys(&values).join(""), values.len)
        };
        let len = Args::default().size_hint() + 2;
        assert_eq!(set("a", "1"), (1, "a".into(), len));
        assert_eq!(set("b", "1"), (2, "ab".into(), 2 * len));
        assert_eq!(set("a", "2"), (1, "ab".into(), 2 * len));
        assert_eq!(set("c", "1"), (3, "abc".into(), 3 * len));
        assert_eq!(set("d", "1"), (4, "bcd".into(), 3 * len));
        let long = "x".repeat(20);
        assert_eq!(set("b", &long).1, "bcd", "it fits");
        assert_eq!(set("e", &"x".repeat(40)).1, "", "what is too long makes room for nothing");
        assert!(values.is_empty() && values.len == 0);
    }

    #[test]
    fn what_is_forgotten_is_gone_and_its_number_rests() {
        let mut values = Values::default();
        let limits = ValueLimits { count_max: 2, len_max: 1000 };
        let mut set =
            |key: &str| values.set(limits, &key.into(), &ByteString::new(), &Args::default());
        let first = set("stays");
        let mut seen: Vec<u16> = (0..u32::from(u16::MAX))
            .map(|n| {
                // Keeps it the younger of the two.
                values.forget("stays");
                let slot =
                    values.set(limits, &"stays".into(), &ByteString::new(), &Args::default());
                assert_ne!(slot, 0);
                values.set(limits, &n.to_string().into(), &ByteString::new(), &Args::default());
                slot
            })
            .collect();
        seen.truncate(usize::from(u16::MAX / 2) - 1);
        seen.push(first);
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "no number twice before all were given out");
        assert!(values.forget("stays") && !values.forget("stays"));
    }
}
