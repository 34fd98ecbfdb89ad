use super::*;
use bytes::Bytes;
use omniwire_session::{CallErrorKind, CallId, Frame, Kind};

fn encoded(binary: Binary, namespace: &str, what: Outgoing<'_>) -> Vec<String> {
    let mut out = Encoding::default();
    SocketIoWire::form(Parser::Json, binary).0.encode(namespace, what, &mut out);
    let Some(prepared) = out.finish(|_, _, _| 0) else { return Vec::new() };
    let show = |frame: &Frame| match frame.kind() {
        Kind::Text => String::from_utf8(frame.payload().to_vec()).unwrap(),
        Kind::Binary => format!("{:?}", frame.as_payload()),
    };
    prepared.frames().iter().map(show).collect()
}

fn args(elements: &str) -> Args {
    Args::from_elements(elements.into()).unwrap()
}

fn event<'a>(name: &'a str, args: &'a Args, call: Option<u64>) -> Outgoing<'a> {
    Outgoing::Event { name, args, call, position: None }
}

#[test]
fn sio5_events() {
    let check = |namespace, name, elements, call, expected: &str| {
        let args = args(elements);
        assert_eq!(encoded(Binary::Bare, namespace, event(name, &args, call)), [expected]);
    };
    check("/", "foo", "", None, r#"42["foo"]"#);
    check("/admin", "bar", "", None, r#"42/admin,["bar"]"#);
    check("/", "foo", "1,\"2\",{\"3\":[true]}", Some(12), r#"4212["foo",1,"2",{"3":[true]}]"#);
    check("/admin", "a\"],[\"b", "[]", Some(0), r#"42/admin,0["a\"],[\"b",[]]"#);
}

#[test]
fn sio5_events_with_attachments() {
    let args = Args::from_bytes(Bytes::from_static(&[1, 2, 3, 4]));
    let head = r#"451-["baz",{"_placeholder":true,"num":0}]"#;
    let binary = "[1, 2, 3, 4]";
    assert_eq!(encoded(Binary::Bare, "/", event("baz", &args, None)), [head, binary]);
    let head = r#"451-/a,9["baz",{"_placeholder":true,"num":0}]"#;
    assert_eq!(encoded(Binary::Bare, "/a", event("baz", &args, Some(9))), [head, binary]);
}

#[test]
fn sio4_binary_over_eio3() {
    let args = Args::from_bytes(Bytes::from_static(&[1, 2, 3, 4]));
    let head = r#"451-["baz",{"_placeholder":true,"num":0}]"#;
    let what = event("baz", &args, None);
    assert_eq!(encoded(Binary::Typed, "/", what), [head, "[4, 1, 2, 3, 4]"]);
    assert_eq!(encoded(Binary::Base64, "/", what), [head, "b4AQIDBA=="]);
}

#[test]
fn sio5_more_than_ten_attachments_are_encoded() {
    let blobs = (0..11).map(|n| omniwire_session::Blob { at: n * 5, bytes: Bytes::new() });
    let elements = ["null"; 11].join(",");
    let args = Args::with_blobs(elements.into(), blobs.collect()).unwrap();
    let messages = encoded(Binary::Bare, "/", event("x", &args, None));
    assert_eq!(messages.len(), 12);
    assert!(messages[0].starts_with("4511-[\"x\",{"));
}

#[test]
fn sio5_acks() {
    let reply = |id: &str, namespace, args: &Args| {
        let what = Outgoing::Reply { call: &CallId(id.into()), outcome: Ok(args) };
        encoded(Binary::Bare, namespace, what)
    };
    assert_eq!(reply("13", "/admin", &args("\"bar\"")), [r#"43/admin,13["bar"]"#]);
    assert_eq!(reply("456", "/", &args("1,\"2\"")), [r#"43456[1,"2"]"#]);
    assert_eq!(reply("0", "/", &args("")), ["430[]"]);
    let bytes = Args::from_bytes(Bytes::from_static(&[7]));
    let expected = [r#"461-/a,5[{"_placeholder":true,"num":0}]"#, "[7]"];
    assert_eq!(reply("5", "/a", &bytes), expected);
    for id in ["", "x", "1[", "1,"] {
        assert!(reply(id, "/", &args("")).is_empty(), "{id}");
    }
}

#[test]
fn sio5_acks_know_no_failure() {
    let forbidden = r#"431[{"error":{"code":"forbidden","message":"not \"you\""}}]"#;
    let internal = r#"431[{"error":{"code":"internal","message":"the call failed"}}]"#;
    for (kind, message, expected) in [
        (CallErrorKind::Forbidden, "not \"you\"", forbidden),
        (CallErrorKind::Internal, "", internal),
    ] {
        let error = CallError { kind, event: "x".into(), message: message.into() };
        let what = Outgoing::Reply { call: &CallId("1".into()), outcome: Err(&error) };
        assert_eq!(encoded(Binary::Bare, "/", what), [expected]);
    }
}

#[test]
fn sio5_what_has_no_words() {
    let args = args("1");
    for name in RESERVED_EVENTS {
        assert!(encoded(Binary::Bare, "/", event(name, &args, None)).is_empty());
    }
    let call = CallId("1".into());
    let item = Outgoing::Item { call: &call, item: &args };
    assert!(encoded(Binary::Bare, "/", item).is_empty());
    assert!(encoded(Binary::Bare, "/", Outgoing::End { call: &call, error: None }).is_empty());
}

#[test]
fn each_wire_form_has_a_number_of_its_own() {
    let id = |binary| SocketIoWire::form(Parser::Json, binary).0.id();
    assert_eq!([Binary::Bare, Binary::Typed, Binary::Base64].map(id), [16, 17, 18].map(WireId));
}

/// What a client says comes back as what it said, and never as another packet.
#[test]
fn sio5_no_argument_list_forges_a_packet() {
    for elements in ["1],[2", "1]\u{1e}42[\"x\"", "1,", "\"a\u{1e}4\"", "1]", "\"", "}", "1//"] {
        assert!(Args::from_elements(elements.into()).is_err(), "{elements:?}");
    }
    let names = ["x\"],[\"y", "x\u{1e}42[\"y\"]", "\\", "\\\"", "\n", "]", "\u{0}"];
    for name in names {
        let args = args(r#"{"a":"]\u001e"},"],[\"""#);
        let messages = encoded(Binary::Bare, "/", event(name, &args, Some(1)));
        let [text] = messages.as_slice() else { panic!("one message") };
        assert!(!text.bytes().any(|byte| byte < b' '), "{text:?}");
        let (packet, count) = crate::packet::decode(&text[1..].into(), 10).unwrap();
        let body = crate::Body::Event { name: name.into(), args, id: Some("1".into()) };
        assert_eq!((packet.body, count), (body, 0));
    }
}
