//! What opened a session, how it and its peers are called, and what its client may come back to.

use super::Cell;
use crate::request::RequestInfo;
use crate::server::fresh_id;
use bytes::Bytes;
use omniwire_hub::Seen;
use omniwire_plain::{PLACES_MAX, Places};
use omniwire_session::ByteString;
use parking_lot::Mutex;
use smol_str::SmolStr;
use std::sync::OnceLock;

/// How the peers of a session get their public ids.
#[derive(Debug, Clone)]
pub(crate) enum PeerIds {
    /// Each gets a new one.
    Fresh,
    /// Its only peer has this one, which the client was told before.
    Known(SmolStr),
    /// Made from the token, as Socket.IO 2 clients do by themselves.
    Legacy,
}

/// What opened a session, and how it and its peers are called.
pub(super) enum Identity {
    /// Nothing finds it, and its peers have fresh ids.
    Nameless(RequestInfo),
    Named(Box<Named>),
}

pub(super) struct Named {
    opened_by: RequestInfo,
    token: SmolStr,
    ids: PeerIds,
    /// What carries the session, where that is not what opened it.
    carried_by: OnceLock<Box<RequestInfo>>,
    /// What is known of a plain session that is carried by HTTP.
    past: Mutex<Option<Box<Past>>>,
}

/// What a client that speaks HTTP may come back to.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// The number of the last poll that brought something...
    pub(crate) number: u64,
    /// ...and what it brought, until the next one says that it came.
    pub(crate) body: Bytes,
    /// Set if the client was here in an earlier session: where it stood in rooms that it has not
    /// joined again...
    pub(crate) places: Option<Places>,
    /// ...and the first of those that it has.
    resumed: Vec<ByteString>,
    /// Rooms of which the client knows that it is not let in, the first of them.
    denied: Vec<ByteString>,
}

impl Identity {
    pub(super) fn new(opened_by: RequestInfo, token: &str, ids: PeerIds) -> Self {
        if token.is_empty() && matches!(ids, PeerIds::Fresh) {
            return Self::Nameless(opened_by);
        }
        let (token, carried_by, past) = (token.into(), OnceLock::new(), Mutex::default());
        Self::Named(Box::new(Named { opened_by, token, ids, carried_by, past }))
    }

    pub(super) fn opened_by(&self) -> &RequestInfo {
        match self {
            Self::Nameless(request) => request,
            Self::Named(named) => &named.opened_by,
        }
    }

    fn named(&self) -> Option<&Named> {
        match self {
            Self::Nameless(_) => None,
            Self::Named(named) => Some(named),
        }
    }
}

impl Cell {
    /// Whether its peers' ids are made from its token.
    pub(crate) fn has_legacy_ids(&self) -> bool {
        self.identity.named().is_some_and(|named| matches!(named.ids, PeerIds::Legacy))
    }

    /// What a peer that enters this namespace is called.
    pub(super) fn peer_id(&self, namespace: &ByteString) -> SmolStr {
        match self.identity.named() {
            None | Some(Named { ids: PeerIds::Fresh, .. }) => (*fresh_id()).into(),
            Some(Named { ids: PeerIds::Known(id), .. }) => id.clone(),
            Some(Named { ids: PeerIds::Legacy, token, .. }) => {
                (*omniwire_socketio::legacy_id(token, namespace)).into()
            }
        }
    }

    /// What is known of a plain session that is carried by HTTP, and so has a token.
    pub(crate) fn past(&self) -> Option<&Mutex<Option<Box<Past>>>> {
        self.identity.named().map(|named| &named.past)
    }

    /// What finds the session in the table; empty if nothing can.
    pub(crate) fn token(&self) -> &SmolStr {
        static NO_TOKEN: SmolStr = SmolStr::new_static("");
        self.identity.named().map_or(&NO_TOKEN, |named| &named.token)
    }

