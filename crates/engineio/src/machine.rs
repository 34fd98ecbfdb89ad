//! One Engine.IO session without an application: who carries it, whether the client still lives,
//! and which messages came.
//!
//! ```text
//!   Fresh ──attach──▶ Polling ──probe, then `5`──▶ Streaming
//!     └────────────attach──────────────────────────────▲
//! ```
//! A WebSocket or a WebTransport streams, for whom the rules are the same.
//!
//! [`crate::EngineIoSession`] and Socket.IO are built around it. Each call appends what is to be
//! done to a queue of outputs; then the caller asks [`Machine::take_end`] whether the session is
//! over, since it has words of its own to say before [`Output::Closed`].

use crate::heartbeat::{Beat, Heartbeat};
use crate::payload::{self, Payload};
use crate::request::{Open, Refused};
use crate::{Config, Packet, PacketType, Protocol};
use bytes::{Bytes, BytesMut};
use omniwire_session::{
    Answer, ByteString, Carrier, CarrierId, Detached, Ending, Fault, Frame, Kind, Message, Output,
    Outputs, Packed, Reason, json, later,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One Engine.IO session.
#[derive(Debug)]
pub struct Machine {
    config: Arc<Config>,
    /// Until the client was told.
    sid: Box<str>,
    protocol: Protocol,
    base64: bool,
    carried: Carried,
    phase: Phase,
    heartbeat: Option<Heartbeat>,
    inbox: Option<Box<Payload>>,
    end: Option<Box<End>>,
}

/// The session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub reason: Reason,
    /// How the carriers end.
    pub ending: Ending,
}

impl From<End> for Output {
    fn from(end: End) -> Self {
        Self::Closed { reason: end.reason, ending: end.ending }
    }
}

/// How the server ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A polling client without a waiting GET is told by its next GET, if that comes soon.
    Orderly,
    /// The same, but what was just said leaves by other GETs first: stock clients obey a close
    /// before the messages that come with it.
    AfterWords,
    /// At once.
    AtOnce,
}

/// What brings the bytes.
#[derive(Debug)]
enum Carried {
    /// Nothing yet.
    Fresh,
    /// Long polling.
    Polling {
        /// The GET that waits for something to bring.
        waiting: Option<CarrierId>,
        /// What wants to take over.
        probe: Option<Box<Probe>>,
    },
    /// A WebSocket or a WebTransport.
    Streaming(CarrierId, Carrier),
}

/// A WebSocket or WebTransport that wants to take over.
#[derive(Debug)]
struct Probe {
    id: CarrierId,
    carrier: Carrier,
    /// It is closed if it has not taken over by then.
    until: Instant,
    /// When the next noop may end a poll; `None` before the client's probe.
    noop_at: Option<Instant>,
    /// The poll that waited when the client's probe came.
    met: Option<CarrierId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The server ended the session, and waits for a GET to tell the client.
    Closing {
        until: Instant,
        reason: Reason,
        /// What was said before must have left first.
        words: bool,
    },
    Closed {
        /// The last answer tells the client.
        tell: bool,
    },
}

impl Machine {
    /// A session that `open` asked for. Its first carrier must be attached next.
    pub fn new(config: Arc<Config>, open: &Open, sid: &str) -> Self {
        Self {
            config,
            sid: sid.into(),
            protocol: open.protocol,
            base64: open.base64,
            carried: Carried::Fresh,
            phase: Phase::Open,
            heartbeat: None,
            inbox: None,
            end: None,
        }
    }

    /// The protocol that the client speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether binary goes out as base64 text everywhere.
    pub fn base64(&self) -> bool {
        self.base64
    }

