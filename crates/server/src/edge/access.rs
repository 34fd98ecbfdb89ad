//! Which pages may talk to a server: one rule for every transport.
//!
//! CORS does not cover WebSocket, and does not stop simple POSTs, so a request of a page whose
//! origin is not allowed is refused whatever it asks for; CORS headers only tell the browser of
//! a page that is allowed.

use super::answers;
use crate::quoted::quoted;
use crate::request::Secure;
use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use omniwire_websocket::handshake::origin::{Origin, Pages, Policy};

/// The origins whose pages may talk to the server. By default only those of the server itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(Policy);

/// A text that is no origin (`scheme://host` or `scheme://host:port`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no origin: expected scheme://host or scheme://host:port, without a path")]
pub struct BadOrigin(String);

impl Origins {
    /// Only pages of the server itself: same host and port. The default.
    pub fn same() -> Self {
        Self::default()
    }

    /// Any page at all. Safe only where nothing depends on cookies or on the network that the
    /// page's reader is in.
    pub fn any() -> Self {
        Self(Policy { pages: Pages::Any, allow_absent: true })
    }

    /// Pages of these origins and no others.
    ///
    /// # Errors
    /// One of them is no origin.
    pub fn list<T: AsRef<str>>(origins: impl IntoIterator<Item = T>) -> Result<Self, BadOrigin> {
        let parse = |text: T| {
            Origin::parse(text.as_ref()).ok_or_else(|| BadOrigin(text.as_ref().to_owned()))
        };
        let pages = Pages::List(origins.into_iter().map(parse).collect::<Result<_, _>>()?);
        Ok(Self(Policy { pages, allow_absent: true }))
    }

    /// Whether a request may go on. Programs that are no browser send no Origin, and may.
    pub(crate) fn allow<T>(&self, request: &Request<T>) -> bool {
        let headers = request.headers();
        // Over our own TLS, a page without it is another's, who may sit on the line.
        let own_tls = request.extensions().get::<Secure>().is_some();
        // A proxy that ends TLS says so; no page can set this header.
        let forwarded = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
        self.0.allows(headers, own_tls || forwarded || is_secure_page(headers))
    }

    /// The answer to a request that may not go on. The log names the setting that would let it.
    pub(crate) fn refuse<T>(&self, request: &Request<T>) -> Option<Response<Body>> {
        if self.allow(request) {
            return None;
        }
        tracing::info!(
            origin = ?request.headers().get(ORIGIN).map(quoted),
            path = %quoted(request.uri().path()),
            "refused a page of another origin; Builder::origins (or `origins` in the \
             configuration) says which may"
        );
        Some(answers::foreign_origin())
    }

    /// The answer to a CORS preflight, if this is one.
    pub(crate) fn preflight<T>(&self, request: &Request<T>) -> Option<Response<Body>> {
        let headers = request.headers();
        let is_one = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() != Method::OPTIONS || !is_one {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.allow(request) {
            let answer = response.headers_mut();
            tell(headers.get(ORIGIN), answer);
            answer.insert(
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS"),
            );
            if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        }
        Some(response)
    }
}

/// Tells the browser of a page that was allowed that it may read the answer.
pub(crate) fn tell(origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
    let Some(origin) = origin else { return };
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    answer.append(VARY, HeaderValue::from_static("Origin"));
}

/// Behind a proxy that does not say that it ends TLS, the page's own scheme is all there is to go
/// by: host and port must still be ours.
fn is_secure_page(headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

#[cfg(test)]
mod tests;
