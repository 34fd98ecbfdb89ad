//! A session under test: a driver in miniature with virtual time, which holds the session to the
//! contract of `omniwire_session` after each step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use omniwire_session::{
    Args, ByteString, Carrier, CarrierId, Detached, Encoding, Event, Frame, Input, Kind, Link,
    Message, Outgoing, Output, Packed, Reason, Refusal, Session, WireForm,
};

use crate::input;
use crate::targets::socketio::check_args;

/// One thing that happens to a session.
#[derive(Debug)]
pub(crate) enum Step {
    Attach(Carrier),
    /// Over one of the WebSockets that are attached.
    Message(u8, Message),
    Body(Kind, Bytes),
    Detach(u8, Detached),
    /// Time passes, with each deadline met at its instant.
    Sleep(Duration),
    /// The next deadline comes.
    Due,
    Accept(u8),
    Refuse(u8),
    Kick(u8),
    Close(Reason),
    /// The carrier takes what waits.
    Pack,
    /// The application says something to everybody.
    Emit(ByteString, ByteString),
}

impl Step {
    pub(crate) fn socket() -> Self {
        Self::Attach(Carrier::WebSocket)
    }

    pub(crate) fn text(text: ByteString) -> Self {
        Self::Message(0, Message::Text(text))
    }

    /// The next step of an input. Letters that mean nothing are skipped.
    pub(crate) fn read(input: &mut input::Input<'_>, carriers: &[Carrier]) -> Option<Self> {
        loop {
            let step = match input.byte()? {
                letter @ b'0'..=b'3' => {
                    let Some(carrier) = carriers.get(usize::from(letter - b'0')) else { continue };
                    Self::Attach(*carrier)
                }
                b't' => Self::Message(input.choice(), Message::Text(input.text())),
                b'b' => {
                    let which = input.choice();
                    Self::Message(which, Message::Binary(input.part().to_vec().into()))
                }
                b'P' => Self::Body(Kind::Text, input.part().to_vec().into()),
                b'B' => Self::Body(Kind::Binary, input.part().to_vec().into()),
                b'd' => Self::Detach(input.choice(), Detached::Done),
                b'l' => Self::Detach(input.choice(), Detached::Lost),
                b'c' => Self::Detach(input.choice(), Detached::Closed { code: 1000 }),
                b'+' => Self::Sleep(Duration::from_millis(u64::from(input.choice()) * 200)),
                b'.' => Self::Due,
                b'a' => Self::Accept(input.choice()),
                b'r' => Self::Refuse(input.choice()),
                b'k' => Self::Kick(input.choice()),
                b'x' => Self::Close(reason(input.choice())),
                b'!' => Self::Pack,
                b'E' => Self::Emit(input.text(), input.text()),
                _ => continue,
            };
            return Some(step);
        }
    }
}

/// Why a server ends a session.
fn reason(choice: u8) -> Reason {
    match choice {
        b's' => Reason::Shutdown,
        b'o' => Reason::Slow,
        _ => Reason::Kicked,
    }
}

/// The session, its outbox and its carriers.
#[derive(Debug)]
pub(crate) struct Bench<S> {
    session: S,
    now: Instant,
    due: Option<Instant>,
    carriers: BTreeMap<CarrierId, Carrier>,
    next_carrier: u32,
    carrying: Option<CarrierId>,
    outbox: VecDeque<Frame>,
    wire: Option<WireForm>,
    /// All that entered and have not left.
    peers: BTreeSet<Link>,
    /// Those of them that the application has answered.
    answered: BTreeSet<Link>,
    used: BTreeSet<Link>,
    is_own: fn(&Message) -> bool,
    pub(crate) events: Vec<Event>,
    pub(crate) transmitted: Vec<Message>,
    pub(crate) closed: bool,
}

impl<S: Session> Bench<S> {
    /// `is_own` says whether a message may leave in this protocol.
    pub(crate) fn new(session: S, is_own: fn(&Message) -> bool) -> Self {
        let mut bench = Self {
            session,
            now: Instant::now(),
            due: None,
            carriers: BTreeMap::new(),
            next_carrier: 0,
            carrying: None,
            outbox: VecDeque::new(),
            wire: None,
            peers: BTreeSet::new(),
            answered: BTreeSet::new(),
            used: BTreeSet::new(),
            is_own,
            events: Vec::new(),
            transmitted: Vec::new(),
            closed: false,
        };
        bench.drain(0);
        bench
    }

