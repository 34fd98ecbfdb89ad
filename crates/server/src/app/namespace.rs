//! One application's address space: its handlers and its rooms.

use super::admin::Feed;
use super::arguments::FromArgs;
use super::attendance::{self, Attendance, Presence, Present, Wishes};
use super::audience::Audience;
use super::cluster::Listener;
use super::dynamic::Listed;
use super::failure::Failure;
use super::filter::{Filter, Filters, Next, around_connection};
use super::gate::{Denied, FindUser, Gate};
use super::handler::{BoxedHandler, CallContext, Handler, IntoOutcome, Outcome};
use super::peer::Peer;
use super::space::{Overhear, Space, SpaceTerms};
use crate::clock;
use crate::request::RequestInfo;
use crate::server::fresh_id;
use crate::session::peers::OpenQuestions;
use crate::session::recovery::{ConnectionRecovery, Recovery};
use omniwire_hub::{HistoryLimits, Hub, HubConfig, SlowPolicies, SlowPolicy, Stored, Value};
use omniwire_session::{Args as RawArgs, ByteString};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// An application's address space, with handlers that serve every protocol: a Socket.IO
/// namespace, a SignalR hub, a SockJS prefix, the path of plain clients.
///
/// ```
/// use omniwire::{Args, Namespace, Peer, Reply};
///
/// let chat = Namespace::new("/chat")
///     .on_connect(|peer: Peer| async move { peer.join("lobby") })
///     .on("say", |peer: Peer, Args((text,)): Args<(String,)>| async move {
///         peer.to("lobby").emit("said", (peer.id().to_string(), text)).await?;
///         Ok::<_, omniwire::Failure>(Reply("delivered"))
///     });
/// # let _ = chat;
/// ```
#[derive(Debug)]
pub struct Namespace {
    pub(crate) name: ByteString,
    pub(crate) handlers: Handlers,
    /// An event with two handlers, for the builder to refuse.
    pub(crate) handled_twice: Option<ByteString>,
    pub(crate) history: Option<HistoryLimits>,
    pub(crate) recovery: Option<ConnectionRecovery>,
    filters: Filters,
    identify: Option<FindUser>,
    wishes: Wishes,
    slow: Option<SlowPolicies>,
    outgoing: Option<Overhear>,
    listeners: HashMap<ByteString, Listener>,
    pub(crate) feed: Option<Arc<Feed>>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Handlers {
    pub(crate) gate: Option<Gate>,
    pub(crate) admit: Option<BoxedHandler>,
    pub(crate) connect: Option<BoxedHandler>,
    pub(crate) disconnect: Option<BoxedHandler>,
    pub(crate) join: Option<BoxedHandler>,
    pub(crate) any: Option<BoxedHandler>,
    /// Looked up for each message. Nobody but the application adds to it, so its hash may be quick.
    pub(crate) by_name: hashbrown::HashMap<ByteString, BoxedHandler>,
    /// The same by lower-case name, for protocols whose method names have no case.
    pub(crate) by_lower_name: hashbrown::HashMap<String, BoxedHandler>,
    pub(crate) detailed_errors: bool,
}

impl Handlers {
    fn filtered(self, filters: &Filters) -> Self {
        let by_name = self.by_name.into_iter().map(|(name, handler)| {
            let filtered = filters.around_event(&name, &handler);
            (name, filtered)
        });
        let by_lower_name = self.by_lower_name.into_iter().map(|(name, handler)| {
            let filtered = filters.around_event(&name, &handler);
            (name, filtered)
        });
        Self {
            connect: around_connection(&filters.connects, self.connect),
            disconnect: around_connection(&filters.disconnects, self.disconnect),
            any: self.any.map(|handler| filters.around_any(&handler)),
            by_name: by_name.collect(),
            by_lower_name: by_lower_name.collect(),
            ..self
        }
    }
}

impl Namespace {
    /// A namespace without handlers. The name begins with a slash.
    pub fn new(name: impl Into<ByteString>) -> Self {
        Self {
            name: name.into(),
            handlers: Handlers::default(),
            handled_twice: None,
            history: None,
            recovery: None,
            filters: Filters::default(),
            identify: None,
            wishes: Wishes::default(),
            slow: None,
            outgoing: None,
            listeners: HashMap::new(),
            feed: None,
        }
    }

