//! The server's side of the opening handshake (RFC 6455 section 4.2, RFC 8441 section 5).

use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use super::list::{holds_token, only, tokens};
use super::{accept_value, extensions, is_key};
use crate::deflate;

/// What the handshake reads of a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// GET, or CONNECT over HTTP/2 and HTTP/3.
    pub method: &'a Method,
    /// The version of HTTP.
    pub version: Version,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The pseudo-header `:protocol` of an extended CONNECT (in hyper: `hyper::ext::Protocol` among
    /// the request's extensions).
    pub protocol: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A request of HTTP/1.1, or any other without `:protocol`.
    #[must_use]
    pub fn new<B>(request: &'a http::Request<B>) -> Self {
        Self {
            method: request.method(),
            version: request.version(),
            headers: request.headers(),
            protocol: None,
        }
    }
}

/// What the server is willing to agree to.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The subprotocols we speak, the most wanted first.
    pub subprotocols: Vec<String>,
    /// Compression, if we want it.
    pub deflate: Option<deflate::Config>,
}

/// The handshake succeeded: send this answer, and frames follow.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// 101 for HTTP/1.1, 200 for extended CONNECT.
    pub status: StatusCode,
    /// The header fields of the answer.
    pub headers: HeaderMap,
    /// The subprotocol chosen from those that the client offered.
    pub subprotocol: Option<String>,
    /// The compression agreed to, for [`crate::Connection::server`].
    pub deflate: Option<deflate::Agreed>,
}

impl Accepted {
    /// The answer as a whole.
    pub fn response<B: Default>(&self) -> http::Response<B> {
        respond(self.status, self.headers.clone())
    }
}

/// The handshake failed: send this answer, and go on with HTTP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({})", status.as_u16())]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// The header fields of the answer that the status asks for.
    pub headers: HeaderMap,
    /// One sentence for the answer's body.
    pub reason: &'static str,
}

impl Refusal {
    /// A refusal of the caller's own, such as 403 for an Origin or 404 for a path.
    #[must_use]
    pub fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, headers: HeaderMap::new(), reason }
    }

    /// The answer as a whole, with the reason as its body.
    pub fn response<B: From<&'static str>>(&self) -> http::Response<B> {
        respond(self.status, self.headers.clone()).map(|()| self.reason.into())
    }
}

/// Checks a request by every rule that can be decided here, and makes the answer.
///
/// Left to the caller: the path, the credentials, and the Origin ([`super::origin`]).
///
/// ```
/// use omniwire_websocket::handshake::server::{Options, Request, accept};
///
/// let request = http::Request::get("/chat")
///     .header("host", "example.com")
///     .header("upgrade", "websocket")
///     .header("connection", "keep-alive, Upgrade")
///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .header("sec-websocket-version", "13")
///     .header("sec-websocket-protocol", "chat, superchat")
///     .body(())?;
/// let options = Options { subprotocols: vec!["superchat".into()], deflate: None };
/// let accepted = accept(&Request::new(&request), &options)?;
/// assert_eq!(accepted.status, 101);
/// assert_eq!(accepted.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// assert_eq!(accepted.subprotocol.as_deref(), Some("superchat"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A [`Refusal`], which is an HTTP answer.
pub fn accept(request: &Request<'_>, options: &Options) -> Result<Accepted, Refusal> {
    agree(request, options).map_err(Refusal::from)
}

fn agree(request: &Request<'_>, options: &Options) -> Result<Accepted, Reject> {
    let mut headers = HeaderMap::new();
    let status = if *request.method == Method::CONNECT {
        check_connect(request)?;
        check_version(request.headers)?;
        StatusCode::OK // RFC 8441 section 5
    } else {
        let key = check_upgrade(request)?;
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, header_value(&accept_value(key))?);
        StatusCode::SWITCHING_PROTOCOLS
    };
    let subprotocol = choose_subprotocol(request.headers, &options.subprotocols)?;
    if let Some(subprotocol) = subprotocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, header_value(subprotocol)?);
    }
    let offers = extensions::read_extensions(request.headers)
        .map_err(|_| bad_request("Sec-WebSocket-Extensions is malformed."))?; // section 9.1
    let mut agreed = None;
    if let Some(config) = &options.deflate
        && let Some((deflate, answer)) = deflate::agree(&offers, config)
    {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, header_value(&answer)?);
        agreed = Some(deflate);
    }
    Ok(Accepted { status, headers, subprotocol: subprotocol.map(str::to_owned), deflate: agreed })
}

/// RFC 8441 section 4: `:protocol` says what is to be spoken.
fn check_connect(request: &Request<'_>) -> Result<(), Reject> {
    if request.version < Version::HTTP_2 {
        return Err(NOT_GET);
    }
    match request.protocol {
        Some(protocol) if protocol.eq_ignore_ascii_case("websocket") => {}
        // RFC 9220 section 3.
        Some(_) => {
            return Err(Reject::new(
                StatusCode::NOT_IMPLEMENTED,
                "The only :protocol spoken here is websocket.",
            ));
        }
        None => return Err(NOT_GET),
    }
    // RFC 9113 section 8.2.2.
    if request.headers.contains_key(CONNECTION) || request.headers.contains_key(UPGRADE) {
        return Err(bad_request("Connection and Upgrade have no place in HTTP/2 and HTTP/3."));
    }
    Ok(())
}

