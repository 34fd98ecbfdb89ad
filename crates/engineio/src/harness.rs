//! A driver in miniature for tests, with virtual time: it does with outputs what the server does.
//! Socket.IO's tests use this file too.

use super::content_type;
use omniwire_session::{
    Answer, ByteString, Carrier, CarrierId, Detached, Encoding, Ending, Event, Fault, Frame, Input,
    Kind, Link, Message, Outgoing, Output, Packed, Reason, Session, WireForm,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What has become of a connection.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) carrier: Option<Carrier>,
    /// What a WebSocket brought.
    pub(crate) messages: VecDeque<Message>,
    /// The answer of a poll.
    pub(crate) answer: Option<Answer>,
    /// How a WebSocket ended.
    pub(crate) ending: Option<Ending>,
    detached: bool,
}

/// One session, its outbox and its connections.
pub(crate) struct Driver<S> {
    pub(crate) session: S,
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    pub(crate) released: Vec<Link>,
    pub(crate) closed: Option<Reason>,
    pub(crate) outbox: VecDeque<Frame>,
    pub(crate) carrying: Option<CarrierId>,
    pub(crate) connections: BTreeMap<CarrierId, Connection>,
    pub(crate) due: Option<Instant>,
    /// Whether nothing is read from the client for now.
    pub(crate) congested: bool,
    wire: Option<WireForm>,
    /// Is called with each event; what it returns is given to the session.
    application: Application,
}

/// What to do with an event: inputs for the session, and events to emit in a namespace.
pub(crate) type Application = fn(&Event) -> Vec<Deed>;

#[allow(dead_code, reason = "bare Engine.IO has no replies")]
pub(crate) enum Deed {
    Input(Input),
    Emit { namespace: &'static str, name: &'static str, args: omniwire_session::Args },
    Reply { namespace: &'static str, call: omniwire_session::CallId, args: omniwire_session::Args },
}

impl<S: Session> Driver<S> {
    pub(crate) fn new(session: S, now: Instant, application: Application) -> Self {
        let mut driver = Self {
            session,
            now,
            events: Vec::new(),
            released: Vec::new(),
            closed: None,
            outbox: VecDeque::new(),
            carrying: None,
            connections: BTreeMap::new(),
            due: None,
            congested: false,
            wire: None,
            application,
        };
        driver.drain();
        driver
    }

    pub(crate) fn attach(&mut self, carrier: Carrier) -> CarrierId {
        let id = CarrierId::new(self.connections.len() as u32);
        let connection = Connection { carrier: Some(carrier), ..Connection::default() };
        self.connections.insert(id, connection);
        assert_eq!(self.input(Input::Attach { id, carrier }), Ok(()));
        id
    }

    pub(crate) fn poll(&mut self) -> CarrierId {
        self.attach(Carrier::LongPoll)
    }

    pub(crate) fn websocket(&mut self) -> CarrierId {
        self.attach(Carrier::WebSocket)
    }

    /// A poll that is answered at once.
    pub(crate) fn get(&mut self) -> String {
        let id = self.poll();
        self.answer(id).expect("the poll waits")
    }

    /// The answer of a poll, if it has one.
    pub(crate) fn answer(&self, id: CarrierId) -> Option<String> {
        let answer = self.connections[&id].answer.as_ref()?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Some(if answer.status == 200 { text } else { answer.status.to_string() })
    }

    pub(crate) fn post(&mut self, body: impl Into<bytes::Bytes>) -> Result<(), Fault> {
        self.input(Input::Body { kind: Kind::Text, body: body.into() })
    }

    pub(crate) fn send(&mut self, id: CarrierId, text: &str) -> Result<(), Fault> {
        self.input(Input::Message { id, message: Message::text(text) })
    }

    pub(crate) fn send_binary(&mut self, id: CarrierId, bytes: &[u8]) -> Result<(), Fault> {
        let message = Message::Binary(bytes.to_vec().into());
        self.input(Input::Message { id, message })
    }

    pub(crate) fn receive(&mut self, id: CarrierId) -> Option<Message> {
        self.connections.get_mut(&id)?.messages.pop_front()
    }

    pub(crate) fn receive_text(&mut self, id: CarrierId) -> String {
        match self.receive(id) {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) fn is_ended(&self, id: CarrierId) -> bool {
        self.connections[&id].ending.is_some()
    }

    pub(crate) fn detach(&mut self, id: CarrierId, how: Detached) {
        self.connections.get_mut(&id).expect("attached").detached = true;
        assert_eq!(self.input(Input::Detach { id, how }), Ok(()));
    }

    pub(crate) fn input(&mut self, input: Input) -> Result<(), Fault> {
        let result = self.session.handle_input(self.now, input);
        self.drain();
        result
    }

    /// Lets time pass, with each deadline met at its instant.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(due) = self.due.filter(|due| *due <= end) {
            self.now = self.now.max(due);
            if self.congested {
                self.session.held_back(self.now);
            }
            assert_eq!(self.input(Input::Timeout), Ok(()));
        }
        self.now = end;
    }

