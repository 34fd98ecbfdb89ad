//! The models in `crates/hub/tests/models.rs`, under the model checker shuttle.

use crate::process::{self, Result};
use crate::repository::Repository;

/// The step of `cargo xtask test`. Its build differs in every crate, so it has a folder of its own.
pub(crate) fn run(repository: &Repository) -> Result {
    let mut cargo = repository.cargo();
    cargo.args(["test", "--locked", "--package", "omniwire-hub", "--test", "models"]);
    cargo.args(["--profile", "fuzz", "--target-dir"]).arg(repository.root.join("target/models"));
    process::run(cargo.env("RUSTFLAGS", "--cfg shuttle"))
}