/// Section 4.2.1: the request of HTTP/1.1. Returns the key.
fn check_upgrade<'a>(request: &Request<'a>) -> Result<&'a [u8], Reject> {
    let headers = request.headers;
    if *request.method != Method::GET {
        return Err(NOT_GET); // item 1
    }
    if request.version > Version::HTTP_11 {
        return Err(bad_request(
            "Over HTTP/2 and HTTP/3 a WebSocket begins with extended CONNECT.",
        ));
    }
    if request.version < Version::HTTP_11 {
        return Err(bad_request("A WebSocket needs HTTP/1.1 or later.")); // item 1
    }
    // Item 2, RFC 9112 section 3.2.
    match only(headers, HOST) {
        Ok(Some(_)) => {}
        Ok(None) => return Err(bad_request("Host is missing.")),
        Err(_) => return Err(bad_request("Host stands more than once.")),
    }
    if !holds_token(headers, UPGRADE, "websocket") {
        return Err(UPGRADE_REQUIRED); // item 3
    }
    if !holds_token(headers, CONNECTION, "upgrade") {
        return Err(bad_request("Connection does not hold the token upgrade.")); // item 4
    }
    check_no_body(headers)?;
    check_version(headers)?;
    // Item 5, section 11.3.1.
    match only(headers, SEC_WEBSOCKET_KEY) {
        Ok(Some(key)) if is_key(key) => Ok(key),
        Ok(Some(_)) => Err(bad_request("Sec-WebSocket-Key is not the base64 form of 16 octets.")),
        Ok(None) => Err(bad_request("Sec-WebSocket-Key is missing.")),
        Err(_) => Err(bad_request("Sec-WebSocket-Key stands more than once.")),
    }
}

/// RFC 9110 section 7.8: the protocol changes after the whole request, so a body would be read as
/// frames by one side only.
fn check_no_body(headers: &HeaderMap) -> Result<(), Reject> {
    let has_length = headers.get_all(CONTENT_LENGTH).iter().any(|len| len.as_bytes() != b"0");
    if has_length || headers.contains_key(TRANSFER_ENCODING) {
        return Err(bad_request("A request for a WebSocket has no body."));
    }
    Ok(())
}

/// Section 4.2.1, item 6, and section 4.4.
fn check_version(headers: &HeaderMap) -> Result<(), Reject> {
    match only(headers, SEC_WEBSOCKET_VERSION) {
        Ok(Some(b"13")) => Ok(()),
        Ok(Some(_)) => Err(wrong_version("The only version of WebSocket spoken here is 13.")),
        Ok(None) => Err(wrong_version("Sec-WebSocket-Version is missing.")),
        Err(_) => Err(bad_request("Sec-WebSocket-Version stands more than once.")), // 11.3.5
    }
}

/// Section 4.2.2, item 4: one of those offered, by our own preference, or none.
fn choose_subprotocol<'a>(
    headers: &HeaderMap,
    ours: &'a [String],
) -> Result<Option<&'a str>, Reject> {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Ok(None);
    }
    let Some(offered) = tokens(headers, SEC_WEBSOCKET_PROTOCOL) else {
        return Err(bad_request("Sec-WebSocket-Protocol is malformed."));
    };
    Ok(ours.iter().map(String::as_str).find(|our| offered.contains(our)))
}

/// A refusal before it is written out, small enough to be returned everywhere.
struct Reject {
    status: StatusCode,
    fields: &'static [(HeaderName, &'static str)],
    reason: &'static str,
}

impl Reject {
    const fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, fields: &[], reason }
    }
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        let Reject { status, fields, reason } = reject;
        let fields = fields.iter().cloned();
        let headers = fields.map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        Self { status, headers, reason }
    }
}

const fn bad_request(reason: &'static str) -> Reject {
    Reject::new(StatusCode::BAD_REQUEST, reason)
}

const fn wrong_version(reason: &'static str) -> Reject {
    Reject { status: StatusCode::UPGRADE_REQUIRED, fields: VERSION_FIELDS, reason }
}

fn header_value(value: &str) -> Result<HeaderValue, Reject> {
    HeaderValue::from_str(value).map_err(|_| {
        Reject::new(StatusCode::INTERNAL_SERVER_ERROR, "A subprotocol of ours is no token.")
    })
}

fn respond<B: Default>(status: StatusCode, headers: HeaderMap) -> http::Response<B> {
    let mut response = http::Response::new(B::default());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

const NOT_GET: Reject = Reject {
    status: StatusCode::METHOD_NOT_ALLOWED,
    fields: &[(ALLOW, "GET")],
    reason: "A WebSocket begins with GET.",
};

/// RFC 9110 section 15.5.22.
const UPGRADE_REQUIRED: Reject = Reject {
    status: StatusCode::UPGRADE_REQUIRED,
    fields: &[(UPGRADE, "websocket"), (CONNECTION, "Upgrade"), (SEC_WEBSOCKET_VERSION, "13")],
    reason: "This is a WebSocket: ask for it with Upgrade.",
};

/// Sections 4.2.2 item 4 and 4.4, with what 426 itself asks for.
const VERSION_FIELDS: &[(HeaderName, &str)] =
    &[(SEC_WEBSOCKET_VERSION, "13"), (UPGRADE, "websocket"), (CONNECTION, "Upgrade")];

#[cfg(test)]
mod tests;
