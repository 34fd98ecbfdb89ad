//! The command line.

use crate::settings::{COUNT, NUMBER, PORT};
use clap::{Args, Parser, Subcommand, ValueEnum};
use omniwire::protocols::sockjs::client::{TRANSPORTS, Transport};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;

/// One real-time server for every protocol the web already uses: WebSocket, Socket.IO, SignalR,
/// SockJS, server-sent events and long polling, on one port and into the same rooms.
#[derive(Debug, Parser)]
#[command(name = "omniwire", version, arg_required_else_help = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(ServeOptions),
    #[command(subcommand)]
    Config(ConfigCommand),
    #[command(hide = true)]
    Conformance(ConformanceOptions),
    #[command(hide = true)]
    ConformanceClient(ConformanceClientOptions),
}

/// Show what can be set.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List every limit with its default
    Limits,
}

/// Run the server.
///
/// Each setting may come from the configuration file, from the environment, or from a flag; the
/// later one wins. At SIGTERM or Ctrl-C the server takes no new sessions, and those that are there
/// end at a pace, each told in its protocol's words to come back; it ends when all have gone, at
/// the latest three seconds after the last was told. A second one ends all sessions at once.
///
/// Load balancers may ask for `/healthz`, which is 200 as long as the process is there, and
/// `/readyz`, which is 503 from the signal on.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Configuration file, in TOML: the same settings by the same names (host, port, origins,
    /// hosts, gzip, demo, threads, tls_cert, tls_key, webtransport, drain_delay_ms, drain_rate,
    /// drain_time_ms, log), and two tables: `limits`, whose names `omniwire config limits` lists,
    /// and `socketio_cookie` (name, path, domain, max_age in seconds, expires, http_only, secure,
    /// partitioned, priority, same_site)
    #[arg(long, value_name = "FILE", env = "OMNIWIRE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen on; `localhost` listens on 127.0.0.1 and ::1 [default: 127.0.0.1]
    #[arg(long, env = "OMNIWIRE_HOST")]
    pub(crate) host: Option<String>,
    /// TCP port; 0 takes a free one [default: 8000]
    #[arg(long, short, env = "OMNIWIRE_PORT", value_parser = number::<u16>(PORT))]
    pub(crate) port: Option<u16>,
    /// Origin whose pages may connect, over any transport; may be given several times, `*` for
    /// any page. OMNIWIRE_ORIGINS takes several with commas between them
    /// [default: only the server's own pages]
    #[arg(long = "origin", value_name = "ORIGIN", env = "OMNIWIRE_ORIGINS", value_delimiter = ',')]
    pub(crate) origins: Vec<String>,
    /// Name that the server answers to, besides local ones; may be given several times, `*` for
    /// any. OMNIWIRE_HOSTS takes several with commas between them
    /// [default: any, but only local names on a loopback address]
    #[arg(long = "allow-host", value_name = "NAME", env = "OMNIWIRE_HOSTS", value_delimiter = ',')]
    pub(crate) hosts: Vec<String>,
    /// Compress event streams, and long answers to polls and POSTs, of clients without a library
    /// that ask for it; not where a secret and what others may choose are in one stream
    /// [default: false]
    #[arg(long, value_name = "BOOL", env = "OMNIWIRE_GZIP")]
    pub(crate) gzip: Option<bool>,
    /// Set a limit, as `omniwire config limits` lists them; may be given several times
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limits: Vec<String>,
    /// PEM file with the certificate, and its intermediates behind it: the port then speaks TLS,
    /// and HTTP/3 on the same UDP port [default: no TLS]
    #[arg(long, value_name = "FILE", env = "OMNIWIRE_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", env = "OMNIWIRE_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Let Socket.IO's clients use WebTransport too, over HTTP/3; needs a certificate
    /// [default: false]
    #[arg(long, value_name = "BOOL", env = "OMNIWIRE_WEBTRANSPORT")]
    pub(crate) webtransport: Option<bool>,
    /// Serve the demo: a chat in namespace /chat and its page at / [default: true]
    #[arg(long, value_name = "BOOL", env = "OMNIWIRE_DEMO")]
    pub(crate) demo: Option<bool>,
    /// Threads that serve connections [default: one for each core]
    #[arg(
        long,
        value_name = "COUNT",
        env = "OMNIWIRE_THREADS",
        value_parser = number::<NonZeroUsize>(COUNT)
    )]
    pub(crate) threads: Option<NonZeroUsize>,
    /// How long the server refuses new sessions, at its end, before the first of the others is
    /// ended [default: 0]
    #[arg(
        long,
        value_name = "MS",
        env = "OMNIWIRE_DRAIN_DELAY_MS",
        value_parser = number::<u64>(NUMBER)
    )]
    pub(crate) drain_delay_ms: Option<u64>,
    /// Sessions that are then ended in a second [default: 500]
    #[arg(
        long,
        value_name = "COUNT",
        env = "OMNIWIRE_DRAIN_RATE",
        value_parser = number::<NonZeroU32>(COUNT)
    )]
    pub(crate) drain_rate: Option<NonZeroU32>,
    /// How long it may take to end them all: if need be, more are ended in a second
    /// [default: 20000]
    #[arg(
        long,
        value_name = "MS",
        env = "OMNIWIRE_DRAIN_TIME_MS",
        value_parser = number::<u64>(NUMBER)
    )]
    pub(crate) drain_time_ms: Option<u64>,
    /// What to log, in tracing's filter syntax: error, warn, info, debug, or omniwire=debug
    /// [default: info]
    #[arg(long, value_name = "FILTER", env = "OMNIWIRE_LOG")]
    pub(crate) log: Option<String>,
}

