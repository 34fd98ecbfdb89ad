//! The files of the repository: what git has, and what it would take.

use std::fs;

use crate::process::{self, Result};
use crate::repository::Repository;

/// A file, by its path from the root with `/` between folders.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) size_bytes: usize,
    /// Nothing where the file is not text.
    pub(crate) text: Option<String>,
}

impl Source {
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), size_bytes: text.len(), text: Some(text.to_owned()) }
    }

    pub(crate) fn has_extension(&self, extensions: &[&str]) -> bool {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        file.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// Numbered lines; none where the file is not text.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = self.text.as_deref().unwrap_or_default();
        text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// What a check finds in a file with this path and text.
#[cfg(test)]
pub(crate) fn findings(
    check: impl Fn(&Source, &mut Vec<String>),
    path: &str,
    text: &str,
) -> Vec<String> {
    let mut findings = Vec::new();
    check(&Source::new(path, text), &mut findings);
    findings
}

pub(crate) fn all(repository: &Repository) -> Result<Vec<Source>> {
    let mut git = repository.command("git");
    // Files that nobody has added yet count too, so that a fault shows before its commit.
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = process::read(&mut git)?;
    let paths = list.split('\0').filter(|path| !path.is_empty());
    // A file that was removed but is still in the index has no content to check.
    Ok(paths.filter_map(|path| source(repository, path)).collect())
}

fn source(repository: &Repository, path: &str) -> Option<Source> {
    let bytes = fs::read(repository.root.join(path)).ok()?;
    let size_bytes = bytes.len();
    Some(Source { path: path.to_owned(), size_bytes, text: String::from_utf8(bytes).ok() })
}
