//! Memory of idle connections, of every protocol and of the peers.

use crate::bench::cases::{CONNECTIONS, Case, Entry, Scale};
use crate::bench::servers::{
    ASPNET, FASTWEBSOCKETS, OMNIWIRE, SOCKETIO, SOCKETIOXIDE, SOCKJS, SOCKUDO, TCP,
    TOKIO_WEBSOCKETS, TUNGSTENITE, UWEBSOCKETS, WEBSOCKET_CRATE, WS,
};

pub(crate) fn cases(scale: Scale) -> Vec<Case> {
    let connections = scale.connections;
    vec![Case {
        name: "idle",
        title: format!(
            "{connections} idle connections: bytes of user space each; ours are in a room"
        ),
        load: format!("idle --connections {connections}"),
        entries: entries(),
        columns: CONNECTIONS,
        bases: &["uWebSockets"],
    }]
}

fn entries() -> Vec<Entry> {
    vec![
        Entry::named("omniwire, WebSocket", &OMNIWIRE, &["websocket=/ws?room=quiet"]),
        Entry::named("omniwire, envelopes", &OMNIWIRE, &["envelope=/ws?room=quiet"]),
        Entry::named("omniwire, Socket.IO", &OMNIWIRE, &["socketio=/socket.io?room=quiet"]),
        Entry::named("omniwire, SignalR JSON", &OMNIWIRE, &["signalr-json=/signalr?room=quiet"]),
        Entry::named(
            "omniwire, SignalR MessagePack",
            &OMNIWIRE,
            &["signalr-messagepack=/signalr?room=quiet"],
        ),
        Entry::named("omniwire, SockJS", &OMNIWIRE, &["sockjs=/sockjs-raw?room=quiet"]),
        Entry::new(&WEBSOCKET_CRATE, &["websocket=/echo"]),
        Entry::new(&TCP, &["tcp=/echo"]),
        Entry::new(&UWEBSOCKETS, &["websocket=/echo"]),
        Entry::new(&FASTWEBSOCKETS, &["websocket=/echo"]),
        Entry::new(&TOKIO_WEBSOCKETS, &["websocket=/echo"]),
        Entry::new(&SOCKUDO, &["websocket=/echo"]),
        Entry::new(&TUNGSTENITE, &["websocket=/echo"]),
        Entry::new(&WS, &["websocket=/echo"]),
        Entry::new(&SOCKETIOXIDE, &["socketio=/socket.io"]),
        Entry::new(&SOCKETIO, &["socketio=/socket.io"]),
        Entry::new(&SOCKJS, &["sockjs=/echo"]),
        Entry::new(&ASPNET, &[]),
    ]
}
