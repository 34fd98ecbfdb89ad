//! The tasks of this repository, each one command for a newcomer: `cargo xtask --help`.

mod attack;
mod autobahn;
mod bench;
mod conformance;
mod cost;
mod demo;
mod differential;
mod fuzz;
mod install;
mod models;
mod node;
mod process;
mod repository;
mod server;
mod simulate;
mod soak;
mod socketio;
mod sockjs;
mod steps;
mod test;
mod tidy;
mod web;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::repository::Repository;

/// Build, show and check Omniwire.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the pages and the server, then serve the demo until Ctrl-C
    Demo(demo::Demo),
    /// Run every check of the repository, as CI does
    Test(test::Test),
    /// Run the contract tests of one suite, or of all
    Conformance(conformance::Conformance),
    /// Compare our servers with their peers: CPU per message, memory per connection
    Bench(bench::Bench),
    /// Feed everything that reads bytes with inputs from anywhere
    Fuzz(fuzz::Fuzz),
    /// Run the server under a faulty network, in virtual time
    Simulate(simulate::Simulate),
    /// Churn on real connections of all protocols, against the release build
    Soak(soak::Soak),
    /// Turn hostile peers on the server, and judge how it withstands
    Attack(attack::Attack),
    /// Install what the checks need (Debian packages, npm packages, a Python environment)
    Install,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let repository = Repository::here();
    let outcome = match cli.task {
        Task::Demo(demo) => demo.run(&repository),
        Task::Test(test) => return test.run(&repository),
        Task::Conformance(conformance) => return conformance.run(&repository),
        Task::Bench(bench) => bench.run(&repository),
        Task::Fuzz(fuzz) => fuzz.run(&repository),
        Task::Simulate(simulate) => simulate.run(&repository),
        Task::Soak(soak) => soak.run(&repository),
        Task::Attack(attack) => attack.run(&repository),
        Task::Install => install::run(&repository),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
