//! That what a peer sends costs in proportion to its length: instructions, as valgrind counts
//! them, at one length and at twice that. The cases are in `fuzz/src/bin/cost.rs`.

use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use crate::process::{self, Failure, Result};
use crate::repository::Repository;

/// Twice the instructions, and some for a buffer that grows once more.
const RATIO_MAX: f64 = 2.3;

pub(crate) fn run(repository: &Repository) -> Result {
    let mut cargo = repository.cargo();
    // Not optimized, since that is what the unit tests have built; it is as linear or not.
    cargo.args(["build", "--package", "omniwire-fuzz", "--bin", "cost", "--locked"]);
    process::run(&mut cargo)?;
    let program = repository.debug_binary("cost");
    let list = process::read(&mut Command::new(&program))?;
    let cases = Mutex::new(list.lines());
    let findings = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = cases.lock().expect("nobody panics with it").next();
                    let Some(case) = next else { break };
                    let judged = Case { repository, program: &program, name: case }.judge();
                    if let Err(failure) = judged {
                        findings.lock().expect("nobody panics with it").push(failure.to_string());
                    }
                }
            });
        }
    });
    let findings = findings.into_inner().expect("nobody panics with it");
    if findings.is_empty() { Ok(()) } else { Err(Failure::new(findings.join("\n"))) }
}

struct Case<'a> {
    repository: &'a Repository,
    program: &'a std::path::Path,
    name: &'a str,
}

impl Case<'_> {
    fn judge(&self) -> Result {
        let (once, twice) = (self.count(1)?, self.count(2)?);
        let ratio = twice as f64 / once as f64;
        let told = format!("{:<30} {once:>11} {twice:>11} {ratio:.2}", self.name);
        println!("   {told}");
        if ratio <= RATIO_MAX {
            return Ok(());
        }
        Err(Failure::new(format!("more than {RATIO_MAX} times the instructions: {told}")))
    }

    /// The instructions between the beginning of reading and its end.
    fn count(&self, times: u32) -> Result<u64> {
        let file = self.repository.root.join("target").join(format!("cost-{}-{times}", self.name));
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--toggle-collect=*measured*"]);
        valgrind.arg(format!("--callgrind-out-file={}", file.display()));
        valgrind.arg(self.program).args([self.name, &times.to_string()]);
        process::read(&mut valgrind)?;
        let text = fs::read_to_string(&file)
            .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        let _ = fs::remove_file(&file);
        total(&text).ok_or_else(|| Failure::new(format!("{}: valgrind counted nothing", self.name)))
    }
}

/// The `totals:` of what callgrind wrote.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok().filter(|total| *total > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_and_nothing_is_no_total() {
        assert_eq!(total("version: 1\ntotals: 123\n"), Some(123));
        assert_eq!(total("totals: 0\n"), None);
        assert_eq!(total(""), None);
    }
}
