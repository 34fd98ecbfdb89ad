//! Rooms of current values, and publications that are made once.

use super::*;
use crate::{Lanes, Outbox};
use omniwire_session::Prepared;

pub(super) fn set<M: Member>(hub: &Hub<M>, room: &str, key: &str, name: &str) -> Delivery {
    let [room, key, name] = [room, key, name].map(ByteString::from);
    let args = Args::default();
    let target = Target { rooms: std::slice::from_ref(&room), ..Target::default() };
    let publication =
        Publication { name: &name, args: &args, remembered: Some(Instant::now()), key: Some(&key) };
    hub.broadcast(target, publication, &mut |wire, place| prepare(wire, &name, &args, place))
}

fn prepare(wire: WireForm, name: &str, args: &Args, place: Option<Place<'_>>) -> Option<Prepared> {
    let mut out = Encoding::default();
    let what = event(name, args, place);
    wire.0.encode("/", what, &mut out);
    out.finish(|_, _, _| 2)
}

/// Joins, and puts the current values in the outbox.
fn join(hub: &Hub, member: &Arc<Lone>, room: &str) -> Option<Recovery> {
    let mut recovery = None;
    hub.join_since(member, &room.into(), Seen::Nothing, Instant::now(), |welcome| {
        for (value, manner) in welcome.values() {
            let prepared = prepare(member.wire, &value.name, &value.args, None).unwrap();
            member.push_in(&prepared, manner).unwrap();
        }
        recovery = welcome.recovery;
    })
    .unwrap();
    recovery
}

#[test]
fn a_value_replaces_the_one_that_still_waits_and_joiners_get_the_newest() {
    let hub = hub_with(|_| ());
    let [slow, quick] = [0, 3].map(|key| enter(&hub, key));
    join(&hub, &slow, "ticker");
    join(&hub, &quick, "ticker");
    for number in 0..1000 {
        let delivery = set(&hub, "ticker", "eur", &format!("eur{number}-"));
        assert_eq!((delivery.taken, delivery.replaced), (2, usize::from(number > 0)));
        assert_eq!(got(&quick), [format!("0eur{number}-0")]);
        if number == 500 {
            set(&hub, "ticker", "usd", "usd-");
            got(&quick);
        }
    }
    assert_eq!(got(&slow), ["0eur999-0", "0usd-0"]);
    let late = enter(&hub, 1);
    join(&hub, &late, "ticker");
    assert_eq!(got(&late), ["1eur999-0", "1usd-0"]);
    join(&hub, &late, "ticker");
    assert!(got(&late).is_empty(), "who is there already has them");
}

#[test]
fn outside_of_rooms_a_value_replaces_the_one_that_still_waits_and_is_not_kept() {
    let hub = hub_with(|_| ());
    let member = enter(&hub, 0);
    let everybody = |key: &str, name: &str| {
        let [key, name] = [key, name].map(ByteString::from);
        let (args, remembered) = (Args::default(), None);
        let publication = Publication { name: &name, args: &args, remembered, key: Some(&key) };
        let encode = &mut |wire, place: Option<Place<'_>>| prepare(wire, &name, &args, place);
        hub.broadcast(Target::default(), publication, encode)
    };
    assert_eq!(set(&hub, "m0", "progress", "10%-").replaced, 0);
    assert_eq!(everybody("time", "noon-").replaced, 0);
    assert_eq!(set(&hub, "m0", "progress", "20%-").replaced, 1);
    assert_eq!(everybody("time", "one-").replaced, 1);
    assert_eq!(got(&member), ["020%-0", "0one-0"]);
    assert_eq!(set(&hub, "m0", "progress", "30%-").replaced, 0, "the older one has left");
    assert!(hub.values("m0").is_empty() && hub.rooms().is_empty());
    assert_eq!(hub.room_count.load(Ordering::Relaxed), 0);
}

#[test]
fn a_hidden_room_keeps_no_value() {
    let hub = hub_with(|config| config.hidden = "own:".into());
    let member = enter(&hub, 0);
    join(&hub, &member, "own:uann");
    assert_eq!(set(&hub, "own:uann", "unread", "1-").taken, 1);
    assert_eq!(set(&hub, "own:uann", "unread", "2-").replaced, 1);
    assert_eq!(got(&member), ["02-0"]);
    assert!(hub.values("own:uann").is_empty());
    hub.exit(&member);
    assert_eq!(hub.room_count.load(Ordering::Relaxed), 0, "nor does it stay for that");
}

