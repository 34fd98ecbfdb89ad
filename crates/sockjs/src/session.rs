//! The session of a SockJS client.

use crate::dress::Dress;
use crate::escape::write_string;
use crate::manner::{Heard, Manner};
use bytes::BytesMut;
use omniwire_session::{
    Answer, Args, ByteString, Carrier, CarrierId, Detached, Ending, Event, Fault, Frame, Input,
    Link, Message, Output, Outputs, Packed, Reason, Refusal, Returning, Session, json, later,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod body;
mod pack;

pub(crate) use body::no_payload;

/// What may differ between services. Defaults are the reference server's, where it has one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Time between two heartbeats to a waiting request.
    pub heartbeat_interval: Duration,
    /// How long a session lives without a request that receives.
    pub disconnect_delay: Duration,
    /// A stream ends with the frame that reaches this many bytes, frames only.
    pub response_len_max: usize,
    /// A stream ends after this long, since clients have been seen to forget theirs.
    pub response_time_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(25),
            disconnect_delay: Duration::from_secs(5),
            response_len_max: 128 * 1024,
            response_time_max: Duration::from_secs(600),
        }
    }
}

/// The state machine of one SockJS session.
#[derive(Debug)]
pub struct SockJsSession<M> {
    config: Arc<Config>,
    manner: M,
    state: State,
    /// The session is one WebSocket, and ends with it.
    websocket: bool,
    /// The connection that drains the outbox.
    current: Option<Current>,
    /// The dress of a connection that is about to attach.
    next_dress: Option<Box<(CarrierId, Dress)>>,
    /// Messages that wait until the client has been welcomed.
    early: Box<[ByteString]>,
    deadline: Option<Instant>,
    outputs: Outputs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// No connection has come yet.
    New,
    /// The application has not yet said whether it lets the peer in.
    Entering,
    Entered,
    /// The server closed it. Each new request gets the close frame, until the delay ran out.
    Closing {
        frame: Box<ByteString>,
        /// It is in the outbox, behind messages that must come first.
        queued: bool,
        reason: Reason,
    },
    Closed,
}

/// The connection that drains the outbox.
#[derive(Debug)]
struct Current {
    id: CarrierId,
    carrier: Carrier,
    dress: Dress,
    /// [`Session::pack`] has said that it is full.
    spent: bool,
    /// Bytes of frames that it has carried.
    sent_len: usize,
    /// When a stream is ended, whatever it carried.
    until: Option<Instant>,
}

impl<M: Manner> SockJsSession<M> {
    /// A session that no connection has come to yet.
    pub fn new(config: Arc<Config>, manner: M) -> Self {
        Self {
            config,
            manner,
            state: State::New,
            websocket: false,
            current: None,
            next_dress: None,
            early: Box::default(),
            deadline: None,
            outputs: Outputs::new(),
        }
    }

    /// Says how the connection `id`, which is about to attach, dresses its frames. Needed only
    /// where [`Dress::of`] its carrier is not right: `htmlfile` (a [`Carrier::Streaming`]) and
    /// `jsonp` (a [`Carrier::LongPoll`]).
    pub fn dress(&mut self, id: CarrierId, dress: Dress) {
        self.next_dress = Some(Box::new((id, dress)));
    }

