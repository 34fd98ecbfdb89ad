//! The client's side of a hub: the handshake, calls and streams both ways, silence, coming back,
//! and stateful reconnect, as Microsoft's clients have them.
//!
//! [`Client`] does no IO. Its user carries out each [`Action`] in order, and tells what happened.
//! Making a line, which is negotiating and trying transports, is the user's: [`Negotiated`] reads
//! the answer to negotiate, [`EventStream`] cuts server-sent events.

mod encode;
mod event_stream;
mod negotiated;

pub use crate::message::Protocol;
pub use event_stream::{EventStream, EventTooLong};
pub use negotiated::{Negotiated, Offer};
pub use omniwire_session::Message;

use crate::handshake::Version;
use crate::message::HubMessage;
use crate::record::{Framing, RecordError, Records};
use crate::session::ledger::Ledger;
use crate::{control, json, msgpack};
use bytes::Bytes;
use encode::Invocation;
use omniwire_session::{Args, ByteString, Frame, Kind, later};
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

/// What a client is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The encoding.
    pub protocol: Protocol,
    /// How long to wait before each attempt to come back by a connection of its own; none: it does
    /// not come back.
    pub reconnect: Vec<Duration>,
    /// How long the server may be silent.
    pub server_timeout: Duration,
    /// After how long a silence of ours the server gets a ping.
    pub keep_alive: Duration,
}

impl Options {
    /// Microsoft's defaults: it does not come back, 30 s, 15 s.
    pub fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            reconnect: Vec::new(),
            server_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// A line that was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opened {
    /// What negotiate said; none without it.
    pub connection_id: Option<String>,
    /// Whether [`Action::Resume`] may follow its loss.
    pub stateful: bool,
    /// Whether it has a pulse of its own, as long polling has: then nobody pings or counts silence.
    pub is_polling: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make a line for a new connection; then tell [`Client::opened`] or [`Client::lost`].
    Connect,
    /// Make a new line for the connection there is, without negotiating; then the same.
    Resume,
    /// Send this over the line.
    Send(Message),
    /// Close the line. What it still tells is not to be told.
    HangUp,
    /// The first connection is there, with this id.
    Started(Option<String>),
    /// There is none.
    Failed(String),
    /// The server calls; with an `id`, it waits for [`Client::answer`].
    Called {
        /// The method.
        target: ByteString,
        /// Its arguments.
        args: Args,
        /// What the answer must name.
        id: Option<ByteString>,
    },
    /// An item of a stream that was asked for.
    Item {
        /// Which.
        call: u64,
        /// The item.
        item: Args,
    },
    /// A call or a stream is over. Nothing follows of it.
    Ended {
        /// Which.
        call: u64,
        /// What the server answered, nothing for a stream; or what went wrong.
        outcome: Result<Args, String>,
    },
    /// The connection is lost, and another one is being tried for.
    Reconnecting(Option<String>),
    /// There is another one, with this id.
    Reconnected(Option<String>),
    /// It is over. Nothing follows.
    Closed(Option<String>),
}

/// Nothing can be said: there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotConnected;

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cannot send data if the connection is not in the 'Connected' State.")
    }
}

impl Error for NotConnected {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A line is being made; `attempt` counts those to come back.
    Connecting {
        attempt: Option<usize>,
    },
    /// The handshake's answer is awaited.
    Handshaking {
        attempt: Option<usize>,
    },
    Open,
    /// The line is lost; the next attempt to make another is then.
    Suspended {
        attempt: usize,
        at: Instant,
    },
    /// Another is being made.
    Resuming {
        attempt: usize,
    },
    /// The connection is lost; the next attempt to make another is then.
    Waiting {
        attempt: usize,
        at: Instant,
    },
    Closed,
}

/// One client of a hub.
#[derive(Debug)]
pub struct Client {
    options: Options,
    state: State,
    line: Opened,
    records: Records,
    /// With stateful reconnect.
    ledger: Option<Ledger>,
    /// What waits for the server's Ack, or for a line.
    waiting: VecDeque<Frame>,
    /// The calls and streams under way, and whether something is still to be told of each.
    calls: HashMap<u64, bool>,
    last_id: u64,
    heard_at: Instant,
    said_at: Instant,
    actions: VecDeque<Action>,
}

