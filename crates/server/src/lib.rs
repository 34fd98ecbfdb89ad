//! Omniwire: every real-time protocol of the web, into the same rooms.
//!
//! One server speaks plain WebSocket, Socket.IO, SignalR, SockJS, server-sent events and long
//! polling on one port. Handlers are written once; a message said by a client of one protocol
//! reaches the clients of all the others, encoded once for each.
//!
//! ```no_run
//! use omniwire::{Args, Failure, Namespace, Omniwire, Peer, Raw, Reply};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let chat = Namespace::new("/chat")
//!     .on_connect(|peer: Peer| async move { peer.join("lobby") })
//!     .on("say", |peer: Peer, Args((text,)): Args<(Raw,)>| async move {
//!         peer.to("lobby").emit("said", (peer.id(), text)).await?;
//!         Ok::<_, Failure>(Reply("delivered"))
//!     });
//! let omniwire = Omniwire::builder().namespace(chat).build()?;
//! let app = axum::Router::new().merge(omniwire.router());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | clients | connect to |
//! |---|---|
//! | `new WebSocket(...)` | `/ws/chat`, raw, or with the subprotocol `omniwire.json.v1` |
//! | `socket.io-client` | `io("/chat")` |
//! | `@microsoft/signalr` | `/signalr/chat` |
//! | `sockjs-client` | `/sockjs/chat` |
//! | `EventSource` | `/sse/chat`, and POST to `/send/chat` |
//! | `fetch` | `/poll/chat`, and POST to `/send/chat` |
//!
//! # Tests of your own
//!
//! The router answers requests without a socket, and a POST without a session is a client that
//! comes, says something, hears the answers, and goes:
//!
//! ```
//! use axum::body::{Body, to_bytes};
//! use http::Request;
//! use omniwire::{Args, Namespace, Omniwire, Reply};
//! use tower_service::Service as _; // or `tower::ServiceExt`, and its `oneshot`
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sums = Namespace::new("/sums")
//!     .on("add", |Args((a, b)): Args<(i32, i32)>| async move { Reply(a + b) });
//! let mut router = Omniwire::builder().namespace(sums).build()?.router();
//!
//! let add = r#"{"event":"add","args":[2,3],"id":1}"#;
//! let answer = router.call(Request::post("/send/sums").body(Body::from(add))?).await?;
//! let answer = to_bytes(answer.into_body(), usize::MAX).await?;
//! assert_eq!(answer, r#"[{"reply":1,"result":5}]"#);
//! # Ok(())
//! # }
//! ```
//!
//! With sockets, bind port 0, [`serve`] in a task, and connect any client;
//! [`protocols::websocket`] has one.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod app;
mod builder;
mod carrier;
mod clock;
mod edge;
mod mount;
mod panics;
mod quoted;
mod request;
mod server;
mod session;
mod wires;

pub use app::admin::AdminUi;
pub use app::arguments::{ArgsError, Binary, FromArgs, IntoArgs, Json, Raw, Relayed};
pub use app::attendance::{Presence, Present, WatchError};
pub use app::audience::{Answers, Audience};
pub use app::cluster::{Cluster, ServerEvent};
pub use app::failure::Failure;
pub use app::filter::Next;
pub use app::gate::Denied;
pub use app::handler::{
    Args, Auth, BoxedHandler, CallContext, EventName, FromCall, Handler, IntoItem, IntoOutcome,
    Outcome, Reply, ReplyThen, Streaming, TryStreaming,
};
pub use app::namespace::{Namespace, NamespaceHandle};
pub use app::peer::{AskError, EmitError, Peer};
pub use app::timestamp::Timestamp;
pub use app::upload::Upload;
pub use builder::Builder;
pub use edge::access::{BadOrigin, Origins};
pub use edge::hosts::{BadHost, Hosts};
pub use edge::listener::{Listener, serve};
#[cfg(feature = "tls")]
pub use edge::tls::{Tls, TlsError};
pub use mount::{
    BuildError, EngineIoMount, Mount, Negotiation, PlainMount, SignalRMount, SockJsMount,
    SocketIoMount, WebSocketMount,
};
pub use omniwire_hub::{Delivery, HistoryLimits, JoinError, SlowPolicy, Stored, Value};
pub use omniwire_session::limits::{Entry as LimitEntry, LimitError, Limits, Unit as LimitUnit};
pub use omniwire_session::{Args as RawArgs, ByteString, Reason};
pub use request::RequestInfo;
pub use server::{Drain, Omniwire, Stats};
pub use session::recovery::ConnectionRecovery;

/// Settings of the protocols, for mounts that differ from the defaults.
pub mod protocols {
    pub use omniwire_engineio as engineio;
    pub use omniwire_plain as plain;
    pub use omniwire_signalr as signalr;
    pub use omniwire_socketio as socketio;
    pub use omniwire_sockjs as sockjs;
    pub use omniwire_websocket as websocket;
}

/// Compiles the example of the guide for those who come from ASP.NET Core.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/signalr.md")]
struct SignalRGuide;

/// Compiles the example of the guide for those who come from npm's `socket.io`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/socketio.md")]
struct SocketIoGuide;

/// Compiles the examples of the page about rooms.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rooms.md")]
struct RoomsPage;

/// Compiles the examples of the page about limits.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/limits.md")]
struct LimitsPage;

/// Compiles the example of the page about access.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/access.md")]
struct AccessPage;

/// Compiles the example of the repository's README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
