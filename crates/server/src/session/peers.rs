//! The peers of a session: what waits for its handler, and what waits for the client's answer.

use super::cell::Cell;
use crate::app::failure::Failure;
use crate::app::handler::{BoxedHandler, CallContext, Items, Outcome, OutcomeFuture};
use crate::app::namespace::Space;
use crate::app::peer::Peer;
use crate::app::upload;
use crate::wires;
use futures_util::StreamExt;
use omniwire_hub::{Member, MemberKey};
use omniwire_session::{
    Args as RawArgs, ByteString, Call, CallError, CallErrorKind, CallId, Input, Link, Outgoing,
    Reason, WireForm,
};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

/// The answer to a call that does not go through the peer's outbox.
pub(crate) type Answer = Result<RawArgs, CallError>;

/// How many items of a client's stream may wait for the handler.
const UPLOAD_ITEMS_MAX: usize = 1024;

/// What is known of a peer that asks to enter.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) link: Link,
    pub(crate) id: ByteString,
    pub(crate) auth: RawArgs,
    pub(crate) wire: WireForm,
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
    /// Where the answer goes instead of the outbox.
    pub(crate) answer: Option<oneshot::Sender<Answer>>,
}

/// One peer of a session.
#[derive(Debug)]
pub(crate) struct PeerCell {
    pub(crate) cell: Arc<Cell>,
    pub(crate) space: Arc<Space>,
    pub(crate) member: Arc<Member>,
    pub(crate) auth: RawArgs,
    pub(crate) values: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
    inbox: Mutex<Inbox>,
    questions: Mutex<Questions>,
}

/// A peer's events, in order. At most one thread at a time starts handlers ([`PeerCell::pump`]).
#[derive(Debug, Default)]
struct Inbox {
    stage: Stage,
    queue: VecDeque<Arrival>,
    pumping: bool,
    running: usize,
    /// Calls that the client may cancel.
    cancellable: HashMap<CallId, AbortHandle>,
    uploads: HashMap<ByteString, upload::Sender>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `on_connect` has not been started.
    #[default]
    New,
    /// `on_connect` runs.
    Entering,
    /// Let in.
    Open,
    /// Has left: what was said before is still handled.
    Gone,
    /// Was turned away: nothing that it says is handled.
    Refused,
}

#[derive(Debug, Default)]
struct Questions {
    open: HashMap<u64, oneshot::Sender<Result<RawArgs, ByteString>>>,
    over: bool,
}

/// A question to the client that waits for its answer.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) call: u64,
    pub(crate) answer: oneshot::Receiver<Result<RawArgs, ByteString>>,
}

/// What the pump is to start.
enum Work {
    Enter,
    Handle(Arrival),
    /// From a peer that was turned away.
    Drop(Arrival),
}

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);
static NEXT_QUESTION: AtomicU64 = AtomicU64::new(1);

impl PeerCell {
    pub(crate) fn new(cell: &Arc<Cell>, space: Arc<Space>, admission: Admission) -> Arc<Self> {
        let Admission { link, id, auth, wire } = admission;
        let key = MemberKey(NEXT_KEY.fetch_add(1, Ordering::Relaxed));
        let outbox = Arc::clone(&cell.outbox);
        Arc::new(Self {
            cell: Arc::clone(cell),
            space,
            member: Arc::new(Member::new(key, id, wire, link, outbox)),
            auth,
            values: Mutex::default(),
            inbox: Mutex::default(),
            questions: Mutex::default(),
        })
    }

    pub(crate) fn is_connected(&self) -> bool {
        let stage = self.inbox.lock().stage;
        !matches!(stage, Stage::Gone | Stage::Refused) && !self.cell.is_closed()
    }

    /// Appends to the inbox; [`PeerCell::pump`] must follow when no lock is held.
    pub(crate) fn arrive(&self, arrival: Arrival) {
        let mut inbox = self.inbox.lock();
        if let Arrival::Leave(_) = arrival {
            // Whoever waits for this client waits in vain.
            *self.questions.lock() = Questions { open: HashMap::new(), over: true };
            inbox.uploads.clear();
            inbox.cancellable.drain().for_each(|(_, handle)| handle.abort());
        } else {
            self.cell.event_waits();
        }
        inbox.queue.push_back(arrival);
    }

