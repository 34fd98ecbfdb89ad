//! One client inside one namespace, as handlers see it.

use super::arguments::{ArgsError, FromArgs, IntoArgs};
use super::attendance::{Present, WatchError};
use super::audience::Audience;
use super::namespace::NamespaceHandle;
use crate::clock;
use crate::request::RequestInfo;
use crate::session::peers::{Away, PeerCell, Question};
use crate::wires;
use omniwire_hub::{JoinError, Journal, Member as _, Publishing, PushError, Target};
use omniwire_session::{Args as RawArgs, ByteString, Outgoing, Place};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One client inside one namespace. Cheap to clone; may be kept anywhere. Once the client is
/// gone, what is said to it goes nowhere.
#[derive(Clone)]
pub struct Peer(pub(crate) Arc<PeerCell>);

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Why something could not be said to one peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The arguments can't be said in JSON.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// The peer is gone.
    #[error("the peer is gone")]
    Gone,
    /// The peer is too slow, and is being closed for it.
    #[error("the peer's outbox is full")]
    Full,
}

impl From<PushError> for EmitError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Closed => Self::Gone,
            PushError::Full => Self::Full,
        }
    }
}

/// Why a call to a client brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It could not be said.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// It was not asked: `asks_max` questions wait for its answers.
    #[error("too many questions wait for the client's answers")]
    TooMany,
    /// The client answered with an error, in its own words.
    #[error("{0}")]
    Client(String),
    /// The client did not answer in time.
    #[error("the client did not answer in time")]
    TimedOut,
    /// The client went away before it answered.
    #[error("the client disconnected")]
    Disconnected,
    /// The answer is not what was expected.
    #[error(transparent)]
    Answer(ArgsError),
}

impl Peer {
    /// The public id: Socket.IO's `socket.id`, SignalR's connection id. Never reused.
    pub fn id(&self) -> &str {
        &self.0.member.id
    }

