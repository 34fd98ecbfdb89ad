//! Writing envelopes.

use crate::Cursor;
use bytes::BytesMut;
use omniwire_session::{Args, CallError, CallId, Outgoing, Place, Position, Refusal, Resume, json};
use std::fmt::Write as _;

/// Writes what the application says.
pub fn write_outgoing(out: &mut BytesMut, what: Outgoing<'_>) {
    match what {
        Outgoing::Event { name, args, call, position } => {
            out.extend_from_slice(b"{\"event\":");
            json::write_str(out, name);
            out.extend_from_slice(b",\"args\":");
            write_array(out, args);
            // Writing to memory doesn't fail.
            if let Some(call) = call {
                let _ = write!(out, ",\"call\":{call}");
            }
            if let Some(at) = position {
                write_place(out, at);
            }
            out.extend_from_slice(b"}");
        }
        Outgoing::Reply { call, outcome } => write_reply(out, call, outcome),
        Outgoing::Item { call, item } => write_item(out, call, item),
        Outgoing::End { call, error } => write_end(out, call, error),
    }
}

/// Writes where a client stands in a room that it has just joined.
pub fn write_resume(out: &mut BytesMut, resume: Resume<'_>) {
    out.extend_from_slice(match resume.recovered {
        None => b"{\"resume\":\"new\"",
        Some(true) => b"{\"resume\":\"recovered\"",
        Some(false) => b"{\"resume\":\"lost\"",
    });
    write_place(out, resume.place);
    out.extend_from_slice(b"}");
}

/// The last members of an envelope that has a place: what [`crate::Places`] looks for.
fn write_place(out: &mut BytesMut, Place { room, position }: Place<'_>) {
    let Position { epoch, offset } = position;
    out.extend_from_slice(b",\"room\":");
    json::write_str(out, room);
    let _ = write!(out, ",\"offset\":{offset},\"epoch\":{epoch}");
}

/// Writes the answer to a call: `{"reply":ID,"result":VALUE}`, where the value is `null` for no
/// result and an array for several, or `{"reply":ID,"error":{..}}`.
pub fn write_reply(out: &mut BytesMut, call: &CallId, outcome: Result<&Args, &CallError>) {
    out.extend_from_slice(b"{\"reply\":");
    out.extend_from_slice(call.0.as_bytes());
    match outcome {
        Ok(args) => {
            out.extend_from_slice(b",\"result\":");
            write_value(out, args);
        }
        Err(error) => {
            out.extend_from_slice(b",\"error\":");
            write_call_error(out, error);
        }
    }
    out.extend_from_slice(b"}");
}

/// Writes one item of a stream: `{"item":ID,"value":x}`.
pub fn write_item(out: &mut BytesMut, call: &CallId, item: &Args) {
    out.extend_from_slice(b"{\"item\":");
    out.extend_from_slice(call.0.as_bytes());
    out.extend_from_slice(b",\"value\":");
    write_value(out, item);
    out.extend_from_slice(b"}");
}

/// Writes the end of a stream: `{"end":ID}` or `{"end":ID,"error":{..}}`.
pub fn write_end(out: &mut BytesMut, call: &CallId, error: Option<&CallError>) {
    out.extend_from_slice(b"{\"end\":");
    out.extend_from_slice(call.0.as_bytes());
    if let Some(error) = error {
        out.extend_from_slice(b",\"error\":");
        write_call_error(out, error);
    }
    out.extend_from_slice(b"}");
}

/// Writes the answer to a ping, whose value is valid JSON: `{"pong":x}`.
pub fn write_pong(out: &mut BytesMut, value: &str) {
    out.extend_from_slice(b"{\"pong\":");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"}");
}

/// Writes the first envelope: `{"open":{"peer":"ID"}}`, with `"session"` for HTTP carriers,
/// whose POSTs name the session by its token.
pub fn write_open(out: &mut BytesMut, peer: &str, session: Option<&str>) {
    out.extend_from_slice(b"{\"open\":{\"peer\":");
    json::write_str(out, peer);
    if let Some(session) = session {
        out.extend_from_slice(b",\"session\":");
        json::write_str(out, session);
    }
    out.extend_from_slice(b"}}");
}

/// Writes `{"error":{"code":..,"message":..}}`: what the client said made no sense.
pub fn write_error(out: &mut BytesMut, code: &str, message: &str) {
    out.extend_from_slice(b"{\"error\":");
    write_error_body(out, code, message);
    out.extend_from_slice(b"}");
}

/// Writes `{"refused":{"message":..,"data":..}}`, before the end of a session that was turned
/// away. `data` is left out if there is none.
pub fn write_refused(out: &mut BytesMut, refusal: &Refusal) {
    out.extend_from_slice(b"{\"refused\":{\"message\":");
    json::write_str(out, &refusal.message);
    if !refusal.data.is_empty() {
        out.extend_from_slice(b",\"data\":");
        write_value(out, &refusal.data);
    }
    out.extend_from_slice(b"}}");
}

/// Writes `{"close":{"code":..,"reason":..}}`, the last envelope on carriers that have no Close
/// frame.
pub fn write_close(out: &mut BytesMut, code: u16, reason: &str) {
    let _ = write!(out, "{{\"close\":{{\"code\":{code},\"reason\":");
    json::write_str(out, reason);
    out.extend_from_slice(b"}}");
}

/// Writes `{"cursor":"..."}`, the last envelope of a poll's answer.
pub fn write_cursor(out: &mut BytesMut, cursor: Cursor<'_>) {
    // It has no characters that JSON would escape.
    let _ = write!(out, "{{\"cursor\":\"{cursor}\"}}");
}

/// Writes all arguments as a JSON array.
pub(crate) fn write_array(out: &mut BytesMut, args: &Args) {
    out.reserve(args.json().len().saturating_add(2));
    out.extend_from_slice(b"[");
    args.write_base64(out);
    out.extend_from_slice(b"]");
}

/// Writes arguments as one value: `null` for none, the only one, or an array of several.
fn write_value(out: &mut BytesMut, args: &Args) {
    match json::elements(args.json()).take(2).count() {
        0 => out.extend_from_slice(b"null"),
        1 => args.write_base64(out),
        _ => write_array(out, args),
    }
}

/// Writes `{"error":{"code":..,"message":..,"room":..}}`: a client that asked for a room by no call
/// is not in it.
pub fn write_not_joined(out: &mut BytesMut, room: &str, error: &CallError) {
    out.extend_from_slice(b"{\"error\":{\"code\":");
    json::write_str(out, error.kind.code());
    out.extend_from_slice(b",\"message\":");
    json::write_str(out, error.text());
    out.extend_from_slice(b",\"room\":");
    json::write_str(out, room);
    out.extend_from_slice(b"}}");
}

fn write_call_error(out: &mut BytesMut, error: &CallError) {
    write_error_body(out, error.kind.code(), error.text());
}

fn write_error_body(out: &mut BytesMut, code: &str, message: &str) {
    out.extend_from_slice(b"{\"code\":");
    json::write_str(out, code);
    out.extend_from_slice(b",\"message\":");
    json::write_str(out, message);
    out.extend_from_slice(b"}");
}
