use super::*;
use proptest::prelude::*;

fn decode(protocol: Protocol, text: &str) -> Option<Packet> {
    Packet::decode(protocol, Message::text(text)).ok()
}

fn binary(bytes: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(bytes))
}

#[test]
fn eio4_packets_of_the_specification() {
    let packet = Packet::text(PacketType::Message, "hello");
    assert_eq!(packet.encode(Protocol::V4), Message::text("4hello"));
    assert_eq!(decode(Protocol::V4, "4hello"), Some(packet));
    assert_eq!(decode(Protocol::V4, "2probe"), Some(Packet::text(PacketType::Ping, "probe")));
    assert_eq!(decode(Protocol::V4, "6"), Some(Packet::text(PacketType::Noop, "")));
    for text in ["", "abc", "7", "é", "\u{1f}", "/"] {
        assert_eq!(decode(Protocol::V4, text), None, "{text}");
    }
}

#[test]
fn eio4_binary_has_no_type() {
    let packet = Packet::message(binary(&[1, 2, 3, 4]));
    assert_eq!(packet.encode(Protocol::V4), binary(&[1, 2, 3, 4]));
    assert_eq!(Packet::decode(Protocol::V4, binary(&[1, 2, 3, 4])), Ok(packet.clone()));
    assert_eq!(decode(Protocol::V4, "bAQIDBA=="), Some(packet.clone()));
    assert_eq!(decode(Protocol::V4, "bAQIDBA"), Some(packet));
    assert_eq!(decode(Protocol::V4, "b!"), None);
}

#[test]
fn eio3_binary_has_a_type() {
    let packet = Packet::message(binary(&[1, 2, 3, 4]));
    assert_eq!(packet.encode(Protocol::V3), binary(&[4, 1, 2, 3, 4]));
    assert_eq!(Packet::decode(Protocol::V3, binary(&[4, 1, 2, 3, 4])), Ok(packet.clone()));
    assert_eq!(decode(Protocol::V3, "b4AQIDBA=="), Some(packet));
    assert_eq!(decode(Protocol::V3, "b"), None);
    assert!(Packet::decode(Protocol::V3, binary(&[])).is_err());
    assert!(Packet::decode(Protocol::V3, binary(&[7])).is_err());
}

pub(crate) fn any_packet() -> impl Strategy<Value = Packet> {
    let text = (0_u8..7, "[^\u{1e}]*").prop_filter_map("no type", |(kind, text)| {
        Some(Packet::text(PacketType::from_number(kind)?, text))
    });
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![text, bytes.prop_map(|bytes| Packet::message(Message::Binary(bytes.into())))]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(packet in any_packet()) {
        for protocol in [Protocol::V3, Protocol::V4] {
            prop_assert_eq!(Packet::decode(protocol, packet.encode(protocol)), Ok(packet.clone()));
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        for protocol in [Protocol::V3, Protocol::V4] {
            let _ = Packet::decode(protocol, Message::text(text.clone()));
            let _ = Packet::decode(protocol, Message::text(format!("b{text}")));
            let _ = Packet::decode(protocol, Message::Binary(bytes.clone().into()));
        }
    }
}