    /// Takes all steps of an input.
    pub(crate) fn run(&mut self, input: &[u8], carriers: &[Carrier]) {
        let mut input = input::Input::new(input);
        while let Some(step) = Step::read(&mut input, carriers) {
            self.step(step);
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Attach(carrier) => self.attach(carrier),
            Step::Message(which, message) => {
                let mut sockets =
                    self.carriers.iter().filter(|(_, carrier)| carrier.has_messages());
                let count = sockets.clone().count().max(1);
                if let Some((&id, _)) = sockets.nth(usize::from(which) % count) {
                    self.input(Input::Message { id, message });
                }
            }
            Step::Body(kind, body) => self.input(Input::Body { kind, body }),
            Step::Detach(which, how) => {
                let count = self.carriers.len().max(1);
                let id = self.carriers.keys().nth(usize::from(which) % count).copied();
                id.into_iter().for_each(|id| self.detach(id, how));
            }
            Step::Sleep(time) => self.sleep(time),
            Step::Due => {
                let time = self.due.map(|due| due.saturating_duration_since(self.now));
                self.sleep(time.unwrap_or_default());
            }
            Step::Accept(which) => self.answer(which, true),
            Step::Refuse(which) => self.answer(which, false),
            Step::Kick(which) => {
                let (link, whole) = (Link(u32::from(which & 3)), which & 4 != 0);
                self.input(Input::Kick { link, whole, close: None });
            }
            Step::Close(reason) => self.input(Input::Close { reason }),
            Step::Pack => self.pack(),
            Step::Emit(name, elements) => {
                if let Ok(args) = Args::from_elements(elements) {
                    self.emit(&name, &args);
                }
            }
        }
    }

    fn attach(&mut self, carrier: Carrier) {
        let id = CarrierId::new(self.next_carrier);
        self.next_carrier += 1;
        self.carriers.insert(id, carrier);
        self.input(Input::Attach { id, carrier });
    }

    fn detach(&mut self, id: CarrierId, how: Detached) {
        self.carriers.remove(&id);
        self.carrying = self.carrying.filter(|carrying| *carrying != id);
        self.input(Input::Detach { id, how });
    }

    /// Answers a peer that asks to come in, also if it has left meanwhile.
    fn answer(&mut self, which: u8, accept: bool) {
        let link = Link(u32::from(which & 3));
        if !self.used.contains(&link) || !self.answered.insert(link) {
            return;
        }
        if accept {
            return self.input(Input::Accept { link, id: "ID".into(), token: None });
        }
        self.peers.remove(&link);
        self.input(Input::Refuse { link, refusal: Refusal::new("no") });
    }

    fn sleep(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..TIMEOUTS_MAX {
            let Some(due) = self.due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.input(Input::Timeout);
            assert!(self.due.is_none_or(|due| due > self.now), "a deadline that stays");
        }
        self.now = end.max(self.now);
    }

    fn pack(&mut self) {
        let Some(id) = self.carrying.filter(|_| !self.outbox.is_empty()) else { return };
        let Some(&carrier) = self.carriers.get(&id) else { return };
        if carrier.has_messages() {
            return self.outbox.clear();
        }
        let (mut out, before) = (BytesMut::new(), self.outbox.len());
        let packed = self.session.pack(id, carrier, &mut self.outbox, &mut out);
        assert!(self.outbox.len() < before, "a carrier that takes nothing");
        self.drain(0);
        if packed == Packed::Full {
            self.detach(id, Detached::Done);
        }
    }

    fn emit(&mut self, name: &str, args: &Args) {
        let Some(wire) = self.wire else { return };
        let mut encoding = Encoding::default();
        let event = Outgoing::Event { name, args, call: None, position: None };
        wire.0.encode("/", event, &mut encoding);
        self.outbox.extend(frames(encoding));
    }

    fn input(&mut self, input: Input) {
        let len = match &input {
            Input::Message { message, .. } => message.as_bytes().len(),
            Input::Body { body, .. } => body.len(),
            _ => 0,
        };
        // A fault is the answer to a request; whether the session ends is said by the outputs.
        let _ = self.session.handle_input(self.now, input);
        self.drain(len);
    }

