//! What an `EventSource` reads (WHATWG HTML, 9.2), written by [`crate::SSE`].
//!
//! | field | holds |
//! |---|---|
//! | `event:` | the event's name |
//! | `id:` | `EPOCH-OFFSET`, if the event came from a recoverable room |
//! | `data:` | the arguments as a JSON array, byte strings as base64 |
//!
//! All that is no bare event has `event: omniwire` and a whole [`crate::envelope`] as data: the
//! envelopes `open`, `reply`, `item`, `end`, `error`, `refused`, `close`; events that want an
//! answer; and events whose name an `EventSource` would misread: `open`, `error` and `message`
//! (its own), `omniwire` (ours), the empty name, and names with control characters.
//!
//! The end of the stream makes an `EventSource` come back. A client that was told `refused` or
//! `close` calls its `close()`, or gets a new session.

use crate::envelope;
use bytes::BytesMut;
use omniwire_session::{Outgoing, Position};
use std::fmt::Write as _;

/// `Content-Type` of the response.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// What the server writes first, at once, so that `onopen` fires, and so that clients come back
/// two seconds after a broken connection.
pub const PRELUDE: &[u8] = b": omniwire\nretry: 2000\n\n";

/// A comment, written now and then so that no proxy takes the connection for dead.
pub const HEARTBEAT: &str = ": \n\n";

/// The event that carries a whole envelope.
pub const ENVELOPE_EVENT: &str = "omniwire";

/// Writes what the application says.
pub fn write_outgoing(out: &mut BytesMut, what: Outgoing<'_>) {
    match what {
        Outgoing::Event { name, args, call: None, position } if is_plain_name(name) => {
            out.extend_from_slice(b"event: ");
            out.extend_from_slice(name.as_bytes());
            write_id(out, position);
            let mut data = BytesMut::with_capacity(args.json().len() + 2);
            envelope::write_array(&mut data, args);
            write_data(out, &data);
        }
        _ => {
            let mut data = BytesMut::new();
            envelope::write_outgoing(&mut data, what);
            let position = match what {
                Outgoing::Event { position, .. } => position,
                _ => None,
            };
            write_enveloped(out, &data, position);
        }
    }
}

/// Writes a whole envelope as an event of its own.
pub fn write_envelope(out: &mut BytesMut, envelope: &[u8]) {
    write_enveloped(out, envelope, None);
}

fn write_enveloped(out: &mut BytesMut, envelope: &[u8], position: Option<Position>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(ENVELOPE_EVENT.as_bytes());
    write_id(out, position);
    write_data(out, envelope);
}

/// Whether an `EventSource` takes the name for what it is.
fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "open" | "error" | "message" | ENVELOPE_EVENT)
        && !name.bytes().any(|byte| byte.is_ascii_control())
}

fn write_id(out: &mut BytesMut, position: Option<Position>) {
    if let Some(Position { epoch, offset }) = position {
        // Writing to memory doesn't fail.
        let _ = write!(out, "\nid: {epoch}-{offset}");
    }
}

/// Writes the data, split at each CR, LF and CRLF (which stand between the tokens of JSON, where
/// it does not matter that they come out as LF), and the empty line that ends the event.
fn write_data(out: &mut BytesMut, data: &[u8]) {
    out.reserve(data.len() + 10);
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
