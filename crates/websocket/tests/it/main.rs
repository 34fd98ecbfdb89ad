//! Whole connections: client and server over memory and over TCP.

mod closing;
mod handshake;
mod stream;
mod wire;
