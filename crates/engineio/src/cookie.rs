//! The cookie that the first polling answer of a session sets, for load balancers that keep a
//! client with its server.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// The cookie with a session's id: RFC 6265, section 4.1. By default that of the official server's
/// `cookie: true`, `io=…; Path=/; HttpOnly; SameSite=Lax`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// For how long browsers keep it, in whole seconds; `None`: until they are closed.
    pub max_age: Option<Duration>,
    /// To which domain and those below it goes; `None`: to this host alone.
    pub domain: Option<String>,
    /// Under which path; `None`: that of the request that opened the session.
    pub path: Option<String>,
    /// Until when browsers keep it, as HTTP writes dates: `Wed, 21 Oct 2026 07:28:00 GMT`.
    pub expires: Option<String>,
    /// Whether scripts can't read it.
    pub http_only: bool,
    /// Whether it goes over TLS alone.
    pub secure: bool,
    /// Whether each site that embeds the page has one of its own.
    pub partitioned: bool,
    /// Which of a host's cookies are kept when there are too many (Chromium).
    pub priority: Option<Priority>,
    /// Which requests of other sites it goes with; `None`: as the browser has it.
    pub same_site: Option<SameSite>,
}

/// Which requests that another site makes a cookie goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// None.
    Strict,
    /// Links that are followed.
    Lax,
    /// All; browsers want [`Cookie::secure`] with it.
    None,
}

/// How long a cookie stays when a host has too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Goes first.
    Low,
    /// As if nothing was said.
    Medium,
    /// Goes last.
    High,
}

/// A part of a cookie that no header may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCookie {
    part: &'static str,
    value: String,
    expected: &'static str,
}

impl BadCookie {
    /// The field of [`Cookie`] that is no good.
    #[must_use]
    pub const fn part(&self) -> &'static str {
        self.part
    }
}

const TOKEN: &str = "letters, digits and any of !#$%&'*+-.^_`|~";
const DOMAIN: &str = "a domain's name, as example.com";
const ATTRIBUTE: &str = "printable ASCII without a semicolon";

impl fmt::Display for BadCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, value, expected } = self;
        write!(f, "the cookie's {part} can't be {value:?}: expected {expected}")
    }
}

impl Error for BadCookie {}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            name: "io".into(),
            max_age: None,
            domain: None,
            path: Some("/".into()),
            expires: None,
            http_only: true,
            secure: false,
            partitioned: false,
            priority: None,
            same_site: Some(SameSite::Lax),
        }
    }
}

impl Cookie {
    /// The default one, by another name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Whether it can be said in a header.
    ///
    /// # Errors
    /// One of its parts has letters that would end it, or make it another's.
    pub fn check(&self) -> Result<(), BadCookie> {
        let parts = [
            ("name", Some(&self.name), is_token as fn(&str) -> bool, TOKEN),
            ("domain", self.domain.as_ref(), is_domain, DOMAIN),
            ("path", self.path.as_ref(), is_attribute, ATTRIBUTE),
            ("expires", self.expires.as_ref(), is_attribute, ATTRIBUTE),
        ];
        for (part, value, is_good, expected) in parts {
            if let Some(value) = value.filter(|value| !is_good(value)) {
                return Err(BadCookie { part, value: value.clone(), expected });
            }
        }
        Ok(())
    }

    /// The `Set-Cookie` value for a session, its parts in the official server's order.
    pub fn with(&self, sid: &str) -> String {
        let mut text = format!("{}={sid}", self.name);
        if let Some(age) = self.max_age {
            // Writing to a string can't fail.
            let _ = write!(text, "; Max-Age={}", age.as_secs());
        }
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                text.extend(["; ", name, "=", value]);
            }
        };
        add("Domain", self.domain.as_deref());
        add("Path", self.path.as_deref());
        add("Expires", self.expires.as_deref());
        let flags = [
            (self.http_only, "; HttpOnly"),
            (self.secure, "; Secure"),
            (self.partitioned, "; Partitioned"),
        ];
        text.extend(flags.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag));
        text.push_str(match self.priority {
            None => "",
            Some(Priority::Low) => "; Priority=Low",
            Some(Priority::Medium) => "; Priority=Medium",
            Some(Priority::High) => "; Priority=High",
        });
        text.push_str(match self.same_site {
            None => "",
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::None) => "; SameSite=None",
        });
        text
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// RFC 6265, section 4.1.1: labels of RFC 1034, and a dot that old ones begin with.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.strip_prefix('.').unwrap_or(text).split('.').all(is_label)
}

/// RFC 6265, section 4.1.1: nothing that ends it.
fn is_attribute(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~' if byte != b';'))
}

#[cfg(test)]
mod tests;
