use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::Receiver;
use crate::deflate::{Agreed, Parameters, Reserved};
use crate::frame::{self, Header};
use crate::{CloseCode, Limits, Message, OpCode, Role, Violation};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn server() -> Receiver {
    Receiver::new(Role::Server, Limits::default())
}

fn deflating(takeover: bool) -> Receiver {
    let parameters = Parameters {
        server_no_context_takeover: true,
        client_no_context_takeover: !takeover,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
    let agreed = Agreed { parameters, level: 6, threshold: 0, memory: Reserved::default() };
    Receiver::with_deflate(Role::Server, Limits::default(), &agreed)
}

/// One masked frame; `first` is its first octet.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let opcode = match first & 0x0f {
        0 => OpCode::Continuation,
        1 => OpCode::Text,
        2 => OpCode::Binary,
        8 => OpCode::Close,
        9 => OpCode::Ping,
        _ => OpCode::Pong,
    };
    let header = Header {
        fin: first & 0x80 != 0,
        rsv1: first & 0x40 != 0,
        mask: Some(KEY),
        ..Header::whole(opcode, 0)
    };
    let mut out = BytesMut::new();
    frame::encode(&mut out, header, payload);
    out.to_vec()
}

/// The head of a masked binary frame that declares `len` octets.
fn head(len: u64) -> Vec<u8> {
    let header = Header { len, mask: Some(KEY), ..Header::whole(OpCode::Binary, 0) };
    let mut out = [0; frame::MAX_MASKED_HEADER_LEN];
    let end = header.write(&mut out);
    out[..end].to_vec()
}

fn drain(
    receiver: &mut Receiver,
    buf: &mut BytesMut,
    messages: &mut Vec<Message>,
) -> Result<(), Violation> {
    while let Some(message) = receiver.receive(buf)? {
        messages.push(message);
    }
    Ok(())
}

fn feed(receiver: &mut Receiver, octets: &[u8]) -> (Vec<Message>, Result<(), Violation>) {
    let mut messages = Vec::new();
    let result = drain(receiver, &mut BytesMut::from(octets), &mut messages);
    (messages, result)
}

fn violation(octets: &[u8]) -> Violation {
    feed(&mut server(), octets).1.expect_err("a rule is broken")
}

#[test]
fn rfc6455_5_6_messages_in_one_frame() {
    let octets = [masked(0x81, "Grüße".as_bytes()), masked(0x82, b"\xff\x00"), masked(0x81, b"")];
    let (messages, result) = feed(&mut server(), &octets.concat());
    assert_eq!(result, Ok(()));
    assert_eq!(
        messages,
        [Message::text("Grüße"), Message::binary(&b"\xff\x00"[..]), Message::text("")]
    );
}

#[test]
fn rfc6455_5_4_fragments_make_one_message_and_control_frames_go_between() {
    let octets = [
        masked(0x01, b"Hel"),
        masked(0x89, b"ping"),
        masked(0x00, b""),
        masked(0x8a, b"pong"),
        masked(0x80, b"lo"),
    ];
    let (messages, result) = feed(&mut server(), &octets.concat());
    assert_eq!(result, Ok(()));
    assert_eq!(
        messages,
        [
            Message::Ping(Bytes::from_static(b"ping")),
            Message::Pong(Bytes::from_static(b"pong")),
            Message::text("Hello")
        ]
    );
}

#[test]
fn rfc6455_5_4_order_of_fragments() {
    assert_eq!(violation(&masked(0x80, b"x")), Violation::NOTHING_TO_CONTINUE);
    assert_eq!(violation(&masked(0x00, b"x")), Violation::NOTHING_TO_CONTINUE);
    // C7
    let octets = [masked(0x01, b"a"), masked(0x82, b"b")].concat();
    assert_eq!(violation(&octets), Violation::MESSAGE_UNFINISHED);
    let octets = [masked(0x01, b"a"), masked(0x80, b"b"), masked(0x80, b"c")].concat();
    assert_eq!(violation(&octets), Violation::NOTHING_TO_CONTINUE);
}

