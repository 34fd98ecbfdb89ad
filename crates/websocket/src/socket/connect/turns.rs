//! One connection at a time in its opening handshake, for each address
//! (RFC 6455 section 4.1, item 2).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// What a connection leads to: an address, or behind a proxy the name of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Address(SocketAddr),
    Name(String, u16),
}

type Turn = tokio::sync::Mutex<()>;

/// Entries live as long as somebody connects or waits.
static TURNS: LazyLock<Mutex<HashMap<Key, Weak<Turn>>>> = LazyLock::new(Mutex::default);

/// Waits until nobody else of this process is connecting there. The turn ends with the guard.
pub(super) async fn wait(key: Key) -> OwnedMutexGuard<()> {
    turn(key).lock_owned().await
}

fn turn(key: Key) -> Arc<Turn> {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
        return turn;
    }
    turns.retain(|_, turn| turn.strong_count() > 0);
    let turn = Arc::new(Turn::default());
    turns.insert(key, Arc::downgrade(&turn));
    turn
}
