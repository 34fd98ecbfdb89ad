use super::*;
use crate::packet::PacketType;
use crate::packet::tests::any_packet;
use omniwire_session::Message;
use proptest::prelude::*;

fn text(text: &str) -> Packet {
    Packet::text(PacketType::Message, text)
}

fn bytes(bytes: &[u8]) -> Packet {
    Packet::message(Message::Binary(Bytes::copy_from_slice(bytes)))
}

fn written(protocol: Protocol, packets: &[Packet]) -> Vec<u8> {
    let messages: Vec<Message> = packets.iter().map(|packet| packet.encode(protocol)).collect();
    let mut out = BytesMut::new();
    write(protocol, messages.iter().map(|m| (m.kind(), m.as_bytes())), &mut out);
    out.to_vec()
}

fn read(protocol: Protocol, kind: Kind, body: &[u8]) -> Result<Vec<Packet>, Malformed> {
    Payload::new(protocol, kind, Bytes::copy_from_slice(body))?.collect()
}

#[test]
fn eio4_payload_of_the_specification() {
    let packets = [text("hello"), Packet::text(PacketType::Ping, ""), bytes(&[1, 2, 3, 4])];
    let body = b"4hello\x1e2\x1ebAQIDBA==";
    assert_eq!(written(Protocol::V4, &packets), body);
    assert_eq!(read(Protocol::V4, Kind::Text, body), Ok(packets.to_vec()));
}

#[test]
fn eio4_stops_at_what_is_no_packet() {
    let mut payload = Payload::new(Protocol::V4, Kind::Text, "4a\x1eabc\x1e4b".into()).unwrap();
    assert_eq!(payload.next(), Some(Ok(text("a"))));
    assert_eq!(payload.next(), Some(Err(Malformed("unknown packet type"))));
    assert_eq!(payload.next(), None);
    for body in ["", "abc", "4a\x1e", "\x1e4a"] {
        assert!(read(Protocol::V4, Kind::Text, body.as_bytes()).is_err(), "{body:?}");
    }
    assert!(read(Protocol::V4, Kind::Binary, b"4a").is_err());
}

#[test]
fn eio4_text_cannot_forge_a_packet() {
    let body = written(Protocol::V4, &[text("a\x1e4forged")]);
    assert_eq!(read(Protocol::V4, Kind::Text, &body), Ok(vec![text("a\u{fffd}4forged")]));
}

#[test]
fn eio4_bad_utf8_is_mended() {
    assert_eq!(read(Protocol::V4, Kind::Text, b"4a\xff"), Ok(vec![text("a\u{fffd}")]));
}

#[test]
fn eio3_text_payload_of_the_specification() {
    let packets = [text("hello"), text("€")];
    assert_eq!(written(Protocol::V3, &packets), "6:4hello2:4€".as_bytes());
    assert_eq!(read(Protocol::V3, Kind::Text, "6:4hello2:4€".as_bytes()), Ok(packets.to_vec()));
}

#[test]
fn eio3_lengths_are_in_utf16_units() {
    assert_eq!(written(Protocol::V3, &[text("a😀"), text("é")]), "4:4a😀2:4é".as_bytes());
    let body = "4:4a😀2:4é".as_bytes();
    assert_eq!(read(Protocol::V3, Kind::Text, body), Ok(vec![text("a😀"), text("é")]));
    // Half a character.
    assert!(read(Protocol::V3, Kind::Text, "3:4a😀".as_bytes()).is_err());
}

#[test]
fn eio3_base64_payload_of_the_specification() {
    let body = "2:4€10:b4AQIDBA==".as_bytes();
    assert_eq!(read(Protocol::V3, Kind::Text, body), Ok(vec![text("€"), bytes(&[1, 2, 3, 4])]));
    let mut out = BytesMut::new();
    let packets = ["4€", "b4AQIDBA=="].map(|packet| (Kind::Text, packet.as_bytes()));
    write(Protocol::V3, packets, &mut out);
    assert_eq!(out, body);
}

#[test]
fn eio3_binary_payload_of_the_specification() {
    let packets = [text("€"), bytes(&[1, 2, 3, 4])];
    let body = [0, 4, 255, 0x34, 0xe2, 0x82, 0xac, 1, 5, 255, 4, 1, 2, 3, 4];
    assert_eq!(written(Protocol::V3, &packets), body);
    assert_eq!(read(Protocol::V3, Kind::Binary, &body), Ok(packets.to_vec()));
}

#[test]
fn eio3_bad_lengths() {
    for body in ["", "abc", ":4a", "1", "x:4a", "+2:4a", "3:4a", "99999999999999999999:4a", "2:"] {
        assert!(read(Protocol::V3, Kind::Text, body.as_bytes()).is_err(), "{body:?}");
    }
    let bodies: [&[u8]; 6] = [
        &[0],
        &[0, 255],
        &[0, 9, 255, 52],
        &[1, 10, 255],
        &[0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255],
        &[1, 1, 255, 9],
    ];
    for body in bodies {
        assert!(read(Protocol::V3, Kind::Binary, body).is_err(), "{body:?}");
    }
}

#[test]
fn eio3_empty_packets_are_skipped() {
    assert_eq!(read(Protocol::V3, Kind::Text, b"0:2:4a0:"), Ok(vec![text("a")]));
    assert_eq!(read(Protocol::V3, Kind::Text, b"0:"), Ok(vec![]));
    assert_eq!(read(Protocol::V3, Kind::Binary, &[0, 0, 255]), Ok(vec![]));
}

#[test]
fn content_types() {
    assert_eq!(content_type(b"4hello"), "text/plain; charset=UTF-8");
    assert_eq!(content_type(b"1:6"), "text/plain; charset=UTF-8");
    assert_eq!(content_type(&[0, 1, 255, 52]), "application/octet-stream");
    assert_eq!(content_type(&[1, 2, 255, 4, 0]), "application/octet-stream");
}

#[test]
fn long_base64_is_seamless() {
    let data: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
    let mut out = BytesMut::new();
    write_base64(&data, &mut out);
    assert_eq!(BASE64.decode(&out).unwrap(), data);
    assert_eq!(out, BASE64.encode(&data).as_bytes());
}

proptest! {
    #[test]
    fn what_is_written_is_read(packets in proptest::collection::vec(any_packet(), 1..6)) {
        let body = written(Protocol::V4, &packets);
        prop_assert_eq!(read(Protocol::V4, Kind::Text, &body), Ok(packets.clone()));
        let body = written(Protocol::V3, &packets);
        let kind = match content_type(&body) {
            TEXT_PLAIN => Kind::Text,
            _ => Kind::Binary,
        };
        prop_assert_eq!(read(Protocol::V3, kind, &body), Ok(packets));
    }

    #[test]
    fn nothing_makes_it_panic(
        noise in any::<Vec<u8>>(),
        near in "[0-9]{0,3}:?[0-9b]?.{0,5}\u{1e}?",
    ) {
        for body in [noise.as_slice(), near.as_bytes()] {
            for kind in [Kind::Text, Kind::Binary] {
                let _ = read(Protocol::V3, kind, body);
                let _ = read(Protocol::V4, kind, body);
            }
        }
    }

    #[test]
    fn nothing_binary_makes_it_panic(
        flag in 0_u8..3,
        digits in proptest::collection::vec(0_u8..11, 0..20),
        rest in any::<Vec<u8>>(),
    ) {
        let body: Vec<u8> =
            [flag].into_iter().chain(digits).chain([255]).chain(rest).collect();
        let _ = read(Protocol::V3, Kind::Binary, &body);
    }
}
