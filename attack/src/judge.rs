//! Runs attacks, one server for each, and says whether the server withstood.

use crate::advisories::attacks_for;
use crate::attack::{Attack, Outcome, Quic};
use crate::attacks;
use crate::good::Report;
use crate::relay::{Certificate, relay};
use crate::server::{Held, Server};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// What to run, and on what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these, by their names or by an advisory's number
    names: Vec<String>,
    /// The binary `omniwire`
    #[arg(long, value_name = "FILE")]
    server: PathBuf,
    /// The machine has other work: the good client may wait 250 ms rather than 50
    #[arg(long)]
    busy: bool,
    /// Only those that are quick
    #[arg(long)]
    short: bool,
    /// Over TLS: the attackers by a relay in their own process, the good client by one in its
    #[arg(long)]
    tls: bool,
    /// Switch each attack's one defence off: now the server must not withstand
    #[arg(long)]
    bite: bool,
}

/// Runs them. `false`: one had another end than it should.
pub(crate) async fn run(options: &Options) -> bool {
    let all = attacks::all();
    let means = |name: &str, attack: &Attack| {
        attack.name == name || attacks_for(name).contains(&attack.name)
    };
    let unknown = |name: &&String| all.iter().all(|attack| !means(name, attack));
    if let Some(unknown) = options.names.iter().find(unknown) {
        eprintln!("there is no attack '{unknown}'; `list` names them");
        return false;
    }
    let chosen = all.iter().filter(|attack| {
        let named = options.names.is_empty() || options.names.iter().any(|n| means(n, attack));
        named && (attack.short || !options.short)
    });
    let mut failed = 0;
    for attack in chosen {
        if options.bite && !attack.bites() {
            println!("-      {:<22}          stays: {}", attack.name, attack.stays);
            continue;
        }
        let begun = Instant::now();
        let outcome = stand(attack, options).await;
        let took = begun.elapsed().as_secs_f64();
        let well = outcome.is_ok() != options.bite;
        failed += usize::from(!well);
        let mark = if well { "ok    " } else { "FAILED" };
        let told = outcome.unwrap_or_else(|why| why);
        println!("{mark} {:<22} {took:>5.1} s  {told}", attack.name);
    }
    println!("{failed} failed");
    failed == 0
}

/// Runs one attack; says what it cost the server, or why it did not withstand.
async fn stand(attack: &Attack, options: &Options) -> Outcome<String> {
    let certificate = (options.tls || attack.quic).then(Certificate::make).transpose()?;
    let files = certificate.as_ref().map(|certificate| &certificate.files);
    let mut server = Server::start(&options.server, attack, options.bite, files).await?;
    let good = Good::start(&server, attack, files)?;
    if let Some([certificate, _]) = files {
        // For as long as this process is there, as attackers may be.
        let kept = Box::leak(certificate.clone().into_boxed_path());
        server.target.quic = Some(Quic { address: server.target.address, certificate: kept });
        server.target.address = relay(certificate, server.target.address).await?;
    }
    // A first look once everything that a served client needs is there.
    tokio::time::sleep(WARM_UP).await;
    let before = server.held()?;
    let mut peak = Held::default();
    let outcome = watch(&mut server, attack, &mut peak).await?;
    let after = recover(&mut server, before, &mut peak).await?;
    let report = good.finish().await?;
    judge(attack, options, (before, peak, after), &report)?;
    outcome?;
    let mib = |now: Held| now.memory_kib.saturating_sub(before.memory_kib) as f64 / 1024.0;
    Ok(format!(
        "grew {:.1} MiB, then {:.1}; good client: p99 {:.1} ms, worst {:.1}, {} connects",
        mib(peak),
        mib(after),
        report.p99_ms,
        report.worst_ms,
        report.connects
    ))
}

