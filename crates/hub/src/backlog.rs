//! What waits to leave over all outboxes of a server: each has a limit of its own, but there are
//! many. Messages that outboxes share are counted once, as memory has them once.

use crate::OutboxLimits;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// What the outboxes of one server have in common.
#[derive(Debug)]
pub struct Backlog {
    pub(crate) limits: OutboxLimits,
    len_max: usize,
    /// Apart from what every push reads.
    held: Apart,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Apart(AtomicUsize);

impl Backlog {
    /// For outboxes with these limits, of which all together are to hold so many bytes at most.
    pub fn new(limits: OutboxLimits, len_max: usize) -> Arc<Self> {
        Arc::new(Self { limits, len_max, held: Apart::default() })
    }

    /// Counts a message from now on until the last copy of it is gone, wherever it waits.
    pub fn count(self: &Arc<Self>, message: BytesMut) -> Bytes {
        let share = self.share(message.capacity().saturating_add(MESSAGE_LEN));
        Bytes::from_owner(Counted { message, _share: share })
    }

    pub(crate) fn share(self: &Arc<Self>, len: usize) -> Share {
        self.held.0.fetch_add(len, Relaxed);
        Share { backlog: Arc::clone(self), len }
    }

    /// Bytes that wait now.
    pub fn len(&self) -> usize {
        self.held.0.load(Relaxed)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether more waits than may.
    pub fn is_over(&self) -> bool {
        self.len() > self.len_max
    }

    /// How much must go, if it is over, so that it is not so again at once.
    pub fn excess(&self) -> usize {
        let goal = self.len_max.saturating_sub(self.len_max / 8);
        if self.is_over() { self.len().saturating_sub(goal) } else { 0 }
    }
}

/// Counts as long as it lives.
#[derive(Debug)]
pub(crate) struct Share {
    backlog: Arc<Backlog>,
    pub(crate) len: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.backlog.held.0.fetch_sub(self.len, Relaxed);
    }
}

struct Counted {
    message: BytesMut,
    _share: Share,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

/// What a message takes beside its bytes, about.
const MESSAGE_LEN: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: OutboxLimits = OutboxLimits { len_max: 100, count_max: 100 };

    #[test]
    fn a_message_counts_once_until_its_last_copy_is_gone() {
        let backlog = Backlog::new(LIMITS, 1000);
        let message = backlog.count(BytesMut::from(&[7; 500][..]));
        let held = backlog.len();
        assert!((500..700).contains(&held), "{held}");
        let copies = [message.slice(1..), message.slice(..9), message.clone()];
        assert_eq!(backlog.len(), held);
        drop(message);
        assert_eq!((backlog.len(), &copies[0][..3]), (held, &[7; 3][..]));
        drop(copies);
        assert!(backlog.is_empty());
    }

    #[test]
    fn what_is_over_must_go_and_some_more() {
        let backlog = Backlog::new(LIMITS, 1000);
        let share = backlog.share(1000);
        assert!(!backlog.is_over());
        assert_eq!(backlog.excess(), 0);
        let more = backlog.share(100);
        assert!(backlog.is_over());
        assert_eq!(backlog.excess(), 1100 - 875);
        drop((share, more));
        assert_eq!(backlog.excess(), 0);
    }
}
