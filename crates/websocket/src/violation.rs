//! What a peer can do wrong.

use crate::CloseCode;

/// The peer broke a rule: the connection must be failed (RFC 6455 section 7.1.7) with this code.
///
/// It is small and static, so that a hostile peer cannot make it cost anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({})", u16::from(*code))]
pub struct Violation {
    code: CloseCode,
    reason: &'static str,
}

impl Violation {
    /// The close code to send.
    #[must_use]
    pub const fn code(self) -> CloseCode {
        self.code
    }

    /// One sentence for the Close frame's reason and the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.reason
    }

    const fn protocol(reason: &'static str) -> Self {
        Self { code: CloseCode::Protocol, reason }
    }

    pub(crate) const RESERVED_BITS: Self = Self::protocol("A reserved bit is set.");
    pub(crate) const UNKNOWN_OPCODE: Self = Self::protocol("The opcode is unknown.");
    pub(crate) const UNMASKED: Self = Self::protocol("A client's frame is not masked.");
    pub(crate) const MASKED: Self = Self::protocol("A server's frame is masked.");
    pub(crate) const LENGTH_NOT_MINIMAL: Self =
        Self::protocol("The length is not in its shortest form.");
    pub(crate) const LENGTH_TOP_BIT: Self = Self::protocol("The length has its top bit set.");
    pub(crate) const CONTROL_FRAGMENTED: Self = Self::protocol("A control frame is fragmented.");
    pub(crate) const CONTROL_TOO_LONG: Self =
        Self::protocol("A control frame has more than 125 octets.");
    pub(crate) const NOTHING_TO_CONTINUE: Self =
        Self::protocol("A continuation without a message to continue.");
    pub(crate) const MESSAGE_UNFINISHED: Self =
        Self::protocol("A new message before the last one ended.");
    pub(crate) const BAD_CLOSE_PAYLOAD: Self = Self::protocol("A Close with half a code.");
    pub(crate) const BAD_CLOSE_CODE: Self = Self::protocol("A close code that may not be sent.");
    pub(crate) const INVALID_UTF8: Self =
        Self { code: CloseCode::InvalidPayload, reason: "The text is not valid UTF-8." };
    pub(crate) const BAD_DEFLATE: Self =
        Self { code: CloseCode::InvalidPayload, reason: "The compressed data is broken." };
    pub(crate) const FRAME_TOO_BIG: Self =
        Self { code: CloseCode::TooBig, reason: "The frame is too big." };
    pub(crate) const MESSAGE_TOO_BIG: Self =
        Self { code: CloseCode::TooBig, reason: "The message is too big." };
    pub(crate) const TOO_MANY_FRAGMENTS: Self =
        Self { code: CloseCode::Policy, reason: "The message has too many fragments." };
}
