//! Cutting an event stream into the data of its events (WHATWG HTML, section 9.2.6), of which a
//! hub uses no other field.

use bytes::{Bytes, BytesMut};

/// Bytes on their way to becoming events.
#[derive(Debug, Default)]
pub struct EventStream {
    /// A line whose end has not come.
    line: BytesMut,
    /// The data lines of the event under way, each with a line feed behind it.
    data: BytesMut,
    /// The last byte was the CR of a line's end: a LF belongs to it.
    after_cr: bool,
}

/// An event has more bytes than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTooLong;

impl EventStream {
    /// The data of the events that end within `bytes`.
    ///
    /// # Errors
    /// An event is longer than `len_max`.
    pub fn take(&mut self, bytes: &[u8], len_max: usize) -> Result<Vec<Bytes>, EventTooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if follows_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                byte => self.line.extend_from_slice(&[byte]),
            }
            if self.line.len().saturating_add(self.data.len()) > len_max {
                return Err(EventTooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Bytes> {
        let line = self.line.split();
        if line.is_empty() {
            let mut data = self.data.split();
            // The last line feed is not part of it.
            data.truncate(data.len().saturating_sub(1));
            return (!data.is_empty()).then(|| data.freeze());
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            self.data.extend_from_slice(b"\n");
        }
        None
    }
}
