//! Questions to clients: calls of ours that wait for their answers.

use super::PeerCell;
use crate::app::space::Space;
use futures_util::FutureExt as _;
use omniwire_session::{Args as RawArgs, ByteString};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

/// Who waits for the answers of one peer, by the number of the question.
pub(super) type Askers = BTreeMap<u64, Asker>;

pub(super) type Asker = oneshot::Sender<Answer>;

type Answer = Result<RawArgs, ByteString>;

/// The numbers of the questions of one namespace that wait for answers, whoever is asked.
#[derive(Debug, Default)]
pub(crate) struct OpenQuestions(Mutex<HashSet<u64>>);

/// A question that waits for answers, until it is dropped. The same question to many has one
/// number.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) call: u64,
    space: Arc<Space>,
}

/// One client's answer to a question, which it fails when the client goes without one. Once it is
/// dropped, nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Awaited {
    peer: Arc<PeerCell>,
    call: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Future for Awaited {
    type Output = Result<Answer, RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.poll_unpin(context)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.peer.inbox.lock().take_asker(self.call);
    }
}

/// What a client's answer turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Somebody waits for it, or did.
    Own,
    /// It is to a question that somebody else was asked.
    Foreign,
}

static NEXT_QUESTION: AtomicU64 = AtomicU64::new(1);

impl Question {
    pub(crate) fn new(space: &Arc<Space>) -> Self {
        let call = NEXT_QUESTION.fetch_add(1, Ordering::Relaxed);
        space.questions.0.lock().insert(call);
        Self { call, space: Arc::clone(space) }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.space.questions.0.lock().remove(&self.call);
    }
}

impl PeerCell {
    /// Brings the answer to a question that is about to be put; `None` if too many wait for one.
    pub(crate) fn await_answer(self: &Arc<Self>, question: &Question) -> Option<Awaited> {
        let (sender, answer) = oneshot::channel();
        let awaited = Awaited { peer: Arc::clone(self), call: question.call, answer };
        let mut inbox = self.inbox.lock();
        if inbox.left {
            return Some(awaited);
        }
        let askers = &mut inbox.more().askers;
        if askers.len() >= self.cell.terms.shared.limits.asks_max {
            drop(inbox);
            return None;
        }
        askers.insert(question.call, sender);
        Some(awaited)
    }

    /// The client's answer to a question. One that comes too late is ignored.
    pub(crate) fn answered(&self, call: u64, outcome: Result<RawArgs, ByteString>) -> Answered {
        let asker = self.inbox.lock().take_asker(call);
        match asker {
            Some(asker) => {
                asker.send(outcome).ok();
                Answered::Own
            }
            None if self.space().questions.0.lock().contains(&call) => Answered::Foreign,
            None => Answered::Own,
        }
    }
}
