//! `cargo xtask simulate`: the server under a faulty network, in virtual time, seed after seed.
//! What is simulated and what is checked is in the folder `simulator`.

use crate::process::{self, Result};
use crate::repository::Repository;

#[derive(Debug, clap::Args)]
pub(crate) struct Simulate {
    /// How many seeds to run [default: 1000, or 1 if --seed is given]
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them
    #[arg(long)]
    seed: Option<u64>,
    /// What the clients speak, by the beginning of its name; can be repeated [default: everything]
    #[arg(long)]
    protocol: Vec<String>,
    /// Some clients read more slowly than the others speak, and nothing else is wrong
    #[arg(long)]
    slow_readers: bool,
    /// Print all that happens
    #[arg(long)]
    trace: bool,
}

/// How long the step of `cargo xtask test` runs faulty networks, and how long slow readers.
const SECONDS_IN_TEST: [&str; 2] = ["20", "10"];

impl Simulate {
    pub(crate) fn run(&self, repository: &Repository) -> Result {
        let mut arguments = Vec::new();
        for (name, number) in [("--seeds", self.seeds), ("--seed", self.seed)] {
            arguments.extend(number.into_iter().flat_map(|n| [name.to_owned(), n.to_string()]));
        }
        for protocol in &self.protocol {
            arguments.extend(["--protocol".to_owned(), protocol.clone()]);
        }
        for (wanted, flag) in [(self.slow_readers, SLOW_READERS), (self.trace, "--trace")] {
            arguments.extend(wanted.then(|| flag.to_owned()));
        }
        simulate(repository, &arguments)
    }
}

/// The step of `cargo xtask test`: as many seeds as there is time for.
pub(crate) fn short(repository: &Repository) -> Result {
    let [faults, slow] = SECONDS_IN_TEST;
    let arguments = ["--seeds", "1000000", "--seconds", faults].map(str::to_owned);
    simulate(repository, &arguments)?;
    let arguments = ["--seeds", "1000000", "--seconds", slow, SLOW_READERS].map(str::to_owned);
    simulate(repository, &arguments)
}

const SLOW_READERS: &str = "--slow-readers";

/// As fast as it can be with every check of a debug build on.
fn simulate(repository: &Repository, arguments: &[String]) -> Result {
    let what = ["run", "--quiet", "--locked", "--profile", "fuzz"];
    let mut cargo = repository.cargo();
    cargo.args(what).args(["--package", "omniwire-simulator", "--"]).args(arguments);
    process::run(&mut cargo)
}
