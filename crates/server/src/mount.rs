//! Where each protocol is mounted, and how a request becomes a carrier of a session.

#![expect(clippy::result_large_err, reason = "a refusal is a whole response")]

pub(crate) mod engineio;
pub(crate) mod plain;
pub(crate) mod signalr;
pub(crate) mod sockjs;
pub(crate) mod websocket;

pub use engineio::{EngineIoMount, SocketIoMount};
pub use plain::PlainMount;
pub use signalr::{Negotiation, SignalRMount};
pub use sockjs::SockJsMount;
pub use websocket::WebSocketMount;

use crate::app::space::Space;
use crate::carrier::upstream;
use crate::edge::access::{self, Origins};
use crate::edge::answers;
use crate::edge::crowd::{Crowd, TooMany};
use crate::request::RequestInfo;
use crate::server::{Shared, note_refusal};
use crate::session::cell::{Cell, Entrance, Opening, PeerIds, Terms};
use crate::session::machine::Machine;
use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use omniwire_session::{ByteString, Fault};
use parking_lot::Mutex;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A request that has found its mount.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) request: Request<()>,
    /// In a lock only so that an `Incoming` may be shared while somebody waits.
    body: Mutex<Body>,
    /// What its path has behind the mount's own: empty, or from the next slash on.
    pub(crate) tail: String,
    pub(crate) shared: Arc<Shared>,
}

impl Incoming {
    fn new(request: Request<Body>, tail: String, shared: Arc<Shared>) -> Self {
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, ());
        Self { request, body: Mutex::new(body), tail, shared }
    }

    pub(crate) fn into_body(self) -> Body {
        self.body.into_inner()
    }

    pub(crate) fn body_mut(&mut self) -> &mut Body {
        self.body.get_mut()
    }

    /// Whether there is a body that no GET needs. That of a handshake is refused with it.
    fn has_needless_body(&mut self) -> bool {
        self.request.method() == Method::GET
            && !websocket::is_upgrade(&self.request)
            && !self.body_mut().is_end_stream()
    }

    pub(crate) fn query(&self) -> &str {
        self.request.uri().query().unwrap_or_default()
    }

    /// The answer for a client that the namespace's gate does not let pass.
    pub(crate) fn denied(&self, entrance: &Entrance) -> Option<Response<Body>> {
        let Entrance::Fixed(space) = entrance else { return None };
        let gate = space.handlers.gate.as_ref()?;
        gate.check(&self.info()).err().map(|denied| denied.into_response())
    }

    /// A new session, for a carrier to attach to.
    ///
    /// # Errors
    /// 503: there are as many as there may be; 429: one address has as many as it may.
    pub(crate) fn open_session(
        &self,
        terms: &Arc<Terms>,
        token: ByteString,
        ids: PeerIds,
        machine: Machine,
    ) -> Result<Arc<Cell>, Response<Body>> {
        self.seat(Crowd::sit)?;
        let opening = Opening { request: self.info(), token, ids };
        // When it is dropped, its seat is free again.
        Ok(Cell::new(terms, opening, machine))
    }

    /// Whether there is a place for one more session.
    ///
    /// # Errors
    /// There is none: see [`Incoming::open_session`].
    pub(crate) fn has_seat(&self) -> Result<(), Response<Body>> {
        self.seat(Crowd::has_seat)
    }

    fn seat(
        &self,
        ask: impl FnOnce(&Crowd, Option<SocketAddr>) -> Result<(), TooMany>,
    ) -> Result<(), Response<Body>> {
        let shared = &self.shared;
        // Who is told to come back must not find the same server.
        if shared.draining.load(Ordering::Relaxed) {
            return Err(answers::too_many_sessions(StatusCode::SERVICE_UNAVAILABLE));
        }
        if shared.table.len() >= shared.limits.sessions_max {
            self.count_refused("sessions_max");
            return Err(answers::too_many_sessions(StatusCode::SERVICE_UNAVAILABLE));
        }
        ask(&shared.crowd, self.remote()).map_err(|TooMany| {
            self.count_refused("ip_sessions_max");
            answers::too_many_sessions(StatusCode::TOO_MANY_REQUESTS)
        })
    }

    fn count_refused(&self, limit: &'static str) {
        if let Some(refused) = note_refusal(&self.shared.counters.sessions_refused) {
            let remote = self.remote();
            tracing::info!(limit, ?remote, refused, "refused a session");
        }
    }

    /// The session of this token, if there is one.
    ///
    /// # Errors
    /// 403: it is another user's ([`crate::Namespace::identify`]). Its token is no secret enough:
    /// it is part of URLs, and SockJS clients make theirs themselves.
    pub(crate) fn find_session(&self, token: &str) -> Result<Option<Arc<Cell>>, Fault> {
        let Some(cell) = self.shared.table.find(token) else { return Ok(None) };
        match cell.is_for(|| self.info()) {
            true => Ok(Some(cell)),
            false => {
                tracing::info!(protocol = cell.terms.protocol, "refused another user's request");
                Err(Fault::new(StatusCode::FORBIDDEN.as_u16(), "another user's session\n"))
            }
        }
    }

    /// The head, to be kept with the session.
    pub(crate) fn info(&self) -> RequestInfo {
        RequestInfo::copy_of(&self.request, self.remote(), &self.shared.heads)
    }

    fn remote(&self) -> Option<SocketAddr> {
        self.request.extensions().get::<Remote>().map(|remote| remote.0)
    }
}

