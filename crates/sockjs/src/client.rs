//! The client's side: which transport to try, for how long, and what frames mean, as
//! `sockjs-client` 1.6 has it.
//!
//! [`Client`] does no IO. Its user asks `/info`, carries out each [`Action`] in order, and tells
//! what happened. Texts stay the JSON strings that they travel as, so that lone surrogates pass.

mod frames;

pub use frames::{Frames, TooLong};

use omniwire_session::{Args, ByteString, json};
use std::collections::VecDeque;
use std::time::Duration;

/// A way to receive. All but WebSocket send by POST to `xhr_send`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket, both ways.
    WebSocket,
    /// A POST whose answer does not end.
    XhrStreaming,
    /// An event stream.
    EventSource,
    /// A POST for each batch of frames.
    XhrPolling,
}

/// In the order in which they are tried.
pub const TRANSPORTS: [Transport; 4] =
    [Transport::WebSocket, Transport::XhrStreaming, Transport::EventSource, Transport::XhrPolling];

impl Transport {
    /// Its name in sockjs-client.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::XhrStreaming => "xhr-streaming",
            Self::EventSource => "eventsource",
            Self::XhrPolling => "xhr-polling",
        }
    }

    /// The last part of its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::XhrStreaming => "xhr_streaming",
            Self::EventSource => "eventsource",
            Self::XhrPolling => "xhr",
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Drop the line there is, and make one with a new session name. Unless another action comes
    /// before, tell [`Client::timed_out`] after this time.
    Connect {
        /// How.
        transport: Transport,
        /// How long until [`Client::timed_out`].
        timeout: Duration,
    },
    /// Send this body over the line, then tell [`Client::sent`].
    Send(String),
    /// The session is open: the timer is off.
    Open(Transport),
    /// A message came: JSON, as a rule a string.
    Message(String),
    /// A heartbeat came.
    Heartbeat,
    /// It is over: drop the line. Nothing follows.
    Close(Close),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The server's code, or one of this side's: 1002 `/info` failed, 1006 lost, 2000 no transport.
    pub code: u16,
    /// Why.
    pub reason: String,
    /// Whether either side said so.
    pub clean: bool,
}

/// How a line ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEnd {
    /// A request was refused or broke off.
    Failed,
    /// A WebSocket was closed with this, 1006 if it broke off.
    Closed(u16, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `/info` or a transport's open frame is awaited.
    Connecting,
    Open,
    Closed,
}

/// One session of a client.
#[derive(Debug)]
pub struct Client {
    state: State,
    /// The transports that have not been tried, the next one first.
    left: VecDeque<Transport>,
    current: Transport,
    timeout: Duration,
    /// A body is on its way.
    sending: bool,
    /// JSON strings that wait until it has arrived.
    waiting: Vec<String>,
    actions: VecDeque<Action>,
}

