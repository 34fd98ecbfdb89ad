//! The application's other servers: what one says to them, and what it hears of them.

use super::arguments::{ArgsError, FromArgs, IntoArgs};
use super::audience::Answers;
use super::failure::{Failure, bad_arguments};
use super::handler::{IntoOutcome, Outcome, OutcomeFuture};
use super::namespace::NamespaceHandle;
use crate::panics::text_of;
use crate::quoted::quoted;
use crate::server::{Omniwire, Shared};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use omniwire_session::{Args as RawArgs, ByteString};
use std::fmt;
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a server says to the others of its application: [`NamespaceHandle::server_side_emit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEvent {
    /// The namespace in which it is said.
    pub namespace: ByteString,
    /// The event's name.
    pub name: ByteString,
    /// Its arguments.
    pub args: RawArgs,
}

/// The way to the application's other servers, for [`crate::Builder::cluster`]: a part of what
/// Socket.IO calls an adapter. What comes from another server goes to [`Omniwire::hear`].
///
/// ```
/// use futures_util::future::{BoxFuture, FutureExt, join_all};
/// use omniwire::{Answers, Cluster, Omniwire, ServerEvent};
/// use std::sync::{Arc, OnceLock};
/// use std::time::Duration;
///
/// /// Servers of one process: each is told who the others are when all are built.
/// #[derive(Debug, Clone, Default)]
/// struct Neighbours(Arc<OnceLock<Vec<Omniwire>>>);
///
/// impl Cluster for Neighbours {
///     fn tell(&self, said: ServerEvent) -> BoxFuture<'static, usize> {
///         let answers = self.ask(said, Duration::MAX);
///         async { answers.await.given.len() }.boxed()
///     }
///
///     fn ask(&self, said: ServerEvent, _: Duration) -> BoxFuture<'static, Answers> {
///         let others = self.0.get().cloned().unwrap_or_default();
///         async move {
///             let heard = join_all(others.iter().map(|other| other.hear(said.clone()))).await;
///             let mut answers = Answers::default();
///             answers.given = heard.into_iter().flatten().collect();
///             answers.missing = others.len() - answers.given.len();
///             answers
///         }
///         .boxed()
///     }
/// }
/// ```
pub trait Cluster: fmt::Debug + Send + Sync + 'static {
    /// Says it to each other server, and never to this one. How many were told.
    fn tell(&self, said: ServerEvent) -> BoxFuture<'static, usize>;

    /// Says it to each other server, and gathers what they answer within `timeout`.
    fn ask(&self, said: ServerEvent, timeout: Duration) -> BoxFuture<'static, Answers>;
}

/// Hears what other servers say by one event.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn(NamespaceHandle, RawArgs) -> OutcomeFuture + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Listener {
    pub(crate) fn new<A, O>(
        handler: impl Fn(NamespaceHandle, A) -> O + Send + Sync + 'static,
    ) -> Self
    where
        A: FromArgs,
        O: Future<Output: IntoOutcome> + Send + 'static,
    {
        const { assert!(!O::Output::STREAMS, "a server answers another by no stream") };
        Self(Arc::new(move |handle, args| match A::from_args(&args) {
            Ok(args) => {
                let answer = handler(handle, args);
                Box::pin(async move { answer.await.into_outcome() })
            }
            Err(error) => Box::pin(ready(Err(bad_arguments(error)))),
        }))
    }
}

impl NamespaceHandle {
    /// Says something to the application's other servers, in this namespace: not to this one, and
    /// not to peers. How many were told: none without [`crate::Builder::cluster`]. They hear it by
    /// [`crate::Namespace::on_server_side_emit`]. Official name: `serverSideEmit`.
    ///
    /// # Errors
    /// The arguments can't be said in JSON.
    pub async fn server_side_emit(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<usize, ArgsError> {
        let said = self.to_servers(event, args)?;
        match &self.0.cluster {
            Some(cluster) => Ok(cluster.tell(said).await),
            None => Ok(0),
        }
    }

    /// Asks them, and waits for their answers, at most `timeout`; without others there are none, at
    /// once. Official name: `serverSideEmitWithAck`.
    ///
    /// # Errors
    /// The arguments can't be said in JSON.
    pub async fn server_side_ask(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
        timeout: Duration,
    ) -> Result<Answers, ArgsError> {
        let said = self.to_servers(event, args)?;
        match &self.0.cluster {
            Some(cluster) => Ok(cluster.ask(said, timeout).await),
            None => Ok(Answers::default()),
        }
    }

    fn to_servers(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<ServerEvent, ArgsError> {
        let (name, args) = (event.into(), args.into_args()?);
        Ok(ServerEvent { namespace: self.0.name.clone(), name, args })
    }
}

impl Omniwire {
    /// Another server has said this: for implementations of [`Cluster`]. The answer, when the
    /// listener has one; `None` if nobody listens here, or the listener failed. What is awaited at
    /// the same time is heard at the same time: for order, call it in order.
    pub async fn hear(&self, said: ServerEvent) -> Option<RawArgs> {
        let space = self.shared.space(&said.namespace)?;
        let Listener(listener) = space.listeners.get(&said.name)?.clone();
        let working = self.shared.at_work.begin();
        let listening = async move { listener(NamespaceHandle(space), said.args).await };
        match guarded(&self.shared, &said.name, listening).await? {
            Outcome::Reply(args) => Some(args),
            Outcome::ReplyThen(args, after) => {
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move {
                    guarded(&shared, &said.name, after).await;
                    drop(working);
                });
                Some(args)
            }
            // No listener is made of such a handler.
            Outcome::Stream(_) => None,
        }
    }
}

/// What comes of it; `None` if it fails, which is logged, and counted if it is a panic.
async fn guarded(
    shared: &Shared,
    event: &ByteString,
    work: impl Future<Output = Result<Outcome, Failure>>,
) -> Option<Outcome> {
    let outcome = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        shared.counters.handler_panics.fetch_add(1, Ordering::Relaxed);
        Err(Failure::panic(text_of(&*panic)))
    });
    let log = |failure: &Failure| {
        let (event, error) = (quoted(&**event), quoted(&failure.message));
        tracing::error!(%event, %error, "what another server said was not handled");
    };
    outcome.inspect_err(log).ok()
}
