//! The machine: whether it can measure, and what it is.

use std::fs;
use std::process::Command;
use std::thread;

use crate::process::{self, Failure, Result};

/// Server and generator must not take each other's time.
pub(crate) fn check() -> Result {
    if !cfg!(target_os = "linux") {
        return Err(Failure::new("the benchmark reads /proc: it runs on Linux only"));
    }
    if !process::is_there("taskset") {
        return Err(Failure::new(
            "taskset is missing: install util-linux, for the server and the generator need a core \
             of their own each",
        ));
    }
    let pin = ["--cpu-list", "0,1", "true"];
    if cores() < 2 || process::read(Command::new("taskset").args(pin)).is_err() {
        return Err(Failure::new(
            "the benchmark needs cores 0 and 1, one for the server and one for the generator, and \
             this process may not use both",
        ));
    }
    Ok(())
}

/// Cores, their kind, and the kernel.
pub(crate) fn describe() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(':')).map_or("unknown", |(_, name)| name);
    let kernel = process::read(Command::new("uname").arg("-sr")).unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{} cores ({}), {}, load average {load}", cores(), model.trim(), kernel.trim())
}

/// How many descriptors a process may have at most.
pub(crate) fn descriptors() -> Result<usize> {
    let limit = process::read(Command::new("sh").args(["-c", "ulimit -Hn"]))?;
    // "unlimited" is what no kernel keeps.
    Ok(limit.trim().parse().unwrap_or(1 << 20))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
