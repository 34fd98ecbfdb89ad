use super::*;

#[test]
fn eio3_jsonp_answer_is_a_script() {
    let script = wrap("4", "2:4\"\u{2028}\n".as_bytes());
    assert_eq!(script, r#"___eio[4]("2:4\"\u2028\n");"#);
}

#[test]
fn eio3_jsonp_post_is_a_form() {
    assert_eq!(unwrap(b"d=5%3A4a+bc").unwrap(), "5:4a bc");
    // A line end comes as `\n`, and the two characters `\n` as `\\n`.
    assert_eq!(unwrap(br"x=1&d=4:4a\nb").unwrap(), "4:4a\nb");
    assert_eq!(unwrap(br#"d=9:42["\\n"]"#).unwrap(), r#"9:42["\n"]"#);
    assert_eq!(unwrap(br"d=\\\x\").unwrap(), r"\\\x\");
    assert_eq!(unwrap(b"e=1"), None);
    assert_eq!(unwrap(b"d=\xff"), None);
}
