//! Hostile peers by name, turned on a running `omniwire conformance`, and a judge who looks at the
//! server and at a well-behaved client meanwhile. `cargo xtask attack` builds and runs it.
//!
//! The wire formats are written here once more, apart from the server's own crates: a peer that
//! means harm does not use our encoder.
#![forbid(unsafe_code)]

mod advisories;
mod attack;
mod attacks;
mod good;
mod handshakes;
mod judge;
mod relay;
mod server;
mod wire;

use clap::Parser;
use std::process::ExitCode;

/// Turn hostile peers on a conformance server.
#[derive(Debug, Parser)]
enum Task {
    /// Run the attacks, or those named
    Run(judge::Options),
    /// Send malformed handshakes and compare the answers
    Handshakes(handshakes::Options),
    /// List the attacks
    List,
    /// The well-behaved client: reports when its input ends
    #[command(hide = true)]
    Good(good::Options),
}

fn main() -> ExitCode {
    let task = Task::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let well = runtime.block_on(async {
        match task {
            Task::Run(options) => judge::run(&options).await,
            Task::Handshakes(options) => handshakes::run(&options).await,
            Task::Good(options) => good::run(&options).await,
            Task::List => {
                for attack in attacks::all() {
                    println!("{:<22} {:<10} {}", attack.name, attack.suite, attack.what);
                }
                true
            }
        }
    });
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
