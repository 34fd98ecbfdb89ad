use super::*;
use proptest::prelude::*;

fn read(payload: &str) -> Returning {
    returning(&Args::from_elements(payload.into()).unwrap())
}

fn came_back(token: &str, since: Since) -> Returning {
    Returning::As { token: token.into(), since }
}

#[test]
fn what_a_client_says_of_an_earlier_connection() {
    for payload in ["", "{}", r#"{"token":"pid"}"#, r#"{"pid":5}"#, r#"{"a":{"pid":"x"}}"#] {
        assert_eq!(read(payload), Returning::New, "{payload}");
    }
    assert_eq!(read(r#"{"pid":"a\u0062","x":[1]}"#), came_back("ab", Since::Entered));
    assert_eq!(read(r#"{"offset":7,"pid":"a"}"#), came_back("a", Since::Entered));
    let since = Since::Position(Position { epoch: 0xab, offset: 12 });
    assert_eq!(read(r#"{"pid":"a","offset":"000000ab-12"}"#), came_back("a", since));
    for text in ["", "up", "ab-12", "000000AB-12", "000000ab-+1", "000000ab-", "+00000ab-1"] {
        let payload = format!(r#"{{"pid":"a","offset":"{text}"}}"#);
        assert_eq!(read(&payload), came_back("a", Since::Text(text.into())), "{payload}");
    }
}

proptest! {
    #[test]
    fn an_offset_is_known_again(epoch in any::<u32>(), offset in any::<u64>()) {
        let position = Position { epoch, offset };
        let mut out = BytesMut::new();
        write_offset(&mut out, position);
        let text: String = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(parse(text.into()), Since::Position(position));
    }

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        parse(text.into());
    }
}
