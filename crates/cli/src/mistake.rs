//! What stops the program before it serves, in the words of who has to mend it.

use crate::options::Options;
use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory as _};
use std::env;

/// What stops the program before it serves: one line for people, and exit code 2.
#[derive(Debug)]
pub(crate) struct Mistake(pub(crate) String);

impl Mistake {
    /// A mistake of the command line, or of a variable that stands in for a flag.
    pub(crate) fn of_usage(error: &clap::Error) -> Self {
        let text = error.to_string();
        let lines = text.lines().map(str::trim);
        let first = lines.clone().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        let mut line = first.trim_start_matches("error: ").to_owned();
        if let Some((flag, variable)) = variable_to_blame(error) {
            line = line.replace(&format!("'{flag}'"), &variable);
        }
        let clap_tip = || lines.clone().find_map(|line| line.strip_prefix("tip: "));
        if let Some(tip) = tip_of_ours(error).or_else(clap_tip) {
            line = format!("{line} ({tip})");
        }
        let command = Options::command();
        Self(format!("{line}; see {} --help", asked(&command).1))
    }
}

/// What other servers call `--host` is not alike to it.
fn tip_of_ours(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    ["--bind", "--listen", "--address"].contains(&flag.as_str()).then_some("it is '--host' here")
}

/// The subcommand that was asked for, and the words that ask for it.
fn asked(command: &Command) -> (&Command, String) {
    let (mut command, mut words) = (command, command.get_name().to_owned());
    for word in env::args().skip(1) {
        let Some(subcommand) = command.find_subcommand(&word) else { break };
        command = subcommand;
        words = format!("{words} {word}");
    }
    (command, words)
}

/// The flag that clap names, and the variable whose value it is: without the environment, nothing
/// is wrong.
fn variable_to_blame(error: &clap::Error) -> Option<(String, String)> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let mut command = Options::command();
    command.build();
    let without = command.clone().mut_subcommands(|subcommand| {
        subcommand.mut_args(|argument| argument.env(None::<&'static str>))
    });
    without.try_get_matches().ok()?;
    let (subcommand, _) = asked(&command);
    let argument = subcommand.get_arguments().find(|argument| argument.to_string() == *flag)?;
    Some((flag.clone(), argument.get_env()?.to_string_lossy().into_owned()))
}

/// What the word was most likely meant to be.
pub(crate) fn similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known = known.into_iter().map(|known| (strsim::jaro(word, known), known));
    let near = known.filter(|(likeness, _)| *likeness > 0.7);
    near.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, known)| known)
}
