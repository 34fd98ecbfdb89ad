//! The wire forms of plain peers.

use crate::{envelope, event_stream};
use bytes::BytesMut;
use omniwire_session::{Args, CallError, Encoding, Outgoing, Resume, Wire, WireId, json};

/// [`RawWire`], for use in a [`WireForm`](omniwire_session::WireForm).
pub static RAW: &dyn Wire = &RawWire;
/// [`EnvelopeWire`], for use in a [`WireForm`](omniwire_session::WireForm).
pub static ENVELOPE: &dyn Wire = &EnvelopeWire;
/// [`SseWire`], for use in a [`WireForm`](omniwire_session::WireForm).
pub static SSE: &dyn Wire = &SseWire;

/// Events as their payload alone; calls, replies and streams have no words.
///
/// One string is its text (a lone surrogate, which no WebSocket text can hold, becomes U+FFFD),
/// one byte string is a binary message, any other one argument is its JSON, and none or several
/// are a JSON array.
#[derive(Debug, Clone, Copy)]
pub struct RawWire;

/// Events, replies and stream items as envelopes: see [`envelope`].
#[derive(Debug, Clone, Copy)]
pub struct EnvelopeWire;

/// Everything in the dress of `text/event-stream`: see [`event_stream`].
#[derive(Debug, Clone, Copy)]
pub struct SseWire;

impl Wire for RawWire {
    fn id(&self) -> WireId {
        WireId(0)
    }

    fn encode(&self, _namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        let Outgoing::Event { args, .. } = what else { return };
        if let Some(bytes) = args.as_bytes() {
            out.binary().extend_from_slice(bytes);
            return;
        }
        write_payload(out.text(), args);
    }
}

fn write_payload(out: &mut BytesMut, args: &Args) {
    if let Some(text) = args.as_text() {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut elements = json::elements(args.json());
    match (elements.next(), elements.next()) {
        (Some(only), None) => match json::unescape(only) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => args.write_base64(out),
        },
        _ => envelope::write_array(out, args),
    }
}

impl Wire for EnvelopeWire {
    fn id(&self) -> WireId {
        WireId(1)
    }

    fn encode(&self, _namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        envelope::write_outgoing(out.text(), what);
    }

    fn encode_resume(&self, resume: Resume<'_>, out: &mut Encoding) {
        envelope::write_resume(out.text(), resume);
    }

    fn encode_not_joined(&self, room: &str, error: &CallError, out: &mut Encoding) {
        envelope::write_not_joined(out.text(), room, error);
    }
}

impl Wire for SseWire {
    fn id(&self) -> WireId {
        WireId(2)
    }

    fn encode(&self, _namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        event_stream::write_outgoing(out.text(), what);
    }

    fn encode_resume(&self, resume: Resume<'_>, out: &mut Encoding) {
        event_stream::write_resume(out.text(), resume);
    }

    fn encode_not_joined(&self, room: &str, error: &CallError, out: &mut Encoding) {
        let mut envelope = BytesMut::new();
        envelope::write_not_joined(&mut envelope, room, error);
        event_stream::write_envelope(out.text(), &envelope);
    }
}

#[cfg(test)]
mod tests;
