//! WebSocket for Rust: all of RFC 6455 and permessage-deflate (RFC 7692), server and client.
//!
//! The crate has two layers, and either is of use alone:
//!
//! 1. a **core without IO**: no runtime, no clock, no randomness but what is passed in, no
//!    `unsafe`. It can be driven by any event loop, tested from octets, and fuzzed;
//! 2. a **thin tokio layer** (feature `tokio`, on by default): `WebSocket`, a `Stream` and `Sink`
//!    over any `AsyncRead + AsyncWrite`.
//!
//! # A server on bare TCP
//!
#![cfg_attr(feature = "tokio", doc = "```no_run")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
//! loop {
//!     let (stream, _) = listener.accept().await?;
//!     tokio::spawn(async move {
//!         let mut socket = omniwire_websocket::accept(stream).await?;
//!         while let Some(message) = socket.recv().await {
//!             let message = message?;
//!             if message.is_data() {
//!                 socket.send(message).await?;
//!             }
//!         }
//!         Ok::<(), omniwire_websocket::Error>(())
//!     });
//! }
//! # }
//! ```
//!
//! # Behind hyper, axum or any HTTP library
//!
//! [`handshake::server::accept`] checks a request and makes the answer, for HTTP/1.1 and for
//! extended CONNECT over HTTP/2 and HTTP/3. Send the answer, then go on with the upgraded stream
//! (whole programs: `examples/hyper.rs`, `examples/axum.rs`):
//!
#![cfg_attr(feature = "tokio", doc = "```no_run")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! use omniwire_websocket::handshake::server::{Options, Request, accept};
//! use omniwire_websocket::{Config, Limits, Role, WebSocket};
//!
//! # async fn run<S, B>(request: http::Request<B>, options: Options, io: S, leftover: bytes::Bytes)
//! #     -> Result<(), Box<dyn std::error::Error>>
//! # where S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {
//! let accepted = accept(&Request::new(&request), &options)?; // Err: `Refusal::response()`
//! let answer: http::Response<String> = accepted.response();
//! // ... send the answer, take io and leftover out of the HTTP library ...
//! let config = Config {
//!     limits: Limits { message_len: 1 << 20, ..Limits::default() },
//!     deflate: accepted.deflate,
//!     ..Config::default()
//! };
//! let socket = WebSocket::from_parts(io, Role::Server, config, leftover)?;
//! # Ok(()) }
//! ```
//!
//! # Limits
//!
//! [`Limits`] bounds what a peer may make us hold: a message (also while it inflates), a frame and
//! the number of fragments. They are checked at a frame's header, before anything is reserved, and
//! memory follows what has arrived, not what was declared. A request's or answer's head may have
//! 16 KiB and 100 fields; `Config::handshake_timeout` and `close_timeout` bound the handshakes.
//!
//! # Closing
//!
//! `close` sends our Close, waits for the peer's and ends TCP, within `Config::close_timeout`. When
//! the peer closes first, `recv` shows its [`Message::Close`], has answered it, and then returns
//! `None`. After an error go on calling `recv` until `None`: the Close that says why, with the code
//! of the [`Violation`], is delivered by that. An end without a Close is `Error::Dropped`, 1006.
//!
//! # Compression
//!
//! [`deflate`] tells which kind costs what. [`deflate::Config::threshold`] leaves short messages
//! as they are.
//!
//! # Backpressure
//!
//! The `Sink` takes no more while `Config::write_buffer_len` octets are unwritten. Who uses `queue`
//! looks at `buffered_amount`, as one does in a browser.
//!
//! # A client
//!
//! `connect` takes `ws` and `wss` URLs (feature `tls`, on by default); `Connector` adds proxies,
//! header fields, subprotocols and whose certificates are believed. `browser::WebSocket` has the
//! interface that pages have. [`Backoff`] says how long to wait before connecting anew.
//!
//! # The hot path
//!
//! `recv` gives messages that may be kept: they share the memory of what was read, by reference
//! count. Who only looks at a message, answers it or sends it on needs none of that:
//! `WebSocket::visit` lends each message where it was read, in a buffer of the thread, and
//! [`Connection::queue_ref`] copies an answer right behind what else is to be written.
//!
#![cfg_attr(feature = "tokio", doc = "```")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! # use omniwire_websocket::{Config, Role, WebSocket};
//! # async fn run(stream: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
//! let mut socket = omniwire_websocket::accept(stream).await?;
//! socket
//!     .visit(|message, replies| {
//!         if message.is_data() {
//!             replies.queue_ref(message); // an echo, without a single allocation of its own
//!         }
//!     })
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! Below tokio the same is [`Connection::receive_in_place`].
//!
//! # One frame for many
//!
//! A server's frames are the same for everybody. [`PreparedMessage`] encodes (and compresses) one
//! once, and `send_prepared` sends it to any number of connections by reference count.
//! [`frame::fill_headroom`] makes one buffer of which the frame and the bare payload are both
//! slices; `queue_shared` sends such a frame, compressed where that was agreed.
//!
//! # The parts
//!
//! | part | what it does |
//! |---|---|
//! | `WebSocket`, `accept`, `connect` | the tokio layer |
//! | [`Connection`] | one connection without IO: `receive` takes octets, `outbox` gives them |
//! | [`Receiver`] | octets to messages, with all checks; the half of [`Connection`] that reads |
//! | [`Outbox`] | what is queued, as a [`bytes::Buf`] for vectored writes |
//! | [`Message`], [`MessageRef`], [`Utf8Bytes`], [`CloseFrame`], [`CloseCode`] | what is exchanged |
//! | [`Violation`] | what a peer did wrong, with the code to close with |
//! | [`Limits`] | what a peer may make us hold |
//! | [`handshake`] | requests and answers; Origin policy |
//! | [`deflate`] | permessage-deflate: configuration, shared compression |
//! | [`frame`], [`mask`] | single frames |
//!
//! # HTTP/2 and HTTP/3
//!
//! A server needs nothing of this crate but [`handshake::server::accept`], whatever version of HTTP
//! its library speaks. A client sets `Connector::http` (features `http2` and `http3`, off by
//! default), and has the same `WebSocket` on a stream of its own connection; `Http2` and `Http3` carry
//! many over one.
//!
//! # What it does not do
//!
//! Reconnecting is the program's, with [`Backoff`].
//! After a block with BFINAL (RFC 7692 section 7.2.3.4, which no known peer sends) the inflater
//! starts with an empty window, even with context takeover.

