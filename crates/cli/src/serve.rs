//! `omniwire serve`.

use crate::mistake::Mistake;
use crate::options::ServeOptions;
use crate::run::Security;
use crate::settings::{self, Settings};
use crate::{demo, pages, run};
use axum::Router;
use axum::routing::get;
use clap::ArgMatches;
use http::StatusCode;
use omniwire::protocols::{engineio, socketio};
use omniwire::{Omniwire, SocketIoMount};

/// Runs the server until it is told to end.
pub(crate) fn run(options: &ServeOptions, matches: &ArgMatches) -> Result<(), Mistake> {
    let settings = Settings::gather(options, matches)?;
    run::on_runtime(settings.threads, &settings.log, serve(&settings))
}

async fn serve(settings: &Settings) -> Result<(), Mistake> {
    for (variable, hint) in settings::unknown_variables() {
        tracing::warn!("the variable {variable} is no setting{hint}");
    }
    let mut builder = Omniwire::builder()
        .limits(settings.limits.clone())
        .origins(settings.origins.clone())
        .hosts(settings.hosts.clone())
        .gzip(settings.gzip);
    if settings.demo {
        builder = builder.namespace(demo::chat());
    }
    builder = builder.mount("/socket.io", socketio(settings));
    let omniwire = builder.build().map_err(|error| Mistake(error.to_string()))?;
    let mut router = health(&omniwire).merge(omniwire.router());
    if settings.demo {
        router = router.fallback(pages::serve);
    }
    let listeners = run::bind(&settings.host, settings.port).await?;
    let security = Security::all(settings.tls.clone());
    let address = run::address(&listeners)?;
    let listeners = security.secure(listeners)?;
    let line = format!("Omniwire is at {}://{address}/", security.scheme());
    run::serve(&line, listeners, router, &omniwire, settings.drain).await
}

/// What load balancers ask: whether the process is there, and whether it may have new clients.
fn health(omniwire: &Omniwire) -> Router {
    let omniwire = omniwire.clone();
    let ready = async move || match omniwire.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "going down\n"),
    };
    Router::new().route("/healthz", get(async || "here\n")).route("/readyz", get(ready))
}

fn socketio(settings: &Settings) -> SocketIoMount {
    let mut engine = engineio::Config::default();
    engine.transports.webtransport = settings.webtransport;
    engine.cookie.clone_from(&settings.socketio_cookie);
    SocketIoMount::new().config(socketio::Config { engine: engine.into(), ..Default::default() })
}
