//! Models of the outbox and of rooms: several threads, and a scheduler that tries their orders.
//! Run by `cargo xtask test --only models`, with `--cfg shuttle`; a failure prints the schedule
//! that led to it. Whoever is never woken is found as a deadlock.
#![cfg(shuttle)]

use omniwire_hub::{
    Delivery, Drained, HistoryLimits, Hub, HubConfig, JournalLimits, Lone, Member as _, MemberKey,
    Membership, Outbox, OutboxLimits, Publication, PushError, Recovery, Seen, SlowPolicies,
    SlowPolicy, Target,
};
use omniwire_session::limits::Limits;
use omniwire_session::{
    Args, ByteString, Encoding, Ending, Frame, Link, Outgoing, Place, Position, Prepared, Since,
    Wire, WireForm, WireId,
};
use shuttle::future::block_on;
use shuttle::thread;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Random schedules of each model, and as many again that change hands seldom, at the worst places.
const SCHEDULES: usize = 50_000;
const SWITCHES: usize = 3;

fn check(model: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(model.clone(), SCHEDULES);
    shuttle::check_pct(model, SCHEDULES, SWITCHES);
}

fn text(payload: &str) -> Prepared {
    let mut encoding = Encoding::default();
    encoding.text().extend_from_slice(payload.as_bytes());
    encoding.finish(|_, _, _| 2).expect("it has one payload")
}

fn payload(frame: &Frame) -> String {
    String::from_utf8_lossy(frame.as_payload()).into_owned()
}

fn outbox(count_max: usize) -> Arc<Outbox> {
    Arc::new(Outbox::new(OutboxLimits { len_max: 1_000, count_max }))
}

/// A carrier: takes what there is until it has so many frames, the session is over, or it is too
/// slow.
fn carry(outbox: &Outbox, count: usize) -> (Vec<String>, Option<Drained>) {
    let mut taken = Vec::new();
    let over = block_on(poll_fn(|context| {
        while taken.len() < count {
            let drained = outbox.drain(context, |queue| {
                taken.extend(queue.drain(..).map(|frame| payload(&frame)));
            });
            match drained {
                // As a WebSocket, which need not come back to hear that there is no more.
                Drained::Some if taken.len() < count && outbox.poll_news(context).is_pending() => {
                    return Poll::Pending;
                }
                Drained::Some => {}
                Drained::Empty => return Poll::Pending,
                over => return Poll::Ready(Some(over)),
            }
        }
        Poll::Ready(None)
    }));
    (taken, over)
}

/// What one publisher said, in the order in which it came.
fn of(taken: &[String], publisher: &str) -> Vec<String> {
    taken.iter().filter(|text| text.starts_with(publisher)).cloned().collect()
}

#[test]
fn whoever_drains_is_woken_and_gets_all_in_order() {
    check(|| {
        let outbox = outbox(100);
        let publishers = ["a", "b"].map(|name| {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                for number in 1..=2 {
                    outbox.push(Link::FIRST, &text(&format!("{name}{number}"))).expect("room");
                }
            })
        });
        let (taken, over) = carry(&outbox, 4);
        assert_eq!(over, None);
        assert_eq!(of(&taken, "a"), ["a1", "a2"]);
        assert_eq!(of(&taken, "b"), ["b1", "b2"]);
        join_all(publishers.into());
        assert_eq!(outbox.buffered_amount(), 0);
    });
}

#[test]
fn a_carrier_that_attends_by_itself_misses_nothing() {
    check(|| {
        let outbox = outbox(100);
        let publisher = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                for number in 1..=3 {
                    outbox.push_own(&text(&number.to_string())).expect("room");
                }
            })
        };
        let mut taken = Vec::new();
        block_on(poll_fn(|context| {
            // As a WebSocket that was read from: it will look at the outbox in the same turn.
            outbox.attend();
            loop {
                let drained = outbox.drain(context, |queue| {
                    taken.extend(queue.pop_front().map(|frame| payload(&frame)));
                });
                if drained != Drained::Some {
                    break;
                }
            }
            if taken.len() < 3 { Poll::Pending } else { Poll::Ready(()) }
        }));
        assert_eq!(taken, ["1", "2", "3"]);
        join_all(vec![publisher]);
    });
}

#[test]
fn an_overflow_is_seen_by_whoever_waits_for_it() {
    check(|| {
        let outbox = outbox(1);
        let publisher = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                outbox.push_own(&text("1")).expect("room");
                assert_eq!(outbox.push_own(&text("2")), Err(PushError::Full));
                // Full for good: who has lost one message gets no later one.
                assert_eq!(outbox.push_own(&text("3")), Err(PushError::Full));
            })
        };
        // A carrier that can take nothing now.
        block_on(poll_fn(|context| outbox.poll_overflow(context)));
        assert_eq!(carry(&outbox, 1), (Vec::new(), Some(Drained::Overflowed)));
        join_all(vec![publisher]);
    });
}

