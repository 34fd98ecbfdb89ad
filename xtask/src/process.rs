//! Running other programs: each is echoed before it runs, and shown whole when it fails.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// Why a task failed, in words for the person who started it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Runs a command to its end with its output passed through.
pub(crate) fn run(command: &mut Command) -> Result {
    println!("   $ {}", shell_line(command));
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(|error| not_started(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure(format!("{status} from: {}", shell_line(command))))
}

/// Runs a command to its end, however that is, and gives back what it wrote.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|error| not_started(command, &error))
}

/// Runs a command to its end and gives back what it wrote to standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        let line = shell_line(command);
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(Failure(format!("{} from: {line}\n{}", output.status, stderr.trim_end())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program can be started at all (its `--version` ends with 0).
pub(crate) fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub(crate) fn not_started(command: &Command, error: &io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    Failure(format!("{program} can't be started ({error}): {}", shell_line(command)))
}

/// The command as one would type it into a shell to run it again.
pub(crate) fn shell_line(command: &Command) -> String {
    let mut line = String::new();
    if let Some(folder) = command.get_current_dir().map(shortened).filter(|f| *f != Path::new("."))
    {
        line += &format!("cd {} && ", quoted(folder.as_os_str()));
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            line += &format!("{}={} ", name.to_string_lossy(), quoted(value));
        }
    }
    let is_cargo = env::var_os("CARGO").is_some_and(|cargo| cargo == command.get_program());
    line += &if is_cargo { "cargo".to_owned() } else { quoted(command.get_program()) };
    for argument in command.get_args() {
        line += " ";
        line += &quoted(argument);
    }
    line
}

/// The folder as seen from where the person stands, if it is below.
fn shortened(folder: &Path) -> &Path {
    let here = env::current_dir().unwrap_or_default();
    match folder.strip_prefix(here) {
        Ok(below) if below.as_os_str().is_empty() => Path::new("."),
        Ok(below) => below,
        Err(_) => folder,
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("cargo");
        command.args(["doc", "it's"]).env("RUSTDOCFLAGS", "-D warnings").current_dir("/nowhere");
        let line = r"cd /nowhere && RUSTDOCFLAGS='-D warnings' cargo doc 'it'\''s'";
        assert_eq!(shell_line(&command), line);
    }

    #[test]
    fn a_failing_command_is_named_whole() {
        let failure = run(Command::new("false").arg("-x")).unwrap_err().to_string();
        assert!(failure.ends_with("from: false -x"), "{failure}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let failure = read(&mut Command::new("no-such-program-here")).unwrap_err().to_string();
        assert!(failure.starts_with("no-such-program-here can't be started"), "{failure}");
    }
}
