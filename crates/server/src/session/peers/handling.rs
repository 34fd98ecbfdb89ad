//! From an event to its handler, and to the answer.

use super::guarded::{Guarded, conclude, guard};
use super::{Answer, Arrival, PeerCell, Pending, Queued, RoomWish};
use crate::app::arguments::ArgsError;
use crate::app::failure::{Failure, bad_arguments};
use crate::app::handler::{BoxedHandler, Outcome, OutcomeFuture};
use crate::app::upload;
use crate::quoted::quoted;
use crate::wires;
use omniwire_hub::Member as _;
use omniwire_session::{
    Args as RawArgs, ByteString, Call, CallError, CallErrorKind, CallId, Outgoing,
};
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;

/// Who waits for the answer to an event.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) event: ByteString,
    call: Option<Call>,
    channel: Option<oneshot::Sender<Answer>>,
    /// It is a wish to be in the room of this name.
    joins: bool,
}

impl Answering {
    pub(super) fn stream_id(&self) -> Option<CallId> {
        self.call.as_ref().filter(|call| call.stream).map(|call| call.id.clone())
    }
}

impl PeerCell {
    pub(super) fn start(self: &Arc<Self>, queued: Queued) {
        let takes_slot = queued.takes_slot();
        match queued.arrival {
            Arrival::Message(Pending { call: Some(call), .. }) if queued.cancelled => {
                self.say(Outgoing::End { call: &call.id, error: None });
            }
            Arrival::Message(pending) => self.start_message(pending, queued.uploads, takes_slot),
            Arrival::Join(wish) => self.start_join(wish),
            Arrival::LeaveRoom(RoomWish { room, call, answer, .. }) => {
                self.space().hub.leave(self, &room);
                self.space().settle();
                let answering = Answering { event: room, call, channel: answer, joins: false };
                self.answer(answering, Ok(RawArgs::default()));
            }
            Arrival::Leave(reason) => self.leave(reason),
        }
    }

    fn start_message(
        self: &Arc<Self>,
        pending: Pending,
        uploads: Vec<upload::Receiver>,
        takes_slot: bool,
    ) {
        let Pending { name, args, call, uploads: _, answer } = pending;
        let answering = Answering { event: name.clone(), call, channel: answer, joins: false };
        if let Some(feed) = &self.space().feed {
            feed.event("event_received", &self.space().name, &self.member.id, &name, &args);
        }
        let handler = match self.find_handler(&answering, &args, uploads.len(), takes_slot) {
            Ok(handler) => handler,
            Err(error) => {
                let (event, why) = (quoted(&*name), quoted(&*error.message));
                tracing::debug!(%event, error = %why, "an event is refused");
                return self.answer(answering, Err(error));
            }
        };
        let mut context = self.context(name);
        context.args = args;
        context.uploads = uploads;
        self.conduct(answering, guard(handler, context), takes_slot);
    }

    /// The handler of an event, or why there is none for it as it came.
    fn find_handler(
        &self,
        Answering { event, call, .. }: &Answering,
        args: &RawArgs,
        uploads: usize,
        takes_slot: bool,
    ) -> Result<&BoxedHandler, CallError> {
        let refused = |kind, text: String| {
            Err(CallError { kind, event: event.clone(), message: text.into() })
        };
        let methods = self.cell.terms.methods;
        let Some(handler) = self.space().handler(event, methods) else {
            let text = format!("nobody handles the event '{event}'");
            return refused(CallErrorKind::NotFound, text);
        };
        let shape = handler.shape;
        if methods && let Err(text) = shape.counts(args) {
            return Err(self.call_error(event, bad_arguments(ArgsError::new(text))));
        }
        let stream = call.as_ref().filter(|call| call.stream);
        if shape.streams && stream.is_none() {
            let text = "this event answers with a stream, which the call did not ask for";
            return refused(CallErrorKind::WrongManner { streams: true }, text.into());
        }
        if methods && stream.is_some() && !shape.streams {
            let text = "this event does not answer with a stream";
            return refused(CallErrorKind::WrongManner { streams: false }, text.into());
        }
        if methods && uploads != shape.uploads {
            let wanted = shape.uploads;
            let text = format!("Client sent {uploads} stream(s), Hub method expects {wanted}.");
            return refused(CallErrorKind::Failed, text);
        }
        if takes_slot {
            return Ok(handler);
        }
        match self.may_stream(stream.map(|call| &call.id)) {
            Ok(()) => Ok(handler),
            Err((kind, text)) => refused(kind, text.into()),
        }
    }

