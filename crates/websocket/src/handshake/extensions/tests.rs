use http::header::SEC_WEBSOCKET_EXTENSIONS;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::{Malformed, read_extensions};

/// The list, written out again in one canonical form.
fn read(lines: &[&[u8]]) -> Result<String, Malformed> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_bytes(line).unwrap());
    }
    let elements: Vec<String> = read_extensions(&headers)?
        .into_iter()
        .map(|extension| {
            let mut element = extension.name.to_owned();
            for parameter in &extension.parameters {
                element += &format!(";{}", parameter.name);
                if let Some(value) = &parameter.value {
                    element += &format!("={value}");
                }
            }
            element
        })
        .collect();
    Ok(elements.join(","))
}

#[test]
fn rfc6455_9_1_lists_over_one_line_and_several() {
    assert_eq!(read(&[]).unwrap(), "");
    assert_eq!(read(&[b"foo"]).unwrap(), "foo");
    assert_eq!(
        read(&[b"deflate-stream", b"mux; max-channels=4; flow-control, deflate-stream"]).unwrap(),
        "deflate-stream,mux;max-channels=4;flow-control,deflate-stream"
    );
    assert_eq!(read(&[b" a ; b = \"c\\d\" \t, , x-nope ,"]).unwrap(), "a;b=cd,x-nope");
    // GHSA-5v72-xg48-5rpm: odd names are just names.
    assert_eq!(
        read(&[b"constructor, __proto__;toString"]).unwrap(),
        "constructor,__proto__;toString"
    );
}

#[test]
fn rfc6455_9_1_malformed_lists() {
    // A12.
    for bad in [
        &b"foo;;="[..],
        b"",
        b" , ",
        b";",
        b"foo;",
        b"foo; ;bar",
        b"foo; bar=",
        b"foo; bar=\"\"",
        b"foo; bar=\"a b\"",
        b"foo; bar=\"a",
        b"foo; bar=\"a\\",
        b"foo; bar=a b",
        b"foo bar",
        b"foo=bar",
        b"f\xf6\xf6",
        b"foo; b\xe4r",
        b"foo; bar=\"\xe4\"",
    ] {
        assert_eq!(read(&[bad]), Err(Malformed), "{:?}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn unclosed_quotes_cost_no_more_than_their_length() {
    // CVE-2020-7662: a megabyte of `\c` pairs. Quadratic work would not end within the test.
    let mut line = b"a;b=\"".to_vec();
    line.extend(b"\\c".repeat(500_000));
    assert_eq!(read(&[&line]), Err(Malformed));
}

proptest! {
    #[test]
    fn arbitrary_lines_never_panic(line in "[ -~\\x80-\\xff]{0,80}") {
        let latin: Vec<u8> = line.chars().map(|char| char as u8).collect();
        if HeaderValue::from_bytes(&latin).is_ok() {
            let _ = read(&[&latin]);
        }
    }
}
