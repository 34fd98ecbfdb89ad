//! A peer that takes nothing of what is written to it.

use crate::session::cell::Cell;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Runs while something waits to be written, from the last time that some of it was taken.
#[derive(Debug, Default)]
pub(super) struct Stall(Option<(Pin<Box<Sleep>>, usize)>);

impl Stall {
    pub(super) fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// The peer has taken all.
    pub(super) fn end(&mut self, cell: &Cell) {
        if self.0.take().is_some() {
            cell.outbox.set_unwritten(0);
        }
    }

    /// What is left to write has a time of its own.
    pub(super) fn restart(&mut self) {
        self.0 = None;
    }

    /// Ready when the peer has taken nothing of this many bytes for so long.
    pub(super) fn poll(
        &mut self,
        cell: &Cell,
        unwritten: usize,
        timeout: Duration,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let stalled = match self.0.take() {
            Some((sleep, before)) if before == unwritten => (sleep, before),
            _ => {
                cell.outbox.set_unwritten(unwritten);
                (Box::pin(tokio::time::sleep(timeout)), unwritten)
            }
        };
        self.0.insert(stalled).0.as_mut().poll(context)
    }
}

/// Counts a peer that is cut off for that, and says so in the log.
pub(super) fn count_slow(cell: &Cell, timeout: Duration, unwritten: usize) {
    cell.terms.shared.counters.slow_peers.fetch_add(1, Relaxed);
    let why = format!("it has taken nothing for {timeout:?}, {unwritten} bytes wait");
    cell.log_slow(&(why + " beside its outbox: it is cut off"));
}
