//! Which names a server answers to.
//!
//! A page can make its own name mean 127.0.0.1 once it is loaded (DNS rebinding); then the browser
//! takes this server for the page's own, and Origin and Host agree. What gives it away is the Host:
//! a name that is not ours. So a server that only listens on loopback, where nobody expects
//! strangers, answers to nothing but local names, unless it is told more.

use http::uri::Authority;
use http::{Request, header};
use std::net::{IpAddr, Ipv6Addr};

/// The names that a server answers to ([`crate::Builder::hosts`]). By default any, but on a
/// loopback address only local ones: IP addresses, `localhost` and below, and names without a dot,
/// none of which a page elsewhere can have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hosts(Rule);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Rule {
    #[default]
    LocalOnLoopback,
    Any,
    /// In lower case.
    List(Vec<String>),
}

/// A text that is no host's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no host name: expected one as chat.example, without scheme, port and wildcard")]
pub struct BadHost(String);

impl Hosts {
    /// Any name, wherever the server listens.
    pub fn any() -> Self {
        Self(Rule::Any)
    }

    /// These names, without ports, and local ones; wherever the server listens.
    ///
    /// # Errors
    /// One of them is no name: no Host could ever be the same.
    pub fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Self, BadHost> {
        let parse = |name: T| {
            let plain = plain(name.as_ref());
            if is_name(&plain) { Ok(plain) } else { Err(BadHost(name.as_ref().to_owned())) }
        };
        Ok(Self(Rule::List(names.into_iter().map(parse).collect::<Result<_, _>>()?)))
    }

    /// Whether the server, which listens on this address, if that is known, answers a request. One
    /// that names no host passes: whether it may do so is for others to say.
    pub(crate) fn judge<T>(&self, request: &Request<T>, local: Option<IpAddr>) -> Verdict {
        let target = request.uri().authority().cloned();
        let headers = request.headers().get_all(header::HOST).iter();
        let parsed = headers.map(|value| Authority::try_from(value.as_bytes()));
        let mut verdict = Verdict::Ours;
        for authority in target.map(Ok).into_iter().chain(parsed) {
            match authority.ok().as_ref().and_then(host_of) {
                None => return Verdict::Malformed,
                Some(host) if !self.allow(host, local) => verdict = Verdict::NotOurs,
                Some(_) => {}
            }
        }
        verdict
    }

    fn allow(&self, host: &str, local: Option<IpAddr>) -> bool {
        match &self.0 {
            Rule::Any => true,
            Rule::LocalOnLoopback => {
                !local.is_some_and(|ip| ip.to_canonical().is_loopback()) || is_allowed(host, &[])
            }
            Rule::List(names) => is_allowed(host, names),
        }
    }
}

/// What is to become of a request, by the host that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ours,
    /// 421.
    NotOurs,
    /// 400 (RFC 9112, 3.2).
    Malformed,
}

/// The host of an authority that is a host and perhaps a port, and nothing else (RFC 9110, 7.2).
fn host_of(authority: &Authority) -> Option<&str> {
    let host = authority.host();
    let behind = authority.as_str().strip_prefix(host)?;
    let port_is_good = match behind.strip_prefix(':') {
        Some(port) => port.is_empty() || authority.port_u16().is_some(),
        None => behind.is_empty(),
    };
    let host_is_good = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
        // A comma may stand in a name, but what it most likely joins is two of them.
        None => !host.is_empty() && !host.contains(','),
    };
    (port_is_good && host_is_good).then_some(host)
}

fn is_allowed(host: &str, named: &[String]) -> bool {
    let host = plain(host.trim_start_matches('[').trim_end_matches(']'));
    let is_local =
        host.parse::<IpAddr>().is_ok() || !host.contains('.') || host.ends_with(".localhost");
    is_local || named.contains(&host)
}

/// Names are compared in lower case, and without the dot that may end them (RFC 1034, 3.1).
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a browser may send it: names beyond ASCII come as `xn--`, and some have underscores.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_letter);
    name.split('.').all(is_label) || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
