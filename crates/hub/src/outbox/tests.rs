use super::*;
use omniwire_session::Encoding;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

#[derive(Default)]
struct Count(AtomicUsize);
impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn text(payload: &str) -> Prepared {
    let mut encoding = Encoding::default();
    encoding.text().extend_from_slice(payload.as_bytes());
    encoding.finish(|_, _, _| 2).unwrap()
}

fn outbox() -> Outbox {
    Outbox::new(OutboxLimits { len_max: 20, count_max: 3 })
}

fn drain(outbox: &Outbox) -> (Drained, Vec<String>) {
    let mut taken = Vec::new();
    let drained = outbox.drain(&mut Context::from_waker(Waker::noop()), |queue| {
        taken = queue.drain(..).map(|f| String::from_utf8_lossy(f.as_payload()).into()).collect();
    });
    (drained, taken)
}

#[test]
fn keeps_order_and_holds_the_pending() {
    let outbox = outbox();
    outbox.hold(Link(1));
    outbox.push(Link(1), &text("b")).unwrap();
    outbox.push_own(&text("a")).unwrap();
    outbox.release(Link(1));
    outbox.push(Link(1), &text("c")).unwrap();
    assert_eq!(outbox.buffered_amount(), 9);
    assert_eq!(drain(&outbox).1, ["a", "b", "c"]);
    assert_eq!(outbox.buffered_amount(), 0);
}

#[test]
fn is_bounded_by_bytes_and_by_count() {
    let by_count = outbox();
    for _ in 0..3 {
        by_count.push(Link::FIRST, &text("")).unwrap();
    }
    assert_eq!(by_count.push(Link::FIRST, &text("")), Err(PushError::Full));
    assert_eq!(drain(&by_count).0, Drained::Overflowed);

    let by_len = outbox();
    by_len.push(Link::FIRST, &text(&"x".repeat(50))).unwrap();
    assert_eq!(by_len.push(Link::FIRST, &text("y")), Err(PushError::Full));
}

#[test]
fn what_is_held_counts_and_can_be_forgotten() {
    let outbox = outbox();
    outbox.hold(Link(1));
    outbox.push(Link(1), &text("0123456789")).unwrap();
    assert_eq!(outbox.push(Link(2), &text("0123456789")), Err(PushError::Full));
    outbox.forget(Link(1));
    assert_eq!(outbox.buffered_amount(), 0);
}

#[test]
fn a_value_that_is_held_takes_no_place_in_front_of_its_peer_s_welcome() {
    let outbox = Outbox::new(OutboxLimits { len_max: 100, count_max: 10 });
    let manner = Manner { lane: Lane { room: 1, key: 1 }, slow: SlowPolicy::Close };
    // Of the peer that its client was before it left and entered again.
    outbox.push_in(Link(1), &text("old"), manner).unwrap();
    outbox.hold(Link(2));
    let pushed = outbox.push_in(Link(2), &text("new"), manner);
    assert_eq!(pushed, Ok(Pushed::TAKEN));
    outbox.push_own(&text("welcome")).unwrap();
    outbox.release(Link(2));
    let pushed = outbox.push_in(Link(2), &text("newest"), manner).unwrap();
    assert!(pushed.replaced);
    assert_eq!(drain(&outbox).1, ["old", "welcome", "newest"]);
}

#[test]
fn of_values_that_were_held_the_last_is_replaced() {
    for others in [0, SEARCH_MAX] {
        let outbox = Outbox::new(OutboxLimits { len_max: 1000, count_max: 100 });
        let manner = Manner { lane: Lane { room: 1, key: 1 }, slow: SlowPolicy::Close };
        outbox.hold(Link::FIRST);
        outbox.push_in(Link::FIRST, &text("1"), manner).unwrap();
        outbox.push_in(Link::FIRST, &text("2"), manner).unwrap();
        outbox.release(Link::FIRST);
        (0..others).for_each(|_| outbox.push(Link::FIRST, &text("other")).unwrap());
        assert!(outbox.push_in(Link::FIRST, &text("3"), manner).unwrap().replaced);
        assert_eq!(drain(&outbox).1[..2], ["1", "3"], "whoever reads it all has the newest");
    }
}

