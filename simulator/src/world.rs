//! One run: a server, its clients, and their networks, in virtual time, from one seed.

use crate::app::{App, Breakage, FREE, KEPT, Settings, Site, WINDOW};
use crate::chance::Chance;
use crate::client::{Client, Plan};
use crate::ledger::{Finding, Ledger, Tally};
use crate::network::{End, Network, Quality, Trouble};
use crate::speech::Kind;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use omniwire::HistoryLimits;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_service::Service as _;

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Promises that were not kept.
    pub findings: Vec<Finding>,
    /// What happened.
    pub tally: Tally,
    /// The same for the same seed.
    pub trace: u64,
}

/// What a run is like, beside its seed.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// What clients speak; anything if empty.
    pub kinds: Vec<Kind>,
    /// What happens to the network of most clients; anything if empty.
    pub troubles: Vec<Trouble>,
    /// All lines are slow and narrow.
    pub slow_links: bool,
    /// Nothing is wrong with the network, but some clients read more slowly than the others speak.
    pub slow_readers: bool,
    /// Whether all that happens is printed.
    pub trace: bool,
    /// What the application does wrong.
    pub breakage: Option<Breakage>,
}

/// So long clients act...
const ACTIVE: Duration = Duration::from_secs(40);
/// ...or speak, if that is all they do...
const SPEAKING: Duration = Duration::from_secs(15);
/// ...and so long after that everybody must have found out what was wrong with its line, have come
/// back, and have heard everything.
const RECOVERING: Duration = Duration::from_secs(140);
/// So long after everybody has gone nothing must be left: what a half-open line, a poll that never
/// comes and the way back of Socket.IO's clients take.
const FADING: Duration = Duration::from_secs(90 + WINDOW.as_secs());

/// A message comes so soon over a line that is wide enough.
const PATIENCE: Duration = Duration::from_secs(3);

/// The same where the line is [`WELL`] and others read slowly: a poll that has just been answered
/// is followed by another over a new connection.
const AT_ONCE: Duration = Duration::from_millis(50);

const WELL: Quality = Quality {
    delay_max: Duration::from_millis(5),
    capacity: 64 << 10,
    piece_max: 64 << 10,
    pace: None,
};

/// Runs the seed.
///
/// # Panics
/// The runtime can't be built.
pub fn run(seed: u64, choice: &Choice) -> Outcome {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without IO needs nothing");
    let (ledger, app) = runtime.block_on(live(seed, choice));
    drop(runtime);
    let App { omniwire, server, peers, .. } = app;
    drop(omniwire);
    for (what, life) in [("the server", server), ("a peer", peers)] {
        if life.strong_count() > 0 {
            ledger.find("bound", format!("{what} lives on after its runtime"));
        }
    }
    let (findings, tally, trace) = ledger.close();
    Outcome { findings, tally, trace }
}

async fn live(seed: u64, choice: &Choice) -> (Ledger, App) {
    let mut chance = Chance::new(seed);
    let settings = settings(choice, &mut chance);
    let ledger = Ledger::new(settings.history.count_max, choice.trace);
    let app = App::new(&settings, &ledger);
    let site = Site { router: app.omniwire.router() };
    let start = Instant::now();
    let mut networks = Vec::new();
    let mut clients = JoinSet::new();
    let meeting = choice.slow_readers.then(|| Meeting::new(&mut chance));
    let count = chance.between(if meeting.is_some() { 4 } else { 2 }, 5);
    for number in 1..=count {
        let (quality, plan) = match &meeting {
            Some(meeting) => meeting.member(number, start, choice, &mut chance),
            None => {
                let quality = quality(choice, &mut chance);
                (quality, plan(number, start, quality, choice, &mut chance))
            }
        };
        ledger.born(number, plan.kind, plan.namespace);
        if quality.pace.is_some() {
            ledger.is_slow(number, plan.kind);
        }
        let network = Network::new(chance.fork(), quality, site.clone(), accept);
        let network = Arc::new(network);
        networks.push(Arc::clone(&network));
        clients.spawn(Client::new(plan, chance.fork(), &ledger, network).run());
    }
    sleep(ACTIVE).await;
    networks.iter().for_each(|network| network.improve(WELL));
    while let Some(client) = clients.join_next().await {
        if let Err(error) = client {
            ledger.find("simulator", error);
        }
    }
    check_all_left(&app, &ledger, choice).await;
    (ledger, app)
}