#[test]
fn rfc6455_5_1_unmasked_frame_is_not_processed() {
    // C1
    for octets in [&b"\x81\x02hi"[..], b"\x89\x00", b"\x88\x02\x03\xe8"] {
        let (messages, result) = feed(&mut server(), octets);
        assert_eq!((messages, result), (vec![], Err(Violation::UNMASKED)));
    }
    // B7
    let mut client = Receiver::new(Role::Client, Limits::default());
    assert_eq!(feed(&mut client, &masked(0x81, b"hi")).1, Err(Violation::MASKED));
}

#[test]
fn rfc6455_7_4_1_too_big_is_refused_at_the_header() {
    // C5: nothing of the payload has come, and nothing is reserved.
    for len in [1 << 62, u64::MAX >> 1, (64 << 20) + 1] {
        let mut buf = BytesMut::from(&head(len)[..]);
        let capacity = buf.capacity();
        assert_eq!(server().receive(&mut buf), Err(Violation::FRAME_TOO_BIG));
        assert!(buf.capacity() <= capacity);
    }
    assert_eq!(Violation::FRAME_TOO_BIG.code(), CloseCode::TooBig);
    let mut buf = BytesMut::from(&head(64 << 20)[..]);
    assert_eq!(server().receive(&mut buf), Ok(None));
}

#[test]
fn rfc6455_10_4_limits_hold_for_the_message_as_a_whole() {
    let limits = Limits { message_len: 10, frame_len: 8, fragments: 3 };
    let run =
        |octets: &[Vec<u8>]| feed(&mut Receiver::new(Role::Server, limits), &octets.concat()).1;
    assert_eq!(run(&[masked(0x82, &[0; 8])]), Ok(()));
    assert_eq!(run(&[masked(0x82, &[0; 9])]), Err(Violation::FRAME_TOO_BIG));
    assert_eq!(run(&[masked(0x02, &[0; 8]), masked(0x80, &[0; 2])]), Ok(()));
    assert_eq!(
        run(&[masked(0x02, &[0; 8]), masked(0x80, &[0; 3])]),
        Err(Violation::MESSAGE_TOO_BIG)
    );
    // Empty fragments count (CVE-2026-48779).
    let empty = masked(0x00, b"");
    assert_eq!(run(&[masked(0x02, b""), empty.clone(), empty.clone()]), Ok(()));
    assert_eq!(
        run(&[masked(0x02, b""), empty.clone(), empty.clone(), empty]),
        Err(Violation::TOO_MANY_FRAGMENTS)
    );
    assert_eq!(Violation::TOO_MANY_FRAGMENTS.code(), CloseCode::Policy);
}

#[test]
fn default_limits_are_finite_and_pass_autobahn() {
    let Limits { message_len, frame_len, fragments } = Limits::default();
    assert!((16 << 20..=64 << 20).contains(&message_len));
    assert!((16 << 20..=64 << 20).contains(&frame_len));
    assert!((65_537..=1 << 17).contains(&fragments));
}

#[test]
fn rfc6455_8_1_bad_text_is_refused_wherever_it_stands() {
    assert_eq!(violation(&masked(0x81, b"\xff")), Violation::INVALID_UTF8);
    assert_eq!(violation(&masked(0x81, b"a\xe2\x82")), Violation::INVALID_UTF8);
    let octets = [masked(0x01, b"\xe2\x82"), masked(0x80, b"")].concat();
    assert_eq!(violation(&octets), Violation::INVALID_UTF8);
    let octets = [masked(0x01, b"\xe2\x82"), masked(0x80, b"\xac")].concat();
    assert_eq!(feed(&mut server(), &octets).0, [Message::text("€")]);
    assert_eq!(Violation::INVALID_UTF8.code(), CloseCode::InvalidPayload);
}

#[test]
fn rfc6455_8_1_bad_text_is_refused_before_its_frame_ends() {
    // Autobahn 6.4.1 to 6.4.4: in a fragment of its own, and within an unfinished frame.
    let octets = [masked(0x01, "κόσμε".as_bytes()), masked(0x00, b"\xf4\x90\x80\x80")].concat();
    assert_eq!(violation(&octets), Violation::INVALID_UTF8);
    let whole = masked(
        0x81,
        "κόσμε\u{0}"
            .as_bytes()
            .iter()
            .copied()
            .chain(*b"\xf4\x90edited")
            .collect::<Vec<_>>()
            .as_slice(),
    );
    let bad_at = 6 + "κόσμε\u{0}".len() + 2;
    for first in [0x81, 0x01] {
        let mut octets = whole.clone();
        octets[0] = first;
        let mut receiver = server();
        let mut buf = BytesMut::new();
        for (at, octet) in octets.iter().enumerate() {
            buf.extend_from_slice(&[*octet]);
            let result = receiver.receive(&mut buf);
            if at + 1 < bad_at {
                assert_eq!(result, Ok(None), "octet {at}");
            } else {
                assert_eq!(result, Err(Violation::INVALID_UTF8));
                break;
            }
        }
    }
}

