use super::*;
use proptest::prelude::*;

fn check(text: &str) -> Result<Packet, Invalid> {
    let (packet, attachments) = decode(&text.into(), 10)?;
    assert_eq!(attachments, 0);
    Ok(packet)
}

fn event(namespace: &str, name: &str, args: &str, id: Option<&str>) -> Result<Packet, Invalid> {
    let args = Args::from_elements(args.into()).unwrap();
    let body = Body::Event { name: name.into(), args, id: id.map(Into::into) };
    Ok(Packet { namespace: namespace.into(), body })
}

fn ack(namespace: &str, id: Option<u64>, args: &str) -> Result<Packet, Invalid> {
    let args = Args::from_elements(args.into()).unwrap();
    Ok(Packet { namespace: namespace.into(), body: Body::Ack { id, args } })
}

fn connect(namespace: &str, auth: &str) -> Result<Packet, Invalid> {
    let auth = Args::from_elements(auth.into()).unwrap();
    Ok(Packet { namespace: namespace.into(), body: Body::Connect { auth } })
}

#[test]
fn sio5_connect_packets() {
    assert_eq!(check("0"), connect("/", ""));
    assert_eq!(check("0{\"token\":\"123\"}"), connect("/", "{\"token\":\"123\"}"));
    assert_eq!(check("0/admin,"), connect("/admin", ""));
    assert_eq!(check("0/admin"), connect("/admin", ""));
    assert_eq!(check("0/admin,{\"a\":1}"), connect("/admin", "{\"a\":1}"));
    assert_eq!(check("0/,"), connect("/", ""));
    for text in ["0\"x\"", "0[]", "0null", "0false", "0{", "0/a,{}x", "0/a,{},{}", "0x"] {
        assert_eq!(check(text), Err(Invalid("invalid payload")), "{text}");
    }
}

#[test]
fn sio5_disconnect_packets() {
    let disconnect = |name: &str| Ok(Packet { namespace: name.into(), body: Body::Disconnect });
    assert_eq!(check("1"), disconnect("/"));
    assert_eq!(check("1/admin,"), disconnect("/admin"));
    assert_eq!(check("1/admin"), disconnect("/admin"));
    for text in ["1{}", "1/admin,{}", "1null", "1x"] {
        assert_eq!(check(text), Err(Invalid("invalid payload")), "{text}");
    }
}

#[test]
fn sio5_event_packets() {
    assert_eq!(check("2[\"foo\"]"), event("/", "foo", "", None));
    assert_eq!(check("2/admin,[\"bar\"]"), event("/admin", "bar", "", None));
    assert_eq!(check("212[\"foo\"]"), event("/", "foo", "", Some("12")));
    let packet = event("/chat", "say", "{\"a\":[1]},\"b\"", Some("12"));
    assert_eq!(check("2/chat,12[\"say\",{\"a\":[1]},\"b\"]"), packet);
    assert_eq!(check("2 [ \"say\" , 1 , 2 ] "), event("/", "say", "1 , 2", None));
    assert_eq!(check("2[\"\\u00e9\\n\",1]"), event("/", "é\n", "1", None));
    assert_eq!(check("2[\"\"]"), event("/", "", "", None));
    assert_eq!(check("2[12,1]"), event("/", "12", "1", None));
    assert_eq!(check("2[-1.5e3]"), event("/", "-1.5e3", "", None));
}

#[test]
fn sio5_events_are_slices() {
    let text = ByteString::from("2/chat,12[\"say\",{\"a\":1}]");
    let (packet, _) = decode(&text, 10).unwrap();
    let Body::Event { name, args, .. } = packet.body else { panic!("no event") };
    let inside = |slice: &ByteString| text.as_bytes().as_ptr_range().contains(&slice.as_ptr());
    assert!(inside(&name) && inside(args.json()) && inside(&packet.namespace));
}

#[test]
fn sio5_invalid_events() {
    let payloads = [
        "{}",
        "\"x\"",
        "[]",
        "[ ]",
        "[null]",
        "[true]",
        "[[\"x\"]]",
        "[{}]",
        "[\"x\",]",
        "[\"x\" 1]",
        "[,\"x\"]",
        "[\"x\"",
        "\"x\"]",
        "[\"x]",
        "[\"x\",1],[2]",
        "[\"x\"],[\"y\"]",
        "[\"x\",[1]",
        "[\"x\",}]",
        "[1x]",
        "[01]",
        "[-]",
        "[\"\u{1}\"]",
        "[\"\\x\"]",
        "abc[\"x\"]",
        "[\"x\"]x",
        "[\"x\",nul]",
        "[",
        "]",
        "[\"",
        "[\"\\",
    ];
    for payload in payloads {
        for head in ["2", "2/chat,", "27", "51-", "51-/chat,7"] {
            let text = format!("{head}{payload}");
            assert_eq!(check(&text), Err(Invalid("invalid payload")), "{text}");
        }
    }
}

