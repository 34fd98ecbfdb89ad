//! The edge: HTTP as it comes in, before any protocol.

pub(crate) mod access;
pub(crate) mod answers;
pub(crate) mod crowd;
pub(crate) mod hosts;
mod http1;
#[cfg(feature = "http3")]
mod http3;
pub(crate) mod listener;
pub(crate) mod prefixed;
pub(crate) mod site;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod written;
