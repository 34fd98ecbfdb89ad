//! Which web pages may connect (RFC 6455 section 10.2). CORS does not cover WebSockets, so without
//! this check any page can use the cookies of its visitor.

use std::fmt;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

use super::list::only;

/// The origin of a page: scheme, host and port (RFC 6454), compared exactly.
///
/// ```
/// use omniwire_websocket::handshake::origin::Origin;
///
/// assert_eq!(Origin::parse("https://Example.com:443"), Origin::parse("https://example.com"));
/// assert_ne!(Origin::parse("http://example.com"), Origin::parse("https://example.com"));
/// assert_eq!(Origin::parse("null"), None);
/// assert_eq!(Origin::parse("https://example.com/path"), None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads `scheme://host` or `scheme://host:port`. `None` for anything else, among it `null`.
    #[must_use]
    pub fn parse(origin: &str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let scheme_is_good = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'));
        if !scheme_is_good {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = split_port(authority)?;
        let port = match port {
            Some(port) => port,
            None => default_port(&scheme)?,
        };
        Some(Self { scheme, host: host.to_ascii_lowercase(), port })
    }

    /// The origin that a request was sent to, by its Host.
    #[must_use]
    pub fn of_request(headers: &HeaderMap, secure: bool) -> Option<Self> {
        let host = only(headers, HOST).ok()??;
        let scheme = if secure { "https" } else { "http" };
        Self::parse(&format!("{scheme}://{}", std::str::from_utf8(host).ok()?))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if default_port(&self.scheme) == Some(self.port) {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whose pages may connect. Requests without an Origin do not come from a page; they have a rule
/// of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which pages may connect.
    pub pages: Pages,
    /// Whether programs that send no Origin may connect.
    pub allow_absent: bool,
}

/// Which pages may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Every page. Safe only where nothing depends on cookies or the network that the page is in.
    Any,
    /// Pages of the origin that the request goes to.
    Same,
    /// Pages of these origins and no others.
    List(Vec<Origin>),
}

impl Default for Policy {
    fn default() -> Self {
        Self { pages: Pages::Same, allow_absent: true }
    }
}

impl Policy {
    /// Whether a request may connect; `secure`: whether it came over TLS, as the page sees it.
    #[must_use]
    pub fn allows(&self, headers: &HeaderMap, secure: bool) -> bool {
        let origin = match only(headers, ORIGIN) {
            Ok(None) => return self.allow_absent,
            Ok(Some(origin)) => origin,
            Err(_) => return false,
        };
        if self.pages == Pages::Any {
            return true;
        }
        let Some(origin) = std::str::from_utf8(origin).ok().and_then(Origin::parse) else {
            return false;
        };
        match &self.pages {
            Pages::Any => true,
            Pages::Same => Origin::of_request(headers, secure) == Some(origin),
            Pages::List(origins) => origins.contains(&origin),
        }
    }
}

/// `host` or `host:port`; an IPv6 address stands in brackets.
pub(super) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match authority.strip_prefix('[') {
        Some(inside) => inside.find(']')?.saturating_add(2),
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_end)?;
    let host_is_good = !host.is_empty()
        && host.bytes().all(|octet| {
            octet.is_ascii_alphanumeric()
                || matches!(octet, b'-' | b'.' | b'_' | b'[' | b']' | b':')
        });
    if !host_is_good {
        return None;
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Some((host, None)),
        Some(port) if !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        _ => None,
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