#[test]
fn what_is_held_is_bounded_by_count() {
    let by_count = outbox();
    by_count.hold(Link(1));
    for _ in 0..3 {
        by_count.push(Link(1), &text("")).unwrap();
    }
    assert!(!by_count.has_room() && !by_count.could_take(0, 1));
    assert_eq!(by_count.push(Link(1), &text("")), Err(PushError::Full));
    assert_eq!(drain(&by_count).0, Drained::Overflowed);

    // As long as it is held, and with what leaves; a room that drops drops what it can.
    let outbox = outbox();
    outbox.hold(Link(1));
    outbox.push(Link(1), &text("a")).unwrap();
    outbox.push_own(&text("b")).unwrap();
    let lane = Lane { room: 7, key: 0 };
    let manner = Manner { lane, slow: SlowPolicy::DropOldest };
    for (dropped, payload) in [(0, "c"), (1, "d")] {
        let pushed = outbox.push_in(Link(2), &text(payload), manner).unwrap();
        assert_eq!((pushed.taken, pushed.dropped), (true, dropped), "{payload}");
    }
    outbox.release(Link(1));
    assert_eq!(drain(&outbox).1, ["b", "d", "a"]);
    let waits = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&waits));
    outbox.hold(Link(1));
    for _ in 0..2 {
        outbox.push(Link(1), &text("")).unwrap();
    }
    assert!(outbox.poll_room(&Context::from_waker(&waker)).is_pending());
    outbox.forget(Link(1));
    assert_eq!(waits.0.load(Ordering::Relaxed), 1, "there is room again");
    assert!(outbox.poll_room(&Context::from_waker(&waker)).is_ready());
}

#[test]
fn finishes_after_what_is_there() {
    let outbox = outbox();
    outbox.push(Link::FIRST, &text("last")).unwrap();
    outbox.finish(Ending::close(1000, ""));
    assert_eq!(outbox.push(Link::FIRST, &text("late")), Err(PushError::Closed));
    assert_eq!(drain(&outbox).1, ["last"]);
    assert_eq!(drain(&outbox).0, Drained::Finished(Ending::close(1000, "")));
}

#[test]
fn a_silenced_one_takes_the_last_words_of_the_session_only() {
    let outbox = outbox();
    outbox.hold(Link(1));
    outbox.push(Link(1), &text("held")).unwrap();
    outbox.push(Link(2), &text("0123456789")).unwrap();
    assert_eq!(outbox.push(Link(2), &text("0123456789")), Err(PushError::Full));
    assert!(outbox.is_overflowed() && outbox.silence());
    assert!(!outbox.is_overflowed() && !outbox.silence() && outbox.buffered_amount() == 0);
    assert_eq!(drain(&outbox).0, Drained::Empty);
    assert_eq!(outbox.push(Link(2), &text("a")), Err(PushError::Closed));
    assert_eq!(outbox.push_volatile(Link(2), &text("b")), Err(PushError::Closed));
    let manner = Manner { lane: Lane::default(), slow: SlowPolicy::DropOldest };
    assert_eq!(outbox.push_in(Link(2), &text("c"), manner), Err(PushError::Closed));
    outbox.push_own(&text("last")).unwrap();
    assert_eq!(drain(&outbox).1, ["last"]);
    outbox.finish(Ending::close(1000, ""));
    assert_eq!(outbox.push_own(&text("late")), Err(PushError::Closed));
}

#[test]
fn wakes_once_for_what_comes() {
    let outbox = outbox();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let drained = outbox.drain(&mut Context::from_waker(&waker), |_| ());
    assert_eq!(drained, Drained::Empty);
    outbox.push(Link::FIRST, &text("a")).unwrap();
    outbox.push(Link::FIRST, &text("b")).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}

