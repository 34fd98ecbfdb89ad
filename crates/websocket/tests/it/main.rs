//! Whole connections: client and server over memory and over TCP.

mod browser;
mod client;
mod closing;
mod handshake;
mod rows;
mod stream;
mod wire;
