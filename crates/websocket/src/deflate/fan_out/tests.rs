use std::cell::Cell;

use super::*;
use crate::PreparedMessage;
use crate::message::Message;

thread_local! {
    /// How often this thread compressed.
    pub(super) static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn frame(number: usize, len: usize) -> Bytes {
    let mut text = format!("{number} ").repeat(len);
    text.truncate(len);
    PreparedMessage::new(Message::text(text)).frame().clone()
}

fn send(frame: &Bytes, shared: Shared) -> Bytes {
    compressed(frame, frame.get(4..).unwrap(), OpCode::Text, shared, false)
}

fn kept() -> (usize, usize) {
    KEPT.with_borrow(|kept| {
        let len = kept.made.iter().map(Made::len).sum();
        assert_eq!(kept.len, len);
        (kept.made.len(), len)
    })
}

#[test]
fn a_fan_out_is_compressed_once_for_each_window_however_many_wait() {
    let frames: Vec<_> = (0..20).map(|number| frame(number, 1_000)).collect();
    let windows = [Shared::new(15, 6), Shared::new(10, 6)];
    for member in 0..1_000 {
        for frame in &frames {
            assert!(send(frame, windows[member % 2]).len() < 100);
        }
    }
    assert_eq!(COUNT.get(), frames.len() * windows.len());
}

#[test]
fn what_is_kept_is_bounded_by_count() {
    for number in 0..1_000 {
        send(&frame(number, 1_000), Shared::new(15, 6));
    }
    assert_eq!((COUNT.get(), kept().0), (1_000, KEPT_COUNT_MAX));
}

#[test]
fn what_is_kept_is_bounded_by_bytes_and_the_newest_stay() {
    let frames: Vec<_> = (0..40).map(|number| frame(number, 300_000)).collect();
    for frame in &frames {
        send(frame, Shared::new(15, 6));
        assert!(kept().1 <= KEPT_LEN_MAX);
    }
    assert_eq!(kept().0, KEPT_LEN_MAX / 301_000);
    send(frames.last().unwrap(), Shared::new(15, 6));
    assert_eq!(COUNT.get(), 40);
    // One that is longer than all of it drives nothing out.
    let before = kept();
    send(&frame(0, KEPT_LEN_MAX + 1), Shared::new(15, 6));
    assert_eq!(kept(), before);
}