    /// The one gate that every transport passes: looks at each request (Socket.IO: at the request
    /// that opened the session) and lets it in, or not. Must be quick.
    #[must_use]
    pub fn authorize(
        mut self,
        check: impl Fn(&RequestInfo) -> Result<(), Denied> + Send + Sync + 'static,
    ) -> Self {
        self.handlers.gate = Some(Gate(Arc::new(check)));
        self
    }

    /// Who may call an event: ASP.NET Core's `[Authorize]` on a hub method. The caller of one that
    /// it may not call is told so. The event's name has no case here. Must be quick.
    #[must_use]
    pub fn authorize_event(
        mut self,
        event: impl AsRef<str>,
        may_call: impl Fn(&Peer) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.filters.gates.push((event.as_ref().to_lowercase(), Arc::new(may_call)));
        self
    }

    /// Says which user a peer belongs to, if any, from the request that carries it. Then
    /// [`NamespaceHandle::user`] reaches all connections of a user, and [`Peer::user`] knows. Each
    /// further request of a session must be the same user's, or it is refused with 403: so look
    /// where all of them say who they are, cookies or the query if browsers open WebSockets.
    #[must_use]
    pub fn identify(
        mut self,
        user: impl Fn(&RequestInfo) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.identify = Some(FindUser(Arc::new(user)));
        self
    }

    /// Around the handler of every event: ASP.NET Core's hub filters. The first one that is added
    /// is the outermost. Arguments that the handler does not take are refused inside.
    ///
    /// ```
    /// use omniwire::{CallContext, Namespace, Next};
    ///
    /// let chat = Namespace::new("/chat").filter(|call: CallContext, next: Next| async move {
    ///     let name = call.name().to_owned();
    ///     let outcome = next.run(call).await;
    ///     println!("{name}: {}", if outcome.is_ok() { "done" } else { "failed" });
    ///     outcome
    /// });
    /// # let _ = chat;
    /// ```
    #[must_use]
    pub fn filter<F, O>(mut self, filter: F) -> Self
    where
        F: Fn(CallContext, Next) -> O + Send + Sync + 'static,
        O: Future<Output = Result<Outcome, Failure>> + Send + 'static,
    {
        self.filters.events.push(Filter::new(filter));
        self
    }

    /// The same around [`Namespace::on_connect`], also if nothing was given to it.
    #[must_use]
    pub fn filter_connect<F, O>(mut self, filter: F) -> Self
    where
        F: Fn(CallContext, Next) -> O + Send + Sync + 'static,
        O: Future<Output = Result<Outcome, Failure>> + Send + 'static,
    {
        self.filters.connects.push(Filter::new(filter));
        self
    }

    /// The same around [`Namespace::on_disconnect`], also if nothing was given to it.
    #[must_use]
    pub fn filter_disconnect<F, O>(mut self, filter: F) -> Self
    where
        F: Fn(CallContext, Next) -> O + Send + Sync + 'static,
        O: Future<Output = Result<Outcome, Failure>> + Send + 'static,
    {
        self.filters.disconnects.push(Filter::new(filter));
        self
    }

    /// Called for each client that asks to enter, before it is one of the peers: rooms and other
    /// peers do not know it yet, so it can't join any ([`Namespace::on_connect`] can), and what it is
    /// told waits until it is in. May take its time. An error turns the client away, in its
    /// protocol's own words ([`crate::Failure::client`], [`crate::Failure::with_data`]); one that
    /// leaves meanwhile never becomes a peer, and the handler is dropped where it waits.
    #[must_use]
    pub fn admit<P>(mut self, handler: impl Handler<P>) -> Self {
        self.handlers.admit = Some(handler.into_boxed());
        self
    }

