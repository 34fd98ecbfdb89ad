//! What `cargo xtask bench` can be asked for.

mod fallbacks;
mod idle;
mod rooms;
mod signalr;
mod socketio;
mod websocket;

use crate::bench::cases::{Case, Scale};

/// A set of cases with a report of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    /// WebSocket: the crate and the server, against Rust's, npm's and C++'s
    Websocket,
    /// Socket.IO, against socketioxide and npm's
    Socketio,
    /// SignalR, against our plain WebSocket
    Signalr,
    /// SockJS' carriers, event streams and polls, against our WebSocket and npm's SockJS
    Fallbacks,
    /// Rooms: publishers, members, all protocols mixed
    Rooms,
    /// Memory of idle connections of every protocol
    Idle,
    /// A million idle connections, or `--connections`; takes all of the machine
    Million,
}

impl Suite {
    /// What is measured where nothing is asked for: all that leaves room for others.
    pub(crate) const DEFAULT: [Self; 6] =
        [Self::Websocket, Self::Socketio, Self::Signalr, Self::Fallbacks, Self::Rooms, Self::Idle];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::Socketio => "socketio",
            Self::Signalr => "signalr",
            Self::Fallbacks => "fallbacks",
            Self::Rooms => "rooms",
            Self::Idle => "idle",
            Self::Million => "million",
        }
    }

    pub(crate) fn cases(self, scale: Scale) -> Vec<Case> {
        match self {
            Self::Websocket => websocket::cases(scale),
            Self::Socketio => socketio::cases(scale),
            Self::Signalr => signalr::cases(scale),
            Self::Fallbacks => fallbacks::cases(scale),
            Self::Rooms => rooms::cases(scale),
            Self::Idle => idle::cases(scale),
            // Not a load of one server: `bench::million`.
            Self::Million => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn cases_have_names_of_their_own_and_bases_among_their_rows() {
        for suite in Suite::DEFAULT {
            let cases = suite.cases(Scale::new(true));
            let names: HashSet<_> = cases.iter().map(|case| case.name).collect();
            assert_eq!(names.len(), cases.len(), "{}", suite.name());
            for case in &cases {
                let labels: HashSet<_> = case.entries.iter().map(|entry| entry.label).collect();
                assert_eq!(labels.len(), case.entries.len(), "{}", case.name);
                assert!(case.bases.iter().all(|base| labels.contains(base)), "{}", case.name);
            }
        }
    }
}
