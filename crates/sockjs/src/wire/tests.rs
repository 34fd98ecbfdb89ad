use super::*;
use bytes::Bytes;
use omniwire_session::{Blob, CallId};
use proptest::prelude::*;

fn encode(wire: &dyn Wire, what: Outgoing<'_>) -> Vec<String> {
    let mut out = Encoding::default();
    wire.encode("/chat", what, &mut out);
    let Some(prepared) = out.finish(|_, _, _| 0) else { return Vec::new() };
    let text = |frame: &omniwire_session::Frame| {
        assert_eq!(frame.kind(), Kind::Text);
        String::from_utf8(frame.payload().to_vec()).unwrap()
    };
    prepared.frames().iter().map(text).collect()
}

fn event(args: &Args) -> Outgoing<'_> {
    Outgoing::Event { name: "any", args, call: None, position: None }
}

fn raw(elements: &str) -> String {
    let args = Args::from_elements(elements.to_owned().into()).unwrap();
    encode(RAW, event(&args)).concat()
}

#[test]
fn raw_events_are_messages() {
    assert_eq!(raw("\"hi\""), "a[\"hi\"]");
    assert_eq!(raw("\"\\ud800\\n\u{2028}\""), "a[\"\\ud800\\n\\u2028\"]");
    assert_eq!(raw("{\"a\":\"\\ud800\"}"), "a[\"{\\\"a\\\":\\\"\\\\ud800\\\"}\"]");
    assert_eq!(raw("12"), "a[\"12\"]");
    assert_eq!(raw(""), "a[\"[]\"]");
    assert_eq!(raw("1,\"b\""), "a[\"[1,\\\"b\\\"]\"]");
}

#[test]
fn byte_strings_are_base64() {
    let bytes = Bytes::from_static(b"one");
    assert_eq!(encode(RAW, event(&Args::from_bytes(bytes.clone()))), ["a[\"b25l\"]"]);
    let args = Args::with_blobs("1,null".into(), vec![Blob { at: 2, bytes }]).unwrap();
    assert_eq!(encode(RAW, event(&args)), ["a[\"[1,\\\"b25l\\\"]\"]"]);
}

#[test]
fn raw_has_no_answers() {
    let (call, args) = (CallId("1".into()), Args::from_text("x"));
    assert!(encode(RAW, Outgoing::Reply { call: &call, outcome: Ok(&args) }).is_empty());
    assert!(encode(RAW, Outgoing::Item { call: &call, item: &args }).is_empty());
    assert!(encode(RAW, Outgoing::End { call: &call, error: None }).is_empty());
}

/// A wire form of another protocol: the arguments in brackets, and each byte string after it.
#[derive(Debug)]
struct Foreign;

impl Wire for Foreign {
    fn id(&self) -> WireId {
        WireId(1)
    }

    fn encode(&self, namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        let Outgoing::Event { args, .. } = what else { return };
        let text = format!("{namespace}[{}]", args.json());
        out.text().extend_from_slice(text.as_bytes());
        for blob in args.blobs() {
            out.binary().extend_from_slice(&blob.bytes);
        }
    }
}

static WRAPPED: &dyn Wire = &Wrapped::new(&Foreign, WireId(49));

#[test]
fn wrapped_puts_texts_into_frames() {
    assert_eq!(WRAPPED.id(), WireId(49));
    let args = Args::from_elements("\"\\ud800\u{2028}\"".into()).unwrap();
    assert_eq!(encode(WRAPPED, event(&args)), ["a[\"/chat[\\\"\\\\ud800\\u2028\\\"]\"]"]);
    let bytes = Args::from_bytes(Bytes::from_static(b"one"));
    assert_eq!(encode(WRAPPED, event(&bytes)), ["a[\"/chat[null]\"]", "a[\"b25l\"]"]);
    let (call, args) = (CallId("1".into()), Args::from_text("x"));
    let reply = Outgoing::Reply { call: &call, outcome: Ok(&args) };
    assert!(encode(WRAPPED, reply).is_empty());
}

proptest! {
    #[test]
    fn no_argument_forges_a_message(values in prop::collection::vec(any::<String>(), 0..3)) {
        let elements = serde_json::to_string(&values).unwrap();
        let args = Args::from_array(&elements.clone().into()).unwrap();
        for wire in [RAW, WRAPPED] {
            let frames = encode(wire, event(&args));
            prop_assert_eq!(frames.len(), 1);
            let read: Vec<String> = serde_json::from_str(&frames[0][1..]).unwrap();
            prop_assert_eq!(read.len(), 1);
        }
    }
}
