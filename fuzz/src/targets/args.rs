//! JSON, and arguments made of it.

use omniwire_session::limits::DEPTH_MAX;
use omniwire_session::{Args, ByteString, json};
use serde::de::IgnoredAny;

use crate::input::{Input, text};

/// Our validation against that of `serde_json`, and what is cut out of what is valid.
pub(crate) fn json(input: &[u8]) {
    let text = text(input);
    let theirs = serde_json::from_str::<IgnoredAny>(&text);
    match json::validate(&text) {
        Ok(()) => {
            assert!(theirs.is_ok(), "valid here alone");
            assert!(depth(&text) <= DEPTH_MAX);
        }
        Err(error) => {
            assert!(error.at() <= text.len());
            assert!(theirs.is_err() || depth(&text) > DEPTH_MAX, "valid there alone: {error}");
        }
    }
    if let Ok(members) = json::members(&text) {
        for (_, value) in members {
            assert!(json::validate(&value).is_ok(), "a member's value is no JSON");
        }
    }
    if let (Ok(()), Some(unescaped)) = (json::validate(&text), json::unescape(&text)) {
        let mended = serde_json::from_str::<String>(&text);
        assert!(mended.is_err() || mended.is_ok_and(|mended| mended == unescaped));
    }
    let quoted = json::quote(&text);
    assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), *text);
    assert_eq!(json::unescape(&quoted).unwrap(), *text);
}

/// Elements: what is taken for valid can't close the array that it will stand in.
pub(crate) fn args(input: &[u8]) {
    let mut input = Input::new(input);
    let index = usize::from(input.choice());
    let elements = text(input.rest());
    let array: ByteString = format!("[{elements}]").into();
    let args = Args::from_elements(elements.clone());
    if depth(&array) <= DEPTH_MAX {
        let theirs = serde_json::from_str::<Vec<IgnoredAny>>(&array);
        assert_eq!(args.is_ok(), theirs.is_ok(), "{args:?} {theirs:?}");
        let whole = Args::from_array(&array);
        assert_eq!(args.is_ok(), whole.is_ok());
        if let (Ok(args), Ok(theirs)) = (&args, theirs) {
            assert_eq!(args.len(), theirs.len());
        }
    }
    if let Ok(args) = args {
        check_parts(&args, index);
    }
}

fn check_parts(args: &Args, index: usize) {
    for (at, one) in args.iter().enumerate() {
        assert!(json::validate(one.json()).is_ok(), "an element is no JSON");
        assert_eq!(one.len(), 1);
        assert_eq!(args.get(at).as_ref(), Some(&one));
    }
    let rest = args.skip(index);
    assert!(json::validate_elements(rest.json()).is_ok());
    assert_eq!(rest.len(), args.len().saturating_sub(index));
}

/// The nesting of valid JSON. (Of invalid JSON it is some number.)
pub(crate) fn depth(json: &str) -> u32 {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_u32, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