#![forbid(unsafe_code)]
// No octet from the network may make us panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod backoff;
mod close;
mod connection;
pub mod deflate;
pub mod frame;
pub mod handshake;
#[cfg(feature = "http3")]
mod http3;
mod limits;
pub mod mask;
mod message;
mod outbox;
mod prepared;
mod receiver;
mod role;
#[cfg(feature = "tokio")]
mod socket;
mod utf8;
mod violation;

pub use backoff::Backoff;
pub use close::{CloseCode, CloseFrame, CloseState, UnsendableCode};
pub use connection::{Connection, Masks};
pub use frame::OpCode;
pub use limits::Limits;
pub use message::{Message, MessageRef};
pub use outbox::Outbox;
pub use prepared::PreparedMessage;
pub use receiver::Receiver;
pub use role::Role;
#[cfg(feature = "tls")]
pub use socket::Tls;
#[cfg(feature = "tokio")]
pub use socket::{
    ClientStream, Config, Connector, Error, HttpVersion, Proxy, WebSocket, accept, accept_with,
    browser, connect, connect_over, connect_with,
};
#[cfg(feature = "http2")]
pub use socket::{Http2, Http2Stream};
#[cfg(feature = "http3")]
pub use socket::{Http3, Http3Stream};
pub use utf8::{InvalidUtf8, Utf8Bytes};
pub use violation::Violation;

/// The README's example compiles.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
