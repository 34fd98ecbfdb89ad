//! A bound on what compressors and decompressors take that belong to one connection each.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many octets the compressors and decompressors of all connections with context takeover may
/// take together. Clones share it, so one [`super::Config`] that is cloned for every handshake has
/// one bound, and several that hold clones of one `Memory` have too.
///
/// Each connection sets aside in its handshake what it may come to use, and gives it back when it
/// is dropped. Where too little is left, it goes without context takeover instead: that side of
/// the agreement is always ours to make, costs nothing, and no connection is refused.
///
/// ```
/// use omniwire_websocket::deflate::{Config, Memory};
///
/// let memory = Memory::limit(1 << 30);
/// let config = Config {
///     server_context_takeover: true,
///     client_context_takeover: true,
///     memory: memory.clone(),
///     ..Config::default()
/// };
/// assert_eq!(memory.used(), 0);
/// # drop(config);
/// ```
#[derive(Clone)]
pub struct Memory(Arc<Bound>);

struct Bound {
    limit: usize,
    used: AtomicUsize,
}

impl Memory {
    /// So many octets at most.
    #[must_use]
    pub fn limit(octets: usize) -> Self {
        Self(Arc::new(Bound { limit: octets, used: AtomicUsize::new(0) }))
    }

    /// How many octets are set aside.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// `None`: so much is not left.
    pub(super) fn reserve(&self, octets: usize) -> Option<Reserved> {
        if octets == 0 {
            return Some(Reserved::default());
        }
        let fits = |used: usize| used.checked_add(octets).filter(|sum| *sum <= self.0.limit);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Reserved(Some(Arc::new(Share { bound: Arc::clone(&self.0), octets }))))
    }
}

/// 64 MiB: for some 150 connections with context takeover both ways and the largest windows.
impl Default for Memory {
    fn default() -> Self {
        Self::limit(64 << 20)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("limit", &self.0.limit).field("used", &self.used()).finish()
    }
}

/// The same bound, not one of the same size.
impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Memory {}

/// What one connection has set aside, until its last clone is dropped. By default nothing.
#[derive(Clone, Default)]
pub struct Reserved(Option<Arc<Share>>);

struct Share {
    bound: Arc<Bound>,
    octets: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.bound.used.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.0.as_ref().map_or(0, |share| share.octets);
        f.debug_tuple("Reserved").field(&octets).finish()
    }
}

/// It is no part of what two sides agree on.
impl PartialEq for Reserved {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Reserved {}

/// What one connection may come to take: a compressor if its own messages are with context
/// takeover, a decompressor if the peer's are.
pub(super) fn cost(compressor: bool, window_bits: u8, decompressor: bool) -> usize {
    // Whatever the level: zlib-rs asks for all of it at once.
    let window = 4_usize << window_bits.clamp(9, 15);
    let compressor = if compressor { window.saturating_add(249_200) } else { 0 };
    // Its window is always the full one.
    let decompressor = if decompressor { 47_700 } else { 0 };
    compressor.saturating_add(decompressor)
}
