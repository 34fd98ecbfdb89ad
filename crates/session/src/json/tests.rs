use super::*;
use crate::Args;
use proptest::prelude::*;

fn depth(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

#[test]
fn rfc8259_valid() {
    for text in [
        "null",
        " true ",
        "0",
        "-0.5e+10",
        "1E2",
        "\"\"",
        "\"\\u00e9\\ud800\\n\\/\"",
        "[]",
        "{}",
        "[1, [2], {\"a\":{}}]",
        "{\"a\":1,\"a\":[ ]}",
        &depth(64),
    ] {
        assert_eq!(validate(text), Ok(()), "{text}");
    }
}

#[test]
fn rfc8259_invalid() {
    for text in [
        "",
        "nul",
        "01",
        "1.",
        "-",
        ".5",
        "1e",
        "+1",
        "\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "[",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{1:2}",
        "{\"a\":1,}",
        "[1}",
        "1 2",
        "]",
        "[]]",
        "1,2",
        "NaN",
        "// a\n1",
        "\u{feff}1",
        &depth(65),
    ] {
        assert!(validate(text).is_err(), "{text}");
    }
}

#[test]
fn elements_cannot_close_their_own_array() {
    // The injection that a relay of unvalidated slices would allow.
    for text in ["1],[2", "1]", "\"a\"],\"target\":\"evil\",\"x\":[1", "1,", ",1", "1 2"] {
        assert!(Args::from_elements(text.into()).is_err(), "{text}");
    }
    for text in ["", "  ", "1", "1,2", " \"],[\" , {}"] {
        assert!(Args::from_elements(text.into()).is_ok(), "{text}");
    }
}

#[test]
fn elements_are_slices_without_blanks() {
    let list = " 1 , \"a,]\\\"\" ,[2,{\"x\":\"}\"}], null";
    let found: Vec<_> = elements(list).collect();
    assert_eq!(found, ["1", "\"a,]\\\"\"", "[2,{\"x\":\"}\"}]", "null"]);
    assert_eq!(elements(" ").count(), 0);
}

#[test]
fn members_keep_order_and_unescape_names() {
    let object = ByteString::from_static(r#" { "a\u0062" : 1 , "c":{"d":[2,3]} , "a":"," } "#);
    let found: Vec<_> = members(&object).unwrap().collect();
    assert_eq!(found.len(), 3);
    assert_eq!((&*found[0].0, &*found[0].1), ("ab", "1"));
    assert_eq!((&*found[1].0, &*found[1].1), ("c", "{\"d\":[2,3]}"));
    assert_eq!((&*found[2].0, &*found[2].1), ("a", "\",\""));
    assert!(members(&"[]".into()).is_err());
    assert!(members(&"{".into()).is_err());
}

#[test]
fn surrogates() {
    assert_eq!(unescape(r#""\ud83d\ude00""#).unwrap(), "😀");
    assert_eq!(unescape(r#""\ude00\ud83d""#).unwrap(), "\u{fffd}\u{fffd}");
    assert_eq!(unescape(r#""\ud83d\u0041""#).unwrap(), "\u{fffd}A");
    assert_eq!(unescape(r#""\ud83d""#).unwrap(), "\u{fffd}");
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in "[\\[\\]{}\",:0-9a-e\\\\.ntrulfs -]{0,24}") {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(validate(&text).is_ok(), theirs.is_ok(), "{}", text);
    }

    #[test]
    fn strings_round_trip(text in any::<String>()) {
        let mut out = BytesMut::new();
        write_str(&mut out, &text);
        let written = into_text(out);
        prop_assert!(validate(&written).is_ok());
        prop_assert_eq!(unescape(&written).unwrap(), text.as_str());
        prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }

    #[test]
    fn cutting_never_panics(text in any::<String>()) {
        let _ = elements(&text).count();
        let _ = unescape(&text);
        let _ = members(&text.into()).map(Iterator::count);
    }
}

#[test]
fn special_characters_are_found_wherever_they_stand() {
    for len in 0..100 {
        for at in 0..len {
            for special in ["\"", "\\", "\n", "\u{1f}", "\0"] {
                let text = format!("{}{special}{}", "é".repeat(at), "x".repeat(len - at));
                let quoted = quote(&text);
                assert_eq!(quoted, serde_json::to_string(&text).unwrap());
                assert_eq!(validate(&quoted), Ok(()));
                let mut out = BytesMut::new();
                write_str(&mut out, &text);
                assert_eq!(out, quoted.as_bytes());
            }
        }
    }
}
