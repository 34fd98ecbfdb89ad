//! What becomes of slow members, room by room.

use super::*;

/// Rooms say by their names what becomes of slow members.
fn policies() -> Hub {
    let policy = |room: &str| match room {
        "drop" => SlowPolicy::DropOldest,
        "latest" => SlowPolicy::KeepLatest,
        _ => SlowPolicy::Close,
    };
    hub_with(|config| config.slow = Some(SlowPolicies(Arc::new(policy))))
}

/// A member that takes nothing, and one that takes all, in a room that is told 300 things; the
/// outboxes hold 100.
fn flood(room: &str) -> (Arc<Lone>, Vec<String>, Delivery) {
    let hub = policies();
    let [slow, quick] = [0, 3].map(|key| enter(&hub, key));
    let name: ByteString = room.into();
    hub.join(&slow, &name).unwrap();
    hub.join(&quick, &name).unwrap();
    let mut all = Delivery::default();
    let mut heard = Vec::new();
    for number in 0..300 {
        let target = Target { rooms: std::slice::from_ref(&name), ..Target::default() };
        let delivery = say(&hub, &format!("{number}-"), target);
        all.taken += delivery.taken;
        all.refused += delivery.refused;
        all.dropped += delivery.dropped;
        heard.extend(got(&quick));
    }
    (slow, heard, all)
}

fn all_300() -> Vec<String> {
    (0..300).map(|number| format!("0{number}-0")).collect()
}

#[test]
fn a_slow_member_is_closed_unless_the_room_says_otherwise() {
    let (slow, heard, all) = flood("any");
    assert!(slow.outbox().is_overflowed());
    assert_eq!(heard, all_300(), "the others hear all");
    assert_eq!((all.taken, all.refused, all.dropped), (400, 200, 0));
}

#[test]
fn the_oldest_are_dropped_and_the_newest_come_in_order() {
    let (slow, heard, all) = flood("drop");
    assert!(!slow.outbox().is_overflowed());
    assert_eq!(heard, all_300(), "the others hear all");
    let kept = got(&slow);
    assert_eq!(kept, all_300()[300 - kept.len()..]);
    assert!((88..=100).contains(&kept.len()), "{}", kept.len());
    assert_eq!((all.taken, all.refused, all.dropped), (600, 0, 300 - kept.len()));
}

#[test]
fn the_latest_is_what_is_kept() {
    let (slow, heard, all) = flood("latest");
    assert!(!slow.outbox().is_overflowed());
    assert_eq!(heard, all_300(), "the others hear all");
    // At each hundredth all that waited was dropped.
    assert_eq!(got(&slow), all_300()[200..]);
    assert_eq!((all.taken, all.refused, all.dropped), (600, 0, 200));
}

#[test]
fn one_rooms_flood_costs_another_room_nothing() {
    let hub = policies();
    let slow = enter(&hub, 0);
    let [flood, calm]: [ByteString; 2] = ["drop".into(), "calm".into()];
    hub.join(&slow, &flood).unwrap();
    hub.join(&slow, &calm).unwrap();
    let say_to = |name: &str, room| {
        say(&hub, name, Target { rooms: std::slice::from_ref(room), ..Target::default() })
    };
    say_to("calm", &calm);
    for _ in 0..300 {
        say_to("flood", &flood);
    }
    say_to("calm", &calm);
    let kept = got(&slow);
    assert_eq!(kept.iter().filter(|text| *text == "0calm0").count(), 2);
    assert_eq!(
        (kept.first().unwrap().as_str(), kept.last().unwrap().as_str()),
        ("0calm0", "0calm0")
    );
}
