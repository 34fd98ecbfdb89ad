//! Handlers: async functions of what they want to know about a call.

use super::arguments::{FromArgs, IntoArgs};
use super::failure::{Failure, bad_arguments};
use super::peer::Peer;
use super::upload::Upload;
use futures_util::{Stream, StreamExt};
use omniwire_session::{Args as RawArgs, ByteString, Reason};
use serde::de::DeserializeOwned;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// One event on its way to a handler.
#[derive(Debug)]
pub struct CallContext {
    /// Who says it.
    pub(crate) peer: Peer,
    /// The event's name.
    pub(crate) name: ByteString,
    /// Its arguments.
    pub(crate) args: RawArgs,
    /// Streams that the client sends along, in order; each can be taken once.
    pub(crate) uploads: Vec<super::upload::Receiver>,
    /// Why the peer left, for `on_disconnect`.
    pub(crate) reason: Option<Reason>,
}

impl CallContext {
    /// Who says it.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The event's name, as the client spells it; `connect` and `disconnect` for filters of these.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its arguments.
    pub fn args(&self) -> &RawArgs {
        &self.args
    }
}

/// What handlers can ask for: a parameter of a handler.
pub trait FromCall: Sized {
    /// How many arguments the event must have, if this parameter says so.
    const ARGS: Option<usize> = None;

    /// How many of the client's streams it takes.
    const UPLOADS: usize = 0;

    /// Takes it from the call.
    ///
    /// # Errors
    /// The call has no such thing; the caller is told so.
    fn from_call(call: &mut CallContext) -> Result<Self, Failure>;
}

impl FromCall for Peer {
    fn from_call(call: &mut CallContext) -> Result<Self, Failure> {
        Ok(call.peer.clone())
    }
}

/// The arguments of the event, as a tuple: `Args((text,)): Args<(String,)>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args<T>(pub T);

impl<T: FromArgs> FromCall for Args<T> {
    const ARGS: Option<usize> = T::COUNT;

    fn from_call(call: &mut CallContext) -> Result<Self, Failure> {
        T::from_args(&call.args).map(Self).map_err(bad_arguments)
    }
}

/// The name of the event, for handlers of any event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventName(pub ByteString);

impl FromCall for EventName {
    fn from_call(call: &mut CallContext) -> Result<Self, Failure> {
        Ok(Self(call.name.clone()))
    }
}

/// What the client sent along when it entered: Socket.IO's `auth`. Read as `null` if it sent none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth<T>(pub T);

impl<T: DeserializeOwned> FromCall for Auth<T> {
    fn from_call(call: &mut CallContext) -> Result<Self, Failure> {
        let args = call.peer.auth();
        <(T,)>::from_args(args).map(|(auth,)| Self(auth)).map_err(bad_arguments)
    }
}

/// Why a peer left, for `on_disconnect`.
impl FromCall for Reason {
    fn from_call(call: &mut CallContext) -> Result<Self, Failure> {
        call.reason.ok_or_else(|| Failure::client("only a peer that left has a reason"))
    }
}

impl<T: DeserializeOwned + Send + 'static> FromCall for Upload<T> {
    const UPLOADS: usize = 1;

    fn from_call(call: &mut CallContext) -> Result<Self, Failure> {
        if call.uploads.is_empty() {
            return Err(Failure::client("the call has no stream for this parameter"));
        }
        Ok(Self::new(call.uploads.remove(0)))
    }
}

/// A stream of items for the caller; each item is one argument.
pub(crate) type Items = Pin<Box<dyn Stream<Item = Result<RawArgs, Failure>> + Send>>;

