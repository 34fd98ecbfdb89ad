//! One message for many connections.

use bytes::{Bytes, BytesMut};

use crate::Message;
use crate::deflate::{Shared, fan_out};
use crate::frame::{Header, encode};

/// One message of a server, encoded once and shared by any number of connections: cloning counts
/// references. Send it by `send_prepared` or queue it by [`crate::Connection::queue_prepared`].
///
/// It may hold a compressed form beside the plain one. That one stands alone, so it goes to every
/// connection whose [`crate::Connection::shared_compression`] it was made with; all others get the
/// plain form, which is always legal (RFC 7692 section 6).
///
/// ```
/// use omniwire_websocket::deflate::Shared;
/// use omniwire_websocket::{Connection, Limits, Message, PreparedMessage};
///
/// let news = PreparedMessage::compressed(Message::text("news ".repeat(99)), Shared::new(15, 3));
/// let mut connections = [(); 3].map(|()| Connection::server(Limits::default(), None));
/// for connection in &mut connections {
///     connection.queue_prepared(&news);
///     assert_eq!(connection.buffered_amount(), 4 + 5 * 99); // none of them has agreed to deflate
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedMessage {
    frame: Bytes,
    compressed: Option<(Shared, Bytes)>,
}

impl PreparedMessage {
    /// Encodes a message as it is.
    #[must_use]
    pub fn new(message: Message) -> Self {
        let opcode = message.opcode();
        let payload = message.into_payload();
        let mut out = BytesMut::new();
        encode(&mut out, Header::whole(opcode, payload.len()), &payload);
        Self { frame: out.freeze(), compressed: None }
    }

    /// The same, and for connections that share this compression a compressed form, if it is any
    /// shorter. Control frames are never compressed (RFC 7692 section 6).
    #[must_use]
    pub fn compressed(message: Message, shared: Shared) -> Self {
        let opcode = message.opcode();
        let compressed = match &message {
            Message::Text(text) => fan_out::compress(text.as_bytes(), opcode, shared, false),
            Message::Binary(data) => fan_out::compress(data, opcode, shared, false),
            _ => None,
        };
        Self { compressed: compressed.map(|frame| (shared, frame)), ..Self::new(message) }
    }

    /// The octets of the plain frame.
    #[must_use]
    pub const fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The octets of the compressed frame, with the compression it was made by.
    #[must_use]
    pub const fn compressed_frame(&self) -> Option<&(Shared, Bytes)> {
        self.compressed.as_ref()
    }
}

#[cfg(test)]
mod tests;
