use super::*;

fn frame(kind: u64, payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    write_frame(&mut out, kind, payload);
    out
}

fn settings(pairs: &[(u64, u64)]) -> BytesMut {
    let mut payload = BytesMut::new();
    for (setting, value) in pairs {
        write_integer(&mut payload, *setting);
        write_integer(&mut payload, *value);
    }
    frame(SETTINGS, &payload)
}

fn say(octets: &[u8]) -> Result<Option<Said>, Code> {
    let mut control = Control::default();
    control.push(octets);
    control.next()
}

fn section(fields: &[(&str, &str)]) -> BytesMut {
    let mut out = BytesMut::new();
    qpack::begin(&mut out);
    for (name, value) in fields {
        qpack::write(&mut out, name.as_bytes(), value.as_bytes(), false);
    }
    out
}

#[test]
fn rfc9000_a_1_integers() {
    for (octets, value) in [
        (&b"\xc2\x19\x7c\x5e\xff\x14\xe8\x8c"[..], 151_288_809_941_952_652),
        (b"\x9d\x7f\x3e\x7d", 494_878_333),
        (b"\x7b\xbd", 15_293),
        (b"\x25", 37),
        (b"\x40\x25", 37),
    ] {
        let mut rest = octets;
        assert_eq!(integer(&mut rest), Some(value));
        assert!(rest.is_empty());
        assert_eq!(integer(&mut &octets[..octets.len() - 1]), None);
    }
    for value in [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, (1 << 62) - 1] {
        let mut out = BytesMut::new();
        write_integer(&mut out, value);
        assert_eq!(integer(&mut &out[..]), Some(value));
    }
}

#[test]
fn rfc9220_3_settings_allow_extended_connect() {
    // G1.
    assert_eq!(say(&settings(&[(0x06, 100), (0x08, 1)])), Ok(Some(Said::Settings(true))));
    assert_eq!(say(&settings(&[(0x08, 0)])), Ok(Some(Said::Settings(false))));
    assert_eq!(say(&settings(&[])), Ok(Some(Said::Settings(false))));
}

#[test]
fn rfc9114_7_2_4_bad_settings() {
    // G1.
    for bad in [&[(0x08, 2)][..], &[(0x08, 1), (0x08, 1)], &[(0x02, 0)], &[(0x05, 1)]] {
        assert_eq!(say(&settings(bad)), Err(Code::SETTINGS_ERROR), "{bad:?}");
    }
    assert_eq!(say(&frame(SETTINGS, b"\x08")), Err(Code::FRAME_ERROR));
    assert_eq!(say(b"\x04\x80\x00\x80\x01"), Err(Code::EXCESSIVE_LOAD));
}

#[test]
fn rfc9114_6_2_1_control_stream_begins_with_settings_and_has_no_others() {
    assert_eq!(say(&frame(GOAWAY, b"\x00")), Err(Code::MISSING_SETTINGS));
    for (kind, code) in [
        (SETTINGS, Code::FRAME_UNEXPECTED),
        (DATA, Code::FRAME_UNEXPECTED),
        (HEADERS, Code::FRAME_UNEXPECTED),
        (0x0d, Code::FRAME_UNEXPECTED),
        (0x06, Code::FRAME_UNEXPECTED),
        (CANCEL_PUSH, Code::ID_ERROR),
    ] {
        let mut control = Control::default();
        control.push(&settings(&[]));
        assert_eq!(control.next(), Ok(Some(Said::Settings(false))));
        control.push(&frame(kind, b""));
        assert_eq!(control.next(), Err(code), "{kind}");
    }
}

#[test]
fn rfc9114_9_unknown_frames_are_skipped_however_they_are_cut() {
    let mut octets = settings(&[(0x21, 7), (0x08, 1)]);
    octets.extend_from_slice(&frame(0x21, &[b'?'; 300]));
    octets.extend_from_slice(&frame(GOAWAY, b"\x04"));
    for size in [1, 2, 7, 1_000] {
        let (mut control, mut said) = (Control::default(), Vec::new());
        for piece in octets.chunks(size) {
            control.push(piece);
            while let Some(one) = control.next().unwrap() {
                said.push(one);
            }
        }
        assert_eq!(said, [Said::Settings(true), Said::GoAway]);
    }
}

