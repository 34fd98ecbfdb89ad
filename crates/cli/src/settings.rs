//! Settings: configuration file, below environment, below flags.

mod file;
mod source;

use crate::limits;
use crate::mistake::{Mistake, similar};
use crate::options::ServeOptions;
use clap::{ArgMatches, Args as _};
pub(crate) use file::{COUNT, NUMBER, PORT};
use file::{CookieTable, File, FileError, Priority, SameSite};
use omniwire::protocols::engineio;
use omniwire::{Drain, Hosts, Limits, Origins, Tls, TlsError};
use source::{Given, Sources};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, fs};
use toml::Spanned;

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
    /// As [`crate::log::filter`] takes it.
    pub(crate) log: String,
}

impl Settings {
    /// Puts the settings together; `matches` says where those of `options` were given.
    pub(crate) fn gather(options: &ServeOptions, matches: &ArgMatches) -> Result<Self, Mistake> {
        let mut sources = Sources { matches, file: None };
        let file = match &options.config {
            Some(path) => read_file(&mut sources, path)?,
            None => File::default(),
        };
        let mut limits = Limits::default();
        for (name, value) in &file.limits {
            let set = limits.set(name.get_ref(), value.get());
            set.map_err(|bad| sources.at("limits", name.span()).mistake(limits::explain(&bad)))?;
        }
        set_limits(&mut limits, &options.limits)?;
        let origins = sources.list("origins", &options.origins, file.origins);
        let hosts = sources.list("hosts", &options.hosts, file.hosts);
        let certificate = sources.given("tls_cert", options.tls_cert.clone(), file.tls_cert);
        let key = sources.given("tls_key", options.tls_key.clone(), file.tls_key);
        let tls = read_tls(certificate, key)?;
        let webtransport = sources.given("webtransport", options.webtransport, file.webtransport);
        let webtransport = webtransport.filter(|given| given.value);
        if let (Some(given), None) = (&webtransport, &tls) {
            let [certificate, key] = ["tls_cert", "tls_key"].map(|name| given.source.name(name));
            return Err(given.mistake(format!("needs a certificate: give {certificate} and {key}")));
        }
        let log = sources.given("log", options.log.clone(), file.log);
        if let Some(given) = &log {
            crate::log::filter(&given.value).map_err(|why| given.mistake(why))?;
        }
        let cookie = file.socketio_cookie.map(|table| cookie(table, &sources)).transpose()?;
        let mut drain = Drain::default();
        set_ms(&mut drain.delay, options.drain_delay_ms.or(file.drain_delay_ms));
        set_ms(&mut drain.time_max, options.drain_time_ms.or(file.drain_time_ms));
        drain.rate = options.drain_rate.or(file.drain_rate).map_or(drain.rate, NonZeroU32::get);
        Ok(Self {
            host: options.host.clone().or(file.host).unwrap_or_else(|| "127.0.0.1".into()),
            port: options.port.or(file.port).unwrap_or(8000),
            origins: allowed(&origins, Origins::same, Origins::any, |list| Origins::list(list))?,
            gzip: options.gzip.or(file.gzip).unwrap_or(false),
            demo: options.demo.or(file.demo).unwrap_or(true),
            threads: options.threads.or(file.threads).map(NonZeroUsize::get),
            hosts: allowed(&hosts, Hosts::default, Hosts::any, |list| Hosts::list(list))?,
            limits,
            tls,
            webtransport: webtransport.is_some(),
            socketio_cookie: cookie,
            drain,
            log: log.map_or_else(|| "info".into(), |given| given.value),
        })
    }
}

/// The cookie of a table in the file.
fn cookie(table: CookieTable, sources: &Sources<'_>) -> Result<engineio::Cookie, Mistake> {
    let spans = [
        ("name", table.name.as_ref()),
        ("domain", table.domain.as_ref()),
        ("path", table.path.as_ref()),
        ("expires", table.expires.as_ref()),
    ]
    .map(|(part, value)| (part, value.map_or(0..0, Spanned::span)));
    let mut cookie = engineio::Cookie::default();
    cookie.name = table.name.map_or(cookie.name, Spanned::into_inner);
    cookie.max_age = table.max_age.map(Duration::from_secs);
    cookie.domain = table.domain.map(Spanned::into_inner);
    cookie.path = table.path.map(Spanned::into_inner).or(cookie.path);
    cookie.path = cookie.path.filter(|path| !path.is_empty());
    cookie.expires = table.expires.map(Spanned::into_inner);
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
    cookie.check().map_err(|error| {
        let span = spans.into_iter().find(|(part, _)| *part == error.part());
        let span = span.map_or(0..0, |(_, span)| span);
        sources.at("socketio_cookie", span).mistake(error)
    })?;
    Ok(cookie)
}