    /// Called for each new peer, before anything else of it is handled. An error turns the peer
    /// away, in its protocol's own words. What is emitted here follows the admission.
    #[must_use]
    pub fn on_connect<P>(mut self, handler: impl Handler<P>) -> Self {
        self.handlers.connect = Some(handler.into_boxed());
        self
    }

    /// Called when a peer has gone, while its rooms are still known. Why is a parameter of type
    /// [`crate::Reason`].
    #[must_use]
    pub fn on_disconnect<P>(mut self, handler: impl Handler<P>) -> Self {
        self.handlers.disconnect = Some(handler.into_boxed());
        self
    }

    /// Called for each event of this name, in the order in which one peer's events came. Handlers
    /// of one peer overlap where they wait (SignalR: only as far as its hub allows). A second
    /// handler for one event is an error of [`crate::Builder::build`]; in a namespace made on
    /// demand it takes the place of the first.
    #[must_use]
    pub fn on<P>(mut self, event: impl Into<ByteString>, handler: impl Handler<P>) -> Self {
        let (event, handler) = (event.into(), handler.into_boxed());
        self.handlers.by_lower_name.insert(event.to_lowercase(), handler.clone());
        if self.handlers.by_name.insert(event.clone(), handler).is_some() {
            self.handled_twice = Some(event);
        }
        self
    }

    /// Called for events that have no handler of their own. Without it, the caller of such an
    /// event is told that nobody handles it.
    #[must_use]
    pub fn on_any<P>(mut self, handler: impl Handler<P>) -> Self {
        self.handlers.any = Some(handler.into_boxed());
        self
    }

    /// Overhears what is said to peers: called for each event and each peer, when it waits for that
    /// peer's carrier, with the peer, the event's name and its arguments. Answers to calls are no
    /// events. Must be quick. Official name: `onAnyOutgoing`.
    ///
    /// ```
    /// use omniwire::{Namespace, Peer, RawArgs};
    ///
    /// let log = |peer: &Peer, event: &str, args: &RawArgs| {
    ///     println!("to {}: {event} {}", peer.id(), args.json());
    /// };
    /// let chat = Namespace::new("/chat").on_any_outgoing(log);
    /// # let _ = chat;
    /// ```
    #[must_use]
    pub fn on_any_outgoing(
        mut self,
        overhear: impl Fn(&Peer, &str, &RawArgs) + Send + Sync + 'static,
    ) -> Self {
        self.outgoing = Some(Overhear(Arc::new(overhear)));
        self
    }

    /// Called when another of the application's servers says this to the others
    /// ([`NamespaceHandle::server_side_emit`]), with the namespace here and the arguments. What it
    /// answers goes to a server that asked; an error is logged, and is no answer. Official name:
    /// `on` of a namespace.
    ///
    /// ```
    /// use omniwire::{Namespace, NamespaceHandle, Reply};
    ///
    /// let how_many = |here: NamespaceHandle, (room,): (String,)| async move {
    ///     Reply((here.room_len(&room),))
    /// };
    /// let chat = Namespace::new("/chat").on_server_side_emit("how many", how_many);
    /// # let _ = chat;
    /// ```
    #[must_use]
    pub fn on_server_side_emit<A, O>(
        mut self,
        event: impl Into<ByteString>,
        handler: impl Fn(NamespaceHandle, A) -> O + Send + Sync + 'static,
    ) -> Self
    where
        A: FromArgs,
        O: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.listeners.insert(event.into(), Listener::new(handler));
        self
    }

    /// Called when a client asks to join a room by itself (`{"join":"room"}`, `?room=`). If it
    /// answers without an error, the peer is put in the room, whose name is the argument. Without
    /// this handler no client may.
    #[must_use]
    pub fn on_join<P>(mut self, handler: impl Handler<P>) -> Self {
        self.handlers.join = Some(handler.into_boxed());
        self
    }

    /// Knows who is in which room: [`NamespaceHandle::presence`], and for peers that watch
    /// ([`Peer::watch`], [`Namespace::on_watch`]) the event `presence`. Its arguments are the room's
    /// name and `{"joined":[..],"left":[..],"count":N}`; in the lists stands each user once, as
    /// `{"user":NAME,"peers":[ID,..]}`, and each peer without a user as `{"peers":[ID]}`.
    #[must_use]
    pub fn presence(mut self, presence: Presence) -> Self {
        self.wishes.presence = Some(presence);
        self
    }

