use super::*;

fn read(text: &'static str) -> Result<HubMessage, Malformed> {
    decode(Bytes::from_static(text.as_bytes()))
}

fn invocation(text: &'static str) -> Invocation {
    match read(text) {
        Ok(HubMessage::Invocation(invocation)) => invocation,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn hub_protocol_invocations() {
    let call =
        invocation(r#"{"type":1,"invocationId":"123","target":"Send","arguments":[42,"a"]}"#);
    assert_eq!((&*call.target, call.id.as_deref()), ("Send", Some("123")));
    assert_eq!(call.args.json(), "42,\"a\"");
    assert!(!call.wants_stream && call.streams.is_empty());
    let call = invocation(r#"{"type":1,"target":"Send","arguments":[42],"headers":{"a":"b"}}"#);
    assert_eq!(call.id, None);
    let call = invocation(
        r#" { "arguments" : [ 1 , [ 2 ] ] , "streamIds":["s\u0031","2"], "more":{"target":"x"},
              "target" : "a\"b" , "invocationId":"" , "type" : 1 } "#,
    );
    assert_eq!((&*call.target, call.id), ("a\"b", None));
    assert_eq!(call.args.json(), "1 , [ 2 ]");
    assert_eq!(call.streams, ["s1", "2"]);
    assert!(invocation(r#"{"type":4,"invocationId":"1","target":"","arguments":[]}"#).wants_stream);
    // The last of two members with one name counts.
    invocation(r#"{"type":9,"type":1,"target":"a","arguments":[]}"#);
}

#[test]
fn hub_protocol_other_messages() {
    let is = |text, message| assert_eq!(read(text), Ok(message), "{text}");
    let id = || ByteString::from("7");
    let one = |text: &str| Args::from_elements(text.into()).unwrap();
    is(
        r#"{"type":2,"invocationId":"7","item":{"a":1}}"#,
        HubMessage::StreamItem { id: id(), item: Ok(one("{\"a\":1}")) },
    );
    let completion = |outcome| HubMessage::Completion { id: id(), outcome };
    is(r#"{"type":3,"invocationId":"7"}"#, completion(Ok(Args::default())));
    is(r#"{"type":3,"invocationId":"7","result":null}"#, completion(Ok(one("null"))));
    is(r#"{"type":3,"invocationId":"7","error":"no\n"}"#, completion(Err("no\n".into())));
    is(r#"{"type":5,"invocationId":"7"}"#, HubMessage::Cancel { id: id() });
    is(r#"{"type":6}"#, HubMessage::Ping);
    let close = |error: Option<&str>, allow_reconnect| HubMessage::Close {
        error: error.map(ByteString::from),
        allow_reconnect,
    };
    is(r#"{"type":7,"error":"x","allowReconnect":true}"#, close(Some("x"), true));
    is(r#"{"type":7}"#, close(None, false));
    is(r#"{"type":7,"error":1,"allowReconnect":"no"}"#, close(None, false));
    is(r#"{"type":8,"sequenceId":1394}"#, HubMessage::Ack(1394));
    is(r#"{"sequenceId":1234,"type":9}"#, HubMessage::Sequence(1234));
    is(r#"{"type":99,"target":[],"headers":5}"#, HubMessage::Ignored);
}

#[test]
fn protocol_errors() {
    for text in [
        "",
        "{}",
        "[]",
        "no",
        "\u{feff}{\"type\":6}",
        "{\"type\":6}//",
        "{\"type\":6,}",
        "{\"type\":\"6\"}",
        "{\"type\":1.0}",
        "{\"type\":6e0}",
        "{\"type\":null}",
        "{\"type\":1,\"arguments\":[]}",
        "{\"type\":1,\"target\":\"a\"}",
        "{\"type\":1,\"target\":\"a\",\"arguments\":{}}",
        "{\"type\":1,\"target\":1,\"arguments\":[]}",
        "{\"type\":1,\"invocationId\":1,\"target\":\"a\",\"arguments\":[]}",
        "{\"type\":1,\"invocationId\":null,\"target\":\"a\",\"arguments\":[]}",
        "{\"type\":1,\"target\":\"a\",\"arguments\":[],\"streamIds\":\"1\"}",
        "{\"type\":1,\"target\":\"a\",\"arguments\":[],\"streamIds\":[1]}",
        "{\"type\":1,\"target\":\"a\",\"arguments\":[],\"headers\":{\"a\":1}}",
        "{\"type\":1,\"target\":\"a\",\"arguments\":[],\"headers\":[]}",
        "{\"type\":4,\"target\":\"a\",\"arguments\":[]}",
        "{\"type\":4,\"invocationId\":\"\",\"target\":\"a\",\"arguments\":[]}",
        "{\"type\":2,\"item\":1}",
        "{\"type\":2,\"invocationId\":\"1\"}",
        "{\"type\":3,\"result\":1}",
        "{\"type\":3,\"invocationId\":\"1\",\"result\":1,\"error\":\"x\"}",
        "{\"type\":3,\"invocationId\":\"1\",\"error\":1}",
        "{\"type\":5}",
        "{\"type\":8}",
        "{\"type\":8,\"sequenceId\":-1}",
        "{\"type\":9,\"sequenceId\":\"1\"}",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(decode(Bytes::from_static(b"{\"type\":6,\"a\":\"\xff\"}")).is_err());
}
