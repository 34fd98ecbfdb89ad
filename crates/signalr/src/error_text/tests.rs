use super::*;

fn error(kind: CallErrorKind, message: &'static str) -> CallError {
    CallError { kind, event: "X".into(), message: message.into() }
}

fn id() -> CallId {
    CallId("s".into())
}

#[test]
fn texts_of_calls() {
    use CallErrorKind::{BadArguments, Failed, Forbidden, Internal, NotFound};
    for (kind, message, text) in [
        (
            NotFound,
            "",
            "Failed to invoke 'X' due to an error on the server. \
             HubException: Method does not exist.",
        ),
        (BadArguments, "", "Failed to invoke 'X' due to an error on the server."),
        (
            BadArguments,
            "Invocation provides 1 argument(s) but target expects 2.",
            "Failed to invoke 'X' due to an error on the server. InvalidDataException: \
             Invocation provides 1 argument(s) but target expects 2.",
        ),
        (
            Failed,
            "told you",
            "An unexpected error occurred invoking 'X' on the server. HubException: told you",
        ),
        (Internal, "", "An unexpected error occurred invoking 'X' on the server."),
        (
            Internal,
            "InvalidOperationException: m",
            "An unexpected error occurred invoking 'X' on the server. \
             InvalidOperationException: m",
        ),
        (Forbidden, "", "Failed to invoke 'X' because user is unauthorized"),
    ] {
        assert_eq!(call_failed(&id(), &error(kind, message)), text);
    }
}

#[test]
fn texts_of_streams() {
    use CallErrorKind::{Failed, Forbidden, Internal};
    for (kind, message, text) in [
        (Failed, "m", "An error occurred on the server while streaming results. HubException: m"),
        (Internal, "", "An error occurred on the server while streaming results."),
        (Internal, "T: m", "An error occurred on the server while streaming results. T: m"),
        (Forbidden, "", "Failed to invoke 'X' because user is unauthorized"),
    ] {
        assert_eq!(stream_failed(&id(), &error(kind, message)), text);
    }
}

#[test]
fn texts_that_name_the_manner_and_the_id() {
    for (kind, text) in [
        (
            CallErrorKind::WrongManner { streams: true },
            "The client attempted to invoke the streaming 'X' method with a non-streaming \
             invocation.",
        ),
        (
            CallErrorKind::WrongManner { streams: false },
            "The client attempted to invoke the non-streaming 'X' method with a streaming \
             invocation.",
        ),
        (CallErrorKind::IdInUse, "Invocation ID 's' is already in use."),
    ] {
        assert_eq!(call_failed(&id(), &error(kind, "")), text);
        assert_eq!(stream_failed(&id(), &error(kind, "")), text);
    }
}
