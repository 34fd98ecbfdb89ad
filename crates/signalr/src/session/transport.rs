//! Transports come and go (`TransportProtocols.md`).

use super::{Phase, SignalRSession};
use crate::{Transport, answers, control};
use bytes::Bytes;
use omniwire_session::{Carrier, CarrierId, Detached, Ending, Fault, Output, Reason, later};
use std::time::Instant;

/// What carries the connection. Once there is one, there is no changing to another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attached {
    WebSocket(CarrierId),
    /// The WebSocket broke off. With stateful reconnect, a new one may come until then.
    Away {
        until: Instant,
    },
    EventStream(CarrierId),
    LongPoll {
        /// The poll that waits for something to bring.
        poll: Option<CarrierId>,
        /// When the waiting poll is idle, or the absence of one too long.
        until: Instant,
    },
}

impl Attached {
    pub(super) fn transport(self) -> Transport {
        match self {
            Self::WebSocket(_) | Self::Away { .. } => Transport::WebSockets,
            Self::EventStream(_) => Transport::ServerSentEvents,
            Self::LongPoll { .. } => Transport::LongPolling,
        }
    }
}

impl SignalRSession {
    /// Whether a connection of this kind could attach now.
    ///
    /// # Errors
    /// How its request is to be refused.
    pub fn may_attach(&self, carrier: Carrier) -> Result<(), Fault> {
        if self.is_closed() {
            return Err(answers::no_connection());
        }
        let transport = match carrier {
            Carrier::WebSocket => Transport::WebSockets,
            Carrier::EventStream => Transport::ServerSentEvents,
            Carrier::LongPoll => Transport::LongPolling,
            Carrier::Streaming | Carrier::WebTransport => {
                return Err(answers::transport_changed());
            }
        };
        if !self.config.transports.has(transport) {
            return Err(answers::transport_off(transport));
        }
        match self.attached.map(Attached::transport) {
            None => Ok(()),
            Some(current) if current != transport => Err(answers::transport_changed()),
            Some(Transport::LongPolling) => Ok(()),
            Some(Transport::WebSockets) if self.ledger.is_some() => Ok(()),
            Some(_) => Err(answers::already_connected()),
        }
    }

    pub(super) fn attach(
        &mut self,
        now: Instant,
        id: CarrierId,
        carrier: Carrier,
    ) -> Result<(), Fault> {
        self.may_attach(carrier)?;
        match carrier {
            Carrier::WebSocket if self.ledger.is_some() => self.come_back(now, id),
            Carrier::WebSocket | Carrier::EventStream => {
                self.attached = Some(match carrier {
                    Carrier::WebSocket => Attached::WebSocket(id),
                    _ => Attached::EventStream(id),
                });
                self.outputs.push_back(Output::Carry(Some(id)));
                self.start(now);
            }
            Carrier::LongPoll if self.attached.is_some() => self.poll(now, id),
            Carrier::LongPoll | Carrier::Streaming | Carrier::WebTransport => {
                // The first poll only says that the client is there.
                let until = later(now, self.config.disconnect_timeout);
                self.attached = Some(Attached::LongPoll { poll: None, until });
                self.end_poll(id, Ending::close(1000, "").with_answer(answers::poll_empty()));
                self.start(now);
            }
        }
        Ok(())
    }

    /// There is a transport: the client may now take this long for its handshake, which perhaps
    /// was sent before.
    fn start(&mut self, now: Instant) {
        self.phase = Phase::Handshake { until: later(now, self.config.handshake_timeout) };
        self.receive(now, Bytes::new());
    }

    /// A poll after the first one. The newest wins.
    fn poll(&mut self, now: Instant, id: CarrierId) {
        let until = later(now, self.config.poll_timeout);
        let before = self.attached.replace(Attached::LongPoll { poll: Some(id), until });
        if let Some(Attached::LongPoll { poll: Some(older), .. }) = before {
            self.end_poll(older, over());
        }
        match self.phase {
            Phase::Farewell { reason, unsent: false } => self.say_over(id, reason),
            _ => self.outputs.push_back(Output::Carry(Some(id))),
        }
    }

    fn say_over(&mut self, poll: CarrierId, reason: Reason) {
        self.end_poll(poll, over());
        self.close(reason);
    }

    fn end_poll(&mut self, id: CarrierId, ending: Ending) {
        self.outputs.push_back(Output::End { id, ending });
    }

