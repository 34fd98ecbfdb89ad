//! The request that opened a session.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header};
use std::fmt;
use std::net::SocketAddr;

/// The head of the request that opened a session, and where it came from.
///
/// It lives as long as the session, so all of its text is in one piece of memory, which shares
/// nothing with the buffer that the request was read into. Headers that say how the connection
/// was to be made, and nothing of the client, are not kept: `Connection`, `Upgrade` and those of
/// WebSocket's handshake but for the subprotocols.
#[derive(Clone)]
pub struct RequestInfo {
    /// The target, then each header: the lengths of its name and its value, and both.
    text: Box<[u8]>,
    target_len: u32,
    /// None: GET.
    method: Option<Box<Method>>,
    version: Version,
    remote: Option<SocketAddr>,
    secure: bool,
}

/// Among a request's extensions: it came over TLS or QUIC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Secure;

impl RequestInfo {
    pub(crate) fn copy_of(request: &Request<()>, remote: Option<SocketAddr>) -> Self {
        let target = request.uri().to_string();
        // The http crate takes no longer target than 64 KiB.
        let target_len = target.len() as u32;
        let mut text = target.into_bytes();
        write_headers(&mut text, request.headers());
        Self {
            text: text.into_boxed_slice(),
            target_len,
            method: (request.method() != Method::GET).then(|| Box::new(request.method().clone())),
            version: request.version(),
            remote,
            secure: request.extensions().get::<Secure>().is_some(),
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        self.method.as_deref().unwrap_or(&Method::GET)
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The other end of the connection, if the listener told.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// The target as the client gave it: most often a path and a query.
    pub fn target(&self) -> &str {
        let target = self.text.get(..self.target_len as usize).unwrap_or_default();
        std::str::from_utf8(target).unwrap_or_default()
    }

    /// The path of the target.
    pub fn path(&self) -> &str {
        let target = self.target().split('?').next().unwrap_or_default();
        match target.split_once("://") {
            Some((_, behind)) => behind.find('/').map_or("/", |at| behind.split_at(at).1),
            None => target,
        }
    }

    /// Whether it came over TLS or QUIC, as far as this server can see: behind a proxy that ends
    /// TLS, only what HTTP/2's target says.
    pub fn is_secure(&self) -> bool {
        self.secure || self.target().starts_with("https://")
    }

    /// The query, without its question mark; empty if there is none.
    pub fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    /// The first parameter of this name in the query, decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        query_value(self.query(), name)
    }

    /// All parameters of the query, decoded, in their order.
    pub fn query_pairs(&self) -> impl Iterator<Item = (String, String)> + '_ {
        query_pairs(self.query())
    }

    /// The headers in their order, those of one name together: each its name in lower case and its
    /// value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.text.get(self.target_len as usize..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (name_len, behind) = rest.split_first_chunk()?;
            let (value_len, behind) = behind.split_first_chunk()?;
            let (name, behind) = behind.split_at_checked(u16::from_le_bytes(*name_len).into())?;
            let value_len = usize::try_from(u32::from_le_bytes(*value_len)).ok()?;
            let (value, behind) = behind.split_at_checked(value_len)?;
            rest = behind;
            Some((std::str::from_utf8(name).ok()?, value))
        })
    }

    /// The value of a header that was given once or first, if it is text. Names have no case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }
}

/// Without values: they hold secrets.
impl fmt::Debug for RequestInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("RequestInfo")
            .field("method", self.method())
            .field("headers", &names)
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

/// Writes headers as [`RequestInfo::headers`] reads them.
fn write_headers(text: &mut Vec<u8>, headers: &HeaderMap) {
    const LENS_LEN: usize = size_of::<u16>() + size_of::<u32>();
    let len_of =
        |(name, value): (&HeaderName, &HeaderValue)| LENS_LEN + name.as_str().len() + value.len();
    let kept = || headers.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(name));
    text.reserve_exact(kept().map(len_of).sum());
    for (name, value) in kept() {
        // The http crate's names are shorter than 64 KiB; listeners limit what heads hold.
        let name_len = u16::try_from(name.as_str().len());
        let value_len = u32::try_from(value.len());
        let (Ok(name_len), Ok(value_len)) = (name_len, value_len) else { continue };
        text.extend_from_slice(&name_len.to_le_bytes());
        text.extend_from_slice(&value_len.to_le_bytes());
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(value.as_bytes());
    }
}

/// Headers that are not kept.
const OF_THE_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_EXTENSIONS,
];

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