#[test]
fn sio5_an_event_without_a_payload_is_nothing() {
    for text in ["2", "2/chat,", "27"] {
        assert_eq!(check(text).unwrap().body, Body::Nothing, "{text}");
    }
    assert_eq!(check("51-"), Err(Invalid("invalid payload")));
}

#[test]
fn sio5_reserved_events() {
    for name in RESERVED_EVENTS {
        assert_eq!(check(&format!("2[\"{name}\"]")), Err(Invalid("invalid payload")));
        assert_eq!(check(&format!("51-[\"{name}\",1]")), Err(Invalid("invalid payload")));
    }
    assert!(check("2[\"connec\\u0074\"]").is_err());
    assert!(check("2[\"Connect\"]").is_ok());
}

#[test]
fn sio5_ack_packets() {
    assert_eq!(check("3/admin,13[\"bar\"]"), ack("/admin", Some(13), "\"bar\""));
    assert_eq!(check("312[]"), ack("/", Some(12), ""));
    assert_eq!(check("3[1]"), ack("/", None, "1"));
    assert_eq!(check("312"), ack("/", Some(12), ""));
    assert_eq!(check("3999999999999999999999[1]"), ack("/", None, "1"));
    assert_eq!(check("318446744073709551615[1]"), ack("/", Some(u64::MAX), "1"));
    for text in ["31{}", "31\"x\"", "31[1,]", "31[1],[2]", "31[", "31x"] {
        assert_eq!(check(text), Err(Invalid("invalid payload")), "{text}");
    }
}

#[test]
fn sio5_ack_ids_of_events() {
    assert!(check("218446744073709551615[\"x\"]").is_ok());
    assert_eq!(check("218446744073709551616[\"x\"]"), Err(Invalid("illegal ack id")));
}

#[test]
fn sio5_unknown_types() {
    for text in ["", "7", "abc", "/", "9[\"x\"]", "é", "-", " 2[\"x\"]"] {
        assert_eq!(check(text), Err(Invalid("unknown packet type")), "{text}");
    }
}

#[test]
fn sio5_attachment_counts() {
    let count = |text: &str| decode(&text.into(), 10).map(|(_, count)| count);
    assert_eq!(count("51-[\"x\"]"), Ok(1));
    assert_eq!(count("510-/a,7[\"x\"]"), Ok(10));
    assert_eq!(count("62-7[]"), Ok(2));
    assert_eq!(count("511-[\"x\"]"), Err(Invalid("too many attachments")));
    assert_eq!(count("599999999999999999999-[\"x\"]"), Err(Invalid("too many attachments")));
    for text in [
        "50-[\"x\"]",
        "5[\"x\"]",
        "5-[\"x\"]",
        "51[\"x\"]",
        "5a-[\"x\"]",
        "51.5-[\"x\"]",
        "5",
        "5+1-[]",
    ] {
        assert_eq!(count(text), Err(Invalid("illegal attachments")), "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        text in any::<String>(),
        near in r#"[0-6][0-9-]{0,3}(/[a-z,]{0,3})?[0-9]{0,2}[\[\]{}",:a\\1 ]{0,12}"#,
    ) {
        let _ = decode(&text.into(), 10);
        let _ = decode(&near.into(), 10);
    }

    #[test]
    fn it_agrees_with_a_tree(payload in r#"[\[\]{}",:a1 ]{1,12}"#) {
        let ours = check(&format!("2{payload}")).is_ok();
        // Digits in front are an id.
        let rest = payload.trim_start_matches(|c: char| c.is_ascii_digit());
        let theirs = match serde_json::from_str(rest) {
            Ok(serde_json::Value::Array(items)) => {
                items.first().is_some_and(|name| name.is_string() || name.is_number())
            }
            // An event of digits alone has no payload.
            _ => rest.is_empty(),
        };
        prop_assert_eq!(ours, theirs);
    }
}
