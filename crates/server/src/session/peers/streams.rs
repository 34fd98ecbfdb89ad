//! Streams: those that answer calls, and those that a client sends along with a call.

use super::PeerCell;
use super::guarded::panicked;
use super::handling::Answering;
use super::inbox::Inbox;
use crate::app::handler::Items;
use crate::app::upload;
use futures_util::StreamExt as _;
use omniwire_session::{ByteString, CallErrorKind, CallId, Outgoing};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

impl PeerCell {
    /// Whether one more call with streams may be at work; `id` is that of the answer, if it is one.
    pub(super) fn may_stream(
        &self,
        id: Option<&CallId>,
    ) -> Result<(), (CallErrorKind, &'static str)> {
        let inbox = self.inbox.lock();
        let Some(more) = &inbox.more else { return Ok(()) };
        if id.is_some_and(|id| more.streams.contains_key(id)) {
            return Err((CallErrorKind::IdInUse, "another call that is not over has this id"));
        }
        if more.streaming() >= self.cell.terms.shared.limits.calls_max {
            return Err((CallErrorKind::Failed, "there are too many streams"));
        }
        Ok(())
    }

    /// One more such call is at work until this is dropped.
    pub(super) fn begin_streaming(&self) -> Arc<()> {
        Arc::clone(self.inbox.lock().more().streaming.get_or_insert_default())
    }

    /// Spawns a task; if it answers a call with a stream, the client may cancel it.
    pub(super) fn spawn(
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

    pub(super) async fn stream(self: &Arc<Self>, answering: Answering, items: Items) {
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
    pub(super) fn open_uploads(
        &self,
        inbox: &mut Inbox,
        streams: &[ByteString],
    ) -> Vec<upload::Receiver> {
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
}
