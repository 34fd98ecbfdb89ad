//! Socket.IO: echo with acknowledgement over WebSocket and polling, rooms, memory.

use crate::bench::cases::{CARRIERS, CONNECTIONS, Case, Entry, MESSAGES, ROOMS, Scale};
use crate::bench::servers::{OMNIWIRE, SOCKETIO, SOCKETIOXIDE, TCP};

pub(crate) fn cases(scale: Scale) -> Vec<Case> {
    let (span, connections) = (scale.span, scale.connections);
    vec![
        Case {
            name: "echo",
            title: "echo of 1 KB with acknowledgement, 100 connections".to_owned(),
            load: format!("echo --connections 100 --depth 1 --size 1024 {span}"),
            entries: entries(&["socketio=/socket.io"]),
            columns: MESSAGES,
            bases: &["socketioxide"],
        },
        Case {
            name: "pipeline",
            title: "the same, 16 connections, 16 in flight on each".to_owned(),
            load: format!("echo --connections 16 --depth 16 --size 1024 {span}"),
            entries: entries(&["socketio=/socket.io"]),
            columns: MESSAGES,
            bases: &["socketioxide"],
        },
        Case {
            name: "polling",
            title: "echo of 1 KB over polling, 50 sessions".to_owned(),
            load: format!("fallback --sessions 50 --size 1024 {span}"),
            entries: entries(&["engineio-polling=/socket.io"]),
            columns: CARRIERS,
            bases: &["socketioxide"],
        },
        Case {
            name: "broadcast",
            title: "broadcast of 128 B to a room of 1,000".to_owned(),
            load: format!("rooms --members 1000 --size 128 {span}"),
            entries: {
                let mut entries = entries(&["socketio=/socket.io?room={room}"]);
                entries.push(Entry::new(&TCP, &["tcp=/room/0"]));
                entries
            },
            columns: ROOMS,
            bases: &["socketioxide", "bare TCP"],
        },
        Case {
            name: "idle",
            title: format!("{connections} idle connections"),
            load: format!("idle --connections {connections}"),
            entries: entries(&["socketio=/socket.io"]),
            columns: CONNECTIONS,
            bases: &["socketioxide"],
        },
    ]
}

fn entries(lanes: &'static [&'static str]) -> Vec<Entry> {
    [&OMNIWIRE, &SOCKETIOXIDE, &SOCKETIO].map(|server| Entry::new(server, lanes)).into()
}
