//! Requests below a service's prefix, and the answers that need no session.
//!
//! [`find`] says what a request is. It looks at the path below the prefix, percent-escapes
//! kept, so that a service at `/echo` must not be asked about `/echofoo`. Origins are the
//! server's matter: here each one is let in.

use crate::dress::Dress;
use bytes::Bytes;
use omniwire_session::{ByteString, Carrier};

mod answer;
mod date;
mod form;
mod iframe;

pub use answer::{Response, not_a_websocket, too_large};
pub use form::decode_form;

/// What may differ between services, as requests see it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Service {
    /// Whether WebSockets are on, the raw one included.
    pub websocket: bool,
    /// Whether each session URL sets the cookie JSESSIONID, which some balancers want to see.
    pub cookie: bool,
    /// Whether answers have CORS headers, and there is an iframe page.
    pub cors: bool,
    /// Whether `jsonp` and `htmlfile` are on, by which a page of any origin that has no CORS is
    /// answered in scripts. No browser of this decade needs them: off by default.
    pub scripts: bool,
    /// The address of the client's script, for the iframe page. It must be of the version that
    /// the page uses.
    pub client_url: ByteString,
    /// The address that `/info` tells clients to use instead of the one they asked.
    pub base_url: Option<ByteString>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            websocket: true,
            cookie: false,
            cors: true,
            scripts: false,
            client_url: ByteString::from_static(
                "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js",
            ),
            base_url: None,
        }
    }
}

/// A request, as far as it matters here. An absent header is `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The method. An extended CONNECT for a WebSocket (RFC 8441) counts as `GET`.
    pub method: &'a str,
    /// The path below the prefix: empty, or beginning with a slash.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Access-Control-Request-Headers`.
    pub asked_headers: Option<&'a str>,
    /// `Cookie`.
    pub cookie: Option<&'a str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The time, in seconds since 1970, for `Expires`.
    pub now_unix: u64,
}

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// This is its whole answer.
    Answered(Response),
    /// `/info`: answered by [`Response::info`] of this head.
    Info(Response),
    /// `/chunking_test`: [`CHUNKING_TEST`] with this head.
    ChunkingTest(Response),
    /// An upgrade to the raw WebSocket, which has nothing of SockJS.
    RawWebSocket,
    /// An upgrade to a WebSocket, to be attached to a new session of its own.
    WebSocket,
    /// A request that receives. Unless there is a session of this name, it begins one.
    Receive {
        /// The session's name.
        session: &'a str,
        /// What to attach.
        carrier: Carrier,
        /// What to dress it in: [`crate::SockJsSession::dress`].
        dress: Dress,
        /// The head of the response; its body is the prelude, to be sent at once as a chunk of
        /// its own if it is not empty.
        head: Response,
    },
    /// A request that sends. The session's messages are in the body: see [`decode_form`].
    Send {
        /// The session's name.
        session: &'a str,
        /// The body is that of a form: the transport is `jsonp_send`.
        form: bool,
        /// The answer, if the session takes the body. Otherwise its fault is the answer, with
        /// this head's headers but `Content-Type`.
        head: Response,
    },
}

/// Says what a request is.
pub fn find<'a>(service: &Service, request: &Request<'a>) -> Found<'a> {
    let path = request.path.strip_suffix('/').unwrap_or(request.path);
    let Some(path) = path.strip_prefix('/') else {
        return match path {
            "" => only(request, "GET", || Found::Answered(Response::greeting())),
            _ => not_found(),
        };
    };
    let mut parts = path.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("info"), None, ..) => info(service, request),
        (Some("chunking_test"), None, ..) => post(service, request, || {
            Found::ChunkingTest(Response::chunking_test_head(service, request))
        }),
        (Some("websocket"), None, ..) if service.websocket => {
            only(request, "GET", || Found::RawWebSocket)
        }
        (Some(page), None, ..) if service.cors && iframe::is_page(page) => {
            only(request, "GET", || Found::Answered(iframe::page(service, request)))
        }
        (Some(server), Some(session), Some(transport), None)
            if is_name(server) && is_name(session) =>
        {
            find_transport(service, request, session, transport)
        }
        _ => not_found(),
    }
}

/// Server and session are anything without dots; the server is of no consequence.
fn is_name(part: &str) -> bool {
    !part.is_empty() && !part.contains('.')
}

