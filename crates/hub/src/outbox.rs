//! The only queue between a handler and a socket.

pub(crate) mod lanes;

use self::lanes::{Manner, Places, Pushed, SlowPolicy};
use crate::backlog::{Backlog, Share};
use crate::lock::{Mutex, MutexGuard};
use omniwire_session::{Ending, Frame, Lane, Link, Prepared};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What may wait in one outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Bytes, frame headers included.
    pub len_max: usize,
    /// Frames.
    pub count_max: usize,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// The session is over.
    Closed,
    /// The peer is too slow: its outbox is full. The first time, this marks the outbox as
    /// overflowed, and whoever drives the session ends it.
    Full,
}

/// What is in an outbox, after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drained {
    /// Nothing; the waker given will be woken when there is.
    Empty,
    /// There were frames, and what was to take them has: all, some, or none. The waker is not kept.
    Some,
    /// The peer was too slow and the session must be ended.
    Overflowed,
    /// All has left and nothing follows: end the carrier like this.
    Finished(Ending),
}

/// What is to leave to one session: bounded by bytes and by count, emptied by the carrier that
/// the session chose. Messages of a peer whose admission is still pending are held apart.
#[derive(Debug)]
pub struct Outbox {
    /// With the limits.
    backlog: Arc<Backlog>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waker: Option<Waker>,
    /// Set while anything waits: most have nothing, most of the time.
    pile: Option<Box<Pile>>,
    /// Whoever drains is about to, and needs no waker.
    attended: bool,
    /// Bytes that the carrier has taken and could not write yet.
    unwritten: u32,
    overflowed: bool,
    /// Only the session itself is still heard: see [`Outbox::silence`].
    silenced: bool,
}

/// What waits in an outbox, and who waits for it.
#[derive(Debug, Default)]
struct Pile {
    frames: VecDeque<Frame>,
    /// Bytes of the frames, and of what is held.
    len: usize,
    /// Messages were dropped since all that waited had left.
    shedding: bool,
    /// Where values wait that newer ones may replace, if too much waits to search for them.
    places: Option<Box<Places>>,
    ending: Option<Box<Ending>>,
    /// Messages for peers that are not admitted yet: they follow when the session releases them.
    held: Vec<(Link, Vec<(Prepared, Lane)>)>,
    /// Frames that are held.
    held_count: usize,
    /// Who waits for room, or for news while nothing can be taken.
    waiting: Vec<Waker>,
    /// What the queue itself takes of all outboxes' memory, if it is long.
    places_held: Option<Share>,
}

/// Whether a value replaces an older one that waits.
enum Replaced {
    InPlace,
    Removed,
    Nothing,
}

impl Pile {
    fn is_empty(&self) -> bool {
        let Self { frames, ending, held, waiting, .. } = self;
        frames.is_empty() && ending.is_none() && held.is_empty() && waiting.is_empty()
    }

    /// Bytes of the queue itself: of many short messages it is most.
    fn places_len(&self) -> usize {
        match self.frames.capacity() {
            0..=spares::CAPACITY_MAX => 0,
            many => many.saturating_mul(size_of::<Frame>()),
        }
    }

    fn held_at(&self, link: Link) -> Option<usize> {
        self.held.iter().position(|(held, _)| *held == link)
    }

    fn held_len(&self) -> usize {
        self.held.iter().flat_map(|(_, list)| list).map(|(prepared, _)| prepared.len()).sum()
    }

    fn held_for(&mut self, link: Link) -> Option<&mut Vec<(Prepared, Lane)>> {
        self.held.iter_mut().find(|(held, _)| *held == link).map(|(_, messages)| messages)
    }

    fn append(&mut self, prepared: &Prepared, lane: Lane) {
        for frame in prepared.frames() {
            self.len = self.len.saturating_add(frame.len());
            let frame = frame.in_lane(lane);
            if let Some(places) = &mut self.places {
                places.note(self.frames.len(), &frame);
            }
            self.frames.push_back(frame);
        }
    }

    /// Appends a message for one peer, or holds it.
    fn take_in(&mut self, link: Link, prepared: &Prepared, lane: Lane) {
        match self.held_for(link) {
            Some(held) => {
                held.push((prepared.clone(), lane));
                self.len = self.len.saturating_add(prepared.len());
                self.held_count = self.held_count.saturating_add(prepared.frames().len());
            }
            None => self.append(prepared, lane),
        }
    }

