//! `omniwire config limits`: every bound, with its default, as Markdown.

use crate::mistake::similar;
use omniwire::protocols::{engineio, plain, signalr, socketio, sockjs};
use omniwire::{LimitError, LimitUnit, Limits};
use std::fmt::Write as _;
use std::time::Duration;

/// What the server's own limits are, and what those of the protocols.
pub(crate) fn tables() -> String {
    let own = Limits::default().entries().into_iter();
    let own = own.map(|entry| Row(entry.name, entry.value, entry.unit, entry.about));
    format!(
        "The server's, set by `--limit NAME=VALUE`, in the table `limits` of the configuration, or \
         by\n`Builder::limits`:\n\n{}\nThe protocols', set in code only, by the `config` of a \
         mount:\n\n{}",
        table(own),
        table(protocols())
    )
}

/// Why a limit was not set, and what to do about it.
pub(crate) fn explain(error: &LimitError) -> String {
    let LimitError::Unknown(name) = error else { return error.to_string() };
    if protocols().iter().any(|Row(known, ..)| known == name) {
        return format!("'{name}' is a protocol's: set in code only, by its mount's `config`");
    }
    let known = Limits::default().entries();
    similar(name, known.iter().map(|entry| entry.name)).map_or_else(
        || error.to_string(),
        |meant| format!("there is no limit '{name}' (a similar one exists: '{meant}')"),
    )
}

struct Row(&'static str, u64, LimitUnit, &'static str);

fn table(rows: impl IntoIterator<Item = Row>) -> String {
    let mut table = String::from("| limit | default | unit | bounds |\n|---|---|---|---|\n");
    for Row(name, value, unit, about) in rows {
        // Writing to a string does not fail.
        writeln!(table, "| `{name}` | {value} | {} | {about} |", unit.as_str()).ok();
    }
    table
}

fn protocols() -> Vec<Row> {
    let engine = engineio::Config::default();
    let sio = socketio::Config::default();
    let hub = signalr::Config::default();
    let sockjs = sockjs::Config::default();
    let plain = plain::Config::default();
    vec![
        bytes("engineio max_payload", engine.max_payload, "One POST body, message or frame."),
        time("engineio ping_interval", engine.ping_interval, "Between two pings."),
        time("engineio ping_timeout", engine.ping_timeout, "From a ping to its pong."),
        time(
            "engineio upgrade_timeout",
            engine.upgrade_timeout,
            "An upgrade, or the first frame over WebTransport.",
        ),
        time("socketio connect_timeout", sio.connect_timeout, "Until a namespace is entered."),
        count("socketio attachments_max", sio.attachments_max, "Attachments of one packet."),
        count("socketio namespaces_max", sio.namespaces_max, "Namespaces of one client."),
        bytes("socketio namespace_len_max", sio.namespace_len_max, "The name of a namespace."),
        bytes("signalr message_len_max", hub.message_len_max, "One hub message."),
        bytes("signalr stateful_len_max", hub.stateful_len_max, "Sent and not acknowledged."),
        time("signalr handshake_timeout", hub.handshake_timeout, "Until the handshake record."),
        time("signalr keep_alive_interval", hub.keep_alive_interval, "Between two pings."),
        time("signalr client_timeout", hub.client_timeout, "A client that says nothing."),
        time("signalr poll_timeout", hub.poll_timeout, "A poll that brings nothing."),
        time("signalr disconnect_timeout", hub.disconnect_timeout, "A client between two polls."),
        time("sockjs heartbeat_interval", sockjs.heartbeat_interval, "Between two heartbeats."),
        time("sockjs disconnect_delay", sockjs.disconnect_delay, "A client without a receiver."),
        bytes("sockjs response_len_max", sockjs.response_len_max, "One streaming response."),
        time("sockjs response_time_max", sockjs.response_time_max, "One streaming response."),
        time("plain poll_timeout", plain.poll_timeout, "A poll that brings nothing."),
        time("plain poll_gap_max", plain.poll_gap_max, "A client between two polls."),
        time("plain abort_gap_max", plain.abort_gap_max, "The same after a poll it broke off."),
        time("plain heartbeat_interval", plain.heartbeat_interval, "Between two heartbeats."),
        bytes("plain poll_len_max", plain.poll_len_max, "The answer to one poll."),
        bytes("plain chunk_len_max", plain.chunk_len_max, "One piece of an event stream."),
    ]
}

fn bytes(name: &'static str, value: usize, about: &'static str) -> Row {
    Row(name, value as u64, LimitUnit::Bytes, about)
}

fn count(name: &'static str, value: usize, about: &'static str) -> Row {
    Row(name, value as u64, LimitUnit::Count, about)
}

fn time(name: &'static str, value: Duration, about: &'static str) -> Row {
    let ms = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    Row(name, ms, LimitUnit::Milliseconds, about)
}

#[cfg(test)]
mod tests {
    /// `docs/limits.md` has these tables as they are; `cargo run -p omniwire-cli -- config limits`
    /// prints new ones.
    #[test]
    fn the_page_about_limits_is_what_the_code_says() {
        let page = include_str!("../../../docs/limits.md");
        let tables = super::tables();
        assert!(page.contains(&tables), "docs/limits.md should have:\n{tables}");
    }
}
