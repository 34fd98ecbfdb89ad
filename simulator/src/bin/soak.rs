//! `cargo xtask soak`: churn on real connections of all protocols, against `omniwire conformance
//! --suite churn`. Its rooms number what is said, so that each client can tell whether it heard
//! everything, once and in order, while it was there.

use clap::Parser;
use omniwire_simulator::chance::Chance;
use omniwire_simulator::dial::Dial;
use omniwire_simulator::line::{Incoming, Line, Outgoing};
use omniwire_simulator::speech::{Heard, How, Kind, Message, Speech};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Churn on real connections.
#[derive(Debug, Parser)]
struct Cli {
    /// Where the server listens
    #[arg(long)]
    server: SocketAddr,
    /// The server's process
    #[arg(long)]
    pid: u32,
    /// How long the clients churn
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// How many clients there are
    #[arg(long, default_value_t = 2000)]
    connections: u64,
    /// Seconds between two things that one client does, on average
    #[arg(long, default_value_t = 20)]
    pause: u64,
}

/// Members of a room, about.
const ROOM_MEMBERS: u64 = 20;

/// So long after the clients have gone nothing of them may be left: half-open lines there are
/// none, but polls that never come, and the way back of Socket.IO's clients.
const FADING: Duration = Duration::from_secs(60);

/// What resident memory may differ by, from the first minutes to the last.
const GROWTH_MAX_KIB: u64 = 16 << 10;

/// Descriptors that may be left: the runtime's own.
const DESCRIPTORS_LEFT_MAX: u64 = 2;

/// What happened so far.
#[derive(Debug, Default)]
struct Counts {
    said: AtomicU64,
    delivered: AtomicU64,
    heard: AtomicU64,
    joined: AtomicU64,
    recovered: AtomicU64,
    lost: AtomicU64,
    cut: AtomicU64,
    closed: AtomicU64,
    /// Lines that ended though nobody cut them.
    ended: AtomicU64,
    inside: AtomicU64,
    findings: Mutex<Vec<String>>,
}

impl Counts {
    fn find(&self, what: String) {
        let mut findings = self.findings.lock().expect("nobody panics with it");
        if findings.len() < FINDINGS_MAX {
            println!("FOUND {what}");
        }
        findings.push(what);
    }

    fn found(&self) -> usize {
        self.findings.lock().expect("nobody panics with it").len()
    }
}

/// So many are printed.
const FINDINGS_MAX: usize = 20;

/// A client.
struct Visitor {
    number: u64,
    kind: Kind,
    speech: Box<dyn Speech>,
    dial: Arc<dyn Dial>,
    chance: Chance,
    counts: Arc<Counts>,
    pause: u64,
    rooms: BTreeMap<String, Standing>,
    /// The number of the next message in each room that it ever heard.
    next: BTreeMap<String, u64>,
    opened: u64,
    said: u64,
    is_in: bool,
}

/// Where it stands in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Standing {
    #[default]
    Out,
    Asking,
    /// In it; the number of the next message, if that is known.
    In(Option<u64>),
    Leaving(Option<u64>),
}

impl Visitor {
    async fn live(mut self, until: Instant) {
        sleep(self.chance.millis(0, 20_000)).await;
        while Instant::now() < until {
            self.opened += 1;
            let query = format!("client={}&guise={}", self.number, self.opened);
            let wanted: Vec<&str> = self.rooms.keys().map(String::as_str).collect();
            let line = self.speech.open(&self.dial, &query, &wanted);
            self.speech.greet().into_iter().for_each(|word| line.send(Outgoing::Text(word)));
            let why = self.converse(line, until).await;
            if std::mem::take(&mut self.is_in) {
                self.counts.inside.fetch_sub(1, Relaxed);
            }
            if !self.speech.lost(&why) {
                self.rooms.values_mut().for_each(|standing| *standing = Standing::Out);
            }
            sleep(self.chance.millis(100, 3_000)).await;
        }
    }

