//! What is kept for long is in memory of its own: whatever is cut from a message holds all of it.

use super::*;
use bytes::Bytes;

/// A message as it was read, and a witness of whether its memory is still held.
struct Message(&'static str, #[expect(dead_code, reason = "dropped with it")] Arc<()>);

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Runs `use_it` with words that were cut from one message. Whether anything still holds that.
fn is_held_after(use_it: impl FnOnce([ByteString; 4])) -> bool {
    let witness = Arc::new(());
    let owner = Message("room word 1234 none and very much more", Arc::clone(&witness));
    let message = ByteString::try_from(Bytes::from_owner(owner)).unwrap();
    use_it([0..4, 5..9, 10..14, 15..19].map(|range| message.slice_ref(&message[range])));
    drop(message);
    Arc::strong_count(&witness) > 1
}

/// Publishes the second word, with the third as its argument, in the room of the first, but not in
/// that of the fourth.
fn publish(hub: &Hub, [room, word, number, none]: [ByteString; 4], is_value: bool) {
    let (rooms, except_rooms, args) = ([room], [none], Args::from_valid_element(number));
    let target = Target { rooms: &rooms, except_rooms: &except_rooms, except: &[] };
    let publishing =
        hub.journal().map(|journal| journal.publish(Instant::now(), target, &word, &args));
    let (key, remembered) = (is_value.then_some(&word), Some(Instant::now()));
    let publication = Publication { name: &word, args: &args, remembered, key };
    hub.broadcast(target, publication, &mut |_, _| None);
    drop(publishing);
}

#[test]
fn the_message_by_which_a_member_joined_is_let_go() {
    let age_max = Duration::from_secs(60);
    let limits = JournalLimits { count_max: 10, len_max: 10_000, age_max };
    for journal in [None, Some(limits)] {
        let hub = hub_with(|config| config.journal = journal);
        let member = lone(0);
        hub.enter_to_return(Arc::clone(&member));
        let join = |[room, ..]: [ByteString; 4]| hub.join(&member, &room).unwrap();
        assert!(!is_held_after(join));
        assert_eq!(member.rooms(), ["room"]);
    }
}

#[test]
fn a_message_that_is_remembered_is_let_go() {
    let age_max = Duration::from_secs(60);
    let history = HistoryLimits { count_max: 3, len_max: 1000, age_max };
    let hub = hub_with(|config| config.history = Some(history));
    assert!(!is_held_after(|words| publish(&hub, words, false)));
    let stored = hub.history("room", Instant::now()).unwrap();
    assert_eq!((&*stored[0].name, &**stored[0].args.json()), ("word", "1234"));
}

#[test]
fn a_message_that_is_a_value_is_let_go() {
    let hub = hub_with(|_| ());
    assert!(!is_held_after(|words| publish(&hub, words, true)));
    assert_eq!(hub.values("room").len(), 1);
}

#[test]
fn a_message_in_the_journal_is_let_go() {
    let age_max = Duration::from_secs(60);
    let limits = JournalLimits { count_max: 10, len_max: 10_000, age_max };
    let hub = hub_with(|config| config.journal = Some(limits));
    let member = lone(0);
    hub.enter_to_return(Arc::clone(&member));
    hub.join(&member, &"room".into()).unwrap();
    assert!(!is_held_after(|words| publish(&hub, words, false)));
    assert_eq!(hub.journal().unwrap().lock().missed(member.key, 0).count(), 1);
}

#[test]
fn a_message_whose_id_is_known_is_let_go() {
    let hub = hub_with(|_| ());
    assert!(!is_held_after(|[id, ..]| assert!(hub.is_first(Instant::now(), &id))));
    assert!(!hub.is_first(Instant::now(), &"room".into()));
}