    /// Puts a value where an older one of its key waits. If it does not fit there, removes that
    /// one.
    fn replace(&mut self, prepared: &Prepared, lane: Lane, len_max: usize) -> Replaced {
        if self.places.is_none() && self.frames.len() > SEARCH_MAX {
            self.places = Some(Box::new(Places::of(&self.frames)));
        }
        let found = match &self.places {
            Some(places) => places.find(&self.frames, lane),
            None => lanes::search(&self.frames, lane),
        };
        let Some(start) = found else { return Replaced::Nothing };
        let fits = self.len.saturating_add(prepared.len()) <= len_max;
        if fits && let Some(older_len) = lanes::replace(&mut self.frames, start, prepared, lane) {
            self.len = self.len.saturating_add(prepared.len()).saturating_sub(older_len);
            return Replaced::InPlace;
        }
        self.shed(|waiting| waiting == lane, |_, _| true);
        Replaced::Removed
    }

    /// Drops messages whose lanes `may_go`, as [`lanes::shed`] does.
    fn shed(
        &mut self,
        may_go: impl Fn(Lane) -> bool,
        still: impl FnMut(usize, usize) -> bool,
    ) -> usize {
        let dropped = lanes::shed(&mut self.frames, &mut self.len, may_go, still);
        if dropped > 0 && self.places.is_some() {
            self.places = Some(Box::new(Places::of(&self.frames)));
        }
        dropped
    }

    /// What was held for this peer, which nothing is from here on.
    fn take_held(&mut self, link: Link) -> Option<Vec<(Prepared, Lane)>> {
        let (_, messages) = self.held.swap_remove(self.held_at(link)?);
        for (prepared, _) in &messages {
            self.len = self.len.saturating_sub(prepared.len());
            self.held_count = self.held_count.saturating_sub(prepared.frames().len());
        }
        Some(messages)
    }

    /// Some of the frames have left from the front; there were so many before.
    fn note_left(&mut self, before: usize) {
        let len: usize = self.frames.iter().map(Frame::len).sum();
        self.len = self.held_len().saturating_add(len);
        if self.frames.is_empty() {
            self.places = None;
            self.shedding = false;
        } else if let Some(places) = &mut self.places {
            places.leave(before.saturating_sub(self.frames.len()), &self.frames);
        }
    }
}

impl Queue {
    fn pile(&mut self) -> &mut Pile {
        self.pile.get_or_insert_with(spares::take)
    }

    /// Bytes that wait.
    fn len(&self) -> usize {
        self.pile.as_ref().map_or(0, |pile| pile.len)
    }

    /// Frames that wait.
    fn count(&self) -> usize {
        self.pile.as_ref().map_or(0, |pile| pile.frames.len().saturating_add(pile.held_count))
    }

    /// Whether anything waits that is not held.
    fn has_frames(&self) -> bool {
        self.pile.as_ref().is_some_and(|pile| !pile.frames.is_empty())
    }

    fn ending(&self) -> Option<&Ending> {
        self.pile.as_ref()?.ending.as_deref()
    }

    /// Whether nothing is taken from the session's peers, and from rooms.
    fn is_shut(&self) -> bool {
        self.silenced || self.ending().is_some()
    }

    fn is_overflowed(&self) -> bool {
        self.overflowed && !self.silenced
    }

    fn wait(&mut self, context: &Context<'_>) {
        let waiting = &mut self.pile().waiting;
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
    }

    /// Everybody who waits for anything here.
    fn take_wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let waiting = self.pile.as_mut().map(|pile| std::mem::take(&mut pile.waiting));
        self.tidy();
        waiting.into_iter().flatten().chain(self.waker.take())
    }

    /// Throws away what waits to leave.
    fn discard(&mut self) {
        if let Some(pile) = &mut self.pile {
            let (ending, waiting) = (pile.ending.take(), std::mem::take(&mut pile.waiting));
            **pile = Pile { ending, waiting, ..Pile::default() };
        }
    }

    /// What there is nothing of any more leaves no memory behind.
    fn tidy(&mut self) {
        if let Some(mut pile) = self.pile.take_if(|pile| pile.is_empty()) {
            pile.places_held = None;
            spares::give(pile);
        }
    }
}

impl Outbox {
    /// An empty outbox that shares nothing with others.
    pub fn new(limits: OutboxLimits) -> Self {
        Self::among(&Backlog::new(limits, usize::MAX))
    }

    /// An empty outbox among others, with their limits.
    pub fn among(backlog: &Arc<Backlog>) -> Self {
        Self { backlog: Arc::clone(backlog), queue: Mutex::default() }
    }

