//! The load generator of `cargo xtask bench`: one thread that polls instead of sleeping, so that
//! the server never pays for waking it; it compares every reply byte by byte, in order and by
//! count. It prints one line of JSON, or, if the server spoils a message, why, and exits with 1.
#![forbid(unsafe_code)]

mod broadcast;
mod client;
mod echo;
mod frame;
mod idle;
mod payload;
mod server;
mod window;

use clap::{Args, Parser, Subcommand};
use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;

/// Loads a WebSocket server and checks every reply.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Each message comes back to the connection that sent it
    Echo(echo::Echo),
    /// Each message of one member comes to all
    Broadcast(broadcast::Broadcast),
    /// Connections that say nothing, then one message each
    Idle(idle::Idle),
}

/// Which server, and how long.
#[derive(Debug, Args)]
struct Common {
    /// Where the server listens
    #[arg(long)]
    address: SocketAddr,
    /// The path of the WebSocket
    #[arg(long)]
    path: String,
    /// The server's process, whose time and memory are read
    #[arg(long)]
    pid: u32,
}

/// How long is measured.
#[derive(Debug, Args)]
struct Span {
    /// Not measured, to begin with
    #[arg(long, default_value_t = 0.5)]
    warm_up_seconds: f64,
    /// Measured
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

/// Why there is no figure.
#[derive(Debug)]
struct Failure(String);

type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// For `map_err`: what was tried, and how it went wrong.
    fn at<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

fn main() -> ExitCode {
    let result = match Options::parse().mode {
        Mode::Echo(echo) => echo.run().map(|figures| serde_json::to_string(&figures)),
        Mode::Broadcast(broadcast) => {
            broadcast.run().map(|figures| serde_json::to_string(&figures))
        }
        Mode::Idle(idle) => idle.run().map(|figures| serde_json::to_string(&figures)),
    };
    match result.and_then(|json| json.map_err(Failure::at("JSON"))) {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(Failure(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
