//! `cargo xtask bench`: our servers and their peers, one after the other and in turn, in one run.

mod cases;
mod figures;
mod machine;
mod million;
mod programs;
mod servers;
mod suites;
mod table;

use std::fs;
use std::path::PathBuf;

use crate::process::{Failure, Result};
use crate::repository::Repository;

use cases::{Case, Scale};
use figures::Figures;
use programs::Programs;
use suites::Suite;
use table::Outcome;

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// What to measure [default: all but `million`]
    suites: Vec<Suite>,
    /// One short round with fewer connections, to see that everything runs
    #[arg(long)]
    quick: bool,
    /// How often each server has its turn; the medians are shown [default: 3, or 1 if quick]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: Option<u32>,
    /// Only this case (can be repeated)
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// Only servers whose name has this in it (can be repeated)
    #[arg(long, value_name = "NAME")]
    server: Vec<String>,
    /// Of `million` [default: 1000000, or 2000 if quick]
    #[arg(long, value_name = "COUNT")]
    connections: Option<usize>,
    /// uWebSockets' sources, with its submodule uSockets, to build it from
    #[arg(long, value_name = "DIR")]
    uwebsockets: Option<PathBuf>,
}

impl Bench {
    pub(crate) fn run(&self, repository: &Repository) -> Result {
        machine::check()?;
        let suites = if self.suites.is_empty() { &Suite::DEFAULT[..] } else { &self.suites };
        let suites: Vec<_> = suites.iter().map(|suite| (*suite, self.cases(*suite))).collect();
        let cases = suites.iter().flat_map(|(_, cases)| cases);
        let entries = cases.flat_map(|case| &case.entries);
        let mut wanted: Vec<_> = entries.map(|entry| entry.server.program).collect();
        if self.suites.contains(&Suite::Million) {
            wanted.extend(million::PROGRAMS);
        }
        if wanted.is_empty() {
            return Err(Failure::new("no case and server is called so"));
        }
        let programs = Programs::prepare(repository, &wanted, self.uwebsockets.as_deref())?;
        let mut failed = Vec::new();
        for (suite, cases) in suites {
            let mut report =
                table::head(suite.name(), &self.command_line(suite), &machine::describe());
            if suite == Suite::Million {
                let million = million::run(repository, &programs, self.connections())?;
                println!("{million}");
                write(repository, suite, &(report.clone() + &million))?;
            }
            for case in cases {
                println!("── {} {}: {}", suite.name(), case.name, case.title);
                let outcomes = self.measure(repository, &programs, &case, &mut failed);
                let section = table::section(&case, &outcomes);
                println!("{section}");
                report += &section;
                write(repository, suite, &report)?;
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("no figure for: {}", failed.join(", "))))
    }

    fn cases(&self, suite: Suite) -> Vec<Case> {
        let has = |wanted: &[String], name: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str()))
        };
        let mut cases = suite.cases(Scale::new(self.quick));
        cases.retain(|case| self.only.is_empty() || self.only.iter().any(|name| name == case.name));
        for case in &mut cases {
            case.entries.retain(|entry| has(&self.server, entry.label));
        }
        cases.retain(|case| !case.entries.is_empty());
        cases
    }

    fn connections(&self) -> usize {
        self.connections.unwrap_or(if self.quick { 2_000 } else { 1_000_000 })
    }

    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// How each server fared over all rounds, which they have in turn.
    fn measure(
        &self,
        repository: &Repository,
        programs: &Programs,
        case: &Case,
        failed: &mut Vec<String>,
    ) -> Vec<Outcome> {
        let missing = |entry: &cases::Entry| programs.why_missing(entry.server.program);
        let mut outcomes: Vec<_> = case
            .entries
            .iter()
            .map(|entry| match missing(entry) {
                Some(why) => Outcome::Missing(why.to_owned()),
                None => Outcome::Measured(Figures::default()),
            })
            .collect();
        for round in 1..=self.rounds() {
            for (entry, outcome) in case.entries.iter().zip(&mut outcomes) {
                let Outcome::Measured(figures) = outcome else { continue };
                let json = servers::measure(repository, programs, case, entry);
                let added = json.and_then(|json| {
                    println!("   {round} {:<20} {}", entry.label, json.trim_end());
                    figures.add(&json)
                });
                if let Err(failure) = added {
                    println!("   FAILED: {failure}");
                    failed.push(format!("{} in {}", entry.label, case.name));
                    *outcome = Outcome::Failed;
                }
            }
        }
        outcomes
    }

    /// As one would type it to have the same again.
    fn command_line(&self, suite: Suite) -> String {
        let mut line = format!("cargo xtask bench {}", suite.name());
        if self.quick {
            line += " --quick";
        }
        if let Some(rounds) = self.rounds {
            line += &format!(" --rounds {rounds}");
        }
        if let Some(connections) = self.connections {
            line += &format!(" --connections {connections}");
        }
        for (option, names) in [("only", &self.only), ("server", &self.server)] {
            names.iter().for_each(|name| line += &format!(" --{option} '{name}'"));
        }
        if self.uwebsockets.is_some() {
            line += " --uwebsockets DIR";
        }
        line
    }
}

fn write(repository: &Repository, suite: Suite, report: &str) -> Result {
    let folder = repository.root.join("out/bench");
    let file = folder.join(format!("{}.md", suite.name()));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, report));
    written.map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}
