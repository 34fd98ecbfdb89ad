//! Whole connections: client and server over memory and over TCP.

mod advisories;
mod browser;
mod client;
mod closing;
#[cfg(any(feature = "http2", feature = "http3"))]
mod exercise;
mod handshake;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod rows;
mod stream;
mod visit;
mod wire;
