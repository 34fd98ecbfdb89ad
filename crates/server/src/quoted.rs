//! What a peer said, as it may stand in a log: on one line, and not long.

use std::fmt::{self, Write as _};

/// Shows a text in quotes, with control characters escaped, and no more than its beginning: a peer
/// can neither forge a line of the log nor fill it.
#[derive(Clone, Copy)]
pub(crate) struct Quoted<'a>(&'a [u8]);

pub(crate) fn quoted<T: AsRef<[u8]> + ?Sized>(text: &T) -> Quoted<'_> {
    Quoted(text.as_ref())
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..LEN_MAX).unwrap_or(self.0);
        f.write_char('"')?;
        for chunk in shown.utf8_chunks() {
            write!(f, "{}", chunk.valid().escape_debug())?;
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        f.write_char('"')?;
        match self.0.len().saturating_sub(LEN_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Octets of one text.
const LEN_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_peer_says_ends_the_line_or_colours_it() {
        let forged = "a\r\n2026 ERROR \u{1b}[31m\u{0}\u{85}\u{2028}\"";
        let shown = quoted(forged).to_string();
        assert!(!shown.contains(['\n', '\r', '\u{1b}', '\0', '\u{85}', '\u{2028}']), "{shown}");
        assert!(shown.starts_with("\"a\\r\\n2026"), "{shown}");
        assert_eq!(quoted(b"\xff\n").to_string(), "\"\\xff\\n\"");
    }

    #[test]
    fn what_is_long_is_cut() {
        let shown = quoted(&"x".repeat(10_000)).to_string();
        assert!(shown.ends_with("\" and 9744 more") && shown.len() < 300, "{shown}");
    }
}
