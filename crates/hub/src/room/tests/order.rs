//! One order for all members of a room, however many threads publish.

use super::*;
use std::sync::Barrier;

const PUBLISHERS: u64 = 8;
const EACH: usize = 500;

/// The number of the publisher and of its message.
fn parse(text: &str) -> (u64, usize) {
    let words: Vec<&str> = text[1..].split('.').collect();
    (words[0].parse().unwrap(), words[1].parse().unwrap())
}

/// Publishes from many threads at once, to `rooms` in turn, and gives what each member heard.
fn heard(members: u64, rooms: &[ByteString], recoverable: bool) -> Vec<Vec<String>> {
    let count_max = PUBLISHERS as usize * EACH;
    let age_max = Duration::from_secs(600);
    let history = HistoryLimits { count_max, len_max: 1 << 20, age_max };
    let hub = hub_with(|config| config.history = recoverable.then_some(history));
    let members: Vec<_> = (0..members)
        .map(|key| {
            let limits = OutboxLimits { len_max: 1 << 24, count_max: 1 << 20 };
            let wire = WireForm(&WIRES[0]);
            let id = format!("m{key}").into();
            let membership = Membership::new(MemberKey(key), id, wire, Link::FIRST);
            Arc::new(Lone::new(membership, limits))
        })
        .collect();
    for member in &members {
        hub.enter(Arc::clone(member));
        rooms.iter().for_each(|room| hub.join(member, room).unwrap());
    }
    let start = Barrier::new(PUBLISHERS as usize);
    std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (hub, start) = (&hub, &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..EACH {
                    let room = &rooms[number % rooms.len()];
                    let target = Target { rooms: std::slice::from_ref(room), ..Target::default() };
                    say(hub, &format!("{publisher}.{number}.{room}."), target);
                }
            });
        }
    });
    members.iter().map(|member| got(member)).collect()
}

#[test]
fn all_members_hear_one_order_and_each_publisher_its_own() {
    for recoverable in [false, true] {
        let all = heard(5, &["r".into()], recoverable);
        assert_eq!(all[0].len(), PUBLISHERS as usize * EACH);
        assert!(all.iter().all(|heard| *heard == all[0]), "one order");
        for publisher in 0..PUBLISHERS {
            let own = all[0].iter().map(|text| parse(text)).filter(|(from, _)| *from == publisher);
            assert!(own.map(|(_, number)| number).eq(0..EACH), "a publisher's own order");
        }
        if recoverable {
            let offset = |text: &String| text.rsplit('.').next().unwrap().parse::<usize>().unwrap();
            assert!(all[0].iter().map(offset).eq(1..=PUBLISHERS as usize * EACH));
        }
    }
}

#[test]
fn each_of_several_rooms_has_an_order_and_a_publisher_keeps_its_own_across_them() {
    let rooms: Vec<ByteString> = ["x", "y", "z"].map(Into::into).to_vec();
    let all = heard(4, &rooms, false);
    for room in &rooms {
        let of_room = |heard: &Vec<String>| -> Vec<String> {
            let is_in = |text: &&String| text.contains(&format!(".{room}."));
            heard.iter().filter(is_in).cloned().collect()
        };
        let first = of_room(&all[0]);
        assert!(all.iter().all(|heard| of_room(heard) == first));
    }
    for heard in &all {
        for publisher in 0..PUBLISHERS {
            let own = heard.iter().map(|text| parse(text)).filter(|(from, _)| *from == publisher);
            assert!(own.map(|(_, number)| number).eq(0..EACH));
        }
    }
}