    fn attach(&mut self, now: Instant, id: CarrierId, carrier: Carrier) -> Result<(), Fault> {
        let dress = match self.next_dress.take().map(|next| *next) {
            Some((dressed, dress)) if dressed == id => dress,
            _ => Dress::of(carrier),
        };
        let alive = self.current.as_ref().is_some_and(|current| !current.spent);
        match &self.state {
            State::Closed => return Err(not_found()),
            State::New => {
                self.websocket = carrier == Carrier::WebSocket;
                self.state = State::Entering;
                self.carry(now, id, carrier, dress);
                self.outputs.push_back(Output::Transmit(Message::text("o")));
                self.outputs.push_back(Output::Event(Event::Enter {
                    link: Link::FIRST,
                    namespace: ByteString::new(),
                    auth: Args::default(),
                    wire: self.manner.wire(),
                    returning: Returning::No,
                }));
            }
            State::Closing { queued: true, .. } if !alive => {
                self.carry(now, id, carrier, dress);
                self.deadline = Some(later(now, self.config.disconnect_delay));
            }
            State::Closing { frame, .. } => {
                let ending = last_words(&dress, frame);
                self.outputs.push_back(Output::End { id, ending });
                self.deadline = Some(later(now, self.config.disconnect_delay));
            }
            _ if alive || self.websocket || carrier == Carrier::WebSocket => {
                let ending =
                    last_words(&dress, &close_frame(2010, "Another connection still open"));
                self.outputs.push_back(Output::End { id, ending });
            }
            State::Entering | State::Entered => self.carry(now, id, carrier, dress),
        }
        Ok(())
    }

    fn carry(&mut self, now: Instant, id: CarrierId, carrier: Carrier, dress: Dress) {
        let stream = matches!(carrier, Carrier::Streaming | Carrier::EventStream);
        let until = stream.then(|| later(now, self.config.response_time_max));
        self.current = Some(Current { id, carrier, dress, spent: false, sent_len: 0, until });
        self.set_heartbeat(now);
        self.outputs.push_back(Output::Carry(Some(id)));
    }

    fn set_heartbeat(&mut self, now: Instant) {
        let beat = later(now, self.config.heartbeat_interval);
        let until = self.current.as_ref().and_then(|current| current.until);
        self.deadline = Some(until.map_or(beat, |until| until.min(beat)));
    }

    /// From now on the outbox gathers, until the delay has run out.
    fn wait(&mut self, now: Instant) {
        self.current = None;
        self.deadline = Some(later(now, self.config.disconnect_delay));
        self.outputs.push_back(Output::Carry(None));
    }

    fn detach(&mut self, now: Instant, id: CarrierId, how: Detached) {
        let Some(current) = self.current.take_if(|current| current.id == id) else { return };
        let ended_by_us = current.spent || how == Detached::Done;
        if matches!(self.state, State::Closing { .. }) || (ended_by_us && !self.websocket) {
            return self.wait(now);
        }
        // An aborted request may have taken messages with it: nothing can be said of the session.
        let reason = match how {
            Detached::Lost => Reason::ConnectionLost,
            Detached::Done | Detached::Closed { .. } => Reason::ConnectionClosed,
        };
        self.leave(reason);
        self.end(reason, Ending::close(1000, "Normal closure"));
    }

    /// One message from the client.
    fn hear(&mut self, message: &ByteString) -> Result<(), Fault> {
        match self.manner.hear(Link::FIRST, message) {
            Heard::Event(event) => self.outputs.push_back(Output::Event(event)),
            Heard::Answer(answer) => self.say(answer),
            Heard::Bad { answer, fault, fatal: false } => {
                self.say(answer);
                return Err(fault);
            }
            Heard::Bad { answer, fault, fatal: true } => {
                self.say(answer);
                self.leave(Reason::ProtocolError);
                self.close(1007, &fault.text, Reason::ProtocolError);
                return Err(fault);
            }
        }
        Ok(())
    }

    fn hear_all(&mut self, now: Instant, messages: Vec<ByteString>) -> Result<(), Fault> {
        let mut result = Ok(());
        for message in messages {
            if !self.is_open() {
                break;
            }
            result = result.and(self.hear(&message));
        }
        self.linger(now);
        result
    }

