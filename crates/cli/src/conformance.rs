//! `omniwire conformance`: the contracts that clients and test suites are turned on. Each suite is
//! an ordinary user of the library.

mod engineio;
mod plain;
mod signalr;
mod socketio;
mod sockjs;
mod websocket;

use crate::options::{ConformanceOptions, Suite};
use crate::{Mistake, run};
use axum::Router;
use omniwire::{BuildError, Omniwire};
use std::num::NonZeroUsize;
use std::time::Duration;

/// A suite's server: the protocols, and whatever else it wants at its port.
struct Site {
    omniwire: Omniwire,
    beside: Router,
}

impl Site {
    fn new(omniwire: Omniwire) -> Self {
        Self { omniwire, beside: Router::new() }
    }
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
    let site = site(options, &format!("http://{address}"))?;
    let router = site.beside.merge(site.omniwire.router());
    run::announce(&format!("listening on {address}"));
    run::serve(listeners, router, &site.omniwire, HANDSHAKE_TIMEOUT).await
}

/// From accept to the end of a request's head.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

fn site(options: &ConformanceOptions, address: &str) -> Result<Site, Mistake> {
    let built = match options.suite {
        Suite::Websocket => websocket::site(),
        Suite::Engineio => engineio::site(),
        Suite::Socketio => return socketio::site(),
        Suite::Signalr => signalr::site(),
        Suite::Sockjs => sockjs::site(&options.sockjs_client_url, address),
        Suite::Plain => plain::site(),
    };
    built.map_err(Mistake::from)
}

impl From<BuildError> for Mistake {
    fn from(error: BuildError) -> Self {
        Self(error.to_string())
    }
}
