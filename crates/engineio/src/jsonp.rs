//! JSONP polling of protocol 3, for pages without XMLHttpRequest 2: the answer is a script, and
//! the POST is a form. The server wraps a poll's answer, and unwraps a POST's body, where
//! [`crate::Request`] says so.

use crate::request::decode_component;
use bytes::{Bytes, BytesMut};
use omniwire_session::{ByteString, json};

/// `Content-Type` of a wrapped answer.
pub const CONTENT_TYPE: &str = "text/javascript; charset=UTF-8";

/// A polling answer as a script that calls back `___eio[index]`.
pub fn wrap(index: &str, answer: &[u8]) -> Bytes {
    let mut literal = BytesMut::with_capacity(answer.len().saturating_add(16));
    json::write_str(&mut literal, &String::from_utf8_lossy(answer));
    let literal = json::into_text(literal);
    // JSON may hold these two line ends in a string, old JavaScript may not.
    let literal = literal.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    format!("___eio[{index}]({literal});").into()
}

/// The payload in a form's field `d`. Its line ends come as the two characters `\n`, and a
/// backslash with an `n` as three characters.
pub fn unwrap(body: &[u8]) -> Option<ByteString> {
    let body = std::str::from_utf8(body).ok()?;
    let field = body.split('&').find_map(|field| field.strip_prefix("d="))?;
    let text = decode_component(field);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let (written, read) = match escape.as_bytes() {
            [b'\\', b'n', ..] => ("\\n", 2),
            [b'n', ..] => ("\n", 1),
            _ => ("\\", 0),
        };
        out.push_str(written);
        rest = escape.get(read..).unwrap_or_default();
    }
    out.push_str(rest);
    Some(out.into())
}

#[cfg(test)]
mod tests;