#[test]
fn takes_the_volatile_only_where_it_can_leave_at_once() {
    let outbox = outbox();
    let volatile = |text_of: &str| outbox.push_volatile(Link::FIRST, &text(text_of)).unwrap();
    assert!(!volatile("nobody waits"));
    assert_eq!(drain(&outbox).0, Drained::Empty);
    assert!(volatile("a"));
    assert!(!volatile("behind another"));
    assert_eq!(drain(&outbox).1, ["a"]);
    assert!(!volatile("the carrier has not come back"));
    assert_eq!(drain(&outbox).0, Drained::Empty);
    outbox.set_unwritten(9);
    assert!(!volatile("behind what is not written"));
    outbox.set_unwritten(0);
    outbox.hold(Link::FIRST);
    assert!(!volatile("before the admission"));
    outbox.release(Link::FIRST);
    assert_eq!(drain(&outbox).0, Drained::Empty);
    assert!(volatile("b"));
    outbox.finish(Ending::close(1000, ""));
    let late = outbox.push_volatile(Link::FIRST, &text("late"));
    assert_eq!(late, Err(PushError::Closed));
}

#[test]
fn who_attends_is_not_woken_until_it_found_nothing() {
    let outbox = outbox();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    let is_empty =
        |context: &mut Context<'_>| outbox.drain(context, |queue| queue.clear()) == Drained::Empty;
    assert!(is_empty(&mut context));
    outbox.attend();
    assert_eq!(outbox.push_volatile(Link::FIRST, &text("a")), Ok(true));
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    assert!(!is_empty(&mut context));
    assert!(is_empty(&mut context));
    outbox.push(Link::FIRST, &text("b")).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}

fn in_room(key: u16, slow: SlowPolicy) -> Manner {
    Manner { lane: Lane { room: 7, key }, slow }
}

fn two(first: &str, second: &str) -> Prepared {
    let mut encoding = Encoding::default();
    encoding.text().extend_from_slice(first.as_bytes());
    encoding.text().extend_from_slice(second.as_bytes());
    encoding.finish(|_, _, _| 2).unwrap()
}

#[test]
fn a_frame_is_no_larger_for_its_lane() {
    assert_eq!(size_of::<Frame>(), 40);
}

#[test]
fn drop_oldest_lets_go_of_its_own_room_only() {
    let outbox = Outbox::new(OutboxLimits { len_max: 1000, count_max: 4 });
    let drop_oldest = |prepared: &Prepared| {
        outbox.push_in(Link::FIRST, prepared, in_room(0, SlowPolicy::DropOldest)).unwrap()
    };
    drop_oldest(&text("1"));
    outbox.push_own(&text("ours")).unwrap();
    drop_oldest(&text("2"));
    drop_oldest(&text("3"));
    let pushed = drop_oldest(&text("4"));
    assert_eq!(pushed, Pushed { taken: true, replaced: false, dropped: 1, first: true });
    assert!(!drop_oldest(&text("5")).first);
    assert!(!outbox.is_overflowed());
    assert_eq!(drain(&outbox).1, ["ours", "3", "4", "5"]);
    for _ in 0..4 {
        outbox.push_own(&text("ours")).unwrap();
    }
    let pushed = drop_oldest(&text("6"));
    assert_eq!(pushed, Pushed { taken: false, replaced: false, dropped: 1, first: true });
    assert_eq!(drain(&outbox).1, ["ours"; 4]);
    assert_eq!(outbox.buffered_amount(), 0);
}

#[test]
fn keep_latest_leaves_nothing_older() {
    let outbox = outbox();
    let push =
        |text_of| outbox.push_in(Link::FIRST, &text(text_of), in_room(0, SlowPolicy::KeepLatest));
    for text_of in ["1", "2", "3"] {
        push(text_of).unwrap();
    }
    assert_eq!(push("4").unwrap().dropped, 3);
    assert_eq!(outbox.buffered_amount(), 3);
    assert_eq!(drain(&outbox).1, ["4"]);
}

#[test]
fn a_message_is_dropped_whole_unless_part_of_it_has_left() {
    let outbox = Outbox::new(OutboxLimits { len_max: 1000, count_max: 5 });
    let drop_oldest = |prepared: &Prepared| {
        outbox.push_in(Link::FIRST, prepared, in_room(0, SlowPolicy::DropOldest)).unwrap()
    };
    drop_oldest(&two("a", "+a"));
    drop_oldest(&two("b", "+b"));
    outbox.drain(&mut Context::from_waker(Waker::noop()), |queue| drop(queue.pop_front()));
    assert_eq!(drop_oldest(&two("c", "+c")).dropped, 0);
    assert_eq!(drop_oldest(&text("d")).dropped, 1);
    assert_eq!(drain(&outbox).1, ["+a", "c", "+c", "d"]);
}

