//! Answers to `POST {hub}/negotiate` (`TransportProtocols.md`, "`POST [endpoint-base]/negotiate`").
//!
//! All of them have status 200 and [`CONTENT_TYPE`], also the errors.

use crate::request::NegotiateVersion;
use crate::{Transport, Transports};
use bytes::{Bytes, BytesMut};
use omniwire_session::{Answer, json};

/// `Content-Type` of negotiate answers.
pub const CONTENT_TYPE: &str = "application/json";

/// The answer to a negotiate request.
///
/// `connection_id` is public. In version 1 `connection_token` is the secret that opens the
/// connection; in version 0 there is none, and `connection_id` is what the client connects with.
/// `stateful`: a reconnect may be stateful. Clients take that ill if they did not ask for it.
pub fn accept(
    version: NegotiateVersion,
    connection_id: &str,
    connection_token: &str,
    transports: Transports,
    stateful: bool,
) -> Answer {
    let mut out = BytesMut::with_capacity(384);
    match version {
        NegotiateVersion::V0 => {
            out.extend_from_slice(b"{\"negotiateVersion\":0,\"connectionId\":");
            json::write_str(&mut out, connection_id);
        }
        NegotiateVersion::V1 => {
            out.extend_from_slice(b"{\"negotiateVersion\":1,\"connectionId\":");
            json::write_str(&mut out, connection_id);
            out.extend_from_slice(b",\"connectionToken\":");
            json::write_str(&mut out, connection_token);
        }
    }
    if stateful {
        out.extend_from_slice(b",\"useStatefulReconnect\":true");
    }
    out.extend_from_slice(b",\"availableTransports\":[");
    let offered = ALL.iter().filter(|&&transport| transports.has(transport));
    for (index, &transport) in offered.enumerate() {
        let separator = if index == 0 { "" } else { "," };
        let formats = match transport {
            Transport::ServerSentEvents => "[\"Text\"]",
            _ => "[\"Text\",\"Binary\"]",
        };
        let name = transport.as_str();
        let item = format!("{separator}{{\"transport\":\"{name}\",\"transferFormats\":{formats}}}");
        out.extend_from_slice(item.as_bytes());
    }
    out.extend_from_slice(b"]}");
    answer(out.freeze())
}

/// Refuses a negotiate request.
pub fn refuse(text: &str) -> Answer {
    let mut out = BytesMut::with_capacity(text.len().saturating_add(12));
    out.extend_from_slice(b"{\"error\":");
    json::write_str(&mut out, text);
    out.extend_from_slice(b"}");
    answer(out.freeze())
}

/// Sends the client elsewhere: it negotiates again at `url`, with `access_token` if there is one.
pub fn redirect(url: &str, access_token: Option<&str>) -> Answer {
    let mut out = BytesMut::with_capacity(url.len().saturating_add(64));
    out.extend_from_slice(b"{\"url\":");
    json::write_str(&mut out, url);
    if let Some(token) = access_token {
        out.extend_from_slice(b",\"accessToken\":");
        json::write_str(&mut out, token);
    }
    out.extend_from_slice(b"}");
    answer(out.freeze())
}

fn answer(body: Bytes) -> Answer {
    Answer::new(200, CONTENT_TYPE, body)
}

/// In the order in which clients try them.
const ALL: [Transport; 3] =
    [Transport::WebSockets, Transport::ServerSentEvents, Transport::LongPolling];

#[cfg(test)]
mod tests;
