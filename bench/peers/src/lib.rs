//! What the peers share: where they listen, and their rooms. Each serves `/echo` and
//! `/room/NAME`, where a message goes to all members of the room, its sender too.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Every message comes back.
    Echo,
    /// The same, compressed.
    EchoDeflate,
    /// Every message goes to all of this room.
    Room(String),
}

impl Service {
    /// What is at a path.
    pub fn at(path: &str) -> Option<Self> {
        match path {
            "/echo" => Some(Self::Echo),
            "/echo-deflate" => Some(Self::EchoDeflate),
            path => path.strip_prefix("/room/").map(|room| Self::Room(room.to_owned())),
        }
    }
}

/// Listens on a free port.
pub async fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    announce(listener.local_addr()?)?;
    Ok(listener)
}

/// Says where the server listens, as `cargo xtask bench` reads it.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {address}")?;
    out.flush()
}

/// Rooms as users of these crates write them: a broadcast channel each.
#[derive(Debug, Clone)]
pub struct Rooms<T>(Rc<RefCell<HashMap<String, broadcast::Sender<T>>>>);

/// Messages that a member may lag behind.
const ROOM_LEN: usize = 4096;

impl<T: Clone> Rooms<T> {
    /// A member's two ends.
    pub fn join(&self, room: &str) -> (broadcast::Sender<T>, broadcast::Receiver<T>) {
        let mut rooms = self.0.borrow_mut();
        let sender =
            rooms.entry(room.to_owned()).or_insert_with(|| broadcast::channel(ROOM_LEN).0).clone();
        let receiver = sender.subscribe();
        (sender, receiver)
    }
}

impl<T> Default for Rooms<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}
