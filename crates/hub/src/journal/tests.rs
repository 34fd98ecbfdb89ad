use super::*;
use crate::{Hub, HubConfig, Lone, Membership, OutboxLimits};
use omniwire_session::limits::Limits;
use omniwire_session::{Link, Outgoing, Wire, WireForm, WireId};
use proptest::prelude::*;
use std::sync::Arc;

#[derive(Debug)]
struct Names;

impl Wire for Names {
    fn id(&self) -> WireId {
        WireId(0)
    }

    fn encode(&self, _: &str, _: Outgoing<'_>, _: &mut omniwire_session::Encoding) {}
}

const LIMITS: JournalLimits =
    JournalLimits { count_max: 100, len_max: 1 << 20, age_max: Duration::from_secs(10) };

fn hub(limits: JournalLimits) -> Hub {
    let mut config = HubConfig::new(&Limits::default(), 7);
    config.journal = Some(limits);
    Hub::new(config)
}

static NAMES: &dyn Wire = &Names;

fn member(key: u64) -> Arc<Lone> {
    let limits = OutboxLimits { len_max: 1 << 20, count_max: 100 };
    let (key, id) = (MemberKey(key), format!("id{key}").into());
    Arc::new(Lone::new(Membership::new(key, id, WireForm(&NAMES), Link::FIRST), limits))
}

fn entered(hub: &Hub, key: u64, rooms: &[&'static str]) -> Arc<Lone> {
    let member = member(key);
    hub.enter_to_return(Arc::clone(&member));
    for room in rooms {
        hub.join(&member, &ByteString::from_static(room)).unwrap();
    }
    member
}

/// Publishes to these rooms; gives the position.
fn say(hub: &Hub, now: Instant, rooms: &[&'static str], name: &'static str) -> Option<Position> {
    let rooms: Vec<_> = rooms.iter().map(|room| ByteString::from_static(room)).collect();
    let target = Target { rooms: &rooms, ..Target::default() };
    let name = ByteString::from_static(name);
    hub.journal().unwrap().publish(now, target, &name, &Args::default()).position()
}

/// The names of what a member missed when it comes back; `None` if it can't.
fn back(hub: &Hub, key: u64, rooms: &[&'static str], since: &Since) -> Option<Vec<String>> {
    let rooms: Vec<_> = rooms.iter().map(|room| ByteString::from_static(room)).collect();
    let mut names = Vec::new();
    let came = hub.come_back(
        &member(key),
        &rooms,
        since,
        |missed| {
            names.extend(missed.map(|entry| entry.name.to_string()));
            true
        },
        |_| (),
    );
    came.then_some(names)
}

#[test]
fn what_was_missed_comes_in_order_by_the_rooms_of_old() {
    let (hub, now) = (hub(LIMITS), Instant::now());
    let gone = entered(&hub, 1, &["a", "b"]);
    let seen = say(&hub, now, &["a"], "seen").unwrap();
    assert_eq!(hub.step_out(&gone), ["a", "b"]);
    for (rooms, name) in [
        (&["a", "b"][..], "once"),
        (&[], "all"),
        (&["c"], "elsewhere"),
        (&["id1"], "own"),
        (&["b"], "last"),
    ] {
        say(&hub, now, rooms, name);
    }
    let since = Since::Position(seen);
    assert_eq!(back(&hub, 1, &["a", "b"], &since).unwrap(), ["once", "all", "own", "last"]);
    assert_eq!(hub.member("id1").unwrap().rooms(), ["a", "b"]);
    assert_eq!((hub.room_len("b"), hub.member("id1").unwrap().key), (1, gone.key));
}

#[test]
fn exceptions_hold_for_those_who_are_away() {
    let (hub, now) = (hub(LIMITS), Instant::now());
    hub.step_out(&entered(&hub, 1, &["a"]));
    let (journal, args) = (hub.journal().unwrap(), Args::default());
    let by = |except: &[MemberKey], room: &'static str, name: &'static str| {
        let except_rooms = [ByteString::from_static(room)];
        let target = Target { rooms: &[], except_rooms: &except_rooms, except };
        drop(journal.publish(now, target, &ByteString::from_static(name), &args));
    };
    by(&[MemberKey(1)], "b", "own words");
    by(&[], "a", "not to a");
    by(&[], "id1", "not to it");
    by(&[], "b", "not to b");
    assert_eq!(back(&hub, 1, &["a"], &Since::Entered).unwrap(), ["not to b"]);
}

#[test]
fn what_was_said_before_it_joined_is_not_its_own() {
    let (hub, now) = (hub(LIMITS), Instant::now());
    let gone = entered(&hub, 1, &[]);
    say(&hub, now, &["a"], "before");
    hub.join(&gone, &"a".into()).unwrap();
    say(&hub, now, &["a"], "after");
    hub.step_out(&gone);
    assert_eq!(back(&hub, 1, &["a"], &Since::Entered).unwrap(), ["after"]);
}

#[test]
fn whoever_never_heard_anything_comes_back_too_and_more_than_once() {
    let (hub, now) = (hub(LIMITS), Instant::now());
    hub.step_out(&entered(&hub, 1, &[]));
    assert_eq!(back(&hub, 1, &[], &Since::Entered).unwrap(), [""; 0]);
    let position = say(&hub, now, &[], "one").unwrap();
    hub.step_out(&member(1));
    assert_eq!(back(&hub, 1, &[], &Since::Entered).unwrap(), ["one"]);
    hub.step_out(&member(1));
    assert_eq!(back(&hub, 1, &[], &Since::Position(position)).unwrap(), [""; 0]);
}

#[test]
fn who_is_away_leaves_no_room_behind_its_back() {
    let (hub, now) = (hub(LIMITS), Instant::now());
    let gone = entered(&hub, 1, &["a"]);
    hub.step_out(&gone);
    assert!(!hub.leave(&gone, "a"), "a handler that is still at work comes too late");
    say(&hub, now, &["a"], "missed");
    assert_eq!(back(&hub, 1, &["a"], &Since::Entered).unwrap(), ["missed"]);
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let (hub, now) = (hub(JournalLimits { count_max: 2, ..LIMITS }), Instant::now());
    hub.step_out(&entered(&hub, 1, &[]));
    let seen = say(&hub, now, &[], "0").unwrap();
    say(&hub, now, &[], "1");
    say(&hub, now, &[], "2");
    assert_eq!(back(&hub, 1, &[], &Since::Position(seen)).unwrap(), ["1", "2"]);
    hub.step_out(&member(1));
    say(&hub, now, &[], "3");
    assert_eq!(back(&hub, 1, &[], &Since::Position(seen)), None, "event 1 is forgotten");
    for (epoch, offset) in [(7, 99), (8, 4)] {
        let since = Since::Position(Position { epoch, offset });
        assert_eq!(back(&hub, 1, &[], &since), None);
    }
    assert_eq!(back(&hub, 2, &[], &Since::Entered), None, "nobody knows it");
    hub.forget(MemberKey(1));
    assert_eq!(back(&hub, 1, &[], &Since::Position(Position { epoch: 7, offset: 4 })), None);
}

/// Its connection may have been quiet for longer than the journal remembers.
#[test]
fn an_old_position_is_good_if_nothing_was_forgotten_before_its_time() {
    let (hub, now) = (hub(LIMITS), Instant::now());
    let gone = entered(&hub, 1, &[]);
    let seen = say(&hub, now, &[], "seen").unwrap();
    hub.journal().unwrap().prune(now + LIMITS.age_max * 2);
    hub.step_out(&gone);
    say(&hub, now + LIMITS.age_max * 2, &[], "missed");
    assert_eq!(back(&hub, 1, &[], &Since::Position(seen)).unwrap(), ["missed"]);
}

#[test]
fn a_text_in_place_of_a_position_is_known_again() {
    let (hub, now) = (hub(LIMITS), Instant::now());
    let gone = entered(&hub, 1, &[]);
    let journal = hub.journal().unwrap();
    let pass = |json: &'static str| {
        let args = Args::from_elements(ByteString::from_static(json)).unwrap();
        if let Some(mut publishing) = journal.pass(&args) {
            publishing.told(MemberKey(1));
        }
    };
    pass(r#"1,"early""#);
    say(&hub, now, &[], "one");
    pass(r#""tick","\u0061 b""#);
    pass(r#""tick",1"#);
    say(&hub, now, &[], "two");
    hub.step_out(&gone);
    for (text, missed) in [("early", &["one", "two"][..]), ("a b", &["two"])] {
        assert_eq!(back(&hub, 1, &[], &Since::Text(text.into())).unwrap(), missed);
        hub.step_out(&member(1));
    }
    assert_eq!(back(&hub, 1, &[], &Since::Text("tick".into())), None, "it was not the last");
    pass(r#""early""#);
    assert_eq!(back(&hub, 1, &[], &Since::Text("early".into())), None, "which of the two?");
}

#[test]
fn nothing_is_kept_for_nobody() {
    let (hub, now) = (hub(LIMITS), Instant::now());
    assert_eq!(say(&hub, now, &[], "unheard"), None);
    let only = entered(&hub, 1, &[]);
    say(&hub, now, &[], "heard");
    assert!(hub.journal().unwrap().lock().len > 0);
    hub.exit(&only);
    let state = hub.journal().unwrap().lock();
    assert_eq!((state.len, state.entries.len(), state.standings.len()), (0, 0, 0));
}

proptest! {
    #[test]
    fn is_bounded_by_count_bytes_and_age(
        said in prop::collection::vec((0_usize..400, 0_u64..4), 1..80),
        count_max in 1_usize..9,
        len_max in 200_usize..2000,
    ) {
        let limits = JournalLimits { count_max, len_max, ..LIMITS };
        let (hub, mut now) = (hub(limits), Instant::now());
        hub.step_out(&entered(&hub, 1, &[]));
        let journal = hub.journal().unwrap();
        for (len, seconds) in said {
            now += Duration::from_secs(seconds);
            let args = Args::from_text("x".repeat(len));
            drop(journal.publish(now, Target::default(), &"e".into(), &args));
            let state = journal.lock();
            prop_assert!(state.entries.len() <= count_max && state.len <= len_max);
            prop_assert_eq!(state.len, state.entries.iter().map(Entry::len).sum::<usize>());
            let oldest = state.entries.front().map_or(now, |entry| entry.at);
            prop_assert!(now - oldest <= limits.age_max);
            let first = state.entries.front().map_or(state.head + 1, |e| e.position.offset);
            prop_assert!(state.lost < first);
        }
    }
}
