//! The application that the clients meet in: rooms to join, to leave and to speak in.

use crate::ledger::{Guise, Ledger};
use axum::Router;
use omniwire::protocols::signalr;
use omniwire::{
    Args, ConnectionRecovery, Failure, HistoryLimits, Limits, Namespace, Omniwire, Origins, Peer,
    Reply, SignalRMount, SlowPolicy,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// The namespace whose rooms are recoverable.
pub const KEPT: &str = "/kept";
/// The one whose rooms are not.
pub const FREE: &str = "/free";

/// How long a Socket.IO peer may be away.
pub const WINDOW: Duration = Duration::from_secs(30);

/// What may differ from run to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What each room remembers.
    pub history: HistoryLimits,
    /// What one outbox holds, in bytes and in frames.
    pub outbox: (usize, usize),
    /// How long the server waits until a client has read its Close.
    pub close_timeout: Duration,
    /// What the application does wrong.
    pub breakage: Option<Breakage>,
}

/// A promise that the application breaks, to show that the simulator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// A message is said after the next one.
    Order,
    /// A message is said twice.
    Duplicate,
    /// A message is not said.
    Loss,
    /// Who has left a room hears it.
    Leak,
    /// A message is said much later.
    Late,
    /// A peer is kept for good.
    Bound,
    /// Who was let into a room is not in it.
    Stuck,
    /// Rooms remember less than they were told to.
    NeedlessLoss,
    /// A peer is closed, and not told that it was slow.
    Untold,
}

/// The server, and the books that its handlers keep.
#[derive(Debug, Clone)]
pub struct Site {
    /// What a connection is served by.
    pub router: Router,
}

/// Lives as long as anything of a server does.
#[derive(Debug)]
pub struct Life;

/// Who a peer is; kept with it, so that it also tells how many peers there are.
#[derive(Debug)]
struct Known {
    guise: Guise,
    _life: Arc<Life>,
}

/// A server with its handlers, and what tells whether anything of its peers, or of it, is left.
#[derive(Debug)]
pub struct App {
    /// The server.
    pub omniwire: Omniwire,
    /// Held by whatever lives on of the server.
    pub server: Weak<Life>,
    /// Held by whatever lives on of a peer.
    pub peers: Weak<Life>,
    /// How often its own handlers hold that.
    pub holders: usize,
}

impl App {
    /// A server with these settings, whose handlers keep these books.
    ///
    /// # Panics
    /// Its own settings contradict each other.
    pub fn new(settings: &Settings, ledger: &Ledger) -> Self {
        let (server, peers) = (Arc::new(Life), Arc::new(Life));
        let mut limits = Limits::default();
        (limits.outbox_len_max, limits.outbox_count_max) = settings.outbox;
        limits.close_timeout = settings.close_timeout;
        let mut recovery = ConnectionRecovery::default();
        recovery.window = WINDOW;
        let mut history = settings.history;
        if settings.breakage == Some(Breakage::NeedlessLoss) {
            history.count_max = 1;
        }
        let kept = Namespace::new(KEPT).recoverable_within(history).connection_recovery(recovery);
        let books = Books {
            ledger: ledger.clone(),
            _server: Arc::clone(&server),
            peers: Arc::clone(&peers),
            broken: settings.breakage.map(|breakage| Arc::new(Broken::new(breakage))),
        };
        let mut builder = Omniwire::builder()
            .limits(limits)
            .origins(Origins::any())
            .namespace(books.handlers(kept))
            .namespace(books.handlers(Namespace::new(FREE)));
        drop(books);
        for name in [KEPT, FREE] {
            let hub = signalr::Config { stateful_reconnects: true, ..Default::default() };
            builder = builder.mount(format!("/lasting{name}"), SignalRMount::new(name).config(hub));
        }
        let omniwire = builder.build().expect("the names and paths differ");
        let holders = Arc::strong_count(&peers) - 1;
        let (server, peers) = (Arc::downgrade(&server), Arc::downgrade(&peers));
        Self { omniwire, server, peers, holders }
    }
}

/// What becomes of slow members of a room, by its name.
pub fn policy(room: &str) -> SlowPolicy {
    match room.rsplit('-').next() {
        Some("oldest") => SlowPolicy::DropOldest,
        Some("latest") => SlowPolicy::KeepLatest,
        _ => SlowPolicy::Close,
    }
}

/// What the handlers of one namespace share.
#[derive(Clone)]
struct Books {
    ledger: Ledger,
    _server: Arc<Life>,
    peers: Arc<Life>,
    broken: Option<Arc<Broken>>,
}

