//! What is measured.

use crate::bench::figures::Figures;
use crate::bench::table::Row;

/// One load, the same for both servers.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What the generator is to do, its arguments but for which server.
    pub(crate) load: String,
    pub(crate) room: Room,
    measures: &'static [Measure],
}

/// What a server does with a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Room {
    Echo,
    Broadcast,
}

/// A figure made of what the generator says.
#[derive(Debug)]
struct Measure {
    what: &'static str,
    of: &'static str,
    per: &'static str,
    times: f64,
    decimals: usize,
}

/// All cases; the quick ones are shorter.
pub(crate) fn all(quick: bool) -> Vec<Case> {
    let seconds = if quick { "--seconds 1" } else { "--seconds 2" };
    let (idle_title, idle_count) =
        if quick { ("5,000 idle connections", 5_000) } else { ("10,000 idle connections", 10_000) };
    vec![
        Case {
            name: "echo",
            title: "echo of 512 B, 100 connections, 1 message under way on each",
            load: format!("echo --connections 100 --depth 1 --size 512 {seconds}"),
            room: Room::Echo,
            measures: MESSAGES,
        },
        Case {
            name: "pipeline",
            title: "echo of 1 KB, 16 connections, 16 messages under way on each",
            load: format!("echo --connections 16 --depth 16 --size 1024 {seconds}"),
            room: Room::Echo,
            measures: MESSAGES,
        },
        Case {
            name: "broadcast",
            title: "broadcast of 128 B to 1,000 members",
            load: format!("broadcast --members 1000 --size 128 {seconds}"),
            room: Room::Broadcast,
            measures: MESSAGES,
        },
        Case {
            name: "idle",
            title: idle_title,
            load: format!("idle --connections {idle_count}"),
            room: Room::Echo,
            measures: CONNECTIONS,
        },
    ]
}

const MESSAGES: &[Measure] = &[
    Measure { what: "messages received", of: "messages", per: "", times: 1.0, decimals: 0 },
    Measure {
        what: "messages per second",
        of: "messages",
        per: "seconds",
        times: 1.0,
        decimals: 0,
    },
    Measure {
        what: "**CPU s per million messages**",
        of: "cpu_seconds",
        per: "messages",
        times: 1e6,
        decimals: 2,
    },
];

const CONNECTIONS: &[Measure] = &[
    Measure {
        what: "**bytes per connection, fresh**",
        of: "fresh_len",
        per: "",
        times: 1.0,
        decimals: 0,
    },
    Measure {
        what: "**bytes per connection, after one echo**",
        of: "used_len",
        per: "",
        times: 1.0,
        decimals: 0,
    },
    Measure {
        what: "CPU s per 1,000 handshakes",
        of: "handshake_cpu_seconds",
        per: "connections",
        times: 1e3,
        decimals: 3,
    },
];

impl Case {
    /// The lines of the table.
    pub(crate) fn rows(&self, figures: &[Figures; 2]) -> Vec<Row> {
        let row = |measure: &Measure| {
            let medians = figures.each_ref().map(|figures| {
                figures.median(measure.of, measure.per).map(|median| median * measure.times)
            });
            Row::new(self.title, measure.what, medians, measure.decimals)
        };
        self.measures.iter().map(row).collect()
    }
}
