//! What can go wrong with a [`crate::WebSocket`].

use std::io;

use crate::handshake::client::{AnswerError, RequestError};
use crate::handshake::server::Refusal;
use crate::{CloseCode, Violation};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer broke a rule; the Close that says so is sent.
    #[error("The peer broke the protocol: {0}")]
    Violation(#[from] Violation),
    /// The stream ended without a Close.
    #[error("The connection ended without a Close.")]
    Dropped,
    /// The closing handshake has begun: nothing more can be sent.
    #[error("The WebSocket is closed.")]
    Closed,
    /// The peer took too long for its part of a handshake.
    #[error("The peer took too long.")]
    TimedOut,
    /// What the peer sent as the head of its opening handshake is not HTTP/1.1.
    #[error("{0}")]
    Head(&'static str),
    /// As a client: the proxy does not lead to the server.
    #[error("{0}")]
    Proxy(&'static str),
    /// As a client: the server does not speak this version of HTTP, or no WebSocket over it.
    #[error("{0}")]
    Http(&'static str),
    /// As a server: the request was refused, and answered so.
    #[error("The handshake was refused: {0}")]
    Refused(Box<Refusal>),
    /// As a client: the request cannot be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// As a client: the server's answer does not open a WebSocket. It is here as a whole, for
    /// redirects and credentials.
    #[error("{error}")]
    Answer {
        /// What is wrong with it.
        error: AnswerError,
        /// The answer, without its body.
        answer: Box<http::Response<()>>,
    },
}

impl Error {
    /// The code to report for the connection (section 7.1.5): that of the rule that was broken, or
    /// 1006 for an end without a Close.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Violation(violation) => violation.code(),
            _ => CloseCode::Abnormal,
        }
    }
}
