//! What each protocol writes around a message, and how a connection is opened in it.

use crate::frame::{BINARY, TEXT};
use crate::payload::{Label, Payloads};

/// A protocol of ours or of a peer; all but TCP over WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// Nothing but the messages, each of the length that was agreed on before
    Tcp,
    /// A message is a text
    Websocket,
    /// The subprotocol omniwire.json.v1
    Envelope,
    /// Socket.IO 5 on Engine.IO 4
    Socketio,
    SignalrJson,
    SignalrMessagepack,
    Sockjs,
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// It is to come back: an acknowledgement, a completion, a reply.
    Echo,
    /// All of the sender's room are to hear it.
    Room,
}

/// Where a message stands in what surrounds it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Around {
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

impl Around {
    fn new(before: impl Into<Vec<u8>>, after: impl Into<Vec<u8>>) -> Self {
        Self { before: before.into(), after: after.into() }
    }

    /// What it surrounds here.
    pub(crate) fn strip<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        unit.strip_prefix(&self.before[..])?.strip_suffix(&self.after[..])
    }
}

/// One thing to do until a connection is open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Says these octets as they are.
    Say(Vec<u8>),
    /// Says them in a text frame.
    SayText(&'static str),
    /// Waits for `ok` and a line end.
    AwaitOk,
    /// Waits for the answer to the WebSocket's handshake.
    AwaitUpgrade,
    /// Waits for a frame that begins like this.
    AwaitFrame(&'static str),
}

/// Ends each of SignalR's JSON records.
const RECORD_END: char = '\x1e';

impl Protocol {
    /// What opens connection `index` at a path; the servers put it into the room of the query, or
    /// of the path.
    pub(crate) fn opening(self, host: &str, path: &str, index: usize, offer: &str) -> Vec<Step> {
        if self == Self::Tcp {
            return vec![Step::Say(format!("{path}\n").into()), Step::AwaitOk];
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = match self {
            Self::Sockjs => format!("{path}/000/c{index:08}/websocket?{query}"),
            Self::Socketio => format!("{path}/?EIO=4&transport=websocket&{query}"),
            _ if query.is_empty() => path.to_owned(),
            _ => format!("{path}?{query}"),
        };
        let subprotocol = match self {
            Self::Envelope => "Sec-WebSocket-Protocol: omniwire.json.v1\r\n",
            _ => "",
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             {subprotocol}{offer}\r\n"
        );
        let mut steps = vec![Step::Say(request.into()), Step::AwaitUpgrade];
        steps.extend(match self {
            Self::Tcp | Self::Websocket => vec![],
            Self::Envelope => vec![Step::AwaitFrame("{\"open\"")],
            Self::Socketio => {
                vec![Step::AwaitFrame("0{"), Step::SayText("40"), Step::AwaitFrame("40{")]
            }
            Self::SignalrJson => vec![
                Step::SayText("{\"protocol\":\"json\",\"version\":1}\x1e"),
                Step::AwaitFrame("{}"),
            ],
            Self::SignalrMessagepack => vec![
                Step::SayText("{\"protocol\":\"messagepack\",\"version\":1}\x1e"),
                Step::AwaitFrame("{}"),
            ],
            Self::Sockjs => vec![Step::AwaitFrame("o")],
        });
        steps
    }

    /// The first octet of the frames that a client sends.
    pub(crate) fn opcode(self) -> u8 {
        if self == Self::SignalrMessagepack { BINARY } else { TEXT }
    }

    /// What a client writes around a message of this length; `id` is this message's own.
    pub(crate) fn says(self, to: To, id: u64, len: usize) -> Around {
        match (self, to) {
            (Self::Tcp | Self::Websocket, _) => Around::default(),
            (Self::Sockjs, _) => Around::new("[\"", "\"]"),
            (Self::Envelope, To::Echo) => {
                Around::new("{\"event\":\"echo\",\"args\":[\"", format!("\"],\"id\":{id}}}"))
            }
            (Self::Envelope, To::Room) => Around::new("{\"event\":\"say\",\"args\":[\"", "\"]}"),
            (Self::Socketio, To::Echo) => Around::new(format!("42{id}[\"echo\",\""), "\"]"),
            (Self::Socketio, To::Room) => Around::new("42[\"say\",\"", "\"]"),
            (Self::SignalrJson, To::Echo) => Around::new(
                format!(
                    "{{\"type\":1,\"invocationId\":\"{id}\",\"target\":\"echo\",\"arguments\":[\""
                ),
                format!("\"]}}{RECORD_END}"),
            ),
            (Self::SignalrJson, To::Room) => invocation("say"),
            (Self::SignalrMessagepack, To::Echo) => {
                let mut body = vec![0x95, 1, 0x80];
                push_text_head(&mut body, id.to_string().as_bytes());
                body.extend_from_slice(b"\xa4echo\x91");
                record(body, len, b"")
            }
            (Self::SignalrMessagepack, To::Room) => {
                record(b"\x95\x01\x80\xc0\xa3say\x91".into(), len, b"")
            }
        }
    }

    /// What a server is to write around it: the answer to an echo, or the word to a room.
    pub(crate) fn hears(self, to: To, id: u64, len: usize) -> Around {
        match (self, to) {
            (Self::Tcp | Self::Websocket | Self::Sockjs, _) => Around::default(),
            (Self::Envelope, To::Echo) => {
                Around::new(format!("{{\"reply\":{id},\"result\":\""), "\"}")
            }
            (Self::Envelope, To::Room) => Around::new("{\"event\":\"said\",\"args\":[\"", "\"]}"),
            (Self::Socketio, To::Echo) => Around::new(format!("43{id}[\""), "\"]"),
            (Self::Socketio, To::Room) => Around::new("42[\"said\",\"", "\"]"),
            (Self::SignalrJson, To::Echo) => Around::new(
                format!("{{\"type\":3,\"invocationId\":\"{id}\",\"result\":\""),
                format!("\"}}{RECORD_END}"),
            ),
            (Self::SignalrJson, To::Room) => invocation("said"),
            (Self::SignalrMessagepack, To::Echo) => {
                let mut body = vec![0x95, 3, 0x80];
                push_text_head(&mut body, id.to_string().as_bytes());
                body.push(3);
                record(body, len, b"")
            }
            (Self::SignalrMessagepack, To::Room) => {
                // It ends in its list of streams, which is empty.
                record(b"\x96\x01\x80\xc0\xa4said\x91".into(), len, b"\x90")
            }
        }
    }

    /// Appends a message as this protocol's clients send it, frame and all.
    pub(crate) fn write(self, out: &mut Vec<u8>, to: To, payloads: &Payloads, label: Label) {
        if self == Self::Tcp {
            return payloads.write(out, label);
        }
        let around = self.says(to, label.sequence, payloads.len());
        let len = around.before.len() + payloads.len() + around.after.len();
        crate::frame::write(out, self.opcode(), len, |out| {
            out.extend_from_slice(&around.before);
            payloads.write(out, label);
            out.extend_from_slice(&around.after);
        });
    }

    /// Cuts what one frame brought into messages.
    pub(crate) fn each_unit<E>(
        self,
        mut payload: &[u8],
        mut unit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::SignalrJson => {
                payload.split_inclusive(|&c| c == RECORD_END as u8).try_for_each(unit)
            }
            Self::SignalrMessagepack => {
                while let Some((len, head_len)) = varint(payload) {
                    let (record, rest) = payload.split_at(payload.len().min(head_len + len));
                    unit(record)?;
                    payload = rest;
                }
                Ok(())
            }
            Self::Sockjs => {
                let inner =
                    payload.strip_prefix(b"a[\"").and_then(|rest| rest.strip_suffix(b"\"]"));
                let Some(mut inner) = inner else { return unit(payload) };
                // No message of ours has a quote in it.
                while let Some(at) = inner.windows(3).position(|three| three == b"\",\"") {
                    unit(&inner[..at])?;
                    inner = &inner[at + 3..];
                }
                unit(inner)
            }
            _ => unit(payload),
        }
    }

    /// Whether a unit is a sign of life that asks for nothing, and what to answer if it does.
    pub(crate) fn heartbeat(self, unit: &[u8]) -> Option<&'static [u8]> {
        match self {
            Self::Socketio if unit == b"2" => Some(b"3"),
            Self::SignalrJson if unit == b"{\"type\":6}\x1e" => Some(b""),
            Self::SignalrMessagepack if unit == b"\x02\x91\x06" => Some(b""),
            Self::Sockjs if unit == b"h" => Some(b""),
            _ => None,
        }
    }
}

