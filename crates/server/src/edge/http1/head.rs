//! Which requests go by the short way. Whatever two readers of HTTP could read in two ways does
//! not: one reader, hyper, decides.

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use omniwire_session::limits::Limits;

/// A request with all of its body.
pub(super) struct Whole {
    pub(super) request: Request<Body>,
    /// The client does not ask to close the connection after the answer.
    pub(super) lasts: bool,
    /// It wants the connection for a WebSocket.
    pub(super) asks_for_upgrade: bool,
}

/// As many as are looked at; a request with more is hyper's.
const HEADERS_MAX: usize = 64;

/// Takes a whole and ordinary request off the front of `unread`. `None`: it is not one, and `unread`
/// is as it was. WebSockets are ordinary where `is_ours` has the path.
pub(super) fn take(
    unread: &mut Bytes,
    limits: &Limits,
    is_ours: impl FnOnce(&str) -> bool,
) -> Option<Whole> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head_len) = parsed.parse(unread).ok()? else { return None };
    if head_len > limits.head_len_max || parsed.headers.len() > limits.headers_max {
        return None;
    }
    let (method, target, Some(1)) = (parsed.method?, parsed.path?, parsed.version) else {
        return None;
    };
    let method = match method {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "OPTIONS" => Method::OPTIONS,
        "DELETE" => Method::DELETE,
        _ => return None,
    };
    // No absolute form, `*` or authority (RFC 9112, 3.2.1).
    if !target.starts_with('/') {
        return None;
    }
    let uri = Uri::from_maybe_shared(unread.slice_ref(target.as_bytes())).ok()?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(unread.slice_ref(field.value)).ok()?;
        headers.append(name, value);
    }
    let body_len = body_len(&headers)?;
    let asks_for_upgrade = headers.contains_key(UPGRADE);
    let lasts = if asks_for_upgrade {
        let is_plain = method == Method::GET && body_len == 0 && asks_for_websocket(&headers);
        (is_plain && is_ours(uri.path())).then_some(true)
    } else {
        lasts(&headers)
    }?;
    if headers.get_all(HOST).iter().count() != 1 || unread.len().saturating_sub(head_len) < body_len
    {
        return None;
    }
    unread.advance(head_len);
    let body = unread.split_to(body_len);
    let body = if body.is_empty() { Body::empty() } else { Body::from(body) };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Some(Whole { request, lasts, asks_for_upgrade })
}

/// Whether `unread` is the beginning of a head, with nothing wrong in it so far. Empty lines before
/// it, which may be very many, are hyper's.
pub(super) fn is_begun(unread: &[u8], limits: &Limits) -> bool {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let parsed = httparse::Request::new(&mut fields).parse(unread);
    let is_begun = match parsed {
        Ok(httparse::Status::Partial) => !unread.starts_with(b"\r") && !unread.starts_with(b"\n"),
        Err(httparse::Error::TooManyHeaders) => !may_end(unread, 0),
        _ => false,
    };
    is_begun && unread.len() <= limits.head_len_max
}

/// Whether an empty line, which ends a head, ends in what comes after the first `seen` bytes.
pub(super) fn may_end(unread: &[u8], seen: usize) -> bool {
    let lines = unread.get(seen.saturating_sub(2)..).unwrap_or_default();
    lines.windows(2).any(|end| end == b"\n\n") || lines.windows(3).any(|end| end == b"\n\r\n")
}

/// How long the body is. `None`: that takes more than one number to say, or the client waits for
/// leave to send it.
fn body_len(headers: &HeaderMap) -> Option<usize> {
    if headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(EXPECT) {
        return None;
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Some(0) };
    let digits = length.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    // Two numbers, even alike, are for hyper to judge (RFC 9112, 6.3).
    if lengths.next().is_some() { None } else { digits.parse().ok() }
}

/// Whether the connection stays open. `None`: it says something else about the connection.
fn lasts(headers: &HeaderMap) -> Option<bool> {
    let mut options = headers.get_all(CONNECTION).iter();
    let Some(option) = options.next() else { return Some(true) };
    if options.next().is_some() {
        return None;
    }
    match option.as_bytes() {
        option if option.eq_ignore_ascii_case(b"keep-alive") => Some(true),
        option if option.eq_ignore_ascii_case(b"close") => Some(false),
        _ => None,
    }
}

/// Whether it asks for a WebSocket and for nothing else of its connection.
fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().and_then(|value| value.to_str().ok());
        value.filter(|_| values.next().is_none()).unwrap_or_default()
    };
    only(UPGRADE).eq_ignore_ascii_case("websocket")
        && only(CONNECTION).split(',').all(|option| {
            let option = option.trim();
            option.eq_ignore_ascii_case("upgrade") || option.eq_ignore_ascii_case("keep-alive")
        })
}
