//! How a target takes an input apart. Everything is legible in `corpus/`: choices are letters,
//! and what is of any length ends with [`END`].

use bytes::Bytes;
use omniwire_session::ByteString;

/// Ends a part of an input. It is in no UTF-8.
const END: [u8; 2] = [0xff, 0xfe];

/// An input that is read from its front.
#[derive(Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte, if there is one.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next byte, or 0.
    pub(crate) fn choice(&mut self) -> u8 {
        self.byte().unwrap_or_default()
    }

    /// What comes before the next [`END`], or all that is left.
    pub(crate) fn part(&mut self) -> &'a [u8] {
        let end = self.0.windows(END.len()).position(|two| two == END);
        let (part, rest) = match end {
            Some(end) => (&self.0[..end], &self.0[end + END.len()..]),
            None => (self.0, &self.0[self.0.len()..]),
        };
        self.0 = rest;
        part
    }

    /// The next part as text; what is no UTF-8 is replaced.
    pub(crate) fn text(&mut self) -> ByteString {
        text(self.part())
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bytes as text; what is no UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> ByteString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// The input cut in pieces whose lengths the bytes of `cuts` give, again and again.
pub(crate) fn cut(bytes: &[u8], cuts: &[u8]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut pieces = Vec::new();
    let mut lens = cuts.iter().map(|&len| usize::from(len % 32) + 1).cycle();
    while let Some(len) = lens.next().filter(|_| !rest.is_empty()) {
        pieces.push(rest.split_to(len.min(rest.len())));
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}
