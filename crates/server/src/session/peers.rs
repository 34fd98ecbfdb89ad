//! The peers of a session: what waits for its handler, and what waits for the client's answer.

mod failures;
mod guarded;
mod inbox;
mod questions;
mod returning;
mod rooms;
mod user;

pub(crate) use failures::Lines;
pub(crate) use guarded::{AtWork, Away};
pub(crate) use questions::{Answered, Awaited, OpenQuestions, Question};

use self::guarded::{Guarded, conclude, guard, panicked};
use self::inbox::{Inbox, Stage, Work};
use super::cell::{Cell, Entrance};
use super::recovery::{Former, Recoverable};
use crate::app::arguments::ArgsError;
use crate::app::failure::{Failure, bad_arguments};
use crate::app::handler::{BoxedHandler, CallContext, Items, Outcome, OutcomeFuture};
use crate::app::namespace::Space;
use crate::app::peer::Peer;
use crate::app::upload;
use crate::quoted::quoted;
use crate::wires;
use futures_util::StreamExt as _;
use omniwire_hub::{Member, MemberKey, Membership, Outbox};
use omniwire_session::{
    Args as RawArgs, ByteString, Call, CallError, CallErrorKind, CallId, Input, Link, Outgoing,
    Position, Reason, WireForm,
};
use parking_lot::Mutex;
use smol_str::SmolStr;
use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use tokio::sync::oneshot;

/// Values that the application keeps with a peer, one per type.
pub(crate) type Kept = Vec<Arc<dyn Any + Send + Sync>>;

/// The answer to a call that does not go through the peer's outbox.
pub(crate) type Answer = Result<RawArgs, CallError>;

/// What is known of a peer that asks to enter.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) link: Link,
    pub(crate) id: SmolStr,
    pub(crate) auth: RawArgs,
    pub(crate) wire: WireForm,
    pub(crate) recovery: Option<Recoverable>,
}

/// An event that waits for its handler.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) name: ByteString,
    pub(crate) args: RawArgs,
    pub(crate) call: Option<Call>,
    pub(crate) uploads: Vec<ByteString>,
    /// Where the answer goes instead of the outbox.
    pub(crate) answer: Option<oneshot::Sender<Answer>>,
}

/// What comes for a peer.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message(Pending),
    Join(RoomWish),
    LeaveRoom(RoomWish),
    Leave(Reason),
}

/// A client's wish to be in a room, or out of it.
#[derive(Debug, Default)]
pub(crate) struct RoomWish {
    pub(crate) room: ByteString,
    pub(crate) call: Option<Call>,
    /// To join: the last event of the room that the client says it has seen.
    pub(crate) since: Option<Position>,
    /// Where the answer goes instead of the outbox.
    pub(crate) answer: Option<oneshot::Sender<Answer>>,
}

/// An arrival on its way to its handler.
#[derive(Debug)]
pub(crate) struct Queued {
    arrival: Arrival,
    /// The streams that come with it: they are open from here on, whenever its handler starts.
    uploads: Vec<upload::Receiver>,
    /// The client wants the answer no more.
    cancelled: bool,
}

/// One peer of a session.
pub(crate) struct PeerCell {
    pub(crate) cell: Arc<Cell>,
    /// Its part in rooms.
    pub(crate) member: Membership,
    /// Set if it named its namespace, or brought something.
    luggage: Option<Box<Luggage>>,
    inbox: Mutex<Inbox>,
}

/// What peers of most protocols don't have.
struct Luggage {
    space: Arc<Space>,
    brought: Option<Box<Brought>>,
}

/// What few peers have.
struct Brought {
    /// One argument, or none.
    auth: RawArgs,
    /// What is known of it if it may come back.
    recovery: Option<Recoverable>,
}

impl Member for PeerCell {
    fn membership(&self) -> &Membership {
        &self.member
    }

    fn outbox(&self) -> &Outbox {
        &self.cell.outbox
    }
}

/// Without its namespace, in which it is itself.
impl fmt::Debug for PeerCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCell").field("member", &self.member).finish_non_exhaustive()
    }
}

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

impl PeerCell {
    pub(crate) fn new(cell: &Arc<Cell>, space: Arc<Space>, admission: Admission) -> Arc<Self> {
        let Admission { link, id, auth, wire, recovery } = admission;
        let named = matches!(cell.terms.entrance, Entrance::ByName);
        let brings = recovery.is_some() || !auth.is_empty();
        let former = recovery.as_ref().and_then(Recoverable::identity);
        let (key, id) =
            former.unwrap_or_else(|| (MemberKey(NEXT_KEY.fetch_add(1, Ordering::Relaxed)), id));
        let brought = brings.then(|| Box::new(Brought { auth, recovery }));
        let luggage = (named || brings).then(|| Box::new(Luggage { space, brought }));
        Arc::new(Self {
            cell: Arc::clone(cell),
            member: Membership::new(key, id, wire, link),
            luggage,
            inbox: Mutex::default(),
        })
    }

