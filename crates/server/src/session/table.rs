//! Finds a session by its token.

use super::cell::Cell;
use omniwire_session::ByteString;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// All sessions of a server. The table keeps those alive that can be found: they end by their own
/// state machine's word, never by being dropped.
#[derive(Debug, Default)]
pub(crate) struct Table {
    by_token: Mutex<HashMap<ByteString, Arc<Cell>>>,
    /// Sessions that nothing can find, for shutdown.
    unlisted: Mutex<HashMap<usize, Weak<Cell>>>,
    count: AtomicUsize,
}

fn address(cell: &Arc<Cell>) -> usize {
    Arc::as_ptr(cell) as usize
}

impl Table {
    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn opened(&self, cell: &Arc<Cell>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if cell.token().is_empty() {
            self.unlisted.lock().insert(address(cell), Arc::downgrade(cell));
        } else {
            self.by_token.lock().insert(cell.token().clone(), Arc::clone(cell));
        }
    }

    pub(crate) fn closed(&self, cell: &Arc<Cell>) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        if cell.token().is_empty() {
            self.unlisted.lock().remove(&address(cell));
            return;
        }
        let mut by_token = self.by_token.lock();
        if by_token.get(cell.token()).is_some_and(|listed| Arc::ptr_eq(listed, cell)) {
            by_token.remove(cell.token());
        }
    }

    pub(crate) fn find(&self, token: &str) -> Option<Arc<Cell>> {
        self.by_token.lock().get(token).cloned()
    }

    /// Every session.
    pub(crate) fn all(&self) -> Vec<Arc<Cell>> {
        let mut all: Vec<_> = self.by_token.lock().values().cloned().collect();
        all.extend(self.unlisted.lock().values().filter_map(Weak::upgrade));
        all
    }
}
