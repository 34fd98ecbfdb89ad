//! What all hubs know together: records, streams that run, and states of connections.

use omniwire::Reason;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::LazyLock;

#[derive(Default)]
struct World {
    records: HashMap<String, Vec<i32>>,
    /// How many streams run under a key.
    streams: HashMap<String, usize>,
    states: HashMap<String, String>,
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(Mutex::default);

pub(super) fn record(key: String, value: i32) {
    WORLD.lock().records.entry(key).or_default().push(value);
}

pub(super) fn recorded(key: &str) -> Vec<i32> {
    WORLD.lock().records.get(key).cloned().unwrap_or_default()
}

/// A stream that runs until this is dropped.
pub(super) struct Alive(String);

impl Alive {
    pub(super) fn new(key: String) -> Self {
        *WORLD.lock().streams.entry(key.clone()).or_default() += 1;
        Self(key)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(count) = WORLD.lock().streams.get_mut(&self.0) {
            *count -= 1;
        }
    }
}

pub(super) fn is_alive(key: &str) -> bool {
    WORLD.lock().streams.get(key).is_some_and(|count| *count > 0)
}

pub(super) fn entered(id: &str) {
    WORLD.lock().states.insert(id.to_owned(), "connected".into());
}

/// As ASP.NET Core has it, a line that drops is no error.
pub(super) fn left(id: &str, reason: Reason) {
    let state = match reason {
        Reason::ConnectionLost => "clean".into(),
        Reason::PingTimeout => {
            "error:Client hasn't sent a message/ping within the configured ClientTimeoutInterval."
                .into()
        }
        reason if reason.is_clean() => "clean".into(),
        reason => format!("error:{}", reason.as_str()),
    };
    WORLD.lock().states.insert(id.to_owned(), state);
}

pub(super) fn state(id: &str) -> String {
    WORLD.lock().states.get(id).cloned().unwrap_or_else(|| "unknown".into())
}
