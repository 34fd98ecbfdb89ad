//! How frames lie in the bodies of HTTP carriers.

use crate::{Transport, answers};
use bytes::BytesMut;
use omniwire_session::{Answer, Carrier, Frame, Message, Packed};
use std::collections::VecDeque;

/// Takes whole frames, so that a batch always ends where a hub message does.
pub(super) fn pack(carrier: Carrier, queue: &mut VecDeque<Frame>, out: &mut BytesMut) -> Packed {
    let start = out.len();
    while let Some(frame) = queue.front() {
        let len = out.len().saturating_sub(start);
        if len > 0 && len.saturating_add(frame.len()) > BATCH_LEN_MAX {
            break;
        }
        match carrier {
            Carrier::EventStream => write_event(out, frame.as_payload()),
            _ => out.extend_from_slice(frame.as_payload()),
        }
        queue.pop_front();
    }
    match carrier {
        Carrier::LongPoll => Packed::Full,
        _ => Packed::Open,
    }
}

/// The answer of a poll, or the last chunk of a stream, that is nothing but this message.
pub(super) fn farewell(transport: Option<Transport>, message: &Message) -> Answer {
    let mut body = BytesMut::new();
    match transport {
        Some(Transport::ServerSentEvents) => write_event(&mut body, message.as_bytes()),
        Some(Transport::LongPolling) => body.extend_from_slice(message.as_bytes()),
        Some(Transport::WebSockets) | None => {}
    }
    Answer::new(200, answers::POLL_CONTENT_TYPE, body.freeze())
}

/// `TransportProtocols.md`, "Server-to-Client only": a `data:` line for each line of the payload.
/// JSON may have line breaks between its tokens; without this, what follows one would be lost or
/// read as another field.
fn write_event(out: &mut BytesMut, payload: &[u8]) {
    out.reserve(payload.len().saturating_add(10));
    let mut rest = Some(payload);
    while let Some(text) = rest {
        let end = memchr::memchr2(b'\r', b'\n', text);
        let (line, after) = text.split_at(end.unwrap_or(text.len()));
        rest = end.and_then(|_| after.strip_prefix(b"\r\n").or_else(|| after.get(1..)));
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// One chunk, or one answer to a poll, unless a single frame is longer.
const BATCH_LEN_MAX: usize = 1 << 20;
