//! `omniwire conformance-client`: clients of ours for suites that are servers.

mod autobahn;
mod signalr;
mod sockjs;
mod teller;
mod websocket;

use crate::mistake::Mistake;
use crate::options::{ClientSuite, ConformanceClientOptions};
use crate::run;

pub(crate) fn run(options: &ConformanceClientOptions) -> Result<(), Mistake> {
    run::on_runtime(None, &options.log, async {
        match &options.suite {
            ClientSuite::Autobahn { url, agent } => autobahn::run(url, agent).await,
            ClientSuite::Websocket(options) => websocket::run(options).await,
            ClientSuite::Signalr => signalr::run().await,
            ClientSuite::Sockjs { url, transports } => sockjs::run(url, transports).await,
        }
    })
}

/// A line of standard output, at once also where that is a pipe.
fn print(line: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    // Whoever does not listen any more needs no line.
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}