    /// Starts handlers, in order, as many as may run. A handler runs on this thread up to its
    /// first wait, so that what does not wait needs no task, and order is what it was.
    pub(crate) fn pump(self: &Arc<Self>) {
        loop {
            let work = {
                let mut inbox = self.inbox.lock();
                if inbox.pumping {
                    return;
                }
                let Some(work) = inbox.next(self.cell.terms.parallel_max) else { return };
                inbox.pumping = true;
                work
            };
            match work {
                Work::Enter => self.enter(),
                Work::Handle(Arrival::Leave(reason)) => self.leave(reason),
                Work::Handle(arrival) => {
                    self.cell.event_started();
                    self.start(arrival);
                }
                Work::Drop(arrival) => {
                    self.cell.event_started();
                    drop(arrival);
                }
            }
            self.inbox.lock().pumping = false;
        }
    }

    fn enter(self: &Arc<Self>) {
        let space = &self.space;
        space.peers.write().insert(self.member.key, Arc::downgrade(self));
        space.hub.enter(Arc::clone(&self.member));
        let Some(handler) = &space.handlers.connect else { return self.admit(Ok(())) };
        let outcome = guard(handler, self.context(ByteString::from_static("connect")));
        let peer = Arc::clone(self);
        conclude(outcome, move |outcome| {
            peer.admit(outcome.map(|_| ()));
            peer.pump();
        });
    }

