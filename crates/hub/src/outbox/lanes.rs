//! What of that which waits may be thrown away: older messages of a room whose peers may miss
//! some, and values that a newer one of the same key replaces.

use omniwire_session::{Frame, Lane, Prepared};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What becomes of a room's messages for a peer that does not read them as fast as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlowPolicy {
    /// The peer is closed, with its protocol's own reason: it gets all, or knows that it did not.
    #[default]
    Close,
    /// The oldest of the room's messages that wait for it are dropped, an eighth of what may wait
    /// at a time. If all that waits is of other rooms, the new one is.
    DropOldest,
    /// All of the room's messages that wait for it are dropped but the newest.
    KeepLatest,
}

/// Where rooms get their numbers in [`Lane`]s. What waits in one outbox may be of rooms of several
/// namespaces, which are told apart by these alone. Copies count on together.
#[derive(Debug, Clone, Default)]
pub struct Lanes(Arc<AtomicU32>);

impl Lanes {
    /// The number of a new room. Rooms share one only if there were four thousand million others
    /// between them.
    pub(crate) fn fresh(&self) -> u32 {
        let lane = self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if lane == 0 { self.fresh() } else { lane }
    }
}

/// How the messages of a room wait for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manner {
    /// With which others.
    pub lane: Lane,
    /// What becomes of them if the peer is slow.
    pub slow: SlowPolicy,
}

/// What became of a message that may be thrown away, or may replace another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pushed {
    /// Whether it waits, or has left.
    pub taken: bool,
    /// Whether it took the place of an older one of its key.
    pub replaced: bool,
    /// Messages that were dropped, this one included if it was not taken.
    pub dropped: usize,
    /// Whether these are the first that are dropped since all that waited had left.
    pub first: bool,
}

impl Pushed {
    /// It waits, and nothing else happened.
    pub const TAKEN: Self = Self { taken: true, replaced: false, dropped: 0, first: false };
}

/// Where the values that wait stand in the queue, so that replacing one takes no search.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Frames that have left the queue since this was made.
    left: u64,
    places: HashMap<Lane, u64>,
}

impl Places {
    pub(super) fn of(frames: &VecDeque<Frame>) -> Self {
        let mut places = Self::default();
        for (index, frame) in frames.iter().enumerate() {
            places.note(index, frame);
        }
        places
    }

    pub(super) fn note(&mut self, index: usize, frame: &Frame) {
        if frame.lane().key != 0 && !frame.follows() {
            self.places.insert(frame.lane(), self.left.saturating_add(index as u64));
        }
    }

    /// So many frames have left from the front.
    pub(super) fn leave(&mut self, count: usize, frames: &VecDeque<Frame>) {
        self.left = self.left.saturating_add(count as u64);
        if self.places.len().saturating_sub(PLACES_SLACK) / 2 > frames.len() {
            let left = self.left;
            self.places.retain(|_, place| *place >= left);
        }
    }

    /// Where the last waiting message of this lane begins.
    pub(super) fn find(&self, frames: &VecDeque<Frame>, lane: Lane) -> Option<usize> {
        let index = self.places.get(&lane)?.checked_sub(self.left)?;
        let index = usize::try_from(index).ok()?;
        frames.get(index).filter(|frame| begins(frame, lane)).map(|_| index)
    }
}

fn begins(frame: &Frame, lane: Lane) -> bool {
    frame.lane() == lane && !frame.follows()
}

/// Where the last waiting message of this lane begins; for short queues. Of those that were held,
/// there may be several.
pub(super) fn search(frames: &VecDeque<Frame>, lane: Lane) -> Option<usize> {
    frames.iter().rposition(|frame| begins(frame, lane))
}

/// Puts a value where an older one begins. Gives the bytes of the older one; `None` if that has
/// another number of frames.
pub(super) fn replace(
    frames: &mut VecDeque<Frame>,
    start: usize,
    prepared: &Prepared,
    lane: Lane,
) -> Option<usize> {
    let second = start.checked_add(1)?;
    let end = start.checked_add(prepared.frames().len())?;
    let next = frames.range(second..).take_while(|frame| frame.follows()).count();
    if second.checked_add(next)? != end {
        return None;
    }
    let mut older_len = 0;
    for (older, newer) in frames.range_mut(start..end).zip(prepared.frames()) {
        older_len = older.len().saturating_add(older_len);
        *older = newer.in_lane(lane);
    }
    Some(older_len)
}

/// Drops messages that `may_go`, oldest first, as long as `still` says so with the bytes and the
/// frames that are left. A message whose first frame has left stays. Gives how many were dropped.
pub(super) fn shed(
    frames: &mut VecDeque<Frame>,
    len: &mut usize,
    may_go: impl Fn(Lane) -> bool,
    mut still: impl FnMut(usize, usize) -> bool,
) -> usize {
    let (mut dropped, mut going) = (0, false);
    let mut count = frames.len();
    frames.retain(|frame| {
        if !frame.follows() {
            going = may_go(frame.lane()) && still(*len, count);
            dropped = usize::from(going).saturating_add(dropped);
        }
        if going {
            *len = len.saturating_sub(frame.len());
            count = count.saturating_sub(1);
        }
        !going
    });
    dropped
}

/// Places of values that have left are kept up to twice as many as wait, and so many more.
const PLACES_SLACK: usize = 16;
