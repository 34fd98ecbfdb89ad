//! `cargo xtask conformance`: the conformance server under the suites of `conformance/`.

use std::fs;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;

use crate::process::{Failure, Result};
use crate::repository::Repository;
use crate::steps::Steps;
use crate::{node, server};

#[derive(Debug, clap::Args)]
pub(crate) struct Conformance {
    /// The suite to run; all of them if none is named
    #[arg(value_parser = PossibleValuesParser::new(SUITES))]
    suite: Option<String>,
}

/// What `omniwire conformance --suite` knows.
const SUITES: [&str; 6] = ["websocket", "engineio", "socketio", "signalr", "sockjs", "plain"];

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
                steps.step(suite, "our contract", || contract(repository, &[suite]));
            }
        }
        steps.finish()
    }
}

/// Runs the contract tests of all suites.
pub(crate) fn contracts(repository: &Repository) -> Result {
    contract(repository, &SUITES)
}

fn contract(repository: &Repository, suites: &[&str]) -> Result {
    let folder = repository.conformance("node").join("contract");
    let list = fs::read_dir(&folder)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let names = list.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<_> = names
        .filter(|name| suites.iter().any(|suite| is_test_of(name, suite)))
        .map(|name| format!("contract/{name}"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(format!("no tests of {}", suites.join(", "))));
    }
    node::test(repository, &files)
}

/// `SUITE.test.mjs`, and `SUITE-MORE.test.mjs` where one file would be too long.
fn is_test_of(name: &str, suite: &str) -> bool {
    let stem = name.strip_suffix(".test.mjs");
    let more = stem.and_then(|stem| stem.strip_prefix(suite));
    more.is_some_and(|more| more.is_empty() || more.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_may_have_several_files() {
        assert!(is_test_of("sockjs.test.mjs", "sockjs"));
        assert!(is_test_of("sockjs-services.test.mjs", "sockjs"));
        assert!(!is_test_of("sockjs.mjs", "sockjs"));
        assert!(!is_test_of("socketio.test.mjs", "sockjs"));
    }
}