    /// Lets clients watch who is in a room, by calling `presence.watch` with the room's name, whose
    /// reply is the list of those who are there, and `presence.unwatch`. Asked each time, with the
    /// room as the argument; an error refuses it.
    ///
    /// ```
    /// use omniwire::{Args, Failure, Namespace, Peer};
    ///
    /// let members_only = |peer: Peer, Args((room,)): Args<(String,)>| async move {
    ///     let is_member = peer.rooms().iter().any(|joined| *joined == *room);
    ///     if is_member { Ok(()) } else { Err(Failure::forbidden("join it first")) }
    /// };
    /// let chat = Namespace::new("/chat").on_watch(members_only);
    /// # let _ = chat;
    /// ```
    #[must_use]
    pub fn on_watch<P>(mut self, handler: impl Handler<P>) -> Self {
        self.wishes.watch = Some(handler.into_boxed());
        self
    }

    /// What becomes of a room's messages for a peer that does not take them as fast as they come,
    /// once its outbox is full: by default it is closed, in its protocol's own words. Asked when a
    /// room comes to be; must be quick, and may not touch rooms.
    ///
    /// ```
    /// use omniwire::{Namespace, SlowPolicy};
    ///
    /// let game = Namespace::new("/game").slow_peers(|room| match room {
    ///     "chat" => SlowPolicy::Close,            // all of it, or the peer comes back for the rest
    ///     "effects" => SlowPolicy::DropOldest,    // late ones need not come
    ///     _ => SlowPolicy::KeepLatest,
    /// });
    /// # let _ = game;
    /// ```
    #[must_use]
    pub fn slow_peers(
        mut self,
        policy: impl Fn(&str) -> SlowPolicy + Send + Sync + 'static,
    ) -> Self {
        self.slow = Some(SlowPolicies(Arc::new(policy)));
        self
    }

    /// Called when the first peer joins a room that had none. Rooms come and go in order; must be
    /// quick, and may say things and move peers.
    #[must_use]
    pub fn on_room_created(
        mut self,
        hook: impl Fn(&NamespaceHandle, &str) + Send + Sync + 'static,
    ) -> Self {
        self.wishes.created = Some(Box::new(hook));
        self
    }

    /// Called when the last peer has left a room (whose history, if it has one, may stay). Must be
    /// quick, and may say things and move peers.
    #[must_use]
    pub fn on_room_destroyed(
        mut self,
        hook: impl Fn(&NamespaceHandle, &str) + Send + Sync + 'static,
    ) -> Self {
        self.wishes.destroyed = Some(Box::new(hook));
        self
    }

    /// Makes the rooms recoverable: each remembers its last `count` events, which
    /// [`NamespaceHandle::history`] gives, at most 1 MiB of them and for five minutes. Clients are
    /// told where each event stands (`offset` and `epoch` in envelopes, `id` in event streams), and
    /// those that come back get what they missed, or are told that they can't. An event that was
    /// said to several rooms stands in each, and who comes back to two of these gets it by both.
    #[must_use]
    pub fn recoverable(self, count: usize) -> Self {
        let age_max = Duration::from_secs(300);
        self.recoverable_within(HistoryLimits { count_max: count, len_max: 1 << 20, age_max })
    }

    /// The same with other limits.
    #[must_use]
    pub fn recoverable_within(mut self, limits: HistoryLimits) -> Self {
        self.history = Some(limits);
        self
    }

    /// Lets peers whose connection is lost come back as the ones they were: Socket.IO's connection
    /// state recovery. Then every event but volatile ones and questions has one more argument for
    /// Socket.IO clients, by which they say what they have received.
    #[must_use]
    pub fn connection_recovery(mut self, recovery: ConnectionRecovery) -> Self {
        self.recovery = Some(recovery);
        self
    }

