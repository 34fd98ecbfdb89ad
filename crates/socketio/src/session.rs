//! One Socket.IO client: its Engine.IO session, and the namespaces that it has entered.

use crate::control::Control;
use crate::packet::{Body, Packet};
use crate::wire::SocketIoWire;
use crate::{Config, Decoder, control, query, recovery};
use bytes::BytesMut;
use omniwire_engineio::wire::Binary;
use omniwire_engineio::{Machine, Manner, Open, Protocol};
use omniwire_session::{
    Args, ByteString, Call, CallId, Carrier, CarrierId, Event, Fault, Frame, Input, Link, Message,
    Output, Outputs, Packed, Reason, Refusal, Returning, Session, later,
};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A Socket.IO session.
///
/// [`Event::Enter`] names the namespace as the client does (`/`, `/chat`), without the query of
/// Socket.IO 2 clients, which becomes the auth object. [`Input::Close`] with [`Reason::Kicked`]
/// ends the connection without a DISCONNECT packet, so that clients come back; a whole
/// [`Input::Kick`] tells every namespace, so that they don't.
#[derive(Debug)]
pub struct SocketIoSession {
    config: Arc<Config>,
    machine: Machine,
    decoder: Decoder,
    /// Most clients are in one namespace.
    peers: SmallVec<[Peer; 1]>,
    next_link: Link,
    /// Until when the client must be in a namespace; `None` once it was in one.
    enter_by: Option<Instant>,
    now: Instant,
    out: Outputs,
}

/// A namespace that the client is in, or waits to be let into.
#[derive(Debug)]
struct Peer {
    link: Link,
    namespace: ByteString,
    accepted: bool,
}

impl SocketIoSession {
    /// A session that `open` asked for, with a name that nobody can guess.
    pub fn new(config: Arc<Config>, open: &Open, sid: ByteString, now: Instant) -> Self {
        Self {
            machine: Machine::new(Arc::clone(&config.engine), open, &sid),
            decoder: Decoder::default(),
            peers: SmallVec::new(),
            next_link: Link::FIRST,
            enter_by: Some(later(now, config.connect_timeout)),
            now,
            out: Outputs::new(),
            config,
        }
    }

    fn attach(&mut self, id: CarrierId, carrier: Carrier) {
        let opened = self.machine.attach(self.now, id, carrier, &mut self.out);
        if opened && self.machine.protocol() == Protocol::V3 {
            // A Socket.IO 2 client is in `/` unasked.
            self.enter(ByteString::from_static("/"), Args::default());
        }
    }

    /// Reads on in the body that came, as far as the queue of outputs allows.
    fn read_on(&mut self) -> Result<(), Fault> {
        while self.out.len() < OUTPUTS_MAX {
            match self.machine.next_message(self.now, &mut self.out)? {
                Some(message) => self.receive(message)?,
                None => break,
            }
        }
        Ok(())
    }

    fn receive(&mut self, message: Message) -> Result<(), Fault> {
        match self.decoder.add(&self.config, message) {
            Ok(Some(packet)) => self.obey(packet),
            Ok(None) => Ok(()),
            Err(invalid) => {
                self.fail(Reason::Forced);
                Err(invalid.into())
            }
        }
    }

    fn obey(&mut self, packet: Packet) -> Result<(), Fault> {
        let Packet { mut namespace, mut body } = packet;
        if self.machine.protocol() == Protocol::V3 {
            let (name, query) = query::split(&namespace);
            namespace = name;
            if let Body::Connect { auth } = &mut body {
                *auth = query;
            }
        }
        let index = self.peers.iter().position(|peer| peer.namespace == namespace);
        let peer = index.and_then(|index| self.peers.get(index));
        let link = peer.map(|peer| peer.link);
        let accepted = peer.is_some_and(|peer| peer.accepted);
        match (body, link, index) {
            (Body::Connect { auth }, None, _) => self.enter(namespace, auth),
            // It left while it waited, and has come back: it gets the one answer.
            (Body::Connect { .. }, Some(_), _) if !accepted => {}
            (Body::Event { name, args, id }, Some(link), _) if accepted => {
                let call = id.map(|id| Call { id: CallId(id), stream: false });
                let uploads = Vec::new();
                self.tell(Event::Message { link, name, args, call, uploads });
            }
            (Body::Nothing, Some(_), _) if accepted => {}
            (Body::Ack { id, args }, Some(link), _) if accepted => {
                if let Some(call) = id {
                    self.tell(Event::Reply { link, call, outcome: Ok(args) });
                }
            }
            (Body::Disconnect, Some(link), Some(index)) => {
                self.peers.remove(index);
                self.tell(Event::Leave { link, reason: Reason::ClientLeft });
            }
            _ => {
                // The official server's words depend on whether it can tell the client now.
                let at_once = self.machine.tells_at_once();
                self.fail(if at_once { Reason::Forced } else { Reason::OutOfTurn });
                return Err(Fault::bad_request("packet for a namespace that is not entered"));
            }
        }
        Ok(())
    }

    fn enter(&mut self, namespace: ByteString, auth: Args) {
        let refusal = if self.peers.len() >= self.config.namespaces_max {
            "Too many namespaces"
        } else if namespace.len() > self.config.namespace_len_max {
            control::NO_NAMESPACE
        } else {
            let link = self.next_link;
            self.next_link = Link(link.0.wrapping_add(1));
            self.peers.push(Peer { link, namespace: namespace.clone(), accepted: false });
            let binary = Binary::new(self.machine.protocol(), self.machine.base64());
            let wire = SocketIoWire::form(self.config.parser, binary);
            let returning = match self.machine.protocol() {
                Protocol::V4 => recovery::returning(&auth),
                Protocol::V3 => Returning::No,
            };
            return self.tell(Event::Enter { link, namespace, auth, wire, returning });
        };
        self.tell_refused(&namespace, &Refusal::new(refusal));
    }

