//! What is there for each connection that says nothing stays as small as it is.

use super::cell::Cell;
use super::peers::PeerCell;
use crate::carrier::engine::{Record, Socket};
use crate::carrier::websocket::Carried;
use omniwire_hub::Outbox;
use omniwire_plain::PlainSession;

#[test]
fn what_an_idle_peer_is_made_of_is_small() {
    // Each but the state machine has two counts of references in front of it, and an allocator
    // rounds up: to 80, 128 and 192 among others.
    let sizes = [
        ("engine's record", size_of::<Record<Carried<Socket>>>(), 64),
        ("cell", size_of::<Cell>(), 176),
        ("outbox", size_of::<Outbox>(), 48),
        ("peer", size_of::<PeerCell>(), 112),
        ("state machine", size_of::<PlainSession>(), 24),
    ];
    for (what, size, size_max) in sizes {
        assert!(size <= size_max, "{what}: {size} bytes, not {size_max}");
    }
}
