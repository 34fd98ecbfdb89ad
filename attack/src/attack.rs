//! What an attack is.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::task::JoinSet;

/// Why the server did not withstand.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// An attack at work: `Ok` if the server answered as it should.
pub(crate) type Attacking = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One way to harm a server, within bounds of count and time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Which contract's server it is turned on.
    pub(crate) suite: &'static str,
    /// Flags of that server: shorter timers, so that the attack is short.
    pub(crate) with: &'static [&'static str],
    /// Its environment, likewise.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// Flags that switch off the one defence...
    pub(crate) without: &'static [&'static str],
    /// ...or variables that do.
    pub(crate) bare_environment: &'static [(&'static str, &'static str)],
    /// Why nothing switches it off, where nothing does: it is no limit, but how the server is made.
    pub(crate) stays: &'static str,
    /// It goes over HTTP/3, so the server has TLS.
    pub(crate) quic: bool,
    /// Nobody reads what the server logs.
    pub(crate) log_unread: bool,
    /// How much the server's memory may grow meanwhile.
    pub(crate) growth_max_mib: u64,
    /// Whether it is quick enough for every test run.
    pub(crate) short: bool,
    pub(crate) run: fn(Target) -> Attacking,
}

impl Attack {
    pub(crate) const DEFAULT: Self = Self {
        name: "",
        what: "",
        suite: "websocket",
        with: &[],
        environment: &[],
        without: &[],
        bare_environment: &[],
        stays: "",
        quic: false,
        log_unread: false,
        growth_max_mib: 32,
        short: true,
        run: |_| Box::pin(async { Err("nothing to run".to_owned()) }),
    };
}

impl Attack {
    /// Whether its defence can be switched off.
    pub(crate) fn bites(&self) -> bool {
        !self.without.is_empty() || !self.bare_environment.is_empty()
    }
}

/// The server under attack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Where it speaks HTTP/3, if it does.
    pub(crate) quic: Option<Quic>,
}

/// A UDP port, and the certificate that is shown there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quic {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: &'static Path,
}

/// Runs so many at once, and fails as the first that fails.
pub(crate) async fn all<F>(count: usize, make: impl Fn(usize) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let mut set: JoinSet<Outcome> = (0..count).map(&make).collect();
    while let Some(done) = set.join_next().await {
        done.map_err(|error| format!("an attacker failed: {error}"))??;
    }
    Ok(())
}

/// The same over a list of cases.
pub(crate) async fn cases<T, F>(list: Vec<T>, make: impl Fn(T) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let mut set: JoinSet<Outcome> = list.into_iter().map(&make).collect();
    while let Some(done) = set.join_next().await {
        done.map_err(|error| format!("an attacker failed: {error}"))??;
    }
    Ok(())
}

/// Bounds a wait.
pub(crate) async fn within<T>(
    time: Duration,
    what: &str,
    work: impl Future<Output = T>,
) -> Outcome<T> {
    let done = tokio::time::timeout(time, work).await;
    done.map_err(|_| format!("{what}: not within {time:?}"))
}
