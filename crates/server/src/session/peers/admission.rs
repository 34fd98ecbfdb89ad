//! How a peer is let in, or turned away, and how it leaves.

use super::PeerCell;
use super::guarded::{Guarded, conclude, guard};
use super::inbox::Stage;
use crate::app::failure::{Cause, Failure};
use crate::app::handler::Outcome;
use crate::app::peer::Peer;
use crate::session::cell::Weight;
use crate::session::recovery::Former;
use omniwire_session::{ByteString, Input, Reason};
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;

impl PeerCell {
    pub(super) fn enter(self: &Arc<Self>) {
        match self.recovery().and_then(|own| own.former.lock().take()) {
            None => self.ask_to_come_in(),
            Some(Former::Away(away)) => self.ask_to_come_back(away),
            Some(Former::Here(former)) => self.take_over(&former),
        }
    }

    pub(super) fn ask_to_come_in(self: &Arc<Self>) {
        let user = self.space().user_of(self.cell.request());
        let Some(handler) = &self.space().handlers.admit else { return self.come_in(user) };
        self.remember_user(user);
        let mut outcome = guard(handler, self.context(ByteString::from_static("admit")));
        let peer = Arc::clone(self);
        let then = move |outcome: Result<Outcome, Failure>| {
            let left = peer.inbox.lock().end_admission();
            match outcome {
                // Who has left meanwhile does not come in.
                Ok(_) if left => peer.admit(Err(left_meanwhile())),
                Ok(_) => peer.come_in(peer.user()),
                Err(mut failure) => {
                    // A peer that can't join or answer yet brings nothing upon itself but by leaving.
                    if failure.cause == Cause::Peer && !left {
                        failure.cause = Cause::Application;
                    }
                    peer.turn_away("admit", failure);
                }
            }
            peer.pump(None);
        };
        if let Poll::Ready(outcome) = outcome.poll_now() {
            return then(outcome);
        }
        // Nobody keeps it at work who does not wait for it.
        let mut left = self.watch_leave();
        let outcome = async move {
            tokio::select! {
                biased;
                outcome = outcome => outcome,
                _ = &mut left => Err(left_meanwhile()),
            }
        };
        conclude(&self.cell.terms.shared.at_work, Guarded::new(Box::pin(outcome)), then);
    }

    /// Ready when the client has left.
    fn watch_leave(&self) -> oneshot::Receiver<()> {
        let (stays, left) = oneshot::channel();
        let mut inbox = self.inbox.lock();
        if !inbox.left {
            inbox.more().admission = Some(stays);
        }
        left
    }

    pub(super) fn come_in(self: &Arc<Self>, user: Option<String>) {
        let space = self.space();
        if !self.is_let_in(user.as_deref()) {
            return self.start_anew();
        }
        if let Some(user) = user {
            if let Err(error) = space.hub.join(self, &space.user_room(&user)) {
                return self.admit(Err(Failure::client(error.to_string())));
            }
            self.forget_user();
        }
        if let Some(feed) = &space.feed {
            feed.connected(&Peer(Arc::clone(self)));
        }
        let Some(handler) = &space.handlers.connect else { return self.admit(Ok(())) };
        let outcome = guard(handler, self.context(ByteString::from_static("connect")));
        let peer = Arc::clone(self);
        conclude(&self.cell.terms.shared.at_work, outcome, move |outcome| {
            match outcome {
                Ok(_) => peer.admit(Ok(())),
                Err(failure) => {
                    peer.tell_feed_of_leave(Reason::Kicked);
                    peer.turn_away("connect", failure);
                }
            }
            peer.pump(None);
        });
    }

    fn turn_away(self: &Arc<Self>, handler: &'static str, failure: Failure) {
        self.note(&ByteString::from_static(handler), &failure);
        self.admit(Err(failure));
    }

    pub(super) fn admit(self: &Arc<Self>, admitted: Result<(), Failure>) {
        let link = self.member.link;
        let input = match admitted {
            Ok(()) => {
                let token = self.recovery().map(|own| own.token.clone());
                let id = ByteString::from(&*self.member.id);
                Input::Accept { link, id, token }
            }
            Err(failure) => {
                tracing::debug!(peer = %self.member.id, ?failure, "turned away");
                self.exit(None);
                self.cell.outbox.forget(link);
                let detailed = self.space().handlers.detailed_errors;
                Input::Refuse { link, refusal: failure.into_refusal(detailed) }
            }
        };
        let stage = match input {
            Input::Accept { .. } => Stage::Open,
            _ => Stage::Refused,
        };
        self.inbox.lock().stage = stage;
        // A session that ended meanwhile has nobody to tell.
        self.cell.handle(input).ok();
    }

    /// It leaves. That has waited, for `on_connect` perhaps, and waits until it is done: nobody may
    /// come and go faster without end.
    pub(super) fn leave(self: &Arc<Self>, reason: Reason) {
        if !self.inbox.lock().begin_leave() {
            // It was turned away, and is out already.
            return self.cell.event_started(Weight::ONE);
        }
        // Held, if it left before its client was told that it is in.
        self.cell.outbox.forget(self.member.link);
        let Some(handler) = &self.space().handlers.disconnect else {
            self.exit(Some(reason));
            return self.cell.event_started(Weight::ONE);
        };
        let mut context = self.context(ByteString::from_static("disconnect"));
        context.reason = Some(reason);
        let outcome = guard(handler, context);
        let peer = Arc::clone(self);
        conclude(&self.cell.terms.shared.at_work, outcome, move |outcome| {
            if let Err(failure) = outcome {
                peer.note(&ByteString::from_static("disconnect"), &failure);
            }
            peer.exit(Some(reason));
            peer.cell.event_started(Weight::ONE);
        });
    }
}

pub(super) fn left_meanwhile() -> Failure {
    Failure::client("left while it was let in")
}
