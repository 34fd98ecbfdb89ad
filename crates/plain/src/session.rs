//! The session of a plain peer.

use crate::cursor::Cursor;
use crate::envelope::{self, Heard, Listener};
use crate::places::{self, Places};
use crate::{ENVELOPE, JSON, RAW, SSE, event_stream};
use bytes::{Bytes, BytesMut};
use omniwire_session::{
    Answer, Args, ByteString, Carrier, CarrierId, Detached, Ending, Event, Fault, Frame, Input,
    Kind, Link, Message, Output, Outputs, Packed, Reason, Refusal, Returning, Session, WireForm,
    json, later,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How a plain WebSocket speaks. HTTP carriers always speak envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Manner {
    /// A frame is the event `message`; events go out as their payload alone.
    #[default]
    Raw,
    /// Envelopes: the client asked for [`crate::SUBPROTOCOL`].
    Envelope,
}

/// What may differ between mounts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// How a WebSocket speaks.
    pub manner: Manner,
    /// After this long a poll that brought nothing is answered by `[]`.
    pub poll_timeout: Duration,
    /// How long a session waits for the next poll.
    pub poll_gap_max: Duration,
    /// The same after a poll that the client broke off: it comes again soon, or has gone.
    pub abort_gap_max: Duration,
    /// Time between two comments in an event stream.
    pub heartbeat_interval: Duration,
    /// The answer to one poll ends with the message that reaches this length.
    pub poll_len_max: usize,
    /// One chunk of an event stream ends with the message that reaches this length.
    pub chunk_len_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            manner: Manner::Raw,
            poll_timeout: Duration::from_secs(25),
            poll_gap_max: Duration::from_secs(15),
            abort_gap_max: Duration::from_secs(5),
            heartbeat_interval: Duration::from_secs(15),
            poll_len_max: 1 << 20,
            chunk_len_max: 1 << 16,
        }
    }
}

/// The state machine of one plain peer, over a WebSocket, an event stream, or long polls. The
/// first carrier decides which of the three it is, for good.
#[derive(Debug)]
pub struct PlainSession {
    manner: Manner,
    state: State,
    speech: Speech,
    /// The carrier that drains the outbox.
    carrier: Option<CarrierId>,
    listener: Listener,
    rest: Option<Box<Rest>>,
    outputs: Outputs,
}

/// What a WebSocket that has been let in needs nothing of.
#[derive(Debug, Default)]
struct Rest {
    /// Set until a WebSocket has come.
    http: Option<Http>,
    /// Envelopes that wait until `open` has been said.
    early: Vec<ByteString>,
}

/// What only a session that is carried by HTTP keeps.
#[derive(Debug)]
struct Http {
    config: Config,
    token: ByteString,
    /// The carrier is a poll which [`Session::pack`] has filled.
    spent: bool,
    /// Where the client stands, as far as it was told.
    places: Places,
    /// Polls that brought something.
    poll_count: u64,
    /// What is said now is the last, and an `EventSource` is not to come back.
    for_good: bool,
    /// With what the application ended a client whose next poll is waited for.
    kicked: Option<Box<(u16, ByteString)>>,
    deadline: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No carrier has come yet.
    New,
    /// The application has not yet said whether it lets the peer in.
    Entering,
    Entered,
    /// A client that is slow, or that the application ended, and does not poll at the moment: its
    /// next poll tells it so.
    Closing,
    Closed,
}

/// What is spoken, decided by the first carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    /// WebSocket, raw.
    Raw,
    /// WebSocket, envelopes.
    Socket,
    /// Event stream.
    Stream,
    /// Long poll.
    Poll,
}

impl Speech {
    fn is_http(self) -> bool {
        matches!(self, Self::Stream | Self::Poll)
    }
}

impl PlainSession {
    /// A session that no carrier has come to yet. `token` is the secret by which later requests
    /// find it; a WebSocket has no use for it.
    pub fn new(config: Config, token: ByteString) -> Self {
        let manner = config.manner;
        let http = Http {
            config,
            token,
            spent: false,
            places: Places::default(),
            poll_count: 0,
            for_good: false,
            kicked: None,
            deadline: None,
        };
        Self {
            manner,
            state: State::New,
            speech: Speech::Raw,
            carrier: None,
            listener: Listener::default(),
            rest: Some(Box::new(Rest { http: Some(http), early: Vec::new() })),
            outputs: Outputs::new(),
        }
    }