impl Books {
    fn handlers(&self, namespace: Namespace) -> Namespace {
        let books = || self.clone();
        let (connect, asked, join, leave, publish, message) =
            (books(), books(), books(), books(), books(), books());
        namespace
            .slow_peers(policy)
            .on_connect(move |peer: Peer| {
                let books = connect.clone();
                async move { books.connected(&peer) }
            })
            .on_join(move |peer: Peer, Args((room,)): Args<(String,)>| {
                let books = asked.clone();
                async move {
                    books.enters(&peer, &room);
                    Ok::<_, Failure>(())
                }
            })
            .on("join", move |peer: Peer, Args((room,)): Args<(String,)>| {
                let books = join.clone();
                async move { books.join(&peer, &room) }
            })
            .on("leave", move |peer: Peer, Args((room,)): Args<(String,)>| {
                let books = leave.clone();
                async move { books.leave(&peer, &room) }
            })
            .on("publish", move |peer: Peer, Args(said): Args<(String, u64, String)>| {
                let books = publish.clone();
                async move { books.publish(&peer, said).await }
            })
            .on("message", move |peer: Peer, Args((text,)): Args<(String,)>| {
                let books = message.clone();
                async move { books.hear(&peer, &text).await }
            })
    }

    fn breaks(&self, breakage: Breakage) -> bool {
        self.broken.as_ref().is_some_and(|broken| broken.breakage == breakage)
    }

    fn connected(&self, peer: &Peer) -> Result<(), Failure> {
        let number = |name| {
            let value = peer.request().query_value(name)?;
            value.parse().ok()
        };
        let guise = (number("client").unwrap_or_default(), number("guise").unwrap_or_default());
        if peer.get::<Known>().is_some() {
            // It is back, with all that was kept with it.
            return Ok(());
        }
        peer.set(Known { guise, _life: Arc::clone(&self.peers) });
        if peer.protocol() == "WebSocket" {
            // A bare WebSocket has no other word for it; a client with envelopes passes it over.
            peer.emit("welcome", ("welcome",))?;
        }
        Ok(())
    }

    fn enters(&self, peer: &Peer, room: &str) {
        if !peer.rooms().iter().any(|joined| joined == room) {
            self.ledger.enters(guise(peer), room);
        }
    }

    fn join(&self, peer: &Peer, room: &str) -> Result<(), Failure> {
        self.enters(peer, room);
        if !self.breaks(Breakage::Stuck) {
            peer.join(room.to_owned())?;
        }
        peer.emit("joined", (room, "joined"))?;
        Ok(())
    }

    fn leave(&self, peer: &Peer, room: &str) -> Result<(), Failure> {
        if !self.breaks(Breakage::Leak) {
            peer.leave(room);
        }
        peer.emit("left", (room, "left"))?;
        Ok(())
    }

    async fn publish(
        &self,
        peer: &Peer,
        (room, number, padding): (String, u64, String),
    ) -> Result<Reply<()>, Failure> {
        let guise = guise(peer);
        self.ledger.handled(guise, &room, number);
        let said = (room, guise.0, number, padding);
        match &self.broken {
            Some(broken) => broken.say(peer, said).await?,
            None => say(peer, said).await?,
        }
        Ok(Reply(()))
    }

    /// What a bare WebSocket says.
    async fn hear(&self, peer: &Peer, text: &str) -> Result<(), Failure> {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["join", room] => self.join(peer, room),
            ["leave", room] => self.leave(peer, room),
            ["publish", room, number, padding] => {
                let number = number.parse().map_err(|_| Failure::client("no number"))?;
                self.publish(peer, (room.to_owned(), number, padding.to_owned())).await?;
                Ok(())
            }
            _ => Err(Failure::client("no such word")),
        }
    }
}

type Said = (String, u64, u64, String);

async fn say(peer: &Peer, said: Said) -> Result<(), Failure> {
    peer.namespace().to(said.0.clone()).emit("said", said).await?;
    Ok(())
}

/// What an application does that breaks promises: of what it says, one in [`BREAK_EVERY`].
struct Broken {
    breakage: Breakage,
    count: AtomicU64,
    held: Mutex<Option<Said>>,
    kept: Mutex<Vec<Peer>>,
}

const BREAK_EVERY: u64 = 10;

impl Broken {
    fn new(breakage: Breakage) -> Self {
        let (held, kept) = (Mutex::default(), Mutex::default());
        Self { breakage, count: AtomicU64::new(0), held, kept }
    }

    fn is_due(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) % BREAK_EVERY == BREAK_EVERY - 1
    }

    async fn say(&self, peer: &Peer, said: Said) -> Result<(), Failure> {
        let held = self.held.lock().expect("nobody panics with it").take();
        let due = self.is_due();
        match self.breakage {
            Breakage::Order if due => {
                *self.held.lock().expect("nobody panics with it") = Some(said);
                return Ok(());
            }
            Breakage::Loss if due => return Ok(()),
            Breakage::Duplicate if due => say(peer, said.clone()).await?,
            Breakage::Late if due => tokio::time::sleep(Duration::from_secs(20)).await,
            Breakage::Bound if due => {
                self.kept.lock().expect("nobody panics with it").push(peer.clone());
            }
            Breakage::Untold if due => peer.disconnect(),
            _ => {}
        }
        say(peer, said).await?;
        match held {
            Some(held) => say(peer, held).await,
            None => Ok(()),
        }
    }
}

fn guise(peer: &Peer) -> Guise {
    peer.get::<Known>().map_or((0, 0), |known| known.guise)
}
