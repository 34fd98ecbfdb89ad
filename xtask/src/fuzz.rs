//! `cargo xtask fuzz`: everything that reads bytes, under libFuzzer. The targets are in `fuzz/`.
//!
//! No sanitizer: there is no unsafe code to look into. What they find are failed assertions,
//! overflows, inputs that take too long, and memory that grows.

mod corpus;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::process::{self, Failure, Result};
use crate::repository::Repository;

#[derive(Debug, clap::Args)]
pub(crate) struct Fuzz {
    /// The targets; all of them if none is named
    targets: Vec<String>,
    /// How long each of them runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// How many of them run at once [default: one for each core]
    #[arg(long)]
    jobs: Option<usize>,
    /// Keep what leads to new places: the shortest inputs that reach all that is reached
    #[arg(long)]
    keep: bool,
    /// Run one target on this input alone
    #[arg(long, value_name = "FILE", requires = "targets")]
    replay: Option<PathBuf>,
}

/// How long each target runs among all the checks.
const SECONDS_IN_TEST: u32 = 20;

/// What coverage guidance needs, as cargo-fuzz sets it. All of it is stable.
const RUSTFLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// An input is at most so long, may take so many seconds, and so much memory.
const LIMITS: &[&str] = &["-max_len=4096", "-timeout=10", "-rss_limit_mb=1024"];

impl Fuzz {
    pub(crate) fn run(&self, repository: &Repository) -> Result {
        let known = corpus::names(repository)?;
        if let Some(unknown) = self.targets.iter().find(|target| !known.contains(target)) {
            let known = known.join(", ");
            return Err(Failure::new(format!("no target {unknown}; there are {known}")));
        }
        let targets = if self.targets.is_empty() { known } else { self.targets.clone() };
        let fuzzer = Fuzzer::build(repository)?;
        if let Some(input) = &self.replay {
            let target = targets.first().map(String::as_str).unwrap_or_default();
            return process::run(fuzzer.command(target).arg(input));
        }
        let jobs = self.jobs.unwrap_or_else(cores);
        fuzzer.run_all(&targets, self.seconds, jobs)?;
        if self.keep {
            targets.iter().try_for_each(|target| fuzzer.keep(target))?;
        }
        Ok(())
    }
}

/// The step of `cargo xtask test`: each target for a short while, from the inputs that are kept.
pub(crate) fn test(repository: &Repository) -> Result {
    let targets = corpus::names(repository)?;
    Fuzzer::build(repository)?.run_all(&targets, SECONDS_IN_TEST, cores())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The program that holds all targets, and the folder that it works in.
struct Fuzzer<'a> {
    repository: &'a Repository,
    program: PathBuf,
    folder: PathBuf,
}

impl<'a> Fuzzer<'a> {
    fn build(repository: &'a Repository) -> Result<Self> {
        let folder = repository.root.join("target").join("fuzz");
        // With a target named, the flags are not for build scripts.
        let host = host()?;
        let mut cargo = repository.cargo();
        cargo.args(["build", "--package", "omniwire-fuzz", "--bin", "libfuzzer"]);
        cargo.args(["--features", "libfuzzer", "--profile", "fuzz", "--locked"]);
        cargo.args(["--target", &host, "--target-dir"]).arg(&folder);
        process::run(cargo.env("RUSTFLAGS", RUSTFLAGS))?;
        let program = folder.join(host).join("fuzz").join("libfuzzer");
        Ok(Self { repository, program, folder })
    }

    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("FUZZ_TARGET", target).args(LIMITS).current_dir(&self.repository.root);
        command
    }

    /// A folder of this target: `kept` inputs, those that were `reached`.
    fn inputs(&self, what: &str, target: &str) -> PathBuf {
        self.folder.join(what).join(target)
    }

    fn run_all(&self, targets: &[String], seconds: u32, jobs: usize) -> Result {
        let queue = Mutex::new(targets.iter());
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().expect("nobody panics with it").next();
                        let Some(target) = next else { break };
                        match self.run(target, seconds) {
                            Ok(told) => println!("   {target:<22} {told}"),
                            Err(failure) => {
                                failures.lock().expect("nobody panics with it").push(failure);
                            }
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().expect("nobody panics with it");
        if failures.is_empty() {
            return Ok(());
        }
        let failures: Vec<_> = failures.iter().map(Failure::to_string).collect();
        Err(Failure::new(failures.join("\n\n")))
    }

    /// Runs one target; gives back the fuzzer's own last line.
    fn run(&self, target: &str, seconds: u32) -> Result<String> {
        let (kept, reached) = (self.inputs("kept", target), self.inputs("reached", target));
        corpus::unpack(self.repository, target, &kept)?;
        make(&reached)?;
        make(&self.folder.join("found"))?;
        let found = self.inputs("found", target);
        let mut command = self.command(target);
        command.arg(format!("-dict={}", self.dictionary().display()));
        command.arg(format!("-exact_artifact_path={}", found.display()));
        command.arg(format!("-max_total_time={seconds}"));
        command.arg(&reached).arg(&kept).stdin(Stdio::null());
        let output = command.output().map_err(|error| process::not_started(&command, &error))?;
        let told = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            let last = told.lines().rfind(|line| line.contains("DONE")).unwrap_or_default();
            return Ok(last.trim().to_owned());
        }
        Err(failure(target, &found, &told))
    }

    fn dictionary(&self) -> PathBuf {
        self.repository.root.join("fuzz").join("dictionary.txt")
    }

    /// Keeps the shortest of the known inputs that reach all that is reached.
    fn keep(&self, target: &str) -> Result {
        let least = self.inputs("least", target);
        corpus::make_empty(&least)?;
        let mut command = self.command(target);
        command.args(["-merge=1", "-max_len=1024"]).arg(&least);
        command.arg(self.inputs("reached", target)).arg(self.inputs("kept", target));
        let output = command.output().map_err(|error| process::not_started(&command, &error))?;
        if !output.status.success() {
            return Err(Failure::new(format!("{target}: the inputs can't be merged")));
        }
        corpus::pack(self.repository, target, &least)
    }
}

/// What was found, with all that is needed to see it again.
fn failure(target: &str, found: &Path, told: &str) -> Failure {
    let from = told.find("panicked at").or_else(|| told.find("ERROR: "));
    let why: Vec<_> =
        told.get(from.unwrap_or(0)..).unwrap_or_default().lines().take(REASON_LINES_MAX).collect();
    let input = match fs::read(found) {
        Ok(input) => format!("input   {}", corpus::escape(&input)),
        Err(error) => format!("no input was left: {error}"),
    };
    let file = found.display();
    Failure::new(format!(
        "{target}: {}\n{input}\nreplay  cargo xtask fuzz {target} --replay {file}",
        why.join("\n")
    ))
}

/// Enough for the message of a failed assertion.
const REASON_LINES_MAX: usize = 6;

fn make(folder: &Path) -> Result {
    fs::create_dir_all(folder)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))
}

/// The platform that this machine builds for.
fn host() -> Result<String> {
    let version = process::read(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("rustc does not name its host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_told_with_its_input_and_how_to_see_it_again() {
        let told = "INFO: x\nthread 'main' panicked at a.rs:1:2:\nleft\nright\n==1== ERROR: y";
        let told = failure("json", Path::new("/nowhere/json"), told).to_string();
        assert!(told.starts_with("json: panicked at a.rs:1:2:\nleft\n"), "{told}");
        assert!(told.ends_with("cargo xtask fuzz json --replay /nowhere/json"), "{told}");
    }
}