    /// Why the line is over.
    async fn converse(&mut self, mut line: Line, until: Instant) -> String {
        let mut act_at = Instant::now() + self.pause();
        let mut tick_at = Instant::now() + TICK;
        loop {
            tokio::select! {
                biased;
                incoming = line.incoming.recv() => match incoming {
                    Some(Incoming::Text(text)) => {
                        let mut answers = Vec::new();
                        for heard in self.speech.hear(&text, &mut answers) {
                            if self.take(heard, &line).is_break() {
                                return "told to go".to_owned();
                            }
                        }
                        answers.into_iter().for_each(|word| line.send(Outgoing::Text(word)));
                    }
                    Some(Incoming::Life) => {}
                    Some(Incoming::End(why)) => {
                        self.counts.ended.fetch_add(1, Relaxed);
                        return why;
                    }
                    None => return String::new(),
                },
                () = sleep_until(act_at.min(tick_at).min(until)) => {
                    let now = Instant::now();
                    if now >= until {
                        close(line).await;
                        return String::new();
                    }
                    if now >= tick_at {
                        tick_at = now + TICK;
                        let words = self.speech.tick();
                        words.into_iter().for_each(|word| line.send(Outgoing::Text(word)));
                    }
                    if now >= act_at {
                        act_at = now + self.pause();
                        match self.chance.between(0, 99) {
                            0..=7 => {
                                self.counts.cut.fetch_add(1, Relaxed);
                                return String::new();
                            }
                            8..=11 => {
                                self.counts.closed.fetch_add(1, Relaxed);
                                close(line).await;
                                return String::new();
                            }
                            12..=25 => self.leave(&line),
                            _ => self.publish(&line),
                        }
                    }
                }
            }
        }
    }

    fn pause(&mut self) -> Duration {
        self.chance.millis(self.pause * 500, self.pause * 1_500)
    }

