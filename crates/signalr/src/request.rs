//! What a request to a hub's path is (`TransportProtocols.md`).
//!
//! One path serves every transport: the method, the query and the headers tell them apart.

use crate::answers;
use http::{HeaderMap, Method, header};
use omniwire_session::{ByteString, Fault};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// What a request to a hub's path asks for. A token names a connection that negotiate made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `POST {hub}/negotiate`. Answered by [`crate::negotiate::accept`], or as the version says.
    Negotiate {
        /// The version to answer in, or the text to refuse with.
        version: Result<NegotiateVersion, ByteString>,
        /// Whether the client asks for stateful reconnect.
        stateful: bool,
    },
    /// A WebSocket. Without a token it is a new connection (the client skips negotiate).
    Connect {
        /// The connection.
        token: Option<ByteString>,
    },
    /// An event stream.
    EventStream {
        /// The connection.
        token: ByteString,
    },
    /// A long poll.
    Poll {
        /// The connection.
        token: ByteString,
    },
    /// Messages of the client; the body of a POST.
    Send {
        /// The connection.
        token: ByteString,
    },
    /// The client ends its connection.
    Delete {
        /// The connection.
        token: ByteString,
    },
}

/// The versions of negotiate answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NegotiateVersion {
    /// The id that others see also opens the connection.
    V0,
    /// A secret token opens the connection.
    V1,
}

/// The parts of a request's head that matter.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// What the path has behind the hub's own path: nothing, or `/negotiate`.
    pub tail: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The query, without its question mark.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Whether it is a WebSocket handshake: an upgrade of HTTP/1.1, or an extended CONNECT.
    pub is_websocket_upgrade: bool,
}

impl Head<'_> {
    /// Whether it is a poll, be it one that is refused: no cache may keep its answer.
    #[must_use]
    pub fn is_poll(&self) -> bool {
        self.tail.trim_end_matches('/').is_empty()
            && self.method == Method::GET
            && !self.is_websocket_upgrade
            && !accepts_event_stream(self.headers)
    }
}

impl Request {
    /// Reads what a request asks for.
    ///
    /// # Errors
    /// The refusal that ASP.NET Core gives. A `OPTIONS` request never gets here: it is answered by
    /// CORS.
    pub fn read(negotiate_version_min: u8, head: &Head<'_>) -> Result<Self, Fault> {
        let query = head.query.unwrap_or_default();
        match head.tail.trim_end_matches('/') {
            "" => Self::read_connect(head, query),
            "/negotiate" if head.method == Method::POST => Ok(Self::Negotiate {
                version: negotiate_version(negotiate_version_min, query),
                stateful: query_value(query, "useStatefulReconnect")
                    .is_some_and(|value| value.trim().eq_ignore_ascii_case("true")),
            }),
            "/negotiate" => Err(answers::method_not_allowed()),
            _ => Err(Fault::new(404, "")),
        }
    }

    fn read_connect(head: &Head<'_>, query: &str) -> Result<Self, Fault> {
        let token = query_value(query, "id")
            .filter(|value| !value.is_empty())
            .map(|value| ByteString::from(value.into_owned()));
        if head.is_websocket_upgrade {
            return Ok(Self::Connect { token });
        }
        let known = [Method::GET, Method::POST, Method::DELETE].contains(head.method);
        if !known {
            return Err(answers::method_not_allowed());
        }
        let token = token.ok_or_else(answers::connection_id_required)?;
        Ok(match *head.method {
            Method::POST => Self::Send { token },
            Method::DELETE => Self::Delete { token },
            _ if accepts_event_stream(head.headers) => Self::EventStream { token },
            _ => Self::Poll { token },
        })
    }
}

/// The first value in `query` whose name is `name` without regard to case, decoded.
pub fn query_value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        decode(key).eq_ignore_ascii_case(name).then(|| decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// Whether `text/event-stream` is anywhere in the list of accepted types.
fn accepts_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|item| item.split(';').next())
        .any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Version 0 if none is asked for; what is above 1 is answered as 1.
fn negotiate_version(min: u8, query: &str) -> Result<NegotiateVersion, ByteString> {
    let asked = match query_value(query, "negotiateVersion") {
        None => 0,
        Some(text) => text
            .trim()
            .parse::<i32>()
            .map_err(|_| "The client requested a non-integer protocol version.")?,
    };
    if asked < i32::from(min) {
        return Err(format!(
            "The client requested version '{asked}', but the server does not support this version."
        )
        .into());
    }
    Ok(if asked == 0 { NegotiateVersion::V0 } else { NegotiateVersion::V1 })
}

#[cfg(test)]
mod tests;
