//! SignalR with JSON, and the books that both sides keep for a stateful reconnect.

use super::{Heard, Speech, heard, said};
use crate::dial::Dial;
use crate::line::{Line, signalr};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct SignalR {
    path: String,
    transport: signalr::Transport,
    /// What names the connection, once negotiate has given it.
    token: Option<String>,
    /// The query of the connection's first request.
    query: String,
    /// It has shaken hands on this connection before.
    known: bool,
    /// When it opened its line.
    opened_at: Instant,
    /// Lines that were lost in a row before a word came over them.
    lost: u32,
    books: Books,
}

/// What went and came, by number.
#[derive(Debug, Default)]
struct Books {
    /// Sent and not acknowledged, oldest first.
    unacknowledged: VecDeque<(u64, String)>,
    /// The number of the last that was sent.
    sent: u64,
    /// The number of the last that was taken in.
    received: u64,
    /// The number of the next that comes.
    next: u64,
    acknowledged: u64,
}

impl SignalR {
    pub(super) fn new(namespace: &'static str, transport: signalr::Transport) -> Self {
        Self {
            path: format!("/lasting{namespace}"),
            transport,
            token: None,
            query: String::new(),
            known: false,
            opened_at: Instant::now(),
            lost: 0,
            books: Books::default(),
        }
    }

    fn is_stateful(&self) -> bool {
        self.transport == signalr::Transport::Stateful
    }

    fn forget(&mut self) {
        self.token = None;
        self.known = false;
        self.lost = 0;
        self.books = Books { next: 1, ..Books::default() };
    }

    /// What it says, which is counted.
    fn counted(&mut self, record: String) -> String {
        if self.is_stateful() {
            self.books.sent += 1;
            self.books.unacknowledged.push_back((self.books.sent, record.clone()));
        }
        record
    }

    /// Whether this is news, and no repetition.
    fn is_new(&mut self) -> bool {
        let number = self.books.next;
        self.books.next += 1;
        let new = number > self.books.received;
        self.books.received = self.books.received.max(number);
        new
    }

    fn invocation(&mut self, target: &str, args: &str) -> String {
        let record = format!(r#"{{"type":1,"target":"{target}","arguments":[{args}]}}"#);
        self.counted(record)
    }

    fn take(&mut self, record: &Value) -> Option<Heard> {
        let kind = record["type"].as_u64();
        if matches!(kind, Some(1..=5)) && self.is_stateful() && !self.is_new() {
            return None;
        }
        match kind {
            // The handshake's answer has no type.
            None if record.get("error").is_none() => {
                self.known = true;
                Some(Heard::New)
            }
            None if self.opened_at.elapsed() >= HANDSHAKE_MAX => {
                // Its request did not get through in time.
                self.forget();
                Some(Heard::Bye(record.to_string()))
            }
            Some(1) => heard(record["target"].as_str()?, record["arguments"].as_array()?),
            Some(3) => Some(match (&record["invocationId"], record.get("error")) {
                (Value::String(id), None) => Heard::Delivered(id.parse().ok()?),
                _ => Heard::Failed(record.to_string()),
            }),
            Some(6) => None,
            Some(7) => {
                self.forget();
                Some(Heard::Bye(record.to_string()))
            }
            Some(8) => {
                let upto = record["sequenceId"].as_u64()?;
                self.books.unacknowledged.retain(|(number, _)| *number > upto);
                None
            }
            Some(9) => {
                self.lost = 0;
                self.books.next = record["sequenceId"].as_u64()?;
                if self.books.next > self.books.received + 1 {
                    return Some(Heard::Failed("a Sequence that leaves a gap".to_owned()));
                }
                Some(Heard::Back)
            }
            _ => Some(Heard::Failed(record.to_string())),
        }
    }
}

impl Speech for SignalR {
    fn open(&mut self, dial: &Arc<dyn Dial>, query: &str, _: &[&str]) -> Line {
        self.opened_at = Instant::now();
        match self.token.as_ref().filter(|_| self.known) {
            Some(token) => signalr::again(dial, &self.path, &self.query, token),
            None => {
                self.forget();
                query.clone_into(&mut self.query);
                signalr::line(dial, &self.path, query, self.transport)
            }
        }
    }

    fn greet(&mut self) -> Vec<String> {
        if !self.known {
            let version = if self.is_stateful() { 2 } else { 1 };
            return vec![format!(r#"{{"protocol":"json","version":{version}}}"#)];
        }
        let first = self.books.unacknowledged.front();
        let first = first.map_or(self.books.sent + 1, |(number, _)| *number);
        let again = self.books.unacknowledged.iter().map(|(_, record)| record.clone());
        [format!(r#"{{"type":9,"sequenceId":{first}}}"#)].into_iter().chain(again).collect()
    }

    fn hear(&mut self, text: &str, _: &mut Vec<String>) -> Vec<Heard> {
        if let Some(token) = text.strip_prefix(signalr::TOKEN) {
            self.token = Some(token.to_owned());
            return Vec::new();
        }
        match serde_json::from_str(text) {
            Ok(record) => self.take(&record).into_iter().collect(),
            Err(_) => vec![Heard::Failed(format!("not JSON: {text}"))],
        }
    }

    fn join(&mut self, room: &str) -> String {
        self.invocation("join", &format!("\"{room}\""))
    }

    fn leave(&mut self, room: &str) -> String {
        self.invocation("leave", &format!("\"{room}\""))
    }

    fn publish(&mut self, room: &str, number: u64, padding: &str) -> String {
        let args = said(room, number, padding);
        let record = format!(
            r#"{{"type":1,"invocationId":"{number}","target":"publish","arguments":[{args}]}}"#
        );
        self.counted(record)
    }

    fn tick(&mut self) -> Vec<String> {
        if !self.known {
            return Vec::new();
        }
        let mut words = vec![r#"{"type":6}"#.to_owned()];
        if self.is_stateful() && self.books.received > self.books.acknowledged {
            self.books.acknowledged = self.books.received;
            words.push(format!(r#"{{"type":8,"sequenceId":{}}}"#, self.books.received));
        }
        words
    }

    fn lost(&mut self, _: &str) -> bool {
        self.lost += 1;
        // The server keeps a connection for 15 s; after some vain attempts it is gone.
        if !self.is_stateful() || !self.known || self.lost > RETRIES_MAX {
            self.forget();
        }
        self.token.is_some()
    }
}

/// So long a server waits for a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);

const RETRIES_MAX: u32 = 3;
