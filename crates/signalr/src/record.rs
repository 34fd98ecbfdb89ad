//! Cutting what comes in into records, which may span frames or share them.
//!
//! JSON records end with 0x1E (`HubProtocol.md`, "JSON Encoding"); MessagePack ones begin with
//! their length ("MessagePack Encoding", "Framing").

use bytes::{Bytes, BytesMut};

/// Ends a JSON record, and the handshake's.
pub(crate) const SEPARATOR: u8 = 0x1e;

/// How records are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Each ends with [`SEPARATOR`].
    Separated,
    /// Each begins with its length.
    Prefixed,
}

/// Why there can be no next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordError {
    /// It is over the size limit.
    TooLong,
    /// Its length prefix is none.
    BadPrefix,
}

/// Bytes on their way to becoming records.
#[derive(Debug)]
pub(crate) struct Records {
    framing: Framing,
    len_max: usize,
    /// The beginning of a record whose end has not come, if there is one.
    partial: Option<Box<BytesMut>>,
    /// What nobody has looked at.
    pending: Bytes,
}

impl Records {
    /// No bytes yet. A record counts with its separator or its prefix.
    pub(crate) fn new(len_max: usize) -> Self {
        Self { framing: Framing::Separated, len_max, partial: None, pending: Bytes::new() }
    }

    /// How the records from here on are told apart.
    pub(crate) fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    fn partial_len(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.len())
    }

    /// How many bytes wait to become records.
    pub(crate) fn waiting_len(&self) -> usize {
        self.partial_len().saturating_add(self.pending.len())
    }

    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if self.pending.is_empty() {
            self.pending = bytes;
            return;
        }
        // What is our own grows in place: many short pieces cost what they are long.
        let mut pending = match std::mem::take(&mut self.pending).try_into_mut() {
            Ok(pending) => pending,
            Err(shared) => BytesMut::from(&*shared),
        };
        pending.extend_from_slice(&bytes);
        self.pending = pending.freeze();
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.partial = None;
        self.pending = Bytes::new();
    }

    /// The next whole record, without its separator or prefix. A slice of what was pushed, unless
    /// it came in parts.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, RecordError> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        match self.framing {
            Framing::Separated => self.next_separated(),
            Framing::Prefixed => self.next_prefixed(),
        }
    }

    fn next_separated(&mut self) -> Result<Option<Bytes>, RecordError> {
        let Some(end) = memchr::memchr(SEPARATOR, &self.pending) else { return self.set_aside() };
        let len = end.saturating_add(1);
        if self.partial_len().saturating_add(len) > self.len_max {
            return Err(RecordError::TooLong);
        }
        let mut record = self.take(len);
        record.truncate(record.len().saturating_sub(1));
        Ok(Some(record))
    }

    fn next_prefixed(&mut self) -> Result<Option<Bytes>, RecordError> {
        let Some((prefix_len, len)) = self.prefix()? else { return self.set_aside() };
        let total = prefix_len.saturating_add(len);
        if total > self.len_max {
            return Err(RecordError::TooLong);
        }
        if self.waiting_len() < total {
            return self.set_aside();
        }
        let mut record = self.take(total.saturating_sub(self.partial_len()));
        Ok(Some(record.split_off(prefix_len)))
    }

    /// The length of the prefix, and what it says. `None` if it is not whole.
    fn prefix(&self) -> Result<Option<(usize, usize)>, RecordError> {
        let bytes =
            self.partial.iter().flat_map(|partial| partial.iter()).chain(self.pending.iter());
        let mut len: u64 = 0;
        let shifts = (0..).step_by(7);
        for (prefix_len, (&byte, shift)) in (1..=PREFIX_LEN_MAX).zip(bytes.zip(shifts)) {
            len |= u64::from(byte & 0x7f) << (shift & 63);
            if byte & 0x80 == 0 {
                let len = i32::try_from(len).map_err(|_| RecordError::BadPrefix)?;
                return Ok(Some((prefix_len, len as usize)));
            }
        }
        if self.waiting_len() < PREFIX_LEN_MAX { Ok(None) } else { Err(RecordError::BadPrefix) }
    }

    /// What was set aside and the first `count` bytes that are pending, as one.
    fn take(&mut self, count: usize) -> Bytes {
        let part = self.pending.split_to(count.min(self.pending.len()));
        let Some(mut whole) = self.partial.take() else { return part };
        whole.extend_from_slice(&part);
        whole.freeze()
    }

    /// Keeps an unfinished record until more comes.
    fn set_aside(&mut self) -> Result<Option<Bytes>, RecordError> {
        if self.waiting_len() > self.len_max {
            return Err(RecordError::TooLong);
        }
        let pending = std::mem::take(&mut self.pending);
        self.partial.get_or_insert_default().extend_from_slice(&pending);
        Ok(None)
    }
}

/// Octets of a length prefix: 7 bits each, for at most 2^31 - 1.
const PREFIX_LEN_MAX: usize = 5;

#[cfg(test)]
mod tests;
