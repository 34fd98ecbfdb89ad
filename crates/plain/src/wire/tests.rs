use super::*;
use bytes::Bytes;
use omniwire_session::{CallId, Kind, Prepared};

fn encode(wire: &dyn Wire, what: Outgoing<'_>) -> Option<(Kind, Vec<u8>)> {
    let mut out = Encoding::default();
    wire.encode("/chat", what, &mut out);
    match out.finish(|_, _, _| 0)? {
        Prepared::One(frame) => Some((frame.kind(), frame.payload().to_vec())),
        Prepared::Many(_) => panic!("more than one frame"),
    }
}

fn raw(args: &Args) -> (Kind, Vec<u8>) {
    let what = Outgoing::Event { name: "any", args, call: Some(1), position: None };
    encode(RAW, what).unwrap()
}

fn raw_text(elements: &str) -> String {
    let (kind, payload) = raw(&Args::from_elements(elements.to_owned().into()).unwrap());
    assert_eq!(kind, Kind::Text);
    String::from_utf8(payload).unwrap()
}

#[test]
fn raw_events_are_their_payload() {
    assert_eq!(raw_text("\"a\\n\\\"b\\ud83d\\ude00\""), "a\n\"b😀");
    assert_eq!(raw_text("\"\""), "");
    assert_eq!(raw_text("{\"a\":[1, 2]}"), "{\"a\":[1, 2]}");
    assert_eq!(raw_text("12"), "12");
    assert_eq!(raw_text(""), "[]");
    assert_eq!(raw_text("1,\"a\""), "[1,\"a\"]");
    assert_eq!(raw_text("\"\\ud800!\""), "\u{fffd}!");
    let bytes = Args::from_bytes(Bytes::from_static(b"\x00\xff"));
    assert_eq!(raw(&bytes), (Kind::Binary, vec![0, 255]));
}

#[test]
fn raw_byte_strings_among_others_are_base64() {
    let blob = |at| omniwire_session::Blob { at, bytes: Bytes::from_static(b"one") };
    let two = Args::with_blobs("null,1".into(), vec![blob(0)]).unwrap();
    assert_eq!(raw(&two), (Kind::Text, b"[\"b25l\",1]".to_vec()));
    let inner = Args::with_blobs("[null]".into(), vec![blob(1)]).unwrap();
    assert_eq!(raw(&inner), (Kind::Text, b"[\"b25l\"]".to_vec()));
}

#[test]
fn raw_has_no_answers() {
    let call = CallId("1".into());
    let item = Args::from_text("x");
    for what in [
        Outgoing::Reply { call: &call, outcome: Ok(&item) },
        Outgoing::Item { call: &call, item: &item },
        Outgoing::End { call: &call, error: None },
    ] {
        assert_eq!(encode(RAW, what), None);
    }
}

#[test]
fn each_wire_has_its_own_number() {
    assert_eq!([RAW.id(), ENVELOPE.id(), SSE.id()], [WireId(0), WireId(1), WireId(2)]);
}

#[test]
fn one_event_in_three_forms() {
    let args = Args::from_text("hi");
    let what = Outgoing::Event { name: "say", args: &args, call: None, position: None };
    let text = |wire| String::from_utf8(encode(wire, what).unwrap().1).unwrap();
    assert_eq!(text(RAW), "hi");
    assert_eq!(text(ENVELOPE), "{\"event\":\"say\",\"args\":[\"hi\"]}");
    assert_eq!(text(SSE), "event: say\ndata: [\"hi\"]\n\n");
}
