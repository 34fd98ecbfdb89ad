//! What clients send.

use bytes::Bytes;
use omniwire_session::{Args, ByteString, Fault, json};

/// The messages of a WebSocket message: an array of them, or a single one, or nothing at all.
/// `None` if it is none of these.
pub(super) fn socket_messages(text: &ByteString) -> Option<Vec<ByteString>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    json::validate(text).ok()?;
    match Args::from_valid_array(text) {
        Some(array) => cut(array.json()),
        None => Some(vec![text.slice_ref(text.trim_ascii())]),
    }
}

/// The messages of the body of a POST, which must be an array.
pub(super) fn posted_messages(body: &Bytes) -> Result<Vec<ByteString>, Fault> {
    if body.is_empty() {
        return Err(no_payload());
    }
    let text = ByteString::try_from(body.clone())
        .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into());
    json::validate(&text).map_err(|_| broken_json())?;
    let array = Args::from_valid_array(&text).ok_or_else(no_payload)?;
    cut(array.json()).ok_or_else(|| fault(413, "Too many messages."))
}

/// Each element of an array. `None` if they are too many.
fn cut(elements: &ByteString) -> Option<Vec<ByteString>> {
    let mut messages = Vec::new();
    for element in json::elements(elements) {
        if messages.len() == MESSAGES_COUNT_MAX {
            return None;
        }
        messages.push(elements.slice_ref(element));
    }
    Some(messages)
}

/// The body holds nothing, or nothing that could be messages.
pub(crate) fn no_payload() -> Fault {
    fault(500, "Payload expected.")
}

/// The body is not JSON.
fn broken_json() -> Fault {
    fault(500, "Broken JSON encoding.")
}

fn fault(status: u16, text: &'static str) -> Fault {
    Fault { status, content_type: crate::request::TEXT, text: ByteString::from_static(text) }
}

/// Messages in one body. The shortest one takes three bytes on the wire, and far more as events.
const MESSAGES_COUNT_MAX: usize = 10_000;
