//! Settings: configuration file, below environment, below flags.

use crate::Mistake;
use crate::options::ServeOptions;
use omniwire::{Limits, Origins};
use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What `omniwire serve` goes by.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) origins: Origins,
    pub(crate) demo: bool,
    pub(crate) threads: Option<usize>,
    pub(crate) limits: Limits,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    host: Option<String>,
    port: Option<u16>,
    #[serde(default)]
    origins: Vec<String>,
    demo: Option<bool>,
    threads: Option<usize>,
    #[serde(default)]
    limits: FileLimits,
}

/// The table `[limits]`: lengths in bytes, times in milliseconds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    message_len_max: Option<usize>,
    outbox_len_max: Option<usize>,
    outbox_count_max: Option<usize>,
    sessions_max: Option<usize>,
    rooms_max: Option<usize>,
    ping_interval_ms: Option<u64>,
    ping_timeout_ms: Option<u64>,
    handshake_timeout_ms: Option<u64>,
    write_timeout_ms: Option<u64>,
}

impl Settings {
    /// Puts the settings together.
    pub(crate) fn gather(options: &ServeOptions) -> Result<Self, Mistake> {
        let file = match &options.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let given = if options.origins.is_empty() { &file.origins } else { &options.origins };
        let threads = options.threads.or(file.threads);
        if threads == Some(0) {
            return Err(Mistake("threads must be at least 1".into()));
        }
        Ok(Self {
            host: options.host.clone().or(file.host).unwrap_or_else(|| "127.0.0.1".into()),
            port: options.port.or(file.port).unwrap_or(8000),
            origins: read_origins(given)?,
            demo: options.demo.or(file.demo).unwrap_or(true),
            threads,
            limits: file.limits.apply(),
        })
    }
}

fn read_origins(given: &[String]) -> Result<Origins, Mistake> {
    match given {
        [] => Ok(Origins::same()),
        [any] if any == "*" => Ok(Origins::any()),
        list => Origins::list(list).map_err(|error| Mistake(error.to_string())),
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, Mistake> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Mistake(format!("cannot read the configuration {shown}: {error}")))?;
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)
            });
            let why = error.message().replace('\n', " ");
            Mistake(format!("{shown}, line {line}: {why}"))
        })
    }
}

impl FileLimits {
    fn apply(self) -> Limits {
        let mut limits = Limits::default();
        set(&mut limits.message_len_max, self.message_len_max);
        set(&mut limits.outbox_len_max, self.outbox_len_max);
        set(&mut limits.outbox_count_max, self.outbox_count_max);
        set(&mut limits.sessions_max, self.sessions_max);
        set(&mut limits.rooms_max, self.rooms_max);
        let ms = |value: Option<u64>| value.map(Duration::from_millis);
        set(&mut limits.ping_interval, ms(self.ping_interval_ms));
        set(&mut limits.ping_timeout, ms(self.ping_timeout_ms));
        set(&mut limits.handshake_timeout, ms(self.handshake_timeout_ms));
        set(&mut limits.write_timeout, ms(self.write_timeout_ms));
        limits
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
