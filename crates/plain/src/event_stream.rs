//! What an `EventSource` reads (WHATWG HTML, 9.2), written by [`crate::SSE`].
//!
//! | field | holds |
//! |---|---|
//! | `event:` | the event's name |
//! | `id:` | if the event came from a recoverable room: where the client stands in all of them |
//! | `data:` | the arguments as a JSON array, byte strings as base64 |
//!
//! All that is no bare event has `event: omniwire` and a whole [`crate::envelope`] as data: the
//! envelopes `open`, `resume`, `reply`, `item`, `end`, `error`, `refused`, `close`; events that want an
//! answer; and events whose name an `EventSource` would misread: `open`, `error` and `message`
//! (its own), `omniwire` (ours), the empty name, and names with control characters.
//!
//! The end of the stream makes an `EventSource` come back. If it was turned away, or the application
//! ended it, the last event has the id [`LAST_ID`]: who comes back with that is to be answered by
//! 204, by which an `EventSource` ends for good.
//!
//! An `EventSource` that comes back says the last `id:` as `Last-Event-ID` ([`Places`]), and is told
//! for each room by the envelope `resume` whether all that it missed follows.

use crate::places::{read_place, write_place};
use crate::{Places, envelope};
use bytes::{Bytes, BytesMut};
use omniwire_session::{Outgoing, Place, Resume};
use std::fmt::Write as _;

/// `Content-Type` of the response.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// What the server writes first, at once, so that `onopen` fires, and so that clients come back
/// two seconds after a broken connection. The comment in it has at least `padding` bytes, at most
/// [`PADDING_MAX`]: some proxies hold back the first part of an answer.
pub fn prelude(padding: usize) -> Bytes {
    let padding = " ".repeat(padding.min(PADDING_MAX));
    Bytes::from(format!(": omniwire{padding}\nretry: 2000\n\n"))
}

/// Padding that a client may ask for, in bytes.
pub const PADDING_MAX: usize = 16 << 10;

/// A comment, written now and then so that no proxy takes the connection for dead.
pub const HEARTBEAT: &str = ": \n\n";

/// The event that carries a whole envelope.
pub const ENVELOPE_EVENT: &str = "omniwire";

/// The id of the last event of a client that is not to come back. It names no place.
pub const LAST_ID: &str = "over";

/// Writes what the application says.
pub fn write_outgoing(out: &mut BytesMut, what: Outgoing<'_>) {
    let place = match what {
        Outgoing::Event { position, .. } => position,
        _ => None,
    };
    let mut data = BytesMut::new();
    match what {
        Outgoing::Event { name, args, call: None, .. } if is_plain_name(name) => {
            envelope::write_array(&mut data, args);
            write_event(out, name, &data, place);
        }
        _ => {
            envelope::write_outgoing(&mut data, what);
            write_event(out, ENVELOPE_EVENT, &data, place);
        }
    }
}

/// Writes a whole envelope as an event of its own.
pub fn write_envelope(out: &mut BytesMut, envelope: &[u8]) {
    write_event(out, ENVELOPE_EVENT, envelope, None);
}

/// Writes the envelope after which the client is not to come back.
pub(crate) fn write_last(out: &mut BytesMut, envelope: &[u8]) {
    out.extend_from_slice(ID_FIELD);
    out.extend_from_slice(LAST_ID.as_bytes());
    out.extend_from_slice(b"\n");
    write_envelope(out, envelope);
}

/// Writes where a client stands in a room that it has just joined.
pub fn write_resume(out: &mut BytesMut, resume: Resume<'_>) {
    let mut data = BytesMut::new();
    envelope::write_resume(&mut data, resume);
    write_event(out, ENVELOPE_EVENT, &data, Some(resume.place));
}

/// Writes an event. Its id, if it has one, comes first: there [`write_with_places`] finds it.
fn write_event(out: &mut BytesMut, name: &str, data: &[u8], place: Option<Place<'_>>) {
    if let Some(place) = place {
        out.extend_from_slice(ID_FIELD);
        // Writing to memory doesn't fail.
        let _ = write_place(out, place);
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    write_data(out, data);
}

/// Writes an event that [`crate::SSE`] encoded. Its id names one room, but a browser remembers one
/// id for all: so it becomes the client's places in all rooms.
pub(crate) fn write_with_places(out: &mut BytesMut, places: &mut Places, event: &[u8]) {
    let place = event.strip_prefix(ID_FIELD).and_then(|rest| {
        let end = memchr::memchr(b'\n', rest)?;
        let (id, rest) = rest.split_at(end);
        Some((read_place(std::str::from_utf8(id).ok()?)?, rest))
    });
    let Some(((room, position), rest)) = place else {
        return out.extend_from_slice(event);
    };
    places.set(room, position);
    if places.len() == 1 {
        return out.extend_from_slice(event);
    }
    out.extend_from_slice(ID_FIELD);
    let _ = write!(out, "{places}");
    out.extend_from_slice(rest);
}

const ID_FIELD: &[u8] = b"id: ";

/// Whether an `EventSource` takes the name for what it is.
fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "open" | "error" | "message" | ENVELOPE_EVENT)
        && !name.bytes().any(|byte| byte.is_ascii_control())
}

/// Writes the data, split at each CR, LF and CRLF (which stand between the tokens of JSON, where
/// it does not matter that they come out as LF), and the empty line that ends the event.
fn write_data(out: &mut BytesMut, data: &[u8]) {
    out.reserve(data.len().saturating_add(10));
    let mut rest = data;
    loop {
        out.extend_from_slice(b"\ndata: ");
        let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else { break };
        let (line, tail) = rest.split_at(end);
        out.extend_from_slice(line);
        let skip = if tail.starts_with(b"\r\n") { 2 } else { 1 };
        rest = tail.get(skip..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
