//! HTTP answers.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use omniwire_session::{Answer, Fault};

/// Header fields that a kind of answer always has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Headers(pub(crate) &'static [(&'static str, &'static str)]);

impl Headers {
    /// Sets them.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        for &(name, value) in self.0 {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}

/// The answer as a response.
pub(crate) fn respond(answer: Answer) -> Response<Body> {
    let Answer { status, content_type, body } = answer;
    let bodiless = body.is_empty();
    let mut response = Response::new(if bodiless { Body::empty() } else { Body::from(body) });
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if !content_type.is_empty() {
        let content_type = HeaderValue::from_static(content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// Whether a request asks to change the protocol of its connection (RFC 9110, 7.8).
pub(crate) fn asks_for_upgrade<B>(request: &Request<B>) -> bool {
    request.version() <= Version::HTTP_11 && request.headers().contains_key(header::UPGRADE)
}

/// Ends the connection if it was not changed: what follows on it may be meant for the other
/// protocol, and a proxy may have taken it for that.
pub(crate) fn end_unless_upgraded(response: &mut Response<Body>) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // RFC 9110, 15.5.22 and 7.6.1: a 426 names `upgrade` too.
        let named = response.headers().contains_key(header::UPGRADE);
        let options = HeaderValue::from_static(if named { "upgrade, close" } else { "close" });
        response.headers_mut().insert(header::CONNECTION, options);
    }
}

/// The refusal of a request that broke a rule.
pub(crate) fn refuse(fault: Fault) -> Response<Body> {
    let content_type = if fault.text.is_empty() { "" } else { fault.content_type };
    respond(Answer { status: fault.status, content_type, body: fault.text.into_bytes() })
}

/// A refusal in a few words.
pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    respond(Answer::new(status.as_u16(), "text/plain; charset=utf-8", text))
}

/// The body of a request broke off, is too long or took too long.
pub(crate) fn body_not_taken(status: StatusCode) -> Response<Body> {
    plain(status, "the body was not taken\n")
}

/// 404.
pub(crate) fn not_found() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "nothing is mounted at this path\n")
}

/// 405 with what is allowed.
pub(crate) fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// 403 for a page of another origin.
pub(crate) fn foreign_origin() -> Response<Body> {
    plain(StatusCode::FORBIDDEN, "pages of this origin are not allowed here\n")
}

/// 421 for a request that names a host which is not ours (RFC 9110, 15.5.20).
pub(crate) fn misdirected() -> Response<Body> {
    plain(StatusCode::MISDIRECTED_REQUEST, "this server has another name\n")
}

/// 400 for a Host that is none (RFC 9112, 3.2).
pub(crate) fn bad_host() -> Response<Body> {
    plain(StatusCode::BAD_REQUEST, "the Host header is malformed\n")
}

/// The refusal of a session more: for the whole server 503, for one address 429.
pub(crate) fn too_many_sessions(status: StatusCode) -> Response<Body> {
    let mut response = plain(status, "there are too many sessions\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
