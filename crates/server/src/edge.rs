//! The edge: HTTP as it comes in, before any protocol.

pub(crate) mod access;
pub(crate) mod answers;
pub(crate) mod crowd;
pub(crate) mod hosts;
pub(crate) mod listener;
