//! What brings a client's texts to the server and back: one [`Line`] for one connection of its
//! protocol, over however many connections of the network. When a line is dropped, so are these.

pub mod engineio;
pub mod plain;
pub mod signalr;
pub mod sockjs;
pub mod websocket;

use crate::dial::Dial;
use crate::http::{Http, Request};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What may wait between a client and its line. What does not fit is lost, and found to be.
const QUEUE_MAX: usize = 65_536;

/// What comes over a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Whatever the protocol calls a message.
    Text(String),
    /// Nothing but a sign of life.
    Life,
    /// It is over, and this is why.
    End(String),
}

/// What a client does with its line.
#[derive(Debug)]
pub enum Outgoing {
    /// Says this.
    Text(String),
    /// Polls once more, though a poll is under way: as a proxy does, or a page that was too slow.
    PollAgain {
        /// Nothing happens while the last poll is younger: which of the two the server had first,
        /// and so in which order their answers belong, could not be known.
        older_than: Duration,
    },
    /// Ends it in the protocol's own way.
    Close,
}

/// A line.
#[derive(Debug)]
pub struct Line {
    /// What comes.
    pub incoming: mpsc::Receiver<Incoming>,
    outgoing: mpsc::Sender<Outgoing>,
    _tasks: JoinSet<()>,
}

/// The other side of a line: whoever carries it.
#[derive(Debug)]
pub struct Carrying {
    incoming: mpsc::Sender<Incoming>,
    outgoing: mpsc::Receiver<Outgoing>,
}

impl Line {
    /// A line that is carried by what `carry` does.
    pub fn new<F>(carry: impl FnOnce(Carrying) -> F) -> Self
    where
        F: Future<Output = io::Result<String>> + Send + 'static,
    {
        let (sender, incoming) = mpsc::channel(QUEUE_MAX);
        let (outgoing, receiver) = mpsc::channel(QUEUE_MAX);
        let carried = carry(Carrying { incoming: sender.clone(), outgoing: receiver });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let why = carried.await.unwrap_or_else(|error| error.to_string());
            sender.send(Incoming::End(why)).await.ok();
        });
        Self { incoming, outgoing, _tasks: tasks }
    }

    /// Does this with the line; nothing, if it is over.
    pub fn send(&self, what: Outgoing) {
        self.outgoing.try_send(what).ok();
    }
}

impl Carrying {
    /// Something came.
    pub fn hear(&self, text: impl Into<String>) {
        self.incoming.try_send(Incoming::Text(text.into())).ok();
    }

    /// A sign of life came.
    pub fn alive(&self) {
        self.incoming.try_send(Incoming::Life).ok();
    }

    /// What the client wants next. Pending for ever once it wants nothing more.
    pub async fn wish(&mut self) -> Outgoing {
        match self.outgoing.recv().await {
            Some(wish) => wish,
            None => std::future::pending().await,
        }
    }
}

/// Messages that leave by POST, one request at a time, each with all that waits.
struct Posts {
    texts: mpsc::Sender<String>,
    answers: mpsc::Receiver<(usize, io::Result<(u16, String)>)>,
    /// Texts whose POST was not answered yet.
    waiting: usize,
    _tasks: JoinSet<()>,
}

impl Posts {
    /// `gather` makes one body of several texts.
    fn new(dial: &Arc<dyn Dial>, target: String, gather: fn(&[String]) -> String) -> Self {
        let (texts, mut receiver) = mpsc::channel(QUEUE_MAX);
        let (sender, answers) = mpsc::channel(QUEUE_MAX);
        let mut http = Http::new(dial);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut waiting = Vec::new();
            while receiver.recv_many(&mut waiting, 64).await > 0 {
                let body = gather(&waiting);
                let count = waiting.len();
                waiting.clear();
                let answer = http.ask(Request::post(&target, &body)).await;
                let failed = answer.is_err();
                if sender.send((count, answer)).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { texts, answers, waiting: 0, _tasks: tasks }
    }

    fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    fn post(&mut self, text: String) {
        self.waiting += 1;
        self.texts.try_send(text).ok();
    }

    /// The next answer that is not as it should be; those that are have no news.
    async fn failed(&mut self) -> io::Result<String> {
        loop {
            let Some((count, answer)) = self.answers.recv().await else {
                std::future::pending().await
            };
            self.waiting -= count;
            match answer? {
                (200 | 202 | 204, _) => {}
                (status, body) => return Ok(format!("POST: {status} {body}")),
            }
        }
    }
}

/// Polls, of which several may be under way. Their answers are taken in the order of the polls:
/// who polls twice must not let a later answer overtake.
struct Polls {
    dial: Arc<dyn Dial>,
    /// The connection that the last poll came back on.
    kept: Option<Http>,
    running: VecDeque<Poll>,
    /// When the last poll began.
    started: Instant,
    tasks: JoinSet<()>,
}

type Poll = oneshot::Receiver<(Http, io::Result<(u16, String)>)>;

impl Polls {
    fn new(dial: &Arc<dyn Dial>) -> Self {
        let (running, tasks) = (VecDeque::new(), JoinSet::new());
        Self { dial: Arc::clone(dial), kept: None, running, started: Instant::now(), tasks }
    }

    /// [`Outgoing::PollAgain`]
    fn start_again(&mut self, older_than: Duration, method: &'static str, target: &str) {
        if self.started.elapsed() > older_than {
            self.start(method, target.to_owned());
        }
    }

    fn start(&mut self, method: &'static str, target: String) {
        let mut http = self.kept.take().unwrap_or_else(|| Http::new(&self.dial));
        let (sender, receiver) = oneshot::channel();
        self.running.push_back(receiver);
        self.started = Instant::now();
        self.tasks.spawn(async move {
            let request = Request { method, target: &target, headers: "", body: "" };
            let answer = http.ask(request).await;
            sender.send((http, answer)).ok();
        });
    }

    fn running(&self) -> usize {
        self.running.len()
    }

    async fn answer(&mut self) -> io::Result<(u16, String)> {
        let Some(first) = self.running.front_mut() else { std::future::pending().await };
        let answered = first.await;
        self.running.pop_front();
        while self.tasks.try_join_next().is_some() {}
        let (http, answer) = answered.map_err(io::Error::other)?;
        self.kept = Some(http);
        answer
    }
}

/// Cuts an event stream into its events.
#[derive(Default)]
struct Events(String);

impl Events {
    /// The events that end with this piece, each with its fields as they came. Comments are none.
    fn add(&mut self, piece: &[u8]) -> Vec<String> {
        self.0.push_str(&String::from_utf8_lossy(piece).replace("\r\n", "\n"));
        let mut events = Vec::new();
        while let Some(end) = self.0.find("\n\n") {
            let rest = self.0.split_off(end + 2);
            let event = std::mem::replace(&mut self.0, rest);
            let fields = event.lines().filter(|line| !line.starts_with(':') && !line.is_empty());
            let fields: Vec<&str> = fields.collect();
            if !fields.is_empty() {
                events.push(fields.join("\n"));
            }
        }
        events
    }
}

/// What a field of an event says; data over several lines is joined.
pub fn field(event: &str, name: &str) -> Option<String> {
    let lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let lines: Vec<&str> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
