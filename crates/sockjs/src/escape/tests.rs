use super::*;
use proptest::prelude::*;

fn written(text: &str) -> String {
    let mut out = BytesMut::new();
    write_string(&mut out, text);
    String::from_utf8(out.to_vec()).unwrap()
}

fn rewritten(value: &str) -> String {
    let mut out = BytesMut::new();
    write_valid_string(&mut out, value);
    String::from_utf8(out.to_vec()).unwrap()
}

fn is_damaged(unit: u32) -> bool {
    matches!(unit, 0x200c..=0x200f | 0x2028..=0x202f | 0x2060..=0x206f | 0xfff0..=0xffff)
}

#[test]
fn sockjs_4_3_each_character_is_escaped_or_not() {
    for unit in 0..=0xffff {
        let Some(character) = char::from_u32(unit) else { continue };
        let raw = format!("\"{character}\"");
        let text = written(&character.to_string());
        assert_eq!(json::unescape(&text).unwrap(), character.to_string());
        if is_damaged(unit) {
            let escaped = format!("\"\\u{unit:04x}\"");
            assert_eq!((&text, &rewritten(&raw)), (&escaped, &escaped));
        } else if unit >= 0x20 && !matches!(character, '"' | '\\') {
            assert_eq!((&text, &rewritten(&raw)), (&raw, &raw));
        } else {
            assert!(text.starts_with("\"\\"), "{unit:x}");
        }
    }
}

#[test]
fn valid_strings_keep_their_escapes() {
    for value in [r#""\ud800""#, r#""\uD83D\ude00\/\u0041\n""#, "\"😀é\""] {
        assert_eq!(rewritten(value), value);
    }
    assert_eq!(rewritten("\"a\u{2028}\u{e000}\u{ffff}\""), "\"a\\u2028\u{e000}\\uffff\"");
}

#[test]
fn inner_json_keeps_lone_surrogates() {
    let unescape = |value| unescape_keeping_surrogates(value).unwrap().to_string();
    assert_eq!(unescape(r#""[\"\\ud800\"]""#), r#"["\ud800"]"#, "escaped twice, as browsers do");
    assert_eq!(unescape(r#""[\"\ud800\"]""#), r#"["\ud800"]"#, "escaped once");
    assert_eq!(unescape(r#""\udc00\ud83d\ude00\ud83d""#), "\\udc00😀\\ud83d");
    assert_eq!(unescape(r#""\ud83d\n\ufffd""#), "\\ud83d\n\u{fffd}");
    assert_eq!(unescape(r#""\\\ud800\"""#), "\\\\ud800\"");
    assert_eq!(unescape_keeping_surrogates("1"), None);
}

proptest! {
    #[test]
    fn strings_round_trip(text in any::<String>()) {
        let value = written(&text);
        prop_assert_eq!(serde_json::from_str::<String>(&value).unwrap(), text.as_str());
        prop_assert!(!value.chars().any(|c| u32::from(c) < 0x20 || is_damaged(c.into())));
        prop_assert_eq!(&rewritten(&value), &value);
        prop_assert_eq!(&*unescape_keeping_surrogates(&value).unwrap(), &*text);
    }

    #[test]
    fn nothing_panics(
        text in any::<String>(),
        units in prop::collection::vec(0..0xffff_u32, 0..6),
    ) {
        let _ = unescape_keeping_surrogates(&text);
        let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let _ = unescape_keeping_surrogates(&format!("\"{text}\\ud800{escapes}\"")).is_some();
        let value = format!("\"{escapes}\"");
        prop_assert_eq!(rewritten(&value), value);
    }
}
