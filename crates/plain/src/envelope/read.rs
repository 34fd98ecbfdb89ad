//! Reading envelopes.

use super::{BadEnvelope, Envelope, Ping, UPLOADS_COUNT_MAX};
use omniwire_session::{Args, ByteString, Call, CallId, Position, json};
use std::borrow::Cow;

/// Reads one envelope. Everything taken from it is a slice of `text`, but names with escapes.
pub(super) fn read(text: &ByteString) -> Result<Envelope, BadEnvelope> {
    let mut members = Members::default();
    for (name, value) in json::members(text)? {
        members.put(&name, value)?;
    }
    members.into_envelope()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Event,
    Cancel,
    Reply,
    Item,
    End,
    Join,
    Leave,
    Ping,
}

/// The members that mean something, as slices of valid JSON.
#[derive(Default)]
struct Members {
    kind: Option<(Kind, ByteString)>,
    args: Option<ByteString>,
    id: Option<ByteString>,
    stream: Option<ByteString>,
    uploads: Option<ByteString>,
    result: Option<ByteString>,
    error: Option<ByteString>,
    value: Option<ByteString>,
    resume: Option<ByteString>,
}

impl Members {
    fn put(&mut self, name: &str, value: ByteString) -> Result<(), BadEnvelope> {
        let kind = match name {
            "event" => Kind::Event,
            "cancel" => Kind::Cancel,
            "reply" => Kind::Reply,
            "item" => Kind::Item,
            "end" => Kind::End,
            "join" => Kind::Join,
            "leave" => Kind::Leave,
            "ping" => Kind::Ping,
            _ => {
                self.put_detail(name, value);
                return Ok(());
            }
        };
        if self.kind.as_ref().is_some_and(|(other, _)| *other != kind) {
            return Err("two members that name a kind".into());
        }
        self.kind = Some((kind, value));
        Ok(())
    }

    fn put_detail(&mut self, name: &str, value: ByteString) {
        let place = match name {
            "args" => &mut self.args,
            "id" => &mut self.id,
            "stream" => &mut self.stream,
            "uploads" => &mut self.uploads,
            "result" => &mut self.result,
            "error" => &mut self.error,
            "value" => &mut self.value,
            "resume" => &mut self.resume,
            _ => return,
        };
        *place = Some(value);
    }

    fn into_envelope(self) -> Result<Envelope, BadEnvelope> {
        let Some((kind, subject)) = &self.kind else {
            return Err("no member names a kind (event, cancel, reply, item, end, join, leave, \
                        ping)"
                .into());
        };
        Ok(match kind {
            Kind::Event => Envelope::Event {
                name: text(subject).ok_or("the event's name must be a string")?,
                args: self.args()?,
                call: self.call()?,
                uploads: self.uploads()?,
            },
            Kind::Cancel => {
                Envelope::Cancel { call: call_id(subject).ok_or("cancel names no call")? }
            }
            Kind::Reply => Envelope::Reply {
                call: subject.parse().map_err(|_| "reply must be the number of a call")?,
                outcome: self.outcome(),
            },
            Kind::Item => Envelope::Item {
                stream: text(subject).ok_or("the stream's name must be a string")?,
                item: Args::from_valid_element(self.value.unwrap_or_else(null)),
            },
            Kind::End => Envelope::End {
                stream: text(subject).ok_or("the stream's name must be a string")?,
                error: self.error(),
            },
            Kind::Join => Envelope::Join {
                room: text(subject).ok_or("the room's name must be a string")?,
                call: self.call()?,
                since: self.since()?,
            },
            Kind::Leave => Envelope::Leave {
                room: text(subject).ok_or("the room's name must be a string")?,
                call: self.call()?,
            },
            Kind::Ping => Envelope::Ping(Ping { value: subject.clone() }),
        })
    }

    fn args(&self) -> Result<Args, BadEnvelope> {
        match &self.args {
            None => Ok(Args::default()),
            Some(args) => {
                Args::from_valid_array(args).ok_or_else(|| "args must be an array".into())
            }
        }
    }

    fn call(&self) -> Result<Option<Call>, BadEnvelope> {
        let present = |id: &&ByteString| !is_null(id);
        let (id, stream) =
            match (self.id.as_ref().filter(present), self.stream.as_ref().filter(present)) {
                (None, None) => return Ok(None),
                (Some(id), None) => (id, false),
                (None, Some(id)) => (id, true),
                (Some(_), Some(_)) => return Err("both id and stream".into()),
            };
        match call_id(id) {
            Some(id) => Ok(Some(Call { id, stream })),
            None => Err("id and stream must be a string, a number or a boolean".into()),
        }
    }

    fn uploads(&self) -> Result<Vec<ByteString>, BadEnvelope> {
        let Some(uploads) = &self.uploads else { return Ok(Vec::new()) };
        let array = Args::from_valid_array(uploads).ok_or("uploads must be an array")?;
        let mut names = Vec::new();
        for element in json::elements(array.json()) {
            if names.len() == UPLOADS_COUNT_MAX {
                return Err("more than 64 uploads".into());
            }
            let name = text(&uploads.slice_ref(element));
            names.push(name.ok_or("the names of uploads must be strings")?);
        }
        Ok(names)
    }

    fn since(&self) -> Result<Option<Position>, BadEnvelope> {
        let Some(resume) = self.resume.as_ref().filter(|resume| !is_null(resume)) else {
            return Ok(None);
        };
        let wrong = "resume must be an object with a whole offset and epoch";
        let (mut offset, mut epoch) = (None, None);
        for (name, value) in json::members(resume).map_err(|_| wrong)? {
            match &*name {
                "offset" => offset = value.parse().ok(),
                "epoch" => epoch = value.parse().ok(),
                _ => {}
            }
        }
        match (offset, epoch) {
            (Some(offset), Some(epoch)) => Ok(Some(Position { epoch, offset })),
            _ => Err(wrong.into()),
        }
    }

    fn outcome(&self) -> Result<Args, ByteString> {
        if let Some(error) = self.error() {
            return Err(error);
        }
        let Some(result) = &self.result else { return Ok(Args::default()) };
        Ok(Args::from_valid_array(result)
            .unwrap_or_else(|| Args::from_valid_element(result.clone())))
    }

    /// The client's own words; JSON that is no string is taken as it stands.
    fn error(&self) -> Option<ByteString> {
        let error = self.error.as_ref().filter(|error| !is_null(error))?;
        Some(text(error).unwrap_or_else(|| error.clone()))
    }
}

/// The text of a valid JSON value that is a string: a slice of it, if it has no escapes.
fn text(value: &ByteString) -> Option<ByteString> {
    Some(match json::unescape(value)? {
        Cow::Borrowed(text) => value.slice_ref(text),
        Cow::Owned(text) => text.into(),
    })
}

/// A valid JSON value as the name of a call: any scalar but `null`.
fn call_id(value: &ByteString) -> Option<CallId> {
    let scalar = !value.starts_with(['[', '{']) && !is_null(value);
    scalar.then(|| CallId(value.clone()))
}

fn is_null(value: &str) -> bool {
    value == "null"
}

fn null() -> ByteString {
    ByteString::from_static("null")
}
