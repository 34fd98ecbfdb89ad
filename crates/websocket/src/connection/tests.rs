use bytes::{Buf, Bytes, BytesMut};

use super::Connection;
use crate::deflate::{Agreed, Parameters, Shared};
use crate::frame::{self, Header};
use crate::{
    CloseCode, CloseFrame, CloseState, Limits, Message, OpCode, PreparedMessage, Receiver, Role,
    Violation,
};

fn server() -> Connection {
    Connection::server(Limits::default(), None)
}

fn client(deflate: Option<Agreed>) -> Connection {
    let mut key = 0u32;
    let masks = move || {
        key = key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        key.to_le_bytes()
    };
    Connection::client(Limits::default(), deflate, Box::new(masks))
}

fn agreed(takeover: bool) -> Agreed {
    let parameters = Parameters {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
    Agreed { parameters, level: 6, threshold: 16, memory: crate::deflate::Reserved::default() }
}

fn masked(opcode: OpCode, payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    let mask = Some([1, 2, 3, 4]);
    frame::encode(&mut out, Header { mask, ..Header::whole(opcode, 0) }, payload);
    out
}

fn written(connection: &mut Connection) -> Bytes {
    let outbox = connection.outbox();
    outbox.copy_to_bytes(outbox.remaining())
}

/// All messages in the octets of `from`, as `to` receives them.
fn carry(from: &mut Connection, to: &mut Connection) -> Vec<Message> {
    let mut buf = BytesMut::from(&written(from)[..]);
    std::iter::from_fn(|| to.receive(&mut buf).unwrap()).collect()
}

#[test]
fn rfc6455_5_5_3_pong_equals_ping_octet_for_octet() {
    for len in 0..=125 {
        let payload: Vec<u8> = (0..len).collect();
        let mut server = server();
        server.receive(&mut masked(OpCode::Ping, &payload)).unwrap();
        let mut expected = vec![0x8a, len];
        expected.extend_from_slice(&payload);
        assert_eq!(written(&mut server)[..], expected);
    }
}

#[test]
fn rfc6455_5_5_3_a_peer_that_never_reads_is_owed_one_pong() {
    // Attack "ping-noread" (CVE-2020-35896): memory stays bounded however many Pings come.
    let mut server = server();
    for n in 0..10_000u32 {
        server.receive(&mut masked(OpCode::Ping, &n.to_be_bytes().repeat(20))).unwrap();
    }
    assert!(server.buffered_amount() < 9_000);
    assert!(written(&mut server).len() < 9_000);
    // With room again, only the latest is answered.
    let last = written(&mut server);
    assert_eq!((last.len(), &last[2..6]), (82, &9_999u32.to_be_bytes()[..]));
    assert!(!server.wants_write());
}

#[test]
fn rfc6455_5_5_2_ping_is_answered_between_large_messages() {
    // C9: a Pong goes out behind what is queued, not behind what is still to come, and also if
    // the outbox is never empty.
    let mut server = server();
    let mut out = Vec::new();
    for round in 0..200u8 {
        server.queue(Message::binary(vec![0; 1 << 16]));
        server.receive(&mut masked(OpCode::Ping, &[round])).unwrap();
        server.queue(Message::binary(vec![0; 1 << 16]));
        let count = server.outbox().remaining() - 1_000;
        out.extend_from_slice(&server.outbox().copy_to_bytes(count));
        assert!(out.windows(3).any(|window| window == [0x8a, 0x01, round]), "{round}");
        out.clear();
    }
}

#[test]
fn rfc6455_5_5_1_nothing_follows_our_close() {
    // D1: neither messages, nor shared frames of a broadcast, nor Pongs, nor a second Close.
    let mut server = server();
    let shared = PreparedMessage::new(Message::text("to all"));
    server.queue(Message::text("before"));
    server.start_close(CloseFrame::new(CloseCode::GoingAway, "bye"));
    server.queue(Message::text("after"));
    server.queue_frames(shared.frame().clone());
    server.start_close(CloseFrame::new(CloseCode::Normal, "again"));
    server.receive(&mut masked(OpCode::Ping, b"?")).unwrap();
    assert_eq!(written(&mut server)[..], *b"\x81\x06before\x88\x05\x03\xe9bye");
    assert_eq!(server.close_state(), CloseState::CloseSent);
    // Data of the peer still arrives until its Close does.
    let message = server.receive(&mut masked(OpCode::Text, b"last words")).unwrap();
    assert_eq!(message, Some(Message::text("last words")));
    server.receive(&mut masked(OpCode::Close, b"\x03\xe9")).unwrap();
    assert_eq!(server.close_state(), CloseState::Closed);
    assert!(!server.wants_write());
}

#[test]
fn rfc6455_5_5_1_close_is_answered_once_with_its_code() {
    // D2, D8.
    for (payload, answer) in [
        (&b"\x03\xe8bye"[..], &b"\x88\x02\x03\xe8"[..]),
        (b"", b"\x88\x00"),
        (b"\x0f\xa0", b"\x88\x02\x0f\xa0"),
    ] {
        let mut server = server();
        server.receive(&mut masked(OpCode::Close, payload)).unwrap();
        server.start_close(CloseCode::Normal.into());
        assert_eq!(written(&mut server)[..], *answer);
        assert_eq!(server.close_state(), CloseState::Closed);
        assert!(!server.has_failed());
    }
}

#[test]
fn rfc6455_5_5_1_answers_to_what_came_before_go_in_front_of_our_close() {
    // Autobahn 3.2 to 3.4, 4.1.3 to 5, 4.2.3 to 5 and 5.15 are strict about it.
    for (last, answer) in [
        (masked(OpCode::Close, b""), &b"\x88\x00"[..]),
        (BytesMut::from(&b"\xb1\x80"[..]), b"\x88\x18"),
    ] {
        let mut server = server();
        let mut octets = [masked(OpCode::Text, b"hi"), last].concat()[..].into();
        let message = server.receive(&mut octets).unwrap().unwrap();
        let _ = server.receive(&mut octets);
        assert!(server.wants_write());
        server.queue(message);
        let out = written(&mut server);
        assert!(out.starts_with(&[b"\x81\x02hi", answer].concat()), "{out:?}");
        server.queue(Message::text("late"));
        assert!(!server.wants_write());
    }
}

#[test]
fn rfc6455_7_1_5_closes_that_cross_are_clean_on_both_sides() {
    // D4.
    let (mut server, mut client) = (server(), client(None));
    server.start_close(CloseFrame::new(CloseCode::GoingAway, ""));
    client.start_close(CloseFrame::new(CloseCode::Normal, ""));
    let (mut from_server, mut from_client) =
        (BytesMut::from(&written(&mut server)[..]), BytesMut::from(&written(&mut client)[..]));
    assert!(matches!(server.receive(&mut from_client), Ok(Some(Message::Close(Some(_))))));
    assert!(matches!(client.receive(&mut from_server), Ok(Some(Message::Close(Some(_))))));
    for connection in [&mut server, &mut client] {
        assert_eq!(connection.close_state(), CloseState::Closed);
        assert!(!connection.has_failed() && !connection.wants_write());
    }
}

#[test]
fn rfc6455_7_1_7_violation_sends_its_code() {
    // D10, and D7: a Close of 126 octets is not sent back.
    let big = Header { len: 1 << 40, mask: Some([0; 4]), ..Header::whole(OpCode::Binary, 0) };
    let mut head = [0; frame::MAX_MASKED_HEADER_LEN];
    let head_len = big.write(&mut head);
    for (octets, code) in [
        (masked(OpCode::Text, b"\xff"), 1007u16),
        (BytesMut::from(&head[..head_len]), 1009),
        (masked(OpCode::Close, &[3; 126]), 1002),
        (BytesMut::from(&b"\x81\x00"[..]), 1002),
    ] {
        let mut server = server();
        let violation = server.receive(&mut octets.clone()).unwrap_err();
        assert_eq!(u16::from(violation.code()), code);
        assert!(server.has_failed());
        let out = written(&mut server);
        assert_eq!(server.close_state(), CloseState::Closed);
        assert_eq!((out[0], &out[2..4]), (0x88, &code.to_be_bytes()[..]));
        assert_eq!(out[4..], *violation.reason().as_bytes());

        let mut terse = self::server().saying_why(false);
        terse.receive(&mut octets.clone()).unwrap_err();
        assert_eq!(written(&mut terse)[..], [&[0x88, 2], &out[2..4]].concat());
    }
}

#[test]
fn rfc6455_5_5_owed_pong_precedes_our_close() {
    let mut server = server();
    for n in 0..100u8 {
        server.receive(&mut masked(OpCode::Ping, &[n])).unwrap();
    }
    server.start_close(CloseCode::Normal.into());
    let out = written(&mut server);
    assert!(out.ends_with(b"\x8a\x01\x63\x88\x02\x03\xe8"));
}

#[test]
fn rfc6455_5_1_every_frame_of_a_client_is_masked() {
    let (mut client, mut server) = (client(None), server());
    let messages =
        [Message::text("a"), Message::binary(vec![7; 100_000]), Message::Ping("p".into())];
    for message in &messages {
        client.queue(message.clone());
    }
    assert_eq!(carry(&mut client, &mut server), messages);
}

#[test]
fn control_payloads_are_cut_to_125_octets() {
    let mut server = server();
    server.queue(Message::Ping(vec![1; 200].into()));
    let out = written(&mut server);
    assert_eq!((out.len(), out[1]), (127, 125));
}

#[test]
fn close_frame_holds_exactly_what_was_given() {
    // CVE-2026-45736: no octet of anything else.
    for len in 0..=123 {
        let reason = "r".repeat(len);
        let mut server = server();
        server.start_close(CloseFrame::new(CloseCode::Normal, reason.as_str()));
        let out = written(&mut server);
        let mut expected = vec![0x88, len as u8 + 2, 3, 0xe8];
        expected.extend_from_slice(reason.as_bytes());
        assert_eq!(out[..], expected);
    }
}

#[test]
fn rfc7692_6_messages_are_compressed_from_the_threshold_on() {
    for takeover in [false, true] {
        let mut server = Connection::server(Limits::default(), Some(agreed(takeover)));
        let mut client = client(Some(agreed(takeover)));
        server.queue(Message::text("x".repeat(15)));
        assert_eq!(written(&mut server)[0], 0x81);
        let messages: Vec<_> = (0..20)
            .map(|n| Message::text(format!("{{\"n\":{n},\"text\":\"the same\"}}")))
            .collect();
        for message in &messages {
            server.queue(message.clone());
        }
        assert_eq!(carry(&mut server, &mut client), messages);
        for message in &messages {
            client.queue(message.clone());
        }
        assert_eq!(carry(&mut client, &mut server), messages);
        // Control frames are never compressed.
        server.queue(Message::Ping(vec![0; 100].into()));
        assert_eq!(written(&mut server)[0], 0x89);
    }
}

#[test]
fn rfc7692_7_1_1_context_takeover_pays_and_sharing_is_offered_without_it() {
    let text = "a message of the usual kind, number one of many".to_owned();
    let len = |takeover| {
        let mut server = Connection::server(Limits::default(), Some(agreed(takeover)));
        server.queue(Message::text(text.clone()));
        written(&mut server);
        server.queue(Message::text(text.clone()));
        (written(&mut server).len(), server.shared_compression())
    };
    let ((alone, shared), (with_takeover, own)) = (len(false), len(true));
    assert!(with_takeover < 12 && alone > 30, "{with_takeover} {alone}");
    assert_eq!((shared, own), (Some(Shared::new(15, 6)), None));
}

#[test]
fn prepared_compressed_frame_serves_every_connection_that_shares() {
    let message = Message::text("to all ".repeat(50));
    let prepared = PreparedMessage::compressed(message.clone(), Shared::new(15, 6));
    for (deflate, first) in [(Some(agreed(false)), 0xc1), (Some(agreed(true)), 0x81), (None, 0x81)]
    {
        let mut server = Connection::server(Limits::default(), deflate.clone());
        server.queue_prepared(&prepared);
        assert_eq!(server.outbox().chunk()[0], first);
        assert_eq!(carry(&mut server, &mut client(deflate.clone())).first(), Some(&message));
        let mut client = client(deflate.clone());
        client.queue_prepared(&prepared);
        let mut server = Connection::server(Limits::default(), deflate.clone());
        assert_eq!(carry(&mut client, &mut server).first(), Some(&message));
    }
}

#[test]
fn shared_frame_is_compressed_once_where_that_was_agreed() {
    let message = Message::text("to all ".repeat(50));
    let frame = PreparedMessage::new(message.clone()).frame().clone();
    let mut compressed = Vec::new();
    for deflate in [Some(agreed(false)), Some(agreed(true)), None, Some(agreed(false))] {
        let mut server = Connection::server(Limits::default(), deflate.clone());
        server.queue_shared(&frame);
        let outbox = server.outbox();
        let chunk = outbox.chunk();
        assert_eq!(chunk[0], if deflate.is_some() { 0xc1 } else { 0x81 });
        if deflate == Some(agreed(false)) {
            compressed.push(chunk.as_ptr());
        }
        assert_eq!(carry(&mut server, &mut client(deflate.clone())).first(), Some(&message));
    }
    assert_eq!(compressed[0], compressed[1], "the same octets");
    // Neither short ones, nor control frames; another frame is not taken for the last one.
    for (message, first) in [
        (Message::text("short"), 0x81),
        (Message::Ping(vec![0; 100].into()), 0x89),
        (Message::binary(vec![0; 100]), 0xc2),
    ] {
        let mut server = Connection::server(Limits::default(), Some(agreed(false)));
        server.queue_shared(PreparedMessage::new(message.clone()).frame());
        assert_eq!(server.outbox().chunk()[0], first);
        assert_eq!(carry(&mut server, &mut client(Some(agreed(false)))), [message]);
    }
}

#[test]
fn rfc7692_6_threshold_of_zero_compresses_all() {
    let deflate = Some(Agreed { threshold: 0, ..agreed(false) });
    for message in [Message::text("ab"), Message::text(""), Message::binary(vec![1])] {
        let mut server = Connection::server(Limits::default(), deflate.clone());
        server.queue(message.clone());
        server.queue_shared(PreparedMessage::new(message.clone()).frame());
        assert_eq!(server.outbox().chunk()[0] & 0xf0, 0xc0, "{message:?}");
        let messages = carry(&mut server, &mut client(deflate.clone()));
        assert_eq!(messages, [message.clone(), message]);
    }
}

#[test]
fn data_that_does_not_shrink_is_sent_as_it_is() {
    let mut noise = 1u32;
    let payload: Vec<u8> = (0..1_000)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        })
        .collect();
    let mut server = Connection::server(Limits::default(), Some(agreed(false)));
    server.queue(Message::binary(payload));
    assert_eq!(written(&mut server)[0], 0x82);
}

#[test]
fn idle_connection_is_small() {
    // performance.md section 8: 512 octets for all of an idle connection.
    assert!(size_of::<Connection>() <= 256, "{}", size_of::<Connection>());
    assert!(size_of::<Receiver>() <= 128, "{}", size_of::<Receiver>());
    let shared = agreed(false).inflater(Role::Server);
    assert!(format!("{shared:?}").contains("Shared"), "no decompressor of its own");
}

#[test]
fn lost_connection_takes_and_gives_nothing() {
    let mut server = server();
    server.queue(Message::text("a"));
    server.lost();
    server.queue(Message::text("b"));
    assert!(!server.wants_write());
    assert_eq!(server.close_state(), CloseState::Closed);
    // What it sent before it went is still read.
    let message = server.receive(&mut masked(OpCode::Text, b"early")).unwrap();
    assert_eq!(message, Some(Message::text("early")));
}

#[test]
fn violations_read_well() {
    assert_eq!(Violation::UNMASKED.to_string(), "A client's frame is not masked. (1002)");
}