fn invocation(target: &str) -> Around {
    Around::new(
        format!("{{\"type\":1,\"target\":\"{target}\",\"arguments\":[\""),
        format!("\"]}}{RECORD_END}"),
    )
}

/// A record of SignalR's MessagePack with a text of `len` octets between these two.
fn record(mut body: Vec<u8>, len: usize, after: &[u8]) -> Around {
    match len {
        0..=31 => body.push(0xa0 | len as u8),
        32..=0xff => body.extend_from_slice(&[0xd9, len as u8]),
        256..=0xffff => {
            body.push(0xda);
            body.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            body.push(0xdb);
            body.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    let mut before = Vec::new();
    let mut rest = body.len() + len + after.len();
    while rest > 0x7f {
        before.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    before.push(rest as u8);
    before.extend_from_slice(&body);
    Around::new(before, after)
}

/// A short text of MessagePack.
fn push_text_head(body: &mut Vec<u8>, text: &[u8]) {
    body.push(0xa0 | text.len() as u8);
    body.extend_from_slice(text);
}

/// A record's length, and the octets that say it.
fn varint(octets: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (at, octet) in octets.iter().take(5).enumerate() {
        len |= usize::from(octet & 0x7f) << (7 * at);
        if octet & 0x80 == 0 {
            return Some((len, at + 1));
        }
    }
    None
}

/// The example of RFC 6455, 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[cfg(test)]
mod tests {
    use super::*;

    fn units(protocol: Protocol, payload: &[u8]) -> Vec<String> {
        let mut units = Vec::new();
        let each = |unit: &[u8]| {
            units.push(String::from_utf8_lossy(unit).into_owned());
            Ok::<_, ()>(())
        };
        protocol.each_unit(payload, each).unwrap();
        units
    }

    #[test]
    fn frames_that_hold_many_messages_are_cut() {
        assert_eq!(units(Protocol::Sockjs, br#"a["one, two","three"]"#), ["one, two", "three"]);
        assert_eq!(units(Protocol::Sockjs, b"h"), ["h"]);
        assert_eq!(units(Protocol::SignalrJson, b"{}\x1e{1}\x1e"), ["{}\x1e", "{1}\x1e"]);
        assert_eq!(units(Protocol::SignalrMessagepack, b"\x02ab\x01c"), ["\x02ab", "\x01c"]);
        assert_eq!(units(Protocol::Websocket, b"one"), ["one"]);
    }

    #[test]
    fn signalr_in_messagepack_is_as_its_specification_writes_it() {
        let around = Protocol::SignalrMessagepack.says(To::Echo, 7, 5);
        assert_eq!(around.before, b"\x11\x95\x01\x80\xa17\xa4echo\x91\xa5");
        let long = Protocol::SignalrMessagepack.hears(To::Echo, 12, 300);
        assert_eq!(long.before, b"\xb6\x02\x95\x03\x80\xa212\x03\xda\x01\x2c");
        let said = Protocol::SignalrMessagepack.hears(To::Room, 0, 2);
        assert_eq!(said.before, b"\x0e\x96\x01\x80\xc0\xa4said\x91\xa2");
        assert_eq!(said.after, b"\x90");
    }

    #[test]
    fn what_surrounds_a_message_is_stripped_whole() {
        let around = Protocol::Socketio.hears(To::Echo, 3, 2);
        assert_eq!(around.strip(b"433[\"hi\"]"), Some(&b"hi"[..]));
        assert_eq!(around.strip(b"434[\"hi\"]"), None);
        assert_eq!(around.strip(b"433[\"hi\"],"), None);
    }
}
