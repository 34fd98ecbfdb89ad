//! From namespaces and mounts to a server.

use crate::app::admin::{AdminUi, Feed};
use crate::app::cluster::Cluster;
use crate::app::dynamic::{DynamicSpaces, Make};
use crate::app::namespace::Namespace;
use crate::app::space::SpaceTerms;
#[cfg(unix)]
use crate::carrier::engine::Engines;
use crate::carrier::intake::Intake;
use crate::edge::access::Origins;
use crate::edge::answers;
use crate::edge::crowd::Crowd;
use crate::edge::hosts::Hosts;
use crate::edge::site;
use crate::mount::{
    BuildError, Mount, Mounts, PlainMount, SignalRMount, Site, SockJsMount, SocketIoMount,
    WebSocketMount,
};
use crate::panics;
use crate::request::Heads;
use crate::server::{Omniwire, Shared};
use crate::session::backlog::Backlog;
use crate::session::peers::AtWork;
use crate::session::table::Table;
use axum::Router;
use axum::body::Body;
use axum::routing::any;
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use omniwire_hub::Lanes;
use omniwire_session::limits::Limits;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Puts a server together: [`Omniwire::builder`].
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    limits: Limits,
    origins: Origins,
    gzip: bool,
    hosts: Hosts,
    namespaces: Vec<(Namespace, bool)>,
    makers: Vec<Make>,
    admin: Option<AdminUi>,
    cluster: Option<Arc<dyn Cluster>>,
    mounts: Vec<(String, Mount)>,
    socketio: bool,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("namespaces", &self.namespaces)
            .field("mounts", &self.mounts)
            .finish_non_exhaustive()
    }
}

impl Omniwire {
    /// A server without namespaces.
    pub fn builder() -> Builder {
        Builder {
            limits: Limits::default(),
            origins: Origins::default(),
            gzip: false,
            hosts: Hosts::default(),
            namespaces: Vec::new(),
            makers: Vec::new(),
            admin: None,
            cluster: None,
            mounts: Vec::new(),
            socketio: true,
        }
    }

    /// The server as an axum router, to be merged with another, or nested. Its routes are those of
    /// the mounts; it needs no state, so one that has state is given that before:
    /// `app.with_state(state).merge(omniwire.router())`.
    pub fn router(&self) -> Router {
        let mut router = Router::new();
        for (path, has_tail) in self.mounts.paths() {
            let server = self.clone();
            let handler = any(move |request: Request<Body>| server.answer(request));
            if !path.is_empty() {
                router = router.route(path, handler.clone());
            }
            router = router.route(&format!("{path}/"), handler.clone());
            if has_tail {
                router = router.route(&format!("{path}/{{*tail}}"), handler);
            }
        }
        router
    }

    /// What is to come keeps nothing of the request but what the mount does.
    fn answer(
        &self,
        mut request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        let asks_for_upgrade = answers::asks_for_upgrade(&request);
        let shared = Arc::clone(&self.shared);
        let served = match site::take_in(&shared.hosts, &mut request) {
            Some(refusal) => Err(refusal),
            None => Ok(AssertUnwindSafe(self.mounts.serve(Arc::clone(&shared), request))),
        };
        async move {
            let mut answer = match served {
                Ok(served) => served.catch_unwind().await.unwrap_or_else(|panic| {
                    panics::count(&shared.counters, panics::text_of(&*panic));
                    answers::plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
                }),
                Err(refusal) => refusal,
            };
            if asks_for_upgrade {
                answers::end_unless_upgraded(&mut answer);
            }
            answer
        }
    }
}

impl Builder {
    /// Bounds for everything.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whose pages may talk to the server, over any transport. By default only its own.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Whether event streams, and long answers to polls and POSTs, of clients without a library are
    /// compressed for who asks by `Accept-Encoding` ([`PlainMount::gzip`]). Off by default: each
    /// client's is compressed by itself, and the length of what is compressed tells of its content
    /// (BREACH) if a secret and what others may choose are in it.
    pub fn gzip(mut self, on: bool) -> Self {
        self.gzip = on;
        self
    }

