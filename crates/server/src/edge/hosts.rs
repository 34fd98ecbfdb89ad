//! Which names a server answers to.
//!
//! A page can make its own name mean 127.0.0.1 once it is loaded (DNS rebinding); then the browser
//! takes this server for the page's own, and Origin and Host agree. What gives it away is the Host:
//! a name that is not ours. So a server that only listens on loopback, where nobody expects
//! strangers, answers to nothing but local names, unless it is told more.

use http::uri::Authority;
use http::{HeaderMap, Request, header};
use std::net::IpAddr;

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

impl Hosts {
    /// Any name, wherever the server listens.
    pub fn any() -> Self {
        Self(Rule::Any)
    }

    /// These names, without ports, and local ones; wherever the server listens.
    pub fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(|name| name.as_ref().to_ascii_lowercase());
        Self(Rule::List(names.collect()))
    }

    /// Whether the server, which listens on this address, answers a request. One that names no host
    /// passes: whether it may do so is for others to say.
    pub(crate) fn allow<T>(&self, request: &Request<T>, local: IpAddr) -> bool {
        let named = match &self.0 {
            Rule::Any => return true,
            Rule::LocalOnLoopback if !local.to_canonical().is_loopback() => return true,
            Rule::LocalOnLoopback => &[][..],
            Rule::List(names) => names,
        };
        let target = request.uri().host();
        target.is_none_or(|host| is_allowed(host, named)) && headers(request.headers(), named)
    }
}

fn headers(headers: &HeaderMap, named: &[String]) -> bool {
    headers.get_all(header::HOST).iter().all(|value| {
        let authority = Authority::try_from(value.as_bytes());
        // What is no host at all is answered as such later.
        authority.is_ok_and(|authority| is_allowed(authority.host(), named)) || value.is_empty()
    })
}

fn is_allowed(host: &str, named: &[String]) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_local =
        host.parse::<IpAddr>().is_ok() || !host.contains('.') || host.ends_with(".localhost");
    is_local || named.contains(&host)
}

#[cfg(test)]
mod tests;