    /// The request that opened it, or that carries it, where these differ.
    pub(crate) fn request(&self) -> &RequestInfo {
        let carried_by = self.identity.named().and_then(|named| named.carried_by.get());
        carried_by.map_or(self.identity.opened_by(), |request| request)
    }

    /// Another request than the one that opened the session comes to carry it. The first stays.
    pub(crate) fn set_request(&self, request: RequestInfo) {
        if let Some(named) = self.identity.named() {
            named.carried_by.get_or_init(|| Box::new(request));
        }
    }

    /// Whether its client is to hear that it is not let into a room: a poll may ask for a room as
    /// often as it comes, and must not be answered at once each time.
    pub(crate) fn tells_of(&self, room: &ByteString) -> bool {
        let mut past = self.past().map(Mutex::lock);
        past.as_mut().and_then(|past| past.as_mut()).is_none_or(|past| past.is_news(room))
    }

    /// Up to where its client has seen a room's events, as it said when it came. Once the peer is
    /// in that room, [`Cell::has_joined`] must follow.
    pub(crate) fn has_seen(&self, room: &str) -> Seen {
        let past = self.past().map(Mutex::lock);
        past.as_ref().and_then(|past| past.as_ref()).map_or(Seen::Nothing, |past| past.seen(room))
    }

    /// Its client is in a room: what it had seen of it before says nothing any more.
    pub(crate) fn has_joined(&self, room: &str) {
        if let Some(past) = self.past().map(Mutex::lock).as_mut().and_then(|past| past.as_mut()) {
            past.joined(room);
        }
    }
}

impl Past {
    /// What is known of a client that stood here in an earlier session, if it was here.
    pub(crate) fn of(places: Option<Places>) -> Self {
        Self { places, ..Self::default() }
    }

    fn is_news(&mut self, room: &ByteString) -> bool {
        let is_news = !self.denied.contains(room);
        if is_news && self.denied.len() < PLACES_MAX {
            self.denied.push(ByteString::from(&**room));
        }
        is_news
    }

    /// Up to where the client has seen a room that it joins now. If it has joined it in this
    /// session before, it has left it since, and lost nothing: it is new there.
    fn seen(&self, room: &str) -> Seen {
        match &self.places {
            Some(places) if !self.has_resumed(room) => {
                places.get(room).map_or(Seen::Unknown, Seen::UpTo)
            }
            _ => Seen::Nothing,
        }
    }

    fn joined(&mut self, room: &str) {
        let is_there = self.has_resumed(room);
        let Some(places) = &mut self.places else { return };
        if !is_there && self.resumed.len() < PLACES_MAX {
            self.resumed.push(room.into());
        }
        places.take(room);
    }

    fn has_resumed(&self, room: &str) -> bool {
        self.resumed.iter().any(|resumed| resumed == room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use omniwire_session::Position;

    #[test]
    fn who_comes_back_and_joins_a_room_again_that_it_left_is_new_there() {
        let mut past = Past::of(Places::parse("9.1.a"));
        let before = Seen::UpTo(Position { epoch: 9, offset: 1 });
        assert_eq!([past.seen("a"), past.seen("a")], [before; 2], "it may fail to join");
        past.joined("a");
        assert_eq!(past.seen("a"), Seen::Nothing);
        assert_eq!(past.seen("b"), Seen::Unknown, "it may have been there");
        past.joined("b");
        assert_eq!(past.seen("b"), Seen::Nothing);
        assert_eq!(Past::of(None).seen("a"), Seen::Nothing);
    }

    #[test]
    fn the_rooms_that_a_client_came_back_to_are_remembered_within_bounds() {
        let mut past = Past::of(Some(Places::default()));
        for room in 0..2 * PLACES_MAX {
            assert_eq!(past.seen(&room.to_string()), Seen::Unknown);
            past.joined(&room.to_string());
        }
        assert_eq!(past.resumed.len(), PLACES_MAX);
    }
}
