use super::*;

const LIMITS: HistoryLimits =
    HistoryLimits { count_max: 3, len_max: 1000, age_max: Duration::from_secs(60) };

fn filled(count: u64) -> History {
    let mut history = History::new(LIMITS, 7);
    for n in 1..=count {
        history.append(Instant::now(), &"e".into(), &Args::from_text(n.to_string()));
    }
    history
}

fn after(history: &History, epoch: u32, offset: u64) -> Option<Vec<u64>> {
    let missed = history.after(Position { epoch, offset })?;
    Some(missed.map(|stored| stored.position.offset).collect())
}

#[test]
fn gives_exactly_what_was_missed() {
    let history = filled(5);
    assert_eq!(after(&history, 7, 5), Some(vec![]));
    assert_eq!(after(&history, 7, 3), Some(vec![4, 5]));
    assert_eq!(after(&history, 7, 2), Some(vec![3, 4, 5]));
}

#[test]
fn says_when_it_cannot() {
    let history = filled(5);
    assert_eq!(after(&history, 7, 1), None, "2 is forgotten");
    assert_eq!(after(&history, 7, 6), None, "never given out");
    assert_eq!(after(&history, 8, 4), None, "another epoch");
}

#[test]
fn is_bounded_by_bytes() {
    let mut history = History::new(HistoryLimits { count_max: 100, len_max: 100, ..LIMITS }, 1);
    for _ in 0..50 {
        history.append(Instant::now(), &"event".into(), &Args::from_text("x".repeat(20)));
    }
    assert_eq!(history.iter().count(), 3);
    assert_eq!(history.position().offset, 50);
}

#[test]
fn is_bounded_by_age() {
    let start = Instant::now();
    let mut history = History::new(LIMITS, 1);
    for seconds in [0, 30, 80] {
        history.append(start + Duration::from_secs(seconds), &"e".into(), &Args::default());
    }
    assert_eq!(after(&history, 1, 0), None, "the first is older than a minute");
    assert_eq!(after(&history, 1, 1), Some(vec![2, 3]));
    history.forget_old(start + Duration::from_secs(100));
    assert_eq!(after(&history, 1, 1), None, "now the second is, too");
    history.forget_old(start + Duration::from_secs(1000));
    assert_eq!(history.iter().count(), 0);
    assert_eq!(after(&history, 1, 3), Some(vec![]), "who has seen all has missed nothing");
}
