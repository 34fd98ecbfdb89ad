//! Filters: what is done around handlers.

use super::failure::Failure;
use super::handler::{BoxedHandler, CallContext, Handler as _, Outcome, OutcomeFuture};
use super::peer::Peer;
use std::fmt;
use std::sync::Arc;

/// What a filter is put around: the next filter, or the handler itself.
#[derive(Debug)]
pub struct Next(BoxedHandler);

impl Next {
    /// Goes on with the call, and gives its outcome.
    ///
    /// # Errors
    /// The handler failed, or a filter nearer to it did.
    pub async fn run(self, call: CallContext) -> Result<Outcome, Failure> {
        self.0.call(call).await
    }
}

type Run = dyn Fn(CallContext, Next) -> OutcomeFuture + Send + Sync;

/// A filter without its types.
#[derive(Clone)]
pub(crate) struct Filter(Arc<Run>);

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

impl Filter {
    pub(crate) fn new<F, O>(filter: F) -> Self
    where
        F: Fn(CallContext, Next) -> O + Send + Sync + 'static,
        O: Future<Output = Result<Outcome, Failure>> + Send + 'static,
    {
        Self(Arc::new(move |call, next| Box::pin(filter(call, next))))
    }

    /// Lets only those calls pass whose peers pass the check.
    fn gate(check: Arc<MayCall>) -> Self {
        Self(Arc::new(move |call, Next(handler)| match check(&call.peer) {
            true => handler.call(call),
            false => refused(),
        }))
    }

    fn around(&self, handler: BoxedHandler) -> BoxedHandler {
        let Self(run) = self;
        let (run, shape) = (Arc::clone(run), handler.shape);
        BoxedHandler::new(shape, move |call| run(call, Next(handler.clone())))
    }
}

pub(crate) type MayCall = dyn Fn(&Peer) -> bool + Send + Sync;

/// All filters of a namespace; of each kind the outermost first.
#[derive(Default)]
pub(crate) struct Filters {
    pub(crate) events: Vec<Filter>,
    pub(crate) connects: Vec<Filter>,
    pub(crate) disconnects: Vec<Filter>,
    /// Who may call an event; its name is in lower case.
    pub(crate) gates: Vec<(String, Arc<MayCall>)>,
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filters").field("events", &self.events.len()).finish_non_exhaustive()
    }
}

impl Filters {
    /// The handler of an event, with its gates outermost, as in ASP.NET Core.
    pub(crate) fn around_event(&self, event: &str, handler: &BoxedHandler) -> BoxedHandler {
        let filtered = around(&self.events, handler.clone());
        let event = event.to_lowercase();
        let gates = self.gates.iter().filter(|(name, _)| *name == event);
        gates.fold(filtered, |inner, (_, check)| Filter::gate(Arc::clone(check)).around(inner))
    }

    /// The handler of all events that have none of their own: which gate it has, the call says.
    pub(crate) fn around_any(&self, handler: &BoxedHandler) -> BoxedHandler {
        let filtered = around(&self.events, handler.clone());
        let gates = self.gates.clone();
        BoxedHandler::new(filtered.shape, move |call| {
            let name = call.name.to_lowercase();
            let mut mine = gates.iter().filter(|(event, _)| *event == name);
            if mine.all(|(_, check)| check(&call.peer)) { filtered.call(call) } else { refused() }
        })
    }
}

/// A handler of connections may be missing: its filters run all the same.
pub(crate) fn around_connection(
    filters: &[Filter],
    handler: Option<BoxedHandler>,
) -> Option<BoxedHandler> {
    if filters.is_empty() {
        return handler;
    }
    Some(around(filters, handler.unwrap_or_else(|| (|| async {}).into_boxed())))
}

fn refused() -> OutcomeFuture {
    Box::pin(std::future::ready(Err(Failure::forbidden("not authorized"))))
}

fn around(filters: &[Filter], handler: BoxedHandler) -> BoxedHandler {
    filters.iter().rev().fold(handler, |inner, filter| filter.around(inner))
}
