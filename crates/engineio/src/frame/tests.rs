use super::*;
use proptest::prelude::*;

fn taken(max: usize, octets: &[u8]) -> Result<Option<Message>, Malformed> {
    take(max, &mut BytesMut::from(octets))
}

fn written(message: &Message) -> BytesMut {
    let mut out = BytesMut::new();
    write_header(message.kind(), message.as_bytes().len(), &mut out);
    out.extend_from_slice(message.as_bytes());
    out
}

fn binary(len: usize) -> Message {
    Message::Binary(vec![7; len].into())
}

#[test]
fn eio41_headers_have_one_three_or_nine_octets() {
    for (len, head) in [
        (1, &[1][..]),
        (125, &[125]),
        (126, &[126, 0, 126]),
        (65_535, &[126, 0xff, 0xff]),
        (65_536, &[127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let text = Message::text("a".repeat(len));
        assert_eq!(written(&text)[..head.len()], *head, "{len}");
        assert_eq!(taken(len, &written(&text)), Ok(Some(text)));
        let mut head = head.to_vec();
        head[0] |= 0x80;
        assert_eq!(written(&binary(len))[..head.len()], *head, "{len}");
        assert_eq!(taken(len, &written(&binary(len))), Ok(Some(binary(len))));
    }
}

/// As engine.io-parser's tests have them.
#[test]
fn eio41_the_frames_of_the_official_parser() {
    assert_eq!(written(&Message::text("41€"))[..], [5, 52, 49, 226, 130, 172]);
    let bytes = Message::Binary(vec![1, 2, 3].into());
    assert_eq!(written(&bytes)[..], [131, 1, 2, 3]);
    assert_eq!(taken(10, &[5, 52, 49, 226, 130, 172]), Ok(Some(Message::text("41€"))));
    assert_eq!(taken(10, &[131, 1, 2, 3]), Ok(Some(bytes)));
}

#[test]
fn a_length_may_take_more_octets_than_it_needs() {
    assert_eq!(taken(10, &[126, 0, 1, b'6']), Ok(Some(Message::text("6"))));
    assert_eq!(taken(10, &[127, 0, 0, 0, 0, 0, 0, 0, 1, b'6']), Ok(Some(Message::text("6"))));
}

#[test]
fn eio41_an_empty_frame_is_an_error() {
    for head in [&[0][..], &[0x80], &[126, 0, 0], &[127, 0, 0, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(taken(10, head), Err(Malformed("a frame is empty")));
    }
}

#[test]
fn no_bytes_go_out_as_their_base64() {
    assert_eq!(written(&binary(0))[..], *b"\x01b");
    let packet = crate::Packet::decode(crate::Protocol::V4, Message::text("b")).unwrap();
    assert_eq!(packet.data, binary(0));
}

#[test]
fn eio41_the_limit_is_looked_at_before_the_payload_comes() {
    assert_eq!(taken(100, &written(&binary(100))), Ok(Some(binary(100))));
    let too_long = Err(Malformed("a frame is too long"));
    assert_eq!(taken(100, &[101]), too_long);
    assert_eq!(taken(1_000_000, &[127, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x41]), too_long);
    assert_eq!(taken(1_000_000, &[127, 0x80, 0, 0, 0, 0, 0, 0, 0]), too_long);
    assert_eq!(taken(usize::MAX, &[0xff; 9]), Ok(None));
}

#[test]
fn nothing_is_reserved_for_what_a_header_promises() {
    let mut buffer = BytesMut::from(&[127, 0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff][..]);
    let before = buffer.capacity();
    assert_eq!(take(usize::MAX, &mut buffer), Ok(None));
    assert_eq!((buffer.len(), buffer.capacity()), (9, before));
}

#[test]
fn text_must_be_utf8() {
    assert_eq!(taken(10, &[2, b'4', 0xff]), Err(Malformed("text is not UTF-8")));
}

#[test]
fn eio41_the_first_frame_opens_or_upgrades() {
    let parse = |text: &str| Greeting::parse(&Message::text(text.to_owned())).ok();
    assert_eq!(parse("0"), Some(Greeting::Open));
    assert_eq!(parse(r#"0{"sid":"abc"}"#), Some(Greeting::Upgrade("abc".into())));
    assert_eq!(parse(r#"0 { "a": {}, "sid" : "a\u0062" } "#), Some(Greeting::Upgrade("ab".into())));
    let repeated = r#"0{"sid":"a","sid":"b"}"#;
    assert_eq!(parse(repeated), Some(Greeting::Upgrade("b".into())));
    for no in ["", "1", "2probe", "40", "0abc", "0{}", "0{", r#"0{"sid":1}"#, r#"0["sid"]"#, "00"] {
        assert_eq!(parse(no), None, "{no}");
    }
    assert_eq!(Greeting::parse(&Message::Binary((&b"0"[..]).into())).ok(), None);
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        "[^\u{0}]{1,300}".prop_map(Message::text),
        prop::collection::vec(any::<u8>(), 1..300).prop_map(|bytes| Message::Binary(bytes.into())),
    ]
}

proptest! {
    #[test]
    fn frames_come_in_any_pieces(
        messages in prop::collection::vec(message(), 0..5),
        cuts in prop::collection::vec(1_usize..40, 1..200),
    ) {
        let octets: Vec<u8> = messages.iter().flat_map(written).collect();
        let (mut rest, mut buffer, mut read) = (&octets[..], BytesMut::new(), Vec::new());
        for cut in cuts.iter().copied().chain([usize::MAX]) {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            buffer.extend_from_slice(piece);
            rest = after;
            while let Some(message) = take(2_000, &mut buffer).unwrap() {
                read.push(message);
            }
        }
        prop_assert_eq!(read, messages);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn what_is_no_frame_fails_the_same_in_any_pieces(octets: Vec<u8>, cut in 0_usize..64) {
        let read = |pieces: &[&[u8]]| {
            let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
            for piece in pieces {
                buffer.extend_from_slice(piece);
                loop {
                    match take(64, &mut buffer) {
                        Ok(Some(message)) => read.push(message),
                        Ok(None) => break,
                        Err(malformed) => return (read, Some(malformed)),
                    }
                }
            }
            (read, None)
        };
        let (first, rest) = octets.split_at(cut.min(octets.len()));
        prop_assert_eq!(read(&[&octets]), read(&[first, rest]));
    }
}
