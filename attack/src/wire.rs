//! Bytes as a hostile peer writes them.

pub(crate) mod frame;
pub(crate) mod http;
pub(crate) mod http2;
pub(crate) mod http3;
pub(crate) mod socket;
