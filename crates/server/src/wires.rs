//! Pairs the protocols' wire forms with the WebSocket's frames: whatever carries it, an event is
//! encoded once, with the frame's header already in front.

use crate::app::space::Space;
use crate::session::backlog::Backlog;
use omniwire_session::{
    CallError, Encoding, HEADROOM, Kind, Message, Outgoing, Prepared, Resume, WireForm,
};
use omniwire_websocket::{OpCode, frame};

/// One event in one wire form. `None`: that kind of peer has no words for it.
pub(crate) fn encode(wire: WireForm, space: &Space, what: Outgoing<'_>) -> Option<Prepared> {
    let mut encoding = Encoding::with_capacity(usual_len(what));
    wire.0.encode(&space.name, what, &mut encoding);
    finish(encoding, &space.backlog)
}

/// Where a peer stands in a room. `None`: that kind of peer has no words for it.
pub(crate) fn encode_resume(wire: WireForm, space: &Space, resume: Resume<'_>) -> Option<Prepared> {
    let mut encoding = Encoding::default();
    wire.0.encode_resume(resume, &mut encoding);
    finish(encoding, &space.backlog)
}

/// Why a peer is not in a room for which it asked by no call. `None`: that kind of peer has no words
/// for it.
pub(crate) fn encode_not_joined(
    wire: WireForm,
    space: &Space,
    room: &str,
    error: &CallError,
) -> Option<Prepared> {
    let mut encoding = Encoding::default();
    wire.0.encode_not_joined(room, error, &mut encoding);
    finish(encoding, &space.backlog)
}

/// A message that a session itself sends.
pub(crate) fn prepare(message: &Message, backlog: &Backlog) -> Prepared {
    let mut encoding = Encoding::with_capacity(message.as_bytes().len());
    match message.kind() {
        Kind::Text => encoding.text(),
        Kind::Binary => encoding.binary(),
    }
    .extend_from_slice(message.as_bytes());
    finish(encoding, backlog).expect("a message was begun")
}

/// Room for the arguments and the few words that most protocols put around them.
fn usual_len(what: Outgoing<'_>) -> usize {
    const WORDS_LEN: usize = 48;
    let sum = |args: usize, name: usize| args.saturating_add(name).saturating_add(WORDS_LEN);
    match what {
        Outgoing::Event { name, args, .. } => sum(args.size_hint(), name.len()),
        Outgoing::Reply { call, outcome: Ok(args) } => sum(args.size_hint(), call.0.len()),
        Outgoing::Item { call, item } => sum(item.size_hint(), call.0.len()),
        Outgoing::Reply { .. } | Outgoing::End { .. } => WORDS_LEN,
    }
}

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "HEADROOM is the length of the longest header, which none without a mask exceeds"
)]
fn finish(encoding: Encoding, backlog: &Backlog) -> Option<Prepared> {
    let write_header = |kind, payload_len, headroom: &mut [u8; HEADROOM]| {
        let opcode = match kind {
            Kind::Text => OpCode::Text,
            Kind::Binary => OpCode::Binary,
        };
        let mut head = [0; frame::MAX_MASKED_HEADER_LEN];
        let head_len = frame::Header::whole(opcode, payload_len).write(&mut head);
        headroom[HEADROOM - head_len..].copy_from_slice(&head[..head_len]);
        head_len
    };
    encoding.finish_as(write_header, |message| backlog.count(message))
}