/// What a handler answers.
pub enum Outcome {
    /// One answer, of any number of values.
    Reply(RawArgs),
    /// The same, and what is to be done when it is on its way.
    ReplyThen(RawArgs, Pin<Box<dyn Future<Output = Result<Self, Failure>> + Send>>),
    /// A stream of items.
    Stream(Items),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(args) => f.debug_tuple("Reply").field(args).finish(),
            Self::ReplyThen(args, _) => f.debug_tuple("ReplyThen").field(args).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// What handlers may return: nothing, a [`Reply`], a [`Streaming`], or a `Result` of these.
pub trait IntoOutcome {
    /// Whether the answer is a stream. Known before the handler runs, so that a call that expects
    /// the other kind is refused without running it.
    const STREAMS: bool = false;

    /// Turns it into the answer.
    ///
    /// # Errors
    /// The handler failed, or what it answers can't be said.
    fn into_outcome(self) -> Result<Outcome, Failure>;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<Outcome, Failure> {
        Ok(Outcome::Reply(RawArgs::default()))
    }
}

/// The answer to a call: a Socket.IO acknowledgement, a SignalR completion, an envelope's reply.
/// Dropped if the client wanted none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<T>(pub T);

impl<T: IntoArgs> IntoOutcome for Reply<T> {
    fn into_outcome(self) -> Result<Outcome, Failure> {
        Ok(Outcome::Reply(self.0.into_args()?))
    }
}

impl<T> Reply<T> {
    /// The same answer; when it is on its way, `after` is done. For what must not overtake the
    /// answer: ending the peer that gets it, for one.
    ///
    /// ```
    /// # use omniwire::{Namespace, Peer, Reply};
    /// let leaving = Namespace::new("/").on("leave", |peer: Peer| async move {
    ///     Reply("bye").then(async move { peer.disconnect() })
    /// });
    /// # let _ = leaving;
    /// ```
    pub fn then<F: Future<Output = ()>>(self, after: F) -> ReplyThen<T, F> {
        ReplyThen { answer: self.0, after }
    }
}

/// An answer, and what is done when it is on its way: [`Reply::then`].
#[derive(Debug, Clone, Copy)]
pub struct ReplyThen<T, F> {
    answer: T,
    after: F,
}

impl<T, F> IntoOutcome for ReplyThen<T, F>
where
    T: IntoArgs,
    F: Future<Output = ()> + Send + 'static,
{
    fn into_outcome(self) -> Result<Outcome, Failure> {
        let after = self.after;
        let after = async move {
            after.await;
            Ok(Outcome::Reply(RawArgs::default()))
        };
        Ok(Outcome::ReplyThen(self.answer.into_args()?, Box::pin(after)))
    }
}

/// A stream of items as the answer to a call. Each item is sent when the client's outbox has room.
#[derive(Debug, Clone, Copy)]
pub struct Streaming<S>(pub S);

impl<S, T> IntoOutcome for Streaming<S>
where
    S: Stream<Item = T> + Send + 'static,
    T: IntoItem + 'static,
{
    const STREAMS: bool = true;

    fn into_outcome(self) -> Result<Outcome, Failure> {
        Ok(Outcome::Stream(Box::pin(self.0.map(IntoItem::into_item))))
    }
}

/// What a stream may consist of: any `Serialize` type, or a `Result` of one in
/// [`Streaming`]'s fallible form, [`TryStreaming`].
pub trait IntoItem {
    /// Turns it into one argument.
    ///
    /// # Errors
    /// The stream failed.
    fn into_item(self) -> Result<RawArgs, Failure>;
}

impl<T: serde::Serialize> IntoItem for T {
    fn into_item(self) -> Result<RawArgs, Failure> {
        Ok((self,).into_args()?)
    }
}

/// Like [`Streaming`], for streams of `Result<T, Failure>`: the first error ends the stream.
#[derive(Debug, Clone, Copy)]
pub struct TryStreaming<S>(pub S);

impl<S, T> IntoOutcome for TryStreaming<S>
where
    S: Stream<Item = Result<T, Failure>> + Send + 'static,
    T: serde::Serialize + 'static,
{
    const STREAMS: bool = true;

    fn into_outcome(self) -> Result<Outcome, Failure> {
        let items = self.0.map(|item| item.and_then(IntoItem::into_item));
        Ok(Outcome::Stream(Box::pin(items)))
    }
}

impl<T: IntoOutcome, E: Into<Failure>> IntoOutcome for Result<T, E> {
    const STREAMS: bool = T::STREAMS;

