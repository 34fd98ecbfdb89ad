//! Panics of ours, and of gates and the like that applications give us; those of handlers are
//! `session/peers/guarded.rs`' own. Each costs the one session, request or connection in which it
//! happened, and is counted.

use crate::quoted::quoted;
use crate::server::{Counters, Shared};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Does something. `None`: it panicked, and what it was at must not be used again.
pub(crate) fn contain<T>(counters: &Counters, work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(panic) => {
            count(counters, text_of(&*panic));
            None
        }
    }
}

/// What a panic said.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message")
}

pub(crate) fn count(counters: &Counters, message: &str) {
    counters.panics.fetch_add(1, Ordering::Relaxed);
    tracing::error!(error = %quoted(message), "a bug: a panic ended what was under way");
}

/// Called where what a connection's task holds is dropped.
pub(crate) fn count_if_panicking(shared: &Shared) {
    if std::thread::panicking() {
        count(&shared.counters, "in a connection's task");
    }
}

/// Held by the task of a connection, with which it is dropped: counts the panic that ends the task,
/// if one does. The runtime has caught it.
#[derive(Debug)]
pub(crate) struct Witness(pub(crate) Arc<Shared>);

impl Drop for Witness {
    fn drop(&mut self) {
        count_if_panicking(&self.0);
    }
}

#[cfg(test)]
mod tests;
