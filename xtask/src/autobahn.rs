//! Autobahn's cases by PyPI `kosoku`, with the release binary as the server, over HTTP/2 too, and as the client.

use crate::install;
use crate::process::{self, Result};
use crate::repository::Repository;

/// The cases that take seconds.
pub(crate) fn selection(repository: &Repository) -> Result {
    run(repository, &[])
}

/// All cases; most of the time goes to the compression of large messages.
pub(crate) fn all(repository: &Repository) -> Result {
    install::debian_packages()?;
    install::python_environment(repository)?;
    run(repository, &["--all"])
}

fn run(repository: &Repository, options: &[&str]) -> Result {
    let folder = repository.conformance("autobahn");
    let mut command = repository.command(repository.python());
    command.arg(folder.join("run.py")).arg(repository.binary());
    process::run(command.arg(repository.target().join("autobahn")).args(options))
}
