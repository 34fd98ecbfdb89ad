//! Hub messages in MessagePack (`HubProtocol.md`, "MessagePack Encoding").

use crate::message::{HubMessage, Malformed};
use bytes::{Bytes, BytesMut};
use omniwire_session::Outgoing;

pub(crate) fn decode(_record: Bytes) -> Result<HubMessage, Malformed> {
    Err(Malformed("soon"))
}
pub(crate) fn write(_out: &mut BytesMut, _what: Outgoing<'_>) {}
pub(crate) fn write_close(_out: &mut BytesMut, _error: Option<&str>, _allow_reconnect: bool) {}
