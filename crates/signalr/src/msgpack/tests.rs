use super::*;
use omniwire_session::{CallError, CallErrorKind, CallId};
use proptest::prelude::*;

/// Every value that MessagePack can say and JSON too, as JSON in the form that is read back.
fn any_json() -> impl Strategy<Value = String> {
    let text = any::<String>().prop_map(|text| {
        let mut out = BytesMut::new();
        omniwire_session::json::write_str(&mut out, &text);
        String::from_utf8(out.to_vec()).unwrap()
    });
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        (-200_i32..70_000).prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|value| format!("{value:?}")),
        text.clone(),
    ];
    scalar.prop_recursive(8, 128, 20, move |inner| {
        let members = prop::collection::vec((text.clone(), inner.clone()), 0..20);
        prop_oneof![
            prop::collection::vec(inner, 0..20).prop_map(|items| format!("[{}]", items.join(","))),
            members.prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn encoded(args: &Args) -> Bytes {
    let mut out = BytesMut::new();
    encode::values(&mut out, args, Dialect::Standard);
    out.freeze()
}

fn decoded(bytes: &[u8], count: usize) -> Result<Args, Malformed> {
    decode::values(&mut Reader::new(&Bytes::copy_from_slice(bytes)), count, Dialect::Standard)
}

fn json_of(bytes: &[u8]) -> String {
    decoded(bytes, 1).unwrap().json().to_string()
}

fn args(elements: &str) -> Args {
    Args::from_elements(elements.into()).unwrap()
}

proptest! {
    #[test]
    fn json_to_messagepack_and_back(values in prop::collection::vec(any_json(), 0..4)) {
        let args = args(&values.join(","));
        let bytes = encoded(&args);
        prop_assert_eq!(decoded(&bytes, values.len()).unwrap(), args);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..80), count in 0_usize..4) {
        if let Ok(args) = decoded(&bytes, count) {
            prop_assert_eq!(args.len(), count);
            // NaN and lone names aside, what was read can be written.
            let _ = encoded(&args);
        }
        let _ = decode(bytes.into());
    }

    #[test]
    fn any_json_is_written(text in "[\\[\\]{}\",:0-9a-e\\\\.ntrulfs -]{0,24}") {
        if let Ok(args) = Args::from_elements(text.into()) {
            let bytes = encoded(&args);
            prop_assert!(decoded(&bytes, args.len()).is_ok());
        }
    }

    #[test]
    fn byte_strings_stay_bytes(parts in prop::collection::vec(any::<Vec<u8>>(), 1..5)) {
        let mut json = String::new();
        let mut blobs = Vec::new();
        for part in &parts {
            json.push_str(if json.is_empty() { "{\"a\":" } else { ",null,[1,{\"a\":" });
            let bytes = Bytes::copy_from_slice(part);
            blobs.push(omniwire_session::Blob { at: json.len(), bytes });
            json.push_str(if json.len() < 10 { "null}" } else { "null}]" });
        }
        let args = Args::with_blobs(json.into(), blobs).unwrap();
        prop_assert_eq!(decoded(&encoded(&args), args.len()).unwrap(), args);
    }
}

#[test]
fn shortest_forms() {
    for (json, bytes) in [
        ("null", &[0xc0][..]),
        ("false,true", &[0xc2, 0xc3]),
        ("0,127", &[0, 0x7f]),
        ("128,255", &[0xcc, 128, 0xcc, 255]),
        ("256,65535", &[0xcd, 1, 0, 0xcd, 255, 255]),
        ("65536", &[0xce, 0, 1, 0, 0]),
        ("4294967296", &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("18446744073709551615", &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("-1,-32", &[0xff, 0xe0]),
        ("-33,-128", &[0xd0, 0xdf, 0xd0, 0x80]),
        ("-129", &[0xd1, 0xff, 0x7f]),
        ("-32769", &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
        ("-2147483649", &[0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
        ("1.0", &[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("1e0", &[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("-0", &[0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("18446744073709551616", &[0xcb, 0x43, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("\"a\\u00e9\\n\"", &[0xa4, b'a', 0xc3, 0xa9, b'\n']),
        ("\"\\ud800\"", &[0xa3, 0xef, 0xbf, 0xbd]),
        ("[]", &[0x90]),
        (" [ 1 , [ ] ] , { \"a\" : { } } ", &[0x92, 1, 0x90, 0x81, 0xa1, b'a', 0x80]),
    ] {
        assert_eq!(encoded(&args(json)), bytes, "{json}");
    }
    assert_eq!(encoded(&args(&format!("\"{}\"", "x".repeat(32))))[..2], [0xd9, 32]);
    assert_eq!(encoded(&args(&format!("\"{}\"", "x".repeat(256))))[..3], [0xda, 1, 0]);
    assert_eq!(encoded(&args(&format!("\"{}\"", "x".repeat(65_536))))[..5], [0xdb, 0, 1, 0, 0]);
    assert_eq!(encoded(&args(&format!("[0{}]", ",0".repeat(15))))[..3], [0xdc, 0, 16]);
    let bytes = Args::from_bytes(Bytes::from(vec![7; 256]));
    assert_eq!(encoded(&bytes)[..4], [0xc5, 1, 0, 7]);
}

#[test]
fn any_width_is_read() {
    for bytes in [
        &[5][..],
        &[0xcc, 5],
        &[0xcd, 0, 5],
        &[0xce, 0, 0, 0, 5],
        &[0xcf, 0, 0, 0, 0, 0, 0, 0, 5],
        &[0xd0, 5],
        &[0xd1, 0, 5],
        &[0xd2, 0, 0, 0, 5],
        &[0xd3, 0, 0, 0, 0, 0, 0, 0, 5],
    ] {
        assert_eq!(json_of(bytes), "5");
    }
    assert_eq!(json_of(&[0xd3, 255, 255, 255, 255, 255, 255, 255, 255]), "-1");
    assert_eq!(json_of(&[0xca, 0x3f, 0x80, 0, 0]), "1.0");
    assert_eq!(json_of(&[0xd9, 1, b'"']), "\"\\\"\"");
    assert_eq!(json_of(&[0xdf, 0, 0, 0, 1, 0xa1, b'a', 0xdd, 0, 0, 0, 1, 0xc3]), "{\"a\":[true]}");
    assert_eq!(json_of(&[0x82, 1, 2, 0xff, 3]), "{\"1\":2,\"-1\":3}");
}

#[test]
fn floats_that_json_cannot_say() {
    let float = |value: f64| [&[0xcb][..], &value.to_be_bytes()].concat();
    assert_eq!(json_of(&float(f64::NAN)), "null");
    for (value, text) in [(f64::INFINITY, "1e999"), (f64::NEG_INFINITY, "-1e999")] {
        assert_eq!(json_of(&float(value)), text);
        assert_eq!(encoded(&args(text)), float(value));
    }
}

#[test]
fn timestamps_are_marked_texts_and_come_back() {
    let seconds = 1_767_323_045_u32;
    let four = [&[0xd6, 0xff][..], &seconds.to_be_bytes()].concat();
    let both = (678_000_000_u64 << 34) | u64::from(seconds);
    let eight = [&[0xd7, 0xff][..], &both.to_be_bytes()].concat();
    let twelve = |nanos: u32, seconds: i64| {
        [&[0xc7, 12, 0xff][..], &nanos.to_be_bytes(), &seconds.to_be_bytes()].concat()
    };
    for (bytes, text) in [
        (four, r#""\u0032026-01-02T03:04:05Z""#),
        (eight, r#""\u0032026-01-02T03:04:05.678Z""#),
        (twelve(1, -1), r#""\u0031969-12-31T23:59:59.000000001Z""#),
        (twelve(0, -62_135_596_800), r#""\u0030001-01-01T00:00:00Z""#),
        (twelve(0, 253_402_300_799), r#""\u0039999-12-31T23:59:59Z""#),
    ] {
        assert_eq!(json_of(&bytes), text);
        assert_eq!(encoded(&args(text)), bytes);
    }
    let leap_day = r#""\u0032000-02-29T00:00:00Z""#;
    assert_eq!(json_of(&twelve(0, 951_782_400)), leap_day);
    assert_eq!(
        encoded(&args(leap_day)),
        [&[0xd6, 0xff][..], &951_782_400_u32.to_be_bytes()].concat()
    );
    for bad in [twelve(0, 253_402_300_800), twelve(0, i64::MIN), twelve(1_000_000_000, 0)] {
        assert!(decoded(&bad, 1).is_err());
    }
    assert!(decoded(&[0xd5, 0xff, 0, 0], 1).is_err());
}

#[test]
fn texts_that_are_no_marked_timestamps_stay_texts() {
    for text in [
        r#""2026-01-02T03:04:05Z""#,
        r#""\u0032""#,
        r#""\u0032026-02-30T03:04:05Z""#,
        r#""\u0032026-01-02T03:04:05.10Z""#,
        r#""\u0032026-01-02T24:00:00Z""#,
        r#""\u0032026-1-2T03:04:05Z""#,
        r#""\u0039999-99-99T99:99:99Z""#,
        r#""\u0032026-01-02T03:04:05.-1Z""#,
    ] {
        let text_mark = |first: &u8| first & 0xe0 == 0xa0 || *first == 0xd9;
        assert!(encoded(&args(text)).first().is_some_and(text_mark), "{text}");
    }
}

#[test]
fn what_is_refused() {
    for bytes in [
        &[][..],
        &[0xc1],
        &[0xd4, 5, 0],
        &[0xa1, 0xff],
        &[0xdd, 255, 255, 255, 255],
        &[0xdf, 255, 255, 255, 255, 0],
        &[0xdb, 255, 255, 255, 255, 0],
        &[0xc6, 255, 255, 255, 255, 0],
        &[0x91],
        &[0x81, 0xc0, 0xc0],
        &[0x81, 0x90, 0xc0],
        &[0x81, 0xc4, 0, 0xc0],
        &[0xcf, 0, 0],
    ] {
        assert!(decoded(bytes, 1).is_err(), "{bytes:?}");
    }
    assert!(decoded(&[&[0x91; 63][..], &[0x90]].concat(), 1).is_ok());
    assert!(decoded(&[&[0x91; 64][..], &[0x90]].concat(), 1).is_err());
}

fn read(bytes: &'static [u8]) -> Result<HubMessage, Malformed> {
    decode(Bytes::from_static(bytes))
}

#[test]
fn hub_protocol_examples() {
    // The example of "Invocation Message Encoding", then the same with five items.
    let six = b"\x96\x01\x80\xa3xyz\xa6method\x91\x2a\x90";
    let five = b"\x95\x01\x80\xa3xyz\xa6method\x91\x2a";
    for bytes in [&six[..], five] {
        let Ok(HubMessage::Invocation(call)) = read(bytes) else { panic!() };
        assert_eq!((&*call.target, call.id.as_deref()), ("method", Some("xyz")));
        assert_eq!((&**call.args.json(), call.streams.len()), ("42", 0));
    }
    let Ok(HubMessage::Invocation(call)) =
        read(b"\x97\x04\x81\xa1a\xa1b\xa3xyz\xa6method\x90\x91\xa2s1\xc1")
    else {
        panic!()
    };
    assert!(call.wants_stream);
    assert_eq!(call.streams, ["s1"]);
    let Ok(HubMessage::Invocation(call)) = read(b"\x95\x01\x80\xa0\xa1m\x90") else { panic!() };
    assert_eq!(call.id, None);
    let id = || ByteString::from("xyz");
    let is = |bytes, message| assert_eq!(read(bytes), Ok(message));
    is(b"\x94\x02\x80\xa3xyz\x2a", HubMessage::StreamItem { id: id(), item: Ok(args("42")) });
    let completion = |outcome| HubMessage::Completion { id: id(), outcome };
    is(b"\x95\x03\x80\xa3xyz\x01\xa5Error", completion(Err("Error".into())));
    is(b"\x94\x03\x80\xa3xyz\x02", completion(Ok(Args::default())));
    is(b"\x95\x03\x80\xa3xyz\x03\x2a", completion(Ok(args("42"))));
    is(b"\x93\x05\x80\xa3xyz", HubMessage::Cancel { id: id() });
    is(b"\x91\x06", HubMessage::Ping);
    let close = |error: Option<&str>, allow_reconnect| HubMessage::Close {
        error: error.map(ByteString::from),
        allow_reconnect,
    };
    is(b"\x92\x07\xc0", close(None, false));
    is(b"\x93\x07\xa1x\xc3", close(Some("x"), true));
    is(b"\x91\x07", close(None, false));
    is(b"\x92\x08\xcd\x05\x72", HubMessage::Ack(1394));
    is(b"\x92\x09\xcd\x04\xd2", HubMessage::Sequence(1234));
    is(b"\x93\x63\xc1\xc1", HubMessage::Ignored);
}

#[test]
fn hub_protocol_errors() {
    for bytes in [
        &b""[..],
        b"\x91\x08",
        b"\x92\x08\xff",
        b"\x92\x09\xa1\x31",
        b"\x06",
        b"\x90",
        b"\x91\xa16",
        b"\x95\x01\xc0\xc0\xa1m\x90",
        b"\x95\x01\x81\xa1a\x01\xc0\xa1m\x90",
        b"\x95\x01\x81\xa1a\xa0\xc0\xa1m\x90",
        b"\x95\x01\x80\x01\xa1m\x90",
        b"\x95\x01\x80\xc0\xc0\x90",
        b"\x95\x01\x80\xc0\xa0\x90",
        b"\x94\x01\x80\xc0\xa1m",
        b"\x95\x04\x80\xc0\xa1m\x90",
        b"\x96\x01\x80\xc0\xa1m\x90\x91\x01",
        b"\x94\x02\x80\xc0\x01",
        b"\x94\x03\x80\xa11\x03\x01",
        b"\x95\x03\x80\xa11\x04\x01",
        b"\x93\x05\x80\xc0",
        b"\x93\x05\x80",
    ] {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn bad_arguments_spoil_only_their_call() {
    for bytes in [
        &b"\x95\x01\x80\xa11\xa1m\x91\xd4\x05\x00"[..],
        b"\x95\x01\x80\xa11\xa1m\x92\x01",
        b"\x95\x01\x80\xa11\xa1m\xa1x",
    ] {
        let Ok(HubMessage::Unbindable { id, target, .. }) = read(bytes) else { panic!() };
        assert_eq!((id.as_deref(), &*target), (Some("1"), "m"));
    }
    let item = read(b"\x94\x02\x80\xa11\xd4\x05\x00");
    assert!(matches!(item, Ok(HubMessage::StreamItem { item: Err(_), .. })));
    let result = read(b"\x95\x03\x80\xa11\x03\xd4\x05\x00");
    assert!(matches!(result, Ok(HubMessage::Completion { outcome: Err(_), .. })));
}

fn written(what: Outgoing<'_>) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out, what);
    out.to_vec()
}

#[test]
fn hub_protocol_writes() {
    let args = args("1,\"a\"");
    let call = &CallId("xyz".into());
    let event = |call| Outgoing::Event { name: "m", args: &args, call, position: None };
    assert_eq!(written(event(None)), b"\x0b\x96\x01\x80\xc0\xa1m\x92\x01\xa1a\x90");
    assert_eq!(written(event(Some(12))), b"\x0e\x96\x01\x80\xa3s12\xa1m\x92\x01\xa1a\x90");
    let one = &args.get(0).unwrap();
    let reply = |args: &Args| written(Outgoing::Reply { call, outcome: Ok(args) });
    assert_eq!(reply(&Args::default()), b"\x09\x95\x03\x80\xa3xyz\x03\xc0");
    assert_eq!(reply(one), b"\x09\x95\x03\x80\xa3xyz\x03\x01");
    assert_eq!(reply(&args), b"\x0c\x95\x03\x80\xa3xyz\x03\x92\x01\xa1a");
    let item = Outgoing::Item { call, item: one };
    assert_eq!(written(item), b"\x08\x94\x02\x80\xa3xyz\x01");
    let end = Outgoing::End { call, error: None };
    assert_eq!(written(end), b"\x08\x94\x03\x80\xa3xyz\x02");
    let error =
        CallError { kind: CallErrorKind::Failed, event: "".into(), message: "Error".into() };
    let failed = b"\x0e\x95\x03\x80\xa3xyz\x01\xa5Error";
    assert_eq!(written(Outgoing::End { call, error: Some(&error) }), failed);
    assert_eq!(written(Outgoing::Reply { call, outcome: Err(&error) }), failed);
}

#[test]
fn long_prefixes() {
    for len in [127, 128, 16_383, 16_384, 70_000] {
        let args = Args::from_text("x".repeat(len));
        let mut out = BytesMut::from(&b"before"[..]);
        write(&mut out, Outgoing::Event { name: "m", args: &args, call: None, position: None });
        let mut records = crate::record::Records::new(usize::MAX);
        records.set_framing(crate::record::Framing::Prefixed);
        records.push(out.freeze().slice(6..));
        let record = records.next().unwrap().unwrap();
        assert_eq!(records.waiting_len(), 0);
        let Ok(HubMessage::Invocation(call)) = decode(record) else { panic!() };
        assert_eq!(call.args, args);
    }
}

#[test]
fn hub_protocol_close() {
    let closed = |error, again| {
        let mut out = BytesMut::new();
        write_close(&mut out, error, again);
        out.to_vec()
    };
    assert_eq!(closed(None, false), b"\x04\x93\x07\xc0\xc2");
    assert_eq!(closed(Some("xyz"), true), b"\x07\x93\x07\xa3xyz\xc3");
}
