//! What all sessions of a server share, and the server as the application holds it.

use crate::app::dynamic::DynamicSpaces;
use crate::app::namespace::NamespaceHandle;
use crate::app::space::Space;
use crate::carrier::intake::Intake;
#[cfg(unix)]
use crate::carrier::{
    engine::{Engines, Socket},
    websocket::Carried,
};
use crate::clock;
use crate::edge::crowd::Crowd;
use crate::edge::hosts::Hosts;
use crate::mount::Mounts;
use crate::request::Heads;
use crate::session::backlog::Backlog;
use crate::session::peers::{AtWork, Lines};
use crate::session::table::Table;
use crate::session::timers::Timers;
use omniwire_session::limits::Limits;
use omniwire_session::{ByteString, Input, Reason, later};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What all sessions of a server share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) hosts: Hosts,
    pub(crate) spaces: HashMap<ByteString, Arc<Space>>,
    pub(crate) dynamic: DynamicSpaces,
    pub(crate) table: Table,
    /// Of the requests that sessions keep.
    pub(crate) heads: Heads,
    /// No new sessions are wanted.
    pub(crate) draining: AtomicBool,
    pub(crate) timers: Arc<Timers>,
    #[cfg(unix)]
    pub(crate) engines: Engines<Carried<Socket>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) at_work: AtWork,
    /// Of handlers, as far as they were logged.
    pub(crate) failures: Mutex<Lines>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("sessions", &self.table.len()).finish_non_exhaustive()
    }
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Carriers that exist now.
    pub(crate) connections: AtomicUsize,
    pub(crate) sessions_opened: AtomicU64,
    pub(crate) sessions_closed: AtomicU64,
    pub(crate) sessions_refused: AtomicU64,
    pub(crate) messages_in: AtomicU64,
    pub(crate) messages_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) slow_peers: AtomicU64,
    pub(crate) slow_shed: AtomicU64,
    pub(crate) slow_dropped: AtomicU64,
    pub(crate) values_replaced: AtomicU64,
    pub(crate) handler_panics: AtomicU64,
    pub(crate) panics: AtomicU64,
}

impl Shared {
    /// The namespace of this name, if it exists now.
    pub(crate) fn space(&self, name: &str) -> Option<Arc<Space>> {
        self.spaces.get(name).cloned().or_else(|| self.dynamic.find(name))
    }

    /// The namespace of this name for a client that asks to enter it.
    pub(crate) fn enter_space(&self, name: &ByteString) -> Option<Arc<Space>> {
        self.spaces.get(name).cloned().or_else(|| self.dynamic.enter(name))
    }
}

/// A name that nobody can guess: 128 bits from the system's generator, in base64url.
pub(crate) fn fresh_id() -> ByteString {
    use base64::Engine as _;
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes).into()
}

/// Counts one more that was refused. How many there were, if it is to have a line in the log: a
/// flood must not become a flood of lines.
pub(crate) fn note_refusal(refused: &AtomicU64) -> Option<u64> {
    let count = refused.fetch_add(1, Ordering::Relaxed).saturating_add(1);
    count.is_power_of_two().then_some(count)
}

/// How fast a server empties: [`Omniwire::drain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// How long the server is not ready before the first session ends, so that load balancers
    /// notice.
    pub delay: Duration,
    /// Sessions that end in a second; more, if `time_max` would not do.
    pub rate: u32,
    /// How long all sessions together may take to end.
    pub time_max: Duration,
    /// How long handlers may still be at work when all sessions have ended.
    pub handlers_time_max: Duration,
}

impl Default for Drain {
    /// No delay; 500 sessions a second; 20 seconds at most, and 5 for handlers.
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            rate: 500,
            time_max: Duration::from_secs(20),
            handlers_time_max: Duration::from_secs(5),
        }
    }
}

impl Drain {
    /// The time from one of so many sessions to the next.
    fn pace(&self, count: usize) -> Duration {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let part = |time: Duration, of: u32| time.checked_div(of.max(1)).unwrap_or_default();
        part(Duration::from_secs(1), self.rate).min(part(self.time_max, count))
    }
}

/// A server: the namespaces, where each protocol is mounted, and the sessions. Cheap to clone.
///
/// It is a [`tower_service`-style](https://docs.rs/tower-service) service by
/// [`Omniwire::router`], or a whole server by [`crate::serve`].
#[derive(Debug, Clone)]
pub struct Omniwire {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mounts: Arc<Mounts>,
}

/// What a server has done since its start, and what it holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that are open.
    pub sessions: usize,
    /// Sessions that were refused because there were too many, or too many of one address.
    pub sessions_refused: u64,
    /// Connections that carry them now: WebSockets, streams, waiting polls.
    pub connections: usize,
    /// WebSocket messages that came in.
    pub messages_in: u64,
    /// WebSocket messages that went out.
    pub messages_out: u64,
    /// Bytes of payload that came in by WebSocket.
    pub bytes_in: u64,
    /// Bytes of payload that went out by WebSocket.
    pub bytes_out: u64,
    /// Peers that were closed because they were slow.
    pub slow_peers_closed: u64,
    /// Of those, the ones that were closed since all outboxes together were full
    /// ([`Limits::outboxes_len_max`](crate::Limits)).
    pub slow_peers_shed: u64,
    /// Bytes that wait to leave now, over all sessions.
    pub outboxes_len: usize,
    /// Messages that were dropped for slow peers ([`crate::Namespace::slow_peers`]).
    pub slow_messages_dropped: u64,
    /// Values that newer ones replaced before they had left ([`crate::Audience::emit_latest`]).
    pub values_replaced: u64,
    /// TCP and QUIC connections that are open, whatever they carry, where [`crate::serve`] listens.
    pub tcp_connections: usize,
    /// TCP and QUIC connections that were refused because there were too many.
    pub tcp_refused: u64,
    /// Handlers that panicked. Each cost one call; each is a bug.
    pub handler_panics: u64,
    /// Panics elsewhere. Each cost one session, request or connection; each is a bug.
    pub panics: u64,
}

