mod kept;
mod order;
mod policies;
mod recovery;
mod values;

use super::*;
use crate::{Delivery, Drained, OutboxLimits, Publication, Pushed, Target};
use omniwire_session::{Args, Encoding, Link, Outgoing, Place, Wire, WireForm, WireId};
use std::task::{Context, Waker};
use std::time::Duration;

#[derive(Debug)]
struct Plain(u16);
impl Wire for Plain {
    fn id(&self) -> WireId {
        WireId(self.0)
    }
    fn encode(&self, _: &str, what: Outgoing<'_>, out: &mut Encoding) {
        if let Outgoing::Event { name, position, .. } = what {
            let offset = position.map_or(0, |place| place.position.offset);
            out.text().extend_from_slice(format!("{}{name}{offset}", self.0).as_bytes());
        }
    }
}

static WIRES: [&dyn Wire; 3] = [&Plain(0), &Plain(1), &Plain(2)];

fn hub(history: bool) -> Hub {
    let age_max = Duration::from_secs(60);
    let history = history.then_some(HistoryLimits { count_max: 3, len_max: 1000, age_max });
    let mut config = HubConfig::new(&Limits::default(), 1);
    config.rooms_max = 2;
    config.name_len_max = 8;
    config.history = history;
    config.idle_rooms_max = SHARD_COUNT;
    Hub::new(config)
}

fn enter(hub: &Hub, key: u64) -> Arc<Lone> {
    let member = lone(key);
    hub.enter(Arc::clone(&member));
    member
}

fn lone(key: u64) -> Arc<Lone> {
    let limits = OutboxLimits { len_max: 1000, count_max: 100 };
    let wire = WireForm(&WIRES[key as usize % 3]);
    let id = format!("m{key}").into();
    Arc::new(Lone::new(Membership::new(MemberKey(key), id, wire, Link::FIRST), limits))
}

fn event<'a>(name: &'a str, args: &'a Args, place: Option<Place<'a>>) -> Outgoing<'a> {
    Outgoing::Event { name, args, call: None, position: place }
}

fn say(hub: &Hub, name: &str, target: Target<'_>) -> Delivery {
    let name: ByteString = name.into();
    let args = Args::default();
    let publication =
        Publication { name: &name, args: &args, remembered: Some(Instant::now()), key: None };
    hub.broadcast(target, publication, &mut |wire, place| {
        let mut out = Encoding::default();
        let what = event(&name, &args, place);
        wire.0.encode("/", what, &mut out);
        out.finish(|_, _, _| 2)
    })
}

fn got(member: &Lone) -> Vec<String> {
    let mut taken = Vec::new();
    let drained = member.outbox().drain(&mut Context::from_waker(Waker::noop()), |queue| {
        taken = queue.drain(..).map(|f| String::from_utf8_lossy(f.as_payload()).into()).collect();
    });
    assert!(matches!(drained, Drained::Empty | Drained::Some));
    taken
}

#[test]
fn encodes_once_per_wire_form() {
    let hub = hub(false);
    let members: Vec<_> = (0..3000).map(|key| enter(&hub, key)).collect();
    let delivery = say(&hub, "e", Target::default());
    assert_eq!(delivery, Delivery { taken: 3000, encodings: 3, ..Delivery::default() });
    assert_eq!(got(&members[1]), ["1e0"]);
}

#[test]
fn several_rooms_without_duplicates_and_with_exceptions() {
    let hub = hub(false);
    let [a, b, c] = [0, 3, 6].map(|key| enter(&hub, key));
    let [x, y]: [ByteString; 2] = ["x".into(), "y".into()];
    hub.join(&a, &x).unwrap();
    hub.join(&a, &y).unwrap();
    hub.join(&b, &y).unwrap();
    let rooms = [x.clone(), y.clone()];
    say(&hub, "1", Target { rooms: &rooms, ..Target::default() });
    say(&hub, "2", Target { rooms: &rooms, except: &[a.key], ..Target::default() });
    say(&hub, "3", Target { except_rooms: std::slice::from_ref(&x), ..Target::default() });
    let except = Target { rooms: &rooms, except_rooms: &rooms[..1], ..Target::default() };
    assert_eq!(hub.members(except).iter().map(|member| member.key).collect::<Vec<_>>(), [b.key]);
    let own = [ByteString::from(&*c.id)];
    say(&hub, "4", Target { rooms: &own, ..Target::default() });
    assert_eq!(got(&a), ["010"]);
    assert_eq!(got(&b), ["010", "020", "030"]);
    assert_eq!(got(&c), ["030", "040"]);
}

