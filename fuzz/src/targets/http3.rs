//! What we read of HTTP/3 ourselves: as a server `:protocol` in a field section; as a client all of
//! it that a WebSocket needs.

#[path = "../../../crates/server/src/edge/http3/protocol.rs"]
mod protocol;

/// Private to the crate `omniwire-websocket`.
#[path = "../../../crates/websocket/src"]
mod client {
    #[allow(dead_code, reason = "what only its connection uses is here too")]
    pub(super) mod http3;
}

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use self::client::http3::{Answer, Code, Control, Piece, Said, qpack, read_answer};
use crate::input::{Input, cut};

/// What is left is what was there, but for one piece; and nothing more is to be taken out.
pub(crate) fn field_section(input: &[u8]) {
    let Ok(section) = protocol::take(Bytes::copy_from_slice(input)) else { return };
    let (block, taken) = (&section.block, input.len() - section.block.len());
    assert_eq!(taken > 0, section.protocol.is_some());
    let same = block.iter().zip(input).take_while(|(one, other)| one == other).count();
    assert_eq!(block[same..], input[same + taken..]);
    if section.protocol.is_some() {
        let again = protocol::take(block.clone()).expect("it had one :protocol");
        assert_eq!((again.protocol, again.block), (None, block.clone()));
    }
}

/// What a server's answer brings, and how it ends: whether it may, or what is wrong with it.
#[derive(Debug, PartialEq)]
struct Heard {
    head: Option<(StatusCode, HeaderMap)>,
    data: Vec<u8>,
    end: Result<bool, Code>,
}

/// Reads an answer that comes in these pieces. `direct`: data that is to come next goes past it.
fn hear(pieces: &[Bytes], direct: bool) -> Heard {
    let mut answer = Answer::default();
    let mut heard = Heard { head: None, data: Vec::new(), end: Ok(false) };
    for piece in pieces {
        let past = if direct { piece.len().min(answer.direct() as usize) } else { 0 };
        heard.data.extend_from_slice(&piece[..past]);
        answer.took_direct(past as u64);
        answer.push(&piece[past..]);
        loop {
            let head = match answer.next() {
                Ok(None) => break,
                Ok(Some(Piece::Data(data))) => {
                    heard.data.extend_from_slice(&data);
                    continue;
                }
                Ok(Some(Piece::Headers(section))) => read_answer(&section, FIELDS_LEN_MAX),
                Err(code) => Err(code),
            };
            match head {
                Ok(Some(head)) => {
                    answer.open();
                    heard.head = Some((head.status(), head.headers().clone()));
                }
                Ok(None) => {}
                Err(code) => return Heard { end: Err(code), ..heard },
            }
        }
    }
    Heard { end: Ok(answer.is_whole()), ..heard }
}

/// Any split of the octets, read either way, brings the same.
pub(crate) fn http3_answer(input: &[u8]) {
    let mut input = Input::new(input);
    let cuts = input.part();
    let octets = input.rest();
    let whole = hear(&[Bytes::copy_from_slice(octets)], false);
    assert!(whole.data.is_empty() || whole.head.is_some(), "data before the head");
    let pieces = cut(octets, cuts);
    assert_eq!(hear(&pieces, false), whole);
    assert_eq!(hear(&pieces, true), whole);
}

/// What a server's control stream says, and what is wrong with it.
fn settle(pieces: &[Bytes]) -> (Vec<Said>, Option<Code>) {
    let (mut control, mut all) = (Control::default(), Vec::new());
    for piece in pieces {
        control.push(piece);
        loop {
            match control.next() {
                Ok(Some(said)) => all.push(said),
                Ok(None) => break,
                Err(code) => return (all, Some(code)),
            }
        }
    }
    (all, None)
}

/// Any split of the octets says the same, the settings first and once.
pub(crate) fn http3_control(input: &[u8]) {
    let mut input = Input::new(input);
    let cuts = input.part();
    let octets = input.rest();
    let whole = settle(&[Bytes::copy_from_slice(octets)]);
    let is_settings = |said: &Said| matches!(said, Said::Settings(_));
    assert!(whole.0.first().is_none_or(is_settings));
    assert!(whole.0.iter().filter(|said| is_settings(said)).count() <= 1);
    assert_eq!(settle(&cut(octets, cuts)), whole);
}

/// Fields, within their limit, which written anew are read as the same.
pub(crate) fn http3_fields(input: &[u8]) {
    let Ok(fields) = qpack::read(input, FIELDS_LEN_MAX) else { return };
    let len: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(len <= FIELDS_LEN_MAX);
    let mut section = BytesMut::new();
    qpack::begin(&mut section);
    fields.iter().for_each(|(name, value)| qpack::write(&mut section, name, value, false));
    assert_eq!(qpack::read(&section, len), Ok(fields));
}

/// Octets of data that an answer in these pieces brings; none if it has no head.
#[must_use]
pub fn answered(pieces: &[Bytes]) -> Option<usize> {
    let heard = hear(pieces, false);
    heard.head.map(|_| heard.data.len())
}

/// Whether a control stream in these pieces begins with settings and breaks no rule.
#[must_use]
pub fn settled(pieces: &[Bytes]) -> bool {
    matches!(settle(pieces), (said, None) if !said.is_empty())
}

const FIELDS_LEN_MAX: usize = 16 << 10;