    fn start_join(self: &Arc<Self>, wish: RoomWish) {
        let RoomWish { room, call, since, answer } = wish;
        let answering = Answering { event: room.clone(), call, channel: answer, joins: true };
        let Some(handler) = &self.space().handlers.join else {
            let error = CallError {
                kind: CallErrorKind::Forbidden,
                message: "clients may not join rooms of this namespace".into(),
                event: room,
            };
            return self.answer(answering, Err(error));
        };
        let mut context = self.context(ByteString::from_static("join"));
        context.args = RawArgs::from_text(room.clone());
        let (peer, handler) = (Arc::clone(self), handler.clone());
        let joined = async move {
            let outcome = handler.call(context).await?;
            let joined = peer.join(&room, since);
            joined.map_err(|error| Failure::client(error.to_string()))?;
            Ok(outcome)
        };
        self.conduct(answering, Guarded::new(Box::pin(joined)), true);
    }

    /// Sees a handler through to its answer.
    fn conduct(self: &Arc<Self>, answering: Answering, mut outcome: Guarded, takes_slot: bool) {
        if takes_slot {
            outcome.count_for(self);
        }
        if let Poll::Ready(outcome) = outcome.poll_now() {
            return self.conclude(answering, outcome);
        }
        let slot = outcome.hold_slot();
        let streaming = (!takes_slot).then(|| self.begin_streaming());
        let (peer, id) = (Arc::clone(self), answering.stream_id());
        self.spawn(id, async move {
            let _streaming = streaming;
            match outcome.await {
                Ok(Outcome::Stream(items)) => {
                    drop(slot);
                    peer.stream(answering, items).await;
                }
                // The slot is free when the answer is on its way.
                outcome => peer.conclude(answering, outcome),
            }
        });
    }

    fn conclude(self: &Arc<Self>, answering: Answering, outcome: Result<Outcome, Failure>) {
        let mut after = None;
        let outcome = match outcome {
            Ok(Outcome::Reply(args)) => Ok(args),
            Ok(Outcome::ReplyThen(args, then)) => {
                after = Some(then);
                Ok(args)
            }
            Ok(Outcome::Stream(items)) => {
                let (peer, id) = (Arc::clone(self), answering.stream_id());
                let streaming = self.begin_streaming();
                return self.spawn(id, async move {
                    let _streaming = streaming;
                    peer.stream(answering, items).await;
                });
            }
            Err(failure) => Err(self.call_error(&answering.event, failure)),
        };
        if let Some(id) = answering.stream_id() {
            self.inbox.lock().take_stream(&id);
        }
        self.answer(answering, outcome);
        if let Some(after) = after {
            self.finish(after);
        }
    }

    /// Does what a handler wanted done after its answer.
    fn finish(self: &Arc<Self>, after: OutcomeFuture) {
        let peer = Arc::clone(self);
        conclude(&self.cell.terms.shared.at_work, Guarded::new(after), move |outcome| {
            if let Err(failure) = outcome {
                peer.note(&ByteString::from_static("what followed an answer"), &failure);
            }
        });
    }

    pub(super) fn say(&self, what: Outgoing<'_>) {
        if let Some(prepared) = wires::encode(self.member.wire, self.space(), what) {
            // To a peer that is gone or too slow, nothing can be said.
            self.push(&prepared).ok();
        }
    }

    fn answer(&self, answering: Answering, outcome: Answer) {
        if let Some(channel) = answering.channel {
            // Nobody listens if the request was aborted.
            channel.send(outcome).ok();
        } else if let Some(call) = answering.call {
            self.say(Outgoing::Reply { call: &call.id, outcome: outcome.as_ref() });
        } else if let Err(error) = outcome {
            let (event, why) = (quoted(&*answering.event), quoted(&*error.message));
            tracing::debug!(%event, error = %why, "event failed");
            if answering.joins {
                self.say_not_joined(&answering.event, &error);
            }
        }
    }
}