    /// Whether the session is neither over nor about to be.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether the client would be told of an end at once, rather than by its next GET.
    pub fn tells_at_once(&self) -> bool {
        matches!(self.carried, Carried::Streaming(..) | Carried::Polling { waiting: Some(_), .. })
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    /// That the session is over; told once.
    pub fn take_end(&mut self) -> Option<End> {
        self.end.take().map(|end| *end)
    }

    /// When to call [`Machine::timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        let life = match self.phase {
            Phase::Open => self.heartbeat.map(Heartbeat::deadline),
            Phase::Closing { until, .. } => Some(until),
            Phase::Closed { .. } => return None,
        };
        let upgrade = match &self.carried {
            Carried::Polling { waiting, probe: Some(probe) } => {
                let noop_at = probe.noop_at.filter(|_| waiting.is_some());
                Some(noop_at.map_or(probe.until, |at| at.min(probe.until)))
            }
            _ => None,
        };
        [life, upgrade].into_iter().flatten().min()
    }

    /// Nothing is read from the client for now: see [`omniwire_session::Session::held_back`].
    pub fn held_back(&mut self, now: Instant) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.held_back(now, &self.config);
        }
    }

    /// A carrier offers itself. Returns whether the session opened with it.
    pub fn attach(
        &mut self,
        now: Instant,
        id: CarrierId,
        carrier: Carrier,
        out: &mut Outputs,
    ) -> bool {
        let was_fresh = matches!(self.carried, Carried::Fresh);
        self.attach_next(now, id, carrier, out);
        was_fresh && !matches!(self.carried, Carried::Fresh)
    }

    fn attach_next(&mut self, now: Instant, id: CarrierId, carrier: Carrier, out: &mut Outputs) {
        if self.is_closed() {
            return;
        }
        match (&mut self.carried, carrier) {
            (Carried::Fresh, Carrier::LongPoll) => {
                self.open(now, carrier, out);
                self.carried = Carried::Polling { waiting: Some(id), probe: None };
                out.push_back(Output::Carry(Some(id)));
            }
            (Carried::Fresh, _) if carrier.has_messages() => {
                self.open(now, carrier, out);
                self.carried = Carried::Streaming(id, carrier);
                out.push_back(Output::Carry(Some(id)));
            }
            (Carried::Polling { waiting, .. }, Carrier::LongPoll) => {
                // A second GET while one waits: the first gets `1`, the second 400 without a word.
                if waiting.is_some() {
                    let ending = Ending { answer: Answer::empty(400), ..plain_ending() };
                    out.push_back(Output::End { id, ending });
                    self.finish(Reason::ConnectionLost, true);
                    return;
                }
                *waiting = Some(id);
                out.push_back(Output::Carry(Some(id)));
                if let Phase::Closing { reason, words: false, .. } = self.phase {
                    self.finish(reason, true);
                }
            }
            // The frames of WebTransport are of protocol 4.
            (Carried::Polling { probe: probe @ None, .. }, _)
                if carrier.has_messages()
                    && (self.protocol, carrier) != (Protocol::V3, Carrier::WebTransport) =>
            {
                let until = later(now, self.config.upgrade_timeout);
                *probe = Some(Box::new(Probe { id, carrier, until, noop_at: None, met: None }));
            }
            // A second one that wants to take over, anything after the upgrade, other carriers.
            _ => out.push_back(refuse(id)),
        }
    }

    fn open(&mut self, now: Instant, carrier: Carrier, out: &mut Outputs) {
        let upgrades = carrier == Carrier::LongPoll && self.config.allow_upgrades;
        let mut text = BytesMut::with_capacity(128);
        text.extend_from_slice(b"0{\"sid\":");
        json::write_str(&mut text, &std::mem::take(&mut self.sid));
        let rest = format!(
            r#","upgrades":{},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
            if upgrades { self.config.transports.upgrades() } else { "[]" },
            self.config.ping_interval.as_millis(),
            self.config.ping_timeout.as_millis(),
            self.config.max_payload,
        );
        text.extend_from_slice(rest.as_bytes());
        out.push_back(Output::Transmit(Message::Text(json::into_text(text))));
        self.heartbeat = Some(Heartbeat::new(now, self.protocol, &self.config));
    }

    /// A carrier is gone.
    pub fn detach(&mut self, id: CarrierId, how: Detached, out: &mut Outputs) {
        if self.is_closed() {
            return;
        }
        match &mut self.carried {
            Carried::Polling { waiting, .. } if *waiting == Some(id) => {
                *waiting = None;
                out.push_back(Output::Carry(None));
                // An aborted GET ends the session: what it was to bring may be lost.
                if how != Detached::Done {
                    self.finish(Reason::ConnectionLost, false);
                }
            }
            Carried::Polling { probe, .. } if probe.as_ref().is_some_and(|p| p.id == id) => {
                *probe = None;
            }
            Carried::Streaming(carrying, carrier) if *carrying == id => {
                let reason = match (how, carrier) {
                    // The codes with which our side fails a connection. The official server's
                    // parser finds what is wrong in WebTransport, its socket in WebSocket.
                    (Detached::Closed { code: 1002 | 1007 | 1009 }, Carrier::WebTransport) => {
                        Reason::ProtocolError
                    }
                    (Detached::Closed { code: 1002 | 1007 | 1009 }, _) => Reason::ConnectionLost,
                    _ => Reason::ConnectionClosed,
                };
                self.finish(reason, false);
            }
            _ => {}
        }
    }

    /// A message came over a WebSocket or WebTransport. Returns the application's part of it.
    ///
    /// # Errors
    /// It was none of the protocol's; the session is over.
    pub fn message(
        &mut self,
        now: Instant,
        id: CarrierId,
        message: Message,
        out: &mut Outputs,
    ) -> Result<Option<Message>, Fault> {
        match &self.carried {
            _ if self.is_closed() => return Ok(None),
            Carried::Streaming(carrying, _) if *carrying == id => {}
            Carried::Polling { probe: Some(probe), .. } if probe.id == id => {
                self.probe(now, &message, out);
                return Ok(None);
            }
            // It was ended, and does not know it yet.
            _ => return Ok(None),
        }
        match Packet::decode(self.protocol, message) {
            Ok(packet) => self.receive(now, packet, out),
            Err(malformed) => {
                self.finish(Reason::ProtocolError, true);
                Err(malformed.into())
            }
        }
    }

    /// A message on what wants to take over.
    fn probe(&mut self, now: Instant, message: &Message, out: &mut Outputs) {
        let Carried::Polling { waiting, probe: Some(probe) } = &mut self.carried else { return };
        let (id, carrier) = (probe.id, probe.carrier);
        let Message::Text(text) = message else { return self.drop_probe(out) };
        match &**text {
            "2probe" => {
                let message = Message::Text(ByteString::from_static("3probe"));
                out.push_back(Output::Direct { id, message });
                // Not at once: what waits is most often ended by the answer to what the client has
                // just said, and stock clients show a noop to those who listen for packets.
                probe.noop_at = Some(later(now, NOOP_INTERVAL));
                probe.met = *waiting;
            }
            "5" => {
                let (probed, met) = (probe.noop_at.is_some(), probe.met);
                match waiting.take() {
                    // It came after the probe. Clients wait for the end of their poll before they
                    // move, so it was sent after the move and overtook it: it gets what it would
                    // get behind it.
                    Some(poll) if probed && met != Some(poll) => {
                        out.push_back(Output::Carry(None));
                        out.push_back(refuse(poll));
                    }
                    Some(poll) => self.end_poll(poll, out),
                    None => {}
                }
                self.carried = Carried::Streaming(id, carrier);
                out.push_back(Output::Carry(Some(id)));
                if let Some(heartbeat) = &mut self.heartbeat {
                    heartbeat.moved(now, &self.config);
                }
                if let Phase::Closing { reason, .. } = self.phase {
                    self.finish(reason, true);
                }
            }
            // Anything else closes that connection, and the session goes on.
            _ => self.drop_probe(out),
        }
    }

    /// Ends the waiting poll with a noop, if it is time, so that the client can move.
    fn release_poll(&mut self, now: Instant, out: &mut Outputs) {
        let Carried::Polling { waiting, probe: Some(probe) } = &mut self.carried else { return };
        let due = probe.noop_at.is_some_and(|at| at <= now);
        if due && let Some(poll) = waiting.take() {
            probe.noop_at = Some(later(now, NOOP_INTERVAL));
            self.end_poll(poll, out);
        }
    }

    fn end_poll(&self, id: CarrierId, out: &mut Outputs) {
        let ending = Ending { answer: self.poll_answer(PacketType::Noop), ..plain_ending() };
        out.push_back(Output::Carry(None));
        out.push_back(Output::End { id, ending });
    }

    fn drop_probe(&mut self, out: &mut Outputs) {
        if let Carried::Polling { probe, .. } = &mut self.carried
            && let Some(id) = probe.take().map(|probe| probe.id)
        {
            out.push_back(Output::End { id, ending: plain_ending() });
        }
    }

    /// A POST body came. [`Machine::next_message`] reads it.
    ///
    /// # Errors
    /// The session is not on polling, or the body is of the wrong kind, which ends the session.
    pub fn body(&mut self, kind: Kind, body: Bytes) -> Result<(), Fault> {
        let polling = matches!(self.carried, Carried::Polling { .. });
        if !polling || self.is_closed() {
            return Err(Refused::BAD_REQUEST.fault());
        }
        match Payload::new(self.protocol, kind, body) {
            Ok(payload) => self.inbox = Some(Box::new(payload)),
            Err(malformed) => {
                self.finish(Reason::ConnectionLost, true);
                return Err(malformed.into());
            }
        }
        Ok(())
    }

    /// The next message of the body that came. Other packets are handled on the way.
    ///
    /// # Errors
    /// The client broke the rules; the session is over.
    pub fn next_message(
        &mut self,
        now: Instant,
        out: &mut Outputs,
    ) -> Result<Option<Message>, Fault> {
        while let Some(payload) = &mut self.inbox {
            match payload.next() {
                Some(Ok(packet)) => {
                    if let Some(message) = self.receive(now, packet, out)? {
                        return Ok(Some(message));
                    }
                }
                Some(Err(malformed)) => {
                    self.finish(Reason::ProtocolError, true);
                    return Err(malformed.into());
                }
                None => self.inbox = None,
            }
        }
        Ok(None)
    }

    /// Whether a body waits to be read by [`Machine::next_message`].
    pub fn has_inbox(&self) -> bool {
        self.inbox.is_some()
    }

    fn receive(
        &mut self,
        now: Instant,
        packet: Packet,
        out: &mut Outputs,
    ) -> Result<Option<Message>, Fault> {
        if let (Phase::Closing { reason, .. }, PacketType::Close) = (self.phase, packet.kind) {
            // Both sides want it.
            self.finish(reason, false);
        }
        if !self.is_open() {
            return Ok(None);
        }
        match (packet.kind, self.protocol) {
            (PacketType::Message, _) => return Ok(Some(packet.data)),
            // The waiting GET of the client that closes gets a noop.
            (PacketType::Close, _) => self.finish(Reason::ConnectionClosed, false),
            (PacketType::Ping, Protocol::V3) => {
                self.heartbeat = Some(Heartbeat::new(now, self.protocol, &self.config));
                out.push_back(Output::Transmit(Message::Text(ByteString::from_static("3"))));
            }
            (PacketType::Pong, Protocol::V4) => {
                self.heartbeat = Some(Heartbeat::new(now, self.protocol, &self.config));
            }
            (PacketType::Ping, Protocol::V4) | (PacketType::Pong, Protocol::V3) => {
                self.finish(Reason::ConnectionLost, true);
                return Err(Fault::bad_request("invalid heartbeat direction"));
            }
            (PacketType::Open | PacketType::Upgrade | PacketType::Noop, _) => {}
        }
        Ok(None)
    }

    /// The instant of [`Machine::deadline`] has come.
    pub fn timeout(&mut self, now: Instant, out: &mut Outputs) {
        match self.phase {
            Phase::Open => match self.heartbeat.as_mut().map(|h| h.timeout(now, &self.config)) {
                Some(Beat::Ping) => {
                    out.push_back(Output::Transmit(Message::Text(ByteString::from_static("2"))));
                }
                Some(Beat::Dead) => return self.finish(Reason::PingTimeout, true),
                Some(Beat::Wait) | None => {}
            },
            Phase::Closing { until, reason, .. } if until <= now => {
                return self.finish(reason, true);
            }
            Phase::Closing { .. } => {}
            Phase::Closed { .. } => return,
        }
        if let Carried::Polling { probe: Some(probe), .. } = &self.carried
            && probe.until <= now
        {
            self.drop_probe(out);
        }
        self.release_poll(now, out);
    }

    /// How the server ends a session for this reason: one that it does not want, or that is slow,
    /// is told so, now or by its next poll.
    pub fn manner_for(&self, reason: Reason) -> Manner {
        match reason {
            Reason::Kicked => Manner::Orderly,
            Reason::Slow if self.is_open() => Manner::Orderly,
            _ => Manner::AtOnce,
        }
    }

    /// The server ends the session.
    pub fn close(&mut self, now: Instant, reason: Reason, manner: Manner) {
        let tells_later = match self.carried {
            Carried::Polling { waiting, .. } => waiting.is_none() || manner == Manner::AfterWords,
            _ => false,
        };
        match (self.phase, manner) {
            (Phase::Open, Manner::Orderly | Manner::AfterWords) if tells_later => {
                self.inbox = None;
                let words = manner == Manner::AfterWords;
                self.phase = Phase::Closing { until: later(now, CLOSING_TIMEOUT), reason, words };
            }
            // Its `5` is on the way, or the noop that it waits for. If it lost what it moves to, it
            // would not poll again, and learn of the end by its ping time-out alone.
            (Phase::Open | Phase::Closing { .. }, Manner::AtOnce)
                if reason == Reason::Shutdown && self.is_moving() =>
            {
                self.inbox = None;
                let soon = later(now, MOVING_TIME_MAX);
                let (reason, until) = match self.phase {
                    Phase::Closing { reason, until, .. } => (reason, until.min(soon)),
                    _ => (reason, soon),
                };
                self.phase = Phase::Closing { until, reason, words: false };
            }
            (Phase::Open, _) | (Phase::Closing { .. }, Manner::AtOnce) => {
                self.finish(reason, true);
            }
            (Phase::Closing { .. }, _) | (Phase::Closed { .. }, _) => {}
        }
    }

    /// Whether the client was answered its probe, and has ended its polls to move.
    fn is_moving(&self) -> bool {
        matches!(&self.carried, Carried::Polling { waiting: None, probe: Some(probe) }
            if probe.noop_at.is_some())
    }

    /// The session is over. With `tell`, a waiting poll learns that from its answer.
    fn finish(&mut self, reason: Reason, tell: bool) {
        if self.is_closed() {
            return;
        }
        self.phase = Phase::Closed { tell };
        self.inbox = None;
        let last = if tell { PacketType::Close } else { PacketType::Noop };
        let ending = Ending { answer: self.poll_answer(last), ..plain_ending() };
        self.end = Some(Box::new(End { reason, ending }));
    }

    /// A polling answer that is one packet without data.
    fn poll_answer(&self, kind: PacketType) -> Answer {
        let body = match (self.protocol, kind) {
            (Protocol::V4, PacketType::Noop) => "6",
            (Protocol::V4, _) => "1",
            (Protocol::V3, PacketType::Noop) => "1:6",
            (Protocol::V3, _) => "1:1",
        };
        Answer::new(200, payload::TEXT_PLAIN, body)
    }

    /// Packs a polling answer, as [`omniwire_session::Session::pack`] has it. The open packet
    /// goes alone; else at most [`PACKETS_MAX`] packets go, and about as many bytes as the
    /// client may send. The last answer of a session takes all, and the close packet.
    pub fn pack(
        &mut self,
        carrier: Carrier,
        queue: &mut VecDeque<Frame>,
        out: &mut BytesMut,
    ) -> Packed {
        if carrier != Carrier::LongPoll {
            // One packet is one message.
            if let Some(frame) = queue.pop_front() {
                out.extend_from_slice(frame.as_payload());
            }
            return Packed::Open;
        }
        let closing = self.phase == Phase::Closed { tell: true };
        let count = if closing { queue.len() } else { self.count(queue) };
        let close = closing.then_some((Kind::Text, b"1".as_slice()));
        let packets = queue.iter().take(count).map(|frame| (frame.kind(), frame.as_payload()));
        payload::write(self.protocol, packets.chain(close), out);
        queue.drain(..count);
        if let Phase::Closing { words, .. } = &mut self.phase {
            *words &= !queue.is_empty();
        }
        Packed::Full
    }

    /// How many frames the next polling answer takes.
    fn count(&self, queue: &VecDeque<Frame>) -> usize {
        let is_open = |frame: &Frame| {
            frame.kind() == Kind::Text
                && frame.as_payload().first() == Some(&PacketType::Open.digit())
        };
        if queue.front().is_some_and(is_open) {
            return 1;
        }
        let mut len: usize = 0;
        let fits = |frame: &&Frame| {
            let is_first = len == 0;
            len = len.saturating_add(frame.as_payload().len());
            is_first || len <= self.config.max_payload
        };
        queue.iter().take(PACKETS_MAX).take_while(fits).count()
    }
}

/// A carrier that is not wanted: 400, or for a WebSocket a Close frame.
fn refuse(id: CarrierId) -> Output {
    Output::End { id, ending: Refused::BAD_REQUEST.ending() }
}

/// A WebSocket's Close frame has no code, as the official server's.
fn plain_ending() -> Ending {
    Ending { answer: Answer::empty(200), code: None, reason: ByteString::new(), farewell: None }
}

/// Packets in one polling answer: python-engineio takes no more.
pub const PACKETS_MAX: usize = 16;

/// How often a noop may end a poll while the client moves.
const NOOP_INTERVAL: Duration = Duration::from_millis(100);

/// How long the end of a server waits for a client that is about to move.
const MOVING_TIME_MAX: Duration = Duration::from_secs(1);

/// How long a session that the server ended waits for a GET to tell the client.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(30);