    /// The protocol it speaks: `WebSocket`, `Socket.IO`, `Engine.IO`, `SignalR`, `SockJS`, `SSE`,
    /// `Long polling`, or `POST` for who sends something without a session.
    pub fn protocol(&self) -> &'static str {
        self.0.cell.terms.protocol
    }

    /// What carries its session now, in the protocol's own word (`websocket`, `polling`,
    /// `WebSockets`, `xhr-streaming`, ...), or did last, between two polls.
    pub fn transport(&self) -> &'static str {
        self.0.cell.transport()
    }

    /// The request that opened the session. SignalR's clients negotiate first: then the one that
    /// carries it, the first if there are many.
    pub fn request(&self) -> &RequestInfo {
        self.0.cell.request()
    }

    /// What the client sent along when it entered: no argument or one.
    pub fn auth(&self) -> &RawArgs {
        self.0.auth()
    }

    /// The namespace it is in.
    pub fn namespace(&self) -> NamespaceHandle {
        NamespaceHandle(Arc::clone(self.0.space()))
    }

    /// Whether it is still there.
    pub fn is_connected(&self) -> bool {
        self.0.is_connected()
    }

    /// Whether it is the peer that its client was before its connection was lost
    /// ([`crate::Namespace::connection_recovery`]): Socket.IO's `socket.recovered`.
    pub fn recovered(&self) -> bool {
        self.0.recovery().is_some_and(|own| own.recovered)
    }

    /// Puts it in a room. Being there already is fine.
    ///
    /// # Errors
    /// The name is too long, it is in too many rooms, the namespace has too many, too many joins
    /// are still to be told to watchers, or the peer is gone, or not let in yet: in
    /// [`crate::Namespace::admit`].
    pub fn join(&self, room: impl Into<ByteString>) -> Result<(), JoinError> {
        let room = room.into();
        let feed = self.0.space().feed.as_ref().filter(|_| !self.rooms().contains(&room));
        self.0.join(&room, None)?;
        if let Some(feed) = feed {
            feed.joined(self, &room);
        }
        Ok(())
    }

    /// Takes it out of a room. Whether it was there.
    pub fn leave(&self, room: &str) -> bool {
        let left = self.0.space().hub.leave(&self.0, room);
        self.0.space().settle();
        if let Some(feed) = self.0.space().feed.as_ref().filter(|_| left) {
            feed.left(self, room);
        }
        left
    }

    /// The rooms it is in, in the order in which it joined them.
    pub fn rooms(&self) -> Vec<ByteString> {
        self.0.space().rooms_of(&self.0.member)
    }

    /// Tells it from now on who comes to a room and who leaves it, by the event `presence`
    /// ([`crate::Namespace::presence`]). Gives who is there, up to the first such event.
    ///
    /// # Errors
    /// The namespace has no presence, or a join of a room would fail ([`Peer::join`]): each that it
    /// watches counts as one.
    pub fn watch(&self, room: &str) -> Result<Vec<Present>, WatchError> {
        self.0.space().watch(self, room)
    }

    /// Tells it no more. Whether it was told so far.
    pub fn unwatch(&self, room: &str) -> bool {
        let room = self.0.space().watch_room(room);
        self.0.space().hub.leave(&self.0, &room)
    }

    /// The user whom it belongs to ([`crate::Namespace::identify`]): SignalR's `UserIdentifier`.
    /// The same from [`crate::Namespace::admit`] on, also once the client is gone.
    pub fn user(&self) -> Option<String> {
        self.0.user()
    }

    /// Everybody in a room but this peer; more rooms can be added ([`Audience::and`]).
    pub fn to(&self, room: impl Into<ByteString>) -> Audience {
        self.others().and(room)
    }

    /// Everybody in the namespace but this peer.
    pub fn others(&self) -> Audience {
        Audience::new(self.0.space()).without(self.0.member.key)
    }

    /// This peer and nobody else, for what only an audience can be told: [`Audience::compress`],
    /// [`Audience::emit_latest`].
    pub fn alone(&self) -> Audience {
        self.namespace().to(self.id())
    }

    /// Says something to this peer.
    ///
    /// # Errors
    /// The arguments can't be said, or the peer takes nothing any more.
    pub fn emit(&self, event: impl Into<ByteString>, args: impl IntoArgs) -> Result<(), EmitError> {
        let (event, args) = (event.into(), args.into_args()?);
        self.say(&event, &args, None)
    }

    /// Says something to this peer if it can leave at once; else drops it: while the peer has not
    /// taken what was said before, or between two of its polls. For what is soon out of date.
    /// Whether it left.
    ///
    /// # Errors
    /// The arguments can't be said, or the peer is gone.
    pub fn emit_volatile(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<bool, EmitError> {
        let (event, args) = (event.into(), args.into_args()?);
        let what = Outgoing::Event { name: &event, args: &args, call: None, position: None };
        let Some(prepared) = wires::encode(self.0.member.wire, self.0.space(), what) else {
            return Ok(false);
        };
        let mut publishing = self.journal().and_then(|journal| journal.pass(&args));
        let taken = self.0.push_volatile(&prepared)?;
        if let Some(publishing) = publishing.as_mut().filter(|_| taken) {
            publishing.told(self.0.member.key);
        }
        drop(publishing);
        if taken {
            self.0.space().overhear(self, &event, &args);
        }
        Ok(taken)
    }

    /// Where what is said to it is remembered, if it may come back.
    fn journal(&self) -> Option<&Journal> {
        self.0.recovery().and(self.0.space().hub.journal())
    }

    /// Waits until no more than half of what may wait for this peer does, or it is gone. A handler
    /// that says much, and waits for this each time, never makes its peer a slow one.
    pub async fn writable(&self) {
        std::future::poll_fn(|context| self.0.cell.outbox.poll_room(context)).await;
    }

    fn say(&self, name: &ByteString, args: &RawArgs, call: Option<u64>) -> Result<(), EmitError> {
        self.push(name, args, call)?;
        self.0.space().overhear(self, name, args);
        Ok(())
    }

    fn push(&self, name: &ByteString, args: &RawArgs, call: Option<u64>) -> Result<(), EmitError> {
        let member = &self.0.member;
        let mut publishing = self.journal().and_then(|journal| {
            if call.is_some() {
                return journal.pass(args);
            }
            let own_room = [ByteString::from(&*member.id)];
            let target = Target { rooms: &own_room, ..Target::default() };
            Some(journal.publish(clock::now(), target, name, args))
        });
        let position = publishing.as_ref().and_then(Publishing::position);
        let what = Outgoing::Event { name, args, call, position: position.map(Place::in_journal) };
        let Some(prepared) = wires::encode(member.wire, self.0.space(), what) else {
            return Ok(());
        };
        let (mut pushed, mut back) = (self.0.push(&prepared), None);
        if let Some(publishing) = &mut publishing {
            publishing.told(member.key);
            let remembered = position.is_some() && publishing.may_return(member.key);
            if remembered && pushed == Err(PushError::Closed) {
                // It hears of it when it comes back, or now if it is.
                back = self.0.successor();
                let again = back.as_ref().and_then(|back| {
                    let prepared = wires::encode(back.member.wire, back.space(), what)?;
                    Some(back.push(&prepared))
                });
                pushed = again.filter(|again| *again != Err(PushError::Closed)).unwrap_or(Ok(()));
            }
        }
        drop(publishing);
        if pushed == Err(PushError::Full) {
            back.as_ref().unwrap_or(&self.0).cell.overflow();
        }
        Ok(pushed?)
    }

    /// Asks this peer and waits for its answer: a Socket.IO acknowledgement, a SignalR client
    /// result, an envelope's reply. At most `timeout`.
    ///
    /// # Errors
    /// It can't be asked, does not answer in time, answers with an error, or with something else
    /// than a `T`.
    pub async fn ask<T: FromArgs>(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
        timeout: Duration,
    ) -> Result<T, AskError> {
        let (event, args) = (event.into(), args.into_args().map_err(EmitError::from)?);
        let question = Question::new(self.0.space());
        let answer = self.0.await_answer(&question).ok_or(AskError::TooMany)?;
        // While a handler waits for a client, others may run in its place.
        let _away = Away::of_this_handler();
        self.say(&event, &args, Some(question.call))?;
        let answer = match tokio::time::timeout(timeout, answer).await {
            Err(_) => return Err(AskError::TimedOut),
            Ok(Err(_)) => return Err(AskError::Disconnected),
            Ok(Ok(answer)) => answer.map_err(|text| AskError::Client(text.to_string()))?,
        };
        T::from_args(&answer).map_err(AskError::Answer)
    }

    /// Keeps a value with the peer, one per type, in place of an earlier one.
    pub fn set<T: Any + Send + Sync>(&self, value: T) {
        self.0.keep(value);
        if let Some(feed) = &self.0.space().feed {
            feed.updated(self);
        }
    }

    /// The value of this type that was kept with the peer.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.kept()
    }

    /// Ends this peer. Its session may go on, if it is in other namespaces.
    pub fn disconnect(&self) {
        self.0.kick(false, None);
    }

    /// Ends this peer's whole session and its connections.
    pub fn disconnect_session(&self) {
        self.0.kick(true, None);
    }

    /// Ends its session and connections without a word to the client's peers, as if the connection
    /// had failed: a client that comes back by itself does.
    pub fn hang_up(&self) {
        self.0.hang_up();
    }

    /// Ends this peer with a close code (3000 to 4999) and reason, for protocols that have them:
    /// those of plain clients and SockJS.
    pub fn close(&self, code: u16, reason: impl Into<ByteString>) {
        self.0.kick(true, Some((code, reason.into())));
    }
}
