//! The servers that are compared, and one turn of one of them under load.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::bench::cases::{Case, Entry};
use crate::bench::programs::{self, Program, Programs};
use crate::process::{self, Failure, Result};
use crate::repository::Repository;

/// A server that is measured, on one thread if nothing else is said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) arguments: &'static [&'static str],
    /// Those that it may run on, as `taskset` takes them.
    cores: &'static str,
}

impl Server {
    const fn new(name: &'static str, program: Program) -> Self {
        Self { name, program, arguments: &[], cores: "0" }
    }

    const fn arguments(self, arguments: &'static [&'static str]) -> Self {
        Self { arguments, ..self }
    }
}

/// Our crate `omniwire-websocket` alone.
pub(crate) static WEBSOCKET_CRATE: Server =
    Server::new("omniwire-websocket", Program::Ours("websocket-server"));
/// Our crate `omniwire`: rooms and handlers for all protocols.
pub(crate) static OMNIWIRE: Server = Server::new("omniwire", Program::Ours("omniwire-server"));
/// The same, which waits for a generator that has more to do than it can.
pub(crate) static OMNIWIRE_PATIENT: Server =
    Server::new("omniwire", Program::Ours("omniwire-server")).arguments(&["--patient"]);
/// The same on two threads, of which one has the generator on its core.
pub(crate) static OMNIWIRE_TWO_THREADS: Server = Server {
    cores: "0,1",
    ..Server::new("omniwire", Program::Ours("omniwire-server")).arguments(&["--threads", "2"])
};
/// The binary, as the contract tests start it.
pub(crate) static CONTRACT: Server = Server::new("omniwire conformance", Program::Binary)
    .arguments(&["conformance", "--suite", "websocket", "--port", "0", "--threads", "1"]);
/// The floor: no frames.
pub(crate) static TCP: Server = Server::new("bare TCP", Program::Peer("tcp"));
pub(crate) static UWEBSOCKETS: Server = Server::new("uWebSockets", Program::UWebSockets);
pub(crate) static TUNGSTENITE: Server =
    Server::new("tokio-tungstenite", Program::Peer("tungstenite"));
pub(crate) static TOKIO_WEBSOCKETS: Server =
    Server::new("tokio-websockets", Program::Peer("tokio-websockets"));
pub(crate) static FASTWEBSOCKETS: Server =
    Server::new("fastwebsockets", Program::Peer("fastwebsockets"));
pub(crate) static SOCKUDO: Server = Server::new("sockudo-ws", Program::Peer("sockudo"));
pub(crate) static WS: Server = Server::new("npm ws", Program::Node("ws.mjs"));
pub(crate) static SOCKETIO: Server = Server::new("npm socket.io", Program::Node("socketio.mjs"));
pub(crate) static SOCKETIOXIDE: Server = Server::new("socketioxide", Program::Peer("socketioxide"));
pub(crate) static SOCKJS: Server = Server::new("npm sockjs", Program::Node("sockjs.mjs"));
pub(crate) static ASPNET: Server = Server::new(
    "ASP.NET Core SignalR",
    Program::Elsewhere(
        "no .NET SDK; measured by hand on 2026-11-22, version 9.0.5 with JSON, CPU s per million: \
         echo of 1 KB 97.7, broadcast of 128 B to 1,000 26.7; 26,797 B per idle connection",
    ),
);

/// A fresh server under the load of a case: what the generator says of it.
pub(crate) fn measure(
    repository: &Repository,
    programs: &Programs,
    case: &Case,
    entry: &Entry,
) -> Result<String> {
    let server = Running::start(repository, programs, entry.server)?;
    let mut generator = pinned(repository, "1");
    let load = entry.load.as_ref().unwrap_or(&case.load);
    generator.arg(programs::beside(repository, "load")).args(load.split(' '));
    generator.args(["--address", &server.address, "--pid", &server.pid().to_string()]);
    for lane in entry.lanes {
        generator.args(["--lane", lane]);
    }
    let load = process::read(&mut generator);
    load.map_err(|failure| Failure::new(format!("{}: {failure}", entry.label)))
}

/// A running server, ended with this value.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
}

impl Running {
    fn start(repository: &Repository, programs: &Programs, server: &Server) -> Result<Self> {
        Self::start_by(pinned(repository, server.cores), repository, programs, server)
    }

    /// On whatever core is free.
    pub(crate) fn start_anywhere(
        repository: &Repository,
        programs: &Programs,
        server: &Server,
    ) -> Result<Self> {
        Self::start_by(with_descriptors(repository), repository, programs, server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn start_by(
        mut command: Command,
        repository: &Repository,
        programs: &Programs,
        server: &Server,
    ) -> Result<Self> {
        command.args(programs.command(repository, server.program)?).args(server.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| process::not_started(&command, &error))?;
        let mut running = Self { child, address: String::new() };
        let mut line = String::new();
        if let Some(output) = running.child.stdout.take() {
            // An error leaves no line, which is told below.
            let _ = BufReader::new(output).read_line(&mut line);
        }
        match line.trim_end().strip_prefix("listening on ") {
            Some(address) => running.address = address.to_owned(),
            None => {
                let line = process::shell_line(&command);
                return Err(Failure::new(format!("no address came from: {line}")));
            }
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What follows runs on these cores. The program in front becomes the next, so that the process
/// stays the one we know.
fn pinned(repository: &Repository, cores: &str) -> Command {
    let mut command = with_descriptors(repository);
    command.args(["taskset", "--cpu-list", cores]);
    command
}

/// What follows has as many descriptors as the system lets it have.
pub(crate) fn with_descriptors(repository: &Repository) -> Command {
    let mut command = repository.command("sh");
    command.args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec "$@""#, "sh"]);
    command
}