    fn http(&self) -> Option<&Http> {
        self.rest.as_ref()?.http.as_ref()
    }

    fn http_mut(&mut self) -> Option<&mut Http> {
        self.rest.as_mut()?.http.as_mut()
    }

    fn take_early(&mut self) -> Vec<ByteString> {
        let early = self.rest.as_mut().map(|rest| std::mem::take(&mut rest.early));
        self.rest.take_if(|rest| rest.http.is_none());
        early.unwrap_or_default()
    }

    fn attach(&mut self, now: Instant, id: CarrierId, carrier: Carrier) -> Result<(), Fault> {
        let speech = match (carrier, self.manner) {
            (Carrier::WebSocket, Manner::Raw) => Speech::Raw,
            (Carrier::WebSocket, Manner::Envelope) => Speech::Socket,
            (Carrier::EventStream, _) => Speech::Stream,
            (Carrier::LongPoll, _) => Speech::Poll,
            (Carrier::Streaming | Carrier::WebTransport, _) => {
                return self.turn_away(id, "no such carrier");
            }
        };
        if self.state == State::New {
            self.state = State::Entering;
            self.speech = speech;
            self.carry(now, id);
            self.outputs.push_back(Output::Event(Event::Enter {
                link: Link::FIRST,
                namespace: ByteString::new(),
                auth: Args::default(),
                wire: self.wire(),
                returning: Returning::No,
            }));
            return Ok(());
        }
        if speech != self.speech || !speech.is_http() {
            return self.turn_away(id, "this session has another carrier");
        }
        if self.state == State::Closing {
            if let Some(kicked) = self.http_mut().and_then(|http| http.kicked.take()) {
                let (code, text) = *kicked;
                self.carry(now, id);
                self.finish(Reason::Kicked, code, text);
            } else {
                self.carrier = Some(id);
                self.shut(Reason::Slow);
            }
            return Ok(());
        }
        // The newest wins: the client has given up on the older one.
        let spent = self.http().is_some_and(|http| http.spent);
        if let Some(older) = self.carrier.take().filter(|_| !spent) {
            self.outputs.push_back(Output::End { id: older, ending: self.idle_ending() });
        }
        self.carry(now, id);
        Ok(())
    }

    fn turn_away(&mut self, id: CarrierId, why: &'static str) -> Result<(), Fault> {
        let mut body = BytesMut::new();
        envelope::write_error(&mut body, "conflict", why);
        let body = json::into_text(body);
        let ending =
            Ending::close(1008, why).with_answer(Answer::new(409, JSON, body.as_bytes().to_vec()));
        self.outputs.push_back(Output::End { id, ending });
        if self.state == State::New {
            self.finish(Reason::ProtocolError, 1008, why.into());
        }
        Err(Fault::new(409, body).json())
    }

    fn carry(&mut self, now: Instant, id: CarrierId) {
        self.carrier = Some(id);
        if !self.speech.is_http() {
            self.rest = None;
        }
        let is_stream = self.speech == Speech::Stream;
        if let Some(http) = self.http_mut() {
            let Config { heartbeat_interval, poll_timeout, .. } = http.config;
            http.begin(later(now, if is_stream { heartbeat_interval } else { poll_timeout }));
        }
        self.outputs.push_back(Output::Carry(Some(id)));
    }

    /// Until the next poll the outbox gathers.
    fn wait(&mut self, now: Instant, gap_max: impl FnOnce(&Config) -> Duration) {
        self.carrier = None;
        if let Some(http) = self.http_mut() {
            http.begin(later(now, gap_max(&http.config)));
        }
        self.outputs.push_back(Output::Carry(None));
    }