    fn admit(self: &Arc<Self>, admitted: Result<(), Failure>) {
        let link = self.member.link;
        let input = match admitted {
            Ok(()) => Input::Accept { link, id: self.member.id.clone() },
            Err(failure) => {
                tracing::debug!(peer = %self.member.id, ?failure, "turned away");
                self.exit();
                self.member.outbox.forget(link);
                let detailed = self.space.handlers.detailed_errors;
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
        let was_open = {
            let mut inbox = self.inbox.lock();
            let was_open = inbox.stage == Stage::Open;
            if was_open {
                inbox.stage = Stage::Gone;
            }
            was_open
        };
        let handler = self.space.handlers.disconnect.as_ref().filter(|_| was_open);
        let Some(handler) = handler else { return peer.exit() };
        let mut context = self.context(ByteString::from_static("disconnect"));
        context.reason = Some(reason);
        conclude(guard(handler, context), move |outcome| {
            if let Err(failure) = outcome {
                tracing::warn!(peer = %peer.member.id, ?failure, "on_disconnect failed");
            }
            peer.exit();
        });
    }

    fn exit(&self) {
        self.space.hub.exit(&self.member);
        self.space.peers.write().remove(&self.member.key);
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

    fn start(self: &Arc<Self>, arrival: Arrival) {
        match arrival {
            Arrival::Message(pending) => self.start_message(pending),
            Arrival::Join(wish) => self.start_join(wish),
            Arrival::LeaveRoom(RoomWish { room, call, answer }) => {
                self.space.hub.leave(&self.member, &room);
                let answering = Answering { event: room, call, channel: answer };
                self.answer(answering, Ok(RawArgs::default()));
            }
            Arrival::Leave(reason) => self.leave(reason),
        }
    }

    fn start_message(self: &Arc<Self>, pending: Pending) {
        let Pending { name, args, call, uploads, answer } = pending;
        let answering = Answering { event: name.clone(), call, channel: answer };
        let Some(handler) = self.space.handler(&name, self.cell.terms.caseless) else {
            tracing::debug!(event = %name, "nobody handles it");
            let error = CallError {
                kind: CallErrorKind::NotFound,
                message: format!("nobody handles the event '{name}'").into(),
                event: name,
            };
            return self.answer(answering, Err(error));
        };
        let mut context = self.context(name);
        context.args = args;
        context.uploads = uploads.into_iter().map(|stream| self.open_upload(stream)).collect();
        self.conduct(answering, guard(handler, context));
    }

    fn start_join(self: &Arc<Self>, wish: RoomWish) {
        let RoomWish { room, call, answer } = wish;
        let answering = Answering { event: room.clone(), call, channel: answer };
        let Some(handler) = &self.space.handlers.join else {
            let error = CallError {
                kind: CallErrorKind::Forbidden,
                message: "clients may not join rooms of this namespace".into(),
                event: room,
            };
            return self.answer(answering, Err(error));
        };
        let mut context = self.context(ByteString::from_static("join"));
        context.args = RawArgs::from_text(&room);
        let allowed = guard(handler, context);
        let peer = Arc::clone(self);
        let joined = async move {
            let outcome = allowed.await?;
            let joined = peer.space.hub.join(&peer.member, &room);
            joined.map_err(|error| Failure::client(error.to_string()))?;
            Ok(outcome)
        };
        self.conduct(answering, Guarded(Box::pin(joined)));
    }

    /// Sees a handler through to its answer.
    fn conduct(self: &Arc<Self>, answering: Answering, mut outcome: Guarded) {
        self.inbox.lock().running += 1;
        if let Poll::Ready(outcome) = outcome.poll_now() {
            self.ran();
            return self.conclude(answering, outcome);
        }
        let peer = Arc::clone(self);
        let streaming = answering.stream_id();
        let task = async move {
            let running = Running(Arc::clone(&peer));
            let outcome = outcome.await;
            drop(running);
            match outcome {
                Ok(Outcome::Stream(items)) => peer.stream(answering, items).await,
                outcome => peer.conclude(answering, outcome),
            }
        };
        self.spawn(streaming, task);
    }

    fn conclude(self: &Arc<Self>, answering: Answering, outcome: Result<Outcome, Failure>) {
        match outcome {
            Ok(Outcome::Reply(args)) => self.answer(answering, Ok(args)),
            Ok(Outcome::Stream(items)) => {
                let (peer, id) = (Arc::clone(self), answering.stream_id());
                self.spawn(id, async move { peer.stream(answering, items).await });
            }
            Err(failure) => {
                let error = self.call_error(&answering.event, failure);
                self.answer(answering, Err(error));
            }
        }
    }

    /// Spawns a task; if it answers a call with a stream, the client may cancel it.
    fn spawn(
        self: &Arc<Self>,
        streaming: Option<CallId>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let Some(id) = streaming else {
            tokio::spawn(task);
            return;
        };
        // Under the lock, so that the task can't be done before it is listed.
        let mut inbox = self.inbox.lock();
        let (peer, done) = (Arc::clone(self), id.clone());
        let handle = tokio::spawn(async move {
            task.await;
            peer.inbox.lock().cancellable.remove(&done);
        });
        inbox.cancellable.insert(id, handle.abort_handle());
    }

    fn ran(self: &Arc<Self>) {
        self.inbox.lock().running -= 1;
    }

    async fn stream(self: &Arc<Self>, answering: Answering, mut items: Items) {
        let Some(call) = answering.call.clone().filter(|call| call.stream) else {
            let text = "this event answers with a stream, which the call did not ask for";
            let error = self.call_error(&answering.event, Failure::client(text));
            return self.answer(answering, Err(error));
        };
        let mut error = None;
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => self.say(Outgoing::Item { call: &call.id, item: &item }),
                Err(failure) => {
                    error = Some(self.call_error(&answering.event, failure));
                    break;
                }
            }
            std::future::poll_fn(|context| self.member.outbox.poll_room(context)).await;
        }
        self.say(Outgoing::End { call: &call.id, error: error.as_ref() });
    }

    fn say(&self, what: Outgoing<'_>) {
        if let Some(prepared) = wires::encode(self.member.wire, &self.space.name, what) {
            // To a peer that is gone or too slow, nothing can be said.
            self.member.push(&prepared).ok();
        }
    }

    fn answer(&self, answering: Answering, outcome: Answer) {
        if let Some(channel) = answering.channel {
            // Nobody listens if the request was aborted.
            channel.send(outcome).ok();
        } else if let Some(call) = answering.call {
            self.say(Outgoing::Reply { call: &call.id, outcome: outcome.as_ref() });
        } else if let Err(error) = outcome {
            tracing::debug!(event = %answering.event, message = %error.message, "event failed");
        }
    }

    fn call_error(&self, event: &ByteString, failure: Failure) -> CallError {
        let Failure { kind, mut message, .. } = failure;
        let detailed = self.space.handlers.detailed_errors;
        if kind == CallErrorKind::Internal {
            tracing::error!(peer = %self.member.id, %event, %message, "a handler failed");
        }
        let hidden = matches!(kind, CallErrorKind::Internal | CallErrorKind::BadArguments)
            && self.cell.terms.caseless;
        if !detailed && (kind == CallErrorKind::Internal || hidden) {
            message = String::new();
        }
        CallError { kind, event: event.clone(), message: message.into() }
    }

    // What the client sends besides events.

    /// The client no longer wants a stream: it ends, without an error.
    pub(crate) fn cancel(&self, call: &CallId) {
        if let Some(handle) = self.inbox.lock().cancellable.remove(call) {
            handle.abort();
            self.say(Outgoing::End { call, error: None });
        }
    }

    fn open_upload(&self, stream: ByteString) -> upload::Receiver {
        let (sender, receiver) = mpsc::channel(UPLOAD_ITEMS_MAX);
        self.inbox.lock().uploads.insert(stream, sender);
        receiver
    }

    /// An item of a stream that the client sends. One that no handler takes is dropped.
    pub(crate) fn uploaded(&self, stream: &ByteString, item: upload::Item) {
        let mut inbox = self.inbox.lock();
        let Some(sender) = inbox.uploads.get(stream) else { return };
        if sender.try_send(item).is_err() {
            // Closed: the handler is done. Full: it will find the stream broken off.
            inbox.uploads.remove(stream);
        }
    }

    pub(crate) fn upload_ended(&self, stream: &ByteString, error: Option<ByteString>) {
        if let Some(error) = error {
            self.uploaded(stream, Err(error));
        }
        self.inbox.lock().uploads.remove(stream);
    }

    /// The client's answer to a question. Unknown numbers are ignored.
    pub(crate) fn answered(&self, call: u64, outcome: Result<RawArgs, ByteString>) {
        if let Some(asker) = self.questions.lock().open.remove(&call) {
            asker.send(outcome).ok();
        }
    }

    pub(crate) fn question(&self) -> Question {
        let call = NEXT_QUESTION.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let mut questions = self.questions.lock();
        if !questions.over && questions.open.len() < self.cell.shared.limits.asks_max {
            questions.open.insert(call, sender);
        }
        Question { call, answer }
    }

    pub(crate) fn forget_question(&self, call: u64) {
        self.questions.lock().open.remove(&call);
    }

    pub(crate) fn kick(&self, whole: bool, close: Option<(u16, ByteString)>) {
        // A session that is over needs no end.
        self.cell.handle(Input::Kick { link: self.member.link, whole, close }).ok();
    }
}

impl Inbox {
    fn next(&mut self, parallel_max: usize) -> Option<Work> {
        match self.stage {
            Stage::New => {
                self.stage = Stage::Entering;
                return Some(Work::Enter);
            }
            Stage::Entering => return None,
            Stage::Open | Stage::Gone => {}
            Stage::Refused => {
                return self.queue.pop_front().map(|arrival| match arrival {
                    Arrival::Leave(_) => Work::Handle(arrival),
                    said => Work::Drop(said),
                });
            }
        }
        // Once the peer is leaving, nothing that it said before is held back.
        let leaving = matches!(self.queue.back(), Some(Arrival::Leave(_)));
        if self.running < parallel_max || leaving {
            return self.queue.pop_front().map(Work::Handle);
        }
        None
    }
}

/// Who waits for the answer to an event.
#[derive(Debug)]
struct Answering {
    event: ByteString,
    call: Option<Call>,
    channel: Option<oneshot::Sender<Answer>>,
}

impl Answering {
    fn stream_id(&self) -> Option<CallId> {
        self.call.as_ref().filter(|call| call.stream).map(|call| call.id.clone())
    }
}

/// Counts a handler until it is dropped, aborted or not.
struct Running(Arc<PeerCell>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.ran();
        self.0.pump();
    }
}