impl Client {
    /// A client that connects.
    pub fn new(options: Options, now: Instant) -> Self {
        Self {
            options,
            state: State::Connecting { attempt: None },
            line: Opened::default(),
            records: Records::new(RECORD_LEN_MAX),
            ledger: None,
            waiting: VecDeque::new(),
            calls: HashMap::new(),
            last_id: 0,
            heard_at: now,
            said_at: now,
            actions: VecDeque::from([Action::Connect]),
        }
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A line was made.
    pub fn opened(&mut self, now: Instant, line: Opened) {
        self.records = Records::new(RECORD_LEN_MAX);
        (self.heard_at, self.said_at) = (now, now);
        match self.state {
            State::Connecting { attempt } => {
                self.ledger = line.stateful.then(|| Ledger::new(UNACKED_LEN_MAX));
                let version = if line.stateful { Version::V2 } else { Version::V1 };
                let hello = encode::handshake(self.options.protocol, version);
                self.actions.push_back(Action::Send(Message::text(hello)));
                self.line = line;
                self.state = State::Handshaking { attempt };
            }
            State::Resuming { .. } => {
                self.state = State::Open;
                self.records.set_framing(framing(self.options.protocol));
                if let Some(ledger) = &mut self.ledger {
                    let (first, frames) = ledger.resend(now);
                    let sequence = control::sequence(self.options.protocol, first);
                    self.actions.push_back(Action::Send(sequence));
                    self.actions.extend(frames.iter().map(sending));
                }
                self.flush(now);
            }
            _ => self.actions.push_back(Action::HangUp),
        }
    }

    /// The line is lost, or could not be made. An error says why, if it was not closed well.
    pub fn lost(&mut self, now: Instant, error: Option<String>) {
        match self.state {
            State::Open if self.ledger.is_some() => {
                self.state = State::Suspended { attempt: 0, at: now };
            }
            State::Resuming { attempt } => {
                let attempt = attempt.saturating_add(1);
                match RESUME_DELAYS.get(attempt) {
                    Some(delay) => {
                        self.state = State::Suspended { attempt, at: later(now, *delay) };
                    }
                    None => self.ended(now, error, true),
                }
            }
            _ => self.ended(now, error, true),
        }
    }

    /// The connection is over.
    fn ended(&mut self, now: Instant, error: Option<String>, may_return: bool) {
        (self.ledger, self.waiting) = (None, VecDeque::new());
        match self.state {
            State::Connecting { attempt: None } | State::Handshaking { attempt: None } => {
                self.state = State::Closed;
                let error = error.unwrap_or_else(|| "The connection was closed.".to_owned());
                self.actions.push_back(Action::Failed(error));
            }
            State::Connecting { attempt: Some(attempt) }
            | State::Handshaking { attempt: Some(attempt) } => {
                self.try_again(now, attempt.saturating_add(1), error);
            }
            State::Open | State::Suspended { .. } | State::Resuming { .. } => {
                self.end_calls(error.as_deref());
                if self.options.reconnect.is_empty() || !may_return {
                    self.state = State::Closed;
                    self.actions.push_back(Action::Closed(error));
                } else {
                    self.actions.push_back(Action::Reconnecting(error.clone()));
                    self.try_again(now, 0, error);
                }
            }
            State::Waiting { .. } | State::Closed => {}
        }
    }

    fn try_again(&mut self, now: Instant, attempt: usize, error: Option<String>) {
        match self.options.reconnect.get(attempt) {
            Some(delay) => self.state = State::Waiting { attempt, at: later(now, *delay) },
            None => {
                self.state = State::Closed;
                self.actions.push_back(Action::Closed(error));
            }
        }
    }

    fn end_calls(&mut self, error: Option<&str>) {
        let text = error.unwrap_or(CANCELED);
        let mut calls: Vec<_> = self.calls.drain().collect();
        calls.sort_unstable();
        let ends = calls
            .into_iter()
            .map(|(call, _)| Action::Ended { call, outcome: Err(text.to_owned()) });
        self.actions.extend(ends);
    }

    /// What came over the line: any part of the records.
    pub fn receive(&mut self, now: Instant, bytes: Bytes) {
        if !matches!(self.state, State::Handshaking { .. } | State::Open) {
            return;
        }
        self.heard_at = now;
        self.records.push(bytes);
        while matches!(self.state, State::Handshaking { .. } | State::Open) {
            let record = match self.records.next() {
                Ok(Some(record)) => record,
                Ok(None) => return,
                Err(RecordError::TooLong) => return self.fail(now, "A message is too long."),
                Err(RecordError::BadPrefix) => return self.fail(now, "A message has no length."),
            };
            if let State::Handshaking { attempt } = self.state {
                self.shaken(now, attempt, record);
                continue;
            }
            let message = match self.options.protocol {
                Protocol::Json => json::decode(record),
                Protocol::MessagePack => msgpack::decode(record),
            };
            match message {
                Ok(message) => self.handle(now, message),
                Err(malformed) => self.fail(now, malformed.0),
            }
        }
    }

    /// The other side broke the rules: no line that follows could help.
    fn fail(&mut self, now: Instant, error: &str) {
        self.actions.push_back(Action::HangUp);
        self.ended(now, Some(error.to_owned()), true);
    }

    fn shaken(&mut self, now: Instant, attempt: Option<usize>, record: Bytes) {
        let answer = ByteString::try_from(record).map_err(|_| BAD_HANDSHAKE.to_owned());
        if let Err(error) = answer.and_then(|answer| handshake_error(&answer)) {
            return self.fail(now, &error);
        }
        self.records.set_framing(framing(self.options.protocol));
        self.state = State::Open;
        let id = self.line.connection_id.clone();
        self.actions.push_back(match attempt {
            None => Action::Started(id),
            Some(_) => Action::Reconnected(id),
        });
    }

    fn handle(&mut self, now: Instant, message: HubMessage) {
        if let Some(ledger) = &mut self.ledger
            && message.is_numbered()
            && !ledger.receive(now)
        {
            return;
        }
        match message {
            HubMessage::Invocation(call) => {
                let (target, args, id) = (call.target, call.args, call.id);
                self.actions.push_back(Action::Called { target, args, id });
            }
            HubMessage::Unbindable { id: Some(id), why, .. } => self.answer(now, &id, Err(why)),
            HubMessage::StreamItem { id, item: Ok(item) } => {
                if let Some((call, true)) = self.call(&id) {
                    self.actions.push_back(Action::Item { call, item });
                }
            }
            HubMessage::Completion { id, outcome } => {
                if let Some((call, _)) = self.call(&id) {
                    self.calls.remove(&call);
                    let outcome = outcome.map_err(|error| error.to_string());
                    self.actions.push_back(Action::Ended { call, outcome });
                }
            }
            HubMessage::Close { error, allow_reconnect } => {
                let error =
                    error.map(|error| format!("Server returned an error on close: {error}"));
                self.actions.push_back(Action::HangUp);
                self.ended(now, error, allow_reconnect);
            }
            HubMessage::Ack(number) => {
                if self.ledger.as_mut().is_some_and(|ledger| ledger.acknowledged(number)) {
                    self.flush(now);
                }
            }
            HubMessage::Sequence(number) => {
                if self.ledger.as_mut().is_some_and(|ledger| ledger.sequence(number, now).is_err())
                {
                    self.fail(now, "The server left out messages that never came.");
                }
            }
            HubMessage::Unbindable { id: None, .. }
            | HubMessage::StreamItem { item: Err(_), .. }
            | HubMessage::Cancel { .. }
            | HubMessage::Ping
            | HubMessage::Ignored => {}
        }
    }

    /// The call of this id, and whether its items are wanted.
    fn call(&self, id: &str) -> Option<(u64, bool)> {
        let call = id.parse().ok()?;
        self.calls.get(&call).map(|wanted| (call, *wanted))
    }

    /// Calls a method; [`Action::Ended`] brings the answer.
    ///
    /// # Errors
    /// There is no connection.
    pub fn invoke(&mut self, now: Instant, target: &str, args: &Args) -> Result<u64, NotConnected> {
        self.begin(now, target, args, None, false)
    }

    /// Calls one that answers by a stream: [`Action::Item`]s, then [`Action::Ended`].
    ///
    /// # Errors
    /// There is no connection.
    pub fn stream(&mut self, now: Instant, target: &str, args: &Args) -> Result<u64, NotConnected> {
        self.begin(now, target, args, None, true)
    }

    /// Calls one with a stream of ours behind the arguments, which may end in an error.
    ///
    /// # Errors
    /// There is no connection.
    pub fn upload(
        &mut self,
        now: Instant,
        target: &str,
        args: &Args,
        items: &[Args],
        error: Option<&str>,
    ) -> Result<u64, NotConnected> {
        self.connected()?;
        let protocol = self.options.protocol;
        self.last_id = self.last_id.saturating_add(1);
        let stream = self.last_id.to_string();
        let call = self.begin(now, target, args, Some(&stream), false)?;
        let items = items.iter().filter_map(|item| protocol.item(&stream, item));
        self.waiting.extend(items);
        self.waiting.extend(protocol.completion(&stream, error.map(Err)));
        self.flush(now);
        Ok(call)
    }

    /// Calls a method, and wants no answer.
    ///
    /// # Errors
    /// There is no connection.
    pub fn send(&mut self, now: Instant, target: &str, args: &Args) -> Result<(), NotConnected> {
        self.connected()?;
        let what = Invocation { target, args, id: None, stream: None, wants_stream: false };
        self.say(now, self.options.protocol.invocation(&what));
        Ok(())
    }

    /// Wants no more of a stream. Its end is told all the same.
    pub fn cancel(&mut self, now: Instant, call: u64) {
        if let Some(wanted) = self.calls.get_mut(&call)
            && std::mem::take(wanted)
        {
            self.say(now, self.options.protocol.cancel(&call.to_string()));
        }
    }

    /// Answers a call of the server.
    pub fn answer(&mut self, now: Instant, id: &str, outcome: Result<&Args, &str>) {
        if self.connected().is_ok() {
            self.say(now, self.options.protocol.completion(id, Some(outcome)));
        }
    }

    /// Ends it, in good order.
    pub fn stop(&mut self, now: Instant) {
        if self.state == State::Open {
            self.actions.push_back(Action::Send(control::close(
                self.options.protocol,
                None,
                false,
            )));
        }
        match self.state {
            State::Closed => {}
            State::Waiting { .. } => {
                self.state = State::Closed;
                self.actions.push_back(Action::Closed(None));
            }
            State::Connecting { attempt: Some(_) } | State::Handshaking { attempt: Some(_) } => {
                self.state = State::Closed;
                self.actions.extend([Action::HangUp, Action::Closed(None)]);
            }
            _ => {
                self.actions.push_back(Action::HangUp);
                self.ended(now, None, false);
            }
        }
    }

    fn connected(&self) -> Result<(), NotConnected> {
        match self.state {
            State::Open | State::Suspended { .. } | State::Resuming { .. } => Ok(()),
            _ => Err(NotConnected),
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        target: &str,
        args: &Args,
        stream: Option<&str>,
        wants_stream: bool,
    ) -> Result<u64, NotConnected> {
        self.connected()?;
        self.last_id = self.last_id.saturating_add(1);
        let call = self.last_id;
        self.calls.insert(call, wants_stream);
        let what = Invocation { target, args, id: Some(&call.to_string()), stream, wants_stream };
        self.say(now, self.options.protocol.invocation(&what));
        Ok(call)
    }

    fn say(&mut self, now: Instant, frame: Option<Frame>) {
        self.waiting.extend(frame);
        self.flush(now);
    }

    /// Sends what waits, as far as the server's Acks let it.
    fn flush(&mut self, now: Instant) {
        if self.state != State::Open {
            return;
        }
        let frames = match &mut self.ledger {
            Some(ledger) => ledger.send(&mut self.waiting),
            None => std::mem::take(&mut self.waiting),
        };
        if !frames.is_empty() {
            self.said_at = now;
        }
        self.actions.extend(frames.iter().map(sending));
    }

    /// When to call [`Client::timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        let silent =
            (!self.line.is_polling).then(|| later(self.heard_at, self.options.server_timeout));
        match self.state {
            State::Suspended { at, .. } | State::Waiting { at, .. } => Some(at),
            State::Handshaking { .. } => Some(later(self.heard_at, self.options.server_timeout)),
            State::Open => {
                let ping =
                    (!self.line.is_polling).then(|| later(self.said_at, self.options.keep_alive));
                let ack = self.ledger.as_ref().and_then(Ledger::ack_at);
                [silent, ping, ack].into_iter().flatten().min()
            }
            State::Connecting { .. } | State::Resuming { .. } | State::Closed => None,
        }
    }

    /// The instant of [`Client::deadline`] has come.
    pub fn timeout(&mut self, now: Instant) {
        match self.state {
            State::Suspended { attempt, at } if at <= now => {
                self.state = State::Resuming { attempt };
                self.actions.push_back(Action::Resume);
            }
            State::Waiting { attempt, at } if at <= now => {
                self.state = State::Connecting { attempt: Some(attempt) };
                self.actions.push_back(Action::Connect);
            }
            State::Handshaking { .. }
                if later(self.heard_at, self.options.server_timeout) <= now =>
            {
                self.fail(now, SILENCE);
            }
            State::Open => self.beat(now),
            _ => {}
        }
    }

    fn beat(&mut self, now: Instant) {
        if !self.line.is_polling && later(self.heard_at, self.options.server_timeout) <= now {
            self.actions.push_back(Action::HangUp);
            return self.lost(now, Some(SILENCE.to_owned()));
        }
        let protocol = self.options.protocol;
        if let Some(number) = self.ledger.as_mut().and_then(|ledger| ledger.ack(now)) {
            self.actions.push_back(Action::Send(control::ack(protocol, number)));
        }
        if !self.line.is_polling && later(self.said_at, self.options.keep_alive) <= now {
            self.said_at = now;
            self.actions.push_back(Action::Send(control::ping(protocol)));
        }
    }
}

fn sending(frame: &Frame) -> Action {
    let payload = frame.payload();
    Action::Send(match (frame.kind(), ByteString::try_from(payload.clone())) {
        (Kind::Text, Ok(text)) => Message::Text(text),
        _ => Message::Binary(payload),
    })
}

fn framing(protocol: Protocol) -> Framing {
    match protocol {
        Protocol::Json => Framing::Separated,
        Protocol::MessagePack => Framing::Prefixed,
    }
}

/// Reads the handshake's answer, whose error is the text for people.
fn handshake_error(answer: &ByteString) -> Result<(), String> {
    let mut members =
        omniwire_session::json::member_slices(answer).map_err(|_| BAD_HANDSHAKE.to_owned())?;
    match members.find(|(name, _)| &**name == "error") {
        Some((_, text)) => {
            let text = json::string(answer, text).unwrap_or_default();
            Err(format!("Server returned handshake error: {text}"))
        }
        None => Ok(()),
    }
}

/// Bytes of one message at most.
const RECORD_LEN_MAX: usize = 64 << 20;

/// As Microsoft's clients: what is over that waits for an Ack.
const UNACKED_LEN_MAX: usize = 100_000;

/// Before each attempt to make a line for a connection that lost its own. A server keeps it for
/// fifteen seconds.
const RESUME_DELAYS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

const CANCELED: &str = "Invocation canceled due to the underlying connection being closed.";
const SILENCE: &str = "Server timeout elapsed without receiving a message from the server.";
const BAD_HANDSHAKE: &str = "The handshake's answer is none.";

#[cfg(test)]
mod tests;
