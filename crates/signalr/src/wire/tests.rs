use super::*;
use crate::message::HubMessage;
use crate::record::{Framing, Records};
use bytes::Bytes;
use omniwire_session::{ByteString, CallError, CallErrorKind, CallId, Prepared};
use proptest::prelude::*;

fn frame(wire: WireForm, what: Outgoing<'_>) -> Bytes {
    let mut out = Encoding::default();
    wire.0.encode("any", what, &mut out);
    match out.finish(|_, _, _| 0) {
        Some(Prepared::One(frame)) => frame.payload(),
        other => panic!("{other:?}"),
    }
}

fn json_text(what: Outgoing<'_>) -> String {
    let record = String::from_utf8(frame(JSON, what).to_vec()).unwrap();
    record.strip_suffix('\u{1e}').unwrap().to_owned()
}

fn args(elements: &str) -> Args {
    Args::from_elements(elements.into()).unwrap()
}

#[test]
fn hub_protocol_json() {
    let call = &CallId("1\"2".into());
    let list = &args("1, [2]");
    let event = |call| Outgoing::Event { name: "Send", args: list, call, position: None };
    assert_eq!(json_text(event(None)), r#"{"type":1,"target":"Send","arguments":[1, [2]]}"#);
    assert_eq!(
        json_text(event(Some(7))),
        r#"{"type":1,"invocationId":"s7","target":"Send","arguments":[1, [2]]}"#
    );
    let reply = |args: &Args| json_text(Outgoing::Reply { call, outcome: Ok(args) });
    assert_eq!(reply(&Args::default()), r#"{"type":3,"invocationId":"1\"2","result":null}"#);
    assert_eq!(reply(&args("{}")), r#"{"type":3,"invocationId":"1\"2","result":{}}"#);
    assert_eq!(reply(list), r#"{"type":3,"invocationId":"1\"2","result":[1, [2]]}"#);
    let bytes = Args::from_bytes(Bytes::from_static(b"\0\xff"));
    assert_eq!(reply(&bytes), r#"{"type":3,"invocationId":"1\"2","result":"AP8="}"#);
    assert_eq!(
        json_text(Outgoing::Item { call, item: &bytes }),
        r#"{"type":2,"invocationId":"1\"2","item":"AP8="}"#
    );
    assert_eq!(
        json_text(Outgoing::End { call, error: None }),
        r#"{"type":3,"invocationId":"1\"2"}"#
    );
    let error = &CallError { kind: CallErrorKind::Internal, event: "X".into(), message: "".into() };
    assert_eq!(
        json_text(Outgoing::End { call, error: Some(error) }),
        "{\"type\":3,\"invocationId\":\"1\\\"2\",\"error\":\"An error occurred on the server while \
         streaming results.\"}"
    );
    assert_eq!(
        json_text(Outgoing::Reply { call, outcome: Err(error) }),
        "{\"type\":3,\"invocationId\":\"1\\\"2\",\"error\":\"An unexpected error occurred invoking \
         'X' on the server.\"}"
    );
}

#[test]
fn the_separator_is_a_control_character_and_so_escaped() {
    assert!(Args::from_elements("\"\u{1e}\"".into()).is_err());
    assert!(Args::from_elements("1\u{1e}2".into()).is_err());
    let args = args("\"\\u001e\"");
    let what = Outgoing::Event { name: "\u{1e}", args: &args, call: None, position: None };
    let record = frame(JSON, what);
    assert_eq!(record.iter().filter(|&&byte| byte == 0x1e).count(), 1);
}

fn any_args() -> impl Strategy<Value = Args> {
    let text = prop_oneof![
        any::<String>(),
        Just("\u{1e}".to_owned()),
        Just("\"],\"target\":\"evil\",\"x\":[\"".to_owned()),
        Just("\r\n\r\ndata: {\"type\":7}\u{1e}".to_owned()),
        Just("\u{2}\u{91}\u{6}".to_owned()),
    ];
    prop::collection::vec(text, 0..4).prop_map(|texts| {
        let texts: Vec<_> =
            texts.iter().map(|text| Args::from_text(text.as_str()).json().to_string()).collect();
        args(&texts.join(" ,\r\n"))
    })
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\"\\\\\u{1e}\r\n{},:\\[\\]a]{0,12}"]
}

/// The only hub message in `bytes`.
fn only(framing: Framing, bytes: Bytes) -> HubMessage {
    let mut records = Records::new(usize::MAX);
    records.set_framing(framing);
    records.push(bytes);
    let record = records.next().unwrap().unwrap();
    assert_eq!(records.waiting_len(), 0, "more than one record");
    match framing {
        Framing::Separated => crate::json::decode(record).unwrap(),
        Framing::Prefixed => msgpack::decode(record).unwrap(),
    }
}

proptest! {
    #[test]
    fn nothing_said_forges_a_record(name in any_name(), args in any_args(), id in any_name()) {
        for (wire, framing) in [(JSON, Framing::Separated), (MESSAGE_PACK, Framing::Prefixed)] {
            if framing == Framing::Prefixed && (name.is_empty() || id.is_empty()) {
                continue;
            }
            let what = Outgoing::Event { name: &name, args: &args, call: Some(3), position: None };
            let HubMessage::Invocation(said) = only(framing, frame(wire, what)) else { panic!() };
            prop_assert_eq!(said.target.as_ref() as &str, name.as_str());
            prop_assert_eq!(said.id.as_deref(), Some("s3"));
            let texts = |args: &Args| {
                args.iter().map(|arg| json::unescape(arg.json()).unwrap().into_owned())
                    .collect::<Vec<_>>()
            };
            prop_assert_eq!(texts(&said.args), texts(&args));
            if id.is_empty() {
                continue;
            }
            let call = &CallId(id.as_str().into());
            let what = Outgoing::Item { call, item: &args };
            let HubMessage::StreamItem { id: said, .. } = only(framing, frame(wire, what)) else {
                panic!()
            };
            prop_assert_eq!(said.as_ref() as &str, id.as_str());
            let error = CallError {
                kind: CallErrorKind::Failed,
                event: ByteString::new(),
                message: name.as_str().into(),
            };
            let what = Outgoing::Reply { call, outcome: Err(&error) };
            let HubMessage::Completion { outcome, .. } = only(framing, frame(wire, what)) else {
                panic!()
            };
            prop_assert_eq!(outcome, Err(name.as_str().into()));
        }
    }
}
