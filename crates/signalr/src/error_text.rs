//! What clients are told of failures, in ASP.NET Core's words.

use omniwire_session::{CallError, CallErrorKind, CallId};

/// The error of the completion that answers the call of this id.
///
/// A [`CallErrorKind::Failed`] whose `event` is empty is its message alone.
pub fn call_failed(id: &CallId, error: &CallError) -> String {
    let CallError { kind, event, message } = error;
    match kind {
        CallErrorKind::Failed if event.is_empty() => message.to_string(),
        CallErrorKind::NotFound => format!(
            "Failed to invoke '{event}' due to an error on the server. \
             HubException: Method does not exist."
        ),
        CallErrorKind::BadArguments if message.is_empty() => {
            format!("Failed to invoke '{event}' due to an error on the server.")
        }
        CallErrorKind::BadArguments => format!(
            "Failed to invoke '{event}' due to an error on the server. \
             InvalidDataException: {message}"
        ),
        CallErrorKind::Forbidden => {
            format!("Failed to invoke '{event}' because user is unauthorized")
        }
        CallErrorKind::WrongManner { streams } => wrong_manner(event, *streams),
        CallErrorKind::IdInUse => format!("Invocation ID '{}' is already in use.", id.0),
        CallErrorKind::Failed => format!(
            "An unexpected error occurred invoking '{event}' on the server. HubException: {message}"
        ),
        CallErrorKind::Internal if message.is_empty() => {
            format!("An unexpected error occurred invoking '{event}' on the server.")
        }
        CallErrorKind::Internal => {
            format!("An unexpected error occurred invoking '{event}' on the server. {message}")
        }
    }
}

/// The error of the completion that ends a stream. Like [`call_failed`], but for what goes wrong
/// once the stream runs.
pub fn stream_failed(id: &CallId, error: &CallError) -> String {
    const FAILED: &str = "An error occurred on the server while streaming results.";
    let CallError { kind, event, message } = error;
    match kind {
        CallErrorKind::Failed if !event.is_empty() => format!("{FAILED} HubException: {message}"),
        CallErrorKind::Internal if message.is_empty() => FAILED.into(),
        CallErrorKind::Internal => format!("{FAILED} {message}"),
        _ => call_failed(id, error),
    }
}

/// A method that streams was called by an ordinary invocation (`method_streams`), or the other
/// way round.
fn wrong_manner(method: &str, method_streams: bool) -> String {
    let (method_is, call_is) = match method_streams {
        true => ("streaming", "non-streaming"),
        false => ("non-streaming", "streaming"),
    };
    format!(
        "The client attempted to invoke the {method_is} '{method}' method with a {call_is} \
         invocation."
    )
}

/// The error of a Close message: why the connection ends.
pub(crate) const CLOSED: &str = "Connection closed with an error.";

#[cfg(test)]
mod tests;
