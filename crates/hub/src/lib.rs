//! Rooms, without IO: who is where, and how what is said reaches them.
//!
//! The hub knows no protocol. A [`Member`] is one peer with its [`Outbox`] and its wire form,
//! whatever else it is; a broadcast asks its caller to encode the event once per wire form that it
//! meets ([`Hub::broadcast`]) and hands every member a shared copy of the result.
//!
//! Locks: a namespace's [`Journal`] if it has one, a member's list of rooms, a room's shard,
//! everybody, then an outbox, and nothing else nests. That order is what makes a room's order
//! total: whoever holds the shard is the only one who hands out in that room.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod backlog;
mod everybody;
mod history;
mod journal;
mod lock;
mod member;
mod outbox;
mod presence;
mod recent;
mod room;
mod values;

pub use backlog::Backlog;
pub use history::{History, HistoryLimits, Stored};
pub use journal::{Entry, Journal, JournalLimits, Publishing};
pub use member::{Lone, Member, MemberKey, Membership};
pub use outbox::lanes::{Lanes, Manner, Pushed, SlowPolicy};
pub use outbox::{Drained, Outbox, OutboxLimits, PushError};
pub use presence::{Person, Presence, PresenceChange, PresenceConfig, Present};
pub use recent::RecentLimits;
pub use room::broadcast::{Delivery, Encode, HandOver, Publication, Target};
pub use room::{Change, Hub, HubConfig, JoinError, Recovery, Seen, SlowPolicies, Welcome};
pub use values::{KEYS_MAX, Value, ValueLimits};

use omniwire_session::ByteString;

/// The same in memory of its own, to be kept for long: what was cut from a message would hold all
/// of it, and count for its own length.
fn detached(text: &ByteString) -> ByteString {
    ByteString::from(&**text)
}