    /// Hears the session out after an input of `len` bytes.
    fn drain(&mut self, len: usize) {
        let (count_max, len_max) = (OUTPUTS_MAX + 4 * len, OUTPUT_LEN_MAX + 256 * len);
        let sent = self.transmitted.len();
        for count in 0.. {
            assert!(count < count_max, "outputs without end");
            let output = self.session.poll_output();
            if let Output::Timeout(due) = output {
                assert!(!self.closed || due.is_none(), "a deadline after the end");
                self.due = due;
                break;
            }
            assert!(!self.closed, "after the end: {output:?}");
            self.obey(output);
        }
        let sent_len: usize = self.transmitted[sent..].iter().map(|m| m.as_bytes().len()).sum();
        assert!(sent_len < len_max, "{sent_len} bytes for {len}");
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Event(event) => self.hear(event),
            Output::Transmit(message) => {
                assert!((self.is_own)(&message), "not this protocol's: {message:?}");
                self.outbox.extend(frames(encode(&message)));
                self.transmitted.push(message);
            }
            Output::Direct { id, message } => {
                assert!(self.carriers.contains_key(&id), "to a carrier that is gone");
                assert!((self.is_own)(&message), "not this protocol's: {message:?}");
            }
            Output::Resend { id, .. } => {
                assert!(self.carriers.contains_key(&id), "again to a carrier that is gone");
            }
            Output::Carry(id) => {
                let known = id.is_none_or(|id| self.carriers.contains_key(&id));
                assert!(known, "carried by what is gone");
                self.carrying = id;
            }
            Output::Release(link) => assert!(self.peers.contains(&link), "nobody to release"),
            Output::End { id, .. } => {
                self.carrying = self.carrying.filter(|carrying| *carrying != id);
                self.carriers.remove(&id);
            }
            Output::Closed { .. } => {
                assert!(self.peers.is_empty(), "left behind: {:?}", self.peers);
                self.closed = true;
                self.carriers.clear();
                self.carrying = None;
            }
            Output::Timeout(_) => {}
        }
    }

    fn hear(&mut self, event: Event) {
        check_event(&event);
        match &event {
            Event::Enter { link, wire, .. } => {
                assert!(self.used.insert(*link), "a link is used twice");
                self.peers.insert(*link);
                self.wire = Some(*wire);
            }
            Event::Leave { link, .. } => assert!(self.peers.remove(link), "left twice"),
            Event::Message { link, .. }
            | Event::Reply { link, .. }
            | Event::Item { link, .. }
            | Event::End { link, .. }
            | Event::Cancel { link, .. }
            | Event::Join { link, .. }
            | Event::LeaveRoom { link, .. } => {
                let refused = self.answered.contains(link) && !self.closed;
                assert!(self.peers.contains(link) || refused, "from nobody");
            }
        }
        self.events.push(event);
    }
}

/// That all arguments of an event keep their invariant.
pub(crate) fn check_event(event: &Event) {
    match event {
        Event::Enter { auth: args, .. }
        | Event::Message { args, .. }
        | Event::Item { item: args, .. }
        | Event::Reply { outcome: Ok(args), .. } => check_args(args),
        _ => {}
    }
}

/// A message as the outbox holds it.
fn encode(message: &Message) -> Encoding {
    let mut encoding = Encoding::default();
    let out = match message.kind() {
        Kind::Text => encoding.text(),
        Kind::Binary => encoding.binary(),
    };
    out.extend_from_slice(message.as_bytes());
    encoding
}

/// The frames of what was encoded, without WebSocket headers.
pub(crate) fn frames(encoding: Encoding) -> Vec<Frame> {
    let prepared = encoding.finish(|_, _, _| 0);
    prepared.map(|prepared| prepared.frames().to_vec()).unwrap_or_default()
}

/// Deadlines that may come in one sleep.
const TIMEOUTS_MAX: usize = 1000;

/// Outputs that need no input.
const OUTPUTS_MAX: usize = 200;

/// Bytes that leave without input.
const OUTPUT_LEN_MAX: usize = 8192;
