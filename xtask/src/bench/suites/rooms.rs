//! Rooms: one publisher and many, one protocol and all of them.

use crate::bench::cases::{Case, Entry, ROOMS, Scale};
use crate::bench::servers::{
    OMNIWIRE, OMNIWIRE_TWO_THREADS, SOCKETIO, SOCKETIOXIDE, TCP, TUNGSTENITE, UWEBSOCKETS,
    WEBSOCKET_CRATE,
};

pub(crate) fn cases(scale: Scale) -> Vec<Case> {
    let (span, many) = (scale.span, scale.members);
    let case = |name, title: String, load: String| Case {
        name,
        title,
        load: format!("rooms {load} {span}"),
        entries: entries(),
        columns: ROOMS,
        bases: &["bare TCP", "uWebSockets"],
    };
    vec![
        case(
            "small",
            "1 publisher, 1,000 members, 128 B".to_owned(),
            "--members 1000 --size 128".to_owned(),
        ),
        case(
            "kilobyte",
            "1 publisher, 1,000 members, 1 KB".to_owned(),
            "--members 1000 --size 1024".to_owned(),
        ),
        case(
            "many",
            format!("1 publisher, {many} members, 128 B"),
            format!("--members {many} --size 128"),
        ),
        case(
            "many-kilobyte",
            format!("1 publisher, {many} members, 1 KB"),
            format!("--members {many} --size 1024"),
        ),
        case(
            "rooms",
            "100 publishers in 100 rooms of 100, 128 B".to_owned(),
            HUNDRED_ROOMS.to_owned(),
        ),
        Case {
            entries: threads(),
            bases: &[ONE_THREAD],
            ..case(
                "threads",
                "100 publishers in 100 rooms of 100, 128 B; the second thread is on the \
                 generator's core, so only its CPU counts: two threads carry 2 ÷ the ratio of one"
                    .to_owned(),
                HUNDRED_ROOMS.to_owned(),
            )
        },
        case(
            "everybody",
            "1,000 members, each publishes 128 B up to 10 times a second to all".to_owned(),
            "--members 1000 --publishers 1000 --rate 10 --size 128".to_owned(),
        ),
    ]
}

/// Every protocol of ours alone, all of them at once, and the peers.
fn entries() -> Vec<Entry> {
    vec![
        Entry::new(&TCP, &["tcp=/room/{room}"]),
        Entry::named("omniwire, WebSocket", &OMNIWIRE, &[WEBSOCKET]),
        Entry::named("omniwire, envelopes", &OMNIWIRE, &[ENVELOPE]),
        Entry::named("omniwire, Socket.IO", &OMNIWIRE, &[SOCKET_IO]),
        Entry::named("omniwire, SignalR JSON", &OMNIWIRE, &[SIGNALR_JSON]),
        Entry::named("omniwire, SignalR MessagePack", &OMNIWIRE, &[SIGNALR_MESSAGEPACK]),
        Entry::named("omniwire, SockJS", &OMNIWIRE, &[SOCKJS]),
        Entry::named(
            "omniwire, all mixed",
            &OMNIWIRE,
            &[WEBSOCKET, ENVELOPE, SOCKET_IO, SIGNALR_JSON, SIGNALR_MESSAGEPACK, SOCKJS],
        ),
        Entry::new(&WEBSOCKET_CRATE, &["websocket=/room/{room}"]),
        Entry::new(&UWEBSOCKETS, &["websocket=/room/{room}"]),
        Entry::new(&TUNGSTENITE, &["websocket=/room/{room}"]),
        Entry::new(&SOCKETIOXIDE, &[SOCKET_IO]),
        Entry::new(&SOCKETIO, &[SOCKET_IO]),
    ]
}

/// The same server on one thread and on two.
fn threads() -> Vec<Entry> {
    vec![
        Entry::named(ONE_THREAD, &OMNIWIRE, &[WEBSOCKET]),
        Entry::named("omniwire, two threads", &OMNIWIRE_TWO_THREADS, &[WEBSOCKET]),
    ]
}

const ONE_THREAD: &str = "omniwire, one thread";
const HUNDRED_ROOMS: &str = "--members 10000 --rooms 100 --publishers 100 --size 128";
const WEBSOCKET: &str = "websocket=/ws?room={room}";
const ENVELOPE: &str = "envelope=/ws?room={room}";
const SOCKET_IO: &str = "socketio=/socket.io?room={room}";
const SIGNALR_JSON: &str = "signalr-json=/signalr?room={room}";
const SIGNALR_MESSAGEPACK: &str = "signalr-messagepack=/signalr?room={room}";
const SOCKJS: &str = "sockjs=/sockjs-raw?room={room}";