    /// A new WebSocket takes over: the old one broke off, or the client knows better than we that
    /// it is dead. What may not have arrived is sent again.
    fn come_back(&mut self, now: Instant, id: CarrierId) {
        let (Phase::Open { protocol, next_ping, silent_until }, Some(ledger)) =
            (&mut self.phase, &mut self.ledger)
        else {
            return;
        };
        *next_ping = Some(later(now, self.config.keep_alive_interval));
        *silent_until = silent_until.map(|_| later(now, self.config.client_timeout));
        if let Some(Attached::WebSocket(old)) = self.attached.replace(Attached::WebSocket(id)) {
            self.outputs.push_back(Output::End { id: old, ending: Ending::close(1000, "") });
        }
        // A message of which the old one brought only the beginning comes again, whole.
        self.records.clear();
        let (number, frames) = ledger.resend(now);
        let message = control::sequence(*protocol, number);
        self.outputs.push_back(Output::Direct { id, message });
        self.outputs.push_back(Output::Resend { id, frames });
        self.outputs.push_back(Output::Carry(Some(id)));
    }

    /// The client has what was sent up to this number.
    pub(super) fn acknowledged(&mut self, number: u64) {
        if let (Some(ledger), Some(Attached::WebSocket(id))) = (&mut self.ledger, self.attached)
            && ledger.acknowledged(number)
        {
            // What was held back may leave.
            self.outputs.push_back(Output::Carry(Some(id)));
        }
    }

    /// The client says which number its next message has.
    pub(super) fn sequence(&mut self, now: Instant, number: u64) {
        if let Some(ledger) = &mut self.ledger
            && ledger.sequence(number, now).is_err()
        {
            self.fail("Sequence ID greater than amount of messages we've received.");
        }
    }

    pub(super) fn tick_ack(&mut self, now: Instant) {
        if let (Some(ledger), Phase::Open { protocol, .. }) = (&mut self.ledger, self.phase)
            && let Some(number) = ledger.ack(now)
        {
            self.say(control::ack(protocol, number));
        }
    }

    pub(super) fn detach(&mut self, now: Instant, id: CarrierId, how: Detached) {
        match &mut self.attached {
            Some(Attached::WebSocket(current))
                if *current == id && how == Detached::Lost && self.ledger.is_some() =>
            {
                self.attached =
                    Some(Attached::Away { until: later(now, self.config.disconnect_timeout) });
                self.outputs.push_back(Output::Carry(None));
            }
            Some(Attached::WebSocket(current)) if *current == id => {
                self.leave(
                    match how {
                        Detached::Closed { .. } | Detached::Done => Reason::ConnectionClosed,
                        Detached::Lost => Reason::ConnectionLost,
                    },
                    None,
                );
            }
            // A client has no other way to close its event stream.
            Some(Attached::EventStream(current)) if *current == id => {
                self.leave(Reason::ConnectionClosed, None);
            }
            Some(Attached::LongPoll { poll, until }) if *poll == Some(id) => {
                *poll = None;
                *until = later(now, self.config.disconnect_timeout);
                self.outputs.push_back(Output::Carry(None));
            }
            _ => {}
        }
    }

    /// The client ends its connection by a DELETE, which only long polling knows.
    pub(super) fn delete(&mut self) -> Result<(), Fault> {
        match (self.phase, self.attached) {
            (Phase::Closed, _) => Err(answers::no_connection()),
            (Phase::Farewell { reason, .. }, _) => {
                self.close(reason);
                Ok(())
            }
            (_, Some(Attached::LongPoll { .. })) => {
                self.leave(Reason::ClientLeft, None);
                Ok(())
            }
            _ => Err(answers::delete_not_allowed()),
        }
    }

    /// An idle poll is answered; a client that no longer polls is gone.
    pub(super) fn tick_poll(&mut self, now: Instant) {
        let Some(Attached::LongPoll { poll, until }) = &mut self.attached else { return };
        if *until > now {
            return;
        }
        match (poll.take(), self.phase) {
            (Some(id), Phase::Farewell { reason, unsent: false }) => self.say_over(id, reason),
            (Some(id), _) => {
                *until = later(now, self.config.disconnect_timeout);
                self.outputs.push_back(Output::Carry(None));
                self.end_poll(id, Ending::close(1000, "").with_answer(answers::poll_empty()));
            }
            (None, Phase::Farewell { reason, .. }) => self.close(reason),
            (None, _) => self.leave(Reason::ConnectionLost, None),
        }
    }
}

fn over() -> Ending {
    Ending::close(1000, "").with_answer(answers::poll_over())
}