fn set_ms(setting: &mut Duration, given: Option<u64>) {
    if let Some(ms) = given {
        *setting = Duration::from_millis(ms);
    }
}

/// A list of what is allowed, or whatever is made of none and of `*`.
fn allowed<T, E: fmt::Display>(
    given: &[Given<String>],
    none: fn() -> T,
    any: fn() -> T,
    list: fn(&[&str]) -> Result<T, E>,
) -> Result<T, Mistake> {
    match given {
        [] => return Ok(none()),
        [one] if one.value == "*" => return Ok(any()),
        _ => {}
    }
    for one in given {
        if one.value == "*" {
            return Err(one.mistake("'*' allows any: give nothing beside it"));
        }
        list(&[&one.value]).map_err(|error| one.mistake(error))?;
    }
    let values: Vec<&str> = given.iter().map(|one| one.value.as_str()).collect();
    list(&values).map_err(|error| Mistake(error.to_string()))
}

/// Reads the files, if both are named.
fn read_tls(
    certificate: Option<Given<PathBuf>>,
    key: Option<Given<PathBuf>>,
) -> Result<Option<Tls>, Mistake> {
    let alone = |one: &Given<PathBuf>, other: &str| {
        let other = one.source.name(other);
        Err(one.mistake(format!("alone makes no TLS: give {other} too, or neither")))
    };
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), None) => alone(&certificate, "tls_key"),
        (None, Some(key)) => alone(&key, "tls_cert"),
        (Some(certificate), Some(key)) => {
            let tls = Tls::from_pem_files(&certificate.value, &key.value).map_err(|error| {
                let is_its = matches!(error, TlsError::Certificate { .. });
                if is_its { &certificate } else { &key }.mistake(error)
            });
            tls.map(Some)
        }
    }
}

/// Sets limits as they are written on the command line: `NAME=VALUE`.
pub(crate) fn set_limits(limits: &mut Limits, given: &[String]) -> Result<(), Mistake> {
    for limit in given {
        let parsed =
            limit.split_once('=').and_then(|(name, value)| Some((name, value.parse().ok()?)));
        let Some((name, value)) = parsed else {
            return Err(Mistake(format!("--limit: '{limit}' is not NAME=NUMBER")));
        };
        let set = limits.set(name, value);
        set.map_err(|bad| Mistake(format!("--limit: {}", limits::explain(&bad))))?;
    }
    Ok(())
}

/// Reads the file, which is then one of the sources.
fn read_file<'a>(sources: &mut Sources<'a>, path: &'a Path) -> Result<File, Mistake> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        let named = sources.above("config");
        named.mistake(format!("cannot read the configuration {shown}: {error}"))
    })?;
    let file = File::parse(&text).map_err(|FileError { position: (line, column), why }| {
        Mistake(format!("{shown}, line {line}, column {column}: {}", with_hint(&why)))
    })?;
    sources.file = Some((path, text));
    Ok(file)
}

/// What serde says of a name that it does not know, with the one that was meant instead of all.
fn with_hint(why: &str) -> String {
    let meant = || {
        let (unknown, known) = why.strip_prefix("unknown ")?.split_once("`, expected ")?;
        let (kind, name) = unknown.split_once(" `")?;
        let meant = similar(name, known.split('`').skip(1).step_by(2))?;
        Some(format!("unknown {kind} `{name}` (a similar one exists: `{meant}`)"))
    };
    meant().unwrap_or_else(|| why.to_owned())
}

/// Variables with our prefix that nobody reads, each with a hint.
pub(crate) fn unknown_variables() -> Vec<(String, String)> {
    let serve = ServeOptions::augment_args(clap::Command::new("serve"));
    let known: Vec<_> = serve.get_arguments().filter_map(|argument| argument.get_env()).collect();
    let known: Vec<_> = known.iter().filter_map(|name| name.to_str()).collect();
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown = names.filter(|name| name.starts_with("OMNIWIRE_") && !known.contains(&&**name));
    let with_hint = |name: String| {
        let meant = similar(&name, known.iter().copied());
        let hint = meant.map(|meant| format!(" (a similar one exists: {meant})"));
        (name, hint.unwrap_or_default())
    };
    unknown.map(with_hint).collect()
}
