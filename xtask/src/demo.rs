//! `cargo xtask demo`: from a fresh clone to a page one can open.

use std::process::Command;

use crate::process::{self, Result};
use crate::repository::Repository;
use crate::{install, server, web};

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// The port to serve on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Further arguments of `omniwire serve`
    #[arg(last = true)]
    serve: Vec<String>,
}

impl Demo {
    pub(crate) fn run(&self, repository: &Repository) -> Result {
        install::build_tools()?;
        println!("── web: build the pages");
        web::build(repository)?;
        println!("── release: build the server");
        server::build(repository)?;
        println!("── serve");
        let mut command = repository.command(repository.binary());
        command.args(["serve", "--port", &self.port.to_string()]).args(&self.serve);
        println!("   $ {}", process::shell_line(&command));
        become_it(command)
    }
}

/// This process becomes the server: every signal reaches it, and its exit code is ours.
#[cfg(unix)]
fn become_it(mut command: Command) -> Result {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Err(process::not_started(&command, &error))
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> Result {
    let status = command.status().map_err(|error| process::not_started(&command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(process::Failure::new(format!("the server: {status}")))
    }
}