    fn brought(&self) -> Option<&Brought> {
        self.luggage.as_deref()?.brought.as_deref()
    }

    /// Its namespace.
    pub(crate) fn space(&self) -> &Arc<Space> {
        match (&self.luggage, &self.cell.terms.entrance) {
            (Some(luggage), _) => &luggage.space,
            (None, Entrance::Fixed(space)) => space,
            (None, Entrance::ByName) => unreachable!("who named its namespace has luggage"),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        let stage = self.inbox.lock().stage;
        !matches!(stage, Stage::Gone | Stage::Refused) && !self.cell.is_closed()
    }

    /// Takes what came. [`PeerCell::pump`] must follow, with what this returns, when no lock is
    /// held.
    pub(crate) fn arrive(&self, arrival: Arrival) -> Option<Queued> {
        let mut inbox = self.inbox.lock();
        let uploads = match &arrival {
            Arrival::Message(pending) => self.open_uploads(&mut inbox, &pending.uploads),
            _ => Vec::new(),
        };
        let is_leave = matches!(arrival, Arrival::Leave(_));
        let queued = Queued { arrival, uploads, cancelled: false };
        if inbox.is_next(&queued, self.cell.terms.parallel_max) {
            // It waits for nobody: there is no need for a queue.
            inbox.pumping = true;
            return Some(queued);
        }
        if is_leave {
            self.leaves(&mut inbox);
        } else {
            self.cell.event_waits();
        }
        inbox.more().queue.push_back(queued);
        None
    }

    /// Whoever waits for this client waits in vain.
    fn leaves(&self, inbox: &mut Inbox) {
        inbox.left = true;
        let Some(more) = &mut inbox.more else { return };
        more.askers.clear();
        more.admission = None;
        for upload in std::mem::take(&mut more.uploads).into_values() {
            upload.send(&self.cell, Err(ByteString::from_static("the client disconnected")));
        }
        std::mem::take(&mut more.streams).into_values().for_each(|handle| handle.abort());
        inbox.tidy();
    }

    /// Starts handlers, in order, as many as may run. A handler runs on this thread up to its
    /// first wait, so that what does not wait needs no task, and order is what it was. `first`
    /// is what [`PeerCell::arrive`] returned, if it did.
    pub(crate) fn pump(self: &Arc<Self>, first: Option<Queued>) {
        let mut is_ours = first.is_some();
        if let Some(first) = first {
            self.start(first);
        }
        loop {
            let work = {
                let mut inbox = self.inbox.lock();
                if inbox.pumping && !is_ours {
                    return;
                }
                let work = inbox.next(self.cell.terms.parallel_max);
                is_ours = work.is_some();
                inbox.pumping = is_ours;
                work
            };
            let Some(work) = work else { return };
            match work {
                Work::Enter => self.enter(),
                Work::Handle(Queued { arrival: Arrival::Leave(reason), .. }) => self.leave(reason),
                Work::Handle(queued) => {
                    self.cell.event_started();
                    self.start(queued);
                }
                Work::Drop(queued) => {
                    self.cell.event_started();
                    drop(queued);
                }
            }
        }
    }

    fn enter(self: &Arc<Self>) {
        match self.recovery().and_then(|own| own.former.lock().take()) {
            None => self.ask_to_come_in(),
            Some(Former::Away(away)) => self.ask_to_come_back(away),
            Some(Former::Here(former)) => self.take_over(&former),
        }
    }

    fn ask_to_come_in(self: &Arc<Self>) {
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
                Err(failure) => peer.turn_away("admit", failure),
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

    fn come_in(self: &Arc<Self>, user: Option<String>) {
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
                Err(failure) => peer.turn_away("connect", failure),
            }
            peer.pump(None);
        });
    }

    fn turn_away(self: &Arc<Self>, handler: &'static str, failure: Failure) {
        self.note(&ByteString::from_static(handler), &failure);
        self.admit(Err(failure));
    }

    fn admit(self: &Arc<Self>, admitted: Result<(), Failure>) {
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

    fn leave(self: &Arc<Self>, reason: Reason) {
        let peer = Arc::clone(self);
        {
            let mut inbox = self.inbox.lock();
            if inbox.stage != Stage::Open {
                // It was turned away, and is out already.
                return;
            }
            inbox.stage = Stage::Gone;
        }
        let Some(handler) = &self.space().handlers.disconnect else {
            return peer.exit(Some(reason));
        };
        let mut context = self.context(ByteString::from_static("disconnect"));
        context.reason = Some(reason);
        let outcome = guard(handler, context);
        conclude(&self.cell.terms.shared.at_work, outcome, move |outcome| {
            if let Err(failure) = outcome {
                peer.note(&ByteString::from_static("disconnect"), &failure);
            }
            peer.exit(Some(reason));
        });
    }

    fn context(self: &Arc<Self>, name: ByteString) -> CallContext {
        CallContext {
            peer: Peer(Arc::clone(self)),
            name,
            args: RawArgs::default(),
            uploads: Vec::new(),
            reason: None,
        }
    }

    fn start(self: &Arc<Self>, queued: Queued) {
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
        let handler = match self.find_handler(&answering, &args, uploads.len()) {
            Ok(handler) => handler,
            Err(error) => {
                let (event, message) = (quoted(&*name), quoted(&*error.message));
                tracing::debug!(%event, %message, "an event is refused");
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
        match stream.map(|call| self.may_stream(&call.id)) {
            Some(Err((kind, text))) => refused(kind, text.into()),
            _ => Ok(handler),
        }
    }

    fn may_stream(&self, id: &CallId) -> Result<(), (CallErrorKind, &'static str)> {
        let inbox = self.inbox.lock();
        let Some(more) = &inbox.more else { return Ok(()) };
        if more.streams.contains_key(id) {
            return Err((CallErrorKind::IdInUse, "another call that is not over has this id"));
        }
        if more.streams.len() >= self.cell.terms.shared.limits.calls_max {
            return Err((CallErrorKind::Failed, "there are too many streams"));
        }
        Ok(())
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
        let allowed = guard(handler, context);
        let peer = Arc::clone(self);
        let joined = async move {
            let outcome = allowed.await?;
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
        let (peer, id) = (Arc::clone(self), answering.stream_id());
        self.spawn(id, async move {
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
                return self.spawn(id, async move { peer.stream(answering, items).await });
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

    /// Spawns a task; if it answers a call with a stream, the client may cancel it.
    fn spawn(
        self: &Arc<Self>,
        streaming: Option<CallId>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let working = self.cell.terms.shared.at_work.begin();
        let task = async move {
            task.await;
            drop(working);
        };
        let Some(id) = streaming else {
            tokio::spawn(task);
            return;
        };
        // Under the lock, so that the task can't be done before it is listed.
        let mut inbox = self.inbox.lock();
        let is_wanted = inbox.begin_stream(&id);
        if inbox.left || !is_wanted {
            // Nobody would ever end it.
            drop(inbox);
            drop(task);
            return self.say(Outgoing::End { call: &id, error: None });
        }
        inbox.more().streams.insert(id, tokio::spawn(task).abort_handle());
    }

    async fn stream(self: &Arc<Self>, answering: Answering, items: Items) {
        let Some(id) = answering.stream_id() else { return };
        let mut items = AssertUnwindSafe(items).catch_unwind();
        let mut error = None;
        while let Some(item) = items.next().await {
            match item.unwrap_or_else(|panic| Err(panicked(&*panic))) {
                Ok(item) => self.say(Outgoing::Item { call: &id, item: &item }),
                Err(failure) => {
                    error = Some(self.call_error(&answering.event, failure));
                    break;
                }
            }
            std::future::poll_fn(|context| self.cell.outbox.poll_room(context)).await;
        }
        // Whoever takes it off the list says the last word.
        if self.inbox.lock().take_stream(&id).is_some() {
            self.say(Outgoing::End { call: &id, error: error.as_ref() });
        }
    }

    fn say(&self, what: Outgoing<'_>) {
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
            let (event, message) = (quoted(&*answering.event), quoted(&*error.message));
            tracing::debug!(%event, %message, "event failed");
            if answering.joins {
                self.say_not_joined(&answering.event, &error);
            }
        }
    }

    // What the client sends besides events.

    /// The client no longer wants a stream: it ends, without an error. One that has not begun
    /// ends when its turn comes.
    pub(crate) fn cancel(&self, call: &CallId) {
        let mut inbox = self.inbox.lock();
        if let Some(handle) = inbox.take_stream(call) {
            handle.abort();
            return self.say(Outgoing::End { call, error: None });
        }
        let mut queue = inbox.more.iter_mut().flat_map(|more| &mut more.queue);
        if let Some(queued) = queue.find(|queued| queued.stream() == Some(call)) {
            queued.cancelled = true;
        } else if let Some(more) = &mut inbox.more {
            more.starting.take_if(|starting| starting == call);
        }
    }

    /// What is above the limit is not opened: the handler will miss it.
    fn open_uploads(&self, inbox: &mut Inbox, streams: &[ByteString]) -> Vec<upload::Receiver> {
        if streams.is_empty() {
            return Vec::new();
        }
        let (max, uploads) = (self.cell.terms.shared.limits.calls_max, &mut inbox.more().uploads);
        if uploads.len().saturating_add(streams.len()) > max {
            uploads.retain(|_, upload| !upload.is_closed());
        }
        let room = max.saturating_sub(uploads.len());
        let open = |stream: &ByteString| {
            let (sender, receiver) = upload::channel(&self.cell);
            uploads.insert(stream.clone(), sender);
            receiver
        };
        streams.iter().take(room).map(open).collect()
    }

    /// An item of a stream that the client sends. One that no handler takes is dropped.
    pub(crate) fn uploaded(&self, stream: &ByteString, item: upload::Item) {
        let mut inbox = self.inbox.lock();
        let Some(more) = &mut inbox.more else { return };
        let Some(upload) = more.uploads.get(stream) else { return };
        if !upload.send(&self.cell, item) {
            more.uploads.remove(stream);
            inbox.tidy();
        }
    }

    pub(crate) fn upload_ended(&self, stream: &ByteString, error: Option<ByteString>) {
        if let Some(error) = error {
            self.uploaded(stream, Err(error));
        }
        let mut inbox = self.inbox.lock();
        if let Some(more) = &mut inbox.more {
            more.uploads.remove(stream);
            inbox.tidy();
        }
    }

    /// What is known of it if it may come back.
    pub(crate) fn recovery(&self) -> Option<&Recoverable> {
        self.brought()?.recovery.as_ref()
    }

    /// What the client sent along when it asked to enter.
    pub(crate) fn auth(&self) -> &RawArgs {
        static NOTHING: LazyLock<RawArgs> = LazyLock::new(RawArgs::default);
        self.brought().map_or(&NOTHING, |brought| &brought.auth)
    }

    /// Keeps a value, in place of an earlier one of its type.
    pub(crate) fn keep<T: Any + Send + Sync>(&self, value: T) {
        let mut value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        let mut inbox = self.inbox.lock();
        let values = &mut inbox.more().values;
        match values.iter_mut().find(|kept| kept.is::<T>()) {
            // The earlier one is dropped last: it may look at its peer.
            Some(kept) => std::mem::swap(kept, &mut value),
            None => values.push(value),
        }
    }

    pub(crate) fn kept<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let inbox = self.inbox.lock();
        let mut values = inbox.more.iter().flat_map(|more| &more.values);
        values.find(|kept| kept.is::<T>()).cloned()?.downcast().ok()
    }

    pub(crate) fn take_values(&self) -> Kept {
        let mut inbox = self.inbox.lock();
        let values = inbox.more.as_mut().map(|more| std::mem::take(&mut more.values));
        inbox.tidy();
        values.unwrap_or_default()
    }

    fn set_values(&self, values: Kept) {
        self.inbox.lock().more().values = values;
    }

    pub(crate) fn hang_up(&self) {
        let _runtime = self.cell.terms.shared.timers.enter_runtime();
        // A session that is over needs no end.
        self.cell.handle(Input::Close { reason: Reason::Kicked }).ok();
    }

    pub(crate) fn kick(&self, whole: bool, close: Option<(u16, ByteString)>) {
        let _runtime = self.cell.terms.shared.timers.enter_runtime();
        // A session that is over needs no end.
        self.cell.handle(Input::Kick { link: self.member.link, whole, close }).ok();
    }
}

impl Queued {
    /// Whether its handler counts among those that run at once. Streams of either direction last
    /// as long as they please, and so don't.
    fn takes_slot(&self) -> bool {
        match &self.arrival {
            Arrival::Message(Pending { call, uploads, .. }) => {
                uploads.is_empty() && !call.as_ref().is_some_and(|call| call.stream)
            }
            _ => true,
        }
    }

    /// The call that it is, if that asks for a stream.
    fn stream(&self) -> Option<&CallId> {
        let call = match &self.arrival {
            Arrival::Message(Pending { call, .. }) => call,
            Arrival::Join(wish) | Arrival::LeaveRoom(wish) => &wish.call,
            Arrival::Leave(_) => &None,
        };
        call.as_ref().filter(|call| call.stream).map(|call| &call.id)
    }
}

/// Who waits for the answer to an event.
#[derive(Debug)]
struct Answering {
    event: ByteString,
    call: Option<Call>,
    channel: Option<oneshot::Sender<Answer>>,
    /// It is a wish to be in the room of this name.
    joins: bool,
}

impl Answering {
    fn stream_id(&self) -> Option<CallId> {
        self.call.as_ref().filter(|call| call.stream).map(|call| call.id.clone())
    }
}

fn left_meanwhile() -> Failure {
    Failure::client("left while it was let in")
}
