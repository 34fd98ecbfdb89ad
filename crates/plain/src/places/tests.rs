use super::*;
use crate::envelope;
use bytes::BytesMut;
use omniwire_session::{Args, Outgoing, Resume};
use proptest::prelude::*;

fn position(epoch: u32, offset: u64) -> Position {
    Position { epoch, offset }
}

#[test]
fn texts() {
    let mut places = Places::default();
    places.set("room-1".into(), position(7, 12));
    assert_eq!(places.to_string(), "7.12.room-1");
    places.set("a b.é".into(), position(8, 0));
    assert_eq!(places.to_string(), "7.12.room-1~8.0.a_20b_2e_c3_a9");
    places.set("room-1".into(), position(7, 13));
    assert_eq!(places.to_string(), "8.0.a_20b_2e_c3_a9~7.13.room-1", "moved last, stands last");
    assert_eq!(places.take("room-1"), Some(position(7, 13)));
    assert_eq!(places.take("room-1"), None);
    assert_eq!(Places::parse(""), Some(Places::default()));
}

#[test]
fn what_is_none_of_ours() {
    for text in
        ["x", "1", "1.2", "1.2.a_", "1.2.a_zz", "1.-2.a", "-1.2.a", "1.2._ff", "4294967296.1.a"]
    {
        assert_eq!(Places::parse(text), None, "{text}");
    }
}

#[test]
fn too_many_rooms_drop_the_one_that_moved_longest_ago() {
    let mut places = Places::default();
    for n in 0..=PLACES_MAX {
        places.set(n.to_string().into(), position(1, 1));
    }
    assert_eq!(places.len(), PLACES_MAX);
    assert_eq!(places.take("0"), None);
    assert!(places.take("1").is_some());
}

proptest! {
    #[test]
    fn survive_their_text(
        rooms in prop::collection::vec((any::<String>(), any::<(u32, u64)>()), 0..5),
    ) {
        let mut places = Places::default();
        for (room, (epoch, offset)) in rooms {
            places.set(room.into(), position(epoch, offset));
        }
        let text = places.to_string();
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
        prop_assert_eq!(Places::parse(&text), Some(places));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9a-z._~é-]{0,30}") {
        Places::parse(&text);
    }

    #[test]
    fn are_found_in_the_envelopes_that_have_them(
        room in any::<String>(),
        name in "\\PC{0,9}|,\"room\":\"x\",\"offset\":1,\"epoch\":2\\}",
        value in "\\PC{0,9}|,\"room\":\"x\",\"offset\":1,\"epoch\":2\\}",
        at in any::<(u32, u64)>(),
        placed in any::<bool>(),
    ) {
        let at = position(at.0, at.1);
        let nested = r#"{"a":1,"room":"x","offset":1,"epoch":2}"#;
        let nested = format!("{nested},{}", json::quote(&value));
        let args = Args::from_elements(nested.into()).unwrap();
        let mut out = BytesMut::new();
        let place = placed.then_some(Place { room: &room, position: at });
        let call = None;
        let event = Outgoing::Event { name: &name, args: &args, call, position: place };
        envelope::write_outgoing(&mut out, event);
        let expected = placed.then(|| (ByteString::from(room.clone()), at));
        prop_assert_eq!(of_envelope(&out), expected);

        out.clear();
        let resume = Resume { place: Place { room: &room, position: at }, recovered: Some(placed) };
        envelope::write_resume(&mut out, resume);
        prop_assert_eq!(of_envelope(&out), Some((room.into(), at)));
    }
}
