//! Queries and forms.

use crate::session::no_payload;
use bytes::Bytes;
use omniwire_session::{ByteString, Fault};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The JSON that a POST to `jsonp_send` holds, for [`omniwire_session::Input::Body`]: the field
/// `d` of a form, or the whole body of type `text/plain` or none.
///
/// # Errors
/// There is none.
pub fn decode_form(content_type: Option<&str>, body: &Bytes) -> Result<Bytes, Fault> {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    let json = match essence {
        "application/x-www-form-urlencoded" => {
            let form = String::from_utf8_lossy(body);
            field(&form, "d").map(|json| Bytes::from(json.into_owned()))
        }
        "text/plain" | "" => Some(body.clone()),
        _ => None,
    };
    json.filter(|json| !json.is_empty()).ok_or_else(no_payload)
}

/// The name of the function that `htmlfile` and `jsonp` call; the error is an answer's body.
pub(super) fn callback(query: Option<&str>, len_max: usize) -> Result<ByteString, &'static str> {
    let query = query.unwrap_or_default();
    let name = field(query, "c")
        .or_else(|| field(query, "callback"))
        .filter(|name| !name.is_empty())
        .ok_or("\"callback\" parameter required")?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.len() > len_max || !name.bytes().all(valid) {
        return Err("invalid \"callback\" parameter");
    }
    Ok(name.into_owned().into())
}

/// The first field of this name, decoded.
fn field<'a>(form: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

/// A plus is a blank, then percent-escapes are bytes; what is not UTF-8 is replaced.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let blanks = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&blanks).decode_utf8_lossy().into_owned())
}
