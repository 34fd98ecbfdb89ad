//! Whose a peer is: the same from when it asks to enter until nobody knows it any more.

use super::PeerCell;

impl PeerCell {
    /// The user whom it belongs to. A room of its own says so, as long as it is in; that costs
    /// peers without a user nothing.
    pub(crate) fn user(&self) -> Option<String> {
        let space = self.space();
        space.identify.as_ref()?;
        let by_room = || space.user_among(&self.member.rooms());
        let remembered = || self.inbox.lock().more.as_ref()?.user.clone();
        // It may come into its room between two looks.
        by_room().or_else(remembered).or_else(by_room)
    }

    /// Before it is in that room, or leaves it.
    pub(super) fn remember_user(&self, user: Option<String>) {
        if user.is_some() {
            self.inbox.lock().more().user = user;
        }
    }

    /// It is in that room.
    pub(super) fn forget_user(&self) {
        let mut inbox = self.inbox.lock();
        if let Some(more) = &mut inbox.more {
            more.user = None;
            inbox.tidy();
        }
    }
}