#[test]
fn a_room_named_as_a_member_hides_nobody() {
    let hub = hub(true);
    let own = ["m3".into()];
    // Said before the member comes, or while it is away: there is a room of this name from now on.
    say(&hub, "early", Target { rooms: &own, ..Target::default() });
    let [guest, named] = [0, 3].map(|key| enter(&hub, key));
    let to_named = Target { rooms: &own, ..Target::default() };
    assert_eq!((say(&hub, "1", to_named).taken, got(&named)), (1, vec!["010".to_owned()]));
    hub.join(&guest, &own[0]).unwrap();
    assert_eq!(say(&hub, "2", to_named).taken, 2);
    assert_eq!((got(&guest), got(&named)), (vec!["023".to_owned()], vec!["020".to_owned()]));
    assert_eq!(hub.members(to_named).len(), 2);
    say(&hub, "3", Target { except_rooms: &own, ..Target::default() });
    assert!(got(&guest).is_empty() && got(&named).is_empty());
    // It is in its room twice over, and hears all once.
    hub.join(&named, &own[0]).unwrap();
    assert_eq!((say(&hub, "4", to_named).taken, got(&named)), (2, vec!["044".to_owned()]));
}

#[test]
fn a_room_that_is_named_twice_is_told_once() {
    let hub = hub(true);
    let a = enter(&hub, 0);
    let x: ByteString = "x".into();
    hub.join(&a, &x).unwrap();
    let twice = [x.clone(), x];
    assert_eq!(say(&hub, "e", Target { rooms: &twice, ..Target::default() }).taken, 1);
    assert_eq!(got(&a), ["0e1"]);
    assert_eq!(hub.history("x", Instant::now()).unwrap().len(), 1);
}

#[test]
fn limits_and_ghosts() {
    let hub = hub(false);
    let a = enter(&hub, 0);
    assert_eq!(hub.join(&a, &"123456789".into()), Err(JoinError::NameTooLong));
    hub.join(&a, &"1".into()).unwrap();
    hub.join(&a, &"1".into()).unwrap();
    hub.join(&a, &"2".into()).unwrap();
    assert_eq!(hub.join(&a, &"3".into()), Err(JoinError::TooManyRooms));
    assert!(hub.leave(&a, "2") && !hub.leave(&a, "2"));
    assert_eq!(hub.exit(&a), ["1"]);
    assert_eq!(hub.join(&a, &"1".into()), Err(JoinError::Gone));
    assert!(hub.members(Target::default()).is_empty() && hub.is_empty());
    assert!(hub.shards.iter().all(|shard| shard.lock().rooms.is_empty()), "no room is left behind");
}

#[test]
fn a_full_outbox_is_refused_and_the_others_are_served() {
    let hub = hub(false);
    let [slow, quick] = [0, 1].map(|key| enter(&hub, key));
    for _ in 0..100 {
        say(&hub, "e", Target::default());
        got(&quick);
    }
    let delivery = say(&hub, "e", Target::default());
    assert_eq!((delivery.taken, delivery.refused), (1, 1));
    assert!(slow.outbox().is_overflowed());
}

#[test]
fn what_is_volatile_reaches_the_ready_and_is_not_remembered() {
    let hub = hub(true);
    let room: ByteString = "r".into();
    let [ready, busy] = [0, 3].map(|key| enter(&hub, key));
    for member in [&ready, &busy] {
        hub.join(member, &room).unwrap();
        assert!(got(member).is_empty(), "waits from now on");
    }
    busy.outbox().set_unwritten(9);
    let target = Target { rooms: std::slice::from_ref(&room), ..Target::default() };
    let name: ByteString = "v".into();
    let args = Args::default();
    let publication = Publication { name: &name, args: &args, remembered: None, key: None };
    let delivery = hub.broadcast_with(
        target,
        publication,
        &mut |wire, place| {
            let mut out = Encoding::default();
            let what = event(&name, &args, place);
            wire.0.encode("/", what, &mut out);
            out.finish(|_, _, _| 2)
        },
        &mut |member, prepared, _| {
            let taken = member.push_volatile(prepared)?;
            Ok(Pushed { taken, ..Pushed::default() })
        },
    );
    assert_eq!((delivery.taken, delivery.skipped), (1, 1));
    assert_eq!((got(&ready), got(&busy)), (vec!["0v0".to_owned()], vec![]));
    assert!(hub.history("r", Instant::now()).unwrap().is_empty());
}

