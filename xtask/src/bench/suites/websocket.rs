//! WebSocket: echo, broadcast, compression, handshakes, memory.

use crate::bench::cases::{COMPRESSION, Case, Entry, HANDSHAKES, MESSAGES, ROOMS, Scale, VOLUME};
use crate::bench::servers::{
    CONTRACT, FASTWEBSOCKETS, SOCKUDO, Server, TCP, TOKIO_WEBSOCKETS, TUNGSTENITE, UWEBSOCKETS,
    WEBSOCKET_CRATE, WS,
};

pub(crate) fn cases(scale: Scale) -> Vec<Case> {
    let span = scale.span;
    let connections = scale.connections;
    vec![
        echo("echo", 512, 100, 1, span),
        echo("pipeline", 1024, 16, 16, span),
        Case { columns: VOLUME, ..echo("large", 16 << 10, 50, 1, span) },
        Case { columns: VOLUME, ..echo("huge", 1 << 20, 8, 1, span) },
        Case {
            name: "deflate",
            title:
                "permessage-deflate without context takeover: echo of 1 KB of JSON, 50 connections"
                    .to_owned(),
            load: format!("deflate --connections 50 --depth 1 --size 1024 {span}"),
            entries: entries(
                &[&WEBSOCKET_CRATE, &UWEBSOCKETS, &SOCKUDO, &WS],
                &["websocket=/echo-deflate"],
                &["websocket=/echo-shared"],
            ),
            columns: COMPRESSION,
            bases: &["uWebSockets"],
        },
        Case {
            name: "broadcast",
            title: "broadcast of 128 B to 1,000".to_owned(),
            load: format!("rooms --members 1000 --size 128 {span}"),
            entries: with_floor(
                &["tcp=/room/0"],
                &["websocket=/room/0"],
                &["websocket=/broadcast"],
            ),
            columns: ROOMS,
            bases: &["bare TCP", "uWebSockets"],
        },
        Case {
            name: "handshakes",
            title: format!("{connections} handshakes, then idle"),
            load: format!("idle --connections {connections}"),
            entries: with_floor(&["tcp=/echo"], &["websocket=/echo"], &["websocket=/echo-plain"]),
            columns: HANDSHAKES,
            bases: &["uWebSockets"],
        },
        Case {
            name: "idle-deflate",
            title: format!("{connections} idle connections with permessage-deflate agreed on"),
            load: format!("idle --connections {connections} --offer permessage-deflate"),
            entries: entries(
                &[&WEBSOCKET_CRATE, &UWEBSOCKETS, &WS],
                &["websocket=/echo-deflate"],
                &["websocket=/echo-shared"],
            ),
            columns: HANDSHAKES,
            bases: &["uWebSockets"],
        },
    ]
}

fn echo(name: &'static str, size: usize, connections: usize, depth: usize, span: &str) -> Case {
    let octets = match size {
        0..1024 => format!("{size} B"),
        1024..0x10_0000 => format!("{} KB", size >> 10),
        _ => format!("{} MB", size >> 20),
    };
    let under_way = if depth == 1 { String::new() } else { format!(", {depth} in flight on each") };
    Case {
        name,
        title: format!("echo of {octets}, {connections} connections{under_way}"),
        load: format!("echo --connections {connections} --depth {depth} --size {size} {span}"),
        entries: with_floor(&["tcp=/echo"], &["websocket=/echo"], &["websocket=/echo-plain"]),
        columns: MESSAGES,
        bases: &["bare TCP", "uWebSockets"],
    }
}

/// The floor, then everybody.
fn with_floor(
    floor: &'static [&'static str],
    lanes: &'static [&'static str],
    contract: &'static [&'static str],
) -> Vec<Entry> {
    let everybody: [&'static Server; 7] = [
        &WEBSOCKET_CRATE,
        &UWEBSOCKETS,
        &FASTWEBSOCKETS,
        &TOKIO_WEBSOCKETS,
        &SOCKUDO,
        &TUNGSTENITE,
        &WS,
    ];
    let mut entries = entries(&everybody, lanes, contract);
    entries.insert(0, Entry::new(&TCP, floor));
    entries
}

/// These servers, and our binary behind our crate.
fn entries(
    servers: &[&'static Server],
    lanes: &'static [&'static str],
    contract: &'static [&'static str],
) -> Vec<Entry> {
    let mut entries: Vec<_> = servers.iter().map(|server| Entry::new(server, lanes)).collect();
    entries.insert(1, Entry::new(&CONTRACT, contract));
    entries
}
