//! The configuration file. The fuzz target `configuration` takes this file as it is, since a binary
//! can't be depended on: what it needs of the server comes by `super`.

use super::Limits;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

/// What may stand in it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) origins: Vec<String>,
    pub(super) gzip: Option<bool>,
    pub(super) demo: Option<bool>,
    pub(super) threads: Option<usize>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) webtransport: Option<bool>,
    pub(super) socketio_cookie: Option<CookieTable>,
    pub(super) drain_delay_ms: Option<u64>,
    pub(super) drain_rate: Option<u32>,
    pub(super) drain_time_ms: Option<u64>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    /// As [`Limits::set`] takes them.
    #[serde(default)]
    limits: BTreeMap<Spanned<String>, u64>,
}

/// The cookie of Socket.IO's sessions: what is left out is as npm's server has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CookieTable {
    pub(super) name: Option<String>,
    /// In seconds.
    pub(super) max_age: Option<u64>,
    pub(super) domain: Option<String>,
    /// Empty: none.
    pub(super) path: Option<String>,
    pub(super) expires: Option<String>,
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
    /// From 1.
    pub(super) line: usize,
    /// One line for people.
    pub(super) why: String,
}

impl File {
    /// Reads its text.
    pub(super) fn parse(text: &str) -> Result<(Self, Limits), FileError> {
        let error = |at: usize, why: &str| {
            let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
            FileError { line, why: why.replace('\n', " ") }
        };
        let file: Self = toml::from_str(text)
            .map_err(|bad| error(bad.span().map_or(0, |span| span.start), bad.message()))?;
        let mut limits = Limits::default();
        for (name, value) in &file.limits {
            limits
                .set(name.get_ref(), *value)
                .map_err(|bad| error(name.span().start, &bad.to_string()))?;
        }
        Ok((file, limits))
    }
}
