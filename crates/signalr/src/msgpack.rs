//! Hub messages in MessagePack (`HubProtocol.md`, "MessagePack (MsgPack) Encoding").
//!
//! Values go straight to and from [`Args`]: there is no tree between. See `omniwire-msgpack` for
//! how they map.

use crate::error_text;
use crate::message::{HubMessage, Invocation, Malformed, kind};
use bytes::{Bytes, BytesMut};
use omniwire_msgpack::{Dialect, Reader, Token, decode, encode};
use omniwire_session::{Args, ByteString, Outgoing};

/// Reads a record, which comes without its length prefix. More items than are known are ignored.
pub(crate) fn decode(record: Bytes) -> Result<HubMessage, Malformed> {
    let mut reader = Reader::new(&record);
    let count = reader.array("Reading array length for the message failed.")?;
    let kind = reader.int("Reading 'messageType' as Int32 failed.")?;
    let (count_min, has_headers) = match kind {
        kind::INVOCATION | kind::STREAM_INVOCATION => (5, true),
        kind::STREAM_ITEM | kind::COMPLETION => (4, true),
        kind::CANCEL => (3, true),
        kind::PING => return Ok(HubMessage::Ping),
        // Nothing that it says is worth an error: it is over.
        kind::CLOSE => {
            let error = reader.text_or_nil("").ok().flatten();
            let allow_reconnect = reader.token() == Ok(Token::Bool(true));
            return Ok(HubMessage::Close { error, allow_reconnect });
        }
        kind::ACK => return Ok(HubMessage::Ack(reader.uint(NO_SEQUENCE_ID)?)),
        kind::SEQUENCE => return Ok(HubMessage::Sequence(reader.uint(NO_SEQUENCE_ID)?)),
        // What the protocol may grow.
        _ => return Ok(HubMessage::Ignored),
    };
    if count < count_min {
        return Err(Malformed("The message has too few items."));
    }
    if has_headers {
        read_headers(&mut reader)?;
    }
    let id = reader.text_or_nil("Reading 'invocationId' as String failed.")?;
    // Some clients send an empty id where they mean none.
    let id = id.filter(|id| !id.is_empty());
    let need_id = Malformed("Null or empty invocation ID.");
    match kind {
        kind::INVOCATION => read_invocation(reader, count, id, false),
        kind::STREAM_INVOCATION => read_invocation(reader, count, Some(id.ok_or(need_id)?), true),
        kind::STREAM_ITEM => Ok(HubMessage::StreamItem {
            id: id.ok_or(need_id)?,
            item: decode::values(&mut reader, 1, Dialect::Standard)
                .map_err(|malformed| malformed.0),
        }),
        kind::COMPLETION => read_completion(reader, count, id.ok_or(need_id)?),
        _ => Ok(HubMessage::Cancel { id: id.ok_or(need_id)? }),
    }
}

/// "Message Headers": a map of strings. None of them means anything here.
fn read_headers(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..reader.map("Reading map length for 'headers' failed.")? {
        for _ in 0..2 {
            if reader.text("Reading a header as String failed.")?.is_empty() {
                return Err(Malformed("Null or empty header."));
            }
        }
    }
    Ok(())
}

/// "Invocation Message Encoding", "StreamInvocation Message Encoding".
fn read_invocation(
    mut reader: Reader<'_>,
    count: usize,
    id: Option<ByteString>,
    wants_stream: bool,
) -> Result<HubMessage, Malformed> {
    let target = reader.text("Reading 'target' as String failed.")?;
    if target.is_empty() {
        return Err(Malformed("Null or empty target."));
    }
    // The record's end is known, so what can't be an argument spoils only this call.
    let args = match read_arguments(&mut reader) {
        Ok(args) => args,
        Err(Malformed(why)) => return Ok(HubMessage::Unbindable { id, target, why }),
    };
    let mut streams = Vec::new();
    // Older clients send 5 items.
    if count > 5 {
        for _ in 0..reader.array("Reading array length for 'streamIds' failed.")? {
            let stream = reader.text("Reading a stream id as String failed.")?;
            if stream.is_empty() {
                return Err(Malformed("Null or empty stream id."));
            }
            streams.push(stream);
        }
    }
    Ok(HubMessage::Invocation(Invocation { target, args, id, streams, wants_stream }))
}

fn read_arguments(reader: &mut Reader<'_>) -> Result<Args, Malformed> {
    let count = reader.array("Reading array length for 'arguments' failed.")?;
    decode::values(reader, count, Dialect::Standard)
}

