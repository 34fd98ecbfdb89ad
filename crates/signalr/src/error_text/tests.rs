use super::*;

fn error(kind: CallErrorKind, message: &'static str) -> CallError {
    CallError { kind, event: "X".into(), message: message.into() }
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
        assert_eq!(call_failed(&error(kind, message)), text);
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
        assert_eq!(stream_failed(&error(kind, message)), text);
    }
}

#[test]
fn texts_that_are_whole() {
    assert_eq!(
        wrong_manner("X", true),
        "The client attempted to invoke the streaming 'X' method with a non-streaming invocation."
    );
    assert_eq!(
        wrong_manner("X", false),
        "The client attempted to invoke the non-streaming 'X' method with a streaming invocation."
    );
    let whole =
        CallError { kind: CallErrorKind::Failed, event: "".into(), message: id_in_use("s").into() };
    assert_eq!(call_failed(&whole), "Invocation ID 's' is already in use.");
    assert_eq!(stream_failed(&whole), "Invocation ID 's' is already in use.");
}
