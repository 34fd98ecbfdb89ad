//! Where a client stands in the recoverable rooms it hears: what an `EventSource` says back as
//! `Last-Event-ID`, and what a poll's cursor carries.
//!
//! As text, each place is `EPOCH.OFFSET.ROOM`, and several are separated by `~`. In a room's name
//! all but ASCII letters, digits and `-` stands as `_` and two hexadecimal digits for each octet,
//! so that the text needs no escapes in a header, a URL or JSON. For clients it is opaque.

use omniwire_session::{ByteString, Place, Position, json};
use std::fmt;

/// One place for each room, those that moved last at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(Vec<(ByteString, Position)>);

impl Places {
    /// Reads the text that [`fmt::Display`] wrote. `None`: it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut places = Self::default();
        for text in text.split('~').filter(|text| !text.is_empty()) {
            let (room, position) = read_place(text)?;
            places.set(room, position);
        }
        Some(places)
    }

    /// Where it stands in this room.
    pub fn get(&self, room: &str) -> Option<Position> {
        self.0.iter().find(|(name, _)| name == room).map(|(_, position)| *position)
    }

    /// The same; it is then no longer among them.
    pub fn take(&mut self, room: &str) -> Option<Position> {
        let index = self.0.iter().position(|(name, _)| name == room)?;
        Some(self.0.remove(index).1)
    }

    /// The rooms.
    pub fn rooms(&self) -> impl Iterator<Item = &ByteString> {
        self.0.iter().map(|(room, _)| room)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Moves on in a room. Of too many rooms, the one that moved longest ago is dropped: a client
    /// that comes back is told that it can't go on there.
    pub(crate) fn set(&mut self, room: ByteString, position: Position) {
        if let [(only, at)] = self.0.as_mut_slice()
            && *only == room
        {
            *at = position;
            return;
        }
        self.take(&room);
        if self.0.len() == PLACES_MAX {
            self.0.remove(0);
        }
        self.0.push((room, position));
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (room, position)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("~")?;
            }
            write_place(f, Place { room, position: *position })?;
        }
        Ok(())
    }
}

/// Writes one place.
pub(crate) fn write_place(out: &mut impl fmt::Write, place: Place<'_>) -> fmt::Result {
    let Place { room, position: Position { epoch, offset } } = place;
    write!(out, "{epoch}.{offset}.")?;
    for byte in room.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => out.write_char(char::from(byte))?,
            _ => write!(out, "_{byte:02x}")?,
        }
    }
    Ok(())
}

/// Reads one place.
pub(crate) fn read_place(text: &str) -> Option<(ByteString, Position)> {
    let mut parts = text.splitn(3, '.');
    let epoch = parts.next()?.parse().ok()?;
    let offset = parts.next()?.parse().ok()?;
    let mut escaped = parts.next()?.split('_');
    let mut name = escaped.next()?.as_bytes().to_vec();
    for part in escaped {
        let (code, plain) = part.split_at_checked(2)?;
        name.push(u8::from_str_radix(code, 16).ok()?);
        name.extend_from_slice(plain.as_bytes());
    }
    let room = String::from_utf8(name).ok()?;
    Some((room.into(), Position { epoch, offset }))
}

/// The place at the end of an envelope that [`crate::envelope`] wrote:
/// `..,"room":"R","offset":N,"epoch":N}`. Quotes within strings are escaped and a string ends with
/// one, so nothing but these three members of the envelope itself can look like this.
pub(crate) fn of_envelope(envelope: &[u8]) -> Option<(ByteString, Position)> {
    let text = std::str::from_utf8(envelope).ok()?.strip_suffix('}')?;
    let (rest, epoch) = text.rsplit_once(",\"epoch\":")?;
    let position = |epoch: &str, offset: &str| {
        Some(Position { epoch: epoch.parse().ok()?, offset: offset.parse().ok()? })
    };
    let (rest, offset) = rest.rsplit_once(",\"offset\":")?;
    let position = position(epoch, offset)?;
    let (_, quoted) = rest.rsplit_once(",\"room\":\"")?;
    let quoted = rest.get(rest.len().checked_sub(quoted.len())?.checked_sub(1)?..)?;
    Some((json::unescape(quoted)?.into_owned().into(), position))
}

/// Rooms that one client may go on in: what names them must fit into a header.
pub const PLACES_MAX: usize = 32;

#[cfg(test)]
mod tests;
