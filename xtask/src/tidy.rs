//! The rules of this repository that no compiler checks. `cargo test` runs them too.

mod advisories;
mod bans;
mod crates;
mod lints;
mod names;
mod rust;
mod source;
mod text;

use crate::process::{Failure, Result};
use crate::repository::Repository;

pub(crate) fn run(repository: &Repository) -> Result {
    let findings = findings(repository)?;
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::new(findings.join("\n")))
}

/// One line for each place that breaks a rule.
fn findings(repository: &Repository) -> Result<Vec<String>> {
    let sources = source::all(repository)?;
    let mut findings = Vec::new();
    for source in &sources {
        names::check(source, &mut findings);
        text::check(source, &mut findings);
        rust::check(source, &mut findings);
        lints::check(source, &mut findings);
    }
    text::check_lengths(&sources, &mut findings);
    crates::check(repository, &sources, &mut findings)?;
    bans::check(&sources, &mut findings);
    advisories::check(&sources, &mut findings);
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        let findings = findings(&Repository::here()).unwrap();
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }
}
