use super::*;

fn refusal(builder: Builder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn what_cannot_be_built_is_named_with_what_to_do() {
    let server = Omniwire::builder;
    assert_eq!(
        refusal(server().namespace(Namespace::new("chat"))),
        "the namespace 'chat' must begin with a slash, as '/chat'"
    );
    let chat = || server().namespace(Namespace::new("/chat"));
    assert_eq!(
        refusal(chat().mount("ws", WebSocketMount::new("/chat"))),
        "the mount's path 'ws' must begin with a slash, as '/ws'"
    );
    assert_eq!(
        refusal(chat().mount("/signalr/chat", SignalRMount::new("/chat"))),
        "two protocols are mounted at '/signalr/chat'; `Builder::namespace` mounts all at their \
         customary paths, `bare_namespace` none"
    );
    let twice = Namespace::new("/chat").on("a", async || {}).on("b", async || {});
    assert_eq!(
        refusal(server().namespace(twice.on("a", async || {}))),
        "the namespace '/chat' has two handlers for the event 'a'"
    );
}

#[test]
fn names_of_events_that_differ_in_case_are_two() {
    let chat = Namespace::new("/chat").on("a", async || {}).on("A", async || {});
    assert!(Omniwire::builder().namespace(chat).build().is_ok());
}

#[test]
fn socketio_is_mounted_unless_its_own_path_is_taken() {
    let paths = |builder: Builder| {
        let omniwire = builder.bare_namespace(Namespace::new("/")).build().unwrap();
        let mut paths: Vec<_> = omniwire.mounts.paths().map(|(path, _)| path.to_owned()).collect();
        paths.sort();
        paths
    };
    let server = Omniwire::builder;
    assert_eq!(paths(server()), ["/socket.io"]);
    assert_eq!(paths(server().without_socketio()), [""; 0]);
    for taken in ["/socket.io", "/socket.io/"] {
        assert_eq!(paths(server().mount(taken, SocketIoMount::new())), ["/socket.io"]);
    }
    for beside in ["/socket.io-bare", "/socket.io/bare"] {
        let mount = server().mount(beside, WebSocketMount::new("/"));
        assert_eq!(paths(mount), ["/socket.io", beside]);
    }
}
