//! The inputs that are kept: one file for each target, one input a line, escaped as in Rust's
//! byte strings.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{Failure, Result};
use crate::repository::Repository;

/// What one file may take. The shortest inputs are kept first.
const FILE_LEN_MAX: usize = 48 << 10;

/// The names of all targets: each has a file.
pub(super) fn names(repository: &Repository) -> Result<Vec<String>> {
    let folder = folder(repository);
    let list = fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
    let names = list.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> =
        names.filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// Writes each kept input of a target to a file of its own, as the fuzzer wants them.
pub(super) fn unpack(repository: &Repository, target: &str, to: &Path) -> Result {
    let file = file(repository, target);
    let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
    make_empty(to)?;
    for (index, line) in text.lines().enumerate() {
        let input = unescape(line)
            .ok_or_else(|| Failure::new(format!("{}:{}: no input", file.display(), index + 1)))?;
        let path = to.join(format!("{index:05}"));
        fs::write(&path, input).map_err(|error| unreadable(&path, &error))?;
    }
    Ok(())
}

/// Makes the files of a folder the kept inputs of a target.
pub(super) fn pack(repository: &Repository, target: &str, from: &Path) -> Result {
    let list = fs::read_dir(from).map_err(|error| unreadable(from, &error))?;
    let inputs = list.filter_map(|entry| fs::read(entry.ok()?.path()).ok());
    let mut lines: Vec<_> = inputs.map(|input| escape(&input)).collect();
    lines.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let mut len = 0;
    lines.retain(|line| {
        len += line.len() + 1;
        len <= FILE_LEN_MAX
    });
    lines.sort();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let file = file(repository, target);
    fs::write(&file, text).map_err(|error| unreadable(&file, &error))
}

/// An empty folder, whatever was there.
pub(super) fn make_empty(folder: &Path) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| unreadable(folder, &error))?;
    }
    fs::create_dir_all(folder).map_err(|error| unreadable(folder, &error))
}

pub(super) fn escape(input: &[u8]) -> String {
    input.escape_ascii().to_string()
}

fn unescape(line: &str) -> Option<Vec<u8>> {
    let mut input = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'\\' {
            input.push(first);
            continue;
        }
        let (&escape, behind) = rest.split_first()?;
        rest = behind;
        input.push(match escape {
            b't' => b'\t',
            b'r' => b'\r',
            b'n' => b'\n',
            b'x' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?
            }
            b'\'' | b'"' | b'\\' => escape,
            _ => return None,
        });
    }
    Some(input)
}

fn folder(repository: &Repository) -> PathBuf {
    repository.root.join("fuzz").join("corpus")
}

fn file(repository: &Repository, target: &str) -> PathBuf {
    folder(repository).join(format!("{target}.txt"))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let line = escape(&all);
        assert!(line.is_ascii() && !line.contains('\n'));
        assert_eq!(unescape(&line), Some(all));
    }

    #[test]
    fn a_line_that_is_no_input_is_found() {
        for line in [r"\", r"\x1", r"\xzz", r"\q"] {
            assert_eq!(unescape(line), None, "{line}");
        }
    }

    #[test]
    fn all_kept_inputs_can_be_read() {
        let repository = Repository::here();
        for name in names(&repository).unwrap() {
            let text = fs::read_to_string(file(&repository, &name)).unwrap();
            assert!(text.lines().all(|line| unescape(line).is_some()), "{name}");
            assert!(text.len() <= FILE_LEN_MAX, "{name}");
        }
    }
}