    fn take(&mut self, heard: Heard, line: &Line) -> ControlFlow<()> {
        match heard {
            Heard::New | Heard::Back => self.enter(heard == Heard::New, line),
            Heard::Joined(room, how, last) => self.joined(&room, how, last),
            Heard::Left(room) => {
                if let Some(standing) = self.rooms.get_mut(&room)
                    && matches!(standing, Standing::Leaving(_))
                {
                    *standing = Standing::Asking;
                    line.send(Outgoing::Text(self.speech.join(&room)));
                }
            }
            Heard::Said(message) => self.heard(&message),
            Heard::Delivered(_) => {
                self.counts.delivered.fetch_add(1, Relaxed);
            }
            Heard::Failed(what) => self.counts.find(format!("{}: {what}", self.name())),
            Heard::Bye(_) => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn name(&self) -> String {
        format!("{} {} on its connection {}", self.kind, self.number, self.opened)
    }

    fn enter(&mut self, is_new: bool, line: &Line) {
        if !std::mem::replace(&mut self.is_in, true) {
            self.counts.inside.fetch_add(1, Relaxed);
        }
        let opened = self.speech.opens_in_rooms();
        for (room, standing) in &mut self.rooms {
            match standing {
                _ if is_new => {
                    *standing = Standing::Asking;
                    if !opened {
                        line.send(Outgoing::Text(self.speech.join(room)));
                    }
                }
                Standing::Leaving(_) => line.send(Outgoing::Text(self.speech.leave(room))),
                Standing::Out | Standing::Asking => {
                    *standing = Standing::Asking;
                    line.send(Outgoing::Text(self.speech.join(room)));
                }
                Standing::In(_) => {
                    self.counts.recovered.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn joined(&mut self, room: &str, how: How, last: Option<u64>) {
        self.counts.joined.fetch_add(1, Relaxed);
        let counter = match how {
            How::New => None,
            How::Recovered => Some(&self.counts.recovered),
            How::Lost => Some(&self.counts.lost),
        };
        counter.map(|counter| counter.fetch_add(1, Relaxed));
        // The application tells the number to those who join by an event; others go on where they
        // were, or begin with what they hear first.
        if let Some(standing) = self.rooms.get_mut(room)
            && *standing == Standing::Asking
        {
            *standing = Standing::In(match how {
                How::Recovered => self.next.get(room).copied(),
                How::New | How::Lost => last.map(|last| last + 1),
            });
        }
    }

    fn heard(&mut self, message: &Message) {
        self.counts.heard.fetch_add(1, Relaxed);
        let name = self.name();
        let Some(serial) = message.serial else {
            return self.counts.find(format!("{name} heard {message:?}"));
        };
        match self.rooms.get_mut(&message.room) {
            Some(Standing::In(next) | Standing::Leaving(next)) => {
                if next.is_some_and(|next| next != serial) {
                    self.counts.find(format!("{name} heard {message:?} in place of {next:?}"));
                }
                *next = Some(serial + 1);
                self.next.insert(message.room.clone(), serial + 1);
            }
            standing => self.counts.find(format!("{name} is {standing:?} and heard {message:?}")),
        }
    }

    fn leave(&mut self, line: &Line) {
        for (room, standing) in &mut self.rooms {
            if let Standing::In(next) = *standing {
                *standing = Standing::Leaving(next);
                return line.send(Outgoing::Text(self.speech.leave(room)));
            }
        }
    }

    fn publish(&mut self, line: &Line) {
        let rooms = self.rooms.iter().filter(|(_, standing)| matches!(standing, Standing::In(_)));
        let rooms: Vec<&String> = rooms.map(|(room, _)| room).collect();
        if !self.is_in || rooms.is_empty() {
            return;
        }
        self.said += 1;
        self.counts.said.fetch_add(1, Relaxed);
        let room = (*self.chance.pick(&rooms)).clone();
        let padding = "x".repeat(self.chance.count(0, 512));
        line.send(Outgoing::Text(self.speech.publish(&room, self.said, &padding)));
    }
}

/// Signs of life, and acknowledgements.
const TICK: Duration = Duration::from_secs(10);

async fn close(mut line: Line) {
    line.send(Outgoing::Close);
    let over = async { while line.incoming.recv().await.is_some() {} };
    timeout(Duration::from_secs(5), over).await.ok();
}

/// What a process holds: resident memory in KiB, and descriptors.
fn held(pid: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident = resident.trim().trim_end_matches(" kB").parse().ok()?;
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some((resident, descriptors as u64))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let Some(before) = held(cli.pid) else {
        eprintln!("error: there is no process {}", cli.pid);
        return ExitCode::FAILURE;
    };
    let counts = Arc::new(Counts::default());
    let until = Instant::now() + Duration::from_secs(60 * cli.minutes);
    let mut visitors = JoinSet::new();
    for number in 1..=cli.connections {
        visitors.spawn(visitor(&cli, number, &counts).live(until));
    }
    let mut residents = Vec::new();
    for minute in 1..=cli.minutes {
        sleep(Duration::from_secs(60)).await;
        let Some(now) = held(cli.pid) else {
            counts.find("the server has ended".to_owned());
            break;
        };
        residents.push(now.0);
        report(&format!("minute {minute}"), &counts, now);
    }
    while visitors.join_next().await.is_some() {}
    sleep(FADING).await;
    verdict(&cli, &counts, before, &residents)
}

fn visitor(cli: &Cli, number: u64, counts: &Arc<Counts>) -> Visitor {
    let mut chance = Chance::new(number);
    let kind = Kind::ALL[(number % Kind::ALL.len() as u64) as usize].1;
    let namespace = if number.is_multiple_of(3) { "/free" } else { "/kept" };
    let count = (cli.connections / ROOM_MEMBERS).max(1);
    let mut room = || format!("room-{}", chance.between(1, count));
    let rooms = [room(), room()].into_iter().map(|room| (room, Standing::Out)).collect();
    Visitor {
        number,
        kind,
        speech: kind.speech(namespace),
        dial: Arc::new(cli.server),
        chance,
        counts: Arc::clone(counts),
        pause: cli.pause,
        rooms,
        next: BTreeMap::new(),
        opened: 0,
        said: 0,
        is_in: false,
    }
}

fn report(when: &str, counts: &Counts, (resident, descriptors): (u64, u64)) {
    let of = |counter: &AtomicU64| counter.load(Relaxed);
    println!(
        "{when}: {} inside, {resident} KiB resident, {descriptors} descriptors; {} said, {} \
         answered, {} heard, {} joins, {} recovered, {} lost, {} cut, {} closed, {} ended, {} found",
        of(&counts.inside),
        of(&counts.said),
        of(&counts.delivered),
        of(&counts.heard),
        of(&counts.joined),
        of(&counts.recovered),
        of(&counts.lost),
        of(&counts.cut),
        of(&counts.closed),
        of(&counts.ended),
        counts.found(),
    );
}

fn verdict(cli: &Cli, counts: &Counts, before: (u64, u64), residents: &[u64]) -> ExitCode {
    let Some(after) = held(cli.pid) else { return ExitCode::FAILURE };
    report("all gone", counts, after);
    if after.1 > before.1 + DESCRIPTORS_LEFT_MAX {
        counts.find(format!("{} descriptors before, {} after", before.1, after.1));
    }
    // The first minutes fill what is kept; then the highest of a third is compared with the last's.
    let third = residents.len() / 3;
    if third > 0 {
        let highest = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
        let (early, late) =
            (highest(&residents[third..2 * third]), highest(&residents[2 * third..]));
        println!("resident: {early} KiB in the second third, {late} KiB in the last");
        if late > early + GROWTH_MAX_KIB {
            counts.find(format!("resident memory grew by {} KiB", late - early));
        }
    }
    if counts.heard.load(Relaxed) == 0 {
        counts.find("nobody heard anything".to_owned());
    }
    match counts.found() {
        0 => {
            println!("verdict: all accounted for, nothing left");
            ExitCode::SUCCESS
        }
        count => {
            println!("verdict: {count} findings");
            ExitCode::FAILURE
        }
    }
}