#[test]
fn what_was_taken_before_the_end_arrives_and_then_the_end() {
    check(|| {
        let outbox = outbox(100);
        let publisher = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                let pushed = [1, 2, 3].map(|n| outbox.push_own(&text(&n.to_string())));
                pushed.iter().filter(|pushed| pushed.is_ok()).count()
            })
        };
        let closer = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || outbox.finish(Ending::close(1001, "")))
        };
        let (taken, over) = carry(&outbox, usize::MAX);
        assert!(matches!(over, Some(Drained::Finished(_))), "{over:?}");
        join_all(vec![closer]);
        let count = publisher.join().expect("it has pushed");
        assert_eq!(taken, ["1", "2", "3"][..count]);
    });
}

#[test]
fn nothing_of_a_held_peer_comes_before_its_welcome() {
    check(|| {
        let outbox = outbox(100);
        outbox.hold(Link::FIRST);
        let publisher = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                for number in 1..=2 {
                    outbox.push(Link::FIRST, &text(&number.to_string())).expect("room");
                }
            })
        };
        let session = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                outbox.push_own(&text("welcome")).expect("room");
                outbox.release(Link::FIRST);
            })
        };
        assert_eq!(carry(&outbox, 3), (["welcome", "1", "2"].map(str::to_owned).into(), None));
        join_all(vec![publisher, session]);
        assert_eq!(outbox.buffered_amount(), 0);
    });
}

#[test]
fn whoever_waits_for_room_is_woken() {
    check(|| {
        let outbox = outbox(4);
        let handler = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                for number in 1..=6 {
                    block_on(poll_fn(|context| outbox.poll_room(context)));
                    outbox.push_own(&text(&number.to_string())).expect("it has waited for room");
                }
            })
        };
        let (taken, over) = carry(&outbox, 6);
        assert_eq!((taken.len(), over), (6, None));
        join_all(vec![handler]);
    });
}

#[derive(Debug)]
struct Numbered;

impl Wire for Numbered {
    fn id(&self) -> WireId {
        WireId(0)
    }

    fn encode(&self, _: &str, what: Outgoing<'_>, out: &mut Encoding) {
        if let Outgoing::Event { name, position, .. } = what {
            let offset = position.map_or(0, |place| place.position.offset);
            out.text().extend_from_slice(format!("{name}:{offset}").as_bytes());
        }
    }
}

static WIRE: &dyn Wire = &Numbered;
const EPOCH: u32 = 1;
const ROOM: ByteString = ByteString::from_static("room");

fn hub(remembers: bool) -> Arc<Hub> {
    let age_max = Duration::from_secs(60);
    let history = HistoryLimits { count_max: 100, len_max: 1_000, age_max };
    let config = HubConfig::new(&Limits::default(), EPOCH);
    Arc::new(Hub::new(HubConfig { history: remembers.then_some(history), ..config }))
}

fn enter(hub: &Hub, key: u64) -> Arc<Lone> {
    let member = lone(key, 100);
    hub.enter(Arc::clone(&member));
    member
}

fn lone(key: u64, count_max: usize) -> Arc<Lone> {
    let id = format!("member-{key}").into();
    let limits = OutboxLimits { len_max: 1_000, count_max };
    let membership = Membership::new(MemberKey(key), id, WireForm(&WIRE), Link::FIRST);
    Arc::new(Lone::new(membership, limits))
}

fn encode(name: &str, place: Option<Place<'_>>) -> Option<Prepared> {
    let mut out = Encoding::default();
    let args = Args::default();
    let what = Outgoing::Event { name, args: &args, call: None, position: place };
    WIRE.encode("/", what, &mut out);
    out.finish(|_, _, _| 2)
}

fn say(hub: &Hub, name: &str) -> Delivery {
    let (name, args, rooms) = (ByteString::from(name), Args::default(), [ROOM]);
    let target = Target { rooms: &rooms, ..Target::default() };
    let remembered = hub.is_recoverable().then(Instant::now);
    let publication = Publication { name: &name, args: &args, remembered, key: None };
    hub.broadcast(target, publication, &mut |_, place| encode(&name, place))
}

/// All that a member was given.
fn given(member: &Lone) -> Vec<String> {
    member.outbox().finish(Ending::close(1000, ""));
    carry(member.outbox(), usize::MAX).0
}

/// Each says two things.
fn publishers(hub: &Arc<Hub>, names: &[&'static str]) -> Vec<thread::JoinHandle<()>> {
    let publisher = |name: &&'static str| {
        let (hub, name) = (Arc::clone(hub), *name);
        thread::spawn(move || {
            for number in 1..=2 {
                say(&hub, &format!("{name}{number}"));
            }
        })
    };
    names.iter().map(publisher).collect()
}

