use super::*;

fn read_text(text: &str, takes_binary: bool, detailed: bool) -> Result<Protocol, String> {
    let read = read(Bytes::copy_from_slice(text.as_bytes()), takes_binary, detailed);
    read.map(|(protocol, _)| protocol)
}

#[test]
fn both_protocols_and_versions() {
    for (text, protocol) in [
        (r#"{"protocol":"json","version":1}"#, Protocol::Json),
        (r#"{ "version":2,"extra":[{}],"protocol":"JSON" }"#, Protocol::Json),
        (r#"{"protocol":"messagepack","version":1}"#, Protocol::MessagePack),
        (r#"{"protocol":"messagepack","version":2}"#, Protocol::MessagePack),
    ] {
        assert_eq!(read_text(text, true, false), Ok(protocol), "{text}");
    }
}

#[test]
fn error_texts() {
    for (text, error) in [
        (r#"{"protocol":"X","version":1}"#, "The protocol 'X' is not supported."),
        (
            r#"{"protocol":"json","version":99}"#,
            "The server does not support version 99 of the 'json' protocol.",
        ),
        (
            r#"{"protocol":"messagepack","version":1}"#,
            "Cannot use the 'messagepack' protocol on the current transport. The transport does \
             not support 'Binary' transfer format.",
        ),
    ] {
        assert_eq!(read_text(text, false, false).unwrap_err(), error);
    }
    for text in [
        "",
        "x",
        "[]",
        "{}",
        r#"{"protocol":"json"}"#,
        r#"{"version":1}"#,
        r#"{"protocol":1,"version":1}"#,
        r#"{"protocol":"json","version":"1"}"#,
        r#"{"protocol":"json","version":1.0}"#,
        r#"{"type":6}"#,
    ] {
        assert_eq!(read_text(text, true, false).unwrap_err(), FAILED, "{text}");
        assert!(read_text(text, true, true).unwrap_err().starts_with(FAILED));
        assert_ne!(read_text(text, true, true).unwrap_err(), FAILED);
    }
}

#[test]
fn responses() {
    assert_eq!(accepted(Protocol::Json), Message::text("{}\u{1e}"));
    assert_eq!(accepted(Protocol::MessagePack).as_bytes(), b"{}\x1e");
    assert_eq!(refused("a \"b\""), Message::text("{\"error\":\"a \\\"b\\\"\"}\u{1e}"));
}