impl Client {
    /// A client that will try these transports, in this order.
    pub fn new(transports: &[Transport]) -> Self {
        Self {
            state: State::Connecting,
            left: transports.iter().copied().collect(),
            current: Transport::WebSocket,
            timeout: Duration::ZERO,
            sending: false,
            waiting: Vec::new(),
            actions: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// `/info` was answered; it took this long. What it does not say is as by default.
    pub fn informed(&mut self, websocket: bool, round_trip: Duration) {
        if !websocket {
            self.left.retain(|transport| *transport != Transport::WebSocket);
        }
        // The request and what its answer brings: two round trips.
        let round_trip = match round_trip {
            short if short <= QUICK => QUIET.saturating_add(short),
            long => long.saturating_mul(4),
        };
        self.timeout = round_trip.saturating_mul(2);
        self.connect();
    }

    /// `/info` failed.
    pub fn not_informed(&mut self) {
        self.close(1002, "Cannot connect to server", false);
    }

    fn connect(&mut self) {
        match self.left.pop_front() {
            Some(transport) => {
                self.current = transport;
                let timeout = self.timeout;
                self.actions.push_back(Action::Connect { transport, timeout });
            }
            None => self.close(2000, "All transports failed", false),
        }
    }

    /// No open frame came in time.
    pub fn timed_out(&mut self) {
        if self.state == State::Connecting {
            self.connect();
        }
    }

    /// A frame came over the line. One that means nothing is passed over.
    pub fn frame(&mut self, frame: &str) {
        if self.state == State::Closed {
            return;
        }
        match frame.as_bytes().first() {
            Some(b'o') => self.open(),
            Some(b'h') => self.actions.push_back(Action::Heartbeat),
            Some(b'a') => {
                let elements = frame.get(1..).and_then(array);
                let messages = elements.into_iter().flatten().map(Action::Message);
                self.actions.extend(messages);
            }
            Some(b'm') => {
                let message = frame.get(1..).filter(|text| json::validate(text).is_ok());
                self.actions.extend(message.map(|text| Action::Message(text.trim().to_owned())));
            }
            Some(b'c') => self.close_frame(frame),
            _ => {}
        }
    }

    fn open(&mut self) {
        match self.state {
            State::Connecting => {
                self.state = State::Open;
                self.actions.push_back(Action::Open(self.current));
            }
            // The server has forgotten the session that this one was.
            _ => self.close(1006, "Server lost session", false),
        }
    }

    fn close_frame(&mut self, frame: &str) {
        let Some((code, reason)) = close_parts(frame) else { return };
        let reason = json::unescape(&reason).unwrap_or_default();
        self.close(code.parse().unwrap_or(1006), &reason, true);
    }

    /// The line ended by itself. (An answer that ended as it should is no end: ask again.)
    pub fn ended(&mut self, end: LineEnd) {
        let (code, reason) = match end {
            LineEnd::Failed => (1006, "permanent".to_owned()),
            LineEnd::Closed(code, reason) => (code, reason),
        };
        match self.state {
            State::Connecting if !is_applications(code) => self.connect(),
            _ => self.close(code, &reason, false),
        }
    }

    /// Sends a text, given as the JSON string that it is to travel as. Does nothing unless open.
    pub fn send(&mut self, text: String) {
        if self.state == State::Open {
            self.waiting.push(text);
            self.send_waiting();
        }
    }

    /// The body on its way was taken, or not.
    pub fn sent(&mut self, taken: bool) {
        self.sending = false;
        match taken {
            true => self.send_waiting(),
            false => self.close(1006, "Sending error", false),
        }
    }

    fn send_waiting(&mut self) {
        if self.state == State::Open && !self.sending && !self.waiting.is_empty() {
            self.sending = true;
            let body = format!("[{}]", self.waiting.join(","));
            self.waiting.clear();
            self.actions.push_back(Action::Send(body));
        }
    }

    /// This side ends it. What waits to be sent is dropped.
    pub fn close_by_user(&mut self, code: u16, reason: &str) {
        self.close(code, reason, true);
    }

    fn close(&mut self, code: u16, reason: &str, clean: bool) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.waiting.clear();
            let close = Close { code, reason: reason.to_owned(), clean };
            self.actions.push_back(Action::Close(close));
        }
    }
}

/// A round trip up to which a connection is quick.
const QUICK: Duration = Duration::from_millis(100);

/// What a server may take at each step of a quick connection.
const QUIET: Duration = Duration::from_millis(300);

/// Codes that applications close with: then no other transport is tried.
fn is_applications(code: u16) -> bool {
    code == 1000 || (3000..=4999).contains(&code)
}

/// Whether a frame closes the session: then nothing more is to be asked for.
pub fn is_close(frame: &str) -> bool {
    close_parts(frame).is_some()
}

/// Code and reason of a close frame, as JSON.
fn close_parts(frame: &str) -> Option<(String, String)> {
    let [code, reason] = array(frame.strip_prefix('c')?)?.try_into().ok()?;
    Some((code, reason))
}

/// The elements of a JSON array.
fn array(text: &str) -> Option<Vec<String>> {
    json::validate(text).ok()?;
    let array = Args::from_valid_array(&ByteString::from(text))?;
    Some(json::elements(array.json()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;
