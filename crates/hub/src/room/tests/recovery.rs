//! Members that come back.

use super::*;
use proptest::prelude::*;

fn room() -> ByteString {
    "r".into()
}

fn say_to_room(hub: &Hub, name: &str) {
    let room = room();
    say(hub, name, Target { rooms: std::slice::from_ref(&room), ..Target::default() });
}

fn join(hub: &Hub, member: &Arc<Lone>, seen: Seen) -> Option<Recovery> {
    let mut given = None;
    hub.join_since(member, &room(), seen, Instant::now(), |welcome| given = welcome.recovery)
        .unwrap();
    given
}

fn at(epoch: u32, offset: u64) -> Position {
    Position { epoch, offset }
}

#[test]
fn a_returning_member_misses_nothing_and_gets_nothing_twice() {
    let hub = hub(true);
    for name in ["a", "b", "c", "d"] {
        say_to_room(&hub, name);
    }
    let since = |offset| join(&hub, &enter(&hub, 100 + offset), Seen::UpTo(at(1, offset)));
    let Some(Recovery::Recovered(missed)) = since(2) else { panic!("recoverable") };
    assert_eq!(missed.iter().map(|stored| &*stored.name).collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(since(0), Some(Recovery::Lost(at(1, 4))));
    assert_eq!(hub.history("r", Instant::now()).unwrap().len(), 3);
}

#[test]
fn a_member_is_told_where_it_stands_once() {
    let hub = hub(true);
    say_to_room(&hub, "before");
    let member = enter(&hub, 1);
    assert_eq!(join(&hub, &member, Seen::Nothing), Some(Recovery::Fresh(at(1, 1))));
    assert_eq!(join(&hub, &member, Seen::Nothing), None, "it is there already");
    assert_eq!(
        join(&hub, &member, Seen::UpTo(at(1, 0))),
        Some(Recovery::Lost(at(1, 1))),
        "what it missed before it joined can't be put in order any more"
    );
    assert_eq!(join(&hub, &enter(&hub, 2), Seen::Unknown), Some(Recovery::Lost(at(1, 1))));
}

#[test]
fn rooms_that_remember_nothing_say_nothing() {
    let hub = hub(false);
    assert_eq!(join(&hub, &enter(&hub, 1), Seen::UpTo(at(1, 1))), None);
    assert!(!hub.is_recoverable());
}

#[test]
fn a_room_without_members_is_remembered_until_there_are_too_many() {
    let hub = hub(true);
    let member = enter(&hub, 1);
    join(&hub, &member, Seen::Nothing);
    hub.leave(&member, "r");
    say_to_room(&hub, "missed");
    let Some(Recovery::Recovered(missed)) = join(&hub, &member, Seen::UpTo(at(1, 0))) else {
        panic!("nobody else came")
    };
    assert_eq!(missed.len(), 1);
    hub.leave(&member, "r");
    // There are SHARD_COUNT places for such rooms, one in each shard.
    for n in 0..100 {
        let other: ByteString = format!("o{n}").into();
        say(&hub, "x", Target { rooms: std::slice::from_ref(&other), ..Target::default() });
    }
    let kept: usize = hub.shards.iter().map(|shard| shard.lock().rooms.len()).sum();
    assert!(kept <= SHARD_COUNT, "{kept} rooms");
    let Some(Recovery::Lost(position)) = join(&hub, &member, Seen::UpTo(at(1, 1))) else {
        panic!("the new room of this name is another one")
    };
    assert_ne!(position.epoch, 1);
}

#[test]
fn a_room_with_members_is_never_forgotten() {
    let hub = hub(true);
    say_to_room(&hub, "before anybody came");
    join(&hub, &enter(&hub, 1), Seen::Nothing);
    for n in 0..100 {
        let other: ByteString = format!("o{n}").into();
        say(&hub, "x", Target { rooms: std::slice::from_ref(&other), ..Target::default() });
    }
    assert_eq!(
        join(&hub, &enter(&hub, 2), Seen::UpTo(at(1, 1))),
        Some(Recovery::Recovered(vec![]))
    );
}

#[derive(Debug, Clone)]
enum Step {
    Publish,
    /// The client reads so much of what is on its way, then its connection is cut.
    Cut(usize),
    Return,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Publish),
        1 => (0_usize..6).prop_map(Step::Cut),
        2 => Just(Step::Return),
    ]
}

/// A client as it should be: it knows the last position that it saw.
#[derive(Default)]
struct Client {
    member: Option<Arc<Lone>>,
    /// What the server has put on the wire before anything else in the outbox.
    resumed: Vec<u64>,
    seen: Option<Position>,
    /// The events' numbers as the client got them; a `None` where it was told of a gap.
    log: Vec<Option<u64>>,
}

impl Client {
    fn come(&mut self, hub: &Hub, key: u64) {
        if self.member.is_some() {
            return;
        }
        let member = enter(hub, key);
        let seen = self.seen.map_or(Seen::Nothing, Seen::UpTo);
        match join(hub, &member, seen) {
            Some(Recovery::Fresh(position)) => {
                self.seen = Some(position);
                self.log.push(None);
                self.log.extend((position.offset > 0).then_some(Some(position.offset)));
            }
            Some(Recovery::Recovered(missed)) => {
                self.resumed = missed.iter().map(|stored| stored.position.offset).collect();
            }
            Some(Recovery::Lost(position)) => {
                self.seen = Some(position);
                self.log.extend([None, Some(position.offset)]);
            }
            None => panic!("the room is recoverable"),
        }
        self.member = Some(member);
    }

    /// Reads at most so many events, then is cut.
    fn cut(&mut self, hub: &Hub, count: usize) {
        let Some(member) = self.member.take() else { return };
        let offset = |name: String| name.trim_start_matches(|c| c != 'e')[1..].parse().unwrap();
        let live = got(&member).into_iter().map(offset);
        for offset in self.resumed.drain(..).chain(live).take(count) {
            self.log.push(Some(offset));
            self.seen = Some(at(1, offset));
        }
        hub.exit(&member);
    }
}

proptest! {
    #[test]
    fn whatever_is_cut_nothing_is_lost_or_repeated_without_a_word(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let hub = hub(true);
        let mut client = Client::default();
        let mut published = 0;
        for (key, step) in steps.into_iter().enumerate() {
            match step {
                Step::Publish => {
                    published += 1;
                    say_to_room(&hub, "e");
                }
                Step::Cut(count) => client.cut(&hub, count),
                Step::Return => client.come(&hub, key as u64),
            }
        }
        client.come(&hub, 1000);
        client.cut(&hub, usize::MAX);
        // Between two words of a gap each event follows the one before.
        for stretch in client.log.split(Option::is_none) {
            let offsets: Vec<u64> = stretch.iter().flatten().copied().collect();
            prop_assert!(offsets.windows(2).all(|pair| pair[1] == pair[0] + 1), "{offsets:?}");
        }
        prop_assert_eq!(client.seen.map_or(0, |seen| seen.offset), published);
    }
}
