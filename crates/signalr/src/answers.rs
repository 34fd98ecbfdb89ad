//! Answers and headers of ASP.NET Core's connection endpoint, word for word.

use crate::Transport;
use omniwire_session::{Answer, Fault};

/// `(name, value)` pairs of a response.
pub type Headers = &'static [(&'static str, &'static str)];

/// Headers of every answer to a poll. One without a body (204) has no `Content-Type`.
pub const POLL_HEADERS: Headers = &[
    ("cache-control", "no-cache, no-store"),
    ("pragma", "no-cache"),
    ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
];

/// `Content-Type` of a poll's answer with status 200.
pub const POLL_CONTENT_TYPE: &str = "application/octet-stream";

/// Headers of an event stream.
pub const EVENT_STREAM_HEADERS: Headers = &[
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache,no-store"),
    ("pragma", "no-cache"),
    ("content-encoding", "identity"),
];

/// What an event stream begins with, sent at once so that the client sees it open.
pub const EVENT_STREAM_OPENING: &[u8] = b":\r\n";

/// `Content-Type` of everything that is only words.
pub const TEXT: &str = "text/plain";

/// A request that needs the query's `id` and has none.
pub fn connection_id_required() -> Fault {
    refuse(400, "Connection ID required")
}

/// The token in `id` names no connection, or one that is over.
pub fn no_connection() -> Fault {
    refuse(404, "No Connection with that ID")
}

/// The hub does not offer this transport.
pub fn transport_off(transport: Transport) -> Fault {
    refuse(404, &format!("{} transport not supported by this end point type", transport.as_str()))
}

/// The connection runs over another transport already.
pub fn transport_changed() -> Fault {
    refuse(400, "Cannot change transports mid-connection")
}

/// The connection has its WebSocket or its event stream already.
pub fn already_connected() -> Fault {
    refuse(409, "")
}

/// A POST to a connection that runs over a WebSocket.
pub fn send_on_web_socket() -> Fault {
    refuse(405, "POST requests are not allowed for WebSocket connections.")
}

/// A DELETE of a connection that does not run over long polling.
pub fn delete_not_allowed() -> Fault {
    refuse(400, "Cannot terminate this connection using the DELETE endpoint.")
}

/// Another method than the endpoint knows.
pub fn method_not_allowed() -> Fault {
    refuse(405, "")
}

/// The answer to a POST that was taken.
pub fn sent() -> Answer {
    Answer { content_type: TEXT, ..Answer::empty(200) }
}

/// The answer to a DELETE that was taken.
pub fn deleted() -> Answer {
    Answer { content_type: TEXT, ..Answer::empty(202) }
}

/// The answer to a poll that has nothing to bring: the first one, and an idle one.
pub fn poll_empty() -> Answer {
    Answer { content_type: POLL_CONTENT_TYPE, ..Answer::empty(200) }
}

/// The answer to a poll that a newer one replaced, or whose connection is over.
pub fn poll_over() -> Answer {
    Answer::empty(204)
}

fn refuse(status: u16, text: &str) -> Fault {
    Fault { content_type: TEXT, ..Fault::new(status, text) }
}
