//! Closing: codes, the Close frame's payload, and who has said goodbye so far
//! (RFC 6455 sections 5.5.1, 7.1 and 7.4).

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Utf8Bytes, Violation};

/// Why a connection is closed (section 7.4 and the IANA registry).
///
/// Three codes are only ever *reported* to the application and never travel: [`NoStatus`],
/// [`Abnormal`] and [`Tls`].
///
/// [`NoStatus`]: CloseCode::NoStatus
/// [`Abnormal`]: CloseCode::Abnormal
/// [`Tls`]: CloseCode::Tls
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 1000: the purpose is fulfilled.
    Normal,
    /// 1001: the server shuts down, or the browser left the page.
    GoingAway,
    /// 1002: a rule of the protocol was broken.
    Protocol,
    /// 1003: a type of data that the endpoint does not take.
    Unsupported,
    /// 1005: the Close had no code. Reported, never sent.
    NoStatus,
    /// 1006: the connection ended without a Close. Reported, never sent.
    Abnormal,
    /// 1007: payload that is not what its type says, such as text that is not UTF-8.
    InvalidPayload,
    /// 1008: a policy was broken, and no other code fits.
    Policy,
    /// 1009: a message too big to take.
    TooBig,
    /// 1010: the client needs an extension that the server did not agree to.
    MandatoryExtension,
    /// 1011: the server met a condition that it did not expect.
    Internal,
    /// 1012: the service restarts; come back after a random delay.
    ServiceRestart,
    /// 1013: the server is overloaded; come back later.
    TryAgainLater,
    /// 1014: a gateway got a bad answer from the server behind it.
    BadGateway,
    /// 1015: the TLS handshake failed. Reported, never sent.
    Tls,
    /// Any other number: 3000 to 3999 are registered by libraries, 4000 to 4999 are private.
    Other(u16),
}

impl CloseCode {
    /// Whether the code may stand in a Close frame (section 7.4): 1000 to 1003, 1007 to 1014, and
    /// 3000 to 4999.
    #[must_use]
    pub fn is_sendable(self) -> bool {
        matches!(u16::from(self), 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        match code {
            1000 => Self::Normal,
            1001 => Self::GoingAway,
            1002 => Self::Protocol,
            1003 => Self::Unsupported,
            1005 => Self::NoStatus,
            1006 => Self::Abnormal,
            1007 => Self::InvalidPayload,
            1008 => Self::Policy,
            1009 => Self::TooBig,
            1010 => Self::MandatoryExtension,
            1011 => Self::Internal,
            1012 => Self::ServiceRestart,
            1013 => Self::TryAgainLater,
            1014 => Self::BadGateway,
            1015 => Self::Tls,
            other => Self::Other(other),
        }
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        match code {
            CloseCode::Normal => 1000,
            CloseCode::GoingAway => 1001,
            CloseCode::Protocol => 1002,
            CloseCode::Unsupported => 1003,
            CloseCode::NoStatus => 1005,
            CloseCode::Abnormal => 1006,
            CloseCode::InvalidPayload => 1007,
            CloseCode::Policy => 1008,
            CloseCode::TooBig => 1009,
            CloseCode::MandatoryExtension => 1010,
            CloseCode::Internal => 1011,
            CloseCode::ServiceRestart => 1012,
            CloseCode::TryAgainLater => 1013,
            CloseCode::BadGateway => 1014,
            CloseCode::Tls => 1015,
            CloseCode::Other(other) => other,
        }
    }
}

/// A code that may not stand in a Close frame, such as 1006.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The close code {0} may not be sent.")]
pub struct UnsendableCode(pub u16);

/// The payload of a Close frame: a code, and a reason of at most 123 octets.
///
/// ```
/// use omniwire_websocket::{CloseCode, CloseFrame};
///
/// let close = CloseFrame::new(CloseCode::GoingAway, "restart in 5 s");
/// assert_eq!(u16::from(close.code()), 1001);
/// assert!(CloseFrame::try_new(1006, "no").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: Utf8Bytes,
}