#[test]
fn rfc6455_5_5_1_whatever_follows_a_close_is_thrown_away() {
    let octets = [masked(0x88, b"\x03\xe8bye"), masked(0x81, b"late"), b"\xff\xff".to_vec()];
    let mut receiver = server();
    let (messages, result) = feed(&mut receiver, &octets.concat());
    assert_eq!(result, Ok(()));
    assert_eq!(messages.len(), 1);
    let mut buf = BytesMut::from(&masked(0x81, b"later")[..]);
    assert_eq!(receiver.receive(&mut buf), Ok(None));
    assert!(buf.is_empty());
}

#[test]
fn rfc6455_7_1_7_after_a_violation_nothing_is_processed() {
    let mut receiver = server();
    assert!(feed(&mut receiver, b"\x83\x80").1.is_err());
    assert_eq!(feed(&mut receiver, &masked(0x81, b"hi")), (vec![], Ok(())));
}

#[test]
fn rfc6455_7_4_bad_close_payloads() {
    for (payload, expected) in [
        (&b"\x03"[..], Violation::BAD_CLOSE_PAYLOAD),
        (b"\x03\xed", Violation::BAD_CLOSE_CODE), // 1005
        (b"\x03\xf7", Violation::BAD_CLOSE_CODE), // 1015, D5
        (b"\x03\xe8\xce", Violation::INVALID_UTF8),
    ] {
        assert_eq!(violation(&masked(0x88, payload)), expected);
    }
    // D8: a Close without a code.
    assert_eq!(feed(&mut server(), &masked(0x88, b"")).0, [Message::Close(None)]);
}

#[test]
fn payload_of_a_whole_message_is_the_buffer_itself() {
    let mut buf = BytesMut::from(&masked(0x82, &[7; 1_000])[..]);
    let payload_at = buf[8..].as_ptr();
    let message = server().receive(&mut buf).unwrap().unwrap();
    assert_eq!(message.into_payload().as_ptr(), payload_at);
}

#[test]
fn missing_tells_how_much_of_the_frame_is_to_come() {
    let mut receiver = server();
    let mut buf = BytesMut::from(&head(1_000)[..]);
    buf.extend_from_slice(&[0; 10]);
    assert_eq!(receiver.missing(&buf), 0);
    assert_eq!(receiver.receive(&mut buf), Ok(None));
    assert_eq!(receiver.missing(&buf), 990);
    assert!(!receiver.is_idle());
    buf.extend_from_slice(&[0; 990]);
    assert!(receiver.receive(&mut buf).unwrap().is_some());
    assert!(receiver.is_idle());

    let mut octets = head(1_000);
    octets[0] = 0x02;
    octets.extend_from_slice(&[0; 10]);
    let mut buf = BytesMut::from(&octets[..]);
    assert_eq!(receiver.receive(&mut buf), Ok(None));
    assert_eq!((receiver.missing(&buf), buf.len()), (990, 0));
}

#[test]
fn rfc7692_6_rsv1_only_where_agreed_and_on_the_first_fragment() {
    // E9, E10.
    assert_eq!(violation(&masked(0xc1, b"x")), Violation::RESERVED_BITS);
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let bad = [
        [masked(0x01, b"a"), masked(0xc0, b"b")].concat(),
        [masked(0x41, &hello), masked(0xc0, b"b")].concat(),
        masked(0xc8, b""),
        masked(0xc9, b""),
        masked(0xca, b""),
        b"\xe1\x80".to_vec(), // RSV2 with it
        b"\xd1\x80".to_vec(), // RSV3 with it
    ];
    for octets in bad {
        assert_eq!(feed(&mut deflating(false), &octets).1, Err(Violation::RESERVED_BITS));
    }
}

