//! Fuzz targets: each feeds bytes from anywhere to one thing that reads bytes, and asserts what
//! must hold whatever they are. That nothing panics is the least of it.
//!
//! `cargo xtask fuzz [TARGET]` runs them under libFuzzer, from the inputs that are kept in
//! `corpus/`, one file for each target and one escaped input a line.
#![forbid(unsafe_code)]

mod input;
pub mod pieces;
mod session;
mod targets;

use std::fmt;

use targets::{
    args, configuration, engineio, http3, plain, sessions, signalr, socketio, sockjs, websocket,
    wires,
};

pub use targets::http3::{answered, settled};

/// One thing that reads bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, also that of its file in `corpus/`.
    pub name: &'static str,
    /// Reads one input.
    ///
    /// # Panics
    /// Something that must hold does not.
    pub run: fn(&[u8]),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "args", run: args::args },
    Target { name: "json", run: args::json },
    Target { name: "wires", run: wires::wires },
    Target { name: "frame_header", run: websocket::frame_header },
    Target { name: "message_assembly", run: websocket::message_assembly },
    Target { name: "deflate", run: websocket::deflate },
    Target { name: "handshake_server", run: websocket::handshake_server },
    Target { name: "handshake_client", run: websocket::handshake_client },
    Target { name: "extension_list", run: websocket::extension_list },
    Target { name: "websocket_url", run: websocket::url },
    Target { name: "field_section", run: http3::field_section },
    Target { name: "engineio_frame", run: engineio::frame },
    Target { name: "http3_answer", run: http3::http3_answer },
    Target { name: "http3_control", run: http3::http3_control },
    Target { name: "http3_fields", run: http3::http3_fields },
    Target { name: "engineio_packet", run: engineio::packet },
    Target { name: "engineio_payload", run: engineio::payload },
    Target { name: "engineio_request", run: engineio::request },
    Target { name: "socketio_packet", run: socketio::packet },
    Target { name: "socketio_attachments", run: socketio::attachments },
    Target { name: "socketio_messagepack", run: socketio::messagepack },
    Target { name: "sockjs_path", run: sockjs::path },
    Target { name: "sockjs_frame", run: sockjs::frame },
    Target { name: "signalr_request", run: signalr::request },
    Target { name: "signalr_handshake", run: signalr::handshake },
    Target { name: "signalr_json", run: signalr::json },
    Target { name: "signalr_messagepack", run: signalr::messagepack },
    Target { name: "signalr_client", run: signalr::client },
    Target { name: "signalr_event_stream", run: signalr::event_stream },
    Target { name: "plain_envelope", run: plain::envelope },
    Target { name: "plain_places", run: plain::places },
    Target { name: "plain_raw", run: plain::raw },
    Target { name: "session_websocket", run: sessions::websocket },
    Target { name: "session_engineio", run: sessions::engineio },
    Target { name: "session_socketio", run: sessions::socketio },
    Target { name: "session_signalr", run: sessions::signalr },
    Target { name: "session_sockjs", run: sessions::sockjs },
    Target { name: "session_plain", run: sessions::plain },
    Target { name: "configuration", run: configuration::file },
];

/// The target of this name.
pub fn find(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn each_target_has_its_kept_inputs() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        let files = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().file_name());
        let files: BTreeSet<_> = files.map(|name| name.into_string().unwrap()).collect();
        let names = TARGETS.iter().map(|target| format!("{}.txt", target.name));
        assert_eq!(files, names.collect());
    }

    #[test]
    fn every_target_takes_nothing() {
        TARGETS.iter().for_each(|target| (target.run)(b""));
    }
}
