use super::*;
use omniwire_session::ByteString;

fn args(elements: &str) -> Args {
    Args::from_elements(elements.into()).unwrap()
}

fn filled(elements: &str, attachments: &[&'static [u8]]) -> Result<Args, Invalid> {
    let attachments: Vec<Bytes> =
        attachments.iter().map(|bytes| Bytes::from_static(bytes)).collect();
    fill(&args(elements), &attachments, 1000)
}

fn blobs(args: &Args) -> Vec<&[u8]> {
    args.blobs().iter().map(|blob| &*blob.bytes).collect()
}

fn written(args: &Args) -> String {
    let mut out = BytesMut::new();
    write(args, &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

const P0: &str = r#"{"_placeholder":true,"num":0}"#;
const P1: &str = r#"{"_placeholder":true,"num":1}"#;

#[test]
fn sio5_placeholders_at_any_depth() {
    let elements = format!(r#"{P0},{{"a":[1,{{"b":{P1}}}]}},"x""#);
    let args = filled(&elements, &[b"one", b"two"]).unwrap();
    assert_eq!(args.json(), r#"null,{"a":[1,{"b":null}]},"x""#);
    assert_eq!(blobs(&args), [b"one", b"two"]);
    assert_eq!(written(&args), elements);
}

#[test]
fn sio5_placeholders_in_any_order_and_spelling() {
    let elements = format!(
        "{P1},{}",
        r#"{ "num" : 0 , "_placeholder" : true },{"_pl\u0061ceholder":true,"num":1.0,"x":[]}"#
    );
    let args = filled(&elements, &[b"one", b"two"]).unwrap();
    assert_eq!(args.json(), "null,null,null");
    assert_eq!(blobs(&args), [b"two", b"one", b"two"]);
}

#[test]
fn sio5_placeholder_used_twice_is_the_same_buffer() {
    let args = filled(&format!("{P0},{P0}"), &[b"one"]).unwrap();
    assert_eq!(blobs(&args), [b"one", b"one"]);
    let [first, second] = args.blobs() else { panic!("two") };
    assert_eq!(first.bytes.as_ptr(), second.bytes.as_ptr());
}

#[test]
fn sio5_placeholders_cannot_multiply_a_buffer_without_bound() {
    let many = vec![P0; 100].join(",");
    assert!(filled(&many, &[b"0123456789"]).is_ok());
    assert!(filled(&many, &[b"0123456789a"]).is_err());
}

#[test]
fn sio5_attachments_without_a_placeholder() {
    let args = filled("1,\"x\"", &[b"one"]).unwrap();
    assert_eq!((&**args.json(), args.blobs().len()), ("1,\"x\"", 0));
}

#[test]
fn sio5_illegal_placeholders() {
    let nums = ["1", "-1", "0.5", "\"0\"", "null", "true", "[0]", "{}", "1e400", "99999999999999"];
    for num in nums {
        let elements = format!(r#"{{"_placeholder":true,"num":{num}}}"#);
        assert_eq!(filled(&elements, &[b"one"]), Err(Invalid("illegal attachments")), "{num}");
    }
    assert!(filled(r#"{"_placeholder":true}"#, &[b"one"]).is_err());
}

#[test]
fn sio5_what_is_no_placeholder_stays() {
    for elements in [
        r#"{"_placeholder":false,"num":9}"#,
        r#"{"_placeholder":1,"num":9}"#,
        r#"{"_placeholder":"true","num":9}"#,
        r#"{"_placeholder":[true],"num":9}"#,
        r#"["_placeholder",true,"num",9]"#,
        r#"{"x":"_placeholder","y":true}"#,
        r#"{"_placeholder":true,"_placeholder":false,"num":9}"#,
        r#""{\"_placeholder\":true}""#,
    ] {
        assert_eq!(filled(elements, &[b"one"]), Ok(args(elements)), "{elements}");
    }
}

#[test]
fn sio5_the_last_member_of_a_name_counts() {
    let elements = r#"{"_placeholder":false,"_placeholder":true,"num":7,"num":0}"#;
    assert_eq!(filled(elements, &[b"one"]).unwrap().json(), "null");
}

#[test]
fn sio5_inside_a_placeholder_nothing_counts() {
    let elements = format!(r#"{{"_placeholder":true,"num":0,"x":{{"_placeholder":true}}}},{P0}"#);
    assert_eq!(filled(&elements, &[b"one"]).unwrap().json(), "null,null");
}

/// No argument list can reach for an attachment, or make a client close.
#[test]
fn sio5_lookalikes_are_disarmed_where_attachments_are() {
    let with_blob = |elements: &str, at: usize| {
        let blob = Blob { at, bytes: Bytes::from_static(b"one") };
        Args::with_blobs(ByteString::from(elements), vec![blob]).unwrap()
    };
    for mark in ["true", "1", "\"x\"", "[{\"_placeholder\":true}]"] {
        let elements = format!(r#"null,{{"_placeholder":{mark},"num":9}}"#);
        let expected = format!(r#"{P0},{{"_placeholder":false,"num":9}}"#);
        assert_eq!(written(&with_blob(&elements, 0)), expected);
    }
    let nested = r#"{"_placeholder":true,"x":{"_placeholder":true,"num":0}},null"#;
    let expected = format!(r#"{{"_placeholder":false,"x":{{"_placeholder":false,"num":0}}}},{P0}"#);
    assert_eq!(written(&with_blob(nested, nested.len() - 4)), expected);
    // The mark of a lookalike may hold a byte string, which is then not told.
    let around = r#"{"_placeholder":[null],"num":9}"#;
    assert_eq!(written(&with_blob(around, 17)), r#"{"_placeholder":false,"num":9}"#);
    // Without attachments clients do not look for placeholders.
    assert_eq!(written(&args(P1)), P1);
}