    fn tell_refused(&mut self, namespace: &str, refusal: &Refusal) {
        let payload = control::refused(self.machine.protocol(), refusal);
        self.say(Control::ConnectError, namespace, &payload);
    }

    fn say(&mut self, control: Control, namespace: &str, payload: &Args) {
        let binary = Binary::new(self.machine.protocol(), self.machine.base64());
        let speech = (self.config.parser, binary);
        let message = control::message(speech, control, namespace, payload);
        self.out.push_back(Output::Transmit(message));
    }

    fn accept(&mut self, link: Link, id: &str, token: Option<&str>) {
        let waiting = self.peers.iter_mut().find(|peer| peer.link == link && !peer.accepted);
        let Some(peer) = waiting else { return };
        peer.accepted = true;
        let namespace = peer.namespace.clone();
        self.enter_by = None;
        let payload = control::connected(self.machine.protocol(), id, token);
        self.say(Control::Connect, &namespace, &payload);
        self.out.push_back(Output::Release(link));
    }

    fn refuse(&mut self, link: Link, refusal: &Refusal) {
        let waiting = self.peers.iter().position(|peer| peer.link == link && !peer.accepted);
        let Some(index) = waiting else { return };
        let peer = self.peers.remove(index);
        self.tell_refused(&peer.namespace, refusal);
    }

    fn kick(&mut self, link: Link, whole: bool) {
        let (mut index, mut told) = (0_usize, false);
        while let Some(peer) = self.peers.get(index) {
            if !whole && peer.link != link {
                index = index.saturating_add(1);
                continue;
            }
            let peer = self.peers.remove(index);
            self.say(Control::Disconnect, &peer.namespace, &Args::default());
            told = true;
            self.tell(Event::Leave { link: peer.link, reason: Reason::Kicked });
        }
        if whole {
            let manner = if told { Manner::AfterWords } else { Manner::Orderly };
            self.machine.close(self.now, Reason::Kicked, manner);
        }
    }

    /// The server ends the session without a word to the peers.
    fn close(&mut self, reason: Reason) {
        let manner = self.machine.manner_for(reason);
        self.leave_all(if reason == Reason::Kicked { Reason::Forced } else { reason });
        self.machine.close(self.now, reason, manner);
    }

    /// The client broke the rules. Its peers hear of it in the official server's words.
    fn fail(&mut self, told: Reason) {
        self.leave_all(told);
        self.machine.close(self.now, Reason::ProtocolError, Manner::Orderly);
    }

    fn timeout(&mut self) {
        self.machine.timeout(self.now, &mut self.out);
        if self.machine.is_open() && self.enter_by.is_some_and(|at| at <= self.now) {
            self.enter_by = None;
            self.leave_all(Reason::NeverEntered);
            self.machine.close(self.now, Reason::NeverEntered, Manner::Orderly);
        }
    }

    /// It is over for its peers, and what has come of a packet is of no use.
    fn leave_all(&mut self, reason: Reason) {
        self.decoder = Decoder::default();
        for peer in std::mem::take(&mut self.peers) {
            self.tell(Event::Leave { link: peer.link, reason });
        }
    }

    /// Tells that the session is over, if it is.
    fn settle(&mut self) {
        if let Some(end) = self.machine.take_end() {
            self.leave_all(end.reason);
            self.out.push_back(end.into());
        }
    }

    fn tell(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

impl Session for SocketIoSession {
    fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Fault> {
        self.now = now;
        let mut result = Ok(());
        match input {
            Input::Attach { id, carrier } => self.attach(id, carrier),
            Input::Detach { id, how } => self.machine.detach(id, how, &mut self.out),
            Input::Message { id, message } => {
                result = match self.machine.message(now, id, message, &mut self.out) {
                    Ok(Some(message)) => self.receive(message),
                    Ok(None) => Ok(()),
                    Err(fault) => Err(fault),
                };
            }
            Input::Body { kind, body } => {
                // What its packets are worth is found out by `poll_output`: the official server
                // has answered the POST before it looks.
                result = self.machine.body(kind, body);
            }
            Input::Timeout => self.timeout(),
            Input::Accept { link, id, token } => self.accept(link, &id, token.as_deref()),
            Input::Refuse { link, refusal } => self.refuse(link, &refusal),
            Input::Kick { link, whole, .. } => self.kick(link, whole),
            Input::Close { reason } => self.close(reason),
        }
        self.settle();
        result
    }

    fn poll_output(&mut self) -> Output {
        if self.out.is_empty() && self.machine.has_inbox() {
            // The outputs tell of a fault.
            let _ = self.read_on();
            self.settle();
        }
        if let Some(output) = self.out.pop_front() {
            return output;
        }
        let enter_by = self.enter_by.filter(|_| self.machine.is_open());
        Output::Timeout([self.machine.deadline(), enter_by].into_iter().flatten().min())
    }

    fn pack(
        &mut self,
        _id: CarrierId,
        carrier: Carrier,
        queue: &mut VecDeque<Frame>,
        out: &mut BytesMut,
    ) -> Packed {
        self.machine.pack(carrier, queue, out)
    }

    fn held_back(&mut self, now: Instant) {
        self.machine.held_back(now);
    }

    fn held_len(&self) -> usize {
        self.decoder.held_len()
    }
}

/// Outputs that may wait while a body is read: a body of many small packets is read in steps.
const OUTPUTS_MAX: usize = 64;

#[cfg(test)]
mod tests;
