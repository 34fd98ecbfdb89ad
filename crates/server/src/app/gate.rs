//! What a namespace wants to know of a request: whether it is let in, and whose it is.

use crate::edge::answers;
use crate::request::RequestInfo;
use axum::body::Body;
use http::{Response, StatusCode};
use std::fmt;
use std::sync::Arc;

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    status: StatusCode,
    message: String,
}

impl Denied {
    /// 401: the client has not shown who it is.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, message: message.into() }
    }

    /// 403: the client may not, whoever it is.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, message: message.into() }
    }

    /// For people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        // Plain: a browser might else take it for a page, and with it what the request brought.
        answers::plain(self.status, self.message)
    }
}

type Check = dyn Fn(&RequestInfo) -> Result<(), Denied> + Send + Sync;

/// A namespace's gate.
#[derive(Clone)]
pub(crate) struct Gate(pub(super) Arc<Check>);

impl Gate {
    pub(crate) fn check(&self, request: &RequestInfo) -> Result<(), Denied> {
        (self.0)(request)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

type UserOf = dyn Fn(&RequestInfo) -> Option<String> + Send + Sync;

/// Finds a request's user.
#[derive(Clone)]
pub(crate) struct FindUser(pub(super) Arc<UserOf>);

impl fmt::Debug for FindUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FindUser")
    }
}