/// "Completion Message Encoding".
fn read_completion(
    mut reader: Reader<'_>,
    count: usize,
    id: ByteString,
) -> Result<HubMessage, Malformed> {
    let result_kind = reader.int("Reading 'resultKind' as Int32 failed.")?;
    if count < 5 && result_kind != VOID {
        return Err(Malformed("The message has too few items."));
    }
    let outcome = match result_kind {
        ERROR => Err(reader.text("Reading 'error' as String failed.")?),
        VOID => Ok(Args::default()),
        RESULT => {
            decode::values(&mut reader, 1, Dialect::Standard).map_err(|Malformed(why)| why.into())
        }
        _ => return Err(Malformed("Invalid invocation result kind.")),
    };
    Ok(HubMessage::Completion { id, outcome })
}

/// Writes a message with its length prefix.
pub(crate) fn write(out: &mut BytesMut, what: Outgoing<'_>) {
    write_prefixed(out, |out| match what {
        Outgoing::Event { name, args, call, .. } => {
            encode::array(out, 6);
            encode::uint(out, 1);
            encode::map(out, 0);
            match call {
                Some(call) => encode::text(out, &format!("s{call}")),
                None => encode::nil(out),
            }
            encode::text(out, name);
            encode::array(out, args.len());
            encode::values(out, args, Dialect::Standard);
            encode::array(out, 0);
        }
        Outgoing::Reply { call, outcome: Ok(args) } => {
            write_completion(out, &call.0, RESULT);
            encode::one_value(out, args, Dialect::Standard);
        }
        Outgoing::Reply { call, outcome: Err(error) } => {
            write_completion(out, &call.0, ERROR);
            encode::text(out, &error_text::call_failed(call, error));
        }
        Outgoing::Item { call, item } => {
            write_head(out, 4, 2, &call.0);
            encode::one_value(out, item, Dialect::Standard);
        }
        Outgoing::End { call, error: None } => write_completion(out, &call.0, VOID),
        Outgoing::End { call, error: Some(error) } => {
            write_completion(out, &call.0, ERROR);
            encode::text(out, &error_text::stream_failed(call, error));
        }
    });
}

/// Writes a Close message ("Close Message Encoding").
pub(crate) fn write_close(out: &mut BytesMut, error: Option<&str>, allow_reconnect: bool) {
    write_prefixed(out, |out| {
        encode::array(out, 3);
        encode::uint(out, 7);
        match error {
            Some(error) => encode::text(out, error),
            None => encode::nil(out),
        }
        encode::bool(out, allow_reconnect);
    });
}

/// Writes an Ack or a Sequence message ("Ack Message Encoding", "Sequence Message Encoding").
pub(crate) fn write_numbered(out: &mut BytesMut, kind: i32, sequence_id: u64) {
    write_prefixed(out, |out| {
        encode::array(out, 2);
        encode::uint(out, kind.unsigned_abs().into());
        encode::uint(out, sequence_id);
    });
}

/// How a message of so many elements begins that belongs to an invocation: its type, no headers,
/// and whose it is.
pub(crate) fn write_head(out: &mut BytesMut, len: usize, kind: u64, id: &str) {
    encode::array(out, len);
    encode::uint(out, kind);
    encode::map(out, 0);
    encode::text(out, id);
}

pub(crate) fn write_completion(out: &mut BytesMut, id: &str, result_kind: i32) {
    write_head(out, if result_kind == VOID { 4 } else { 5 }, 3, id);
    encode::uint(out, result_kind.unsigned_abs().into());
}

/// Writes the length of what `write_body` writes in front of it, 7 bits an octet, the lowest
/// first.
pub(crate) fn write_prefixed(out: &mut BytesMut, write_body: impl FnOnce(&mut BytesMut)) {
    const ROOM: usize = 5;
    let start = out.len();
    out.extend_from_slice(&[0; ROOM]);
    write_body(out);
    let body = start.saturating_add(ROOM);
    let len = out.len().saturating_sub(body);
    let mut end = start;
    let mut rest = len;
    while end < body {
        let more = if rest > 0x7f { 0x80 } else { 0 };
        if let Some(octet) = out.get_mut(end) {
            *octet = (rest & 0x7f) as u8 | more;
        }
        end = end.saturating_add(1);
        rest >>= 7;
        if more == 0 {
            break;
        }
    }
    out.copy_within(body.., end);
    out.truncate(end.saturating_add(len));
}

const NO_SEQUENCE_ID: &str = "Reading 'sequenceId' as Int64 failed.";

pub(crate) const ERROR: i32 = 1;
pub(crate) const VOID: i32 = 2;
pub(crate) const RESULT: i32 = 3;

#[cfg(test)]
mod tests;
