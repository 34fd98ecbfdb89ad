//! `cargo xtask conformance`: the conformance server under the suites of `conformance/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::builder::PossibleValuesParser;

use crate::process::{self, Failure, Result};
use crate::repository::Repository;
use crate::server::Server;
use crate::steps::Steps;
use crate::{autobahn, differential, install, node, server, sockjs};

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
    /// How the official tests are run.
    official: Option<Official>,
}

enum Official {
    /// They are an npm package, and want a server that is started so.
    Npm { arguments: &'static [&'static str], environment: Environment },
    /// By this, from a folder.
    Other(fn(&Repository, &Path) -> Result),
}

/// It runs for a quarter of an hour, so it runs only if it is named.
const AUTOBAHN: &str = "autobahn";

type Environment = &'static [(&'static str, &'static str)];

const SUITES: &[Suite] = &[
    Suite { name: "websocket", official: None },
    Suite {
        name: "engineio",
        official: Some(Official::Npm {
            arguments: &["--host", "localhost", "--port", "3000"],
            environment: &[],
        }),
    },
    Suite {
        name: "socketio",
        official: Some(Official::Npm {
            arguments: &["--host", "localhost", "--port", "3000"],
            environment: &[
                ("SIO_PING_INTERVAL", "300"),
                ("SIO_PING_TIMEOUT", "200"),
                ("SIO_CONNECT_TIMEOUT", "1000"),
            ],
        }),
    },
    Suite { name: "signalr", official: None },
    Suite { name: "signalr-faults", official: None },
    Suite { name: "sockjs", official: Some(Official::Other(sockjs::official)) },
    Suite { name: "plain", official: None },
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

/// Runs somebody else's tests against the server that they want.
fn official(repository: &Repository, suite: &Suite, from: &Path) -> Result {
    let (arguments, environment) = match &suite.official {
        Some(Official::Npm { arguments, environment }) => (arguments, environment),
        Some(Official::Other(run)) => return run(repository, from),
        None => {
            let why = "has no official tests that run so; see conformance/README.md";
            return Err(Failure::new(format!("{} {why}", suite.name)));
        }
    };
    if !from.join("package.json").is_file() {
        return Err(Failure::new(format!("{}: no package.json in it", from.display())));
    }
    node::install(from)?;
    let server = Server::conformance(repository, suite.name, arguments, environment)?;
    process::run(Command::new("npm").arg("test").current_dir(from))?;
    server.stop()
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