fn join_all(threads: Vec<thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().expect("it is done"));
}

#[test]
fn all_members_get_the_same_order() {
    check(|| {
        let hub = hub(false);
        let members = [1, 2].map(|key| enter(&hub, key));
        members.iter().for_each(|member| hub.join(member, &ROOM).expect("room"));
        join_all(publishers(&hub, &["a", "b"]));
        let [first, second] = members.map(|member| given(&member));
        assert_eq!(first, second);
        assert_eq!(of(&first, "a"), ["a1:0", "a2:0"]);
        assert_eq!(of(&first, "b"), ["b1:0", "b2:0"]);
    });
}

#[test]
fn nobody_stays_in_a_room_as_a_ghost() {
    check(|| {
        let hub = hub(false);
        let member = enter(&hub, 1);
        let mut threads = publishers(&hub, &["a"]);
        let (inside, joining) = (Arc::clone(&hub), Arc::clone(&member));
        // Refused if it comes too late.
        threads.push(thread::spawn(move || {
            inside.join(&joining, &ROOM).ok();
        }));
        hub.exit(&member);
        join_all(threads);
        assert!(hub.room_len(&ROOM) == 0);
        assert!(hub.is_empty());
    });
}

#[test]
fn a_member_and_its_room_agree_whether_it_is_there() {
    check(|| {
        let hub = hub(false);
        let member = enter(&hub, 1);
        let (inside, joining) = (Arc::clone(&hub), Arc::clone(&member));
        let joined = thread::spawn(move || inside.join(&joining, &ROOM).expect("room"));
        let has_left = hub.leave(&member, &ROOM);
        join_all(vec![joined]);
        let count = usize::from(!has_left);
        assert_eq!((hub.room_len(&ROOM), member.rooms().len()), (count, count));
        hub.exit(&member);
        assert!(hub.rooms().is_empty());
    });
}

#[test]
fn who_has_left_gets_nothing_that_is_said_later() {
    check(|| {
        let hub = hub(false);
        let member = enter(&hub, 1);
        hub.join(&member, &ROOM).expect("room");
        let talking = publishers(&hub, &["a"]);
        hub.leave(&member, &ROOM);
        say(&hub, "late");
        join_all(talking);
        let given = given(&member);
        assert!(given.len() <= 2 && given == ["a1:0", "a2:0"][..given.len()], "{given:?}");
    });
}

#[test]
fn who_comes_back_gets_what_it_missed_and_what_is_new_once_and_in_order() {
    check(|| {
        let hub = hub(true);
        say(&hub, "seen");
        let talking = publishers(&hub, &["a", "b"]);
        let member = enter(&hub, 1);
        let seen = Seen::UpTo(Position { epoch: EPOCH, offset: 1 });
        let joined = hub.join_since(&member, &ROOM, seen, Instant::now(), |welcome| {
            let Some(Recovery::Recovered(missed)) = welcome.recovery else { panic!("{welcome:?}") };
            for stored in missed {
                let place = Place { room: &ROOM, position: stored.position };
                let prepared = encode(&stored.name, Some(place)).expect("it has words");
                member.push(&prepared).expect("room");
            }
        });
        joined.expect("it is there");
        join_all(talking);
        let given = given(&member);
        let offsets = given.iter().map(|text| text.split_once(':').map_or("", |(_, at)| at));
        assert_eq!(offsets.collect::<Vec<_>>(), ["2", "3", "4", "5"]);
    });
}

/// Says something in a namespace that has a journal.
fn announce(hub: &Hub, name: &str) {
    let (name, args, rooms) = (ByteString::from(name), Args::default(), [ROOM]);
    let target = Target { rooms: &rooms, ..Target::default() };
    let journal = hub.journal().expect("it has one");
    let publishing = journal.publish(Instant::now(), target, &name, &args);
    let place = publishing.position().map(Place::in_journal);
    let publication = Publication { name: &name, args: &args, remembered: None, key: None };
    hub.broadcast(target, publication, &mut |_, _| encode(&name, place));
    drop(publishing);
}

