//! What a handler may say when it fails.

use super::arguments::{ArgsError, IntoArgs};
use super::peer::{AskError, EmitError};
use crate::quoted::quoted;
use omniwire_hub::JoinError;
use omniwire_session::{Args as RawArgs, ByteString, CallErrorKind, Refusal};
use std::error::Error;
use std::fmt;

/// Why a handler failed. What the client is told depends on how it was made:
/// [`Failure::client`]'s text is for the client; any other error, which `?` turns into a failure,
/// is written to the log and the client hears only that something went wrong, unless the namespace
/// has [`crate::Namespace::detailed_errors`].
pub struct Failure {
    pub(crate) kind: CallErrorKind,
    pub(crate) message: String,
    pub(crate) data: RawArgs,
    pub(crate) cause: Cause,
}

/// Whose doing a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The application's.
    Application,
    /// The peer's own: it is in too many rooms, or gone, or does not read or answer.
    Peer,
    /// The handler panicked: our bug, or the application's.
    Panic,
}

impl Failure {
    /// A failure whose text is meant for the client.
    pub fn client(message: impl Into<String>) -> Self {
        Self::new(CallErrorKind::Failed, message.into())
    }

    /// The peer may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(CallErrorKind::Forbidden, message.into())
    }

    fn new(kind: CallErrorKind, message: String) -> Self {
        Self { kind, message, data: RawArgs::default(), cause: Cause::Application }
    }

    pub(crate) fn panic(message: &str) -> Self {
        let message = format!("a handler panicked: {message}");
        Self { cause: Cause::Panic, ..Self::new(CallErrorKind::Internal, message) }
    }

    /// Adds data for the client's program: the `data` of a Socket.IO connection error.
    ///
    /// # Errors
    /// The data can't be said in JSON.
    pub fn with_data(mut self, data: impl IntoArgs) -> Result<Self, ArgsError> {
        self.data = data.into_args()?;
        Ok(self)
    }

    pub(crate) fn into_refusal(self, detailed: bool) -> Refusal {
        let hidden = self.kind == CallErrorKind::Internal && !detailed;
        let message = if hidden { "internal error".into() } else { ByteString::from(self.message) };
        Refusal { kind: self.kind, message, data: self.data }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, quoted(&self.message))
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let cause = if is_the_peers(&error) { Cause::Peer } else { Cause::Application };
        Self { cause, ..Self::new(CallErrorKind::Internal, error.to_string()) }
    }
}

fn is_the_peers(error: &(dyn Error + 'static)) -> bool {
    let is_lost = |error: &EmitError| matches!(error, EmitError::Gone | EmitError::Full);
    if let Some(error) = error.downcast_ref() {
        return match error {
            AskError::Emit(error) => is_lost(error),
            AskError::Client(_) | AskError::TimedOut | AskError::Disconnected => true,
            AskError::TooMany | AskError::Answer(_) => true,
        };
    }
    error.is::<JoinError>() || error.downcast_ref().is_some_and(is_lost)
}

pub(crate) fn bad_arguments(error: ArgsError) -> Failure {
    Failure::new(CallErrorKind::BadArguments, error.0)
}
