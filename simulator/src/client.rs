//! One client: what it wants, what it does, and what happens to it.

use crate::chance::Chance;
use crate::dial::Dial;
use crate::ledger::{Guise, Ledger};
use crate::line::{Incoming, Line, Outgoing};
use crate::network::{Fault, Network, Trouble};
use crate::speech::{Heard, Kind, Speech};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// What a client is, and how long it is what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its number.
    pub number: u64,
    /// What it speaks.
    pub kind: Kind,
    /// Where.
    pub namespace: &'static str,
    /// The rooms there.
    pub rooms: Vec<String>,
    /// What happens to its network; nothing, if empty.
    pub troubles: Vec<Trouble>,
    /// It does nothing but speak, after pauses of so many milliseconds; else all sorts of things.
    pub speaks: Option<(u64, u64)>,
    /// A message comes so soon while it has no trouble.
    pub patience: Duration,
    /// Till then it acts.
    pub acts_until: Instant,
    /// From then on it must have heard everything, and goes.
    pub leaves_at: Instant,
}

/// Where a client thinks that it stands in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Out,
    Asking,
    In,
    Leaving,
}

/// A client at work.
#[derive(Debug)]
pub struct Client {
    plan: Plan,
    chance: Chance,
    ledger: Ledger,
    network: Arc<Network>,
    speech: Box<dyn Speech>,
    /// Where it wants to be, and where it is.
    rooms: BTreeMap<String, (bool, Standing)>,
    /// What its line asked for as it opened, until it is let in.
    asked: Vec<String>,
    guise: Guise,
    /// Why its last line ended, as far as it was told.
    why: String,
    /// The number of its last connection.
    connection: u64,
    said: u64,
    is_in: bool,
    /// When anything came last.
    heard_at: Instant,
    /// Since when nothing was wrong with it.
    calm: Instant,
}

/// A client that hears nothing for so long takes its line for lost. Heartbeats of all protocols
/// are more frequent, but for polls, which last up to 90 s.
const SILENCE_MAX: Duration = Duration::from_secs(95);

/// What a client sees that polls on when its session is over, if the cursor lets it in anew.
pub const ANOTHER_SESSION: &str = "another session";

/// Signs of life, and acknowledgements.
const TICK: Duration = Duration::from_secs(5);

/// The same, as often as the official client of SignalR has it.
const TICK_WHEN_BUSY: Duration = Duration::from_secs(1);

impl Client {
    /// A client that does what `plan` says, by the choices of `chance`.
    pub fn new(plan: Plan, chance: Chance, ledger: &Ledger, network: Arc<Network>) -> Self {
        let now = Instant::now();
        Self {
            speech: plan.kind.speech(plan.namespace),
            rooms: plan.rooms.iter().map(|room| (room.clone(), (false, Standing::Out))).collect(),
            asked: Vec::new(),
            guise: (plan.number, 0),
            why: String::new(),
            connection: 0,
            said: 0,
            is_in: false,
            heard_at: now,
            calm: now,
            ledger: ledger.clone(),
            chance,
            network,
            plan,
        }
    }

    /// Its life.
    pub async fn run(mut self) {
        sleep(self.chance.millis(0, 5_000)).await;
        self.wish(true);
        loop {
            let line = self.connect();
            if self.converse(line).await.is_break() {
                return;
            }
            self.lose();
            sleep(self.chance.millis(10, 1_000)).await;
        }
    }

    fn connect(&mut self) -> Line {
        self.connection += 1;
        let query = format!("client={}&guise={}", self.plan.number, self.connection);
        let rooms = self.rooms.iter().filter(|(_, (wanted, _))| *wanted);
        let rooms: Vec<&str> = rooms.map(|(room, _)| room.as_str()).collect();
        let dial: Arc<dyn Dial> = Arc::clone(&self.network) as _;
        let line = self.speech.open(&dial, &query, &rooms);
        self.asked = match self.speech.opens_in_rooms() {
            true => rooms.into_iter().map(str::to_owned).collect(),
            false => Vec::new(),
        };
        self.heard_at = Instant::now();
        for word in self.speech.greet() {
            line.send(Outgoing::Text(word));
        }
        line
    }