/// What was logged, as `+room member` or `-room member`, with `!` where the room came or went.
fn logged(hub: &Hub) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(Change { room, member, joined, edge }) = hub.take_change() {
        let (sign, mark) = (if joined { "+" } else { "-" }, if edge { "!" } else { "" });
        words.push(format!("{sign}{room} {}{mark}", member.id));
    }
    words
}

fn hub_with(change: impl FnOnce(&mut HubConfig)) -> Hub {
    let mut config = HubConfig::new(&Limits::default(), 1);
    change(&mut config);
    Hub::new(config)
}

#[test]
fn joins_and_leaves_are_logged_once_each_with_the_rooms_that_come_and_go() {
    let hub = hub_with(|config| config.logged = true);
    let [a, b] = [0, 1].map(|key| enter(&hub, key));
    let [x, y]: [ByteString; 2] = ["x".into(), "y".into()];
    hub.join(&a, &x).unwrap();
    hub.join(&a, &x).unwrap();
    hub.join(&b, &x).unwrap();
    hub.join(&b, &y).unwrap();
    assert_eq!(logged(&hub), ["+x m0!", "+x m1", "+y m1!"]);
    assert!(hub.leave(&a, "x") && !hub.leave(&a, "x"));
    hub.exit(&b);
    assert_eq!(logged(&hub), ["-x m0", "-x m1!", "-y m1!"]);
    assert_eq!(hub.join(&b, &x), Err(JoinError::Gone));
    assert!(logged(&hub).is_empty(), "who is gone does not come");
}

#[test]
fn who_would_not_be_logged_does_not_join() {
    let age_max = Duration::from_secs(60);
    let journal = JournalLimits { count_max: 10, len_max: 10_000, age_max };
    let hub = hub_with(|config| {
        (config.logged, config.changes_max, config.journal) = (true, 2, Some(journal));
    });
    let [a, b] = [0, 1].map(|key| enter(&hub, key));
    let [x, y]: [ByteString; 2] = ["x".into(), "y".into()];
    hub.enter_to_return(Arc::clone(&a));
    hub.join(&a, &x).unwrap();
    hub.join(&a, &y).unwrap();
    assert_eq!(hub.join(&b, &x), Err(JoinError::Busy));
    assert_eq!(hub.join(&a, &x), Ok(()), "it is there already");
    assert!(hub.room_len("x") == 1 && b.rooms().is_empty());
    // Whoever is there may always leave, and come back once the log was read.
    let rooms = hub.step_out(&a);
    let back = || hub.come_back(&a, &rooms, &Since::Entered, |_| true, |_| ());
    assert!(!back());
    assert_eq!(logged(&hub), ["+x m0!", "+y m0!", "-x m0!", "-y m0!"]);
    assert!(back());
    assert_eq!(logged(&hub), ["+x m0!", "+y m0!"]);
    hub.join(&b, &x).unwrap();
}

#[test]
fn a_recoverable_room_comes_and_goes_with_its_members() {
    let history = HistoryLimits { count_max: 3, len_max: 1000, age_max: Duration::from_secs(60) };
    let hub = hub_with(|config| (config.logged, config.history) = (true, Some(history)));
    let a = enter(&hub, 0);
    let x: ByteString = "x".into();
    say(&hub, "1", Target { rooms: std::slice::from_ref(&x), ..Target::default() });
    assert!(logged(&hub).is_empty());
    hub.join(&a, &x).unwrap();
    hub.leave(&a, "x");
    assert_eq!(logged(&hub), ["+x m0!", "-x m0!"]);
    assert_eq!(hub.history("x", Instant::now()).unwrap().len(), 1, "its history stays");
}

