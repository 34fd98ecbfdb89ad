use super::*;

fn args(json: &str) -> RawArgs {
    RawArgs::from_elements(json.to_owned().into()).unwrap()
}

#[test]
fn tuples_read_and_write() {
    let (a, b): (u32, String) = FromArgs::from_args(&args("7,\"x\"")).unwrap();
    assert_eq!((a, &*b), (7, "x"));
    assert_eq!((7, "x").into_args().unwrap(), args("7,\"x\""));
    assert_eq!("x".into_args().unwrap(), args("\"x\""));
}

#[test]
fn counts_and_types_are_named() {
    let why = |json| <(u32, Option<u32>)>::from_args(&args(json)).unwrap_err().to_string();
    assert_eq!(why("1,2,3"), "3 argument(s) given, 2 expected");
    assert_eq!(why(""), "argument 1 is missing");
    assert!(why("\"x\"").starts_with("argument 1: invalid type"));
    assert_eq!(<(u32, Option<u32>)>::from_args(&args("1")).unwrap(), (1, None));
}

#[test]
fn lone_surrogates_are_kept_raw_and_replaced_in_strings() {
    let given = args(r#""\ud800 \ud83d\ude00 \\ud800""#);
    let (text,): (String,) = FromArgs::from_args(&given).unwrap();
    assert_eq!(text, "\u{fffd} 😀 \\ud800");
    let (raw,): (Raw,) = FromArgs::from_args(&given).unwrap();
    assert_eq!(raw.into_args().unwrap(), given);
}

#[test]
fn byte_strings_at_any_depth() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Thing {
        name: String,
        blobs: Vec<Binary>,
    }
    let blob = |bytes: &'static [u8]| Binary(Bytes::from_static(bytes));
    let thing = Thing { name: "null".into(), blobs: vec![blob(b"a"), blob(b"\xff")] };
    let written = (1, &thing, blob(b"z")).into_args().unwrap();
    assert_eq!(written.json(), r#"1,{"name":"null","blobs":[null,null]},null"#);
    assert_eq!(written.blobs().len(), 3);
    assert_eq!(written.get(2).unwrap().as_bytes().unwrap().as_ref(), b"z");
    let (_, read, last): (u8, Thing, Binary) = FromArgs::from_args(&written).unwrap();
    assert_eq!((read, last), (thing, blob(b"z")));
    assert_eq!(serde_json::to_string(&blob(b"a")).unwrap(), "\"YQ==\"");
}

#[test]
fn a_text_is_read_as_its_json_would_be() {
    let text = RawArgs::from_text("dGV4dA==");
    let read = (String::from("dGV4dA=="),);
    assert_eq!(FromArgs::from_args(&text), Ok(read));
    assert_eq!(FromArgs::from_args(&text), Ok((Some(String::from("dGV4dA==")),)));
    assert_eq!(FromArgs::from_args(&text), Ok((Binary("text".into()),)));
    let (raw,): (Raw,) = FromArgs::from_args(&text).unwrap();
    assert_eq!(raw.as_json(), "\"dGV4dA==\"");
    let why = <(u32,)>::from_args(&text).unwrap_err().to_string();
    assert!(why.starts_with("argument 1: invalid type: string"), "{why}");
}
