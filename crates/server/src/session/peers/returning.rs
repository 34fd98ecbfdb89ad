//! How a peer comes in and goes, where it may come back.

use super::PeerCell;
use super::admission::left_meanwhile;
use super::inbox::Stage;
use crate::session::recovery::{Away, Former, Recoverable, Recovery};
use crate::wires;
use omniwire_hub::{Entry, MemberKey, PushError, Welcome};
use omniwire_session::{Input, Outgoing, Place, Prepared, Reason};
use smol_str::SmolStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::timeout;

impl Recoverable {
    /// The number and the public id of the peer that the client was.
    pub(crate) fn identity(&self) -> Option<(MemberKey, SmolStr)> {
        self.former.lock().as_ref().map(|former| match former {
            Former::Away(away) => (away.key, away.id.clone()),
            Former::Here(peer) => (peer.member.key, peer.member.id.clone()),
        })
    }
}

impl PeerCell {
    /// The client was this peer: it takes up where that one left off, if it is let in.
    pub(super) fn ask_to_come_back(self: &Arc<Self>, mut away: Away) {
        let (Some(own), Some(recovery)) = (self.recovery(), &self.space().recovery) else { return };
        self.set_values(std::mem::take(&mut away.values));
        *own.former.lock() = Some(Former::Away(away));
        if recovery.settings.skip_admission {
            self.come_in(self.space().user_of(self.cell.request()));
        } else {
            self.ask_to_come_in();
        }
    }

    /// The client has lost the connection of this peer, and nobody knew yet.
    pub(super) fn take_over(self: &Arc<Self>, former: &Self) {
        let (Some(own), Some(recovery)) = (self.recovery(), &self.space().recovery) else { return };
        let mut coming = recovery.await_away(&own.token);
        // One that is over already goes by itself.
        former.cell.handle(Input::Close { reason: Reason::ConnectionLost }).ok();
        match coming.try_recv() {
            Ok(away) => return self.ask_to_come_back(away),
            Err(TryRecvError::Closed) => return self.start_anew(),
            Err(TryRecvError::Empty) => {}
        }
        // Its `on_disconnect` takes its time.
        let (peer, token) = (Arc::clone(self), own.token.clone());
        tokio::spawn(async move {
            let came = match timeout(LEAVING_TIMEOUT, &mut coming).await {
                Ok(came) => came.ok(),
                Err(_) => {
                    // It may have come just now.
                    coming.close();
                    coming.try_recv().ok()
                }
            };
            match came {
                Some(away) => peer.ask_to_come_back(away),
                None => {
                    if let Some(recovery) = &peer.space().recovery {
                        recovery.give_up(&token);
                    }
                    peer.start_anew();
                }
            }
            peer.pump(None);
        });
    }

    /// Puts it among the peers of the namespace. Whether that could be: what a returning peer
    /// missed may be forgotten by now, or be too much, or another user's.
    pub(super) fn is_let_in(self: &Arc<Self>, user: Option<&str>) -> bool {
        let space = self.space();
        let (Some(own), Some(recovery)) = (self.recovery(), &space.recovery) else {
            space.hub.enter(Arc::clone(self));
            return true;
        };
        let former = own.former.lock().take();
        match former {
            Some(Former::Away(away)) => {
                let replay = |missed: &mut dyn Iterator<Item = &Entry>| self.replay(missed);
                let greet = |welcome: &Welcome<'_>| self.give_values(welcome);
                // Who has become another user may not hear what is said to the former.
                let is_same = space.user_among(&away.rooms).as_deref() == user;
                let is_back =
                    is_same && space.hub.come_back(self, &away.rooms, &own.since, replay, greet);
                space.settle();
                if !is_back {
                    space.hub.forget(self.member.key);
                    return false;
                }
            }
            Some(Former::Here(_)) | None => space.hub.enter_to_return(Arc::clone(self)),
        }
        own.came_in.store(true, Ordering::Relaxed);
        recovery.arrived(&own.token, self);
        true
    }

    /// Sends what was missed, ahead of the answer to the client's wish to enter. Whether there was
    /// room for it.
    fn replay(&self, missed: &mut dyn Iterator<Item = &Entry>) -> bool {
        let limits = &self.cell.terms.shared.limits;
        let (mut len, mut count) = (0_usize, 0_usize);
        let mut prepared: Vec<Prepared> = Vec::new();
        for Entry { name, args, position, .. } in missed {
            let position = Some(Place::in_journal(*position));
            let what = Outgoing::Event { name, args, call: None, position };
            let Some(event) = wires::encode(self.member.wire, self.space(), what) else {
                continue;
            };
            len = len.saturating_add(event.len());
            count = count.saturating_add(event.frames().len());
            if len > limits.outbox_len_max / 2 || count > limits.outbox_count_max / 2 {
                return false;
            }
            prepared.push(event);
        }
        // If the session is over, it may come back once more.
        self.cell.outbox.could_take(len, count)
            && prepared.iter().all(|event| self.cell.outbox.push_own(event) != Err(PushError::Full))
    }

    /// Who is now in the namespace as this peer: who came back as it, or it is still.
    pub(crate) fn successor(&self) -> Option<Arc<Self>> {
        let peer = self.space().hub.member(&self.member.id)?;
        (peer.member.key == self.member.key).then_some(peer)
    }

    /// It can't be who its client was: a new peer takes its place, and its client is told so by
    /// the ids of that one.
    pub(super) fn start_anew(self: &Arc<Self>) {
        let Some(peer) = self.cell.replace(self) else { return self.admit(Err(left_meanwhile())) };
        tracing::debug!(peer = %peer.member.id, former = %self.member.id, "can't be recovered");
        self.inbox.lock().stage = Stage::Refused;
        peer.pump(None);
    }

    /// Takes it out of the namespace. It may come back if it `left` for a reason that allows that.
    pub(super) fn exit(self: &Arc<Self>, left: Option<Reason>) {
        if let Some(reason) = left {
            self.tell_feed_of_leave(reason);
        }
        // Its rooms know of none any more, but what it said is still handled.
        self.remember_user(self.user());
        self.take_out(left);
        self.space().settle();
    }

    /// While its rooms are known.
    pub(super) fn tell_feed_of_leave(&self, reason: Reason) {
        let space = self.space();
        if let Some(feed) = &space.feed {
            feed.disconnected(self, &space.rooms_of(&self.member), reason);
        }
    }

    fn take_out(self: &Arc<Self>, left: Option<Reason>) {
        let space = self.space();
        let Some(own) = self.recovery() else {
            space.hub.exit(self);
            return;
        };
        if !own.came_in.load(Ordering::Relaxed) {
            // Whom it would have been is still away.
            let former = own.former.lock().take();
            if let Some(Former::Away(mut away)) = former {
                away.values = self.take_values();
                Recovery::keep(space, away);
            }
            return;
        }
        if left.is_some_and(|reason| Recovery::goes(space, self, reason)) {
            return;
        }
        space.hub.exit(self);
        if let Some(recovery) = &space.recovery {
            recovery.forget(&own.token);
        }
    }
}

/// How long a returning client waits for `on_disconnect` of the peer that it was.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(10);
