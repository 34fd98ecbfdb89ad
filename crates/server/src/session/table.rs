//! Finds a session by its token.

use super::cell::Cell;
use hashbrown::HashTable;
use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// All sessions of a server. The table keeps those alive that can be found: they end by their own
/// state machine's word, never by being dropped.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Without the tokens: a session knows its own.
    by_token: Mutex<HashTable<Arc<Cell>>>,
    /// Sessions that nothing can find, for shutdown, by where they are.
    unlisted: Mutex<HashTable<Weak<Cell>>>,
    hasher: RandomState,
    count: AtomicUsize,
}

impl Table {
    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn opened(&self, cell: &Arc<Cell>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if cell.token().is_empty() {
            let hash = |cell: &Weak<Cell>| self.hasher.hash_one(cell.as_ptr());
            let cell = Arc::downgrade(cell);
            self.unlisted.lock().insert_unique(hash(&cell), cell, hash);
            return;
        }
        let hash = |cell: &Arc<Cell>| self.hasher.hash_one(&**cell.token());
        let mut by_token = self.by_token.lock();
        let same = |other: &Arc<Cell>| other.token() == cell.token();
        by_token.entry(hash(cell), same, hash).insert(Arc::clone(cell));
    }

    pub(crate) fn closed(&self, cell: &Arc<Cell>) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        if cell.token().is_empty() {
            let (hash, at) = (self.hasher.hash_one(Arc::as_ptr(cell)), Arc::as_ptr(cell));
            let mut unlisted = self.unlisted.lock();
            if let Ok(entry) = unlisted.find_entry(hash, |other| other.as_ptr() == at) {
                entry.remove();
            }
            return;
        }
        let hash = self.hasher.hash_one(&**cell.token());
        let mut by_token = self.by_token.lock();
        if let Ok(entry) = by_token.find_entry(hash, |other| Arc::ptr_eq(other, cell)) {
            entry.remove();
        }
    }

    pub(crate) fn find(&self, token: &str) -> Option<Arc<Cell>> {
        let hash = self.hasher.hash_one(token);
        self.by_token.lock().find(hash, |cell| **cell.token() == *token).cloned()
    }

    /// Every session.
    pub(crate) fn all(&self) -> Vec<Arc<Cell>> {
        let mut all: Vec<_> = self.by_token.lock().iter().cloned().collect();
        all.extend(self.unlisted.lock().iter().filter_map(Weak::upgrade));
        all
    }
}