    /// Appends a message for one peer.
    ///
    /// # Errors
    /// The session is over, or the outbox is full.
    pub fn push(&self, link: Link, prepared: &Prepared) -> Result<(), PushError> {
        let append = |pile: &mut Pile| pile.take_in(link, prepared, Lane::default());
        self.push_with(prepared, Queue::is_shut, append)
    }

    /// Appends a message of a room whose peers may be `slow`, and may miss some of it; or a value
    /// (`lane` has a key), in the place of an older one of its key that still waits.
    ///
    /// # Errors
    /// The session is over, or the outbox is full and the room's policy is [`SlowPolicy::Close`].
    pub fn push_in(
        &self,
        link: Link,
        prepared: &Prepared,
        Manner { lane, slow }: Manner,
    ) -> Result<Pushed, PushError> {
        let mut queue = self.queue.lock();
        if queue.is_shut() {
            return Err(PushError::Closed);
        }
        let mut pushed = Pushed::TAKEN;
        // What is held has no place yet.
        if lane.key != 0 && !queue.overflowed && queue.pile().held_at(link).is_none() {
            pushed.replaced = true;
            match queue.pile().replace(prepared, lane, self.limits().len_max) {
                Replaced::InPlace => return Ok(pushed),
                Replaced::Removed => {}
                Replaced::Nothing => pushed.replaced = false,
            }
        }
        if self.is_full_for(&queue, prepared) {
            if slow == SlowPolicy::Close || queue.overflowed {
                return self.overflow(queue);
            }
            pushed.dropped = self.make_room(&mut queue, prepared, lane, slow);
            pushed.taken = !self.is_full_for(&queue, prepared);
            pushed.dropped = pushed.dropped.saturating_add((!pushed.taken).into());
            pushed.first = !std::mem::replace(&mut queue.pile().shedding, true);
        }
        if pushed.taken {
            queue.pile().take_in(link, prepared, lane);
            self.count_places(&mut queue);
            let waker = queue.waker.take();
            drop(queue);
            wake(waker);
        }
        Ok(pushed)
    }

    fn limits(&self) -> OutboxLimits {
        self.backlog.limits
    }

    /// A queue that has grown counts.
    fn count_places(&self, queue: &mut Queue) {
        let Some(pile) = &mut queue.pile else { return };
        let len = pile.places_len();
        if len != pile.places_held.as_ref().map_or(0, |share| share.len) {
            pile.places_held = (len > 0).then(|| self.backlog.share(len));
        }
    }

    /// The peer is too slow: whoever drives its session learns of it.
    fn overflow<T>(&self, mut queue: MutexGuard<'_, Queue>) -> Result<T, PushError> {
        queue.overflowed = true;
        let wakers = queue.take_wakers();
        drop(queue);
        wakers.for_each(Waker::wake);
        Err(PushError::Full)
    }

    /// Drops what the policy lets go of this room. Gives how many messages.
    fn make_room(
        &self,
        queue: &mut Queue,
        prepared: &Prepared,
        lane: Lane,
        slow: SlowPolicy,
    ) -> usize {
        let OutboxLimits { len_max, count_max } = self.limits();
        let len_goal = len_max.saturating_sub(len_max / 8).saturating_sub(prepared.len());
        let count = queue.pile().held_count.saturating_add(prepared.frames().len());
        let count_goal = count_max.saturating_sub(count_max / 8).saturating_sub(count);
        let is_over = |len: usize, count: usize| {
            slow == SlowPolicy::KeepLatest || len > len_goal || count > count_goal
        };
        queue.pile().shed(|waiting| waiting.room == lane.room, is_over)
    }

    /// Appends a message of the session itself.
    ///
    /// # Errors
    /// The session is over, or the outbox is full.
    pub fn push_own(&self, prepared: &Prepared) -> Result<(), PushError> {
        let is_over = |queue: &Queue| queue.ending().is_some();
        self.push_with(prepared, is_over, |pile| pile.append(prepared, Lane::default()))
    }

    /// Appends a message for one peer, if it can leave at once: a carrier waits for it, and what
    /// that took before is written. Whether it was appended.
    ///
    /// # Errors
    /// The session is over.
    pub fn push_volatile(&self, link: Link, prepared: &Prepared) -> Result<bool, PushError> {
        let waker = {
            let mut queue = self.queue.lock();
            if queue.is_shut() {
                return Err(PushError::Closed);
            }
            let ready = !queue.has_frames() && queue.unwritten == 0 && !queue.overflowed;
            let awaited = queue.waker.is_some() || queue.attended;
            let held = queue.pile.as_ref().is_some_and(|pile| pile.held_at(link).is_some());
            if !ready || !awaited || held {
                return Ok(false);
            }
            queue.pile().append(prepared, Lane::default());
            queue.waker.take()
        };
        wake(waker);
        Ok(true)
    }

