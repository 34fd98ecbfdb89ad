//! `cargo xtask bench`: our server and a peer, one after the other and in turn, in one run.

mod cases;
mod figures;
mod machine;
mod servers;
mod table;

use std::fs;
use std::time::Instant;

use clap::builder::PossibleValuesParser;

use crate::process::{self, Failure, Result};
use crate::repository::Repository;
use crate::server;

use cases::Case;
use figures::Figures;
use servers::Contestant;
use table::Row;

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Shorter, and with fewer idle connections
    #[arg(long)]
    quick: bool,
    /// How often each server has its turn; the medians are shown [default: 3, or 1 if quick]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: Option<u32>,
    /// Run only this case (can be repeated)
    #[arg(long, value_name = "NAME", value_parser = case_names())]
    only: Vec<String>,
}

impl Bench {
    pub(crate) fn run(&self, repository: &Repository) -> Result {
        machine::check()?;
        println!("── release: build the server, its peer and the generator");
        server::build(repository)?;
        let package = ["--package", "omniwire-bench"];
        process::run(repository.cargo().args(["build", "--release", "--locked"]).args(package))?;
        let start = Instant::now();
        let mut rows = Vec::new();
        let mut failed = Vec::new();
        for case in self.cases() {
            match self.measure(repository, &case) {
                Ok(figures) => rows.extend(case.rows(&figures)),
                Err(failure) => {
                    println!("   FAILED: {failure}");
                    rows.push(Row::failed(case.title));
                    failed.push(case.name);
                }
            }
        }
        let took = start.elapsed().as_secs();
        let report = table::report(&self.command_line(), &machine::describe(), took, &rows);
        println!("\n{report}");
        write(repository, &report)?;
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("no figure for: {}", failed.join(", "))))
    }

    fn cases(&self) -> impl Iterator<Item = Case> {
        let wanted = |case: &Case| self.only.is_empty() || self.only.iter().any(|n| n == case.name);
        cases::all(self.quick).into_iter().filter(wanted)
    }

    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// The figures of each server over all rounds, which they have in turn.
    fn measure(&self, repository: &Repository, case: &Case) -> Result<[Figures; 2]> {
        println!("── {}: {}", case.name, case.title);
        let mut figures = [Figures::default(), Figures::default()];
        for round in 1..=self.rounds() {
            for (contestant, figures) in Contestant::BOTH.into_iter().zip(&mut figures) {
                let json = servers::measure(repository, contestant, case)?;
                println!("   {round} {:<18} {}", contestant.name(), json.trim_end());
                figures.add(&json)?;
            }
        }
        Ok(figures)
    }

    /// As one would type it to have the same again.
    fn command_line(&self) -> String {
        let mut line = "cargo xtask bench".to_owned();
        if self.quick {
            line += " --quick";
        }
        if let Some(rounds) = self.rounds {
            line += &format!(" --rounds {rounds}");
        }
        for name in &self.only {
            line += &format!(" --only {name}");
        }
        line
    }
}

fn case_names() -> PossibleValuesParser {
    cases::all(false).into_iter().map(|case| case.name).collect::<Vec<_>>().into()
}

fn write(repository: &Repository, report: &str) -> Result {
    let folder = repository.root.join("out");
    let file = folder.join("bench.md");
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, report));
    written.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    println!("written to {}", file.display());
    Ok(())
}
