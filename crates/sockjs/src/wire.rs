//! The wire forms of SockJS peers: texts in `a[..]` frames.

use crate::escape::{write_string, write_valid_string};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use omniwire_session::{Args, Encoding, Kind, Outgoing, Resume, Wire, WireId, json};

/// [`RawWire`], for use as a `&'static dyn Wire`.
pub static RAW: &dyn Wire = &RawWire;

/// Events as one message each; calls, replies and streams have no words.
///
/// One string is the message itself, escaped as it came (a lone surrogate stays what it is); one
/// byte string is its base64; any other one argument is its JSON text, and none or several
/// are the text of a JSON array.
#[derive(Debug, Clone, Copy)]
pub struct RawWire;

impl Wire for RawWire {
    fn id(&self) -> WireId {
        WireId(48)
    }

    fn encode(&self, _namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        let Outgoing::Event { args, .. } = what else { return };
        let out = out.text();
        out.extend_from_slice(b"a[");
        write_message(out, args);
        out.extend_from_slice(b"]");
    }
}

fn write_message(out: &mut BytesMut, args: &Args) {
    let json = args.to_base64_json();
    let mut elements = json::elements(&json);
    match (elements.next(), elements.next()) {
        (Some(only), None) if only.starts_with('"') => write_valid_string(out, only),
        (Some(only), None) => write_string(out, only),
        _ => write_string(out, &format!("[{json}]")),
    }
}

/// Puts each text of another wire form into an `a[..]` frame; what is binary there becomes
/// base64.
#[derive(Debug, Clone, Copy)]
pub struct Wrapped {
    inner: &'static dyn Wire,
    id: WireId,
}

impl Wrapped {
    /// A wire form with a number of its own, from 49 to 63.
    pub const fn new(inner: &'static dyn Wire, id: WireId) -> Self {
        Self { inner, id }
    }

    fn wrap(&self, encode: impl FnOnce(&dyn Wire, &mut Encoding), out: &mut Encoding) {
        let mut inner = Encoding::default();
        encode(self.inner, &mut inner);
        let Some(prepared) = inner.finish(|_, _, _| 0) else { return };
        for frame in prepared.frames() {
            let out = out.text();
            out.extend_from_slice(b"a[");
            match (frame.kind(), std::str::from_utf8(frame.as_payload())) {
                (Kind::Text, Ok(text)) => write_string(out, text),
                _ => write_string(out, &STANDARD.encode(frame.as_payload())),
            }
            out.extend_from_slice(b"]");
        }
    }
}

impl Wire for Wrapped {
    fn id(&self) -> WireId {
        self.id
    }

    fn encode(&self, namespace: &str, what: Outgoing<'_>, out: &mut Encoding) {
        self.wrap(|inner, encoding| inner.encode(namespace, what, encoding), out);
    }

    fn encode_resume(&self, resume: Resume<'_>, out: &mut Encoding) {
        self.wrap(|inner, encoding| inner.encode_resume(resume, encoding), out);
    }
}

#[cfg(test)]
mod tests;