    fn lose(&mut self) {
        self.ledger.cut(self.plan.number);
        self.is_in = false;
        if !self.speech.lost(&std::mem::take(&mut self.why)) {
            self.drop_out();
        }
    }

    fn drop_out(&mut self) {
        self.ledger.dropped(self.plan.number);
        self.rooms.values_mut().for_each(|(_, standing)| *standing = Standing::Out);
    }

    /// Until the line is lost, or all is over.
    async fn converse(&mut self, mut line: Line) -> ControlFlow<()> {
        let mut act_at = Instant::now() + self.pause();
        let tick = if self.plan.speaks.is_some() { TICK_WHEN_BUSY } else { TICK };
        let mut tick_at = Instant::now() + tick;
        loop {
            let next = act_at.min(tick_at).min(self.plan.leaves_at);
            tokio::select! {
                biased;
                incoming = line.incoming.recv() => match incoming {
                    Some(Incoming::Text(text)) => {
                        self.heard_at = Instant::now();
                        if self.hear(&text, &line).is_break() {
                            return ControlFlow::Continue(());
                        }
                    }
                    Some(Incoming::Life) => self.heard_at = Instant::now(),
                    Some(Incoming::End(why)) => {
                        self.end(&why);
                        return ControlFlow::Continue(());
                    }
                    None => return ControlFlow::Continue(()),
                },
                () = sleep_until(next) => {
                    let now = Instant::now();
                    if now >= self.plan.leaves_at {
                        return self.go(line).await;
                    }
                    if now >= tick_at {
                        tick_at = now + tick;
                        if now - self.heard_at > SILENCE_MAX {
                            return ControlFlow::Continue(());
                        }
                        let words = self.speech.tick();
                        words.into_iter().for_each(|word| line.send(Outgoing::Text(word)));
                    }
                    if now >= act_at {
                        act_at = now + self.pause();
                        if self.act(&line).is_break() {
                            return ControlFlow::Continue(());
                        }
                    }
                }
            }
        }
    }

    fn pause(&mut self) -> Duration {
        let (from, to) = self.plan.speaks.unwrap_or((50, 6_000));
        self.chance.millis(from, to)
    }

    /// A line, or a session, that ends by itself is trouble only in the faults of the network.
    fn end(&mut self, why: &str) {
        let for_nothing = self.plan.speaks.is_some();
        self.ledger.ended(self.plan.number, why, for_nothing);
        why.clone_into(&mut self.why);
        self.calm = Instant::now();
    }

    fn hear(&mut self, text: &str, line: &Line) -> ControlFlow<()> {
        let mut answers = Vec::new();
        for heard in self.speech.hear(text, &mut answers) {
            self.take(heard, line)?;
        }
        answers.into_iter().for_each(|text| line.send(Outgoing::Text(text)));
        ControlFlow::Continue(())
    }

