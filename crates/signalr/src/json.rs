//! Hub messages from clients in JSON (`HubProtocol.md`, "JSON Encoding").

use crate::message::{HubMessage, Invocation, Malformed, kind};
use bytes::Bytes;
use omniwire_session::{Args, ByteString, json};

/// Reads a record, which comes without its separator.
pub(crate) fn decode(record: Bytes) -> Result<HubMessage, Malformed> {
    let object = ByteString::try_from(record).map_err(|_| Malformed("Error reading JSON."))?;
    let members = Members::read(&object)?;
    let kind = int(members.kind.ok_or(Malformed("Missing required property 'type'."))?)
        .ok_or(Malformed("Expected 'type' to be of type Number."))?;
    if !(kind::INVOCATION..=kind::SEQUENCE).contains(&kind) {
        return Ok(HubMessage::Ignored);
    }
    members.check_headers()?;
    let id =
        members.text(members.invocation_id, "Expected 'invocationId' to be of type String.")?;
    let id = id.filter(|id| !id.is_empty());
    let need_id = Malformed("Missing required property 'invocationId'.");
    match kind {
        kind::INVOCATION => members.invocation(id, false),
        kind::STREAM_INVOCATION => members.invocation(Some(id.ok_or(need_id)?), true),
        kind::STREAM_ITEM => {
            let item = members.item.ok_or(Malformed("Missing required property 'item'."))?;
            let item = Ok(Args::from_valid_element(object.slice_ref(item)));
            Ok(HubMessage::StreamItem { id: id.ok_or(need_id)?, item })
        }
        kind::COMPLETION => {
            let error = members.text(members.error, "Expected 'error' to be of type String.")?;
            let outcome = match (error, members.result) {
                (Some(_), Some(_)) => {
                    return Err(Malformed(
                        "The 'error' and 'result' properties are mutually exclusive.",
                    ));
                }
                (Some(error), None) => Err(error),
                (None, Some(result)) => Ok(Args::from_valid_element(object.slice_ref(result))),
                (None, None) => Ok(Args::default()),
            };
            Ok(HubMessage::Completion { id: id.ok_or(need_id)?, outcome })
        }
        kind::CANCEL => Ok(HubMessage::Cancel { id: id.ok_or(need_id)? }),
        kind::PING => Ok(HubMessage::Ping),
        // Nothing that it says is worth an error: it is over.
        kind::CLOSE => Ok(HubMessage::Close {
            error: members.error.and_then(|error| string(&object, error)),
            allow_reconnect: members.allow_reconnect == Some("true"),
        }),
        kind::ACK => Ok(HubMessage::Ack(members.sequence_id()?)),
        _ => Ok(HubMessage::Sequence(members.sequence_id()?)),
    }
}

/// The members that mean something, each a part of validated JSON. Of two with the same name the
/// last one counts.
#[derive(Debug)]
struct Members<'a> {
    object: &'a ByteString,
    kind: Option<&'a str>,
    target: Option<&'a str>,
    arguments: Option<&'a str>,
    invocation_id: Option<&'a str>,
    stream_ids: Option<&'a str>,
    headers: Option<&'a str>,
    item: Option<&'a str>,
    result: Option<&'a str>,
    error: Option<&'a str>,
    sequence_id: Option<&'a str>,
    allow_reconnect: Option<&'a str>,
}

impl<'a> Members<'a> {
    fn read(object: &'a ByteString) -> Result<Self, Malformed> {
        let members = json::member_slices(object).map_err(|_| Malformed("Error reading JSON."))?;
        let mut found = Self {
            object,
            kind: None,
            target: None,
            arguments: None,
            invocation_id: None,
            stream_ids: None,
            headers: None,
            item: None,
            result: None,
            error: None,
            sequence_id: None,
            allow_reconnect: None,
        };
        for (name, value) in members {
            let place = match &*name {
                "type" => &mut found.kind,
                "target" => &mut found.target,
                "arguments" => &mut found.arguments,
                "invocationId" => &mut found.invocation_id,
                "streamIds" => &mut found.stream_ids,
                "headers" => &mut found.headers,
                "item" => &mut found.item,
                "result" => &mut found.result,
                "error" => &mut found.error,
                "sequenceId" => &mut found.sequence_id,
                "allowReconnect" => &mut found.allow_reconnect,
                _ => continue,
            };
            *place = Some(value);
        }
        Ok(found)
    }

    fn invocation(
        self,
        id: Option<ByteString>,
        wants_stream: bool,
    ) -> Result<HubMessage, Malformed> {
        let target = self
            .text(self.target, "Expected 'target' to be of type String.")?
            .ok_or(Malformed("Missing required property 'target'."))?;
        let arguments =
            self.arguments.ok_or(Malformed("Missing required property 'arguments'."))?;
        let args = Args::from_valid_array(&self.object.slice_ref(arguments))
            .ok_or(Malformed("Expected 'arguments' to be of type Array."))?;
        let streams = self.streams()?;
        Ok(HubMessage::Invocation(Invocation { target, args, id, streams, wants_stream }))
    }

    fn streams(&self) -> Result<Vec<ByteString>, Malformed> {
        let Some(value) = self.stream_ids else { return Ok(Vec::new()) };
        let inner = value
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or(Malformed("Expected 'streamIds' to be of type Array."))?;
        json::elements(inner)
            .map(|id| string(self.object, id))
            .collect::<Option<_>>()
            .ok_or(Malformed("Expected a stream id to be of type String."))
    }

    fn sequence_id(&self) -> Result<u64, Malformed> {
        let id = self.sequence_id.ok_or(Malformed("Missing required property 'sequenceId'."))?;
        id.parse().map_err(|_| Malformed("Expected 'sequenceId' to be a positive Number."))
    }

    /// "Message Headers": an object of strings. None of them means anything here.
    fn check_headers(&self) -> Result<(), Malformed> {
        let Some(value) = self.headers else { return Ok(()) };
        let not_headers = Malformed("Expected 'headers' to be an object of strings.");
        let mut headers = json::member_slices(value).map_err(|_| not_headers)?;
        if headers.all(|(_, value)| value.starts_with('"')) { Ok(()) } else { Err(not_headers) }
    }

    fn text(
        &self,
        value: Option<&str>,
        otherwise: &'static str,
    ) -> Result<Option<ByteString>, Malformed> {
        value.map(|value| string(self.object, value).ok_or(Malformed(otherwise))).transpose()
    }
}

/// The string that `value`, a part of validated JSON, stands for; a slice of `object`, if it has no
/// escapes.
pub(crate) fn string(object: &ByteString, value: &str) -> Option<ByteString> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    Some(match json::unescape(value)? {
        std::borrow::Cow::Borrowed(_) => object.slice_ref(inner),
        std::borrow::Cow::Owned(text) => text.into(),
    })
}

/// An integer that has no point and no exponent.
pub(crate) fn int(value: &str) -> Option<i32> {
    value.parse().ok()
}

#[cfg(test)]
mod tests;
