//! The state machine of a session, whatever its protocol is.

use omniwire_plain::PlainSession;
use omniwire_session::Session;
use std::ops::{Deref, DerefMut};

/// A plain one is so small that it is a part of its session's memory: with a piece of its own, and
/// the way there, it would take twice the room. Those of other protocols are behind a pointer.
pub(crate) enum Machine {
    Plain(PlainSession),
    Other(Box<dyn Session>),
}

impl Deref for Machine {
    type Target = dyn Session;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Plain(session) => session,
            Self::Other(session) => &**session,
        }
    }
}

impl DerefMut for Machine {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Plain(session) => session,
            Self::Other(session) => &mut **session,
        }
    }
}