#[test]
fn rfc9114_7_2_1_answer_and_data_however_they_are_cut() {
    // G6.
    let mut octets = frame(0x21, b"grease");
    octets.extend_from_slice(&frame(HEADERS, &section(&[(":status", "200")])));
    octets.extend_from_slice(&frame(DATA, b""));
    octets.extend_from_slice(&frame(DATA, b"hel"));
    octets.extend_from_slice(&frame(0x40, &[0; 70]));
    octets.extend_from_slice(&frame(DATA, b"lo"));
    for size in [1, 2, 7, 1_000] {
        let (mut answer, mut heads, mut data) = (Answer::default(), 0, Vec::new());
        for piece in octets.chunks(size) {
            answer.push(piece);
            while let Some(piece) = answer.next().unwrap() {
                match piece {
                    Piece::Headers(section) => {
                        assert!(read_answer(&section, 1_000).unwrap().is_some());
                        heads += 1;
                        answer.open();
                    }
                    Piece::Data(piece) => data.extend_from_slice(&piece),
                }
            }
        }
        assert_eq!((heads, &data[..]), (1, &b"hello"[..]));
        assert!(answer.is_whole());
    }
}

#[test]
fn rfc9114_4_4_only_data_follows_the_answer() {
    // G5.
    for (kind, opened, code) in [
        (DATA, false, Code::FRAME_UNEXPECTED),
        (HEADERS, true, Code::FRAME_UNEXPECTED),
        (SETTINGS, true, Code::FRAME_UNEXPECTED),
        (GOAWAY, false, Code::FRAME_UNEXPECTED),
        (0x02, true, Code::FRAME_UNEXPECTED),
        (PUSH_PROMISE, true, Code::ID_ERROR),
    ] {
        let mut answer = Answer { opened, ..Answer::default() };
        answer.push(&frame(kind, b"x"));
        assert_eq!(answer.next(), Err(code), "{kind}");
    }
}

#[test]
fn rfc9114_7_1_a_frame_that_the_stream_cuts_off_is_noticed() {
    for octets in [&b"\x00"[..], b"\x00\x05hel", b"\x21\x05hel"] {
        let mut answer = Answer { opened: true, ..Answer::default() };
        answer.push(octets);
        while answer.next().unwrap().is_some() {}
        assert!(!answer.is_whole(), "{octets:x?}");
    }
}

#[test]
fn rfc9114_4_3_2_malformed_answers() {
    // G2.
    for bad in [
        &[][..],
        &[("server", "x")],
        &[(":status", "2xx")],
        &[(":status", "200"), (":status", "200")],
        &[("server", "x"), (":status", "200")],
        &[(":status", "200"), ("Server", "x")],
        &[(":status", "200"), ("server", "a\nb")],
    ] {
        assert_eq!(read_answer(&section(bad), 1_000).err(), Some(Code::MESSAGE_ERROR), "{bad:?}");
    }
    assert!(read_answer(&section(&[(":status", "103")]), 1_000).unwrap().is_none());
}

#[test]
fn rfc9220_3_request_is_an_extended_connect() {
    let mut request = http::Request::new(());
    *request.method_mut() = http::Method::CONNECT;
    *request.uri_mut() = "https://example.com/a?b".parse().unwrap();
    let mut token = HeaderValue::from_static("secret");
    token.set_sensitive(true);
    request.headers_mut().insert("authorization", token);
    let written = write_request(&request);
    let head = Head::read(&written).unwrap();
    assert_eq!((head.kind, head.len), (HEADERS, (written.len() - head.at) as u64));
    let fields = qpack::read(&written[head.at..], 1_000).unwrap();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    let expected: [(&[u8], &[u8]); 6] = [
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"https"),
        (b":authority", b"example.com"),
        (b":path", b"/a?b"),
        (b"authorization", b"secret"),
    ];
    assert_eq!(fields, expected);
    // RFC 9204 section 7.1.3: never indexed.
    let at = written.len() - "secret".len() - 1 - "authorization".len() - 2;
    assert_eq!(written[at] & 0b1111_0000, 0b0011_0000);
}

proptest::proptest! {
    #[test]
    fn nothing_makes_them_panic(octets: Vec<u8>, opened: bool) {
        let _ = say(&octets);
        let mut answer = Answer { opened, ..Answer::default() };
        answer.push(&octets);
        while let Ok(Some(_)) = answer.next() {}
        let _ = read_answer(&octets, 1_000);
    }
}
