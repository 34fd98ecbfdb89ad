//! The well-behaved client: it says something every few milliseconds and waits for the answer, and
//! connects anew now and then, until its input ends. Then it reports.

use crate::attack::{Outcome, Target};
use crate::relay::relay;
use crate::wire::frame;
use crate::wire::socket::Socket;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;

/// Where to be good.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The server
    address: SocketAddr,
    /// Its suite
    suite: String,
    /// Its certificate, to which there is TLS
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
}

/// How it was served.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) answers: usize,
    pub(crate) p99_ms: f64,
    pub(crate) worst_ms: f64,
    pub(crate) connects: usize,
    /// Why it could not go on.
    pub(crate) failure: Option<String>,
}

/// How to say something in a suite.
struct Speech {
    path: &'static str,
    /// What is sent first, and what must come then.
    opening: &'static [(&'static str, &'static str)],
    /// What is said, and what must come back, with the number in the place of `#`.
    say: &'static str,
    hear: &'static str,
}

fn speech(suite: &str) -> Speech {
    match suite {
        "socketio" => Speech {
            path: "/socket.io/?EIO=4&transport=websocket",
            opening: &[("", "0{"), ("40", "40{")],
            say: "42[\"echo\",\"#\"]",
            hear: "42[\"echo-back\",\"#\"]",
        },
        "sockjs" => {
            Speech { path: "/default_echo/websocket", opening: &[], say: "good #", hear: "good #" }
        }
        "signalr" => Speech {
            path: "/hubs/test",
            opening: &[("{\"protocol\":\"json\",\"version\":1}\u{1e}", "{}\u{1e}")],
            say: "{\"type\":1,\"invocationId\":\"#\",\"target\":\"Echo\",\"arguments\":[\"x\"]}\u{1e}",
            hear: "\"invocationId\":\"#\"",
        },
        "plain" => Speech { path: "/ws/chat", opening: &[], say: "good #", hear: "good #" },
        _ => Speech { path: "/echo", opening: &[], say: "good #", hear: "good #" },
    }
}

/// Is good until the input ends, and prints the report.
pub(crate) async fn run(options: &Options) -> bool {
    let address = match &options.tls {
        None => Ok(options.address),
        // Not that of the attackers: what this client waits is a measure of the server.
        Some(file) => relay(file, options.address).await,
    };
    let address = match address {
        Ok(address) => address,
        Err(failure) => {
            eprintln!("{failure}");
            return false;
        }
    };
    let target = Target { address, quic: None };
    let speech = speech(&options.suite);
    let mut report = Report::default();
    let mut latencies = Vec::new();
    let talk = async {
        if let Err(failure) = talk(target, &speech, &mut latencies, &mut report.connects).await {
            report.failure = Some(failure);
        }
    };
    let mut input = tokio::io::stdin();
    let mut octet = [0; 1];
    tokio::select! {
        () = talk => {}
        _ = input.read(&mut octet) => {}
    }
    latencies.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    report.answers = latencies.len();
    report.p99_ms = ms(latencies.get(latencies.len() * 99 / 100));
    report.worst_ms = ms(latencies.last());
    println!("{}", serde_json::to_string(&report).unwrap_or_default());
    report.failure.is_none()
}

async fn talk(
    target: Target,
    speech: &Speech,
    latencies: &mut Vec<Duration>,
    connects: &mut usize,
) -> Outcome {
    let mut socket = connect(target, speech).await?;
    for number in 0_usize.. {
        tokio::time::sleep(PAUSE).await;
        if number % CONNECT_EVERY == CONNECT_EVERY - 1 {
            let begun = Instant::now();
            // The one before leaves with it.
            socket = connect(target, speech).await?;
            *connects += 1;
            if begun.elapsed() > CONNECT_TIME_MAX {
                return Err(format!("connecting took {:?}", begun.elapsed()));
            }
        }
        let number = number.to_string();
        let begun = Instant::now();
        let said = frame::text(&speech.say.replace('#', &number));
        socket.send(&said).await.map_err(|error| error.to_string())?;
        socket.expect(&speech.hear.replace('#', &number)).await?;
        latencies.push(begun.elapsed());
    }
    Ok(())
}

async fn connect(target: Target, speech: &Speech) -> Outcome<Socket> {
    let mut socket = Socket::open(target, speech.path).await?;
    for (say, hear) in speech.opening {
        if !say.is_empty() {
            socket.send(&frame::text(say)).await.map_err(|error| error.to_string())?;
        }
        socket.expect(hear).await?;
    }
    Ok(socket)
}

const PAUSE: Duration = Duration::from_millis(10);
const CONNECT_EVERY: usize = 20;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);
