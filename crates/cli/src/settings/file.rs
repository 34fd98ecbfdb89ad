//! The configuration file. The fuzz target `configuration` takes this file as it is, since a binary
//! can't be depended on: what it needs of the server comes by `super`.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use toml::Spanned;

/// What may stand in it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) origins: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) hosts: Vec<Spanned<String>>,
    pub(super) gzip: Option<bool>,
    pub(super) demo: Option<bool>,
    pub(super) threads: Option<NonZeroUsize>,
    pub(super) tls_cert: Option<Spanned<PathBuf>>,
    pub(super) tls_key: Option<Spanned<PathBuf>>,
    pub(super) webtransport: Option<Spanned<bool>>,
    pub(super) socketio_cookie: Option<CookieTable>,
    pub(super) drain_delay_ms: Option<u64>,
    pub(super) drain_rate: Option<NonZeroU32>,
    pub(super) drain_time_ms: Option<u64>,
    pub(super) log: Option<Spanned<String>>,
    /// As `Limits::set` takes them.
    #[serde(default)]
    pub(super) limits: BTreeMap<Spanned<String>, NonZeroU64>,
}

/// The cookie of Socket.IO's sessions: what is left out is as npm's server has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CookieTable {
    pub(super) name: Option<Spanned<String>>,
    /// In seconds.
    pub(super) max_age: Option<u64>,
    pub(super) domain: Option<Spanned<String>>,
    /// Empty: none.
    pub(super) path: Option<Spanned<String>>,
    pub(super) expires: Option<Spanned<String>>,
    pub(super) http_only: Option<bool>,
    #[serde(default)]
    pub(super) secure: bool,
    #[serde(default)]
    pub(super) partitioned: bool,
    pub(super) priority: Option<Priority>,
    pub(super) same_site: Option<SameSite>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Priority {
    Low,
    Medium,
    High,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SameSite {
    Strict,
    Lax,
    None,
    /// Nothing is said of it.
    Unset,
}

/// Why it can't be used.
#[derive(Debug)]
pub(super) struct FileError {
    /// Line and column, from 1.
    pub(super) position: (usize, usize),
    /// One line for people.
    pub(super) why: String,
}

impl File {
    /// Reads its text.
    pub(super) fn parse(text: &str) -> Result<Self, FileError> {
        toml::from_str(text).map_err(|bad| {
            let position = position(text, bad.span().map_or(0, |span| span.start));
            let why = bad.message().replace('\n', " ");
            let Some((found, expected)) = why.rsplit_once(", expected ") else {
                return FileError { position, why };
            };
            FileError { position, why: format!("{found}, expected {}", in_words(expected)) }
        })
    }
}

/// Line and column of an offset in a text, from 1.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line_starts = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_starts..].chars().count() + 1)
}

/// What can be given, for people: also for what is given elsewhere.
pub(crate) const PORT: &str = "a number up to 65535";
pub(crate) const COUNT: &str = "a number from 1 on";
pub(crate) const NUMBER: &str = "a number from 0 on";

/// The same for what serde calls by a type's name.
fn in_words(expected: &str) -> &str {
    match expected {
        "u16" => PORT,
        "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => COUNT,
        "u64" => NUMBER,
        "a boolean" => "true or false",
        "a sequence" => "a list, as in [\"...\"]",
        "a map" | "struct CookieTable" => "a table",
        _ => expected,
    }
}