    /// A carrier of messages tells how many bytes it has taken that it could not write yet: if
    /// any, nothing volatile is taken.
    pub fn set_unwritten(&self, len: usize) {
        self.queue.lock().unwritten = u32::try_from(len).unwrap_or(u32::MAX);
    }

    /// Whether its carrier has written all that it took.
    pub fn is_written(&self) -> bool {
        self.queue.lock().unwritten == 0
    }

    /// Brings it near the processor: does nothing else.
    pub(crate) fn fetch(&self) {
        std::hint::black_box(self.queue.is_locked());
    }

    fn push_with(
        &self,
        prepared: &Prepared,
        is_shut: impl FnOnce(&Queue) -> bool,
        append: impl FnOnce(&mut Pile),
    ) -> Result<(), PushError> {
        let waker = {
            let mut queue = self.queue.lock();
            if is_shut(&queue) {
                return Err(PushError::Closed);
            }
            if self.is_full_for(&queue, prepared) {
                return self.overflow(queue);
            }
            append(queue.pile());
            self.count_places(&mut queue);
            queue.waker.take()
        };
        wake(waker);
        Ok(())
    }

    /// A message that alone is over the limit still fits an empty outbox: the limit is for peers
    /// that do not read, not for large messages.
    fn is_full_for(&self, queue: &Queue, prepared: &Prepared) -> bool {
        let OutboxLimits { len_max, count_max } = self.limits();
        let count = queue.count().saturating_add(prepared.frames().len());
        let len = queue.len().saturating_add(prepared.len());
        queue.is_overflowed() || queue.len() > 0 && (len > len_max || count > count_max)
    }

    /// From now on, messages for this peer are held apart until [`Outbox::release`].
    pub fn hold(&self, link: Link) {
        self.queue.lock().pile().held.push((link, Vec::new()));
    }

    /// Appends what was held for this peer.
    pub fn release(&self, link: Link) {
        let mut queue = self.queue.lock();
        let Some(pile) = &mut queue.pile else { return };
        let Some(messages) = pile.take_held(link) else { return };
        for (prepared, lane) in messages {
            pile.append(&prepared, lane);
        }
        self.count_places(&mut queue);
        queue.tidy();
        let waker = queue.waker.take();
        drop(queue);
        wake(waker);
    }

    /// Throws away what is held for a peer that was not admitted, or left before it was.
    pub fn forget(&self, link: Link) {
        let mut queue = self.queue.lock();
        let Some(pile) = &mut queue.pile else { return };
        let Some(messages) = pile.take_held(link) else { return };
        // There may be room now.
        let wakers = queue.take_wakers();
        drop((queue, messages));
        wakers.for_each(Waker::wake);
    }

    /// Nothing more is taken; when what is there has left, the carrier ends like this.
    pub fn finish(&self, ending: Ending) {
        let mut queue = self.queue.lock();
        queue.pile().ending.get_or_insert_with(|| Box::new(ending));
        let wakers = queue.take_wakers();
        drop(queue);
        wakers.for_each(Waker::wake);
    }

    /// The same, and what is there is thrown away: for peers that do not read.
    pub fn abandon(&self, ending: Ending) {
        self.queue.lock().discard();
        self.finish(ending);
    }

    /// The peer is too slow: what is there is thrown away, and from now on nothing is taken but
    /// the session's own last words. Whether it was not so before.
    pub fn silence(&self) -> bool {
        let mut queue = self.queue.lock();
        let is_first = !std::mem::replace(&mut queue.silenced, true);
        queue.discard();
        let wakers = queue.take_wakers();
        drop(queue);
        wakers.for_each(Waker::wake);
        is_first
    }

    /// Hands the queue to `take`, which removes from its front what it can carry, unless it is
    /// empty. With nothing to take, keeps the waker.
    pub fn drain(
        &self,
        context: &mut Context<'_>,
        take: impl FnOnce(&mut VecDeque<Frame>),
    ) -> Drained {
        let mut queue = self.queue.lock();
        queue.attended = false;
        if queue.is_overflowed() && queue.ending().is_none() {
            return Drained::Overflowed;
        }
        let Some(pile) = queue.pile.as_mut().filter(|pile| !pile.frames.is_empty()) else {
            return match queue.ending() {
                Some(ending) => Drained::Finished(ending.clone()),
                None => {
                    queue.waker = Some(context.waker().clone());
                    Drained::Empty
                }
            };
        };
        let before = pile.frames.len();
        take(&mut pile.frames);
        let waiting = match pile.frames.len() < before {
            true => std::mem::take(&mut pile.waiting),
            // There is no news: whoever waits may be the one who drains.
            false => Vec::new(),
        };
        pile.note_left(before);
        queue.tidy();
        drop(queue);
        waiting.into_iter().for_each(Waker::wake);
        Drained::Some
    }

