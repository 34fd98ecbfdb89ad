//! How each transport writes frames.

use bytes::{Bytes, BytesMut};
use omniwire_session::{ByteString, Carrier};

/// What a response of a transport wraps its frames in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dress {
    /// `websocket`: nothing, each frame is a message.
    WebSocket,
    /// `xhr` and `xhr_streaming`: a line each.
    Lines,
    /// `eventsource`: an event each, `%` and what ends lines percent-escaped.
    EventSource,
    /// `htmlfile`: a script each.
    HtmlFile,
    /// `jsonp`: a call of this function.
    Jsonp(Box<ByteString>),
}

impl Dress {
    /// The customary dress of a carrier.
    pub fn of(carrier: Carrier) -> Self {
        match carrier {
            Carrier::WebSocket | Carrier::WebTransport => Self::WebSocket,
            Carrier::LongPoll | Carrier::Streaming => Self::Lines,
            Carrier::EventStream => Self::EventSource,
        }
    }

    /// `Content-Type` of the response.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::WebSocket => "",
            Self::Lines | Self::Jsonp(_) => "application/javascript; charset=UTF-8",
            Self::EventSource => "text/event-stream",
            Self::HtmlFile => "text/html; charset=UTF-8",
        }
    }

    /// One frame, dressed.
    pub(crate) fn wrap(&self, frame: &str) -> Bytes {
        let mut out = BytesMut::with_capacity(frame.len().saturating_add(32));
        self.begin(&mut out);
        self.put(&mut out, frame.as_bytes());
        self.end(&mut out);
        out.freeze()
    }

    /// Writes what stands before a frame.
    pub(crate) fn begin(&self, out: &mut BytesMut) {
        match self {
            Self::WebSocket | Self::Lines => {}
            Self::EventSource => out.extend_from_slice(b"data: "),
            Self::HtmlFile => out.extend_from_slice(b"<script>\np(\""),
            Self::Jsonp(callback) => {
                // The comment keeps the callback from being the first bytes of a Flash file.
                out.extend_from_slice(b"/**/");
                out.extend_from_slice(callback.as_bytes());
                out.extend_from_slice(b"(\"");
            }
        }
    }

    /// Writes a part of a frame.
    pub(crate) fn put(&self, out: &mut BytesMut, part: &[u8]) {
        match self {
            Self::WebSocket | Self::Lines => out.extend_from_slice(part),
            Self::EventSource => put_escaped(out, part, |byte| match byte {
                // Clients run decodeURI on each event.
                b'%' => Some(b"%25"),
                b'\r' => Some(b"%0D"),
                b'\n' => Some(b"%0A"),
                0 => Some(b"%00"),
                _ => None,
            }),
            Self::HtmlFile | Self::Jsonp(_) => put_escaped(out, part, |byte| match byte {
                b'"' => Some(b"\\\""),
                b'\\' => Some(b"\\\\"),
                b'\n' => Some(b"\\n"),
                b'\r' => Some(b"\\r"),
                // Or `</script>` in a message would end the script.
                b'<' => Some(b"\\u003c"),
                0 => Some(b"\\u0000"),
                _ => None,
            }),
        }
    }

    /// Writes what stands after a frame.
    pub(crate) fn end(&self, out: &mut BytesMut) {
        match self {
            Self::WebSocket => {}
            Self::Lines => out.extend_from_slice(b"\n"),
            Self::EventSource => out.extend_from_slice(b"\r\n\r\n"),
            Self::HtmlFile => out.extend_from_slice(b"\");\n</script>\r\n"),
            Self::Jsonp(_) => out.extend_from_slice(b"\");\r\n"),
        }
    }
}

fn put_escaped(out: &mut BytesMut, part: &[u8], escape: impl Fn(u8) -> Option<&'static [u8]>) {
    let mut done = 0;
    for (at, &byte) in part.iter().enumerate() {
        if let Some(escape) = escape(byte) {
            out.extend_from_slice(part.get(done..at).unwrap_or_default());
            out.extend_from_slice(escape);
            done = at.saturating_add(1);
        }
    }
    out.extend_from_slice(part.get(done..).unwrap_or_default());
}

#[cfg(test)]
mod tests;
