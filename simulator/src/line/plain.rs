//! Event streams and long polls of clients without a library. A line's texts are the fields of an
//! event, or envelopes.

use super::{Carrying, Events, Line, Outgoing, Polls, Posts, field};
use crate::dial::Dial;
use crate::http::{Http, Request};
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

fn array(envelopes: &[String]) -> String {
    format!("[{}]", envelopes.join(","))
}

/// The secret by which POSTs find their session.
fn session(envelope: &str) -> Option<String> {
    let envelope: Value = serde_json::from_str(envelope).ok()?;
    envelope["open"]["session"].as_str().map(str::to_owned)
}

/// What is said before there is a session waits.
struct Sender {
    dial: Arc<dyn Dial>,
    target: String,
    posts: Option<Posts>,
    early: Vec<String>,
}

impl Sender {
    /// Posts to this target, without its session.
    fn new(dial: &Arc<dyn Dial>, target: String) -> Self {
        Self { dial: Arc::clone(dial), target, posts: None, early: Vec::new() }
    }

    fn open(&mut self, token: &str) {
        let target = format!("{}?session={token}", self.target);
        let posts = self.posts.insert(Posts::new(&self.dial, target, array));
        self.early.drain(..).for_each(|text| posts.post(text));
    }

    fn say(&mut self, envelope: String) {
        match &mut self.posts {
            Some(posts) => posts.post(envelope),
            None => self.early.push(envelope),
        }
    }

    async fn failed(&mut self) -> io::Result<String> {
        match &mut self.posts {
            Some(posts) => posts.failed().await,
            None => std::future::pending().await,
        }
    }
}

/// An event stream; its texts are the fields of events. `last` goes out as `Last-Event-ID`.
pub fn stream(dial: &Arc<dyn Dial>, target: String, send: String, last: &str) -> Line {
    let dial = Arc::clone(dial);
    let headers = match last {
        "" => "Accept: text/event-stream\r\n".to_owned(),
        last => format!("Accept: text/event-stream\r\nLast-Event-ID: {last}\r\n"),
    };
    Line::new(move |mut carrying| async move {
        let mut sender = Sender::new(&dial, send);
        let (mut http, mut events) = (Http::new(&dial), Events::default());
        let request = Request { method: "GET", target: &target, headers: &headers, body: "" };
        let status = http.start(request).await?;
        if status != 200 {
            return Ok(format!("stream: {status}"));
        }
        loop {
            tokio::select! {
                biased;
                why = sender.failed() => return why,
                piece = http.piece() => {
                    let Some(piece) = piece? else { return Ok("the stream ended".to_owned()) };
                    carrying.alive();
                    for event in events.add(&piece) {
                        if let Some(token) = field(&event, "data").as_deref().and_then(session) {
                            sender.open(&token);
                        }
                        carrying.hear(event);
                    }
                }
                wish = carrying.wish() => match wish {
                    Outgoing::Text(envelope) => sender.say(envelope),
                    Outgoing::PollAgain { .. } => {}
                    Outgoing::Close => return Ok("closed by us".to_owned()),
                },
            }
        }
    })
}

/// What the line itself says first if it goes on with a session.
pub const GOES_ON: &str = "{\"goes\":\"on\"}";

/// Where a client polls.
#[derive(Debug, Clone, Default)]
pub struct Polled {
    /// Path and query.
    pub target: String,
    /// What else is in the first poll's query: rooms that it wants to be in.
    pub asked: String,
    /// Where it POSTs.
    pub send: String,
    /// Where an earlier line was when it broke.
    pub cursor: String,
}

/// Long polls; its texts are envelopes. `token`: that of the session which it goes on with.
pub fn poll(dial: &Arc<dyn Dial>, polled: Polled, token: Option<String>) -> Line {
    let dial = Arc::clone(dial);
    Line::new(move |carrying| async move {
        let mut sender = Sender::new(&dial, polled.send.clone());
        if let Some(token) = token {
            sender.open(&token);
            carrying.hear(GOES_ON);
        }
        let asked = VecDeque::new();
        Polling { polls: Polls::new(&dial), asked, sender, polled }.run(carrying).await
    })
}

struct Polling {
    polls: Polls,
    /// The cursors of the polls under way.
    asked: VecDeque<String>,
    sender: Sender,
    polled: Polled,
}

impl Polling {
    fn start(&mut self) {
        let Polled { target, asked, cursor, .. } = &mut self.polled;
        self.asked.push_back(cursor.clone());
        let cursor = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        self.polls.start("GET", format!("{target}{}{cursor}", std::mem::take(asked)));
    }

    async fn run(mut self, mut carrying: Carrying) -> io::Result<String> {
        self.start();
        loop {
            tokio::select! {
                biased;
                why = self.sender.failed() => return why,
                answer = self.polls.answer() => {
                    let (status, body) = answer?;
                    if status != 200 {
                        return Ok(format!("poll: {status} {body}"));
                    }
                    // Another poll with the same cursor has brought the same, or more.
                    let is_news = self.asked.pop_front().as_ref() == Some(&self.polled.cursor);
                    if is_news && let Some(why) = self.take(&body, &carrying) {
                        return Ok(why);
                    }
                    if self.polls.running() == 0 {
                        self.start();
                    }
                }
                wish = carrying.wish() => match wish {
                    Outgoing::Text(envelope) => self.sender.say(envelope),
                    Outgoing::PollAgain { .. } if self.polled.cursor.is_empty() => {}
                    // By its cursor each answer says where it belongs, however old the poll is.
                    Outgoing::PollAgain { .. } => self.start(),
                    Outgoing::Close => return Ok("closed by us".to_owned()),
                },
            }
        }
    }

    /// Why it is over, if it is.
    fn take(&mut self, body: &str, carrying: &Carrying) -> Option<String> {
        let Ok(envelopes) = serde_json::from_str::<Vec<Value>>(body) else {
            return Some(format!("no array of envelopes: {body}"));
        };
        carrying.alive();
        let next = envelopes.last().and_then(|last| last["cursor"].as_str());
        if let Some(token) = envelopes.first().and_then(|first| session(&first.to_string())) {
            self.sender.open(&token);
        }
        self.polled.cursor = next.unwrap_or(&self.polled.cursor).to_owned();
        for envelope in &envelopes {
            if let Some(close) = envelope.get("close") {
                return Some(format!("the server closed: {close}"));
            }
            carrying.hear(envelope.to_string());
        }
        None
    }
}
