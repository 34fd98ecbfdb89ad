//! What every message carrier does with envelopes.

use super::{BAD_COUNT_MAX, Envelope};
use omniwire_session::{ByteString, Event, Fault, Link};

/// Reads the envelopes of one session that come as messages (WebSocket, SockJS), answers those
/// that need no application, and counts what makes no sense.
#[derive(Debug, Clone, Default)]
pub struct Listener {
    bad_count: u8,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The application is to hear this.
    Event(Event),
    /// The client is to hear this envelope (`pong`).
    Answer(ByteString),
    /// It is no envelope.
    Bad {
        /// The `error` envelope for the client.
        answer: ByteString,
        /// For the log.
        fault: Fault,
        /// It was the last one of [`BAD_COUNT_MAX`] in a row: close with 1007.
        fatal: bool,
    },
}

impl Listener {
    /// Takes one message.
    pub fn hear(&mut self, link: Link, text: &ByteString) -> Heard {
        let envelope = match Envelope::parse(text) {
            Ok(envelope) => envelope,
            Err(bad) => {
                self.bad_count = self.bad_count.saturating_add(1);
                return Heard::Bad {
                    answer: bad.to_envelope(),
                    fault: bad.to_fault(),
                    fatal: self.bad_count >= BAD_COUNT_MAX,
                };
            }
        };
        self.bad_count = 0;
        match envelope.into_event(link) {
            Ok(event) => Heard::Event(event),
            Err(ping) => Heard::Answer(ping.to_pong()),
        }
    }
}
