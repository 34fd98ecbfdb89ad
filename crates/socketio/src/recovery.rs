//! Connection state recovery: the words by which a client comes back as the one it was.
//!
//! - CONNECT is answered with a secret, `pid`, besides the `sid`.
//! - Each event that a returning client could miss ends with one more argument, a text: its
//!   *offset*. Clients keep the last argument of the last event that they got, if it is a text.
//! - A client that comes back says `{"pid":"...","offset":"..."}` in its CONNECT packet, beside
//!   what the application wants there. What it missed is sent before the answer to CONNECT.
//!
//! <https://socket.io/docs/v4/connection-state-recovery>.

use bytes::BytesMut;
use omniwire_session::{Args, ByteString, Position, Returning, Since, json};

/// Appends an offset as a JSON text.
pub(crate) fn write_offset(out: &mut BytesMut, position: Position) {
    out.extend_from_slice(format!("\"{}\"", offset(position)).as_bytes());
}

/// The offset of a position.
pub(crate) fn offset(Position { epoch, offset }: Position) -> String {
    format!("{epoch:08x}-{offset}")
}

/// What a CONNECT packet's payload says of an earlier connection.
pub(crate) fn returning(auth: &Args) -> Returning {
    let (mut token, mut since) = (None, Since::Entered);
    if memchr::memmem::find(auth.json().as_bytes(), b"pid").is_none() {
        return Returning::New;
    }
    let Ok(members) = json::members(auth.json()) else { return Returning::New };
    for (name, value) in members {
        match (&*name, json::unescape(&value).map(|text| ByteString::from(&*text))) {
            // Of members with the same name, the last counts.
            ("pid", pid) => token = pid,
            ("offset", offset) => since = offset.map_or(Since::Entered, parse),
            _ => {}
        }
    }
    match token {
        Some(token) => Returning::As { token, since },
        None => Returning::New,
    }
}

/// An offset, or whatever else was at the end of the last event.
fn parse(text: ByteString) -> Since {
    let position = text.split_once('-').and_then(|(epoch, offset)| {
        let well_formed = epoch.len() == 8
            && epoch.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && offset.bytes().all(|byte| byte.is_ascii_digit());
        let epoch = u32::from_str_radix(epoch, 16).ok().filter(|_| well_formed)?;
        Some(Position { epoch, offset: offset.parse().ok()? })
    });
    position.map_or(Since::Text(text), Since::Position)
}

#[cfg(test)]
mod tests;
