//! What a message means.

use crate::RAW;
use omniwire_session::{Args, ByteString, Event, Fault, Link, Refusal, WireForm};
use std::fmt;

/// What the messages of a SockJS session mean. The session moves texts; its manner says what
/// they are to the application. One value serves one session.
pub trait Manner: fmt::Debug + Send + 'static {
    /// How the application's events are encoded. Its frames are SockJS frames `a[..]`: see
    /// [`crate::RawWire`] and [`crate::Wrapped`].
    fn wire(&self) -> WireForm;

    /// What a message from the client says. `message` is a valid JSON value: a string, quotes
    /// included, unless the client is not one of SockJS.
    fn hear(&mut self, link: Link, message: &ByteString) -> Heard;

    /// What the client is told when it is let in, if anything.
    fn welcome(&mut self, peer: &str) -> Option<ByteString> {
        let _ = peer;
        None
    }

    /// What the client is told before the close frame when it is turned away, if anything.
    fn refuse(&mut self, refusal: &Refusal) -> Option<ByteString> {
        let _ = refusal;
        None
    }
}

/// What a message from the client said.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The application is to hear this.
    Event(Event),
    /// The client is to get this text as a message.
    Answer(ByteString),
    /// It made no sense.
    Bad {
        /// What the client is to get as a message.
        answer: ByteString,
        /// For the log.
        fault: Fault,
        /// That was once too often: close with 1007.
        fatal: bool,
    },
}

/// A message is the event `message` with one argument, its JSON string exactly as it came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Manner for Raw {
    fn wire(&self) -> WireForm {
        WireForm(&RAW)
    }

    fn hear(&mut self, link: Link, message: &ByteString) -> Heard {
        Heard::Event(Event::Message {
            link,
            name: ByteString::from_static("message"),
            args: Args::from_valid_element(message.clone()),
            call: None,
            uploads: Vec::new(),
        })
    }
}
