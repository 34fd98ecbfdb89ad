//! What an application writes and holds: namespaces with their handlers, peers, rooms.

pub(crate) mod admin;
pub(crate) mod arguments;
pub(crate) mod attendance;
pub(crate) mod audience;
pub(crate) mod cluster;
pub(crate) mod dynamic;
pub(crate) mod failure;
pub(crate) mod filter;
pub(crate) mod gate;
pub(crate) mod handler;
pub(crate) mod namespace;
pub(crate) mod peer;
pub(crate) mod space;
pub(crate) mod timestamp;
pub(crate) mod upload;
