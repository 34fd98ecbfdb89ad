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
fn finishes_after_what_is_there() {
    let outbox = outbox();
    outbox.push(Link::FIRST, &text("last")).unwrap();
    outbox.finish(Ending::close(1000, ""));
    assert_eq!(outbox.push(Link::FIRST, &text("late")), Err(PushError::Closed));
    assert_eq!(drain(&outbox).1, ["last"]);
    assert_eq!(drain(&outbox).0, Drained::Finished(Ending::close(1000, "")));
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
    outbox.set_unwritten(true);
    assert!(!volatile("behind what is not written"));
    outbox.set_unwritten(false);
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