/// The other end of the connection that a request came over, among its extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remote(pub(crate) SocketAddr);

pub(crate) type ResponseFuture = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A protocol at a path.
pub(crate) trait Mounted: fmt::Debug + Send + Sync {
    /// Answers a request.
    fn serve(self: Arc<Self>, incoming: Incoming) -> ResponseFuture;

    /// Whether paths below the mount's own belong to it too.
    fn has_tail(&self) -> bool;

    /// Whose pages may talk to it.
    fn origins(&self) -> &Origins;

    /// Whether it can be carried by WebTransport.
    #[cfg_attr(not(feature = "http3"), expect(dead_code, reason = "HTTP/3 asks"))]
    fn has_webtransport(&self) -> bool {
        false
    }

    /// Whether it answers OPTIONS and tells browsers about origins by itself.
    fn minds_cors(&self) -> bool {
        false
    }
}

/// What mounts are made from.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) origins: &'a Origins,
    pub(crate) gzip: bool,
}

impl Site<'_> {
    pub(crate) fn space(&self, name: &str) -> Result<Arc<Space>, BuildError> {
        self.shared.space(name).ok_or_else(|| BuildError::NoNamespace(name.to_owned()))
    }

    pub(crate) fn origins(&self, own: Option<Origins>) -> Origins {
        own.unwrap_or_else(|| self.origins.clone())
    }
}

/// Why a server can't be built as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A mount names a namespace that was not added.
    #[error("a mount names the namespace '{0}', which was not added to the builder")]
    NoNamespace(String),
    /// Two namespaces have one name.
    #[error("two namespaces are named '{0}'")]
    TwoNamespaces(String),
    /// A namespace's name does not begin with a slash.
    #[error("the namespace '{0}' must begin with a slash, as '/{0}'")]
    NamespaceWithoutSlash(String),
    /// A mount's path does not begin with a slash.
    #[error("the mount's path '{0}' must begin with a slash, as '/{0}'")]
    MountWithoutSlash(String),
    /// Two mounts have one path, one of them perhaps by [`crate::Builder::namespace`].
    #[error(
        "two protocols are mounted at '{0}'; `Builder::namespace` mounts all at their customary \
         paths, `bare_namespace` none"
    )]
    TwoMounts(String),
    /// A namespace has two handlers for one event.
    #[error("the namespace '{namespace}' has two handlers for the event '{event}'")]
    TwoHandlers {
        /// Its name.
        namespace: String,
        /// The event's.
        event: String,
    },
    /// Engine.IO's cookie can't be said in a header.
    #[error("{0}")]
    BadCookie(String),
}

/// A protocol that is to be mounted at a path ([`crate::Builder::mount`]). Made from
/// [`WebSocketMount`], [`SocketIoMount`], [`EngineIoMount`], [`SignalRMount`], [`SockJsMount`] or
/// [`PlainMount`].
#[derive(Debug)]
pub struct Mount(Box<dyn IntoMounted>);

