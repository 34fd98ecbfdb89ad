//! `cargo xtask conformance`: the conformance server under the suites of `conformance/`.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;

use crate::repository::Repository;
use crate::steps::Steps;
use crate::{node, server};

#[derive(Debug, clap::Args)]
pub(crate) struct Conformance {
    /// The suite to run; all of them if none is named
    #[arg(value_parser = PossibleValuesParser::new(SUITES))]
    suite: Option<String>,
}

/// What `omniwire conformance --suite` knows; each has `conformance/node/contract/SUITE.test.mjs`.
pub(crate) const SUITES: [&str; 6] =
    ["websocket", "engineio", "socketio", "signalr", "sockjs", "plain"];

impl Conformance {
    pub(crate) fn run(&self, repository: &Repository) -> ExitCode {
        let mut steps = Steps::default();
        steps.step("install", "Node.js packages of the suites", || {
            node::check()?;
            node::install(&repository.conformance("node"))
        });
        steps.step("release", "the binary", || server::build(repository));
        for suite in SUITES {
            if self.suite.as_deref().is_none_or(|wanted| wanted == suite) {
                let contract = contract(suite);
                steps.step(suite, "our contract", || node::test(repository, &[contract]));
            }
        }
        steps.finish()
    }
}

/// The tests of a suite, below `conformance/node`.
pub(crate) fn contract(suite: &str) -> String {
    format!("contract/{suite}.test.mjs")
}
