//! What a poll's answer ends with, and the next poll says back.

use crate::Places;
use std::fmt;

/// `TOKEN.NUMBER`, and behind a `~` the client's places, if there are any: they let it go on when
/// its session is over. For clients it is opaque, and needs no escapes in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<'a, P = &'a Places> {
    /// The session.
    pub token: &'a str,
    /// Of the answers that the session has given, this was the how-manyth; 0 before the first.
    pub number: u64,
    /// Where the client stands after that answer.
    pub places: P,
}

impl<'a> Cursor<'a, Places> {
    /// Reads what a client says. `None`: it is no cursor.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (answer, places) = text.split_once('~').unwrap_or((text, ""));
        let (token, number) = answer.rsplit_once('.')?;
        let places = Places::parse(places)?;
        Some(Self { token, number: number.parse().ok()?, places })
    }
}

impl fmt::Display for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.token, self.number)?;
        match self.places.is_empty() {
            true => Ok(()),
            false => write!(f, "~{}", self.places),
        }
    }
}

#[cfg(test)]
mod tests;
