use super::*;

#[test]
fn cve_2026_44545_every_limit_is_finite_and_more_than_nothing_by_default() {
    let entries = Limits::default().entries();
    assert!(entries.len() > 20);
    for entry in entries {
        let bound = match entry.unit {
            Unit::Bytes => 1 << 30,
            Unit::Count => 1 << 24,
            Unit::Milliseconds => 3_600_000,
        };
        assert!((1..=bound).contains(&entry.value), "{entry:?}");
    }
}

#[test]
fn each_limit_is_set_by_the_name_it_is_listed_under() {
    for entry in Limits::default().entries() {
        let mut limits = Limits::default();
        limits.set(entry.name, entry.value + 1).unwrap();
        let changed: Vec<_> = limits
            .entries()
            .into_iter()
            .zip(Limits::default().entries())
            .filter(|(new, old)| new != old)
            .map(|(new, _)| (new.name, new.value))
            .collect();
        assert_eq!(changed, [(entry.name, entry.value + 1)]);
    }
}

#[test]
fn what_is_no_limit_is_refused() {
    let mut limits = Limits::default();
    let unknown = LimitError::Unknown("nothing".to_owned());
    assert_eq!(limits.set("nothing", 1), Err(unknown));
    let zero = LimitError::Zero("rooms_max".to_owned());
    assert_eq!(limits.set("rooms_max", 0), Err(zero));
    assert_eq!(limits, Limits::default());
}

#[test]
fn names_of_times_say_their_unit() {
    for entry in Limits::default().entries() {
        assert_eq!(entry.name.ends_with("_ms"), entry.unit == Unit::Milliseconds, "{entry:?}");
    }
}