fn settings(choice: &Choice, chance: &mut Chance) -> Settings {
    let history = HistoryLimits {
        count_max: *chance.pick(&[8, 64, 1_000]),
        len_max: 1 << 20,
        age_max: Duration::from_secs(300),
    };
    let outboxes = &[(16 << 10, 64), (64 << 10, 256), (1 << 20, 4_096)];
    // The largest nobody fills by reading slowly for a while.
    let outbox = *chance.pick(if choice.slow_readers { &outboxes[..2] } else { outboxes });
    // Else who reads slowly is gone before it has read so far.
    let close_timeout = Duration::from_secs(if choice.slow_readers { 60 } else { 3 });
    Settings { history, outbox, close_timeout, breakage: choice.breakage }
}

fn plan(
    number: u64,
    start: Instant,
    quality: Quality,
    choice: &Choice,
    chance: &mut Chance,
) -> Plan {
    let kind = match choice.kinds.as_slice() {
        [] => chance.pick(&Kind::ALL).1,
        some => *chance.pick(some),
    };
    let namespace = *chance.pick(&[KEPT, KEPT, FREE]);
    let troubles = match choice.troubles.as_slice() {
        [] => Trouble::ALL.to_vec(),
        some => some.to_vec(),
    };
    Plan {
        number,
        kind,
        namespace,
        rooms: ["a", "b"].iter().map(|room| format!("{}-{room}", &namespace[1..])).collect(),
        speaks: None,
        troubles: if chance.percent(75) { troubles } else { Vec::new() },
        // What a narrow line can't carry in time is nobody's fault.
        patience: if quality.capacity >= WELL.capacity { PATIENCE } else { RECOVERING },
        acts_until: start + ACTIVE,
        leaves_at: start + ACTIVE + RECOVERING,
    }
}

fn quality(choice: &Choice, chance: &mut Chance) -> Quality {
    if choice.slow_links {
        let delay_max = chance.millis(500, 3_000);
        return Quality { delay_max, capacity: 4 << 10, piece_max: 512, pace: None };
    }
    Quality {
        delay_max: chance.millis(0, 100),
        capacity: *chance.pick(&[4 << 10, 16 << 10, 64 << 10]),
        piece_max: *chance.pick(&[7, 1_000, 64 << 10]),
        pace: None,
    }
}

/// Clients in one room, some of whom read more slowly than the others speak.
struct Meeting {
    room: &'static str,
    /// The first clients, so many, are slow.
    slow: u64,
}

impl Meeting {
    fn new(chance: &mut Chance) -> Self {
        let room = *chance.pick(&["close", "oldest", "latest"]);
        Self { room, slow: chance.between(1, 2) }
    }

    fn member(
        &self,
        number: u64,
        start: Instant,
        choice: &Choice,
        chance: &mut Chance,
    ) -> (Quality, Plan) {
        let is_slow = number <= self.slow;
        let quality = match is_slow {
            true => Quality {
                capacity: *chance.pick(&[4 << 10, 16 << 10]),
                piece_max: *chance.pick(&[100, 1_000, 64 << 10]),
                pace: Some(*chance.pick(&[4 << 10, 8 << 10])),
                ..WELL
            },
            false => WELL,
        };
        let plan = plan(number, start, quality, choice, chance);
        let plan = Plan {
            rooms: vec![format!("{}-{}", &plan.namespace[1..], self.room)],
            troubles: Vec::new(),
            speaks: Some(if is_slow { (1_000, 4_000) } else { (10, 60) }),
            acts_until: start + SPEAKING,
            patience: if is_slow { RECOVERING } else { AT_ONCE },
            ..plan
        };
        (quality, plan)
    }
}

/// Serves a connection as any application that embeds the server does.
fn accept(end: End, site: &Site) {
    let router = site.router.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut router = router.clone();
        async move { router.call(request.map(Body::new)).await }
    });
    tokio::spawn(async move {
        let mut server = hyper::server::conn::http1::Builder::new();
        server.timer(TokioTimer::new());
        // How it ended the session knows.
        server.serve_connection(TokioIo::new(end), service).with_upgrades().await.ok();
    });
}

async fn check_all_left(app: &App, ledger: &Ledger, choice: &Choice) {
    sleep(FADING).await;
    let stats = app.omniwire.stats();
    ledger.slow(stats.slow_peers_closed, choice.slow_readers);
    let peers: usize = [KEPT, FREE]
        .iter()
        .filter_map(|name| app.omniwire.namespace(name))
        .map(|namespace| namespace.len())
        .sum();
    let kept = app.peers.strong_count() - app.holders;
    let left = [
        ("sessions", stats.sessions),
        ("connections", stats.connections),
        ("peers in namespaces", peers),
        ("peers in memory", kept),
        ("panics", stats.handler_panics as usize),
    ];
    for (what, count) in left.iter().filter(|(_, count)| *count > 0) {
        ledger.find("bound", format!("{count} {what} when all had gone"));
    }
}

#[cfg(test)]
mod tests;
