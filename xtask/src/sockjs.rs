//! The official suite of SockJS, which is a script for Python 2.7.

use std::path::Path;
use std::process::Command;

use crate::process::{self, Failure, Result};
use crate::repository::Repository;
use crate::server::Server;

/// The script in its repository.
const SCRIPT: &str = "sockjs-protocol.py";

/// How many cases it has, and the one that we do not pass: see conformance/sockjs.md.
const CASES: usize = 68;
const FAILING: &[&str] = &["test_haproxy (__main__.Websocket)"];

/// Runs the suite of this folder against a server of its own.
pub(crate) fn official(repository: &Repository, from: &Path) -> Result {
    if !from.join(SCRIPT).is_file() {
        return Err(Failure::new(format!("{}: no {SCRIPT} in it", from.display())));
    }
    let packages = repository.target().join("sockjs-protocol");
    if !packages.is_dir() {
        let mut pip = python()?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        pip.current_dir(from).args(install).args(["--requirement", "requirements.txt"]);
        process::run(pip.arg("--target").arg(&packages))?;
    }
    let server = Server::conformance(repository, "sockjs", &["--port", "0"], &[])?;
    let mut suite = python()?;
    suite.current_dir(from).env("PYTHONPATH", &packages);
    suite.env("SOCKJS_URL", format!("http://{}", server.address)).args([SCRIPT, "-v"]);
    println!("   $ {}", process::shell_line(&suite));
    let output = process::output(&mut suite)?;
    let report = String::from_utf8_lossy(&output.stderr);
    print!("{report}");
    judge(&report)?;
    server.stop()
}

/// Python 2.7, as `python2.7` or among pyenv's.
fn python() -> Result<Command> {
    let mut python = Command::new("python2.7");
    if process::is_there("python2.7") {
        return Ok(python);
    }
    let known = process::read(Command::new("pyenv").args(["versions", "--bare"]));
    let known = known.unwrap_or_default();
    let version = known.lines().map(str::trim).find(|version| version.starts_with("2.7"));
    let version = version.ok_or_else(|| Failure::new(format!("{SCRIPT} needs python2.7")))?;
    python.env("PYENV_VERSION", version);
    Ok(python)
}

/// All cases must have run, and none failed but those that are known to.
fn judge(report: &str) -> Result {
    let ran = report.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next());
    if ran.and_then(|count| count.parse().ok()) != Some(CASES) {
        return Err(Failure::new(format!("{CASES} cases were to run")));
    }
    let failure = |line| str::strip_prefix(line, "FAIL: ").or(str::strip_prefix(line, "ERROR: "));
    let failed: Vec<_> = report.lines().filter_map(failure).collect();
    if failed == FAILING {
        return Ok(());
    }
    let (failed, expected) = (failed.join(", "), FAILING.join(", "));
    Err(Failure::new(format!("failed: {failed}; expected to fail: {expected}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_fail_may_and_must() {
        let report = |failed: &str, count| format!("{failed}\n---\nRan {count} tests in 1.4s\n");
        let known = "FAIL: test_haproxy (__main__.Websocket)";
        assert!(judge(&report(known, 68)).is_ok());
        assert!(judge(&report(known, 67)).is_err());
        assert!(judge(&report("", 68)).is_err());
        assert!(judge(&report(&format!("ERROR: test_x (__main__.X)\n{known}"), 68)).is_err());
        assert!(judge("").is_err());
    }
}
