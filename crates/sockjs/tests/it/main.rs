//! The cases of the official test suite (`sockjs-protocol.py`, main), and what it cannot see,
//! against a toy server without sockets and with a clock of its own.

mod beyond;
mod cases;
mod envelopes;
mod server;
mod suite;
