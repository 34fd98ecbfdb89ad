//! `omniwire conformance`: the contracts that clients and test suites are turned on. Each suite is
//! an ordinary user of the library.

mod churn;
mod engineio;
mod plain;
mod signalr;
mod socketio;
mod sockjs;
mod websocket;

use crate::mistake::Mistake;
use crate::options::{ConformanceOptions, Suite};
use crate::run::Security;
use crate::{run, settings};
use axum::Router;
use omniwire::{BuildError, Builder, Drain, Hosts, Limits, Omniwire, Tls};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

/// A suite's server: the protocols, and whatever else it wants at its port.
struct Site {
    omniwire: Omniwire,
    beside: Router,
    /// Puts something around all of it.
    around: fn(Router) -> Router,
}

impl Site {
    fn new(omniwire: Omniwire) -> Self {
        Self { omniwire, beside: Router::new(), around: |site| site }
    }
}

/// What the command line says of every suite's server.
struct Basis {
    limits: Vec<String>,
    hosts: Hosts,
}

impl Basis {
    /// A builder with limits that differ from the suite's where the command line says so.
    fn builder(&self, mut limits: Limits) -> Result<Builder, Mistake> {
        settings::set_limits(&mut limits, &self.limits)?;
        Ok(Omniwire::builder().limits(limits).hosts(self.hosts.clone()))
    }
}

/// Sets a suite's limit of the protocol's, where the environment has it: attacks are shown to bite
/// on a server without it.
fn set_from_environment<T: FromStr>(name: &str, set: impl FnOnce(T)) -> Result<(), Mistake> {
    let Ok(value) = std::env::var(name) else { return Ok(()) };
    let mistake = |_| Mistake(format!("bad value '{value}' for {name}: expected a number"));
    value.parse().map(set).map_err(mistake)
}

/// The same for a time in milliseconds.
fn set_time_from_environment(name: &str, time: &mut Duration) -> Result<(), Mistake> {
    set_from_environment(name, |ms| *time = Duration::from_millis(ms))
}

/// Runs a suite's server until it is told to end.
pub(crate) fn run(options: &ConformanceOptions) -> Result<(), Mistake> {
    let threads = options.threads.map(NonZeroUsize::get);
    run::on_runtime(threads, &options.log, serve(options))
}

async fn serve(options: &ConformanceOptions) -> Result<(), Mistake> {
    let port = match (options.port, options.suite) {
        (Some(port), _) => port,
        (None, Suite::Socketio) => socketio::port()?,
        (None, _) => return Err(Mistake("--port is missing".into())),
    };
    let listeners = run::bind(&options.host, port).await?;
    let address = run::address(&listeners)?;
    let mut security = security(options)?;
    if options.suite == Suite::Socketio {
        socketio::secure(&mut security)?;
    }
    let listeners = security.secure(listeners)?.into_iter();
    let listeners =
        listeners.map(|one| one.websockets_over_http2(!options.no_http2_websockets)).collect();
    let site = site(options, &format!("{}://{address}", security.scheme()))?;
    let router = (site.around)(site.beside.merge(site.omniwire.router()));
    let line = format!("listening on {address}");
    run::serve(&line, listeners, router, &site.omniwire, Drain::default()).await
}

fn security(options: &ConformanceOptions) -> Result<Security, Mistake> {
    let Some([certificate, key]) = options.tls.as_deref() else { return Ok(Security::default()) };
    let tls = Tls::from_pem_files(certificate, key);
    Ok(Security::all(Some(tls.map_err(|error| Mistake(format!("--tls: {error}")))?)))
}

fn site(options: &ConformanceOptions, address: &str) -> Result<Site, Mistake> {
    let hosts = if options.any_host { Hosts::any() } else { Hosts::default() };
    let basis = Basis { limits: options.limits.clone(), hosts };
    match options.suite {
        Suite::Websocket => websocket::site(&basis),
        Suite::Engineio => engineio::site(&basis),
        Suite::EngineioClient => engineio::client::site(&basis),
        Suite::Socketio => socketio::site(&basis),
        Suite::SocketioClient => socketio::client::site(&basis),
        Suite::Signalr => signalr::site(&basis),
        Suite::Sockjs => sockjs::site(&basis, &options.sockjs_client_url, address),
        Suite::Plain => plain::site(&basis),
        Suite::Churn => churn::site(&basis),
    }
}

impl From<BuildError> for Mistake {
    fn from(error: BuildError) -> Self {
        Self(error.to_string())
    }
}