#[test]
fn a_namespace_has_only_so_many_rooms() {
    let hub = hub_with(|config| config.all_rooms_max = 2);
    let [a, b] = [0, 1].map(|key| enter(&hub, key));
    let [x, y, z]: [ByteString; 3] = ["x".into(), "y".into(), "z".into()];
    hub.join(&a, &x).unwrap();
    hub.join(&a, &y).unwrap();
    assert_eq!(hub.join(&a, &z), Err(JoinError::NamespaceFull));
    assert_eq!(a.rooms(), [x.clone(), y.clone()], "what failed leaves nothing behind");
    hub.join(&b, &x).unwrap();
    hub.leave(&a, "y");
    hub.join(&b, &z).unwrap();
    let mut rooms = hub.rooms();
    rooms.sort_unstable();
    assert_eq!(rooms, [(x, 2), (z, 1)]);
    assert_eq!((hub.room_len("x"), hub.room_len("y")), (2, 0));
}

#[test]
fn a_policy_that_panics_takes_no_room_s_place() {
    let policy = |room: &str| if room == "x" { panic!("no policy") } else { SlowPolicy::Close };
    let hub = hub_with(|config| {
        (config.all_rooms_max, config.slow) = (1, Some(SlowPolicies(Arc::new(policy))));
    });
    let a = enter(&hub, 0);
    for _ in 0..2 {
        let join = std::panic::AssertUnwindSafe(|| hub.join(&a, &"x".into()));
        assert!(std::panic::catch_unwind(join).is_err());
    }
    assert_eq!(hub.join(&a, &"y".into()), Ok(()));
}

#[test]
fn who_finds_no_place_for_its_rooms_does_not_come_back() {
    let age_max = Duration::from_secs(60);
    let journal = JournalLimits { count_max: 10, len_max: 10_000, age_max };
    let hub = hub_with(|config| {
        (config.all_rooms_max, config.logged, config.journal) = (2, true, Some(journal));
    });
    let (a, b) = (lone(0), enter(&hub, 1));
    let [x, y, z]: [ByteString; 3] = ["x".into(), "y".into(), "z".into()];
    hub.enter_to_return(Arc::clone(&a));
    hub.join(&a, &x).unwrap();
    hub.join(&a, &y).unwrap();
    let rooms = hub.step_out(&a);
    logged(&hub);
    let back = |deliver: &dyn Fn()| {
        let deliver = |_: &mut dyn Iterator<Item = &JournalEntry>| {
            deliver();
            true
        };
        hub.come_back(&a, &rooms, &Since::Entered, deliver, |_| ())
    };
    hub.join(&b, &z).unwrap();
    assert!(!back(&|| panic!("it is not let in")));
    assert_eq!((logged(&hub), hub.len()), (vec!["+z m1!".to_owned()], 1));
    hub.leave(&b, "z");
    logged(&hub);
    // A value, which no journal waits for, makes a room just now.
    assert!(!back(&|| assert_eq!(values::set(&hub, "z", "key", "value").taken, 0)));
    assert_eq!(logged(&hub), ["+x m0!", "-x m0!"]);
    assert!(a.rooms().is_empty() && hub.len() == 1);
    assert!(hub.forget_value("z", "key") && back(&|| ()));
    assert_eq!(a.rooms(), [x, y]);
}

#[test]
fn hidden_rooms_remember_nothing_and_are_not_listed() {
    let history = HistoryLimits { count_max: 3, len_max: 1000, age_max: Duration::from_secs(60) };
    let hub = hub_with(|config| {
        config.history = Some(history);
        config.hidden = "secret:".into();
        config.name_len_max = 3;
    });
    let a = enter(&hub, 0);
    // The letter says of which kind it is.
    let room: ByteString = "secret:uabc".into();
    assert_eq!(hub.join(&a, &"secret:uabcd".into()), Err(JoinError::NameTooLong));
    hub.join(&a, &room).unwrap();
    say(&hub, "e", Target { rooms: std::slice::from_ref(&room), ..Target::default() });
    assert_eq!(got(&a), ["0e0"], "without a position");
    assert!(hub.rooms().is_empty() && hub.room_len(&room) == 1);
    assert!(hub.history(&room, Instant::now()).is_none());
}

/// Nobody asks who is in a room of its owner's own.
#[test]
fn hidden_rooms_take_no_place_in_the_log() {
    let hub = hub_with(|config| {
        (config.logged, config.changes_max, config.hidden) = (true, 1, "hidden:".into());
    });
    let a = enter(&hub, 0);
    for room in ["hidden:1", "hidden:2", "x", "hidden:3"] {
        assert_eq!(hub.join(&a, &room.into()), Ok(()), "{room}");
    }
    assert!(hub.leave(&a, "hidden:1"));
    assert_eq!(logged(&hub), ["+x m0!"]);
}