    fn detach(&mut self, now: Instant, id: CarrierId, how: Detached) {
        if self.carrier != Some(id) {
            return;
        }
        if self.speech == Speech::Poll {
            return self.wait(now, |config| match how {
                Detached::Lost => config.abort_gap_max,
                Detached::Done | Detached::Closed { .. } => config.poll_gap_max,
            });
        }
        // An event stream ends like a WebSocket: its client comes back as another peer, with its
        // last id.
        let reason = match how {
            Detached::Lost => Reason::ConnectionLost,
            Detached::Done | Detached::Closed { .. } => Reason::ConnectionClosed,
        };
        self.finish(reason, 1000, ByteString::new());
    }

    fn hear(&mut self, message: Message) -> Result<(), Fault> {
        let text = match (message, self.speech) {
            (Message::Text(text), Speech::Raw) => {
                self.raise(Args::from_text(text));
                return Ok(());
            }
            (Message::Binary(bytes), _) => {
                self.raise(Args::from_bytes(bytes));
                return Ok(());
            }
            (Message::Text(text), _) => text,
        };
        match self.listener.hear(Link::FIRST, &text) {
            Heard::Event(event) => self.outputs.push_back(Output::Event(event)),
            Heard::Answer(answer) => self.say(answer),
            Heard::Bad { answer, fault, fatal } => {
                self.say(answer);
                if fatal {
                    self.finish(Reason::ProtocolError, 1007, "too many bad envelopes".into());
                }
                return Err(fault);
            }
        }
        Ok(())
    }

    /// A message that is no envelope.
    fn raise(&mut self, args: Args) {
        self.outputs.push_back(Output::Event(Event::Message {
            link: Link::FIRST,
            name: ByteString::from_static("message"),
            args,
            call: None,
            uploads: Vec::new(),
        }));
    }

    /// A POST whose answer is of no interest: replies leave by the outbox.
    fn post(&mut self, kind: Kind, body: &Bytes) -> Result<(), Fault> {
        if kind == Kind::Binary {
            self.raise(Args::from_bytes(body.clone()));
            return Ok(());
        }
        for envelope in envelope::parse_body(body)? {
            match envelope.into_event(Link::FIRST) {
                Ok(event) => self.outputs.push_back(Output::Event(event)),
                Err(ping) => self.say(ping.to_pong()),
            }
        }
        Ok(())
    }

    fn accept(&mut self, id: &str) {
        if self.state != State::Entering {
            return;
        }
        self.state = State::Entered;
        let token = self.http().map(|http| &*http.token);
        let mut open = BytesMut::new();
        envelope::write_open(&mut open, id, token);
        self.say(json::into_text(open));
        for envelope in self.take_early() {
            self.say(envelope);
        }
        self.outputs.push_back(Output::Release(Link::FIRST));
    }

    fn refuse(&mut self, refusal: &Refusal) {
        if self.state != State::Entering {
            return;
        }
        let mut out = BytesMut::new();
        envelope::write_refused(&mut out, refusal);
        self.end_for_good();
        self.transmit(json::into_text(out));
        self.end(Reason::Kicked, 1008, refusal.message.clone());
    }

    /// Says an envelope once `open` was said. Of those that come too early all but the first few
    /// are dropped: a client that has not been let in has nothing to ask.
    fn say(&mut self, envelope: ByteString) {
        match self.state {
            State::Entered => self.transmit(envelope),
            State::Entering => {
                let early = &mut self.rest.get_or_insert_default().early;
                if early.len() < EARLY_COUNT_MAX {
                    early.push(envelope);
                }
            }
            _ => {}
        }
    }

    fn transmit(&mut self, envelope: ByteString) {
        let text = match self.speech {
            Speech::Raw => return,
            Speech::Socket | Speech::Poll => envelope,
            Speech::Stream => {
                let mut out = BytesMut::with_capacity(envelope.len().saturating_add(32));
                if self.http().is_some_and(|http| http.for_good) {
                    event_stream::write_last(&mut out, envelope.as_bytes());
                } else {
                    event_stream::write_envelope(&mut out, envelope.as_bytes());
                }
                json::into_text(out)
            }
        };
        self.outputs.push_back(Output::Transmit(Message::Text(text)));
    }

    fn end_for_good(&mut self) {
        if let Some(http) = self.http_mut() {
            http.for_good = true;
        }
    }

    /// The server ends it.
    fn shut(&mut self, reason: Reason) {
        self.finish(reason, close_code(reason), reason.as_str().into());
    }

