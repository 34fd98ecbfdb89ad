//! `cargo xtask attack`: hostile peers by name, turned on the release build. What they are and how
//! they are judged is in the folder `attack`.

use crate::process::{self, Result};
use crate::repository::Repository;
use crate::server;

#[derive(Debug, clap::Args)]
pub(crate) struct Attack {
    /// Only these, by their names, which `--list` gives, or by an advisory's number
    names: Vec<String>,
    /// List the attacks
    #[arg(long)]
    list: bool,
    /// The machine has other work: the good client may wait 250 ms rather than 50
    #[arg(long)]
    busy: bool,
    /// Only those that `cargo xtask test` runs
    #[arg(long)]
    short: bool,
    /// Over TLS: the attackers by a relay in their own process, the good client by one in its
    #[arg(long)]
    tls: bool,
    /// Switch each attack's one defence off, and check that the judge sees it
    #[arg(long)]
    bite: bool,
}

impl Attack {
    pub(crate) fn run(&self, repository: &Repository) -> Result {
        if self.list {
            return attack(repository, &["list".to_owned()]);
        }
        server::build(repository)?;
        let flags = [
            ("--busy", self.busy),
            ("--short", self.short),
            ("--tls", self.tls),
            ("--bite", self.bite),
        ];
        let flags = flags.iter().filter(|(_, on)| *on).map(|(flag, _)| (*flag).to_owned());
        let run = ["run".to_owned()].into_iter().chain(flags).chain(self.names.clone());
        on_server(repository, run.collect())
    }
}

/// The step of `cargo xtask test`.
pub(crate) fn short(repository: &Repository) -> Result {
    on_server(repository, ["handshakes"].map(str::to_owned).into())?;
    on_server(repository, ["run", "--busy", "--short"].map(str::to_owned).into())
}

fn on_server(repository: &Repository, mut arguments: Vec<String>) -> Result {
    arguments.push("--server".to_owned());
    arguments.push(repository.binary().to_string_lossy().into_owned());
    attack(repository, &arguments)
}

fn attack(repository: &Repository, arguments: &[String]) -> Result {
    let package = ["run", "--quiet", "--locked", "--package", "omniwire-attack", "--"];
    process::run(repository.cargo().args(package).args(arguments))
}
