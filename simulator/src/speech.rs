//! What clients say and hear, in each protocol's own words: small honest models, written from the
//! protocols' rules.

mod envelope;
mod raw;
mod signalr;
mod socketio;

use crate::client::ANOTHER_SESSION;
use crate::dial::Dial;
use crate::line::{Line, engineio, signalr as hub, sockjs};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bare WebSocket.
    Raw,
    /// A WebSocket with `omniwire.json.v1`.
    Envelope,
    /// An `EventSource`, and POSTs.
    EventStream,
    /// Long polls, and POSTs.
    LongPoll,
    /// Socket.IO 5 on Engine.IO 4.
    SocketIo(engineio::Transports),
    /// SignalR with JSON.
    SignalR(hub::Transport),
    /// SockJS with envelopes.
    SockJs(sockjs::Transport),
}

impl Kind {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 14] = [
        ("raw", Self::Raw),
        ("envelope", Self::Envelope),
        ("sse", Self::EventStream),
        ("poll", Self::LongPoll),
        ("socketio-polling", Self::SocketIo(engineio::Transports::Polling)),
        ("socketio-websocket", Self::SocketIo(engineio::Transports::WebSocket)),
        ("socketio-upgrade", Self::SocketIo(engineio::Transports::Upgrade)),
        ("signalr-websocket", Self::SignalR(hub::Transport::WebSockets)),
        ("signalr-stateful", Self::SignalR(hub::Transport::Stateful)),
        ("signalr-sse", Self::SignalR(hub::Transport::ServerSentEvents)),
        ("signalr-poll", Self::SignalR(hub::Transport::LongPolling)),
        ("sockjs-websocket", Self::SockJs(sockjs::Transport::WebSocket)),
        ("sockjs-streaming", Self::SockJs(sockjs::Transport::Streaming)),
        ("sockjs-polling", Self::SockJs(sockjs::Transport::Polling)),
    ];

    /// Whether its client polls.
    pub fn polls(self) -> bool {
        matches!(
            self,
            Self::LongPoll
                | Self::SocketIo(engineio::Transports::Polling)
                | Self::SignalR(hub::Transport::LongPolling)
                | Self::SockJs(sockjs::Transport::Polling)
        )
    }

    /// What it may hear when it is closed because it is slow: the protocol's word for it, or by a
    /// request that has overtaken that, or came after it, that there is no such session.
    pub fn words_for_slow(self) -> &'static [&'static str] {
        match self {
            Self::Raw | Self::Envelope => &["TryAgainLater"],
            Self::EventStream => &["1013", "POST: 404"],
            Self::LongPoll => &["1013", "POST: 404", "poll: 404", ANOTHER_SESSION],
            Self::SockJs(sockjs::Transport::WebSocket) => &["1013"],
            Self::SockJs(_) => &["1013", "POST: 404", "lost the session"],
            // Engine.IO has one word for all ends, and an empty Close.
            Self::SocketIo(_) => &["the server closed", "closed: None", "Session ID unknown"],
            Self::SignalR(hub::Transport::WebSockets | hub::Transport::Stateful) => &[HUB_CLOSED],
            Self::SignalR(_) => &[HUB_CLOSED, "POST: 404", "poll: 404"],
        }
    }

    /// A client of this kind.
    pub fn speech(self, namespace: &'static str) -> Box<dyn Speech> {
        match self {
            Self::Raw => Box::new(raw::Raw { namespace }),
            Self::SocketIo(transports) => Box::new(socketio::SocketIo::new(namespace, transports)),
            Self::SignalR(transport) => Box::new(signalr::SignalR::new(namespace, transport)),
            Self::Envelope | Self::EventStream | Self::LongPoll | Self::SockJs(_) => {
                Box::new(envelope::Envelopes::new(namespace, self))
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, kind)| kind == self).map(|(name, _)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

/// In a hub's Close message.
const HUB_CLOSED: &str = "Connection closed with an error.";

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It was let in, as one that was never there.
    New,
    /// It is back as the one it was, in the rooms in which it was.
    Back,
    /// It is in a room, perhaps with the number of the last message there.
    Joined(String, How, Option<u64>),
    /// It is no longer in a room.
    Left(String),
    /// Somebody said this.
    Said(Message),
    /// What it said was handled.
    Delivered(u64),
    /// What it asked for failed.
    Failed(String),
    /// It is to hear nothing more.
    Bye(String),
}

/// How a client has come into a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// As one that was never there.
    New,
    /// All that it missed follows.
    Recovered,
    /// What it missed is lost.
    Lost,
}

/// A message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was said.
    pub room: String,
    /// Who said it.
    pub publisher: u64,
    /// Its number among all that this client ever said.
    pub number: u64,
    /// Its number in the room, where the application counts.
    pub serial: Option<u64>,
}

/// One client's side of a protocol.
pub trait Speech: fmt::Debug + Send + Sync {
    /// A line to the server. `query` goes with every request that opens a session. `rooms`: those
    /// that it wants to be in again, for protocols that say so as they open.
    fn open(&mut self, dial: &Arc<dyn Dial>, query: &str, rooms: &[&str]) -> Line;

    /// Whether rooms are joined by opening, and need not be asked for.
    fn opens_in_rooms(&self) -> bool {
        false
    }

    /// What it says first, unasked.
    fn greet(&mut self) -> Vec<String>;

    /// Takes in what came, and may want to answer something.
    fn hear(&mut self, text: &str, answers: &mut Vec<String>) -> Vec<Heard>;

    /// Asks to join a room, as one who was there before if it was.
    fn join(&mut self, room: &str) -> String;

    /// Asks to leave a room.
    fn leave(&mut self, room: &str) -> String;

    /// Says something in a room.
    fn publish(&mut self, room: &str, number: u64, padding: &str) -> String;

    /// What it says now and then.
    fn tick(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Its line was lost, as far as it knows why: whether it may come back as the one it was, in
    /// its rooms.
    fn lost(&mut self, why: &str) -> bool;
}

/// What the events of our application say.
fn heard(name: &str, args: &[Value]) -> Option<Heard> {
    let room = args.first()?.as_str()?.to_owned();
    Some(match name {
        "joined" => Heard::Joined(room, How::New, args.get(2).and_then(Value::as_u64)),
        "left" => Heard::Left(room),
        "said" => {
            let (publisher, number) = (args.get(1)?.as_u64()?, args.get(2)?.as_u64()?);
            let serial = args.get(4).and_then(Value::as_u64);
            Heard::Said(Message { room, publisher, number, serial })
        }
        _ => return None,
    })
}

/// The arguments of an event that a client sends.
fn said(room: &str, number: u64, padding: &str) -> String {
    format!("\"{room}\",{number},\"{padding}\"")
}