    /// Tells the application and the client that the session is over.
    fn finish(&mut self, reason: Reason, code: u16, text: ByteString) {
        if matches!(self.state, State::Entering | State::Entered) {
            self.outputs.push_back(Output::Event(Event::Leave { link: Link::FIRST, reason }));
        }
        let is_between_polls = self.is_between_polls();
        if let Some(http) = self.http_mut().filter(|_| is_between_polls)
            && (reason == Reason::Slow || reason == Reason::Kicked && http.for_good)
        {
            http.kicked = (reason == Reason::Kicked).then(|| Box::new((code, text)));
            self.state = State::Closing;
            return;
        }
        if self.speech.is_http() && self.state != State::New {
            let mut out = BytesMut::new();
            envelope::write_close(&mut out, code, &text);
            self.transmit(json::into_text(out));
        }
        self.end(reason, code, text);
    }

    fn is_between_polls(&self) -> bool {
        self.speech == Speech::Poll && self.carrier.is_none() && self.state != State::New
    }

    fn end(&mut self, reason: Reason, code: u16, text: ByteString) {
        let answer = match reason {
            Reason::Slow => self.last_answer(code, &text),
            _ => self.idle_ending().answer,
        };
        let ending = Ending::close(code, fit_close_reason(text)).with_answer(answer);
        self.outputs.push_back(Output::Closed { reason, ending });
        self.state = State::Closed;
        self.carrier = None;
        if let Some(http) = self.http_mut() {
            http.deadline = None;
        }
        self.take_early();
    }

    /// Nothing leaves the outbox of a slow client any more: this is all that it hears.
    fn last_answer(&mut self, code: u16, text: &str) -> Answer {
        let mut close = BytesMut::new();
        envelope::write_close(&mut close, code, text);
        match (self.speech, self.http_mut()) {
            (Speech::Poll, Some(http)) => {
                let mut out = BytesMut::from(&b"["[..]);
                out.extend_from_slice(&close);
                out.extend_from_slice(b",");
                http.end_poll(&mut out);
                Answer::new(200, JSON, out.freeze())
            }
            (Speech::Stream, _) => {
                let mut out = BytesMut::new();
                event_stream::write_envelope(&mut out, &close);
                Answer::new(200, event_stream::CONTENT_TYPE, out.freeze())
            }
            _ => self.idle_ending().answer,
        }
    }

    /// How an HTTP carrier ends that has nothing more to bring.
    fn idle_ending(&self) -> Ending {
        let answer = match self.speech {
            Speech::Poll => Answer::new(200, JSON, Bytes::from_static(b"[]")),
            _ => Answer::empty(200),
        };
        Ending::close(1000, "").with_answer(answer)
    }

    fn timeout(&mut self, now: Instant) {
        let Some(http) = self.rest.as_mut().and_then(|rest| rest.http.as_mut()) else { return };
        if http.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        http.deadline = None;
        match (self.carrier, self.speech) {
            (None, _) if self.state == State::Closing => {
                let reason = if http.kicked.is_some() { Reason::Kicked } else { Reason::Slow };
                self.end(reason, close_code(reason), ByteString::new());
            }
            (None, _) => self.finish(Reason::PingTimeout, 1001, "timed out".into()),
            (Some(_), Speech::Stream) => {
                self.outputs.push_back(Output::Transmit(Message::text(event_stream::HEARTBEAT)));
                http.deadline = Some(later(now, http.config.heartbeat_interval));
            }
            (Some(id), Speech::Poll) if !http.spent => {
                self.outputs.push_back(Output::End { id, ending: self.idle_ending() });
                self.wait(now, |config| config.poll_gap_max);
            }
            // It is being answered at this moment.
            (Some(_), _) => {}
        }
    }

    fn wire(&self) -> WireForm {
        match self.speech {
            Speech::Raw => WireForm(&RAW),
            Speech::Socket | Speech::Poll => WireForm(&ENVELOPE),
            Speech::Stream => WireForm(&SSE),
        }
    }
}