/// A handler at work, whose panic is a failure of this one call.
struct Guarded(OutcomeFuture);

impl Guarded {
    /// Polls it here and now: what does not wait is done, with no task.
    fn poll_now(&mut self) -> Poll<Result<Outcome, Failure>> {
        Pin::new(self).poll(&mut Context::from_waker(Waker::noop()))
    }
}

impl Future for Guarded {
    type Output = Result<Outcome, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = AssertUnwindSafe(|| self.0.as_mut().poll(context));
        std::panic::catch_unwind(poll).unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic))))
    }
}

fn guard(handler: &BoxedHandler, context: CallContext) -> Guarded {
    let call = AssertUnwindSafe(|| handler.call(context));
    Guarded(std::panic::catch_unwind(call).unwrap_or_else(|panic| {
        let failure = panicked(&*panic);
        Box::pin(std::future::ready(Err(failure)))
    }))
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Panicked(text.unwrap_or("no message").to_owned()).into()
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

/// Calls `then` with what a handler answers: now if it does not wait, else from a task.
fn conclude(mut outcome: Guarded, then: impl FnOnce(Result<Outcome, Failure>) + Send + 'static) {
    match outcome.poll_now() {
        Poll::Ready(outcome) => then(outcome),
        Poll::Pending => {
            tokio::spawn(async move { then(outcome.await) });
        }
    }
}
