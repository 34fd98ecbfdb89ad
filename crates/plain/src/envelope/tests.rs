use super::*;
use omniwire_session::{Blob, CallError, CallErrorKind, Outgoing, Place, Refusal};
use proptest::prelude::*;
use serde_json::{Value, json as value};

fn parse(text: &str) -> Envelope {
    Envelope::parse(&text.into()).unwrap()
}

fn bad(text: &str) -> String {
    Envelope::parse(&text.into()).unwrap_err().to_string()
}

fn args(elements: &str) -> Args {
    Args::from_elements(elements.into()).unwrap()
}

fn call(id: &str, stream: bool) -> Option<Call> {
    Some(Call { id: CallId(id.into()), stream })
}

fn event(name: &str, elements: &str, call: Option<Call>) -> Envelope {
    Envelope::Event { name: name.into(), args: args(elements), call, uploads: vec![] }
}

fn write(what: Outgoing<'_>) -> Value {
    let mut out = BytesMut::new();
    write_outgoing(&mut out, what);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn events_and_calls() {
    assert_eq!(parse(r#"{"event":"say","args":["hi"]}"#), event("say", "\"hi\"", None));
    assert_eq!(parse(r#"{"event":"say"}"#), event("say", "", None));
    assert_eq!(parse(r#"{"args":[1,2],"id":7,"event":"s"}"#), event("s", "1,2", call("7", false)));
    assert_eq!(parse(r#"{"event":"s","id":"\u0061"}"#), event("s", "", call("\"\\u0061\"", false)));
    assert_eq!(parse(r#"{"event":"s","id":true}"#), event("s", "", call("true", false)));
    assert_eq!(parse(r#"{"event":"s","id":null}"#), event("s", "", None));
    assert_eq!(parse(r#"{"event":"s","stream":1.5}"#), event("s", "", call("1.5", true)));
    assert_eq!(parse(r#" { "ev\u0065nt" : "a\nb" } "#), event("a\nb", "", None));
    let uploads = parse(r#"{"event":"s","uploads":["x","\u0079"]}"#);
    assert!(matches!(uploads, Envelope::Event { uploads, .. } if uploads == ["x", "y"]));
}

#[test]
fn all_other_kinds() {
    let end = |error: Option<&str>| Envelope::End {
        stream: "up".into(),
        error: error.map(ByteString::from),
    };
    let reply = |outcome| Envelope::Reply { call: 3, outcome };
    let item = |element| Envelope::Item { stream: "up".into(), item: args(element) };
    let cases = [
        (r#"{"cancel":"a"}"#, Envelope::Cancel { call: CallId("\"a\"".into()) }),
        (r#"{"reply":3,"result":[1,2]}"#, reply(Ok(args("1,2")))),
        (r#"{"reply":3,"result":{"a":1}}"#, reply(Ok(args("{\"a\":1}")))),
        (r#"{"reply":3}"#, reply(Ok(Args::default()))),
        (r#"{"reply":3,"error":"no"}"#, reply(Err("no".into()))),
        (r#"{"reply":3,"error":{"a":1},"result":[]}"#, reply(Err("{\"a\":1}".into()))),
        (r#"{"reply":3,"error":null,"result":[1]}"#, reply(Ok(args("1")))),
        (r#"{"item":"up","value":[1]}"#, item("[1]")),
        (r#"{"item":"up"}"#, item("null")),
        (r#"{"end":"up"}"#, end(None)),
        (r#"{"end":"up","error":"broken"}"#, end(Some("broken"))),
        (
            r#"{"join":"r","id":1}"#,
            Envelope::Join { room: "r".into(), call: call("1", false), since: None },
        ),
        (
            r#"{"resume":{"epoch":7,"x":1,"offset":12},"join":"r"}"#,
            Envelope::Join {
                room: "r".into(),
                call: None,
                since: Some(Position { epoch: 7, offset: 12 }),
            },
        ),
        (
            r#"{"join":"r","resume":null}"#,
            Envelope::Join { room: "r".into(), call: None, since: None },
        ),
        (r#"{"leave":"r"}"#, Envelope::Leave { room: "r".into(), call: None }),
        (r#"{"ping":[1]}"#, Envelope::Ping(Ping { value: "[1]".into() })),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text), expected, "{text}");
    }
    let Envelope::Ping(ping) = parse(r#"{"ping":{"t":1}}"#) else { panic!("no ping") };
    assert_eq!(ping.to_pong(), r#"{"pong":{"t":1}}"#);
}

#[test]
fn unknown_members_are_ignored_and_the_last_duplicate_counts() {
    let text = r#"{"x":1,"event":"a","args":[1],"later":{},"event":"b","args":[2]}"#;
    assert_eq!(parse(text), event("b", "2", None));
}

#[test]
fn what_is_no_envelope() {
    assert_eq!(bad("{"), "expected a member name at byte 1");
    assert_eq!(bad("[1]"), "expected an object at byte 0");
    assert_eq!(bad(r#"{"event":"a"}}"#), "unexpected character at byte 13");
    for text in [
        "",
        "1",
        "{}",
        r#"{"hello":1}"#,
        r#"{"event":1}"#,
        r#"{"event":"a","join":"b"}"#,
        r#"{"event":"a","args":1}"#,
        r#"{"event":"a","args":{}}"#,
        r#"{"event":"a","id":[1]}"#,
        r#"{"event":"a","id":{}}"#,
        r#"{"event":"a","id":1,"stream":2}"#,
        r#"{"event":"a","uploads":"b"}"#,
        r#"{"event":"a","uploads":[1]}"#,
        r#"{"reply":"1"}"#,
        r#"{"reply":-1}"#,
        r#"{"reply":1.5}"#,
        r#"{"reply":18446744073709551616}"#,
        r#"{"cancel":null}"#,
        r#"{"item":1,"value":2}"#,
        r#"{"join":null}"#,
        r#"{"join":"r","resume":1}"#,
        r#"{"join":"r","resume":{"offset":1}}"#,
        r#"{"join":"r","resume":{"offset":-1,"epoch":1}}"#,
        r#"{"join":"r","resume":{"offset":"1","epoch":1}}"#,
    ] {
        bad(text);
    }
    let many = format!(r#"{{"event":"a","uploads":[{}"x"]}}"#, "\"x\",".repeat(64));
    assert_eq!(bad(&many), "more than 64 uploads");
}

#[test]
fn bodies() {
    let body = |text: &str| parse_body(&Bytes::copy_from_slice(text.as_bytes()));
    assert_eq!(body(r#" {"event":"a"} "#).unwrap(), [event("a", "", None)]);
    let two = body(r#" [ {"event":"a"} , {"event":"b","args":[1]} ] "#).unwrap();
    assert_eq!(two, [event("a", "", None), event("b", "1", None)]);
    assert_eq!(body("[]").unwrap(), []);

    let fault = body(r#"[{"event":"a"},{"#).unwrap_err();
    assert_eq!((fault.status, fault.content_type), (400, "application/json"));
    assert_eq!(
        fault.text,
        r#"{"error":{"code":"bad_envelope","message":"expected a member name at byte 16"}}"#
    );
    let fault = body(r#"[{"event":"a"},7]"#).unwrap_err();
    assert!(fault.text.contains("expected an object at byte 0, in the envelope at byte 15"));
    for text in ["", "  ", "7", "\"a\"", "[7]", "[[]]", "[{}]"] {
        assert!(body(text).is_err(), "{text}");
    }
    let fault = parse_body(&Bytes::from_static(b"{\"event\":\"\xff\"}")).unwrap_err();
    assert!(fault.text.contains("not UTF-8 at byte 10"));

    let many = |count| format!("[{}]", vec![r#"{"ping":1}"#; count].join(","));
    assert_eq!(body(&many(1000)).unwrap().len(), 1000);
    assert!(body(&many(1001)).is_err());
}

#[test]
fn outgoing_events() {
    let args = args("1,\"two\"");
    let plain = Outgoing::Event { name: "a\"b", args: &args, call: None, position: None };
    assert_eq!(write(plain), value!({"event": "a\"b", "args": [1, "two"]}));
    let position = Some(Place { room: "r\"", position: Position { epoch: 9, offset: 4 } });
    let full = Outgoing::Event { name: "a", args: &args, call: Some(5), position };
    assert_eq!(
        write(full),
        value!({"event": "a", "args": [1, "two"], "call": 5, "room": "r\"", "offset": 4, "epoch": 9})
    );
}

#[test]
fn outgoing_answers() {
    let id = CallId("\"x\"".into());
    fn reply(outcome: Result<&Args, &CallError>) -> Value {
        write(Outgoing::Reply { call: &CallId("\"x\"".into()), outcome })
    }
    assert_eq!(reply(Ok(&Args::default())), value!({"reply": "x", "result": null}));
    assert_eq!(reply(Ok(&args("[1]"))), value!({"reply": "x", "result": [1]}));
    assert_eq!(reply(Ok(&args("1,2"))), value!({"reply": "x", "result": [1, 2]}));
    let bytes = Args::from_bytes(Bytes::from_static(b"one"));
    assert_eq!(reply(Ok(&bytes)), value!({"reply": "x", "result": "b25l"}));

    let mut error = CallError {
        kind: CallErrorKind::NotFound,
        event: "say".into(),
        message: "no such event".into(),
    };
    let said = value!({"code": "not_found", "message": "no such event"});
    assert_eq!(reply(Err(&error)), value!({"reply": "x", "error": said}));
    let end = Outgoing::End { call: &id, error: Some(&error) };
    assert_eq!(write(end), value!({"end": "x", "error": said}));
    error.kind = CallErrorKind::Internal;
    error.message = ByteString::new();
    let internal = value!({"code": "internal", "message": "the call failed"});
    assert_eq!(reply(Err(&error)), value!({"reply": "x", "error": internal}));

    let item = Outgoing::Item { call: &id, item: &args("{}") };
    assert_eq!(write(item), value!({"item": "x", "value": {}}));
    assert_eq!(write(Outgoing::End { call: &id, error: None }), value!({"end": "x"}));
}

#[test]
fn outgoing_frame_of_the_session() {
    let text = |write: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    };
    assert_eq!(text(&|out| write_open(out, "p\"1", None)), r#"{"open":{"peer":"p\"1"}}"#);
    assert_eq!(
        text(&|out| write_open(out, "p", Some("t"))),
        r#"{"open":{"peer":"p","session":"t"}}"#
    );
    assert_eq!(text(&|out| write_close(out, 3000, "x")), r#"{"close":{"code":3000,"reason":"x"}}"#);
    let mut refusal = Refusal::new("no");
    assert_eq!(text(&|out| write_refused(out, &refusal)), r#"{"refused":{"message":"no"}}"#);
    refusal.data = args("[1]");
    assert_eq!(
        text(&|out| write_refused(out, &refusal)),
        r#"{"refused":{"message":"no","data":[1]}}"#
    );
}

#[test]
fn byte_strings_are_base64() {
    let blobs = vec![Blob { at: 3, bytes: Bytes::from_static(b"one") }];
    let args = Args::with_blobs("1,[null]".into(), blobs).unwrap();
    let what = Outgoing::Event { name: "a", args: &args, call: None, position: None };
    assert_eq!(write(what), value!({"event": "a", "args": [1, ["b25l"]]}));
}

#[test]
fn lone_surrogates_pass() {
    let Envelope::Event { args, .. } = parse(r#"{"event":"a","args":["\ud800"]}"#) else {
        panic!("no event")
    };
    let mut out = BytesMut::new();
    let what = Outgoing::Event { name: "a", args: &args, call: None, position: None };
    write_outgoing(&mut out, what);
    assert_eq!(out, r#"{"event":"a","args":["\ud800"]}"#);
}

#[test]
fn the_sixteenth_bad_message_in_a_row_is_fatal() {
    let mut listener = Listener::default();
    let mut hear = |text: &'static str| listener.hear(Link::FIRST, &text.into());
    for _ in 0..2 {
        for _ in 0..15 {
            assert!(matches!(hear("nonsense"), Heard::Bad { fatal: false, .. }));
        }
        assert_eq!(hear(r#"{"ping":1}"#), Heard::Answer(r#"{"pong":1}"#.into()));
    }
    for _ in 0..15 {
        hear("nonsense");
    }
    assert!(matches!(hear("nonsense"), Heard::Bad { fatal: true, .. }));
}

proptest! {
    #[test]
    fn reading_never_panics(text in any::<String>()) {
        let _ = Envelope::parse(&text.clone().into());
        let _ = parse_body(&Bytes::from(text));
    }

    #[test]
    fn reading_json_like_text_never_panics(
        text in "[\\[\\]{}\",:0-9a-e\\\\n]{0,12}(\"(event|id|args|item|reply|uploads)\":)?[\\[\\]{}\",:0-9a-e\\\\]{0,12}"
    ) {
        let _ = Envelope::parse(&format!("{{{text}}}").into());
        let _ = parse_body(&Bytes::from(text));
    }

    #[test]
    fn round_trip(name in any::<String>(), texts in prop::collection::vec(any::<String>(), 0..4)) {
        let elements = serde_json::to_string(&texts).unwrap();
        let args = Args::from_array(&elements.into()).unwrap();
        let mut out = BytesMut::new();
        let what = Outgoing::Event { name: &name, args: &args, call: None, position: None };
        write_outgoing(&mut out, what);
        // One envelope, whatever the name and the arguments hold.
        let read = Envelope::parse(&json::into_text(out)).unwrap();
        let expected =
            Envelope::Event { name: name.into(), args, call: None, uploads: vec![] };
        prop_assert_eq!(read, expected);
    }
}
