//! npm packages of this repository, installed from their lock files.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use crate::process::{self, Failure, Result};
use crate::repository::Repository;

/// Node.js 20 is the oldest that has all the clients and the test runner use.
const NODE_MAJOR_MIN: u32 = 20;

/// Ends a file of tests that hangs, so that it fails instead of holding up all others.
const FILE_TIMEOUT: &str = "--test-timeout=600000";

pub(crate) fn check() -> Result {
    let version = process::read(Command::new("node").arg("--version")).map_err(|failure| {
        Failure::new(format!("Node.js {NODE_MAJOR_MIN} is needed: {failure}"))
    })?;
    let major = version.trim().trim_start_matches('v').split('.').next();
    let major: u32 = major.and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < NODE_MAJOR_MIN {
        let found = version.trim();
        return Err(Failure::new(format!("Node.js {NODE_MAJOR_MIN} is needed, here is {found}")));
    }
    process::read(Command::new("npm").arg("--version"))
        .map(|_| ())
        .map_err(|failure| Failure::new(format!("npm is needed beside Node.js: {failure}")))
}

/// `npm ci`, unless it has run since the package's files last changed.
pub(crate) fn install(package: &Path) -> Result {
    if is_installed(package) {
        return Ok(());
    }
    process::run(Command::new("npm").args(["ci", "--no-fund", "--no-audit"]).current_dir(package))
}

fn is_installed(package: &Path) -> bool {
    let Some(installed) = changed(&package.join("node_modules/.package-lock.json")) else {
        return false;
    };
    ["package.json", "package-lock.json"]
        .iter()
        .all(|file| changed(&package.join(file)).is_none_or(|changed| changed <= installed))
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

/// Runs test files of `conformance/node` with Node's own runner against the release binary.
pub(crate) fn test(
    repository: &Repository,
    files: &[String],
    environment: &[(&str, &str)],
) -> Result {
    let mut command = Command::new("node");
    command.current_dir(repository.conformance("node"));
    command.env("OMNIWIRE_BIN", repository.binary()).envs(environment.iter().copied());
    command.args(["--test", "--test-reporter=spec", FILE_TIMEOUT]).args(files);
    process::run(&mut command)
}
