//! The binary `omniwire`: a real-time server that speaks every protocol of the web.
#![forbid(unsafe_code)]

mod conformance;
mod conformance_client;
mod demo;
mod descriptors;
mod limits;
mod log;
mod options;
mod pages;
mod run;
mod serve;
mod settings;

use clap::Parser as _;
use clap::error::ErrorKind;
use omniwire_allocator as _;
use options::{Command, ConfigCommand, Options};
use std::process::ExitCode;

/// What stops the program before it serves: one line for people, and exit code 2.
#[derive(Debug)]
struct Mistake(String);

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return explain(&error),
    };
    let done = match options.command {
        Command::Serve(options) => serve::run(&options),
        Command::Conformance(options) => conformance::run(&options),
        Command::ConformanceClient(options) => conformance_client::run(&options),
        Command::Config(ConfigCommand::Limits) => {
            print!("{}", limits::table());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Mistake(line)) => {
            eprintln!("omniwire: {line}");
            ExitCode::from(2)
        }
    }
}

/// Help and version are asked for; anything else is a mistake, told in one line.
fn explain(error: &clap::Error) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Nobody reads it if it can't be written.
        error.print().ok();
        return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
    let tip = lines.find_map(|line| line.strip_prefix("tip: "));
    let hint = tip.map(|tip| format!(" ({tip})")).unwrap_or_default();
    eprintln!("omniwire: {first}{hint}; see omniwire --help");
    ExitCode::from(2)
}
