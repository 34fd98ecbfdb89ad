//! A peer that takes nothing of what is written to it.

use crate::server::Shared;
use crate::session::cell::Cell;
use http::Response;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Weak;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Runs while something waits to be written, from the last time that some of it was taken.
#[derive(Debug, Default)]
pub(super) struct Stall(Option<(Pin<Box<Sleep>>, u64)>);

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

    /// Ready when the peer has taken nothing of what is `unwritten` for so long: so much has been
    /// `written` since the beginning.
    pub(super) fn poll(
        &mut self,
        cell: &Cell,
        (written, unwritten): (u64, usize),
        timeout: Duration,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        cell.outbox.set_unwritten(unwritten);
        let stalled = self.0.take().filter(|(_, before)| *before == written);
        let stalled = stalled.unwrap_or_else(|| (Box::pin(tokio::time::sleep(timeout)), written));
        self.0.insert(stalled).0.as_mut().poll(context)
    }
}

/// The session of which an answer is the stream; with the answer until it is written.
#[derive(Debug, Clone)]
pub(crate) struct Carried(pub(super) Weak<Cell>);

/// Who gets an answer.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    remote: SocketAddr,
    carried: Option<Carried>,
}

impl Reader {
    /// Of this answer, which goes there.
    pub(crate) fn of<B>(response: &Response<B>, remote: SocketAddr) -> Self {
        Self { remote, carried: response.extensions().get().cloned() }
    }

    /// Counts it as one that is cut off, since it takes nothing, and says so in the log.
    pub(crate) fn count_slow(&self, shared: &Shared) {
        shared.counters.slow_peers.fetch_add(1, Relaxed);
        let timeout = shared.limits.write_timeout;
        let why = format!("it has taken nothing of an answer for {timeout:?}: it is cut off");
        match self.carried.as_ref().and_then(|Carried(cell)| cell.upgrade()) {
            Some(cell) => cell.log_slow(&why),
            None => tracing::warn!(remote = %self.remote, "a peer is slow: {why}"),
        }
    }
}

/// Counts a peer that is cut off for that, and says so in the log.
pub(super) fn count_slow(cell: &Cell, timeout: Duration, unwritten: usize) {
    cell.terms.shared.counters.slow_peers.fetch_add(1, Relaxed);
    let why = format!("it has taken nothing for {timeout:?}, {unwritten} bytes wait");
    cell.log_slow(&(why + " beside its outbox: it is cut off"));
}