impl Mount {
    pub(crate) fn into_mounted(self, site: &Site<'_>) -> Result<Arc<dyn Mounted>, BuildError> {
        self.0.into_mounted(site)
    }
}

impl<T: IntoMounted + 'static> From<T> for Mount {
    fn from(mount: T) -> Self {
        Self(Box::new(mount))
    }
}

/// What is to be mounted, once the namespaces are there.
pub(crate) trait IntoMounted: fmt::Debug + Send {
    fn into_mounted(self: Box<Self>, site: &Site<'_>) -> Result<Arc<dyn Mounted>, BuildError>;
}

/// All mounts, by path.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    /// Longest path first.
    by_path: Vec<(String, Arc<dyn Mounted>)>,
}

impl Mounts {
    pub(crate) fn add(&mut self, path: &str, mounted: Arc<dyn Mounted>) -> Result<(), BuildError> {
        if !path.starts_with('/') {
            return Err(BuildError::MountWithoutSlash(path.to_owned()));
        }
        let path = path.trim_end_matches('/').to_owned();
        if self.by_path.iter().any(|(taken, _)| *taken == path) {
            return Err(BuildError::TwoMounts(path));
        }
        self.by_path.push((path, mounted));
        self.by_path.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Ok(())
    }

    /// The paths, and whether what is below belongs to the mount too.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&str, bool)> {
        self.by_path.iter().map(|(path, mounted)| (path.as_str(), mounted.has_tail()))
    }

    /// Whether one of them can be carried by WebTransport.
    #[cfg(feature = "http3")]
    pub(crate) fn has_webtransport(&self) -> bool {
        self.by_path.iter().any(|(_, mounted)| mounted.has_webtransport())
    }

    /// What is mounted there, and what the path has behind the mount's own.
    pub(crate) fn find<'a>(&self, path: &'a str) -> Option<(&Arc<dyn Mounted>, &'a str)> {
        self.by_path.iter().find_map(|(mount, mounted)| {
            let tail = path.strip_prefix(mount.as_str())?;
            let mine = match tail {
                "" | "/" => true,
                _ => mounted.has_tail() && tail.starts_with('/'),
            };
            mine.then_some((mounted, tail))
        })
    }

    /// Answers a request: 404 if nothing is mounted there.
    pub(crate) fn serve(
        &self,
        shared: Arc<Shared>,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        let mut origin = None;
        let served = self.begin(shared, request, &mut origin);
        async move {
            match served {
                Ok(serving) => {
                    let mut response = serving.await;
                    access::tell(origin.as_ref(), response.headers_mut());
                    response
                }
                Err(answer) => answer,
            }
        }
    }

    /// `origin`: of a page that is to be told that it may read the answer.
    ///
    /// # Errors
    /// The answer is there already.
    fn begin(
        &self,
        shared: Arc<Shared>,
        request: Request<Body>,
        origin: &mut Option<HeaderValue>,
    ) -> Result<ResponseFuture, Response<Body>> {
        let (mounted, tail) = self.find(request.uri().path()).ok_or_else(answers::not_found)?;
        if !mounted.minds_cors() {
            let origins = mounted.origins();
            if let Some(answer) = origins.preflight(&request).or_else(|| origins.refuse(&request)) {
                return Err(answer);
            }
            // A copy of its own: what is cloned keeps the buffer that the request was read into.
            let asked = request.headers().get(header::ORIGIN);
            *origin = asked.and_then(|origin| HeaderValue::from_bytes(origin.as_bytes()).ok());
        }
        let (mounted, tail) = (Arc::clone(mounted), tail.to_owned());
        let mut incoming = Incoming::new(request, tail, shared);
        if !incoming.has_needless_body() {
            return Ok(mounted.serve(incoming));
        }
        Ok(Box::pin(async move {
            match upstream::pass_over_body(&mut incoming).await {
                Ok(()) => mounted.serve(incoming).await,
                Err(status) => answers::body_not_taken(status),
            }
        }))
    }
}

#[cfg(test)]
mod tests;