    /// The names that the server answers to: its mounts, and under [`crate::serve`] all of the
    /// router. By default any, but on a loopback address only local ones, which no other listener
    /// tells.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// Adds a namespace and mounts every protocol for it at its customary path: for `/chat`,
    /// `/ws/chat`, `/signalr/chat`, `/sockjs/chat`, `/sse/chat`, `/poll/chat`, `/send/chat`, and
    /// Socket.IO's `/socket.io/`, which all namespaces share.
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.namespaces.push((namespace, true));
        self
    }

    /// Adds a namespace without mounts of its own (but Socket.IO's, where that is mounted).
    pub fn bare_namespace(mut self, namespace: Namespace) -> Self {
        self.namespaces.push((namespace, false));
        self
    }

    /// Makes namespaces on demand: when a client asks for one that does not exist (in Socket.IO,
    /// where clients name it), `make` gets the name as the client wrote it and gives the namespace,
    /// or `None` if there is none of that name. Whatever name it gives, the namespace gets the one
    /// that was asked for. It lives as long as somebody is in it; at most
    /// [`Limits::dynamic_namespaces_max`] do at a time. `make` may be called for a namespace that
    /// is then not needed, and must be quick. Several may be added: the first that gives one
    /// counts.
    ///
    /// ```
    /// # use omniwire::{Namespace, Omniwire};
    /// let rooms = |name: &str| name.starts_with("/game-").then(|| Namespace::new(name.to_owned()));
    /// let omniwire = Omniwire::builder().namespaces_where(rooms).build()?;
    /// # Ok::<_, omniwire::BuildError>(())
    /// ```
    pub fn namespaces_where(
        mut self,
        make: impl Fn(&str) -> Option<Namespace> + Send + Sync + 'static,
    ) -> Self {
        self.makers.push(Box::new(make));
        self
    }

    /// Adds the namespace of Socket.IO's Admin UI.
    pub fn admin_ui(mut self, admin: AdminUi) -> Self {
        self.admin = Some(admin);
        self
    }

    /// Lets namespaces talk to those of the application's other servers
    /// ([`crate::NamespaceHandle::server_side_emit`]). Without it there is no other.
    pub fn cluster(mut self, cluster: impl Cluster) -> Self {
        self.cluster = Some(Arc::new(cluster));
        self
    }

    /// Mounts a protocol at a path.
    pub fn mount(mut self, path: impl Into<String>, mount: impl Into<Mount>) -> Self {
        self.mounts.push((path.into(), mount.into()));
        self
    }

    /// Does not mount Socket.IO at `/socket.io/`; it may be mounted elsewhere.
    pub fn without_socketio(mut self) -> Self {
        self.socketio = false;
        self
    }

    /// Builds the server.
    ///
    /// # Errors
    /// A name or path is no good, or is taken; an event of a namespace has two handlers.
    pub fn build(self) -> Result<Omniwire, BuildError> {
        let (timers, counters) = (Arc::default(), Arc::default());
        let terms = SpaceTerms {
            limits: self.limits.clone(),
            epoch: epoch(),
            timers: Arc::clone(&timers),
            counters: Arc::clone(&counters),
            cluster: self.cluster,
            backlog: Backlog::new(&self.limits),
            lanes: Lanes::default(),
        };
        let backlog = Arc::clone(&terms.backlog);
        let mut spaces = HashMap::new();
        let mut mounts = self.mounts;
        let (mut namespaces, mut makers) = (self.namespaces, self.makers);
        let admin = self.admin.map(AdminUi::into_parts);
        let feed = admin.as_ref().map(|(_, feed)| Arc::clone(feed));
        namespaces.extend(admin.map(|(namespace, _)| (namespace, false)));
        if let Some(feed) = &feed {
            makers = makers.into_iter().map(|make| fed(make, Arc::clone(feed))).collect();
        }
        for (mut namespace, mounted) in namespaces {
            namespace.feed.clone_from(&feed);
            let name = namespace.name.clone();
            check(&namespace)?;
            if mounted {
                mounts.extend(customary(&name));
            }
            let space = namespace.into_space(&terms, None);
            if spaces.insert(name.clone(), space).is_some() {
                return Err(BuildError::TwoNamespaces(name.to_string()));
            }
        }
        let has_one = mounts.iter().any(|(path, _)| path.trim_end_matches('/') == "/socket.io");
        if self.socketio && !has_one {
            mounts.push(("/socket.io".to_owned(), SocketIoMount::new().into()));
        }
        let shared = Arc::new(Shared {
            dynamic: DynamicSpaces::new(makers, terms),
            crowd: Crowd::new(&self.limits),
            backlog,
            intake: Intake::new(self.limits.unfinished_len_max),
            hosts: self.hosts,
            limits: self.limits,
            spaces,
            table: Table::default(),
            heads: Heads::default(),
            draining: AtomicBool::new(false),
            timers,
            #[cfg(unix)]
            engines: Engines::default(),
            counters,
            at_work: AtWork::default(),
            failures: Mutex::default(),
        });
        shared.backlog.attach(&shared);
        if let Some(feed) = feed {
            feed.attach(&shared);
        }
        let site = Site { shared: &shared, origins: &self.origins, gzip: self.gzip };
        let mut mounted = Mounts::default();
        for (path, mount) in mounts {
            mounted.add(&path, mount.into_mounted(&site)?)?;
        }
        Ok(Omniwire { shared, mounts: Arc::new(mounted) })
    }
}

fn check(Namespace { name, handled_twice, .. }: &Namespace) -> Result<(), BuildError> {
    if !name.starts_with('/') {
        return Err(BuildError::NamespaceWithoutSlash(name.to_string()));
    }
    let Some(event) = handled_twice else { return Ok(()) };
    Err(BuildError::TwoHandlers { namespace: name.to_string(), event: event.to_string() })
}

/// What is made is heard of too.
fn fed(make: Make, feed: Arc<Feed>) -> Make {
    Box::new(move |name| {
        let mut namespace = make(name)?;
        namespace.feed = Some(Arc::clone(&feed));
        Some(namespace)
    })
}

fn customary(namespace: &str) -> Vec<(String, Mount)> {
    let at = |prefix: &str| format!("{prefix}{}", namespace.trim_end_matches('/'));
    vec![
        (at("/ws"), WebSocketMount::new(namespace).into()),
        (at("/signalr"), SignalRMount::new(namespace).into()),
        (at("/sockjs"), SockJsMount::new(namespace).into()),
        (at("/sse"), PlainMount::event_stream(namespace).into()),
        (at("/poll"), PlainMount::long_poll(namespace).into()),
        (at("/send"), PlainMount::send(namespace).into()),
    ]
}

/// Tells the histories of this run from those of any other. Always ten digits long: what clients
/// are told has the same length whenever a simulated run is repeated.
fn epoch() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    u32::from_ne_bytes(bytes) | 1 << 31
}

#[cfg(test)]
mod tests;
