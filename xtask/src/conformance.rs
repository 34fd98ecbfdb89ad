//! `cargo xtask conformance`: the conformance server under the suites of `conformance/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;

use crate::process::{Failure, Result};
use crate::repository::Repository;
use crate::steps::Steps;
use crate::{autobahn, differential, install, node, server, socketio, sockjs};

#[derive(Debug, clap::Args)]
pub(crate) struct Conformance {
    /// The suite to run; all of them but autobahn, which takes long, if none is named
    #[arg(value_parser = suite_names())]
    suite: Option<String>,
    /// Run the official tests of that suite in this folder of theirs, instead of our contract
    #[arg(long, value_name = "DIR", requires = "suite")]
    from: Option<PathBuf>,
}

/// One of what `omniwire conformance --suite` knows.
struct Suite {
    name: &'static str,
    /// Runs the official tests of a folder.
    official: Option<fn(&Repository, &Path) -> Result>,
}

/// It runs for a quarter of an hour, so it runs only if it is named.
const AUTOBAHN: &str = "autobahn";

type Environment = &'static [(&'static str, &'static str)];

const SUITES: &[Suite] = &[
    Suite { name: "websocket", official: None },
    Suite { name: "engineio", official: Some(socketio::official) },
    Suite { name: "socketio", official: Some(socketio::official) },
    Suite { name: "signalr", official: None },
    Suite { name: "signalr-faults", official: None },
    Suite { name: "sockjs", official: Some(sockjs::official) },
    Suite { name: "plain", official: None },
    Suite { name: "recovery", official: None },
];

/// The suites that run longer on their own than among all: they read this.
const ALONE: &[(&str, &str)] = &[("CUTS", "1000")];

impl Conformance {
    pub(crate) fn run(&self, repository: &Repository) -> ExitCode {
        let mut steps = Steps::default();
        if self.suite.as_deref() == Some(DIFFERENTIAL) {
            steps.step("install", "what the checks need", || install::run(repository));
            let what = "the frame parser beside two others";
            steps.step(DIFFERENTIAL, what, || match &self.from {
                Some(_) => Err(Failure::new("these tests are nobody else's")),
                None => differential::run(repository),
            });
            return steps.finish();
        }
        steps.step("install", "Node.js packages of the suites", || {
            node::check()?;
            node::install(&repository.conformance("node"))
        });
        steps.step("release", "the binary", || server::build(repository));
        let failed = ["install", "release"].into_iter().find(|step| steps.has_failed(step));
        if self.suite.as_deref() == Some(AUTOBAHN) {
            steps.step(AUTOBAHN, "all of its cases, as server and as client", || match failed {
                Some(step) => Err(Failure::new(format!("not run, since it needs {step}"))),
                None => autobahn::all(repository),
            });
        }
        for suite in SUITES {
            if self.suite.as_deref().is_some_and(|wanted| wanted != suite.name) {
                continue;
            }
            let what = if self.from.is_some() { "the official tests" } else { "our contract" };
            steps.step(suite.name, what, || match (failed, &self.from) {
                (Some(step), _) => Err(Failure::new(format!("not run, since it needs {step}"))),
                (None, Some(from)) => official(repository, suite, from),
                (None, None) => {
                    let alone = self.suite.as_deref() == Some("signalr-faults");
                    contract(repository, &[suite.name], if alone { ALONE } else { &[] })
                }
            });
        }
        steps.finish()
    }
}

fn suite_names() -> PossibleValuesParser {
    let others = [AUTOBAHN, DIFFERENTIAL];
    SUITES.iter().map(|suite| suite.name).chain(others).collect::<Vec<_>>().into()
}

/// No suite of the server: the parser alone, see `differential.rs`.
const DIFFERENTIAL: &str = "differential";

/// Runs somebody else's tests.
fn official(repository: &Repository, suite: &Suite, from: &Path) -> Result {
    let Some(run) = suite.official else {
        let why = "has no official tests that run so; see conformance/README.md";
        return Err(Failure::new(format!("{} {why}", suite.name)));
    };
    run(repository, from)
}

/// Runs the contract tests of all suites.
pub(crate) fn contracts(repository: &Repository) -> Result {
    let names: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
    contract(repository, &names, &[])
}

fn contract(repository: &Repository, suites: &[&str], environment: Environment) -> Result {
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
    node::test(repository, &files, environment)
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