/// Runs the attack, and keeps the most that the server held meanwhile.
async fn watch(server: &mut Server, attack: &Attack, peak: &mut Held) -> Outcome<Outcome> {
    let mut attacking = (attack.run)(server.target);
    let deadline = Instant::now() + ATTACK_TIME_MAX;
    loop {
        let outcome = tokio::time::timeout(LOOK_EVERY, &mut attacking).await;
        let held = server.held()?;
        peak.memory_kib = peak.memory_kib.max(held.memory_kib);
        if let Ok(outcome) = outcome {
            return Ok(outcome);
        }
        if Instant::now() > deadline {
            return Ok(Err("the attack does not end".to_owned()));
        }
    }
}

/// Waits until the server holds what it held before, and no longer than it may take.
async fn recover(server: &mut Server, before: Held, peak: &mut Held) -> Outcome<Held> {
    let deadline = Instant::now() + RECOVERY;
    loop {
        let held = server.held()?;
        peak.memory_kib = peak.memory_kib.max(held.memory_kib);
        if is_back(held, before) || Instant::now() > deadline {
            return Ok(held);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_back(now: Held, before: Held) -> bool {
    now.memory_kib <= before.memory_kib + SLACK_KIB
        && now.descriptors <= before.descriptors + DESCRIPTORS_SLACK
}

fn judge(
    attack: &Attack,
    options: &Options,
    (before, peak, after): (Held, Held, Held),
    report: &Report,
) -> Outcome {
    let grown = peak.memory_kib.saturating_sub(before.memory_kib) / 1024;
    if grown > attack.growth_max_mib {
        return Err(format!("memory grew {grown} MiB, over {}", attack.growth_max_mib));
    }
    if !is_back(after, before) {
        let kib = after.memory_kib.saturating_sub(before.memory_kib);
        let (now, then) = (after.descriptors, before.descriptors);
        return Err(format!(
            "{RECOVERY:?} later: {kib} KiB more than before (peak {grown} MiB), {now} \
             descriptors, {then} before"
        ));
    }
    if after.threads > before.threads {
        return Err(format!("{} threads, {} before", after.threads, before.threads));
    }
    if let Some(failure) = &report.failure {
        return Err(format!("the good client was not served: {failure}"));
    }
    let p99_max = if options.busy { 250.0 } else { 50.0 };
    if report.p99_ms > p99_max {
        return Err(format!("the good client's p99 was {:.1} ms", report.p99_ms));
    }
    if report.answers < ANSWERS_MIN {
        return Err(format!("the good client had {} answers only", report.answers));
    }
    Ok(())
}

/// The well-behaved client, a process of its own.
struct Good(Child);

impl Good {
    /// Of the server itself, not of the relay that the attackers go through.
    fn start(server: &Server, attack: &Attack, tls: Option<&[PathBuf; 2]>) -> Outcome<Self> {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(this);
        command.args(["good", &server.target.address.to_string(), attack.suite]);
        if let Some([certificate, _]) = tls {
            command.arg("--tls").arg(certificate);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command.spawn().map(Self).map_err(|error| format!("the good client: {error}"))
    }

    async fn finish(mut self) -> Outcome<Report> {
        drop(self.0.stdin.take());
        let output = tokio::time::timeout(Duration::from_secs(5), self.0.wait_with_output()).await;
        let output = output.map_err(|_| "the good client does not end")?;
        let output = output.map_err(|error| error.to_string())?;
        serde_json::from_slice(&output.stdout).map_err(|error| format!("no report: {error}"))
    }
}

const WARM_UP: Duration = Duration::from_millis(700);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const ATTACK_TIME_MAX: Duration = Duration::from_secs(60);
/// How long the server has to give back what the attack made it take...
const RECOVERY: Duration = Duration::from_secs(5);
/// ...but for so much.
const SLACK_KIB: u64 = 8 << 10;
/// The good client may be about to connect anew.
const DESCRIPTORS_SLACK: usize = 1;
const ANSWERS_MIN: usize = 20;
