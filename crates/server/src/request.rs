//! The request that opened a session.

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use std::net::SocketAddr;

/// The head of the request that opened a session, and where it came from.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
    /// The other end of the connection, if the listener told.
    pub remote: Option<SocketAddr>,
}

impl RequestInfo {
    /// A copy of a request's head that shares nothing with the buffer it was read into: a header
    /// alone would keep all of that, 8 KiB and more, for as long as the session lives.
    pub(crate) fn copy_of(request: &Request<()>, remote: Option<SocketAddr>) -> Self {
        let uri = request.uri();
        Self {
            method: request.method().clone(),
            uri: uri.to_string().parse().unwrap_or_else(|_| uri.clone()),
            version: request.version(),
            headers: copy_of(request.headers()),
            remote,
        }
    }

    /// The query, without its question mark; empty if there is none.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The first parameter of this name in the query, decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        query_value(self.query(), name)
    }

    /// All parameters of the query, decoded, in their order.
    pub fn query_pairs(&self) -> impl Iterator<Item = (String, String)> + '_ {
        query_pairs(self.query())
    }

    /// The value of a header that was given once or first, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// All values in one buffer of their own.
fn copy_of(headers: &HeaderMap) -> HeaderMap {
    let mut copy = headers.clone();
    let mut values = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    headers.values().for_each(|value| values.extend_from_slice(value.as_bytes()));
    let mut values = values.freeze();
    for value in copy.values_mut() {
        let bytes = values.split_to(value.len());
        if let Ok(mut own) = HeaderValue::from_maybe_shared(bytes) {
            own.set_sensitive(value.is_sensitive());
            *value = own;
        }
    }
    copy
}

/// The first parameter of this name in a query, decoded (`application/x-www-form-urlencoded`).
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    query_pairs(query).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// All parameters of a query, decoded.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(key), decode(value))
    })
}

fn decode(part: &str) -> String {
    let spaced = part.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests;
