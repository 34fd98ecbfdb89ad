//! How much of what peers send is held although it is not complete, over all of them: each has a
//! limit of its own, but there are many.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// So much of each peer is not counted, so that short messages pass whatever others hold.
const FREE_LEN: usize = 64 << 10;

/// What all peers together hold.
#[derive(Debug)]
pub(crate) struct Intake {
    len_max: usize,
    held: AtomicUsize,
}

/// What one peer holds, until this is dropped.
#[derive(Debug)]
pub(crate) struct Portion {
    intake: Arc<Intake>,
    len: usize,
}

/// There is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Intake {
    pub(crate) fn new(len_max: usize) -> Arc<Self> {
        Arc::new(Self { len_max, held: AtomicUsize::new(0) })
    }

    /// The part of a peer that holds nothing yet.
    pub(crate) fn portion(self: &Arc<Self>) -> Portion {
        Portion { intake: Arc::clone(self), len: 0 }
    }
}

impl Portion {
    /// The peer holds so many bytes now. `Err`: more than there is room for, and then what it had
    /// before is still counted.
    pub(crate) fn set(&mut self, len: usize) -> Result<(), NoRoom> {
        let len = if len > FREE_LEN { len } else { 0 };
        if let Some(grown) = len.checked_sub(self.len) {
            let held = self.intake.held.fetch_add(grown, Relaxed);
            if held.saturating_add(grown) > self.intake.len_max {
                self.intake.held.fetch_sub(grown, Relaxed);
                return Err(NoRoom);
            }
        } else {
            self.intake.held.fetch_sub(self.len.saturating_sub(len), Relaxed);
        }
        self.len = len;
        Ok(())
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        self.intake.held.fetch_sub(self.len, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_share_what_there_is_and_give_it_back() {
        let intake = Intake::new(1 << 20);
        let (mut one, mut other) = (intake.portion(), intake.portion());
        assert_eq!(one.set(700 << 10), Ok(()));
        assert_eq!(other.set(400 << 10), Err(NoRoom));
        assert_eq!(other.set(300 << 10), Ok(()));
        assert_eq!(one.set(100 << 10), Ok(()));
        assert_eq!(other.set(900 << 10), Ok(()));
        drop(other);
        assert_eq!(one.set(1 << 20), Ok(()));
        drop(one);
        assert_eq!(intake.held.load(Relaxed), 0);
    }

    #[test]
    fn short_messages_pass_whatever_others_hold() {
        let intake = Intake::new(1 << 20);
        let (mut one, mut other) = (intake.portion(), intake.portion());
        assert_eq!(one.set(1 << 20), Ok(()));
        assert_eq!(other.set(FREE_LEN), Ok(()));
        assert_eq!(other.set(FREE_LEN + 1), Err(NoRoom));
    }
}