fn find_transport<'a>(
    service: &Service,
    request: &Request<'a>,
    session: &'a str,
    transport: &str,
) -> Found<'a> {
    let receive = |carrier, dress: Dress, prelude| {
        let head = Response::receive(service, request, &dress, prelude);
        Found::Receive { session, carrier, dress, head }
    };
    let send = |form| {
        let head = Response::send(service, request, form);
        Found::Send { session, form, head }
    };
    match transport {
        "websocket" if service.websocket => only(request, "GET", || Found::WebSocket),
        "xhr" => post(service, request, || receive(Carrier::LongPoll, Dress::Lines, Bytes::new())),
        "xhr_streaming" => post(service, request, || {
            receive(Carrier::Streaming, Dress::Lines, Bytes::from_static(&STREAM_PRELUDE))
        }),
        "xhr_send" => post(service, request, || match is_json_type(request.content_type) {
            true => send(false),
            false => Found::Answered(Response::text(500, "Payload expected.")),
        }),
        "eventsource" => only(request, "GET", || {
            receive(Carrier::EventStream, Dress::EventSource, Bytes::from_static(b"\r\n"))
        }),
        "htmlfile" if service.scripts => {
            only(request, "GET", || match form::callback(request.query, 128) {
                Ok(name) => {
                    receive(Carrier::Streaming, Dress::HtmlFile, iframe::htmlfile_prelude(&name))
                }
                Err(text) => Found::Answered(Response::text(500, text)),
            })
        }
        "jsonp" if service.scripts => {
            only(request, "GET", || match form::callback(request.query, 32) {
                Ok(name) => receive(Carrier::LongPoll, Dress::Jsonp(Box::new(name)), Bytes::new()),
                Err(text) => Found::Answered(Response::text(500, text)),
            })
        }
        "jsonp_send" if service.scripts => only(request, "POST", || send(true)),
        _ => not_found(),
    }
}

fn info<'a>(service: &Service, request: &Request<'_>) -> Found<'a> {
    match request.method {
        "GET" => Found::Info(Response::info_head(service, request)),
        "OPTIONS" => Found::Answered(Response::preflight(service, request, "OPTIONS, GET")),
        _ => Found::Answered(Response::bad_method("OPTIONS, GET")),
    }
}

/// A POST that another origin may ask about first.
fn post<'a>(
    service: &Service,
    request: &Request<'_>,
    found: impl FnOnce() -> Found<'a>,
) -> Found<'a> {
    match request.method {
        "POST" => found(),
        "OPTIONS" => Found::Answered(Response::preflight(service, request, "OPTIONS, POST")),
        _ => Found::Answered(Response::bad_method("POST, OPTIONS")),
    }
}

fn only<'a>(
    request: &Request<'_>,
    method: &'static str,
    found: impl FnOnce() -> Found<'a>,
) -> Found<'a> {
    if request.method == method {
        return found();
    }
    Found::Answered(Response::bad_method(method))
}

fn not_found<'a>() -> Found<'a> {
    Found::Answered(Response::text(404, NOT_FOUND))
}

/// Whether `xhr_send` takes a body of this type, as the reference server does.
fn is_json_type(content_type: Option<&str>) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    matches!(essence, "text/plain" | "T" | "application/json" | "application/xml" | "" | "text/xml")
}

/// What `/chunking_test` brings, each after a pause in milliseconds, as a chunk of its own. Clients
/// of the protocol before 0.3 saw by it whether something on the way holds answers back; the
/// reference server still has it.
pub const CHUNKING_TEST: [(u64, &[u8]); 7] = [
    (0, b"h\n"),
    (1, &CHUNKING_PADDING),
    (5, b"h\n"),
    (25, b"h\n"),
    (125, b"h\n"),
    (625, b"h\n"),
    (3125, b"h\n"),
];

static CHUNKING_PADDING: [u8; 2050] = {
    let mut padding = [b' '; 2050];
    padding[2048] = b'h';
    padding[2049] = b'\n';
    padding
};

/// `Content-Type` of texts.
pub const TEXT: &str = "text/plain; charset=UTF-8";

/// The body of 404, for sessions that are not there as well.
pub const NOT_FOUND: &str = "404 Error: Page not found\n";

/// What `xhr_streaming` begins with: 2 KiB that make old browsers read on.
static STREAM_PRELUDE: [u8; 2049] = {
    let mut prelude = [b'h'; 2049];
    prelude[2048] = b'\n';
    prelude
};

#[cfg(test)]
mod tests;
