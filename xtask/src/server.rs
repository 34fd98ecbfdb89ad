//! The release build of `omniwire`: built, and served to tests that want an address.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{self, Failure, Result};
use crate::repository::Repository;

/// How long the server may take to print its address.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take from SIGTERM to its end.
const STOP_LIMIT: Duration = Duration::from_secs(6);

pub(crate) fn build(repository: &Repository) -> Result {
    let package = ["--package", "omniwire-cli"];
    process::run(repository.cargo().args(["build", "--release", "--locked"]).args(package))
}

/// Runs the command behind it with as many descriptors as it may have, which is more than a shell
/// gives.
pub(crate) const MANY_DESCRIPTORS: &str = r#"ulimit -n "$(ulimit -Hn)"; exec "$@""#;

/// A running `omniwire`, ended with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens, as it says itself.
    pub(crate) address: String,
}

impl Server {
    /// Starts the demo on a free port; its address is a URL.
    pub(crate) fn serve(repository: &Repository) -> Result<Self> {
        let mut command = repository.command(repository.binary());
        command.args(["serve", "--port", "0"]);
        Self::start(command, url_in)
    }

    /// Starts the server of a suite; its address is a host and a port.
    pub(crate) fn conformance(
        repository: &Repository,
        suite: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let mut command = repository.command(repository.binary());
        command.args(["conformance", "--suite", suite]).args(arguments);
        command.envs(environment.iter().copied());
        Self::start(command, |line| line.strip_prefix("listening on "))
    }

    /// Starts the server of `cargo xtask soak`, with as many descriptors as it may have; its address
    /// is a host and a port.
    pub(crate) fn churn(repository: &Repository) -> Result<Self> {
        let mut command = repository.command("sh");
        command.args(["-c", MANY_DESCRIPTORS, "sh"]).arg(repository.binary());
        command.args(["conformance", "--suite", "churn", "--port", "0"]);
        Self::start(command, |line| line.strip_prefix("listening on "))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts the command and waits for the line with its address.
    fn start(mut command: Command, address_in: fn(&str) -> Option<&str>) -> Result<Self> {
        println!("   $ {}", process::shell_line(&command));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| process::not_started(&command, &error))?;
        let output = child.stdout.take().expect("standard output is a pipe");
        let (sender, receiver) = mpsc::channel();
        // Reads on to the end, so that the server never waits for a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                if let Some(address) = address_in(&line) {
                    // The receiver is gone once it has its address.
                    let _ = sender.send(address.to_owned());
                }
            }
        });
        match receiver.recv_timeout(START_LIMIT) {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                end(&mut child);
                let line = process::shell_line(&command);
                Err(Failure::new(format!("no address was printed by: {line}")))
            }
        }
    }

    /// Asks the server to end; it must do so in time and with exit code 0.
    pub(crate) fn stop(mut self) -> Result {
        let kill = format!("kill -TERM {}", self.child.id());
        process::read(Command::new("sh").args(["-c", &kill]))?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_LIMIT {
            match self.child.try_wait() {
                Ok(Some(status)) => return ended_well(status),
                Ok(None) => thread::sleep(Duration::from_millis(20)),
                Err(error) => return Err(Failure::new(format!("the server: {error}"))),
            }
        }
        Err(Failure::new(format!("the server still runs {STOP_LIMIT:?} after SIGTERM")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn ended_well(status: ExitStatus) -> Result {
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("the server ended after SIGTERM with {status}")))
}

fn end(child: &mut Child) {
    // Both fail only when it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn url_in(line: &str) -> Option<&str> {
    let url = &line[line.find("http://").or_else(|| line.find("https://"))?..];
    let end = url.find(|c: char| c.is_whitespace() || c == '\u{1b}').unwrap_or(url.len());
    Some(url[..end].trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_whatever_surrounds_it() {
        assert_eq!(url_in("open http://127.0.0.1:80/ now"), Some("http://127.0.0.1:80"));
        assert_eq!(url_in("\u{1b}[1mhttps://a:1\u{1b}[0m"), Some("https://a:1"));
        assert_eq!(url_in("listening"), None);
    }
}
