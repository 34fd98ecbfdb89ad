//! The request that opened a session.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header};
use std::fmt;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;

mod heads;

pub(crate) use self::heads::{Head, Heads};

/// The head of the request that opened a session, and where it came from. Cheap to clone.
///
/// It lives as long as the session, so its head is one piece of memory, which shares nothing with
/// the buffer that the request was read into, and is one with that of other sessions whose head
/// is the same to the byte. Headers that say how the connection was to be made, and nothing of the
/// client, are not kept: `Connection`, `Upgrade` and those of WebSocket's handshake but for the
/// subprotocols.
#[derive(Clone)]
pub struct RequestInfo {
    head: Arc<Head>,
    /// Where it came from, if that is an address of IPv4: others are in the head.
    remote: Option<SocketAddrV4>,
}

/// Among a request's extensions: it came over TLS or QUIC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Secure;

/// What is written first: the version, whether it came over TLS, and whether an address follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flags(u8);

impl Flags {
    const VERSIONS: [Version; 5] =
        [Version::HTTP_11, Version::HTTP_2, Version::HTTP_3, Version::HTTP_10, Version::HTTP_09];
    const VERSION: u8 = 7;
    const SECURE: u8 = 8;
    const IPV6: u8 = 16;

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

impl RequestInfo {
    pub(crate) fn copy_of(
        request: &Request<()>,
        remote: Option<SocketAddr>,
        heads: &Heads,
    ) -> Self {
        let version = Flags::VERSIONS.iter().position(|known| *known == request.version());
        let mut flags = version.unwrap_or_default() as u8;
        if request.extensions().get::<Secure>().is_some() {
            flags |= Flags::SECURE;
        }
        let (remote, in_head) = match remote {
            Some(SocketAddr::V4(remote)) => (Some(remote), None),
            Some(SocketAddr::V6(remote)) => (None, Some(remote)),
            None => (None, None),
        };
        let mut text = Vec::with_capacity(TYPICAL_LEN);
        match in_head {
            Some(remote) => {
                text.push(flags | Flags::IPV6);
                write_address(&mut text, remote);
            }
            None => text.push(flags),
        }
        // The one that most have takes no room.
        write_part(
            &mut text,
            match request.method() {
                &Method::GET => b"",
                method => method.as_str().as_bytes(),
            },
        );
        write_part(&mut text, request.uri().to_string().as_bytes());
        write_headers(&mut text, request.headers());
        Self { head: heads.share(&text), remote }
    }

    /// All that follows the flags.
    fn parts(&self) -> (Flags, &[u8]) {
        match self.head.split_first() {
            Some((flags, rest)) => (Flags(*flags), rest),
            None => (Flags(0), &[]),
        }
    }

    /// The method, the target, and the rest.
    fn line(&self) -> (&str, &str, &[u8]) {
        let (flags, rest) = self.parts();
        let mut rest = rest.get(address_len(flags)..).unwrap_or_default();
        let mut text = || std::str::from_utf8(read_part(&mut rest)?).ok();
        let (method, target) = (text().unwrap_or_default(), text().unwrap_or_default());
        (method, target, rest)
    }

    /// The method.
    pub fn method(&self) -> Method {
        let (method, ..) = self.line();
        // Without a name it is GET.
        Method::from_bytes(method.as_bytes()).unwrap_or_default()
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        let (flags, _) = self.parts();
        let index = usize::from(flags.0 & Flags::VERSION);
        Flags::VERSIONS.get(index).copied().unwrap_or_default()
    }

    /// The other end of the connection, if the listener told.
    pub fn remote(&self) -> Option<SocketAddr> {
        let (flags, rest) = self.parts();
        let in_head = || read_address(rest).filter(|_| flags.has(Flags::IPV6));
        self.remote.map(SocketAddr::V4).or_else(|| in_head().map(SocketAddr::V6))
    }

    /// The target as the client gave it: most often a path and a query.
    pub fn target(&self) -> &str {
        let (_, target, _) = self.line();
        target
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
        let (flags, _) = self.parts();
        flags.has(Flags::SECURE) || self.target().starts_with("https://")
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
        let (_, _, mut rest) = self.line();
        std::iter::from_fn(move || {
            let name = std::str::from_utf8(read_part(&mut rest)?).ok()?;
            Some((name, read_part(&mut rest)?))
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
            .field("method", &self.method())
            .field("headers", &names)
            .field("remote", &self.remote())
            .finish_non_exhaustive()
    }
}

/// Writes headers as [`RequestInfo::headers`] reads them.
fn write_headers(text: &mut Vec<u8>, headers: &HeaderMap) {
    let kept = |(name, _): &(&HeaderName, &HeaderValue)| !OF_THE_CONNECTION.contains(name);
    for (name, value) in headers.iter().filter(kept) {
        write_part(text, name.as_str().as_bytes());
        write_part(text, value.as_bytes());
    }
}

/// A part behind its length, seven bits to the byte, the lowest first.
fn write_part(text: &mut Vec<u8>, part: &[u8]) {
    let mut len = part.len();
    while len > 0x7f {
        text.push(len as u8 | 0x80);
        len >>= 7;
    }
    text.push(len as u8);
    text.extend_from_slice(part);
}

/// The next part, which is taken off.
fn read_part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (mut len, mut shift) = (0, 0_u32);
    loop {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        len |= usize::from(byte & 0x7f) << shift;
        shift = shift.saturating_add(7);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (part, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(part)
}

fn write_address(text: &mut Vec<u8>, address: SocketAddrV6) {
    text.extend_from_slice(&address.port().to_be_bytes());
    text.extend_from_slice(&address.ip().octets());
    text.extend_from_slice(&address.flowinfo().to_be_bytes());
    text.extend_from_slice(&address.scope_id().to_be_bytes());
}

/// What [`write_address`] takes.
fn address_len(flags: Flags) -> usize {
    if flags.has(Flags::IPV6) { 2 + 16 + 4 + 4 } else { 0 }
}

fn read_address(text: &[u8]) -> Option<SocketAddrV6> {
    let (port, text) = text.split_first_chunk()?;
    let (ip, text) = text.split_first_chunk::<16>()?;
    let (flow, text) = text.split_first_chunk()?;
    let scope = u32::from_be_bytes(*text.first_chunk()?);
    let (port, flow) = (u16::from_be_bytes(*port), u32::from_be_bytes(*flow));
    Some(SocketAddrV6::new(Ipv6Addr::from(*ip), port, flow, scope))
}

/// Browsers' heads are shorter, when they have no long cookies.
const TYPICAL_LEN: usize = 1024;

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