    fn into_outcome(self) -> Result<Outcome, Failure> {
        self.map_err(Into::into)?.into_outcome()
    }
}

pub(crate) type OutcomeFuture =
    Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send + 'static>>;

/// What is known of a handler before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many arguments it takes, if that is fixed.
    pub(crate) args: Option<usize>,
    /// How many of the client's streams it takes.
    pub(crate) uploads: usize,
    /// Whether it answers with a stream.
    pub(crate) streams: bool,
}

impl Shape {
    /// Whether it takes as many arguments as these; if not, why.
    pub(crate) fn counts(self, args: &RawArgs) -> Result<(), String> {
        match (self.args, args.len()) {
            (Some(wanted), given) if wanted != given => {
                Err(format!("Invocation provides {given} argument(s) but target expects {wanted}."))
            }
            _ => Ok(()),
        }
    }
}

/// A handler without its types.
#[derive(Clone)]
pub struct BoxedHandler {
    run: Arc<dyn Fn(CallContext) -> OutcomeFuture + Send + Sync>,
    pub(crate) shape: Shape,
}

impl BoxedHandler {
    pub(crate) fn new(
        shape: Shape,
        run: impl Fn(CallContext) -> OutcomeFuture + Send + Sync + 'static,
    ) -> Self {
        Self { run: Arc::new(run), shape }
    }

    pub(crate) fn call(&self, call: CallContext) -> OutcomeFuture {
        (self.run)(call)
    }
}

impl fmt::Debug for BoxedHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxedHandler")
    }
}

/// Async functions of up to six parameters that can be taken from a call ([`FromCall`]) and that
/// return what is an answer ([`IntoOutcome`]).
#[diagnostic::on_unimplemented(
    message = "this is no handler: it must be an async closure or function",
    label = "a parameter or the answer is of another type than handlers have",
    note = "parameters, at most six: `Peer`, `Args<(A, B)>` (a tuple; `Args<(A,)>` for one), \
            `Auth<T>`, `Upload<T>`, `Reason`, `EventName`",
    note = "answers: `()`, `Reply<T>` (a tuple, a string, a number, or `Json(value)`), \
            `Streaming`, `TryStreaming`, or a `Result` of these; its error is `Failure`, or any \
            type that implements `std::error::Error`"
)]
pub trait Handler<Parameters>: Send + Sync + 'static {
    /// Hides the types.
    fn into_boxed(self) -> BoxedHandler;
}

macro_rules! handlers {
    ($(($($name:ident),*)),+ $(,)?) => {$(
        impl<Function, Output, $($name),*> Handler<($($name,)*)> for Function
        where
            Function: Fn($($name),*) -> Output + Send + Sync + 'static,
            Output: Future + Send + 'static,
            Output::Output: IntoOutcome,
            $($name: FromCall + Send,)*
        {
            #[allow(non_snake_case, unused_mut, unused_variables)]
            fn into_boxed(self) -> BoxedHandler {
                let mut shape =
                    Shape { args: None, uploads: 0, streams: Output::Output::STREAMS };
                $(
                    shape.args = shape.args.or($name::ARGS);
                    shape.uploads = $name::UPLOADS.saturating_add(shape.uploads);
                )*
                let run = Arc::new(move |mut call: CallContext| -> OutcomeFuture {
                    $(
                        let $name = match $name::from_call(&mut call) {
                            Ok(value) => value,
                            Err(failure) => return Box::pin(std::future::ready(Err(failure))),
                        };
                    )*
                    let future = self($($name),*);
                    Box::pin(async move { future.await.into_outcome() })
                });
                BoxedHandler { run, shape }
            }
        }
    )+};
}
handlers!((), (A), (A, B), (A, B, C), (A, B, C, D), (A, B, C, D, E), (A, B, C, D, E, F));
