//! Heads that are alike are kept once: many clients of one page differ by their port alone.

use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::{Arc, Weak};

/// Some of the heads that sessions keep.
#[derive(Debug)]
pub(crate) struct Heads {
    /// By their hash. One that is alive no more, or that others have displaced, is shared no more.
    places: Mutex<Vec<Place>>,
    hasher: RandomState,
}

type Place = Option<Weak<Head>>;

/// A head, with its length: so that each of those that have it keeps a pointer only.
pub(crate) struct Head(Box<[u8]>);

impl Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Enough for the browsers that are in use, with some paths each.
const PLACES: usize = 256;

/// Longer ones have cookies, most often, and are like no other.
const SHARED_LEN_MAX: usize = 1024;

impl Default for Heads {
    fn default() -> Self {
        Self { places: Mutex::new(vec![None; PLACES]), hasher: RandomState::new() }
    }
}

impl Heads {
    /// This head, in one piece with those of others that are alike.
    pub(crate) fn share(&self, head: &[u8]) -> Arc<Head> {
        let own = || Arc::new(Head(head.into()));
        if head.len() > SHARED_LEN_MAX {
            return own();
        }
        let index = self.hasher.hash_one(head) as usize % PLACES;
        let mut places = self.places.lock();
        let Some(place) = places.get_mut(index) else { return own() };
        let known = place.as_ref().and_then(Weak::upgrade).filter(|known| *known.0 == *head);
        known.unwrap_or_else(|| {
            let head = own();
            *place = Some(Arc::downgrade(&head));
            head
        })
    }
}
