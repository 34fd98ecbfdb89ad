use super::*;

#[test]
fn survive_their_text() {
    for places in ["", "7.12.room~8.0.other_20room"] {
        let places = Places::parse(places).unwrap();
        let text = Cursor { token: "a.b-c_d", number: 12, places: &places }.to_string();
        assert_eq!(Cursor::parse(&text), Some(Cursor { token: "a.b-c_d", number: 12, places }));
    }
}

#[test]
fn what_is_none() {
    for text in ["", "token", "token.", "token.x", "token.-1", "token.1~x", "~1.2.a"] {
        assert_eq!(Cursor::parse(text), None, "{text}");
    }
}
