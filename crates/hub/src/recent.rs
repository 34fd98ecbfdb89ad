//! Which publications were made lately, so that one that is repeated is made once.

use crate::detached;
use omniwire_session::ByteString;
use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

/// How long a publication is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentLimits {
    /// Publications of one namespace.
    pub count_max: usize,
    /// Since the first time.
    pub age_max: Duration,
}

/// The ids of publications.
#[derive(Debug)]
pub(crate) struct Recent {
    limits: RecentLimits,
    known: HashSet<ByteString>,
    /// The same, oldest first.
    order: VecDeque<(Instant, ByteString)>,
}

impl Recent {
    pub(crate) fn new(limits: RecentLimits) -> Self {
        Self { limits, known: HashSet::new(), order: VecDeque::new() }
    }

    /// Whether this id is new. From now on it is not.
    pub(crate) fn is_first(&mut self, now: Instant, id: &ByteString) -> bool {
        let RecentLimits { count_max, age_max } = self.limits;
        while let Some((_, old)) =
            self.order.pop_front_if(|(at, _)| now.saturating_duration_since(*at) >= age_max)
        {
            self.known.remove(&old);
        }
        if self.known.contains(id) {
            return false;
        }
        let id = detached(id);
        self.known.insert(id.clone());
        self.order.push_back((now, id));
        if self.order.len() > count_max
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_for_a_while_and_as_long_as_there_are_few() {
        let age_max = Duration::from_secs(10);
        let mut recent = Recent::new(RecentLimits { count_max: 2, age_max });
        let start = Instant::now();
        let mut is_first = |second, id: &str| {
            recent.is_first(start + Duration::from_secs(second), &ByteString::from(id))
        };
        assert!(is_first(0, "a") && !is_first(0, "a") && is_first(5, "b"));
        assert!(!is_first(9, "a"), "that it was repeated makes it no younger");
        assert!(is_first(10, "a"));
        assert!(is_first(11, "c"), "too many: b is forgotten");
        assert!(!is_first(12, "a") && is_first(12, "b") && is_first(13, "a"));
        assert_eq!((recent.known.len(), recent.order.len()), (2, 2));
    }
}
