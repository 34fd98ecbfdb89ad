//! Bare Engine.IO as a session: one peer, whose every message is the event `message`.

use crate::machine::{Machine, Manner};
use crate::wire::{Binary, EngineIoWire};
use crate::{Config, Open};
use bytes::BytesMut;
use omniwire_session::{
    Args, ByteString, Carrier, CarrierId, Event, Fault, Frame, Input, Link, Message, Output,
    Outputs, Packed, Reason, Returning, Session,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A bare Engine.IO session.
///
/// Its peer enters as soon as the first carrier is attached. Each text or binary message is the
/// event `message` with one argument: a string, or bytes.
#[derive(Debug)]
pub struct EngineIoSession {
    machine: Machine,
    peer: Peer,
    now: Instant,
    out: Outputs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// Has not been told of.
    New,
    /// The application knows of it.
    Known,
    /// The application knows that it is gone.
    Gone,
}

impl EngineIoSession {
    /// A session that `open` asked for, with a name that nobody can guess.
    pub fn new(config: Arc<Config>, open: &Open, sid: ByteString, now: Instant) -> Self {
        let machine = Machine::new(config, open, &sid);
        Self { machine, peer: Peer::New, now, out: Outputs::new() }
    }

    fn attach(&mut self, id: CarrierId, carrier: Carrier) {
        if self.machine.attach(self.now, id, carrier, &mut self.out) {
            self.peer = Peer::Known;
            let binary = Binary::new(self.machine.protocol(), self.machine.base64());
            self.out.push_back(Output::Event(Event::Enter {
                link: Link::FIRST,
                namespace: ByteString::new(),
                auth: Args::default(),
                wire: EngineIoWire::form(binary),
                returning: Returning::No,
            }));
        }
    }

    fn receive(&mut self, message: Message) {
        let args = match message {
            Message::Text(text) => Args::from_text(text),
            Message::Binary(bytes) => Args::from_bytes(bytes),
        };
        self.out.push_back(Output::Event(Event::Message {
            link: Link::FIRST,
            name: ByteString::from_static("message"),
            args,
            call: None,
            uploads: Vec::new(),
        }));
    }

    /// Reads on in the body that came, as far as the queue of outputs allows.
    fn read_on(&mut self) -> Result<(), Fault> {
        while self.out.len() < OUTPUTS_MAX {
            match self.machine.next_message(self.now, &mut self.out)? {
                Some(message) => self.receive(message),
                None => break,
            }
        }
        Ok(())
    }

    fn close(&mut self, reason: Reason) {
        let manner = self.machine.manner_for(reason);
        self.leave(reason);
        self.machine.close(self.now, reason, manner);
    }

    fn leave(&mut self, reason: Reason) {
        if self.peer == Peer::Known {
            self.peer = Peer::Gone;
            self.out.push_back(Output::Event(Event::Leave { link: Link::FIRST, reason }));
        }
    }

    /// Tells that the session is over, if it is.
    fn settle(&mut self) {
        if let Some(end) = self.machine.take_end() {
            self.leave(end.reason);
            self.out.push_back(end.into());
        }
    }
}

impl Session for EngineIoSession {
    fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Fault> {
        self.now = now;
        let mut result = Ok(());
        match input {
            Input::Attach { id, carrier } => self.attach(id, carrier),
            Input::Detach { id, how } => self.machine.detach(id, how, &mut self.out),
            Input::Message { id, message } => {
                match self.machine.message(now, id, message, &mut self.out) {
                    Ok(Some(message)) => self.receive(message),
                    Ok(None) => {}
                    Err(fault) => result = Err(fault),
                }
            }
            Input::Body { kind, body } => {
                // What its packets are worth is found out by `poll_output`: the official server
                // has answered the POST before it looks.
                result = self.machine.body(kind, body);
            }
            Input::Timeout => self.machine.timeout(now, &mut self.out),
            Input::Accept { link, .. } if self.peer == Peer::Known => {
                self.out.push_back(Output::Release(link));
            }
            Input::Accept { .. } => {}
            Input::Refuse { .. } => {
                self.peer = Peer::Gone;
                self.machine.close(now, Reason::Kicked, Manner::Orderly);
            }
            Input::Kick { .. } => self.close(Reason::Kicked),
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
        Output::Timeout(self.machine.deadline())
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
}

/// Outputs that may wait while a body is read: a body of many small packets is read in steps.
const OUTPUTS_MAX: usize = 64;

#[cfg(test)]
mod tests;
