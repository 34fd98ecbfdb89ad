//! SignalR over WebSocket, beside our own plain WebSocket: echo invocations, groups, memory.

use crate::bench::cases::{CONNECTIONS, Case, Entry, MESSAGES, ROOMS, Scale};
use crate::bench::servers::{ASPNET, OMNIWIRE};

pub(crate) fn cases(scale: Scale) -> Vec<Case> {
    let (span, connections) = (scale.span, scale.connections);
    vec![
        Case {
            name: "echo",
            title: "echo invocations of 1 KB, 100 connections".to_owned(),
            load: format!("echo --connections 100 --depth 1 --size 1024 {span}"),
            entries: alone(),
            columns: MESSAGES,
            bases: &[PLAIN],
        },
        Case {
            name: "pipeline",
            title: "the same, 16 connections, 16 in flight on each".to_owned(),
            load: format!("echo --connections 16 --depth 16 --size 1024 {span}"),
            entries: alone(),
            columns: MESSAGES,
            bases: &[PLAIN],
        },
        Case {
            name: "broadcast",
            title: "broadcast of 128 B to a group of 1,000".to_owned(),
            load: format!("rooms --members 1000 --size 128 {span}"),
            entries: vec![
                Entry::named("SignalR, JSON", &OMNIWIRE, &["signalr-json=/signalr?room={room}"]),
                Entry::named(
                    "SignalR, MessagePack",
                    &OMNIWIRE,
                    &["signalr-messagepack=/signalr?room={room}"],
                ),
                Entry::named(PLAIN, &OMNIWIRE, &["websocket=/ws?room={room}"]),
                Entry::new(&ASPNET, &[]),
            ],
            columns: ROOMS,
            bases: &[PLAIN],
        },
        Case {
            name: "idle",
            title: format!("{connections} idle connections"),
            load: format!("idle --connections {connections}"),
            entries: alone(),
            columns: CONNECTIONS,
            bases: &[PLAIN],
        },
    ]
}

/// Connections that are in no room.
fn alone() -> Vec<Entry> {
    vec![
        Entry::named("SignalR, JSON", &OMNIWIRE, &["signalr-json=/signalr"]),
        Entry::named("SignalR, MessagePack", &OMNIWIRE, &["signalr-messagepack=/signalr"]),
        Entry::named(PLAIN, &OMNIWIRE, &["websocket=/ws"]),
        Entry::new(&ASPNET, &[]),
    ]
}

const PLAIN: &str = "our plain WebSocket";
