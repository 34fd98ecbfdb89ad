//! The peer broke the rules.

use bytestring::ByteString;
use std::fmt;

/// A rule of the protocol that the peer broke, and how the request or message that broke it is
/// refused. It never means a failure of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status, where the offender was a request.
    pub status: u16,
    /// `Content-Type` of the answer, where the offender was a request.
    pub content_type: &'static str,
    /// The answer's body, and the reason written to the log; in the protocol's own words.
    pub text: ByteString,
}

impl Fault {
    /// A fault that answers a request with `status` and `text` as plain text.
    pub fn new(status: u16, text: impl Into<ByteString>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", text: text.into() }
    }

    /// A fault that answers a request with 400.
    pub fn bad_request(text: impl Into<ByteString>) -> Self {
        Self::new(400, text)
    }

    /// The same fault with a JSON body.
    #[must_use]
    pub fn json(mut self) -> Self {
        self.content_type = "application/json";
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}
