//! Whom something is said to.

use super::arguments::{ArgsError, IntoArgs};
use super::namespace::Space;
use super::peer::Peer;
use crate::wires;
use omniwire_hub::{Delivery, MemberKey, Publication, Target};
use omniwire_session::{ByteString, Outgoing};
use std::sync::Arc;

/// Some peers of a namespace: rooms, without rooms, without peers. Each peer is in it once.
#[derive(Debug, Clone)]
#[must_use = "an audience hears nothing until something is emitted to it"]
pub struct Audience {
    space: Arc<Space>,
    rooms: Vec<ByteString>,
    except_rooms: Vec<ByteString>,
    except: Vec<MemberKey>,
}

impl Audience {
    pub(crate) fn new(space: &Arc<Space>) -> Self {
        Self {
            space: Arc::clone(space),
            rooms: Vec::new(),
            except_rooms: Vec::new(),
            except: Vec::new(),
        }
    }

    pub(crate) fn without(mut self, key: MemberKey) -> Self {
        self.except.push(key);
        self
    }

    /// The members of this room as well. A peer's id is a room that only it is in.
    pub fn and(mut self, room: impl Into<ByteString>) -> Self {
        self.rooms.push(room.into());
        self
    }

    /// But not the members of this room.
    pub fn except(mut self, room: impl Into<ByteString>) -> Self {
        self.except_rooms.push(room.into());
        self
    }

    fn target(&self) -> Target<'_> {
        Target { rooms: &self.rooms, except_rooms: &self.except_rooms, except: &self.except }
    }

    /// Says something to all of them: encoded once per wire form, handed to each outbox, in the
    /// room's order. Returns when it is handed over (and published to the other nodes, where
    /// there are any).
    ///
    /// # Errors
    /// The arguments can't be said in JSON.
    pub async fn emit(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<Delivery, ArgsError> {
        let (event, args) = (event.into(), args.into_args()?);
        let publication = Publication { name: &event, args: &args };
        let namespace = &self.space.name;
        let delivery =
            self.space.hub.broadcast(self.target(), publication, &mut |wire, position| {
                let what = Outgoing::Event { name: &event, args: &args, call: None, position };
                wires::encode(wire, namespace, what)
            });
        Ok(delivery)
    }

    /// The peers.
    pub fn peers(&self) -> Vec<Peer> {
        let excepted = match self.except_rooms.as_slice() {
            [] => Vec::new(),
            rooms => self.space.hub.members(rooms),
        };
        let is_excepted = |key: MemberKey| {
            self.except.contains(&key) || excepted.iter().any(|member| member.key == key)
        };
        let members = self.space.hub.members(&self.rooms);
        let keys = members.iter().map(|member| member.key).filter(|&key| !is_excepted(key));
        keys.filter_map(|key| self.space.peer(key)).collect()
    }

    /// Puts all of them in a room; those that are in too many stay where they are.
    pub fn join(&self, room: impl Into<ByteString>) {
        let room = room.into();
        for peer in self.peers() {
            if let Err(error) = self.space.hub.join(&peer.0.member, &room) {
                tracing::debug!(peer = %peer.id(), %error, "not joined");
            }
        }
    }

    /// Takes all of them out of a room.
    pub fn leave(&self, room: &str) {
        for peer in self.peers() {
            self.space.hub.leave(&peer.0.member, room);
        }
    }

    /// Ends all of them; with `whole`, their sessions and connections too.
    pub fn disconnect(&self, whole: bool) {
        for peer in self.peers() {
            if whole { peer.disconnect_session() } else { peer.disconnect() }
        }
    }
}
