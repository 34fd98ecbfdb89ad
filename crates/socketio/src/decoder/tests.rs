use super::*;
use crate::wire::SocketIoWire;
use omniwire_engineio::wire::Binary;
use omniwire_session::{Args, Blob, ByteString, CallId, Encoding, Frame, Kind, Outgoing};
use proptest::prelude::*;

fn decoder() -> Decoder {
    Decoder::default()
}

fn text(text: &str) -> Message {
    Message::text(text)
}

fn binary(bytes: &'static [u8]) -> Message {
    Message::Binary(Bytes::from_static(bytes))
}

fn event(packet: Packet) -> (ByteString, Args, Option<ByteString>) {
    match packet.body {
        Body::Event { name, args, id } => (name, args, id),
        other => panic!("no event: {other:?}"),
    }
}

#[test]
fn sio5_binary_event() {
    let mut decoder = decoder();
    let head =
        r#"52-/admin,7["baz",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]"#;
    assert_eq!(decoder.add(&Config::default(), text(head)), Ok(None));
    assert_eq!(decoder.add(&Config::default(), binary(&[1, 2])), Ok(None));
    let packet = decoder.add(&Config::default(), binary(&[3, 4])).unwrap().unwrap();
    assert_eq!(packet.namespace, "/admin");
    let (name, args, id) = event(packet);
    assert_eq!((&*name, &**args.json(), id.as_deref()), ("baz", "null,[null]", Some("7")));
    assert_eq!(args.get(0).unwrap().as_bytes(), Some(&Bytes::from_static(&[1, 2])));
    // And on it goes.
    assert!(decoder.add(&Config::default(), text("2[\"x\"]")).unwrap().is_some());
}

#[test]
fn sio5_binary_ack() {
    let mut decoder = decoder();
    let head = r#"61-/admin,456[{"_placeholder":true,"num":0}]"#;
    assert_eq!(decoder.add(&Config::default(), text(head)), Ok(None));
    let packet = decoder.add(&Config::default(), binary(&[3, 2, 1])).unwrap().unwrap();
    let args = Args::from_bytes(Bytes::from_static(&[3, 2, 1]));
    assert_eq!(packet.body, Body::Ack { id: Some(456), args });
}

#[test]
fn sio5_what_looks_like_a_placeholder_is_data_where_nothing_is_attached() {
    let mut decoder = decoder();
    let packet =
        decoder.add(&Config::default(), text(r#"2["x",{"_placeholder":true,"num":0}]"#)).unwrap();
    let (_, args, _) = event(packet.unwrap());
    assert_eq!(args.json(), r#"{"_placeholder":true,"num":0}"#);
    assert!(decoder.add(&Config::default(), text("2[\"x\"]")).unwrap().is_some());
}

#[test]
fn sio5_text_while_binary_is_due() {
    let mut decoder = decoder();
    assert_eq!(decoder.add(&Config::default(), text("51-[\"x\"]")), Ok(None));
    assert!(decoder.add(&Config::default(), text("2[\"x\"]")).is_err());
}

#[test]
fn sio5_binary_while_none_is_due() {
    assert!(decoder().add(&Config::default(), binary(b"x")).is_err());
}

#[test]
fn sio5_placeholder_out_of_range() {
    let mut decoder = decoder();
    let head = r#"51-["x",{"_placeholder":true,"num":1}]"#;
    assert_eq!(decoder.add(&Config::default(), text(head)), Ok(None));
    assert!(decoder.add(&Config::default(), binary(b"x")).is_err());
}

/// What a wire form says, as messages without the type of Engine.IO.
fn said(what: Outgoing<'_>) -> Vec<Message> {
    let mut out = Encoding::default();
    SocketIoWire::form(Parser::Json, Binary::Bare).0.encode("/chat", what, &mut out);
    let prepared = out.finish(|_, _, _| 0).unwrap();
    let message = |frame: &Frame| match frame.kind() {
        Kind::Text => Message::Text(ByteString::try_from(frame.payload().slice(1..)).unwrap()),
        Kind::Binary => Message::Binary(frame.payload()),
    };
    prepared.frames().iter().map(message).collect()
}

fn heard(messages: Vec<Message>) -> Packet {
    let config = Config { attachments_max: 100, ..Config::default() };
    let mut decoder = Decoder::default();
    let mut packets: Vec<Packet> =
        messages.into_iter().filter_map(|message| decoder.add(&config, message).unwrap()).collect();
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

/// Arguments with byte strings at any depth.
fn any_args() -> impl Strategy<Value = Args> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        "[a-z]{0,4}".prop_map(|text| format!("\"{text}\"")),
        Just("\"\\ud800\\\"]\"".to_owned()),
        Just("null".to_owned()),
        Just("\u{0}".to_owned()),
    ];
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        let items = proptest::collection::vec(inner, 0..4);
        (items, any::<bool>()).prop_map(|(items, object)| match object {
            false => format!("[{}]", items.join(",")),
            true => {
                let member = |(key, value): (usize, &String)| format!("\"k{key}\":{value}");
                let members: Vec<String> = items.iter().enumerate().map(member).collect();
                format!("{{{}}}", members.join(","))
            }
        })
    });
    // A NUL stands for a byte string.
    proptest::collection::vec(value, 0..5).prop_map(|values| {
        let mut json = String::new();
        let mut blobs = Vec::new();
        for part in values.join(",").split_inclusive('\0') {
            json.push_str(part.trim_end_matches('\0'));
            if part.ends_with('\0') {
                let bytes = vec![blobs.len() as u8; blobs.len()].into();
                blobs.push(Blob { at: json.len(), bytes });
                json.push_str("null");
            }
        }
        Args::with_blobs(json.into(), blobs).unwrap()
    })
}

proptest! {
    #[test]
    fn what_is_said_is_heard(
        args in any_args(),
        name in "[a-z\"\\\\\u{1}é]{1,8}",
        call in any::<Option<u64>>(),
    ) {
        prop_assume!(!crate::RESERVED_EVENTS.contains(&&*name));
        let what = Outgoing::Event { name: &name, args: &args, call, position: None };
        let packet = heard(said(what));
        prop_assert_eq!(&*packet.namespace, "/chat");
        let id = call.map(|call| call.to_string().into());
        prop_assert_eq!(event(packet), (name.into(), args.clone(), id));

        let what = Outgoing::Reply { call: &CallId("7".into()), outcome: Ok(&args) };
        prop_assert_eq!(heard(said(what)).body, Body::Ack { id: Some(7), args });
    }

    #[test]
    fn nothing_makes_it_panic(
        messages in proptest::collection::vec(
            prop_oneof![
                any::<String>().prop_map(Message::text),
                concat!(
                    r#"[0-6]([0-9]-)?(/[a-z]?,)?[0-9]?\[?("[a-z]"|[0-9])?"#,
                    r#"(,\{"_placeholder":true,"num":[0-9]\})*\]?"#,
                )
                .prop_map(Message::text),
                any::<Vec<u8>>().prop_map(|bytes| Message::Binary(bytes.into())),
            ],
            0..6,
        )
    ) {
        let mut decoder = decoder();
        for message in messages {
            let _ = decoder.add(&Config::default(), message);
        }
    }
}
