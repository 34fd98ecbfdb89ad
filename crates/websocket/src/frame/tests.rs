use bytes::BytesMut;
use proptest::prelude::*;

use super::{Header, MAX_HEADER_LEN, MAX_MASKED_HEADER_LEN, OpCode, encode, fill_headroom};
use crate::{CloseCode, Role, Violation};

fn violation(octets: &[u8], role: Role) -> Violation {
    Header::read(octets, role).expect_err("the header breaks a rule")
}

#[test]
fn rfc6455_5_7_examples() {
    let mut out = BytesMut::new();
    encode(&mut out, Header::whole(OpCode::Text, 0), b"Hello");
    assert_eq!(out[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);

    let mut out = BytesMut::new();
    let mask = Some([0x37, 0xfa, 0x21, 0x3d]);
    encode(&mut out, Header { mask, ..Header::whole(OpCode::Text, 0) }, b"Hello");
    assert_eq!(out[..], [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);

    let mut out = BytesMut::new();
    encode(&mut out, Header { fin: false, ..Header::whole(OpCode::Text, 0) }, b"Hel");
    encode(&mut out, Header::whole(OpCode::Continuation, 0), b"lo");
    assert_eq!(out[..], [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f]);

    for (len, head) in
        [(256, &[0x82, 0x7e, 0x01, 0x00][..]), (65_536, &[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0])]
    {
        let mut out = BytesMut::new();
        encode(&mut out, Header::whole(OpCode::Binary, 0), &vec![0; len]);
        assert_eq!(out[..head.len()], *head);
        assert_eq!(out.len(), head.len() + len);
    }
}

#[test]
fn rfc6455_5_2_lengths_are_minimal() {
    // C2, C3: 16 bits for what fits in 7, 64 for what fits in 16.
    for len in [0u16, 5, 125] {
        let [high, low] = len.to_be_bytes();
        assert_eq!(violation(&[0x82, 126, high, low], Role::Client), Violation::LENGTH_NOT_MINIMAL);
    }
    for len in [0u64, 5, 126, 65_535] {
        let mut head = vec![0x82, 127];
        head.extend_from_slice(&len.to_be_bytes());
        assert_eq!(violation(&head, Role::Client), Violation::LENGTH_NOT_MINIMAL);
    }
    assert!(Header::read(&[0x82, 126, 0, 126], Role::Client).unwrap().is_some());
    assert!(Header::read(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], Role::Client).unwrap().is_some());
    // What we write reads back as the same, whatever the length: C10.
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 40] {
        let header = Header::whole(OpCode::Binary, len);
        let mut out = [0; MAX_MASKED_HEADER_LEN];
        let end = header.write(&mut out);
        assert_eq!(Header::read(&out[..end], Role::Client), Ok(Some((header, end))));
        assert_eq!(Header::read(&out[..end - 1], Role::Client), Ok(None));
    }
}

#[test]
fn rfc6455_5_2_length_has_no_top_bit() {
    // C4: 2^63 + 5.
    let head = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 5];
    assert_eq!(violation(&head, Role::Client), Violation::LENGTH_TOP_BIT);
}

#[test]
fn rfc6455_5_2_reserved_bits_and_opcodes() {
    for first in [0xa1, 0x91, 0xb1] {
        assert_eq!(violation(&[first, 0x80], Role::Server), Violation::RESERVED_BITS);
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        assert_eq!(violation(&[0x80 | opcode, 0x80], Role::Server), Violation::UNKNOWN_OPCODE);
        assert_eq!(violation(&[opcode, 0x80], Role::Server), Violation::UNKNOWN_OPCODE);
    }
}

#[test]
fn rfc6455_5_1_clients_mask_and_servers_do_not() {
    // C1, B7. Refused at the second octet: nothing of the payload is looked at.
    for opcode in [0x81, 0x82, 0x88, 0x89, 0x8a] {
        assert_eq!(violation(&[opcode, 0x00], Role::Server), Violation::UNMASKED);
        assert_eq!(violation(&[opcode, 0x80], Role::Client), Violation::MASKED);
    }
}

#[test]
fn rfc6455_5_5_control_frames_are_whole_and_short() {
    // C6 with Close; C3 for lengths in 16 and 64 bits; D7.
    for opcode in [0x8, 0x9, 0xa] {
        assert_eq!(violation(&[opcode, 0x80], Role::Server), Violation::CONTROL_FRAGMENTED);
        for len in [126, 127] {
            let head = [0x80 | opcode, 0x80 | len];
            assert_eq!(violation(&head, Role::Server), Violation::CONTROL_TOO_LONG);
        }
        assert_eq!(Header::read(&[0x80 | opcode, 0x80 | 125], Role::Server), Ok(None));
    }
    assert_eq!(Violation::CONTROL_TOO_LONG.code(), CloseCode::Protocol);
}

#[test]
fn headroom_takes_a_header_of_every_length() {
    for (len, head_len) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        let mut buf = vec![0xee; MAX_HEADER_LEN + len];
        let start = fill_headroom(&mut buf, OpCode::Binary, false);
        assert_eq!(start, MAX_HEADER_LEN - head_len);
        let (header, end) = Header::read(&buf[start..], Role::Client).unwrap().unwrap();
        assert_eq!((header, end), (Header::whole(OpCode::Binary, len), head_len));
        assert!(buf[MAX_HEADER_LEN..].iter().all(|octet| *octet == 0xee));
    }
    let mut buf = vec![0; MAX_HEADER_LEN + 3];
    let start = fill_headroom(&mut buf, OpCode::Text, true);
    assert_eq!(buf[start..start + 2], [0xc1, 3]);
}

#[test]
#[should_panic(expected = "MAX_HEADER_LEN")]
fn headroom_must_be_there() {
    fill_headroom(&mut [0; MAX_HEADER_LEN - 1], OpCode::Text, false);
}

proptest! {
    #[test]
    fn rfc6455_5_2_encoding_and_decoding_are_inverse(
        fin: bool, rsv1: bool, which in 0usize..6, len: u64, mask: Option<[u8; 4]>,
    ) {
        let opcode = [
            OpCode::Continuation, OpCode::Text, OpCode::Binary,
            OpCode::Close, OpCode::Ping, OpCode::Pong,
        ][which];
        let control = opcode.is_control();
        let header = Header {
            fin: fin || control,
            rsv1,
            opcode,
            len: if control { len % 126 } else { len >> 1 },
            mask,
        };
        let role = if mask.is_some() { Role::Server } else { Role::Client };
        let mut out = [0; MAX_MASKED_HEADER_LEN];
        let end = header.write(&mut out);
        prop_assert_eq!(Header::read(&out[..end], role), Ok(Some((header, end))));
        for cut in 0..end {
            prop_assert_eq!(Header::read(&out[..cut], role), Ok(None));
        }
    }
}
