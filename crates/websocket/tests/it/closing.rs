//! The closing handshake over the tokio layer.
