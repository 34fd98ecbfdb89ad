//! Settings: configuration file, below environment, below flags.

mod file;

use crate::Mistake;
use crate::options::ServeOptions;
use file::{CookieTable, File, Priority, SameSite};
use omniwire::protocols::engineio;
use omniwire::{Drain, Hosts, Limits, Origins, Tls};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What `omniwire serve` goes by.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) origins: Origins,
    pub(crate) gzip: bool,
    pub(crate) demo: bool,
    pub(crate) threads: Option<usize>,
    pub(crate) hosts: Hosts,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Tls>,
    pub(crate) webtransport: bool,
    pub(crate) socketio_cookie: Option<engineio::Cookie>,
    pub(crate) drain: Drain,
}

impl Settings {
    /// Puts the settings together.
    pub(crate) fn gather(options: &ServeOptions) -> Result<Self, Mistake> {
        let (file, mut limits) = match &options.config {
            Some(path) => read_file(path)?,
            None => Default::default(),
        };
        set_limits(&mut limits, &options.limits)?;
        let hosts = if options.hosts.is_empty() { &file.hosts } else { &options.hosts };
        let given = if options.origins.is_empty() { &file.origins } else { &options.origins };
        let threads = options.threads.or(file.threads);
        if threads == Some(0) {
            return Err(Mistake("threads must be at least 1".into()));
        }
        let certificate = options.tls_cert.as_deref().or(file.tls_cert.as_deref());
        let tls = read_tls(certificate, options.tls_key.as_deref().or(file.tls_key.as_deref()))?;
        let webtransport = options.webtransport.or(file.webtransport).unwrap_or(false);
        if webtransport && tls.is_none() {
            return Err(Mistake(
                "webtransport needs a certificate: give tls_cert and tls_key".into(),
            ));
        }
        let mut drain = Drain::default();
        set_ms(&mut drain.delay, options.drain_delay_ms.or(file.drain_delay_ms));
        set_ms(&mut drain.time_max, options.drain_time_ms.or(file.drain_time_ms));
        drain.rate = options.drain_rate.or(file.drain_rate).unwrap_or(drain.rate);
        if drain.rate == 0 {
            return Err(Mistake("drain_rate must be at least 1".into()));
        }
        Ok(Self {
            host: options.host.clone().or(file.host).unwrap_or_else(|| "127.0.0.1".into()),
            port: options.port.or(file.port).unwrap_or(8000),
            origins: read_origins(given)?,
            gzip: options.gzip.or(file.gzip).unwrap_or(false),
            demo: options.demo.or(file.demo).unwrap_or(true),
            threads,
            hosts: read_hosts(hosts)?,
            limits,
            tls,
            webtransport,
            socketio_cookie: file.socketio_cookie.map(cookie).transpose()?,
            drain,
        })
    }
}

/// The cookie of a table in the file.
fn cookie(table: CookieTable) -> Result<engineio::Cookie, Mistake> {
    let mut cookie = engineio::Cookie::default();
    cookie.name = table.name.unwrap_or(cookie.name);
    cookie.max_age = table.max_age.map(Duration::from_secs);
    cookie.domain = table.domain;
    cookie.path = table.path.or(cookie.path).filter(|path| !path.is_empty());
    cookie.expires = table.expires;
    cookie.http_only = table.http_only.unwrap_or(cookie.http_only);
    (cookie.secure, cookie.partitioned) = (table.secure, table.partitioned);
    cookie.priority = table.priority.map(|priority| match priority {
        Priority::Low => engineio::Priority::Low,
        Priority::Medium => engineio::Priority::Medium,
        Priority::High => engineio::Priority::High,
    });
    cookie.same_site = match table.same_site {
        None => cookie.same_site,
        Some(SameSite::Strict) => Some(engineio::SameSite::Strict),
        Some(SameSite::Lax) => Some(engineio::SameSite::Lax),
        Some(SameSite::None) => Some(engineio::SameSite::None),
        Some(SameSite::Unset) => None,
    };
    cookie.check().map_err(|error| Mistake(error.to_string()))?;
    Ok(cookie)
}

fn set_ms(setting: &mut Duration, given: Option<u64>) {
    if let Some(ms) = given {
        *setting = Duration::from_millis(ms);
    }
}

fn read_origins(given: &[String]) -> Result<Origins, Mistake> {
    match given {
        [] => Ok(Origins::same()),
        [any] if any == "*" => Ok(Origins::any()),
        list => Origins::list(list).map_err(|error| Mistake(error.to_string())),
    }
}

fn read_hosts(given: &[String]) -> Result<Hosts, Mistake> {
    match given {
        [] => Ok(Hosts::default()),
        [any] if any == "*" => Ok(Hosts::any()),
        list => Hosts::list(list).map_err(|error| Mistake(error.to_string())),
    }
}

/// Reads the files, if both are named.
pub(crate) fn read_tls(
    certificate: Option<&Path>,
    key: Option<&Path>,
) -> Result<Option<Tls>, Mistake> {
    let missing = |flag: &str, other: &str| {
        Mistake(format!("{flag} is missing: {other} alone makes no TLS; give both, or neither"))
    };
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing("--tls-key", "--tls-cert")),
        (None, Some(_)) => Err(missing("--tls-cert", "--tls-key")),
        (Some(certificate), Some(key)) => Tls::from_pem_files(certificate, key)
            .map(Some)
            .map_err(|error| Mistake(format!("{error}; see omniwire serve --help"))),
    }
}

/// Sets limits as they are written on the command line: `NAME=VALUE`.
pub(crate) fn set_limits(limits: &mut Limits, given: &[String]) -> Result<(), Mistake> {
    for limit in given {
        let parsed =
            limit.split_once('=').and_then(|(name, value)| Some((name, value.parse().ok()?)));
        let Some((name, value)) = parsed else {
            return Err(Mistake(format!("bad limit '{limit}': expected NAME=NUMBER")));
        };
        limits.set(name, value).map_err(|error| Mistake(error.to_string()))?;
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<(File, Limits), Mistake> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Mistake(format!("cannot read the configuration {shown}: {error}")))?;
    File::parse(&text)
        .map_err(|error| Mistake(format!("{shown}, line {}: {}", error.line, error.why)))
}
