//! What lines of standard input ask for.

use omniwire::RawArgs;
use omniwire::protocols::signalr::client::{Options, Protocol};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::Duration;

/// One line. Values stay JSON, so that lone surrogates and long integers pass.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) id: u64,
    #[serde(alias = "cmd", alias = "op", alias = "do")]
    command: Name,
    #[serde(default)]
    method: String,
    #[serde(default)]
    args: Vec<Box<RawValue>>,
    #[serde(default)]
    items: Vec<Box<RawValue>>,
    fail: Option<String>,
    stream: Option<u64>,
    url: Option<String>,
    transport: Option<Wanted>,
    protocol: Option<Named>,
    #[serde(default, rename = "skipNegotiation")]
    skip_negotiation: bool,
    token: Option<String>,
    headers: Option<HashMap<String, String>>,
    reconnect: Option<Vec<u64>>,
    #[serde(default)]
    stateful: bool,
    #[serde(rename = "serverTimeoutMs")]
    server_timeout_ms: Option<u64>,
    #[serde(rename = "keepAliveMs")]
    keep_alive_ms: Option<u64>,
    on: Option<HashMap<String, Option<OnCall>>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Connect,
    Invoke,
    Send,
    Stream,
    Cancel,
    Upload,
    Stop,
}

/// The transports that may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wanted {
    Ws,
    Sse,
    Lp,
    #[default]
    Auto,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Named {
    Json,
    MessagePack,
}

#[derive(Debug, Deserialize)]
struct OnCall {
    reply: Option<Box<RawValue>>,
    error: Option<String>,
}

/// What a line asks for, with what that needs.
pub(super) enum Command {
    Connect(Box<Connect>),
    Invoke { method: String, args: RawArgs },
    Send { method: String, args: RawArgs },
    Stream { method: String, args: RawArgs },
    Cancel { stream: u64 },
    Upload { method: String, args: RawArgs, items: Vec<RawArgs>, fail: Option<String> },
    Stop,
}

/// Where to connect, and how.
pub(super) struct Connect {
    pub(super) url: String,
    pub(super) transport: Wanted,
    pub(super) skip_negotiation: bool,
    pub(super) token: Option<String>,
    pub(super) headers: HashMap<String, String>,
    pub(super) stateful: bool,
    pub(super) options: Options,
    pub(super) reactions: HashMap<String, Reaction>,
}

/// What to do when the server calls a method; that it did is told in any case.
pub(super) enum Reaction {
    None,
    Reply(RawArgs),
    Error(String),
}

impl Asked {
    /// What it asks for.
    pub(super) fn command(self) -> Result<Command, String> {
        let (method, args) = (self.method, elements(&self.args)?);
        Ok(match self.command {
            Name::Connect => {
                let protocol = match self.protocol {
                    Some(Named::MessagePack) => Protocol::MessagePack,
                    Some(Named::Json) | None => Protocol::Json,
                };
                let mut options = Options::new(protocol);
                let delays = self.reconnect.unwrap_or_default().into_iter();
                options.reconnect = delays.map(Duration::from_millis).collect();
                let timings = [
                    (&mut options.server_timeout, self.server_timeout_ms),
                    (&mut options.keep_alive, self.keep_alive_ms),
                ];
                for (timing, given) in timings {
                    *timing = given.map_or(*timing, Duration::from_millis);
                }
                Command::Connect(Box::new(Connect {
                    url: self.url.ok_or("connect needs a url")?,
                    transport: self.transport.unwrap_or_default(),
                    skip_negotiation: self.skip_negotiation,
                    token: self.token,
                    headers: self.headers.unwrap_or_default(),
                    stateful: self.stateful,
                    options,
                    reactions: reactions(self.on.unwrap_or_default())?,
                }))
            }
            Name::Invoke => Command::Invoke { method, args },
            Name::Send => Command::Send { method, args },
            Name::Stream => Command::Stream { method, args },
            Name::Cancel => Command::Cancel { stream: self.stream.ok_or("cancel needs a stream")? },
            Name::Upload => {
                let items = self.items.iter().map(|item| elements(std::slice::from_ref(item)));
                let items = items.collect::<Result<_, _>>()?;
                Command::Upload { method, args, items, fail: self.fail }
            }
            Name::Stop => Command::Stop,
        })
    }
}

fn elements(values: &[Box<RawValue>]) -> Result<RawArgs, String> {
    let joined = values.iter().map(|value| value.get()).collect::<Vec<_>>().join(",");
    RawArgs::from_elements(joined.into()).map_err(|error| error.to_string())
}

fn reactions(on: HashMap<String, Option<OnCall>>) -> Result<HashMap<String, Reaction>, String> {
    let reaction = |on: Option<OnCall>| match on {
        None => Ok(Reaction::None),
        Some(OnCall { error: Some(text), .. }) => Ok(Reaction::Error(text)),
        Some(OnCall { reply: Some(value), .. }) => elements(&[value]).map(Reaction::Reply),
        // A reply of `null`.
        Some(OnCall { .. }) => Ok(Reaction::Reply(RawArgs::default())),
    };
    on.into_iter().map(|(name, on)| Ok((name, reaction(on)?))).collect()
}
