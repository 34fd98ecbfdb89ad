//! How a peer gets into a room, and what it missed there.

use super::PeerCell;
use crate::clock;
use crate::wires;
use omniwire_hub::{JoinError, Member as _, Recovery, Seen, Stored, Value, Welcome};
use omniwire_session::{ByteString, CallError, Outgoing, Place, Position, Prepared, Resume};
use std::sync::Arc;

impl PeerCell {
    /// Puts it in a room. If the room is recoverable and the peer's protocol has words for it, the
    /// peer is told where it stands there, and if it was there before, gets what it missed.
    pub(crate) fn join(
        self: &Arc<Self>,
        room: &ByteString,
        since: Option<Position>,
    ) -> Result<(), JoinError> {
        let joined = self.put_in(room, since);
        self.space().settle();
        joined
    }

    fn put_in(
        self: &Arc<Self>,
        room: &ByteString,
        since: Option<Position>,
    ) -> Result<(), JoinError> {
        let hub = &self.space().hub;
        let seen = match since {
            Some(position) => Seen::UpTo(position),
            None if hub.is_recoverable() => self.cell.has_seen(room),
            None => Seen::Nothing,
        };
        hub.join_since(self, room, seen, clock::now(), |mut welcome| {
            if since.is_none() && hub.is_recoverable() {
                self.cell.has_joined(room);
            }
            let recovery = welcome.recovery.take();
            let words = recovery.map(|recovery| self.words_for(room, seen, recovery));
            for prepared in words.into_iter().flatten() {
                // A session that is over hears nothing.
                self.push(&prepared).ok();
            }
            self.give_values(&welcome);
        })
    }

    /// Gives it the current values of a room that it joins.
    pub(super) fn give_values(&self, welcome: &Welcome<'_>) {
        for (Value { name, args, .. }, manner) in welcome.values() {
            let what = Outgoing::Event { name, args, call: None, position: None };
            if let Some(prepared) = wires::encode(self.member.wire, self.space(), what) {
                // A session that is over hears nothing.
                self.push_in(&prepared, manner).ok();
            }
        }
    }

    /// The word that says where it stands, and the events that it missed. More than its outbox can
    /// take is as good as forgotten: else it would be closed as slow whenever it came back.
    fn words_for(&self, room: &str, seen: Seen, recovery: Recovery) -> Vec<Prepared> {
        let resume = |position, recovered| {
            let resume = Resume { place: Place { room, position }, recovered };
            wires::encode_resume(self.member.wire, self.space(), resume).into_iter().collect()
        };
        let (missed, since) = match (recovery, seen) {
            (Recovery::Recovered(missed), Seen::UpTo(since)) => (missed, since),
            (Recovery::Recovered(_), _) => return Vec::new(),
            (Recovery::Fresh(position), _) => return resume(position, None),
            (Recovery::Lost(position), _) => return resume(position, Some(false)),
        };
        let mut words: Vec<Prepared> = resume(since, Some(true));
        if words.is_empty() {
            return words;
        }
        words.extend(missed.iter().filter_map(|stored| self.encode_stored(room, stored)));
        let len = words.iter().map(Prepared::len).sum();
        if self.cell.outbox.could_take(len, words.len()) {
            return words;
        }
        let last = missed.last().map_or(since, |stored| stored.position);
        resume(last, Some(false))
    }

    /// Tells it why it is not in a room, if it asked so that nobody else does.
    pub(super) fn say_not_joined(&self, room: &ByteString, error: &CallError) {
        if !self.cell.tells_of(room) {
            return;
        }
        let said = wires::encode_not_joined(self.member.wire, self.space(), room, error);
        if let Some(prepared) = said {
            // A session that is over hears nothing.
            self.push(&prepared).ok();
        }
    }

    fn encode_stored(&self, room: &str, stored: &Stored) -> Option<Prepared> {
        let position = Some(Place { room, position: stored.position });
        let Stored { name, args, .. } = stored;
        let what = Outgoing::Event { name, args, call: None, position };
        wires::encode(self.member.wire, self.space(), what)
    }
}