    /// The application says something.
    #[allow(dead_code, reason = "for Socket.IO's tests")]
    pub(crate) fn emit(&mut self, namespace: &str, what: Outgoing<'_>) {
        self.push(namespace, what);
        self.flush();
    }

    fn push(&mut self, namespace: &str, what: Outgoing<'_>) {
        let wire = self.wire.expect("entered");
        let mut encoding = Encoding::default();
        wire.0.encode(namespace, what, &mut encoding);
        if let Some(prepared) = encoding.finish(|_, _, _| 0) {
            self.outbox.extend(prepared.frames().iter().cloned());
        }
    }

    /// Does what the session wants done, until it wants nothing but time.
    fn drain(&mut self) {
        let mut last = None;
        loop {
            match self.session.poll_output() {
                Output::Event(event) => self.event(event),
                Output::Transmit(message) => self.outbox.push_back(frame(&message)),
                Output::Direct { id, message } => self.bring(id, message),
                Output::Resend { .. } => panic!("Engine.IO sends nothing again"),
                Output::Carry(id) => self.carrying = id,
                Output::Release(link) => self.released.push(link),
                Output::End { id, ending } => self.end(id, ending),
                Output::Closed { reason, ending } => {
                    assert_eq!(self.closed.replace(reason), None, "closed twice");
                    last = Some(ending);
                }
                Output::Timeout(due) => {
                    self.due = due;
                    break;
                }
            }
        }
        self.flush();
        if let Some(ending) = last {
            let ids: Vec<_> = self.connections.keys().copied().collect();
            ids.into_iter().for_each(|id| self.end(id, ending.clone()));
        }
    }

    fn event(&mut self, event: Event) {
        if let Event::Enter { wire, .. } = &event {
            self.wire = Some(*wire);
        }
        assert_eq!(self.closed, None, "an event after the end");
        let deeds = (self.application)(&event);
        self.events.push(event);
        for deed in deeds {
            match deed {
                Deed::Input(input) => {
                    // A driver drains before it mutates: so do we, by recursion.
                    self.drain();
                    assert_eq!(self.input(input), Ok(()));
                }
                Deed::Emit { namespace, name, args } => {
                    let what = Outgoing::Event { name, args: &args, call: None, position: None };
                    self.push(namespace, what);
                }
                Deed::Reply { namespace, call, args } => {
                    let what = Outgoing::Reply { call: &call, outcome: Ok(&args) };
                    self.push(namespace, what);
                }
            }
        }
    }

    fn bring(&mut self, id: CarrierId, message: Message) {
        let connection = self.connections.get_mut(&id).expect("attached");
        assert!(connection.ending.is_none() && !connection.detached, "the carrier is gone");
        connection.messages.push_back(message);
    }

    fn end(&mut self, id: CarrierId, ending: Ending) {
        let connection = self.connections.get_mut(&id).expect("attached");
        if connection.detached || connection.answer.is_some() || connection.ending.is_some() {
            return;
        }
        match connection.carrier {
            Some(Carrier::LongPoll) => connection.answer = Some(ending.answer),
            _ => connection.ending = Some(ending),
        }
    }

    /// Lets the carrier take what the outbox holds.
    fn flush(&mut self) {
        let Some(id) = self.carrying else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.carrier.is_some_and(Carrier::has_messages) {
            while let Some(frame) = self.outbox.pop_front() {
                let message = match frame.kind() {
                    Kind::Text => Message::Text(text_of(&frame)),
                    Kind::Binary => Message::Binary(frame.payload()),
                };
                self.bring(id, message);
            }
        } else if !self.outbox.is_empty() && connection.answer.is_none() {
            let mut body = bytes::BytesMut::new();
            let packed = self.session.pack(id, Carrier::LongPoll, &mut self.outbox, &mut body);
            assert_eq!(packed, Packed::Full);
            let content_type = content_type(&body);
            connection.answer = Some(Answer::new(200, content_type, body.freeze()));
            self.carrying = None;
            self.detach(id, Detached::Done);
        }
    }
}

fn frame(message: &Message) -> Frame {
    let mut encoding = Encoding::default();
    let out = match message.kind() {
        Kind::Text => encoding.text(),
        Kind::Binary => encoding.binary(),
    };
    out.extend_from_slice(message.as_bytes());
    encoding.finish(|_, _, _| 0).expect("one message").frames()[0].clone()
}

fn text_of(frame: &Frame) -> ByteString {
    ByteString::try_from(frame.payload()).expect("text")
}
