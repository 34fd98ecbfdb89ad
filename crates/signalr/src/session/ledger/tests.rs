use super::*;
use omniwire_session::{Encoding, Prepared};

fn frame(payload: &str) -> Frame {
    let mut encoding = Encoding::default();
    encoding.text().extend_from_slice(payload.as_bytes());
    match encoding.finish(|_, _, _| 2) {
        Some(Prepared::One(frame)) => frame,
        other => panic!("{other:?}"),
    }
}

fn queue(payloads: &[&str]) -> VecDeque<Frame> {
    payloads.iter().map(|payload| frame(payload)).collect()
}

fn resent(ledger: &mut Ledger) -> (u64, Vec<String>) {
    let (number, frames) = ledger.resend(Instant::now());
    let text = |frame: &Frame| String::from_utf8(frame.as_payload().to_vec()).unwrap();
    (number, frames.iter().map(text).collect())
}

#[test]
fn what_is_not_acknowledged_is_sent_again() {
    let mut ledger = Ledger::new(100);
    assert_eq!(resent(&mut ledger), (1, vec![]));
    assert_eq!(ledger.send(&mut queue(&["a", "b", "c"])).len(), 3);
    assert!(!ledger.acknowledged(2));
    assert_eq!(resent(&mut ledger), (3, vec!["c".into()]));
    // Old and impossible numbers do no harm.
    assert!(!ledger.acknowledged(1));
    assert!(!ledger.acknowledged(u64::MAX));
    assert_eq!(resent(&mut ledger), (3, vec!["c".into()]));
}

/// An Ack that overtakes what is sent again does not show where the client's count stands.
#[test]
fn what_was_sent_again_is_kept_until_newer_is_acknowledged() {
    let mut ledger = Ledger::new(100);
    ledger.send(&mut queue(&["a", "b"]));
    let all = || vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(resent(&mut ledger), (1, all()));
    ledger.acknowledged(2);
    assert_eq!(resent(&mut ledger), (1, all()));
    ledger.send(&mut queue(&["c"]));
    ledger.acknowledged(3);
    assert_eq!(resent(&mut ledger), (4, vec![]));
}

#[test]
fn copies_share_their_bytes() {
    let mut ledger = Ledger::new(100);
    let sent = ledger.send(&mut queue(&["abc"]));
    let (_, kept) = ledger.resend(Instant::now());
    assert_eq!(sent[0].as_payload().as_ptr(), kept[0].as_payload().as_ptr());
}

#[test]
fn the_rest_is_held_back_until_an_ack() {
    let mut ledger = Ledger::new(4);
    let mut waiting = queue(&["aaaa", "b", "c", "ddddd", "e"]);
    // Not before there is more than the limit.
    assert_eq!(ledger.send(&mut waiting).len(), 2);
    assert!(ledger.holds_back());
    assert_eq!(ledger.send(&mut waiting).len(), 0);
    assert!(ledger.acknowledged(1));
    assert_eq!(ledger.send(&mut waiting).len(), 2);
    assert!(!ledger.acknowledged(3));
    assert!(ledger.acknowledged(4));
    assert_eq!(ledger.send(&mut waiting).len(), 1);
    assert_eq!(resent(&mut ledger), (5, vec!["e".into()]));
}

#[test]
fn numbers_from_the_client() {
    let now = Instant::now();
    let mut ledger = Ledger::new(100);
    assert!(ledger.receive(now) && ledger.receive(now) && ledger.receive(now));
    assert_eq!(ledger.sequence(2, now), Ok(()));
    assert_eq!([(); 3].map(|()| ledger.receive(now)), [false, false, true]);
    // It may say so again before it has sent all of them again.
    assert_eq!(ledger.sequence(1, now), Ok(()));
    assert!(!ledger.receive(now));
    assert_eq!(ledger.sequence(5, now), Ok(()));
    assert!(ledger.receive(now));
    assert_eq!(ledger.sequence(7, now), Err(Gap));
    assert_eq!(ledger.sequence(0, now), Err(Gap));
}

#[test]
fn one_ack_a_second_and_only_with_news() {
    let start = Instant::now();
    let mut ledger = Ledger::new(100);
    assert_eq!(ledger.ack_at(), None);
    ledger.receive(start);
    ledger.receive(start);
    let due = ledger.ack_at().unwrap();
    assert_eq!(due - start, ACK_INTERVAL);
    assert_eq!(ledger.ack(start), None);
    assert_eq!(ledger.ack(due), Some(2));
    assert_eq!((ledger.ack(due), ledger.ack_at()), (None, None));
    // The Ack was lost: the client sends again what it covered.
    ledger.sequence(2, due).unwrap();
    ledger.receive(due);
    assert_eq!(ledger.ack(due + ACK_INTERVAL), Some(2));
}
