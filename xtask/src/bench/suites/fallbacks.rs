//! Every carrier of HTTP against our WebSocket, and SockJS' against npm's.

use crate::bench::cases::{CARRIERS, Case, Entry, PARKED, ROOMS, Scale};
use crate::bench::servers::{OMNIWIRE, SOCKJS};

pub(crate) fn cases(scale: Scale) -> Vec<Case> {
    let (span, sessions) = (scale.span, scale.sessions);
    let mut carriers = websockets(&format!("echo --connections 50 --depth 1 --size 1024 {span}"));
    carriers.extend(over_http());
    vec![
        Case {
            name: "echo",
            title: "echo of 1 KB, 50 sessions, up by POST and back by the carrier".to_owned(),
            load: format!("fallback --sessions 50 --size 1024 {span}"),
            entries: carriers,
            columns: CARRIERS,
            bases: &[PLAIN, NPM],
        },
        Case {
            name: "broadcast",
            title: "1 publisher, 1,000 members, 128 B, over WebSocket".to_owned(),
            load: format!("rooms --members 1000 --size 128 {span}"),
            entries: vec![
                Entry::named("SockJS, websocket", &OMNIWIRE, &["sockjs=/sockjs-raw?room={room}"]),
                Entry::named(NPM, &SOCKJS, &["sockjs=/room"]),
            ],
            columns: ROOMS,
            bases: &[NPM],
        },
        Case {
            name: "parked",
            title: format!("{sessions} sessions, each with a poll or a stream that waits"),
            load: format!("fallback --park --sessions {sessions} --size 1024"),
            entries: over_http(),
            columns: PARKED,
            bases: &["npm sockjs, xhr-streaming"],
        },
    ]
}

const PLAIN: &str = "our plain WebSocket";
const NPM: &str = "npm sockjs, websocket";

fn websockets(load: &str) -> Vec<Entry> {
    let entries = [
        Entry::named(PLAIN, &OMNIWIRE, &["websocket=/ws"]),
        Entry::named("SockJS, websocket", &OMNIWIRE, &["sockjs=/sockjs-raw"]),
        Entry::named(NPM, &SOCKJS, &["sockjs=/echo"]),
    ];
    entries.into_iter().map(|entry| Entry { load: Some(load.to_owned()), ..entry }).collect()
}

fn over_http() -> Vec<Entry> {
    vec![
        Entry::named("SockJS, xhr-streaming", &OMNIWIRE, &["sockjs-xhr-streaming=/sockjs-raw"]),
        Entry::named("npm sockjs, xhr-streaming", &SOCKJS, &["sockjs-xhr-streaming=/echo"]),
        Entry::named("SockJS, eventsource", &OMNIWIRE, &["sockjs-eventsource=/sockjs-raw"]),
        Entry::named("npm sockjs, eventsource", &SOCKJS, &["sockjs-eventsource=/echo"]),
        Entry::named("SockJS, htmlfile", &OMNIWIRE, &["sockjs-htmlfile=/sockjs-raw"]),
        Entry::named("npm sockjs, htmlfile", &SOCKJS, &["sockjs-htmlfile=/echo"]),
        Entry::named("SockJS, xhr-polling", &OMNIWIRE, &["sockjs-xhr-polling=/sockjs-raw"]),
        Entry::named("npm sockjs, xhr-polling", &SOCKJS, &["sockjs-xhr-polling=/echo"]),
        Entry::named("SockJS, jsonp-polling", &OMNIWIRE, &["sockjs-jsonp=/sockjs-raw"]),
        Entry::named("npm sockjs, jsonp-polling", &SOCKJS, &["sockjs-jsonp=/echo"]),
        Entry::named("server-sent events", &OMNIWIRE, &["sse=/sse"]),
        Entry::named("long polling", &OMNIWIRE, &["long-poll=/poll"]),
        Entry::named("Engine.IO polling", &OMNIWIRE, &["engineio-polling=/socket.io"]),
        Entry::named(
            "SignalR, server-sent events",
            &OMNIWIRE,
            &["signalr-server-sent-events=/signalr"],
        ),
        Entry::named("SignalR, long polling", &OMNIWIRE, &["signalr-long-polling=/signalr"]),
    ]
}
