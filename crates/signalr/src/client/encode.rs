//! What a client says, in either encoding (`HubProtocol.md`, "Message Types").

use crate::handshake::Version;
use crate::message::{Protocol, kind};
use crate::{msgpack, wire};
use bytes::BytesMut;
use omniwire_msgpack::{Dialect, encode};
use omniwire_session::{Args, Encoding, Frame, Kind, Prepared, json};

/// `Invocation` or `StreamInvocation`.
#[derive(Debug)]
pub(super) struct Invocation<'a> {
    pub(super) target: &'a str,
    pub(super) args: &'a Args,
    /// How the answer is to be named.
    pub(super) id: Option<&'a str>,
    /// The stream that goes along.
    pub(super) stream: Option<&'a str>,
    /// Whether the answer is to be a stream.
    pub(super) wants_stream: bool,
}

impl Protocol {
    /// Its name in the handshake.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }

    /// How its records travel.
    pub fn kind(self) -> Kind {
        match self {
            Self::Json => Kind::Text,
            Self::MessagePack => Kind::Binary,
        }
    }

    fn frame(self, write: impl FnOnce(&mut BytesMut)) -> Option<Frame> {
        let mut encoding = Encoding::with_capacity(0);
        match self {
            Self::Json => {
                let out = encoding.text();
                write(out);
                out.extend_from_slice(b"\x1e");
            }
            Self::MessagePack => msgpack::write_prefixed(encoding.binary(), write),
        }
        match encoding.finish(|_, _, _| 0)? {
            Prepared::One(frame) => Some(frame),
            Prepared::Many(_) => None,
        }
    }

    pub(super) fn invocation(self, what: &Invocation<'_>) -> Option<Frame> {
        let kind = if what.wants_stream { kind::STREAM_INVOCATION } else { kind::INVOCATION };
        self.frame(|out| match self {
            Self::Json => {
                out.extend_from_slice(format!("{{\"type\":{kind}").as_bytes());
                if let Some(id) = what.id {
                    wire::write_head(out, b",\"invocationId\":", id);
                }
                wire::write_head(out, b",\"target\":", what.target);
                out.extend_from_slice(b",\"arguments\":[");
                what.args.write_base64(out);
                out.extend_from_slice(b"]");
                if let Some(stream) = what.stream {
                    wire::write_head(out, b",\"streamIds\":[", stream);
                    out.extend_from_slice(b"]");
                }
                out.extend_from_slice(b"}");
            }
            Self::MessagePack => {
                encode::array(out, 6);
                encode::uint(out, kind.unsigned_abs().into());
                encode::map(out, 0);
                match what.id {
                    Some(id) => encode::text(out, id),
                    None => encode::nil(out),
                }
                encode::text(out, what.target);
                encode::array(out, what.args.len());
                encode::values(out, what.args, Dialect::Standard);
                encode::array(out, what.stream.iter().count());
                what.stream.iter().for_each(|stream| encode::text(out, stream));
            }
        })
    }

    pub(super) fn item(self, id: &str, item: &Args) -> Option<Frame> {
        self.frame(|out| match self {
            Self::Json => {
                wire::write_head(out, b"{\"type\":2,\"invocationId\":", id);
                wire::write_member(out, b",\"item\":", item);
                out.extend_from_slice(b"}");
            }
            Self::MessagePack => {
                msgpack::write_head(out, 4, 2, id);
                encode::one_value(out, item, Dialect::Standard);
            }
        })
    }

    /// A completion: of a stream that was sent (`None`: it ended well), or of what was asked.
    pub(super) fn completion(
        self,
        id: &str,
        outcome: Option<Result<&Args, &str>>,
    ) -> Option<Frame> {
        self.frame(|out| match self {
            Self::Json => {
                wire::write_head(out, b"{\"type\":3,\"invocationId\":", id);
                match outcome {
                    Some(Ok(result)) => wire::write_member(out, b",\"result\":", result),
                    Some(Err(error)) => wire::write_error(out, error),
                    None => {}
                }
                out.extend_from_slice(b"}");
            }
            Self::MessagePack => match outcome {
                Some(Ok(result)) => {
                    msgpack::write_completion(out, id, msgpack::RESULT);
                    encode::one_value(out, result, Dialect::Standard);
                }
                Some(Err(error)) => {
                    msgpack::write_completion(out, id, msgpack::ERROR);
                    encode::text(out, error);
                }
                None => msgpack::write_completion(out, id, msgpack::VOID),
            },
        })
    }

    pub(super) fn cancel(self, id: &str) -> Option<Frame> {
        self.frame(|out| match self {
            Self::Json => {
                wire::write_head(out, b"{\"type\":5,\"invocationId\":", id);
                out.extend_from_slice(b"}");
            }
            Self::MessagePack => msgpack::write_head(out, 3, 5, id),
        })
    }
}

/// The first record, in JSON whatever the protocol.
pub(super) fn handshake(protocol: Protocol, version: Version) -> String {
    let version = if version == Version::V2 { 2 } else { 1 };
    format!("{{\"protocol\":{},\"version\":{version}}}\u{1e}", json::quote(protocol.name()))
}