#[test]
fn what_waits_for_a_joiner_is_replaced_too() {
    let hub = hub_with(|_| ());
    set(&hub, "ticker", "eur", "old-");
    let late = enter(&hub, 0);
    join(&hub, &late, "ticker");
    assert_eq!(set(&hub, "ticker", "eur", "new-").replaced, 1);
    assert_eq!(got(&late), ["0new-0"]);
}

#[test]
fn the_same_key_in_another_room_is_another() {
    let hub = hub_with(|_| ());
    let member = enter(&hub, 0);
    for room in ["x", "y"] {
        join(&hub, &member, room);
        set(&hub, room, "key", &format!("{room}1-"));
        set(&hub, room, "key", &format!("{room}2-"));
    }
    assert_eq!(got(&member), ["0x2-0", "0y2-0"]);
}

#[test]
fn values_stay_without_members_and_can_be_forgotten() {
    let hub = hub_with(|config| config.values.count_max = 2);
    for key in ["a", "b", "c"] {
        set(&hub, "r", key, key);
    }
    let keys = || hub.values("r").iter().map(|value| value.key.to_string()).collect::<Vec<_>>();
    assert_eq!(keys(), ["b", "c"]);
    let member = enter(&hub, 0);
    join(&hub, &member, "r");
    assert_eq!(got(&member).len(), 2);
    hub.leave(&member, "r");
    assert!(hub.forget_value("r", "b") && !hub.forget_value("r", "b"));
    assert_eq!(keys(), ["c"]);
    assert!(hub.forget_value("r", "c"));
    assert!(hub.shards.iter().all(|shard| shard.lock().rooms.is_empty()), "nor does the room stay");
}

#[test]
fn histories_do_not_remember_values() {
    let history = HistoryLimits { count_max: 3, len_max: 1000, age_max: Duration::from_secs(60) };
    let hub = hub_with(|config| config.history = Some(history));
    let member = enter(&hub, 0);
    join(&hub, &member, "r");
    set(&hub, "r", "key", "value-");
    say(&hub, "event-", Target { rooms: &["r".into()], ..Target::default() });
    assert_eq!(got(&member), ["0value-0", "0event-1"], "a value has no position");
    let late = enter(&hub, 3);
    assert!(matches!(join(&hub, &late, "r"), Some(Recovery::Fresh(at)) if at.offset == 1));
    assert_eq!(got(&late), ["0value-0"]);
}

#[test]
fn a_publication_is_first_once() {
    let hub = hub_with(|_| ());
    let now = Instant::now();
    let id: ByteString = "order-17".into();
    assert!(hub.is_first(now, &id) && !hub.is_first(now, &id));
    let firsts = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..1000 {
                    let is_first = hub.is_first(now, &format!("id{number}").into());
                    firsts.fetch_add(usize::from(is_first), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(firsts.into_inner(), 1000);
}

/// One of several peers that a session has, each in a namespace of its own.
#[derive(Debug)]
struct Peer(Membership, Arc<Outbox>);

impl Member for Peer {
    fn membership(&self) -> &Membership {
        &self.0
    }

    fn outbox(&self) -> &Outbox {
        &self.1
    }
}

#[test]
fn rooms_of_two_namespaces_stay_apart_in_one_outbox() {
    let session = enter(&hub_with(|_| ()), 9);
    let outbox = Arc::new(Outbox::new(OutboxLimits { len_max: 1000, count_max: 10 }));
    let lanes = Lanes::default();
    let [drops, keeps] = [SlowPolicy::DropOldest, SlowPolicy::Close].map(|slow| {
        let mut config = HubConfig::new(&Limits::default(), 1);
        config.lanes = lanes.clone();
        config.slow = Some(SlowPolicies(Arc::new(move |_| slow)));
        let hub = Hub::new(config);
        let membership = Membership::new(MemberKey(0), "m".into(), session.wire, Link::FIRST);
        let member = Arc::new(Peer(membership, Arc::clone(&outbox)));
        hub.enter(Arc::clone(&member));
        hub.join(&member, &"r".into()).unwrap();
        hub
    });
    let delivery = set(&keeps, "r", "k", "keep-");
    assert_eq!((delivery.taken, delivery.replaced), (1, 0));
    let delivery = set(&drops, "r", "k", "drop-");
    assert_eq!((delivery.taken, delivery.replaced), (1, 0), "what waits is another's value");
    for number in 0..20 {
        set(&drops, "r", &number.to_string(), &format!("{number}-"));
    }
    let mut first = None;
    outbox.drain(&mut Context::from_waker(Waker::noop()), |queue| {
        first = queue.front().map(|frame| frame.as_payload().to_vec());
    });
    assert_eq!(first.as_deref(), Some(&b"0keep-0"[..]), "the other's values alone are dropped");
}
