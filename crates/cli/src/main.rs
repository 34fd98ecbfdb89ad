//! The binary `omniwire`: a real-time server that speaks every protocol of the web.
#![forbid(unsafe_code)]

mod conformance;
mod conformance_client;
mod demo;
mod descriptors;
mod limits;
mod log;
mod mistake;
mod options;
mod pages;
mod run;
mod serve;
mod settings;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use mistake::Mistake;
use omniwire_allocator as _;
use options::{Command, ConfigCommand, Options};
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match read() {
        Ok((options, matches)) => carry_out(options, &matches),
        Err(error) if !error.use_stderr() => {
            // Help and version are asked for. Nobody reads them if they can't be written.
            error.print().ok();
            return ExitCode::SUCCESS;
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.print().ok();
            return ExitCode::from(2);
        }
        Err(error) => Err(Mistake::of_usage(&error)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Mistake(line)) => {
            eprintln!("omniwire: {line}");
            ExitCode::from(2)
        }
    }
}

/// The options, and where they were given.
fn read() -> Result<(Options, ArgMatches), clap::Error> {
    let matches = Options::command().try_get_matches()?;
    Ok((Options::from_arg_matches(&matches)?, matches))
}

fn carry_out(options: Options, matches: &ArgMatches) -> Result<(), Mistake> {
    match options.command {
        Command::Serve(options) => {
            // It is the subcommand that the options are of.
            let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
            serve::run(&options, matches)
        }
        Command::Conformance(options) => conformance::run(&options),
        Command::ConformanceClient(options) => conformance_client::run(&options),
        Command::Config(ConfigCommand::Limits) => {
            print!("{}", limits::tables());
            Ok(())
        }
    }
}