#[test]
fn who_steps_out_and_comes_back_gets_all_once_and_in_order() {
    check(|| {
        let age_max = Duration::from_secs(60);
        let journal = JournalLimits { count_max: 100, len_max: 100_000, age_max };
        let config = HubConfig::new(&Limits::default(), EPOCH);
        let hub = Arc::new(Hub::new(HubConfig { journal: Some(journal), ..config }));
        let former = lone(1, 100);
        hub.enter_to_return(Arc::clone(&former));
        hub.join(&former, &ROOM).expect("room");
        announce(&hub, "seen");
        let talking = ["a", "b"].map(|name| {
            let hub = Arc::clone(&hub);
            thread::spawn(move || {
                announce(&hub, &format!("{name}1"));
                announce(&hub, &format!("{name}2"));
            })
        });
        let rooms = hub.step_out(&former);
        let mut offsets = offsets(&given(&former));
        let offset = *offsets.last().expect("it has seen one");
        let since = Since::Position(Position { epoch: EPOCH, offset });
        let member = lone(1, 100);
        let deliver = |missed: &mut dyn Iterator<Item = &omniwire_hub::Entry>| {
            for entry in missed {
                let place = Some(Place::in_journal(entry.position));
                member.push(&encode(&entry.name, place).expect("it has words")).expect("room");
            }
            true
        };
        assert!(hub.come_back(&member, &rooms, &since, deliver, |_| ()));
        join_all(talking.into());
        offsets.extend(self::offsets(&given(&member)));
        assert_eq!(offsets, [1, 2, 3, 4, 5]);
    });
}

fn offsets(given: &[String]) -> Vec<u64> {
    let offset = |text: &String| text.split_once(':')?.1.parse().ok();
    given.iter().filter_map(offset).collect()
}

/// Sets the room's only value.
fn set(hub: &Hub, name: &str) {
    let (name, args, rooms) = (ByteString::from(name), Args::default(), [ROOM]);
    let target = Target { rooms: &rooms, ..Target::default() };
    let key = ByteString::from_static("key");
    let publication = Publication { name: &name, args: &args, remembered: None, key: Some(&key) };
    hub.broadcast(target, publication, &mut |_, _| encode(&name, None));
}

/// Takes what comes till the outbox is finished.
fn listen(member: &Arc<Lone>) -> thread::JoinHandle<Vec<String>> {
    let member = Arc::clone(member);
    thread::spawn(move || carry(member.outbox(), usize::MAX).0)
}

fn finish(member: &Lone, listening: thread::JoinHandle<Vec<String>>) -> Vec<String> {
    member.outbox().finish(Ending::close(1000, ""));
    listening.join().expect("it has listened")
}

#[test]
fn values_never_go_back_and_whoever_joins_ends_with_the_newest() {
    check(|| {
        let hub = hub(false);
        let [early, late] = [1, 2].map(|key| enter(&hub, key));
        hub.join(&early, &ROOM).expect("room");
        let listening = listen(&early);
        let talking = ["a", "b"].map(|name| {
            let hub = Arc::clone(&hub);
            thread::spawn(move || {
                set(&hub, &format!("{name}1"));
                set(&hub, &format!("{name}2"));
            })
        });
        let greeted = hub.join_since(&late, &ROOM, Seen::Nothing, Instant::now(), |welcome| {
            for (value, manner) in welcome.values() {
                let prepared = encode(&value.name, None).expect("it has words");
                late.push_in(&prepared, manner).expect("room");
            }
        });
        greeted.expect("it is there");
        join_all(talking.into());
        let newest = hub.values(&ROOM);
        let newest: Vec<_> = newest.iter().map(|value| format!("{}:0", value.name)).collect();
        let heard = finish(&early, listening);
        assert_eq!(heard.last(), newest.last());
        for name in ["a", "b"] {
            assert!(of(&heard, name).is_sorted_by(|one, other| one < other), "{heard:?}");
        }
        assert_eq!(given(&late), newest, "of what waits, only the newest");
    });
}

#[test]
fn the_slow_miss_the_oldest_alone_and_not_the_last() {
    for policy in [SlowPolicy::DropOldest, SlowPolicy::KeepLatest] {
        check(move || {
            let slow = Some(SlowPolicies(Arc::new(move |_| policy)));
            let config = HubConfig::new(&Limits::default(), EPOCH);
            let hub = Arc::new(Hub::new(HubConfig { slow, ..config }));
            let (slow, quick) = (lone(1, 2), lone(2, 100));
            for member in [&slow, &quick] {
                hub.enter(Arc::clone(member));
                hub.join(member, &ROOM).expect("room");
            }
            let listening = listen(&slow);
            let talking = ["a", "b"].map(|name| {
                let hub = Arc::clone(&hub);
                thread::spawn(move || {
                    [1, 2].map(|number| say(&hub, &format!("{name}{number}")).dropped)
                })
            });
            let dropped = talking.map(|talker| talker.join().expect("it has talked"));
            let heard = finish(&slow, listening);
            let all = given(&quick);
            let mut rest = all.iter();
            assert!(heard.iter().all(|text| rest.any(|said| said == text)), "{heard:?} of {all:?}");
            assert_eq!(heard.last(), all.last());
            assert_eq!(heard.len() + dropped.as_flattened().iter().sum::<usize>(), 4);
        });
    }
}