#[test]
fn rfc7692_7_2_3_examples() {
    // E12: the RFC's own octets, 7.2.3.1 to 7.2.3.6.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two_blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    for takeover in [false, true] {
        let mut receiver = deflating(takeover);
        for payload in [&hello[..], &stored, &last, &two_blocks] {
            let (messages, result) = feed(&mut receiver, &masked(0xc1, payload));
            assert_eq!((messages, result), (vec![Message::text("Hello")], Ok(())));
        }
        assert_eq!(feed(&mut receiver, &masked(0xc1, &[0x00])).0, [Message::text("")]);
        // Without even that octet it is no DEFLATE, but can only be meant as this.
        assert_eq!(feed(&mut receiver, &masked(0xc1, &[])).0, [Message::text("")]);
        // A mixture: one message as it is, then a compressed one.
        assert_eq!(feed(&mut receiver, &masked(0x81, b"plain")).0, [Message::text("plain")]);
        // Fragmented as in 7.2.3.1.
        let octets = [masked(0x41, &hello[..3]), masked(0x80, &hello[3..])].concat();
        assert_eq!(feed(&mut receiver, &octets).0, [Message::text("Hello")]);
    }
    // 7.2.3.2: with context takeover the second message refers to the first.
    let mut receiver = deflating(true);
    assert_eq!(feed(&mut receiver, &masked(0xc1, &hello)).0, [Message::text("Hello")]);
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(feed(&mut receiver, &masked(0xc1, &again)).0, [Message::text("Hello")]);
    // E7: without it, there is nothing to refer to.
    assert_eq!(feed(&mut deflating(false), &masked(0xc1, &again)).1, Err(Violation::BAD_DEFLATE));
}

#[test]
fn rfc7692_6_1_one_octet_a_fragment_with_control_frames_between() {
    // E13, C8.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let mut octets = masked(0x41, b"");
    for octet in hello {
        octets.extend(masked(0x00, &[octet]));
        octets.extend(masked(0x89, b"p"));
    }
    octets.extend(masked(0x80, b""));
    let (messages, result) = feed(&mut deflating(false), &octets);
    assert_eq!(result, Ok(()));
    assert_eq!(messages.len(), 8);
    assert_eq!(messages[7], Message::text("Hello"));
}

#[test]
fn rfc7692_7_2_2_broken_data_fails() {
    // E11: garbage, data cut short, text that is no UTF-8.
    for takeover in [false, true] {
        for payload in [&b"\xff\xff\xff\xff"[..], b"\xf2\x48\xcd", b"\x06"] {
            let (messages, result) = feed(&mut deflating(takeover), &masked(0xc2, payload));
            assert_eq!((messages, result), (vec![], Err(Violation::BAD_DEFLATE)), "{payload:x?}");
        }
        let stored_bad_text = [0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x00];
        let result = feed(&mut deflating(takeover), &masked(0xc1, &stored_bad_text)).1;
        assert_eq!(result, Err(Violation::INVALID_UTF8));
    }
}

