//! The server under attack, as the kernel sees it.

use crate::attack::{Attack, Outcome, Target};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A running conformance server, ended with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pid: u32,
    pub(crate) target: Target,
}

/// What a process holds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) memory_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Server {
    /// Starts the suite's server on a free port, without the attack's defence if asked; with TLS if
    /// there are a certificate and a key.
    pub(crate) async fn start(
        binary: &Path,
        attack: &Attack,
        bare: bool,
        tls: Option<&[PathBuf; 2]>,
    ) -> Outcome<Self> {
        let mut command = Command::new(binary);
        command.args(["conformance", "--suite", attack.suite, "--port", "0"]);
        command.args(attack.with).args(if bare { attack.without } else { &[] });
        if let Some(files) = tls {
            command.arg("--tls").args(files);
        }
        command.envs(attack.environment.iter().copied());
        if bare {
            command.envs(attack.bare_environment.iter().copied());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        if attack.log_unread {
            command.stderr(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|error| format!("{binary:?}: {error}"))?;
        let pid = child.id().ok_or("the server ended at once")?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let mut lines = BufReader::new(output).lines();
        let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await;
        let line = line.ok().and_then(Result::ok).flatten().unwrap_or_default();
        let address = line.strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| format!("no address in {line:?}"))?;
        Ok(Self { child, pid, target: Target { address, quic: None } })
    }

    /// What it holds now. Fails if it is gone.
    pub(crate) fn held(&mut self) -> Outcome<Held> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(format!("the server ended: {status}"));
        }
        let gone = |error: std::io::Error| format!("the server is gone: {error}");
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).map_err(gone)?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.pid)).map_err(gone)?.count();
        Ok(Held {
            memory_kib: number("RssAnon:"),
            descriptors,
            threads: number("Threads:") as usize,
        })
    }
}