    /// Ready if [`Outbox::drain`] has anything to give or to say; else keeps the waker.
    pub fn poll_news(&self, context: &Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if queue.has_frames() || queue.ending().is_some() || queue.is_overflowed() {
            return Poll::Ready(());
        }
        queue.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether a peer may go on to say things that are answered here: not if much waits that it
    /// has not taken, however much others may still put there.
    pub fn has_room(&self) -> bool {
        let queue = self.queue.lock();
        queue.len() <= ANSWERS_LEN_MAX && self.is_roomy(&queue)
    }

    fn is_roomy(&self, queue: &Queue) -> bool {
        let OutboxLimits { len_max, count_max } = self.limits();
        queue.len() <= len_max / 2 && queue.count() <= count_max / 2
    }

    /// Ready once no more than half of what may wait does, or nothing more is taken: a stream
    /// that minds this never makes its peer a slow one.
    pub fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if self.is_roomy(&queue) || queue.ending().is_some() || queue.overflowed {
            return Poll::Ready(());
        }
        queue.wait(context);
        Poll::Pending
    }

    /// Ready once the peer was found too slow: for a carrier that can take nothing now.
    pub fn poll_overflow(&self, context: &Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if queue.overflowed {
            return Poll::Ready(());
        }
        queue.wait(context);
        Poll::Pending
    }

    /// Whoever drains the outbox is about to: until it finds it empty, nobody has to wake it.
    pub fn attend(&self) {
        let mut queue = self.queue.lock();
        queue.attended = true;
        let waker = queue.waker.take();
        drop(queue);
        drop(waker);
    }

    /// Wakes whoever waits in [`Outbox::drain`], so that it looks again.
    pub fn wake(&self) {
        let waker = self.queue.lock().waker.take();
        wake(waker);
    }

    /// Wakes whoever waits for anything here.
    pub fn wake_all(&self) {
        let wakers = self.queue.lock().take_wakers();
        wakers.for_each(Waker::wake);
    }

    /// What the peer makes the server hold: all that waits here, with the queue itself, and what
    /// its carrier could not write yet.
    pub fn weight(&self) -> usize {
        let queue = self.queue.lock();
        let places_len = queue.pile.as_ref().map_or(0, |pile| pile.places_len());
        queue.len().saturating_add(places_len).saturating_add(queue.unwritten as usize)
    }

    /// Finds the peer too slow, since all outboxes together hold too much.
    pub fn give_up(&self) {
        self.overflow::<()>(self.queue.lock()).ok();
    }

    /// Whether the peer is too slow, and nothing was done about it yet.
    pub fn is_overflowed(&self) -> bool {
        self.queue.lock().is_overflowed()
    }

    /// Bytes that wait, as the WebSocket API's `bufferedAmount`.
    pub fn buffered_amount(&self) -> usize {
        self.queue.lock().len()
    }

    /// Whether that much more may wait here.
    pub fn could_take(&self, len: usize, count: usize) -> bool {
        let queue = self.queue.lock();
        let OutboxLimits { len_max, count_max } = self.limits();
        queue.len().saturating_add(len) <= len_max
            && queue.count().saturating_add(count) <= count_max
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Empty piles of this thread, so that a broadcast allocates nothing for each member.
#[expect(clippy::vec_box, reason = "an outbox takes the pointer, and gives it back")]
mod spares {
    use super::Pile;
    use std::cell::RefCell;

    thread_local! {
        static SPARES: RefCell<Vec<Box<Pile>>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn take() -> Box<Pile> {
        SPARES.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    pub(super) fn give(pile: Box<Pile>) {
        SPARES.with_borrow_mut(|spares| {
            let capacity = pile.frames.capacity().saturating_add(pile.held.capacity());
            let is_small = capacity <= CAPACITY_MAX;
            if spares.len() < COUNT_MAX && is_small {
                spares.push(pile);
            }
        });
    }

    /// Some hundred KiB in all.
    const COUNT_MAX: usize = 1024;
    pub(super) const CAPACITY_MAX: usize = 20;
}

/// What a peer's own messages may cause to wait for it.
const ANSWERS_LEN_MAX: usize = 256 << 10;

/// Among so many frames that wait, an older value is searched for.
const SEARCH_MAX: usize = 16;

#[cfg(test)]
mod tests;
