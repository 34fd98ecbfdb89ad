//! Sessions at work: the driver of the protocols' state machines, the peers of a session, those
//! who may come back, the table that finds a session by its token, and the timers of all of them.

pub(crate) mod backlog;
pub(crate) mod cell;
pub(crate) mod machine;
pub(crate) mod peers;
pub(crate) mod recovery;
pub(crate) mod table;
pub(crate) mod timers;

#[cfg(all(test, unix))]
mod sizes;
