//! The frame parser against those of npm `ws` and PyPI `websockets`, on generated octets: the same
//! messages, and the same end with the same close code, or a difference that is listed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{self, Failure, Result};
use crate::repository::Repository;

/// How many inputs `cargo xtask conformance differential` makes.
const COUNT: u32 = 100_000;

/// How many of them, from the first, `cargo xtask test` looks at.
const COUNT_IN_TEST: u32 = 10_000;

pub(crate) fn run(repository: &Repository) -> Result {
    Differential { repository, count: COUNT }.run(Listed::MustOccur)
}

pub(crate) fn test(repository: &Repository) -> Result {
    Differential { repository, count: COUNT_IN_TEST }.run(Listed::MayOccur)
}

/// Whether a difference that is listed must be met: with few inputs, rare ones are not.
#[derive(Clone, Copy, PartialEq)]
enum Listed {
    MustOccur,
    MayOccur,
}

/// What differs, as the list names it, with how often it does and the first input that shows it.
type Differences = BTreeMap<String, (u32, String)>;

struct Differential<'a> {
    repository: &'a Repository,
    count: u32,
}

impl Differential<'_> {
    fn run(&self, listed: Listed) -> Result {
        let mut cargo = self.repository.cargo();
        cargo.args(["build", "--package", "omniwire-fuzz", "--bin", "differential", "--locked"]);
        process::run(&mut cargo)?;
        let mut ours = Command::new(self.repository.debug_binary("differential"));
        let ours = process::read(ours.arg(self.count.to_string()))?;
        let inputs = self.repository.root.join("target").join("differential");
        fs::write(&inputs, &ours).map_err(|error| unreadable(&inputs, &error))?;

        let mut found = Differences::new();
        let mut node = Command::new("node");
        node.current_dir(self.repository.conformance("node")).arg("differential.mjs");
        compare("ws", &ours, &answers(node, &inputs)?, &mut found)?;
        let mut python = Command::new(self.repository.python());
        python.current_dir(self.repository.conformance("python")).arg("differential.py");
        compare("websockets", &ours, &answers(python, &inputs)?, &mut found)?;
        self.judge(&found, listed)
    }

    fn judge(&self, found: &Differences, listed: Listed) -> Result {
        let list = self.repository.conformance("differential.md");
        let text = fs::read_to_string(&list).map_err(|error| unreadable(&list, &error))?;
        let known: Vec<_> = text.lines().filter_map(listed_difference).collect();
        let mut failures = Vec::new();
        for (difference, (times, input)) in found {
            println!("   {times:>6} {difference}");
            if !known.contains(difference) {
                failures.push(format!("not listed: {difference}\n  first by: {input}"));
            }
        }
        let missing = known.iter().filter(|known| !found.contains_key(*known));
        if listed == Listed::MustOccur {
            failures.extend(missing.map(|known| format!("listed, but not met: {known}")));
        }
        let times: u32 = found.values().map(|(times, _)| times).sum();
        println!("   {} inputs, {times} known differences with two parsers", self.count);
        if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) }
    }
}

/// What a program answers to the lines of a file.
fn answers(mut program: Command, inputs: &Path) -> Result<String> {
    let file = File::open(inputs).map_err(|error| unreadable(&PathBuf::from(inputs), &error))?;
    let output = program.stdin(file).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| process::not_started(&program, &error))?;
    if !output.status.success() {
        let line = process::shell_line(&program);
        return Err(Failure::new(format!("{} from: {line}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn compare(peer: &str, ours: &str, theirs: &str, found: &mut Differences) -> Result {
    let (ours, theirs): (Vec<_>, Vec<_>) = (ours.lines().collect(), theirs.lines().collect());
    if ours.len() != theirs.len() {
        let counts = format!("{} answers to {} inputs", theirs.len(), ours.len());
        return Err(Failure::new(format!("{peer}: {counts}")));
    }
    for (ours, theirs) in ours.iter().zip(theirs) {
        if let Some(difference) = difference(ours, theirs) {
            let times = found.entry(format!("{peer} | {difference}")).or_default();
            times.0 += 1;
            if times.1.is_empty() {
                times.1 = format!("{ours}\n  {peer}: {theirs}");
            }
        }
    }
    Ok(())
}

/// `OUR END | THEIR END`, if they differ in what the peer would see. Our end has its reason; their
/// end says so if it is only the messages that differ.
fn difference(ours: &str, theirs: &str) -> Option<String> {
    let mut ours = ours.split('\t').skip(2);
    let mut theirs = theirs.split('\t');
    let (our_events, our_end) = (ours.next()?, ours.next()?);
    let (their_events, their_end) = (theirs.next()?, theirs.next()?);
    let same_end = our_end == their_end
        || our_end.strip_prefix(their_end).is_some_and(|reason| reason.starts_with(' '));
    match (same_end, our_events == their_events) {
        (true, true) => None,
        (true, false) => Some(format!("{our_end} | {their_end}, other messages")),
        (false, _) => Some(format!("{our_end} | {their_end}")),
    }
}

/// A row of the list: three cells that name the difference, and one with its reason.
fn listed_difference(line: &str) -> Option<String> {
    let cells: Vec<_> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
    let [peer, ours, theirs, reason] = cells.try_into().ok()?;
    let named = ["ws", "websockets"].contains(&peer.trim()) && !reason.trim().is_empty();
    let cells = [peer, ours, theirs].map(str::trim);
    named.then(|| cells.join(" | "))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_an_end_is_ours_alone() {
        let ours = "server\t00\tt:61 \tfail 1002 The opcode is unknown.";
        assert_eq!(difference(ours, "t:61 \tfail 1002"), None);
        let other = difference(ours, "t:61 \tfail 1007").unwrap();
        assert_eq!(other, "fail 1002 The opcode is unknown. | fail 1007");
        assert!(difference(ours, "\tfail 1002").unwrap().ends_with("fail 1002, other messages"));
    }

    #[test]
    fn only_rows_with_a_reason_are_listed() {
        let row = "| ws | open | fail 1002 | because |";
        assert_eq!(listed_difference(row).unwrap(), "ws | open | fail 1002");
        assert_eq!(listed_difference("| ws | open | fail 1002 | |"), None);
        assert_eq!(listed_difference("| peer | ours | theirs | why |"), None);
    }
}
