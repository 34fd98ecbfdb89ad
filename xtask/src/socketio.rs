//! The official suites of Engine.IO and Socket.IO, from a fetched copy of their repositories: those
//! of the protocols, and those of npm's clients with our server in place of theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::node;
use crate::process::{self, Failure, Result};
use crate::repository::Repository;
use crate::server::Server;

/// A suite in a copy, and how it is run.
#[derive(Debug)]
struct Suite {
    what: &'static str,
    /// Cases that pass or fail; fewer passes are no pass. Older copies have one case less.
    cases: usize,
    server: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    tests: Tests,
}

#[derive(Debug)]
enum Tests {
    /// A package of its own.
    Protocol { folder: PathBuf },
    /// The folder `test` of a client's package, for the client as it is published.
    Client { package: &'static str, tests: PathBuf, mocha: &'static [&'static str] },
}

const ENGINE: &[&str] = &["engineio", "--host", "localhost", "--port", "3000"];
const SOCKET: &[&str] = &["socketio", "--host", "localhost", "--port", "3000"];
const ENGINE_CLIENT: &[&str] = &["engineio-client", "--host", "localhost", "--port", "3000"];
const SOCKET_CLIENT: &[&str] = &["socketio-client", "--host", "localhost", "--port", "3210"];

/// What makes our server the one of the suite.
const OFFICIAL: &[(&str, &str)] =
    &[("SIO_PING_INTERVAL", "300"), ("SIO_PING_TIMEOUT", "200"), ("SIO_CONNECT_TIMEOUT", "1000")];

/// Two cases turn the clock, and with it that of a server in the same process: left out.
const SOCKET_MOCHA: &[&str] =
    &["--import=tsx", "--exit", "--fgrep", "reconnect timeout", "--invert", "test/index.ts"];
const ENGINE_MOCHA: &[&str] = &["--timeout", "10000", "--exit", "test/index.js"];

/// Runs all suites that are in this folder: a copy of the monorepo, or of one of the older
/// repositories, or one suite's folder.
pub(crate) fn official(repository: &Repository, from: &Path) -> Result {
    let suites = suites_in(from);
    if suites.is_empty() {
        return Err(Failure::new(format!("{}: no suite in it", from.display())));
    }
    let results: Vec<_> = suites.iter().map(|suite| (suite, run(repository, suite))).collect();
    println!();
    for (suite, result) in &results {
        match result {
            Ok(counts) => println!("   {}: {counts}", suite.what),
            Err(failure) => println!("   {}: FAILED, {failure}", suite.what),
        }
    }
    let failed = results.iter().filter(|(_, result)| result.is_err());
    match failed.map(|(suite, _)| suite.what).collect::<Vec<_>>().join(", ").as_str() {
        "" => Ok(()),
        failed => Err(Failure::new(format!("failed: {failed}"))),
    }
}

/// The crate `rust_socketio` against our contract. It is a workspace of its own, so that what it
/// brings is no part of ours.
pub(crate) fn rust_client(repository: &Repository) -> Result {
    let mut test = repository.cargo();
    test.current_dir(repository.conformance("rust")).args(["test", "--locked", "--target-dir"]);
    test.arg(repository.target().join("rust-clients"));
    let server = Server::conformance(repository, "socketio", &["--port", "0"], &[])?;
    process::run(test.env("OMNIWIRE_URL", format!("http://{}", server.address)))?;
    server.stop()
}

fn suites_in(from: &Path) -> Vec<Suite> {
    let docs = from.join("docs");
    let folders = [
        from.to_owned(),
        from.join("test-suite"),
        docs.join("engine.io-protocol/v4-test-suite"),
        docs.join("engine.io-protocol/v3-test-suite"),
        docs.join("socket.io-protocol/v5-test-suite"),
    ];
    let mut suites: Vec<_> = folders.into_iter().filter_map(protocol_suite).collect();
    let tests = from.join("packages/socket.io-client/test");
    if tests.join("index.ts").is_file() {
        suites.push(Suite {
            what: "socket.io-client",
            cases: 109,
            server: SOCKET_CLIENT,
            environment: &[],
            tests: Tests::Client { package: "socket.io-client", tests, mocha: SOCKET_MOCHA },
        });
    }
    let tests = from.join("packages/engine.io-client/test");
    if tests.join("index.js").is_file() {
        let whats = [("engine.io-client", 83), ("engine.io-client with fetch", 82)];
        suites.extend(whats.map(|(what, cases)| Suite {
            what,
            cases,
            server: ENGINE_CLIENT,
            environment: if cases == 83 { &[] } else { &[("USE_FETCH", "1")] },
            tests: Tests::Client {
                package: "engine.io-client",
                tests: tests.clone(),
                mocha: ENGINE_MOCHA,
            },
        }));
    }
    suites
}

/// Which of the three a folder has is told by what it dials.
fn protocol_suite(folder: PathBuf) -> Option<Suite> {
    let source = fs::read_to_string(folder.join("test-suite.js")).ok()?;
    let (what, cases, server) = match source.as_str() {
        source if source.contains("/socket.io/") => ("Socket.IO 5", 31, SOCKET),
        source if source.contains("EIO=3") => ("Engine.IO 3", 22, ENGINE),
        _ => ("Engine.IO 4", 24, ENGINE),
    };
    let environment = if server == SOCKET { OFFICIAL } else { &[] };
    Some(Suite { what, cases, server, environment, tests: Tests::Protocol { folder } })
}

fn run(repository: &Repository, suite: &Suite) -> Result<String> {
    let mut command = match &suite.tests {
        Tests::Protocol { folder } => {
            node::install(folder)?;
            let mut npm = Command::new("npm");
            npm.arg("test").current_dir(folder);
            npm
        }
        Tests::Client { package, tests, mocha } => client(repository, package, tests, mocha)?,
    };
    let [name, arguments @ ..] = suite.server else { return Err(Failure::new("no server")) };
    let server = Server::conformance(repository, name, arguments, suite.environment)?;
    command.envs(suite.environment.iter().copied());
    println!("   $ {}", process::shell_line(&command));
    let output = process::output(&mut command)?;
    let report = String::from_utf8_lossy(&output.stdout);
    print!("{report}{}", String::from_utf8_lossy(&output.stderr));
    server.stop()?;
    judge(&report, suite.cases)
}

/// The client of npm, with its tests beside it, as in its repository.
fn client(repository: &Repository, package: &str, tests: &Path, mocha: &[&str]) -> Result<Command> {
    let packages = repository.target().join("official");
    fs::create_dir_all(&packages).map_err(|error| Failure::new(error.to_string()))?;
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        let (mine, copy) = (repository.conformance("official").join(file), packages.join(file));
        let is_same = fs::read(&mine).ok() == fs::read(&copy).ok();
        if !is_same {
            fs::copy(mine, copy).map_err(|error| Failure::new(format!("{file}: {error}")))?;
        }
    }
    node::install(&packages)?;
    let modules = packages.join("node_modules");
    let folder = modules.join(package);
    process::run(Command::new("rm").arg("-rf").arg(folder.join("test")))?;
    process::run(Command::new("cp").arg("-R").arg(tests).arg(&folder))?;
    let mut command = Command::new(modules.join(".bin/mocha"));
    command.current_dir(folder).args(mocha);
    Ok(command)
}

/// Reads the end of mocha's report: none may have failed, and all have run.
fn judge(report: &str, cases: usize) -> Result<String> {
    let count = |what| {
        let words = report.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let line = words.rev().find(|words| words.get(1) == Some(&what));
        line.and_then(|words| words[0].parse().ok()).unwrap_or(0_usize)
    };
    let (passed, failed) = (count("passing"), count("failing"));
    let counts = format!("{passed} passed, {failed} failed, {} skipped", count("pending"));
    match failed == 0 && passed >= cases {
        true => Ok(counts),
        false => Err(Failure::new(format!("{counts}, of {cases} at least"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_must_have_run_and_none_failed() {
        let report = "  names\n    ✔ 3 failing things\n\n  25 passing (9s)\n  1 pending\n";
        assert_eq!(judge(report, 25).unwrap(), "25 passed, 0 failed, 1 skipped");
        assert!(judge(report, 26).is_err());
        assert!(judge("  25 passing (9s)\n  1 failing\n", 25).is_err());
        assert!(judge("", 1).is_err());
    }
}
