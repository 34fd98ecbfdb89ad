//! Puts packets together from the messages that carry them: a text, and as many binary messages
//! as it announces; or, in MessagePack, one binary message.

use crate::packet::{self, Body, Invalid, Packet};
use crate::{Config, Parser, msgpack, placeholder};
use bytes::Bytes;
use omniwire_session::Message;

/// Reads packets out of one client's messages.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
}

/// A packet whose attachments have not all come.
#[derive(Debug)]
struct Partial {
    packet: Packet,
    count: usize,
    attachments: Vec<Bytes>,
    /// Bytes that have come.
    len: usize,
}

impl Decoder {
    /// Takes a message; returns the packet that it completes.
    ///
    /// # Errors
    /// The message is no packet, or not the one that had to come.
    pub fn add(&mut self, config: &Config, message: Message) -> Result<Option<Packet>, Invalid> {
        if config.parser == Parser::MsgPack {
            return match message {
                Message::Binary(bytes) => msgpack::decode(&bytes).map(Some),
                Message::Text(_) => Err(Invalid("text where MessagePack is spoken")),
            };
        }
        match (message, &mut self.partial) {
            (Message::Text(text), None) => {
                let (packet, count) = packet::decode(&text, config.attachments_max)?;
                if count == 0 {
                    return Ok(Some(packet));
                }
                let attachments = Vec::with_capacity(count);
                let len = text.len();
                self.partial = Some(Box::new(Partial { packet, count, attachments, len }));
                Ok(None)
            }
            (Message::Binary(bytes), Some(partial)) => {
                partial.len = partial.len.saturating_add(bytes.len());
                partial.attachments.push(bytes);
                if partial.attachments.len() < partial.count {
                    return Ok(None);
                }
                let attached_len_max = config.attached_len_max();
                let whole = self.partial.take().map(|partial| partial.complete(attached_len_max));
                whole.transpose()
            }
            (Message::Text(_), Some(_)) => Err(Invalid("text where an attachment is due")),
            (Message::Binary(_), None) => Err(Invalid("binary where no attachment is due")),
        }
    }

    /// Bytes that have come of a packet that is not complete.
    pub fn held_len(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.len)
    }
}

impl Partial {
    fn complete(mut self, attached_len_max: usize) -> Result<Packet, Invalid> {
        if let Body::Event { args, .. } | Body::Ack { args, .. } = &mut self.packet.body {
            *args = placeholder::fill(args, &self.attachments, attached_len_max)?;
        }
        Ok(self.packet)
    }
}

#[cfg(test)]
mod tests;
