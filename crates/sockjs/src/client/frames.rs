//! Cuts the bodies of answers into frames.

use super::Transport;
use memchr::memchr2;

/// A line of an answer is longer than [`Frames::new`] was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Takes the bytes of one answer as they come, and gives the frames in them.
#[derive(Debug)]
pub struct Frames {
    is_event_stream: bool,
    /// Bytes of one line at most.
    len_max: usize,
    /// A line that is not whole.
    line: Vec<u8>,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The data of an event that is not whole.
    data: Option<String>,
}

impl Frames {
    /// For an answer that comes by this transport.
    pub fn new(transport: Transport, len_max: usize) -> Self {
        let is_event_stream = transport == Transport::EventSource;
        Self { is_event_stream, len_max, line: Vec::new(), after_cr: false, data: None }
    }

    /// The frames that these bytes complete.
    ///
    /// # Errors
    /// A line is too long.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut frames = Vec::new();
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            let (line, rest) = bytes.split_at(end);
            self.hold(line)?;
            let line = String::from_utf8_lossy(&self.line).into_owned();
            self.line.clear();
            frames.extend(self.take_line(line));
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.hold(bytes)?;
        Ok(frames)
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if bytes.len() > self.len_max.saturating_sub(self.line.len()) {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn take_line(&mut self, line: String) -> Option<String> {
        if !self.is_event_stream {
            return Some(line).filter(|line| !line.is_empty());
        }
        if line.is_empty() {
            return self.data.take().map(|data| decode_uri(&data));
        }
        // WHATWG HTML, 9.2.6: one space behind the colon belongs to neither.
        if let Some(value) = line.strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        None
    }
}

/// What JavaScript's `decodeURI` makes of it: all escapes but those of reserved characters. What
/// that would refuse stays as it is.
fn decode_uri(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
            && let octet = high << 4 | low
            && !b";/?:@&=+$,#".contains(&octet)
        {
            decoded.push(octet);
            rest = after;
        } else {
            decoded.push(*first);
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
