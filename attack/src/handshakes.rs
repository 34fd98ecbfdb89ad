//! Malformed handshakes, each with the answers that are right.

mod cases;

use crate::attack::{Attack, Outcome, Target};
use crate::server::Server;
use crate::wire::http::{Answer, exchange};
use cases::{Case, Right};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only those whose name begins so
    prefix: Option<String>,
    /// The binary `omniwire`
    #[arg(long, value_name = "FILE")]
    server: PathBuf,
}

/// Sends them all. `false`: one was not answered as it should.
pub(crate) async fn run(options: &Options) -> bool {
    match ask(options).await {
        Ok(wrong) if wrong.is_empty() => true,
        Ok(wrong) => {
            println!("{}", wrong.join("\n"));
            false
        }
        Err(why) => {
            println!("{why}");
            false
        }
    }
}

async fn ask(options: &Options) -> Outcome<Vec<String>> {
    let begun = Instant::now();
    let mut server = Server::start(&options.server, &Attack::DEFAULT, false, None).await?;
    let target = server.target;
    let prefix = options.prefix.as_deref().unwrap_or_default();
    let mut waiting: Vec<Case> = cases::all(target);
    waiting.retain(|case| case.name.starts_with(prefix));
    let (count, mut wrong, mut asked) = (waiting.len(), Vec::new(), JoinSet::new());
    while !waiting.is_empty() || !asked.is_empty() {
        if asked.len() < AT_ONCE
            && let Some(case) = waiting.pop()
        {
            asked.spawn(try_case(target, case));
            continue;
        }
        let done = asked.join_next().await.and_then(Result::ok);
        wrong.extend(done.unwrap_or(Err("an asker failed".to_owned())).err());
    }
    server.held()?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} of {count} handshakes answered right, {seconds:.1} s", count - wrong.len());
    Ok(wrong)
}

async fn try_case(target: Target, case: Case) -> Outcome {
    let Case { name, octets, right } = case;
    let answer =
        exchange(target, &octets, PATIENCE).await.map_err(|why| format!("{name}: {why}"))?;
    if is_right(&answer, right) {
        return Ok(());
    }
    let (status, ended) = (answer.status, answer.ended);
    let head = answer.head.replace("\r\n", " | ");
    Err(format!("{name}: expected {right:?}, got {status}, ended {ended}: {head:.200}"))
}

fn is_right(answer: &Answer, right: Right) -> bool {
    if answer.head.contains("x-injected") || answer.status >= 500 && answer.status != 505 {
        return false;
    }
    let has_deflate = answer.head.contains("sec-websocket-extensions: permessage-deflate");
    match right {
        Right::Opens => answer.status == 101,
        Right::Compresses => answer.status == 101 && has_deflate,
        Right::DoesNotCompress => answer.status == 101 && !has_deflate,
        // Refused as HTTP, or by the end of TCP where it is no HTTP.
        Right::Refused => match answer.status {
            0 => answer.ended,
            status => (400..=505).contains(&status),
        },
        Right::Status(status) => answer.status == status,
        Right::Version => {
            let told = answer.head.contains("sec-websocket-version: 13");
            matches!(answer.status, 400 | 426) && (told || answer.status == 400)
        }
        // Either reading is sound; what is not is a crash, a hang or an echo of it.
        Right::Either => answer.status == 101 || (400..500).contains(&answer.status),
    }
}

const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_secs(13);
