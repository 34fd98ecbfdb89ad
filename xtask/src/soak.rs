//! `cargo xtask soak`: churn on real connections of all protocols against the release build. What
//! the clients do is in `simulator/src/bin/soak.rs`.

use std::process::Command;

use crate::process::{self, Result};
use crate::repository::Repository;
use crate::server::{self, MANY_DESCRIPTORS, Server};

#[derive(Debug, clap::Args)]
pub(crate) struct Soak {
    /// How long the clients churn
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// How many clients there are
    #[arg(long, default_value_t = 2000)]
    connections: u64,
    /// Seconds between two things that one client does, on average
    #[arg(long, default_value_t = 20)]
    pause: u64,
}

impl Soak {
    pub(crate) fn run(&self, repository: &Repository) -> Result {
        server::build(repository)?;
        let what = ["build", "--release", "--locked", "--package", "omniwire-simulator"];
        process::run(repository.cargo().args(what).args(["--bin", "soak"]))?;
        let server = Server::churn(repository)?;
        let mut clients = Command::new("sh");
        clients.args(["-c", MANY_DESCRIPTORS, "sh"]).arg(repository.release_binary("soak"));
        clients.args(["--server", &server.address, "--pid", &server.pid().to_string()]);
        for (name, number) in [
            ("--minutes", self.minutes),
            ("--connections", self.connections),
            ("--pause", self.pause),
        ] {
            clients.args([name, &number.to_string()]);
        }
        process::run(&mut clients)?;
        server.stop()
    }
}