    /// Tells clients the text of any error, not only of those made for them. For development.
    #[must_use]
    pub fn detailed_errors(mut self, on: bool) -> Self {
        self.handlers.detailed_errors = on;
        self
    }

    pub(crate) fn into_space(mut self, terms: &SpaceTerms, listed: Option<Listed>) -> Arc<Space> {
        let limits = &terms.limits;
        if let Some(may_watch) = self.wishes.watch.take() {
            self.wishes.presence.get_or_insert_default();
            for (event, watches) in [("presence.watch", true), ("presence.unwatch", false)] {
                let handler = attendance::watching(&may_watch, watches);
                self.handlers.by_lower_name.insert(event.into(), handler.clone());
                self.handlers.by_name.insert(event.into(), handler);
            }
        }
        let attendance = Attendance::new(self.wishes, limits);
        let hidden: ByteString = format!("{}:", fresh_id()).into();
        let mut config = HubConfig::new(limits, terms.epoch);
        config.history = self.history;
        config.journal = self.recovery.as_ref().map(ConnectionRecovery::journal);
        config.hidden = hidden.clone();
        config.logged = attendance.is_some();
        config.slow = self.slow;
        config.lanes = terms.lanes.clone();
        Arc::new(Space {
            name: self.name,
            handlers: self.handlers.filtered(&self.filters),
            identify: self.identify,
            hidden,
            hub: Hub::new(config),
            attendance,
            timers: Arc::clone(&terms.timers),
            counters: Arc::clone(&terms.counters),
            backlog: Arc::clone(&terms.backlog),
            name_len_max: limits.name_len_max,
            recovery: self.recovery.map(Recovery::new),
            outgoing: self.outgoing,
            listeners: self.listeners,
            cluster: terms.cluster.clone(),
            feed: self.feed,
            questions: OpenQuestions::default(),
            _listed: listed,
        })
    }
}

/// A namespace seen from outside its handlers: for publishing from elsewhere in the program.
#[derive(Debug, Clone)]
pub struct NamespaceHandle(pub(crate) Arc<Space>);

impl NamespaceHandle {
    /// The namespace's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Everybody.
    pub fn everybody(&self) -> Audience {
        Audience::new(&self.0)
    }

    /// The members of a room; more rooms can be added ([`Audience::and`]).
    pub fn to(&self, room: impl Into<ByteString>) -> Audience {
        Audience::new(&self.0).and(room)
    }

    /// All peers of a user ([`Namespace::identify`]); nobody, if there are none. More users can be
    /// added ([`Audience::and_user`]).
    pub fn user(&self, user: &str) -> Audience {
        Audience::new(&self.0).and_user(user)
    }

    /// The peer with this id.
    pub fn peer(&self, id: &str) -> Option<Peer> {
        self.0.hub.member(id).map(Peer)
    }

    /// Who is in a room: each user once, with its peers, and those without a user. Who is away for
    /// less than the grace is listed without peers. Empty without [`Namespace::presence`].
    pub fn presence(&self, room: &str) -> Vec<Present> {
        self.0.present(room)
    }

    /// The rooms that have peers, with how many, in no particular order.
    pub fn rooms(&self) -> Vec<(ByteString, usize)> {
        self.0.hub.rooms()
    }

    /// How many peers are in a room.
    pub fn room_len(&self, room: &str) -> usize {
        self.0.hub.room_len(room)
    }

    /// The current values of a room ([`Audience::emit_latest`]), in the order in which their keys
    /// were first set.
    pub fn latest(&self, room: &str) -> Vec<Value> {
        self.0.hub.values(room)
    }

    /// Forgets the current value of a key: who joins from now on does not get it. Whether there
    /// was one.
    pub fn forget_latest(&self, room: &str, key: &str) -> bool {
        self.0.hub.forget_value(room, key)
    }

    /// How many peers there are.
    pub fn len(&self) -> usize {
        self.0.hub.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.hub.is_empty()
    }

    /// What a recoverable room remembers, oldest first; `None` if there is no such room or it
    /// remembers nothing.
    pub fn history(&self, room: &str) -> Option<Vec<Stored>> {
        self.0.hub.history(room, clock::now())
    }
}
