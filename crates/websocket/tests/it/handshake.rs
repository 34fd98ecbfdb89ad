//! The opening handshake over the tokio layer.
