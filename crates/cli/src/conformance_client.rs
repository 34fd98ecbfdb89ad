//! `omniwire conformance-client`: clients of ours for suites that are servers.

mod autobahn;
mod sockjs;
mod websocket;

use crate::options::{ClientSuite, ConformanceClientOptions};
use crate::{Mistake, run};

pub(crate) fn run(options: &ConformanceClientOptions) -> Result<(), Mistake> {
    run::on_runtime(None, &options.log, async {
        match &options.suite {
            ClientSuite::Autobahn { url, agent } => autobahn::run(url, agent).await,
            ClientSuite::Websocket(options) => websocket::run(options).await,
            ClientSuite::Sockjs { url, transports } => sockjs::run(url, transports).await,
        }
    })
}