#[test]
fn a_value_takes_the_place_of_the_one_of_its_key() {
    // Few that wait are searched; of many, the places are known.
    for ahead in [0, SEARCH_MAX, 3 * SEARCH_MAX] {
        let outbox = Outbox::new(OutboxLimits { len_max: 1000, count_max: 100 });
        let value = |key, prepared: &Prepared| {
            outbox.push_in(Link::FIRST, prepared, in_room(key, SlowPolicy::Close)).unwrap()
        };
        for _ in 0..ahead {
            outbox.push_own(&text("-")).unwrap();
        }
        assert!(!value(1, &text("a1")).replaced && !value(2, &text("b1")).replaced);
        outbox.push_own(&text("event")).unwrap();
        assert!(value(1, &text("a2")).replaced && value(1, &text("a333")).replaced);
        // One of another number of frames can't stand in its place.
        assert!(value(2, &two("b2", "+")).replaced);
        assert!(value(1, &text("a4")).replaced);
        let (_, got) = drain(&outbox);
        assert_eq!(got[ahead..], ["a4", "event", "b2", "+"], "{ahead} ahead");
        assert_eq!(outbox.buffered_amount(), 0);
    }
}

#[test]
fn places_of_values_move_with_what_leaves() {
    let outbox = Outbox::new(OutboxLimits { len_max: 10_000, count_max: 1000 });
    let value = |key: u16, text_of: &str| {
        outbox.push_in(Link::FIRST, &text(text_of), in_room(key, SlowPolicy::Close)).unwrap()
    };
    for key in 1..=100 {
        value(key, "old");
    }
    let take_front = |count| {
        outbox.drain(&mut Context::from_waker(Waker::noop()), |queue| drop(queue.drain(..count)));
    };
    take_front(60);
    assert!(!value(10, "has left").replaced && value(70, "new").replaced);
    take_front(39);
    assert!(value(100, "last").replaced && value(10, "again").replaced);
    assert_eq!(drain(&outbox).1, ["last", "again"]);
}

#[test]
fn a_drain_that_takes_nothing_wakes_nobody() {
    let outbox = outbox();
    outbox.push_own(&text("a")).unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    // A carrier whose session holds everything back: it waits, and must not wake itself.
    assert!(outbox.poll_overflow(&context).is_pending());
    assert_eq!(outbox.drain(&mut context, |_| ()), Drained::Some);
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    outbox.drain(&mut context, VecDeque::clear);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}

/// Of very many short messages that outboxes share, the queues are what takes memory.
#[test]
fn a_long_queue_counts_among_all_outboxes_until_it_is_gone() {
    let backlog = Backlog::new(OutboxLimits { len_max: 1 << 20, count_max: 10_000 }, 1 << 20);
    let (message, queue_len) = (text("m"), 1000 * size_of::<Frame>());
    let fill = || {
        let outbox = Outbox::among(&backlog);
        (0..1000).for_each(|_| outbox.push(Link::FIRST, &message).unwrap());
        assert!(outbox.weight() >= queue_len + outbox.buffered_amount());
        outbox
    };
    let drained = fill();
    assert!((queue_len..3 * queue_len).contains(&backlog.len()), "{}", backlog.len());
    let abandoned = fill();
    assert!(backlog.len() >= 2 * queue_len);
    assert_eq!(drain(&drained).1.len(), 1000);
    abandoned.abandon(Ending::close(1013, ""));
    assert!(backlog.is_empty(), "{}", backlog.len());
    drop(fill());
    assert!(backlog.is_empty(), "it goes with its outbox");
}

#[test]
fn what_a_carrier_could_not_write_weighs() {
    let outbox = outbox();
    outbox.push(Link::FIRST, &text("m")).unwrap();
    assert_eq!(outbox.weight(), 3);
    outbox.set_unwritten(100);
    assert_eq!(outbox.weight(), 103);
}