    fn take(&mut self, heard: Heard, line: &Line) -> ControlFlow<()> {
        match heard {
            Heard::New => {
                self.drop_out();
                if std::mem::replace(&mut self.guise.1, self.connection) == self.connection {
                    self.end(ANOTHER_SESSION);
                }
                self.enter(line);
            }
            Heard::Back => {
                self.ledger.recovered(self.plan.number);
                self.enter(line);
            }
            Heard::Joined(room, how, _) => {
                self.ledger.joined(self.guise, &room, how);
                if let Some((_, standing)) = self.rooms.get_mut(&room) {
                    *standing = Standing::In;
                }
                self.settle(line);
            }
            Heard::Left(room) => {
                self.ledger.left(self.plan.number, &room);
                if let Some((_, standing)) = self.rooms.get_mut(&room)
                    && *standing == Standing::Leaving
                {
                    *standing = Standing::Out;
                }
                self.settle(line);
            }
            Heard::Said(message) => {
                let patience = self.plan.patience;
                self.ledger.heard(self.guise, &message, self.calm + patience, patience);
            }
            Heard::Delivered(_) => {}
            Heard::Failed(what) => self.ledger.find("protocol", format!("{}: {what}", self.name())),
            Heard::Bye(why) => {
                self.end(&why);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn name(&self) -> String {
        format!("{} {}", self.plan.kind, self.plan.number)
    }

    /// It was let in: what it had asked for before it asks for again.
    fn enter(&mut self, line: &Line) {
        self.is_in = true;
        self.calm = Instant::now();
        // Only once: a poll that finds its session gone is given another, and asks for nothing.
        let asked = std::mem::take(&mut self.asked);
        for (room, (wanted, standing)) in &mut self.rooms {
            match standing {
                Standing::Out if *wanted && asked.contains(room) => *standing = Standing::Asking,
                Standing::Asking => line.send(Outgoing::Text(self.speech.join(room))),
                Standing::Leaving => line.send(Outgoing::Text(self.speech.leave(room))),
                Standing::Out | Standing::In => {}
            }
        }
        self.settle(line);
    }

    /// Goes where it wants to be.
    fn settle(&mut self, line: &Line) {
        if !self.is_in {
            return;
        }
        for (room, (wanted, standing)) in &mut self.rooms {
            match (*wanted, *standing) {
                (true, Standing::Out) => {
                    *standing = Standing::Asking;
                    line.send(Outgoing::Text(self.speech.join(room)));
                }
                (false, Standing::In) => {
                    *standing = Standing::Leaving;
                    self.ledger.leaves(self.plan.number, room);
                    line.send(Outgoing::Text(self.speech.leave(room)));
                }
                _ => {}
            }
        }
    }

    /// Chooses where it wants to be.
    fn wish(&mut self, at_first: bool) {
        let share = match self.plan.speaks {
            Some(_) => 100,
            None if at_first => 90,
            None => 75,
        };
        for (wanted, _) in self.rooms.values_mut() {
            *wanted = self.chance.percent(share);
        }
    }

    /// Does something; breaks if it has left its line.
    fn act(&mut self, line: &Line) -> ControlFlow<()> {
        if Instant::now() >= self.plan.acts_until {
            return ControlFlow::Continue(());
        }
        if self.plan.speaks.is_some() {
            self.publish(line);
            return ControlFlow::Continue(());
        }
        match self.chance.between(0, 99) {
            0..=2 => {
                self.wish(false);
                self.settle(line);
            }
            3..=6 if self.plan.kind.polls() && self.is_in && Instant::now() >= self.calm => {
                line.send(Outgoing::PollAgain { older_than: self.network.request_time_max() });
            }
            7..=13 if !self.plan.troubles.is_empty() => return self.suffer(),
            18..=19 => return self.part(line),
            14..=17 => (0..self.chance.between(5, 30)).for_each(|_| self.publish(line)),
            _ => self.publish(line),
        }
        ControlFlow::Continue(())
    }

    fn publish(&mut self, line: &Line) {
        let is_in = self.is_in;
        let rooms = self.rooms.iter();
        let rooms: Vec<_> =
            rooms.filter(|(_, (_, standing))| is_in && *standing == Standing::In).collect();
        if rooms.is_empty() {
            return;
        }
        let room = self.chance.pick(&rooms).0.clone();
        self.said += 1;
        let padding = "x".repeat(self.chance.count(0, 64) * self.chance.count(0, 16));
        line.send(Outgoing::Text(self.speech.publish(&room, self.said, &padding)));
    }

    /// The network does something to it.
    fn suffer(&mut self) -> ControlFlow<()> {
        let fault = self.chance.pick(&self.plan.troubles).fault(&mut self.chance);
        self.ledger.struck(self.plan.number, fault);
        self.network.strike(fault);
        self.calm = Instant::now() + Duration::from_secs(75);
        // It tries elsewhere; the server is not told.
        match fault {
            Fault::HalfOpen => ControlFlow::Break(()),
            Fault::Partition(_) if self.chance.percent(30) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Leaves its line without a word, but the network tells.
    fn part(&mut self, line: &Line) -> ControlFlow<()> {
        if self.chance.percent(50) {
            return ControlFlow::Break(());
        }
        line.send(Outgoing::Close);
        ControlFlow::Continue(())
    }

    /// All is over: what it must have heard by now, and its goodbye.
    async fn go(&self, mut line: Line) -> ControlFlow<()> {
        for (room, (wanted, _)) in &self.rooms {
            if *wanted {
                self.ledger.complete(self.plan.number, room);
            }
        }
        line.send(Outgoing::Close);
        let over = async { while line.incoming.recv().await.is_some() {} };
        timeout(Duration::from_secs(5), over).await.ok();
        ControlFlow::Break(())
    }
}