/// Frames of all kinds, legal and not, with and without compression.
fn any_frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![
        0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0x41, 0x88,
    ]);
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "[a-zé€😀]{0,60}".prop_map(String::into_bytes),
        Just(vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
    ];
    prop::collection::vec((first, payload), 0..12)
        .prop_map(|frames| frames.iter().flat_map(|(first, load)| masked(*first, load)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_split_gives_the_same_messages(
        octets in any_frames(),
        cuts in prop::collection::vec(1usize..40, 1..40),
    ) {
        let expected = feed(&mut deflating(true), &octets);
        let mut receiver = deflating(true);
        let (mut messages, mut result) = (Vec::new(), Ok(()));
        let mut buf = BytesMut::new();
        let (mut rest, mut cuts) = (&octets[..], cuts.iter().cycle());
        while !rest.is_empty() && result.is_ok() {
            let (piece, left) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            // Between calls the buffer may be exchanged for another one.
            buf = BytesMut::from(&buf[..]);
            buf.extend_from_slice(piece);
            result = drain(&mut receiver, &mut buf, &mut messages);
            rest = left;
        }
        prop_assert_eq!((messages, result), expected);
    }

    #[test]
    fn what_is_lent_is_the_same(
        octets in any_frames(),
        cuts in prop::collection::vec(1usize..400, 1..40),
    ) {
        let expected = feed(&mut deflating(true), &octets);
        let mut receiver = deflating(true);
        let (mut messages, mut result) = (Vec::new(), Ok(()));
        let mut buf = BytesMut::new();
        let (mut rest, mut cuts) = (&octets[..], cuts.iter().cycle());
        while !rest.is_empty() && result.is_ok() {
            let (piece, left) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            let mut piece = piece.to_vec();
            let mut fresh = &mut piece[..];
            while buf.is_empty() && result.is_ok() {
                let len = fresh.len();
                match receiver.receive_in_place(fresh) {
                    Ok(Some((message, behind))) => {
                        messages.push(message.to_message());
                        fresh = behind;
                    }
                    other => {
                        result = other.map(drop);
                        fresh = &mut piece[..];
                        fresh = fresh.split_at_mut(fresh.len() - len).1;
                        break;
                    }
                }
            }
            buf.extend_from_slice(fresh);
            if result.is_ok() {
                result = drain(&mut receiver, &mut buf, &mut messages);
            }
            rest = left;
        }
        prop_assert_eq!((messages, result), expected);
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        for role in [Role::Server, Role::Client] {
            let _ = feed(&mut Receiver::new(role, Limits::default()), &octets);
            let mut octets = octets.clone();
            let _ = Receiver::new(role, Limits::default()).receive_in_place(&mut octets);
        }
        let _ = feed(&mut deflating(true), &octets);
        let _ = feed(&mut deflating(false), &masked(0xc2, &octets));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_encoded_is_received(
        payload in prop::collection::vec(any::<u8>(), 0..70_000),
        pieces in 1usize..9,
    ) {
        let size = payload.len().div_ceil(pieces).max(1);
        let mut octets = Vec::new();
        let chunks: Vec<_> = payload.chunks(size).collect();
        for (at, chunk) in chunks.iter().enumerate() {
            let opcode = if at == 0 { 2 } else { 0 };
            let fin = if at + 1 == chunks.len() { 0x80 } else { 0 };
            octets.extend(masked(fin | opcode, chunk));
        }
        if chunks.is_empty() {
            octets.extend(masked(0x82, b""));
        }
        prop_assert_eq!(feed(&mut server(), &octets), (vec![Message::binary(payload)], Ok(())));
    }
}

#[test]
fn a_frame_is_unfinished_from_its_first_octet_to_its_last() {
    let mut receiver = Receiver::new(Role::Client, Limits::default());
    let mut buf = BytesMut::new();
    let mut seen = Vec::new();
    // Two frames, octet by octet: a fragment and its end.
    for octet in *b"\x01\x02ab\x80\x01c" {
        buf.extend_from_slice(&[octet]);
        while let Ok(Some(_)) = receiver.receive(&mut buf) {}
        seen.push(receiver.unfinished_frame(&buf));
    }
    assert_eq!(seen, [Some(1), Some(1), Some(1), None, Some(2), Some(2), None]);
}

#[test]
fn a_message_is_unfinished_from_its_first_frame_to_its_last() {
    let mut receiver = Receiver::new(Role::Client, Limits::default());
    let mut buf = BytesMut::new();
    let mut seen = Vec::new();
    // A whole message, a fragment, a Ping, the last fragment.
    for frame in [&b"\x81\x01a"[..], b"\x01\x01b", b"\x89\x00", b"\x80\x01c"] {
        buf.extend_from_slice(frame);
        while let Ok(Some(_)) = receiver.receive(&mut buf) {}
        seen.push(receiver.unfinished_message());
    }
    assert_eq!(seen, [None, Some(2), Some(2), None]);
}

#[test]
fn what_is_held_is_what_has_come() {
    let mut receiver = Receiver::new(Role::Client, Limits::default());
    let mut buf = BytesMut::new();
    let mut held = Vec::new();
    // A fragment, half a frame of a kilobyte, then its rest, which ends the message.
    for piece in [&b"\x02\x01a"[..], b"\x80\x7e\x04\x00b", &[b'b'; 1023]] {
        buf.extend_from_slice(piece);
        while let Ok(Some(_)) = receiver.receive(&mut buf) {}
        held.push(receiver.held(&buf));
    }
    assert_eq!(held, [1, 2, 0]);
}