    /// A message on the WebSocket: `["a"]`, or a bare `"a"`.
    fn socket_message(&mut self, now: Instant, message: Message) -> Result<(), Fault> {
        let read = match message {
            Message::Text(text) => body::socket_messages(&text),
            Message::Binary(_) => None,
        };
        match read {
            Some(messages) => self.hear_all(now, messages),
            None => {
                self.leave(Reason::ProtocolError);
                self.end(Reason::ProtocolError, Ending::close(3000, "Broken framing."));
                Err(Fault::bad_request("Broken framing."))
            }
        }
    }

    fn accept(&mut self, peer: &str) {
        if self.state != State::Entering {
            return;
        }
        self.state = State::Entered;
        let welcome = self.manner.welcome(peer);
        for text in welcome.into_iter().chain(std::mem::take(&mut self.early).into_vec()) {
            self.say(text);
        }
        self.outputs.push_back(Output::Release(Link::FIRST));
    }

    fn refuse(&mut self, refusal: &Refusal) {
        if self.state != State::Entering {
            return;
        }
        if let Some(text) = self.manner.refuse(refusal) {
            self.transmit(&text);
        }
        self.close(1008, &refusal.message, Reason::Kicked);
    }

    /// Sends a text as a message, once the client was welcomed. Of those that come too early all
    /// but the first few are dropped.
    fn say(&mut self, text: ByteString) {
        match self.state {
            State::Entered => self.transmit(&text),
            State::Entering if self.early.len() < EARLY_COUNT_MAX => {
                let mut early = std::mem::take(&mut self.early).into_vec();
                early.push(text);
                self.early = early.into_boxed_slice();
            }
            _ => {}
        }
    }

    fn transmit(&mut self, text: &str) {
        let mut out = BytesMut::with_capacity(text.len().saturating_add(8));
        out.extend_from_slice(b"a[");
        write_string(&mut out, text);
        out.extend_from_slice(b"]");
        self.outputs.push_back(Output::Transmit(Message::Text(json::into_text(out))));
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Entering | State::Entered)
    }

    /// Tells the application that the peer is gone.
    fn leave(&mut self, reason: Reason) {
        if self.is_open() {
            self.outputs.push_back(Output::Event(Event::Leave { link: Link::FIRST, reason }));
        }
    }

    /// Sends the close frame. Over HTTP the session lingers, to repeat it; [`Self::linger`] must
    /// follow.
    fn close(&mut self, code: u16, text: &str, reason: Reason) {
        if !self.is_open() {
            return;
        }
        let frame = close_frame(code, text);
        self.outputs.push_back(Output::Transmit(Message::Text(frame.clone())));
        self.early = Box::default();
        if self.websocket {
            self.end(reason, Ending::close(1000, "Normal closure"));
        } else {
            self.state = State::Closing { frame: Box::new(frame), queued: true, reason };
        }
    }

    /// Starts the delay of a session that was just closed.
    fn linger(&mut self, now: Instant) {
        if matches!(self.state, State::Closing { .. }) {
            self.deadline = Some(later(now, self.config.disconnect_delay));
        }
    }

    fn end(&mut self, reason: Reason, ending: Ending) {
        self.outputs.push_back(Output::Closed { reason, ending });
        self.state = State::Closed;
        self.current = None;
        self.early = Box::default();
        self.deadline = None;
    }

    /// The server wants it over: one close frame for who listens, and no lingering but for a slow
    /// client that asks for nothing at the moment.
    fn shut(&mut self, now: Instant, reason: Reason) {
        let (code, text) = match reason {
            Reason::Kicked => (1000, "Normal closure"),
            // "Going away" (RFC 6455, 7.4.1): come back, maybe elsewhere.
            Reason::Shutdown => (1001, reason.as_str()),
            // "Try again later" (the registry of RFC 6455, 11.7).
            Reason::Slow => (1013, reason.as_str()),
            _ => (1008, reason.as_str()),
        };
        let mut ending = Ending::close(1000, "Normal closure");
        if reason == Reason::Slow && self.current.is_none() && self.state != State::New {
            // Whoever comes next brings it.
            self.leave(reason);
            let frame = Box::new(close_frame(code, text));
            self.state = State::Closing { frame, queued: false, reason };
            return self.linger(now);
        }
        if self.is_open() {
            let frame = close_frame(code, text);
            // Nothing leaves the outbox of a slow peer any more.
            let slow = reason == Reason::Slow;
            if let Some(current) = &self.current
                && (slow || current.carrier == Carrier::LongPoll)
            {
                ending = last_words(&current.dress, &frame);
            }
            match slow {
                true => ending = ending.with_farewell(Message::Text(frame)),
                false => self.outputs.push_back(Output::Transmit(Message::Text(frame))),
            }
        }
        self.leave(reason);
        self.end(reason, ending);
    }

    fn timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        if let State::Closing { reason, .. } = self.state {
            return self.end(reason, Ending::close(1000, "Normal closure"));
        }
        let Some(current) = &self.current else {
            self.leave(Reason::PingTimeout);
            return self.end(Reason::PingTimeout, Ending::close(1000, "Normal closure"));
        };
        if current.spent {
            // Its end should have been told long ago.
            return self.wait(now);
        }
        if current.until.is_some_and(|until| now >= until) {
            let ending = Ending::close(1000, "").with_answer(Answer::empty(200));
            self.outputs.push_back(Output::End { id: current.id, ending });
            return self.wait(now);
        }
        self.outputs.push_back(Output::Transmit(Message::text("h")));
        self.set_heartbeat(now);
    }
}

