//! Whole connections: client and server over memory and over TCP.

mod browser;
mod client;
mod closing;
mod handshake;
mod stream;
mod wire;
