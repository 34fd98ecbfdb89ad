//! The edge: HTTP as it comes in, before any protocol.

pub(crate) mod access;
pub(crate) mod answers;
pub(crate) mod crowd;
pub(crate) mod hosts;
#[cfg(feature = "http3")]
mod http3;
pub(crate) mod listener;
mod site;
#[cfg(feature = "tls")]
pub(crate) mod tls;