/// Serve one of the contracts that clients and test suites are turned on.
#[derive(Debug, Args)]
pub(crate) struct ConformanceOptions {
    /// Which contract
    #[arg(long, value_enum)]
    pub(crate) suite: Suite,
    /// TCP port; 0 takes a free one. For socketio, SIO_PORT stands in
    #[arg(long, value_parser = number::<u16>(PORT))]
    pub(crate) port: Option<u16>,
    /// Address to listen on; `localhost` listens on 127.0.0.1 and ::1
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Threads that serve connections [default: one for each core]
    #[arg(long, value_name = "COUNT", hide = true, value_parser = number::<NonZeroUsize>(COUNT))]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Set a limit, as `omniwire config limits` lists them; may be given several times
    #[arg(long = "limit", value_name = "NAME=VALUE", hide = true)]
    pub(crate) limits: Vec<String>,
    /// Answer to any name, on a loopback address too
    #[arg(long, hide = true)]
    pub(crate) any_host: bool,
    /// Speak TLS, and HTTP/3 on the same UDP port
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    pub(crate) tls: Option<Vec<PathBuf>>,
    /// Take no WebSocket over HTTP/2
    #[arg(long, hide = true)]
    pub(crate) no_http2_websockets: bool,
    /// For sockjs: address of the client's script
    #[arg(long, value_name = "URL", default_value = "http://localhost:8090/sockjs.min.js")]
    pub(crate) sockjs_client_url: String,
    /// What to log
    #[arg(long, value_name = "FILTER", env = "OMNIWIRE_LOG", default_value = "warn")]
    pub(crate) log: String,
}

/// The contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    Websocket,
    Engineio,
    /// What the own suite of npm's engine.io-client wants
    EngineioClient,
    Socketio,
    /// What the own suite of npm's socket.io-client wants
    SocketioClient,
    Signalr,
    Sockjs,
    Plain,
    /// Rooms that number what is said, for `cargo xtask soak`
    Churn,
}

/// Be the client under test of a suite that is a server.
#[derive(Debug, Args)]
pub(crate) struct ConformanceClientOptions {
    /// Which suite
    #[command(subcommand)]
    pub(crate) suite: ClientSuite,
    /// What to log
    #[arg(
        long,
        value_name = "FILTER",
        env = "OMNIWIRE_LOG",
        default_value = "warn",
        global = true
    )]
    pub(crate) log: String,
}

/// The suites that are servers.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientSuite {
    /// Autobahn's fuzzing server: echo to it, case by case, and have it write its report
    Autobahn {
        /// Where it listens, as ws://HOST:PORT
        #[arg(long)]
        url: String,
        /// The name in its report
        #[arg(long, default_value = "omniwire")]
        agent: String,
    },
    /// A WebSocket server that echoes, over any version of HTTP: messages of every size and kind
    /// in order, Ping, the closing handshake. Prints what was agreed on
    Websocket(WebsocketClientOptions),
    /// A SignalR server: commands are read, answers and events are printed, a JSON object a line.
    /// {"id":1,"command":"connect","url":"http://HOST:PORT/HUB"} comes first, then invoke, send,
    /// stream, cancel, upload, stop
    Signalr,
    /// A SockJS server: events are printed, a JSON object a line, and what to do is read so:
    /// {"send":"TEXT"}, {"close":[CODE,"REASON"]}
    Sockjs {
        /// The service, as http://HOST:PORT/PREFIX
        #[arg(long)]
        url: String,
        /// What to try, in this order
        #[arg(
            long,
            value_delimiter = ',',
            value_parser = transport,
            default_value = "websocket,xhr-streaming,eventsource,xhr-polling"
        )]
        transports: Vec<Transport>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WebsocketClientOptions {
    /// Where it listens, as ws://HOST:PORT/PATH or wss://HOST:PORT/PATH
    #[arg(long)]
    pub(crate) url: String,
    /// The version of HTTP
    #[arg(long, value_enum, default_value = "1")]
    pub(crate) http: Http,
    /// Whose certificates are believed, in PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The subprotocol to offer
    #[arg(long)]
    pub(crate) subprotocol: Option<String>,
    /// Let messages refer to earlier ones when they are compressed
    #[arg(long)]
    pub(crate) takeover: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Http {
    #[value(name = "1")]
    One,
    #[value(name = "2")]
    Two,
    #[value(name = "3")]
    Three,
}

/// Reads a number, or says which could be given.
fn number<T: FromStr>(
    expected: &'static str,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| text.parse().map_err(|_| format!("expected {expected}"))
}

fn transport(name: &str) -> Result<Transport, String> {
    let known = TRANSPORTS.into_iter().find(|transport| transport.name() == name);
    known.ok_or_else(|| format!("known are {}", TRANSPORTS.map(Transport::name).join(", ")))
}
