//! The servers that are compared, and one turn of one of them under load.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::bench::cases::{Case, Room};
use crate::process::{self, Failure, Result};
use crate::repository::Repository;

/// A server that is measured, on one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Omniwire,
    Tungstenite,
}

impl Contestant {
    pub(crate) const BOTH: [Self; 2] = [Self::Omniwire, Self::Tungstenite];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Omniwire => "omniwire",
            Self::Tungstenite => "tokio-tungstenite",
        }
    }

    fn program(self, repository: &Repository) -> PathBuf {
        match self {
            Self::Omniwire => repository.binary(),
            Self::Tungstenite => beside(repository, "tungstenite-peer"),
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Omniwire => {
                &["conformance", "--suite", "websocket", "--port", "0", "--threads", "1"]
            }
            Self::Tungstenite => &[],
        }
    }

    fn path(self, room: Room) -> &'static str {
        match (self, room) {
            // Without compression, as the peer.
            (Self::Omniwire, Room::Echo) => "/echo-plain",
            (Self::Tungstenite, Room::Echo) => "/echo",
            (_, Room::Broadcast) => "/broadcast",
        }
    }
}

/// A fresh server under the load of a case: what the generator says of it.
pub(crate) fn measure(
    repository: &Repository,
    contestant: Contestant,
    case: &Case,
) -> Result<String> {
    let server = Server::start(repository, contestant)?;
    let mut generator = pinned(repository, 1);
    generator.arg(beside(repository, "load")).args(case.load.split(' '));
    generator.args(["--address", &server.address, "--path", contestant.path(case.room)]);
    generator.args(["--pid", &server.child.id().to_string()]);
    let load = process::read(&mut generator);
    load.map_err(|failure| Failure::new(format!("{}: {failure}", contestant.name())))
}

/// A running server, ended with this value.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(repository: &Repository, contestant: Contestant) -> Result<Self> {
        let mut command = pinned(repository, 0);
        command.arg(contestant.program(repository)).args(contestant.arguments());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| process::not_started(&command, &error))?;
        let mut server = Self { child, address: String::new() };
        let mut line = String::new();
        if let Some(output) = server.child.stdout.take() {
            // An error leaves no line, which is told below.
            let _ = BufReader::new(output).read_line(&mut line);
        }
        match line.trim_end().strip_prefix("listening on ") {
            Some(address) => server.address = address.to_owned(),
            None => {
                let line = process::shell_line(&command);
                return Err(Failure::new(format!("no address came from: {line}")));
            }
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What follows runs on one core, with as many descriptors as the system lets it have. Each of
/// the two programs in front becomes the next, so that the process stays the one we know.
fn pinned(repository: &Repository, core: usize) -> Command {
    let mut command = repository.command("sh");
    command.args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec "$@""#, "sh"]);
    command.args(["taskset", "--cpu-list", &core.to_string()]);
    command
}

fn beside(repository: &Repository, program: &str) -> PathBuf {
    repository.binary().with_file_name(program)
}
