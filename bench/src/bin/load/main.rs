//! The load generator of `cargo xtask bench`: one thread that polls instead of sleeping, so that
//! the server never pays for waking it; it compares every reply byte by byte, in order and by
//! count. It prints one line of JSON, or, if the server spoils a message, why, and exits with 1.
#![forbid(unsafe_code)]

mod carrier;
mod client;
mod crowd;
mod deflate;
mod echo;
mod fallback;
mod frame;
mod http;
mod idle;
mod open;
mod payload;
mod protocol;
mod rooms;
mod server;
mod window;

use crate::client::SILENCE_MAX;
use clap::{Args, Parser, Subcommand, ValueEnum};
use protocol::Protocol;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

/// Loads a server and checks every reply.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Each message comes back to the connection that sent it
    Echo(echo::Echo),
    /// The same with compressed JSON
    Deflate(deflate::Deflate),
    /// What one member of a room says comes to all its members
    Rooms(rooms::Rooms),
    /// Each message goes up by POST and comes back over a carrier of HTTP
    Fallback(fallback::Fallback),
    /// Many connections for long, by orders on standard input
    Crowd(crowd::Crowd),
    /// Connections that say nothing, then one message each
    Idle(idle::Idle),
}

/// Which server, and how long.
#[derive(Debug, Args)]
struct Common {
    /// Where the server listens
    #[arg(long)]
    address: SocketAddr,
    /// PROTOCOL=PATH; connections take them in turn. `{room}` in it becomes their room's number
    #[arg(long = "lane", required = true, value_parser = lane)]
    lanes: Vec<Lane>,
    /// Rooms that the connections are spread over
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// The address that connections come from, in turn with that of the next network
    #[arg(long)]
    from: Option<Ipv4Addr>,
    /// How long the server may take to answer a handshake
    #[arg(long, default_value_t = SILENCE_MAX.as_secs())]
    patience_seconds: u64,
    /// The server's process, whose time and memory are read
    #[arg(long)]
    pid: u32,
}

/// How a connection reaches the server.
#[derive(Debug, Clone)]
struct Lane {
    protocol: Protocol,
    path: String,
}

fn lane(text: &str) -> std::result::Result<Lane, String> {
    let (protocol, path) = text.split_once('=').ok_or("it is PROTOCOL=PATH")?;
    let protocol = Protocol::from_str(protocol, false)?;
    Ok(Lane { protocol, path: path.to_owned() })
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
        Mode::Deflate(deflate) => deflate.run().map(|figures| serde_json::to_string(&figures)),
        Mode::Rooms(rooms) => rooms.run().map(|figures| serde_json::to_string(&figures)),
        Mode::Fallback(fallback) => fallback.run().map(|said| serde_json::to_string(&said)),
        Mode::Crowd(crowd) => crowd.run().map(|said| serde_json::to_string(&said)),
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
