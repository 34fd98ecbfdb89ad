//! The targets, by protocol.

pub(crate) mod args;
pub(crate) mod configuration;
pub(crate) mod engineio;
pub(crate) mod http3;
pub(crate) mod plain;
pub(crate) mod sessions;
pub(crate) mod signalr;
pub(crate) mod socketio;
pub(crate) mod sockjs;
pub(crate) mod websocket;
pub(crate) mod wires;
