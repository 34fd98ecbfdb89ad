use super::*;
use omniwire_session::{Args, CallId, Position};
use proptest::prelude::*;

/// What an `EventSource` makes of a stream: WHATWG HTML, 9.2.6, in small.
#[derive(Debug, Default, PartialEq, Clone)]
struct Dispatched {
    event: String,
    data: String,
    id: String,
}

fn read(stream: &str) -> Vec<Dispatched> {
    let unified = stream.replace("\r\n", "\n").replace('\r', "\n");
    let mut dispatched = Vec::new();
    let mut now = Dispatched::default();
    let mut last_id = String::new();
    for line in unified.split('\n') {
        if line.is_empty() {
            if !now.data.is_empty() {
                now.data.pop();
                now.id.clone_from(&last_id);
                dispatched.push(std::mem::take(&mut now));
            }
            now = Dispatched::default();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => now.event = value.to_owned(),
            "data" => now.data += &format!("{value}\n"),
            "id" if !value.contains('\0') => last_id = value.to_owned(),
            _ => {}
        }
    }
    dispatched
}

fn write(name: &str, args: &Args, position: Option<Position>) -> String {
    let mut out = BytesMut::new();
    let position = position.map(|position| Place { room: "a b", position });
    write_outgoing(&mut out, Outgoing::Event { name, args, call: None, position });
    String::from_utf8(out.to_vec()).unwrap()
}

fn args(elements: &str) -> Args {
    Args::from_elements(elements.to_owned().into()).unwrap()
}

#[test]
fn events_have_fields() {
    assert_eq!(write("say", &args("\"hi\",1"), None), "event: say\ndata: [\"hi\",1]\n\n");
    let position = Some(Position { epoch: 7, offset: 12 });
    assert_eq!(write("say", &args(""), position), "id: 7.12.a_20b\nevent: say\ndata: []\n\n");
}

#[test]
fn blanks_between_tokens_are_split_over_lines() {
    let text = write("say", &args("[1,\r\n2,\r3,\n4]"), None);
    assert_eq!(text, "event: say\ndata: [[1,\ndata: 2,\ndata: 3,\ndata: 4]]\n\n");
}

/// Line ends in what a peer says, in its texts or between its tokens, forge no event of another's.
#[test]
fn cve_2026_22735_and_cve_2026_43968_line_ends_forge_no_event() {
    for end in ["\r", "\n", "\r\n", "\n\n", "\r\r"] {
        let forged = format!("{end}event: forged{end}data: 1{end}{end}");
        let text = serde_json::to_string(&forged).unwrap();
        for (name, elements) in [
            ("say", text.clone()),
            ("say", format!("1,{end}{end}2")),
            (&format!("a{forged}"), "1".to_owned()),
        ] {
            let seen = read(&write(name, &args(&elements), None));
            assert_eq!(seen.len(), 1, "{name:?} {elements:?}");
            assert_ne!(seen[0].event, "forged");
        }
    }
}

#[test]
fn names_that_an_event_source_would_misread_go_as_envelopes() {
    for name in ["", "open", "error", "message", "omniwire", "a\nb", "a\rb", "\0"] {
        let seen = read(&write(name, &args("1"), None));
        assert_eq!(seen.len(), 1, "{name:?}");
        assert_eq!(seen[0].event, ENVELOPE_EVENT);
        let envelope: serde_json::Value = serde_json::from_str(&seen[0].data).unwrap();
        assert_eq!(envelope, serde_json::json!({"event": name, "args": [1]}));
    }
    assert_eq!(read(&write(" padded", &args("1"), None))[0].event, " padded");
}

#[test]
fn events_that_want_an_answer_and_answers_are_envelopes() {
    let mut out = BytesMut::new();
    let args = args("1");
    let position = Some(Place { room: "r", position: Position { epoch: 1, offset: 2 } });
    write_outgoing(&mut out, Outgoing::Event { name: "ask", args: &args, call: Some(3), position });
    write_outgoing(&mut out, Outgoing::Reply { call: &CallId("4".into()), outcome: Ok(&args) });
    let seen = read(std::str::from_utf8(&out).unwrap());
    assert_eq!(seen[0].event, ENVELOPE_EVENT);
    assert_eq!(seen[0].id, "1.2.r");
    assert_eq!(
        seen[0].data,
        "{\"event\":\"ask\",\"args\":[1],\"call\":3,\"room\":\"r\",\"offset\":2,\"epoch\":1}"
    );
    assert_eq!(seen[1].data, "{\"reply\":4,\"result\":1}");
}

#[test]
fn a_stream_of_several_rooms_has_the_places_in_all_as_its_id() {
    let mut places = Places::default();
    let mut out = BytesMut::new();
    for (room, offset) in [("a", 1), ("b", 5), ("a", 2)] {
        let mut event = BytesMut::new();
        let position = Position { epoch: 1, offset };
        write_resume(&mut event, Resume { place: Place { room, position }, recovered: None });
        write_with_places(&mut out, &mut places, &event);
    }
    write_with_places(&mut out, &mut places, write("own", &args("1"), None).as_bytes());
    let seen = read(std::str::from_utf8(&out).unwrap());
    let ids: Vec<_> = seen.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["1.1.a", "1.1.a~1.5.b", "1.5.b~1.2.a", "1.5.b~1.2.a"], "ids last");
    assert_eq!(seen[1].data, r#"{"resume":"new","room":"b","offset":5,"epoch":1}"#);
}

#[test]
fn comments_dispatch_nothing() {
    for padding in [0, 2048, usize::MAX] {
        let prelude = prelude(padding);
        let stream = format!("{}{HEARTBEAT}", std::str::from_utf8(&prelude).unwrap());
        assert_eq!(read(&stream), []);
        assert!((padding.min(PADDING_MAX)..PADDING_MAX + 100).contains(&prelude.len()));
    }
}

proptest! {
    #[test]
    fn nothing_forges_a_field(
        name in "[a-z:\\r\\n ]{0,8}|\\PC{0,8}|(a\\ndata: 1\\n\\nevent: b)",
        texts in prop::collection::vec(any::<String>(), 0..4),
        blanks in "[ \\r\\n\\t]{0,4}",
    ) {
        let texts_json = serde_json::to_string(&texts).unwrap();
        let elements = texts_json[1..texts_json.len() - 1].to_owned();
        let args = args(&format!("{blanks}{elements}{blanks}"));
        let seen = read(&write(&name, &args, None));
        prop_assert_eq!(seen.len(), 1);
        prop_assert_eq!(&seen[0].id, "");
        let data: serde_json::Value = serde_json::from_str(&seen[0].data).unwrap();
        let expected = serde_json::to_value(&texts).unwrap();
        if seen[0].event == ENVELOPE_EVENT {
            prop_assert_eq!(&data["event"], &serde_json::Value::from(name));
            prop_assert_eq!(&data["args"], &expected);
        } else {
            prop_assert_eq!(&seen[0].event, &name);
            prop_assert_eq!(&data, &expected);
        }
    }
}
