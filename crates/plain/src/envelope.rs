#![doc = include_str!("../ENVELOPE.md")]
use bytes::{Bytes, BytesMut};
use omniwire_session::{Args, ByteString, Call, CallId, Event, Fault, Link, Position, json};
use std::borrow::Cow;
use std::fmt;

mod listener;
mod read;
mod write;

pub use listener::{Heard, Listener};
pub(crate) use write::write_array;
pub use write::{
    write_close, write_cursor, write_end, write_error, write_item, write_not_joined, write_open,
    write_outgoing, write_pong, write_refused, write_reply, write_resume,
};

/// An envelope from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Envelope {
    /// An event, or a call.
    Event {
        /// Its name.
        name: ByteString,
        /// Its arguments.
        args: Args,
        /// Set if an answer is wanted.
        call: Option<Call>,
        /// Streams that the client sends along.
        uploads: Vec<ByteString>,
    },
    /// The answer to a call is no longer wanted.
    Cancel {
        /// The call.
        call: CallId,
    },
    /// The answer to a call of ours.
    Reply {
        /// Our number of the call.
        call: u64,
        /// The result, or the client's own words.
        outcome: Result<Args, ByteString>,
    },
    /// An item of a stream that the client sends.
    Item {
        /// The stream.
        stream: ByteString,
        /// One argument.
        item: Args,
    },
    /// The end of a stream that the client sends.
    End {
        /// The stream.
        stream: ByteString,
        /// The client's own words, if it failed.
        error: Option<ByteString>,
    },
    /// A wish to join a room.
    Join {
        /// The room.
        room: ByteString,
        /// Set if an answer is wanted.
        call: Option<Call>,
        /// The last event of the room that the client has seen, if it comes back.
        since: Option<Position>,
    },
    /// A wish to leave a room.
    Leave {
        /// The room.
        room: ByteString,
        /// Set if an answer is wanted.
        call: Option<Call>,
    },
    /// A sign of life that wants an answer. No matter for the application.
    Ping(Ping),
}

impl Envelope {
    /// Reads one envelope.
    ///
    /// # Errors
    /// The text is no envelope.
    pub fn parse(text: &ByteString) -> Result<Self, BadEnvelope> {
        read::read(text)
    }

    /// What the application is to hear of it.
    ///
    /// # Errors
    /// Nothing: it is a ping, which is answered without the application.
    pub fn into_event(self, link: Link) -> Result<Event, Ping> {
        Ok(match self {
            Self::Event { name, args, call, uploads } => {
                Event::Message { link, name, args, call, uploads }
            }
            Self::Cancel { call } => Event::Cancel { link, call },
            Self::Reply { call, outcome } => Event::Reply { link, call, outcome },
            Self::Item { stream, item } => Event::Item { link, stream, item },
            Self::End { stream, error } => Event::End { link, stream, error },
            Self::Join { room, call, since } => Event::Join { link, room, call, since },
            Self::Leave { room, call } => Event::LeaveRoom { link, room, call },
            Self::Ping(ping) => return Err(ping),
        })
    }
}

/// A ping from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    value: ByteString,
}

impl Ping {
    /// The envelope that answers it.
    pub fn to_pong(&self) -> ByteString {
        let mut out = BytesMut::with_capacity(self.value.len().saturating_add(9));
        write_pong(&mut out, &self.value);
        json::into_text(out)
    }
}

/// Why a text is no envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEnvelope(Cow<'static, str>);

impl BadEnvelope {
    /// The error envelope that says so.
    pub fn to_envelope(&self) -> ByteString {
        let mut out = BytesMut::new();
        write_error(&mut out, "bad_envelope", &self.0);
        json::into_text(out)
    }

    /// The same as the refusal of a POST.
    pub fn to_fault(&self) -> Fault {
        Fault::bad_request(self.to_envelope()).json()
    }
}

impl fmt::Display for BadEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadEnvelope {}

impl From<json::JsonError> for BadEnvelope {
    fn from(error: json::JsonError) -> Self {
        Self(error.to_string().into())
    }
}

impl From<&'static str> for BadEnvelope {
    fn from(why: &'static str) -> Self {
        Self(why.into())
    }
}

/// Reads the body of a POST: one envelope, or an array of at most [`BODY_COUNT_MAX`].
///
/// # Errors
/// Any of it is no envelope: then none of it may be acted on. The fault is the whole answer.
pub fn parse_body(body: &Bytes) -> Result<Vec<Envelope>, Fault> {
    read_body(body).map_err(|bad| bad.to_fault())
}

fn read_body(body: &Bytes) -> Result<Vec<Envelope>, BadEnvelope> {
    if let Err(error) = std::str::from_utf8(body) {
        return Err(BadEnvelope(format!("not UTF-8 at byte {}", error.valid_up_to()).into()));
    }
    let text = ByteString::try_from(body.clone()).map_err(|_| BadEnvelope::from("not UTF-8"))?;
    if text.trim_ascii().is_empty() {
        return Err("expected an envelope, found nothing at byte 0".into());
    }
    if !text.trim_ascii_start().starts_with('[') {
        return Ok(vec![Envelope::parse(&text)?]);
    }
    let array = Args::from_array(&text)?;
    let mut envelopes = Vec::new();
    for (index, element) in json::elements(array.json()).enumerate() {
        if index == BODY_COUNT_MAX {
            return Err("more than 1000 envelopes in one body".into());
        }
        let element = text.slice_ref(element);
        let at = (element.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let read = Envelope::parse(&element)
            .map_err(|bad| BadEnvelope(format!("{bad}, in the envelope at byte {at}").into()))?;
        envelopes.push(read);
    }
    Ok(envelopes)
}

/// Envelopes in one POST body.
pub const BODY_COUNT_MAX: usize = 1000;

/// Streams that a client may send along with one call.
pub const UPLOADS_COUNT_MAX: usize = 64;

/// Messages in a row that may be no envelopes; the last one of them ends the session.
pub const BAD_COUNT_MAX: u8 = 16;

#[cfg(test)]
mod tests;
