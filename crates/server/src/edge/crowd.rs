//! How much of the server one address holds: connections, unfinished handshakes, sessions.
//!
//! IPv6 hands out a /64 at least, so that is what counts as one address there. Loopback is not
//! counted: behind it may be a proxy, and behind that everybody.

use crate::server::note_refusal;
use omniwire_session::limits::Limits;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

/// Who is here.
#[derive(Debug)]
pub(crate) struct Crowd {
    limits: Bounds,
    counts: Mutex<Counts>,
    refused: AtomicU64,
}

/// How many there may be.
#[derive(Debug)]
struct Bounds {
    connections: usize,
    ip: Tally,
}

#[derive(Debug, Default)]
struct Counts {
    connections: usize,
    by_ip: HashMap<IpAddr, Known>,
    /// All those who are not counted by address.
    uncounted: Weak<Address>,
}

/// An address that somebody comes from.
#[derive(Debug, Default)]
struct Known {
    tally: Tally,
    address: Weak<Address>,
}

/// Shared by all that come from it, so that each keeps no more than a pointer.
#[derive(Debug)]
struct Address {
    crowd: Arc<Crowd>,
    ip: Option<IpAddr>,
}

/// What one address holds.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    handshakes: usize,
    connections: usize,
    sessions: usize,
}

/// A TCP connection that speaks HTTP. It is counted until this is dropped, or until what is left
/// of the count when it has been taken out of HTTP.
#[derive(Debug)]
pub(crate) struct Connection {
    address: Arc<Address>,
    count: Mutex<Option<Counted>>,
    /// No request's head has come yet.
    is_greeting: AtomicBool,
}

/// A TCP connection that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Address>);

impl Crowd {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        let ip = Tally {
            handshakes: limits.ip_handshakes_max,
            connections: limits.ip_connections_max,
            sessions: limits.ip_sessions_max,
        };
        let limits = Bounds { connections: limits.connections_max, ip };
        Arc::new(Self { limits, counts: Mutex::default(), refused: AtomicU64::new(0) })
    }

    /// Counts a connection that was accepted, and its handshake until [`Connection::greeted`].
    /// `None`: there are too many, which is logged with the name of the limit.
    pub(crate) fn connect(self: &Arc<Self>, ip: IpAddr) -> Option<Arc<Connection>> {
        let ip = counted(ip);
        let mut counts = self.counts.lock();
        let tally = ip.and_then(|ip| counts.by_ip.get(&ip)).map(|known| known.tally);
        let tally = tally.unwrap_or_default();
        let over = if counts.connections >= self.limits.connections {
            Some("connections_max")
        } else if tally.connections >= self.limits.ip.connections {
            Some("ip_connections_max")
        } else if tally.handshakes >= self.limits.ip.handshakes {
            Some("ip_handshakes_max")
        } else {
            None
        };
        if let Some(limit) = over {
            if let Some(refused) = note_refusal(&self.refused) {
                tracing::warn!(?ip, limit, refused, "refused a connection: there are too many");
            }
            return None;
        }
        counts.connections = counts.connections.saturating_add(1);
        if let Some(ip) = ip {
            let Known { tally, .. } = counts.by_ip.entry(ip).or_default();
            tally.connections = tally.connections.saturating_add(1);
            tally.handshakes = tally.handshakes.saturating_add(1);
        }
        let address = self.address(&mut counts, ip);
        drop(counts);
        let count = Mutex::new(Some(Counted(Arc::clone(&address))));
        Some(Arc::new(Connection { address, count, is_greeting: AtomicBool::new(true) }))
    }

    /// What all share that come from there.
    fn address(self: &Arc<Self>, counts: &mut Counts, ip: Option<IpAddr>) -> Arc<Address> {
        let known = match ip {
            Some(ip) => &mut counts.by_ip.entry(ip).or_default().address,
            None => &mut counts.uncounted,
        };
        known.upgrade().unwrap_or_else(|| {
            let address = Arc::new(Address { crowd: Arc::clone(self), ip });
            *known = Arc::downgrade(&address);
            address
        })
    }

    /// Whether there is room for a session more of this address.
    ///
    /// # Errors
    /// It has too many.
    pub(crate) fn has_seat(&self, remote: Option<SocketAddr>) -> Result<(), TooMany> {
        let Some(ip) = counted_of(remote) else { return Ok(()) };
        let sessions = self.counts.lock().by_ip.get(&ip).map_or(0, |known| known.tally.sessions);
        if sessions < self.limits.ip.sessions { Ok(()) } else { Err(TooMany) }
    }

    /// Counts a session until [`Crowd::stand_up`], of which each has one. That is not a value which
    /// is dropped, since very many sessions would have to keep it, and know the address anyway.
    ///
    /// # Errors
    /// Its address has too many.
    pub(crate) fn sit(&self, remote: Option<SocketAddr>) -> Result<(), TooMany> {
        let Some(ip) = counted_of(remote) else { return Ok(()) };
        let mut counts = self.counts.lock();
        let Known { tally, .. } = counts.by_ip.entry(ip).or_default();
        if tally.sessions >= self.limits.ip.sessions {
            return Err(TooMany);
        }
        tally.sessions = tally.sessions.saturating_add(1);
        Ok(())
    }

    /// A session is gone.
    pub(crate) fn stand_up(&self, remote: Option<SocketAddr>) {
        let leave = |tally: &mut Tally| tally.sessions = tally.sessions.saturating_sub(1);
        if let Some(ip) = counted_of(remote) {
            self.counts.lock().change(Some(ip), leave);
        }
    }

    /// TCP connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.counts.lock().connections
    }

    /// TCP connections that were refused since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

/// An address has as many sessions as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Counts {
    fn change(&mut self, ip: Option<IpAddr>, change: impl FnOnce(&mut Tally)) {
        let Some(ip) = ip else { return };
        let Some(Known { tally, .. }) = self.by_ip.get_mut(&ip) else { return };
        change(tally);
        if tally.connections == 0 && tally.sessions == 0 {
            self.by_ip.remove(&ip);
        }
    }
}

impl Connection {
    /// The head of a first request has come.
    pub(crate) fn greeted(&self) {
        if self.is_greeting.swap(false, Relaxed) {
            let Address { crowd, ip } = &*self.address;
            crowd
                .counts
                .lock()
                .change(*ip, |tally| tally.handshakes = tally.handshakes.saturating_sub(1));
        }
    }

    /// Whether no request's head has come yet.
    pub(crate) fn is_greeting(&self) -> bool {
        self.is_greeting.load(Relaxed)
    }

    /// It is taken out of HTTP: from now on it counts as long as what this gives, which is less
    /// than this. `None`: it was taken before.
    pub(crate) fn take_count(&self) -> Option<Counted> {
        self.count.lock().take()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.greeted();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Address { crowd, ip } = &*self.0;
        let mut counts = crowd.counts.lock();
        counts.connections = counts.connections.saturating_sub(1);
        counts.change(*ip, |tally| tally.connections = tally.connections.saturating_sub(1));
    }
}

fn counted_of(remote: Option<SocketAddr>) -> Option<IpAddr> {
    counted(remote?.ip())
}

/// What an address is counted as, if it is.
fn counted(ip: IpAddr) -> Option<IpAddr> {
    let ip = ip.to_canonical();
    if ip.is_loopback() {
        return None;
    }
    Some(match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    })
}

#[cfg(test)]
mod tests;
