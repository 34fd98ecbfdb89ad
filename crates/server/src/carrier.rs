//! What brings the bytes: written once, shared by all protocols. A session decides *what* leaves
//! on a carrier; these decide *how*.

pub(crate) mod compression;
#[cfg(unix)]
pub(crate) mod engine;
pub(crate) mod gzip;
pub(crate) mod intake;
pub(crate) mod long_poll;
mod offered;
pub(crate) mod reading;
pub(crate) mod stall;
pub(crate) mod stream;
#[cfg_attr(not(feature = "http3"), expect(dead_code, reason = "its far end is HTTP/3's"))]
pub(crate) mod tunnel;
pub(crate) mod upgrade;
pub(crate) mod upstream;
pub(crate) mod websocket;
pub(crate) mod webtransport;

use crate::edge::crowd::Counted;
use crate::session::cell::Cell;
use omniwire_session::{CarrierId, Detached};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A carrier's place in its session: given up as lost if it is dropped before its work is done.
pub(crate) struct Place {
    pub(crate) cell: Arc<Cell>,
    pub(crate) id: CarrierId,
    /// Of a TCP connection that was taken out of the HTTP that counted it.
    _counted: Option<Counted>,
}

impl Place {
    pub(crate) fn new(cell: &Arc<Cell>, id: CarrierId) -> Self {
        cell.terms.shared.counters.connections.fetch_add(1, Relaxed);
        Self { cell: Arc::clone(cell), id, _counted: None }
    }

    /// The same, for what outlives the HTTP that it came by: it is counted until it ends.
    pub(crate) fn counted(mut self, count: Option<Counted>) -> Self {
        self._counted = count;
        self
    }

    /// So many messages leave, of so many bytes.
    fn count_out(&self, count: u64, len: u64) {
        let counters = &self.cell.terms.shared.counters;
        counters.messages_out.fetch_add(count, Relaxed);
        counters.bytes_out.fetch_add(len, Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.cell.terms.shared.counters.connections.fetch_sub(1, Relaxed);
        // Does nothing if the session knows already.
        self.cell.detach(self.id, Detached::Lost);
    }
}