impl Session for PlainSession {
    fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Fault> {
        if self.state == State::Closed {
            return match input {
                Input::Attach { .. } | Input::Body { .. } => Err(gone()),
                _ => Ok(()),
            };
        }
        match input {
            // Nobody has entered who could have said it.
            Input::Body { .. } if matches!(self.state, State::New | State::Closing) => {
                return Err(gone());
            }
            Input::Attach { id, carrier } => return self.attach(now, id, carrier),
            Input::Detach { id, how } => self.detach(now, id, how),
            Input::Message { message, .. } => return self.hear(message),
            Input::Body { kind, body } => return self.post(kind, &body),
            Input::Timeout => self.timeout(now),
            Input::Accept { id, .. } => self.accept(&id),
            Input::Refuse { refusal, .. } => self.refuse(&refusal),
            Input::Kick { close, .. } => {
                let (code, text) = close.unwrap_or((1000, ByteString::new()));
                self.end_for_good();
                self.finish(Reason::Kicked, code, text);
            }
            Input::Close { reason } => self.shut(reason),
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Output {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| Output::Timeout(self.http().and_then(|http| http.deadline)))
    }

    fn pack(
        &mut self,
        id: CarrierId,
        carrier: Carrier,
        queue: &mut VecDeque<Frame>,
        out: &mut BytesMut,
    ) -> Packed {
        let http = self.rest.as_mut().and_then(|rest| rest.http.as_mut());
        let Some(http) = http else { return Packed::Open };
        match carrier {
            Carrier::LongPoll => {
                http.pack_poll(queue, out);
                http.spent |= self.carrier == Some(id);
                Packed::Full
            }
            _ => {
                http.pack_stream(queue, out);
                Packed::Open
            }
        }
    }
}

impl Http {
    /// A carrier has come, or gone: this is due next.
    fn begin(&mut self, deadline: Instant) {
        self.spent = false;
        self.deadline = Some(deadline);
    }

    /// A JSON array of envelopes, the last of which is the cursor for the next poll.
    fn pack_poll(&mut self, queue: &mut VecDeque<Frame>, out: &mut BytesMut) {
        let start = out.len();
        out.extend_from_slice(b"[");
        while out.len().saturating_sub(start) < self.config.poll_len_max
            && let Some(frame) = queue.pop_front()
        {
            if let Some((room, position)) = places::of_envelope(frame.as_payload()) {
                self.places.set(room, position);
            }
            out.reserve(frame.len().saturating_add(1));
            out.extend_from_slice(frame.as_payload());
            out.extend_from_slice(b",");
        }
        self.end_poll(out);
    }

    fn end_poll(&mut self, out: &mut BytesMut) {
        self.poll_count = self.poll_count.saturating_add(1);
        let cursor = Cursor { token: &self.token, number: self.poll_count, places: &self.places };
        envelope::write_cursor(out, cursor);
        out.extend_from_slice(b"]");
    }

    /// Frames that are finished parts of a stream.
    fn pack_stream(&mut self, queue: &mut VecDeque<Frame>, out: &mut BytesMut) {
        let start = out.len();
        while out.len().saturating_sub(start) < self.config.chunk_len_max
            && let Some(frame) = queue.pop_front()
        {
            event_stream::write_with_places(out, &mut self.places, frame.as_payload());
        }
    }
}

/// The answer to requests that name a session which is over.
fn gone() -> Fault {
    let mut body = BytesMut::new();
    envelope::write_error(&mut body, "not_found", "no such session");
    Fault::new(404, json::into_text(body)).json()
}

fn close_code(reason: Reason) -> u16 {
    match reason {
        // "Going away" (RFC 6455, 7.4.1): come back, maybe elsewhere.
        Reason::Shutdown => 1001,
        Reason::NeverEntered => 1008,
        Reason::Slow => 1013,
        Reason::ProtocolError => 1007,
        _ => 1000,
    }
}

/// A Close frame holds at most 123 bytes of reason (RFC 6455, 5.5).
fn fit_close_reason(text: ByteString) -> ByteString {
    match text.get(..text.floor_char_boundary(CLOSE_REASON_LEN_MAX)) {
        Some(start) => text.slice_ref(start),
        None => text,
    }
}

const CLOSE_REASON_LEN_MAX: usize = 123;

/// Envelopes that may wait for `open`.
const EARLY_COUNT_MAX: usize = 16;

#[cfg(test)]
mod tests;