impl CloseFrame {
    /// A Close with a code of the program's own choice. The reason is cut to 123 octets at the
    /// boundary of a character. A code that may not travel becomes 1011, since to ask for it is a
    /// fault of the program; [`CloseFrame::try_new`] is for codes that come from elsewhere.
    #[must_use]
    pub fn new(code: CloseCode, reason: impl Into<Utf8Bytes>) -> Self {
        let code = if code.is_sendable() { code } else { CloseCode::Internal };
        Self { code, reason: cut(reason.into()) }
    }

    /// A Close with a code from elsewhere, such as an administrator's request.
    ///
    /// # Errors
    /// The code may not stand in a Close frame (section 7.4.1).
    pub fn try_new(code: u16, reason: impl Into<Utf8Bytes>) -> Result<Self, UnsendableCode> {
        let typed = CloseCode::from(code);
        if typed.is_sendable() { Ok(Self::new(typed, reason)) } else { Err(UnsendableCode(code)) }
    }

    /// The code, always one that may be sent.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, at most 123 octets.
    #[must_use]
    pub const fn reason(&self) -> &Utf8Bytes {
        &self.reason
    }

    /// The octets of the frame's payload.
    pub(crate) fn payload(&self) -> Bytes {
        let mut payload = BytesMut::with_capacity(self.reason.as_bytes().len().saturating_add(2));
        payload.put_u16(self.code.into());
        payload.put_slice(self.reason.as_bytes());
        payload.freeze()
    }

    /// Reads the payload of a Close that the peer sent.
    pub(crate) fn read(payload: &Bytes) -> Result<Option<Self>, Violation> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            // Section 5.5.1: empty, or at least the two octets of a code.
            return if payload.is_empty() { Ok(None) } else { Err(Violation::BAD_CLOSE_PAYLOAD) };
        };
        let code = CloseCode::from(u16::from_be_bytes(*code));
        if !code.is_sendable() {
            return Err(Violation::BAD_CLOSE_CODE); // section 7.4
        }
        // Section 5.5.1: the reason is UTF-8.
        let reason =
            Utf8Bytes::try_from(payload.slice_ref(reason)).map_err(|_| Violation::INVALID_UTF8)?;
        Ok(Some(Self { code, reason }))
    }
}

impl From<CloseCode> for CloseFrame {
    fn from(code: CloseCode) -> Self {
        Self::new(code, Utf8Bytes::new())
    }
}

impl From<Violation> for CloseFrame {
    fn from(violation: Violation) -> Self {
        Self::new(violation.code(), Utf8Bytes::from_static(violation.reason()))
    }
}

/// How far the closing handshake has come (section 7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseState {
    /// Neither side has sent a Close: data goes both ways.
    #[default]
    Open,
    /// Ours is queued or sent: nothing more is sent after it (section 5.5.1), the peer's may come.
    CloseSent,
    /// The peer's has come and ours is still to be queued.
    CloseReceived,
    /// Both have been exchanged, or the connection failed: only TCP is left to close.
    Closed,
}

impl CloseState {
    /// Whether data and control frames may still be queued.
    #[must_use]
    pub const fn may_send(self) -> bool {
        matches!(self, Self::Open | Self::CloseReceived)
    }

    /// Whether the peer's Close may still come.
    #[must_use]
    pub const fn may_receive(self) -> bool {
        matches!(self, Self::Open | Self::CloseSent)
    }

    /// We queue our Close. Only allowed where [`CloseState::may_send`].
    #[must_use]
    pub(crate) const fn after_sending(self) -> Self {
        match self {
            Self::Open | Self::CloseSent => Self::CloseSent,
            Self::CloseReceived | Self::Closed => Self::Closed,
        }
    }

    /// The peer's Close has come.
    #[must_use]
    pub(crate) const fn after_receiving(self) -> Self {
        match self {
            Self::Open | Self::CloseReceived => Self::CloseReceived,
            Self::CloseSent | Self::Closed => Self::Closed,
        }
    }
}

/// A control frame holds 125 octets, two of which are the code (section 5.5).
pub(crate) const REASON_LEN_MAX: usize = 123;

fn cut(reason: Utf8Bytes) -> Utf8Bytes {
    if reason.as_bytes().len() <= REASON_LEN_MAX {
        return reason;
    }
    let end = reason.as_str().floor_char_boundary(REASON_LEN_MAX);
    Utf8Bytes::from_checked(reason.into_bytes().slice(..end))
}

#[cfg(test)]
mod tests;