impl<M: Manner> Session for SockJsSession<M> {
    fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Fault> {
        match input {
            Input::Attach { id, carrier } => return self.attach(now, id, carrier),
            Input::Body { body, .. } => {
                // Reading comes first: the errors are the same for each session, open or not.
                let messages = body::posted_messages(&body)?;
                if !self.is_open() {
                    return Err(not_found());
                }
                return self.hear_all(now, messages);
            }
            _ if self.state == State::Closed => {}
            Input::Message { message, .. } if self.is_open() => {
                return self.socket_message(now, message);
            }
            Input::Message { .. } => {}
            Input::Detach { id, how } => self.detach(now, id, how),
            Input::Timeout => self.timeout(now),
            Input::Accept { id, .. } => self.accept(&id),
            Input::Refuse { refusal, .. } => {
                self.refuse(&refusal);
                self.linger(now);
            }
            Input::Kick { close, .. } => {
                let (code, text) =
                    close.unwrap_or((1000, ByteString::from_static("Normal closure")));
                self.leave(Reason::Kicked);
                self.close(code, &text, Reason::Kicked);
                self.linger(now);
            }
            Input::Close { reason } => self.shut(now, reason),
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.deadline))
    }

    fn pack(
        &mut self,
        id: CarrierId,
        carrier: Carrier,
        queue: &mut VecDeque<Frame>,
        out: &mut BytesMut,
    ) -> Packed {
        self.pack_frame(id, carrier, queue, out)
    }
}

/// How a request ends that is answered by one frame only.
fn last_words(dress: &Dress, frame: &str) -> Ending {
    let answer = Answer::new(200, dress.content_type(), dress.wrap(frame));
    Ending::close(1000, "Normal closure").with_answer(answer)
}

fn close_frame(code: u16, text: &str) -> ByteString {
    let mut out = BytesMut::with_capacity(text.len().saturating_add(12));
    out.extend_from_slice(format!("c[{code},").as_bytes());
    write_string(&mut out, text);
    out.extend_from_slice(b"]");
    json::into_text(out)
}

/// The refusal of what names a session that is not there.
fn not_found() -> Fault {
    Fault {
        status: 404,
        content_type: crate::request::TEXT,
        text: ByteString::from_static(crate::request::NOT_FOUND),
    }
}

/// Messages that may wait for the welcome.
const EARLY_COUNT_MAX: usize = 16;

#[cfg(test)]
mod tests;