impl Omniwire {
    /// The namespace of this name, seen from outside its handlers.
    pub fn namespace(&self, name: &str) -> Option<NamespaceHandle> {
        self.shared.space(name).map(NamespaceHandle)
    }

    /// Counts.
    pub fn stats(&self) -> Stats {
        use std::sync::atomic::Ordering::Relaxed;
        let counters = &self.shared.counters;
        Stats {
            sessions: self.shared.table.len(),
            sessions_refused: counters.sessions_refused.load(Relaxed),
            connections: counters.connections.load(Relaxed),
            messages_in: counters.messages_in.load(Relaxed),
            messages_out: counters.messages_out.load(Relaxed),
            bytes_in: counters.bytes_in.load(Relaxed),
            bytes_out: counters.bytes_out.load(Relaxed),
            slow_peers_closed: counters.slow_peers.load(Relaxed),
            slow_peers_shed: counters.slow_shed.load(Relaxed),
            outboxes_len: self.shared.backlog.waiting.len(),
            slow_messages_dropped: counters.slow_dropped.load(Relaxed),
            values_replaced: counters.values_replaced.load(Relaxed),
            tcp_connections: self.shared.crowd.connections(),
            tcp_refused: self.shared.crowd.refused(),
            handler_panics: counters.handler_panics.load(Relaxed),
            panics: counters.panics.load(Relaxed),
        }
    }

    /// Whether the server is to be given new clients: until it drains. For the answer to your
    /// load balancer's readiness check.
    pub fn is_ready(&self) -> bool {
        !self.shared.draining.load(Ordering::Relaxed)
    }

    /// Empties the server: from now on it is not ready ([`Omniwire::is_ready`]) and refuses new
    /// sessions (503, `Retry-After`), and after a while its sessions end one after the other, each
    /// told in its protocol's own words to come back, which may then be elsewhere. Listeners go on:
    /// clients that poll need them. Ready when every session was told, and no handler is at work
    /// any more ([`Omniwire::handlers_done`]). To hurry, drop the future and call
    /// [`Omniwire::shut_down`].
    pub async fn drain(&self, drain: Drain) {
        self.shared.draining.store(true, Ordering::Relaxed);
        tokio::time::sleep(drain.delay).await;
        let cells = self.shared.table.all();
        let pace = drain.pace(cells.len());
        let start = clock::now();
        for (index, cell) in (0..).zip(cells) {
            let at = later(start, pace.saturating_mul(index));
            tokio::time::sleep_until(at.into()).await;
            // One that is over already needs no end.
            cell.handle(Input::Close { reason: Reason::Shutdown }).ok();
        }
        // Those that were just being opened.
        self.shut_down();
        if tokio::time::timeout(drain.handlers_time_max, self.handlers_done()).await.is_err() {
            tracing::warn!("some handlers are still at work");
        }
    }

    /// Waits until no handler is at work, those of [`crate::Namespace::on_disconnect`] included: a
    /// handler that was begun goes on though its client is gone. Bound the wait, since nothing
    /// bounds a handler.
    pub async fn handlers_done(&self) {
        self.shared.at_work.done().await;
    }

    /// Ends every session at once, each in its protocol's own words for "the server is going
    /// down". [`Omniwire::handlers_done`] waits for what they have begun.
    pub fn shut_down(&self) {
        let _runtime = self.shared.timers.enter_runtime();
        for cell in self.shared.table.all() {
            cell.handle(Input::Close { reason: Reason::Shutdown }).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_pace_is_the_rate_unless_that_took_too_long() {
        let drain = Drain { rate: 100, time_max: Duration::from_secs(10), ..Drain::default() };
        assert_eq!(drain.pace(0), Duration::from_millis(10));
        assert_eq!(drain.pace(1000), Duration::from_millis(10));
        assert_eq!(drain.pace(10_000), Duration::from_millis(1));
        assert_eq!(Drain { rate: 0, ..drain }.pace(2), Duration::from_secs(1));
    }

    #[test]
    fn cve_2026_41838_ids_are_128_bits_that_nobody_can_guess() {
        let ids: HashSet<_> = (0..10_000).map(|_| fresh_id()).collect();
        assert_eq!(ids.len(), 10_000);
        // 22 letters of 6 bits, the last of which has two bits of 128.
        for place in 0..22 {
            let seen: HashSet<_> = ids.iter().map(|id| id.as_bytes()[place]).collect();
            assert_eq!(seen.len(), if place < 21 { 64 } else { 4 }, "place {place}");
        }
        assert!(ids.iter().all(|id| id.len() == 22));
    }
}
