//! `cargo xtask simulate`: many seeds, one after the other.

use clap::Parser;
use omniwire_simulator::ledger::Tally;
use omniwire_simulator::speech::Kind;
use omniwire_simulator::world::{self, Choice};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Run the server under a faulty network in virtual time.
#[derive(Debug, Parser)]
struct Cli {
    /// How many seeds to run [default: 1000, or 1 if --seed is given]
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them
    #[arg(long)]
    seed: Option<u64>,
    /// What the clients speak; can be repeated [default: everything]
    #[arg(long, value_parser = kind)]
    protocol: Vec<Vec<Kind>>,
    /// End after so many seconds, however many seeds were run
    #[arg(long)]
    seconds: Option<u64>,
    /// Some clients read more slowly than the others speak, and nothing else is wrong
    #[arg(long)]
    slow_readers: bool,
    /// Print all that happens
    #[arg(long)]
    trace: bool,
    /// Go on after a seed that fails
    #[arg(long)]
    keep_going: bool,
}

/// All kinds whose name begins like this.
fn kind(name: &str) -> Result<Vec<Kind>, String> {
    let fitting = Kind::ALL.iter().filter(|(full, _)| full.starts_with(name));
    let fitting: Vec<Kind> = fitting.map(|(_, kind)| *kind).collect();
    match fitting.is_empty() {
        true => Err(format!("there are {:?}", Kind::ALL.map(|(name, _)| name))),
        false => Ok(fitting),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let choice = Choice {
        kinds: cli.protocol.concat(),
        trace: cli.trace,
        slow_readers: cli.slow_readers,
        ..Choice::default()
    };
    let first = cli.seed.unwrap_or(1);
    let count = cli.seeds.unwrap_or(if cli.seed.is_some() { 1 } else { 1000 });
    let start = Instant::now();
    let until = cli.seconds.map(|seconds| start + Duration::from_secs(seconds));
    let (mut tally, mut run, mut failed) = (Tally::default(), 0_u64, 0_u64);
    for seed in first..first + count {
        if until.is_some_and(|until| Instant::now() > until) {
            break;
        }
        let outcome = world::run(seed, &choice);
        run += 1;
        tally += outcome.tally;
        if outcome.findings.is_empty() {
            continue;
        }
        failed += 1;
        let what = if cli.slow_readers { " --slow-readers" } else { "" };
        println!("seed {seed} failed; replay: cargo xtask simulate --seed {seed}{what}");
        for finding in outcome.findings.iter().take(5) {
            println!("  {finding}");
        }
        if !cli.keep_going {
            break;
        }
    }
    let took = start.elapsed();
    let Tally { said, heard, joined, recovered, lost, cut, slow, dropped, waited } = tally;
    println!(
        "{run} seeds in {:.1} s ({:.2} ms each), {failed} failed: {said} said, {heard} heard, \
         {joined} joins, {cut} lines lost, {recovered} rooms recovered, {lost} told that they \
         lost, {slow} slow peers closed, {dropped} messages dropped for others; who reads \
         well waited {waited:?} at most",
        took.as_secs_f64(),
        took.as_secs_f64() * 1000.0 / run.max(1) as f64,
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
