//! Engine.IO, bare or with Socket.IO on top: polling, WebSocket, and the way between them.

mod webtransport;

use self::webtransport::is_webtransport;
use super::websocket::{Door, is_upgrade};
use super::{BuildError, Incoming, IntoMounted, Mounted, ResponseFuture, Site};
use crate::carrier::compression::Coding;
use crate::carrier::long_poll::Poll;
use crate::carrier::upstream;
use crate::clock;
use crate::edge::access::Origins;
use crate::edge::answers::{self, Headers, refuse, respond};
use crate::request::RequestInfo;
use crate::server::fresh_id;
use crate::session::cell::{Cell, Entrance, PeerIds, Terms};
use crate::session::machine::Machine;
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use omniwire_engineio::request::{self, Asks, Open, Refused, Request};
use omniwire_engineio::{Cookie, EngineIoSession, Protocol, jsonp, payload};
use omniwire_session::{Answer, ByteString, Carrier, Fault, Input, Kind, Reason};
use omniwire_socketio::SocketIoSession;
use omniwire_websocket::deflate;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Socket.IO for every namespace of the server, which clients choose by name.
#[derive(Debug, Clone, Default)]
pub struct SocketIoMount {
    config: omniwire_socketio::Config,
    options: Options,
}

impl SocketIoMount {
    /// With the official server's settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these settings.
    #[must_use]
    pub fn config(mut self, config: omniwire_socketio::Config) -> Self {
        self.config = config;
        self
    }
}

/// Bare Engine.IO for one namespace: each message is the event `message` with one argument.
#[derive(Debug, Clone)]
pub struct EngineIoMount {
    namespace: String,
    config: omniwire_engineio::Config,
    options: Options,
}

impl EngineIoMount {
    /// For this namespace, with the official server's settings.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            config: Default::default(),
            options: Options::default(),
        }
    }

    /// With these settings.
    #[must_use]
    pub fn config(mut self, config: omniwire_engineio::Config) -> Self {
        self.config = config;
        self
    }
}

/// What both mounts may be told besides their protocol's settings.
#[derive(Clone, Default)]
struct Options {
    origins: Option<Origins>,
    deflate: Option<deflate::Config>,
    initial_headers: Option<HeadersHook>,
    headers: Option<HeadersHook>,
}

type HeadersHook = Arc<dyn Fn(&RequestInfo, &mut HeaderMap) + Send + Sync>;

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("origins", &self.origins)
            .field("deflate", &self.deflate)
            .finish_non_exhaustive()
    }
}

impl Options {
    fn has_hooks(&self) -> bool {
        self.initial_headers.is_some() || self.headers.is_some()
    }

    /// Lets the hooks see the answer to a request. A refusal is not shown.
    fn dress(&self, request: &RequestInfo, answer: &mut Response<Body>) {
        if !matches!(answer.status(), StatusCode::OK | StatusCode::SWITCHING_PROTOCOLS) {
            return;
        }
        let is_first = request.query_value("sid").is_none_or(|sid| sid.is_empty());
        let first = self.initial_headers.as_ref().filter(|_| is_first);
        for hook in [first, self.headers.as_ref()].into_iter().flatten() {
            hook(request, answer.headers_mut());
        }
    }
}

macro_rules! options {
    ($mount:ty) => {
        impl $mount {
            /// Whose pages may use it, in place of the server's rule.
            #[must_use]
            pub fn origins(mut self, origins: Origins) -> Self {
                self.options.origins = Some(origins);
                self
            }

            /// Offers permessage-deflate on WebSockets. Off by default, as the official server's
            /// `perMessageDeflate`.
            #[must_use]
            pub fn deflate(mut self, config: deflate::Config) -> Self {
                self.options.deflate = Some(config);
                self
            }

            /// Sees, and may change, the headers of the answer that opens a session: a polling
            /// answer, or that to a WebSocket's handshake. Official name: `initial_headers`.
            #[must_use]
            pub fn on_initial_headers<F>(mut self, hook: F) -> Self
            where
                F: Fn(&RequestInfo, &mut HeaderMap) + Send + Sync + 'static,
            {
                self.options.initial_headers = Some(Arc::new(hook));
                self
            }

            /// The same for every answer of a session. Official name: `headers`.
            #[must_use]
            pub fn on_headers<F>(mut self, hook: F) -> Self
            where
                F: Fn(&RequestInfo, &mut HeaderMap) + Send + Sync + 'static,
            {
                self.options.headers = Some(Arc::new(hook));
                self
            }
        }
    };
}

options!(SocketIoMount);
options!(EngineIoMount);

impl IntoMounted for SocketIoMount {
    fn into_mounted(self: Box<Self>, site: &Site<'_>) -> Result<Arc<dyn Mounted>, BuildError> {
        let engine = Arc::clone(&self.config.engine);
        check_cookie(&engine)?;
        let speech = Speech::SocketIo(Arc::new(self.config));
        Ok(Endpoint::mounted(site, engine, speech, Entrance::ByName, self.options))
    }
}

impl IntoMounted for EngineIoMount {
    fn into_mounted(self: Box<Self>, site: &Site<'_>) -> Result<Arc<dyn Mounted>, BuildError> {
        let entrance = Entrance::Fixed(site.space(&self.namespace)?);
        check_cookie(&self.config)?;
        Ok(Endpoint::mounted(site, Arc::new(self.config), Speech::Bare, entrance, self.options))
    }
}

fn check_cookie(config: &omniwire_engineio::Config) -> Result<(), BuildError> {
    let bad = config.cookie.as_ref().map(Cookie::check);
    bad.unwrap_or(Ok(())).map_err(|error| BuildError::BadCookie(error.to_string()))
}

#[derive(Debug)]
enum Speech {
    Bare,
    SocketIo(Arc<omniwire_socketio::Config>),
}

#[derive(Debug)]
struct Endpoint {
    engine: Arc<omniwire_engineio::Config>,
    speech: Speech,
    terms: Arc<Terms>,
    door: Door,
    origins: Origins,
    options: Options,
}

/// Clients of protocol 3 may listen only once their WebSocket is open (the official suite's do), and
/// lose an open packet that comes in one piece with the 101.
const LEGACY_PAUSE: Duration = Duration::from_millis(5);

/// A client that closes by POST has sent a GET before, over another connection, which may be a bit
/// slower: it is to learn of the close in good order, not to find no session.
const CLOSE_PAUSE: Duration = Duration::from_millis(5);

const UNCACHED: Headers = Headers(&[("cache-control", request::CACHE_CONTROL)]);

impl Endpoint {
    fn mounted(
        site: &Site<'_>,
        engine: Arc<omniwire_engineio::Config>,
        speech: Speech,
        entrance: Entrance,
        options: Options,
    ) -> Arc<dyn Mounted> {
        // Stock clients show the reason to the application, where npm's server gives none.
        let door = Door::plain(site.shared, engine.max_payload).terse();
        let door = door.compressing(options.deflate.clone());
        let terms = Terms {
            shared: Arc::clone(site.shared),
            entrance,
            protocol: if matches!(speech, Speech::Bare) { "Engine.IO" } else { "Socket.IO" },
            transport: |carrier| match carrier {
                Carrier::WebSocket => "websocket",
                Carrier::WebTransport => "webtransport",
                _ => "polling",
            },
            parallel_max: site.shared.limits.calls_max,
            methods: false,
            ping: None,
            websocket: door.config(),
        };
        let origins = site.origins(options.origins.clone());
        Arc::new(Self { engine, speech, terms: Arc::new(terms), door, origins, options })
    }

    async fn answer(self: &Arc<Self>, incoming: Incoming) -> Response<Body> {
        if is_webtransport(&incoming.request) {
            return self.admit(incoming);
        }
        let upgrade = is_upgrade(&incoming.request);
        let head = &incoming.request;
        let parsed =
            request::parse(&self.engine, head.method(), incoming.query(), head.headers(), upgrade);
        match parsed {
            Err(refused) if upgrade => respond(refused.upgrade_answer()),
            Err(refused) => respond(refused.answer()),
            // Apart, so that a poll is the smaller.
            Ok(Request::Open(open)) => Box::pin(self.open(incoming, open)).await,
            Ok(Request::Session { sid, protocol, asks }) => {
                let refused = match self.find(&incoming, &sid) {
                    Ok(Some(cell)) if spoken(&cell) == protocol => {
                        return self.go_on(incoming, asks, &cell).await;
                    }
                    Ok(Some(_)) => Refused::BAD_REQUEST,
                    Ok(None) => Refused::UNKNOWN_SID,
                    Err(fault) => return refuse(fault),
                };
                respond(if upgrade { refused.upgrade_answer() } else { refused.answer() })
            }
        }
    }

    fn find(&self, incoming: &Incoming, sid: &str) -> Result<Option<Arc<Cell>>, Fault> {
        let mine = |cell: &Arc<Cell>| Arc::ptr_eq(&cell.terms, &self.terms);
        Ok(incoming.find_session(sid)?.filter(mine))
    }

    async fn open(&self, mut incoming: Incoming, open: Open) -> Response<Body> {
        if let Some(denied) = incoming.denied(&self.terms.entrance) {
            return denied;
        }
        let handshake = match open.carrier {
            Carrier::WebSocket => match self.door.open(&mut incoming.request) {
                Ok(handshake) => Some(handshake),
                Err(refusal) => return refusal,
            },
            _ => None,
        };
        let cell = match self.open_cell(&incoming, &open) {
            Ok(cell) => cell,
            Err(refusal) => return refusal,
        };
        let Some(handshake) = handshake else {
            let mut response = self.poll(&cell, open.jsonp, None).await;
            let cookie = self.engine.cookie.as_ref().map(|cookie| cookie.with(cell.token()));
            if let Some(Ok(cookie)) = cookie.map(HeaderValue::try_from) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            return response;
        };
        let legacy = open.protocol == Protocol::V3;
        handshake.carry_after(&cell, if legacy { LEGACY_PAUSE } else { Duration::ZERO })
    }

    /// A new session, for a carrier to attach to.
    #[expect(clippy::result_large_err, reason = "a refusal is a whole response")]
    fn open_cell(&self, incoming: &Incoming, open: &Open) -> Result<Arc<Cell>, Response<Body>> {
        let (sid, now) = (fresh_id(), clock::now());
        let machine = Machine::Other(match &self.speech {
            Speech::Bare => {
                Box::new(EngineIoSession::new(Arc::clone(&self.engine), open, sid.clone(), now))
            }
            Speech::SocketIo(config) => {
                Box::new(SocketIoSession::new(Arc::clone(config), open, sid.clone(), now))
            }
        });
        let ids = match open.protocol {
            Protocol::V3 => PeerIds::Legacy,
            Protocol::V4 => PeerIds::Fresh,
        };
        incoming.open_session(&self.terms, sid, ids, machine)
    }

    async fn go_on(&self, mut incoming: Incoming, asks: Asks, cell: &Arc<Cell>) -> Response<Body> {
        match asks {
            Asks::Poll { jsonp } => {
                let coding = Coding::wanted(incoming.request.headers(), Coding::ALL);
                // The request is a part of the buffer that it was read into.
                drop(incoming);
                self.poll(cell, jsonp, coding).await
            }
            // Apart, so that a poll is the smaller.
            Asks::Post { kind, form } => Box::pin(self.post(incoming, cell, kind, form)).await,
            Asks::Upgrade => match self.door.open(&mut incoming.request) {
                Ok(handshake) => handshake.carry(cell),
                Err(refusal) => refusal,
            },
            Asks::Other => respond(Refused::BAD_REQUEST.answer()),
        }
    }

    async fn post(
        &self,
        incoming: Incoming,
        cell: &Arc<Cell>,
        kind: Kind,
        form: bool,
    ) -> Response<Body> {
        let Some(_posting) = Posting::begin(cell) else {
            cell.handle(Input::Close { reason: Reason::ConnectionLost }).ok();
            return refuse(request::overlapping_post());
        };
        let (body, _portion) = match upstream::read_body(incoming, self.engine.max_payload).await {
            Ok(read) => read,
            // The official server closes the connection without another word.
            Err(StatusCode::PAYLOAD_TOO_LARGE) => return respond(Answer::empty(413)),
            Err(status) => return respond(Answer::empty(status.as_u16())),
        };
        let body = match form.then(|| jsonp::unwrap(&body)) {
            None => body,
            Some(Some(text)) => text.into_bytes(),
            Some(None) => return respond(Refused::BAD_REQUEST.answer()),
        };
        if matches!(&*body, b"1" | b"1:1") {
            tokio::time::sleep(CLOSE_PAUSE).await;
        }
        upstream::wait_for_room(cell).await;
        match cell.handle(Input::Body { kind, body }) {
            Ok(()) => {
                upstream::wait_until_taken(cell).await;
                let mut response = respond(request::post_answer());
                UNCACHED.apply(response.headers_mut());
                response
            }
            Err(fault) => refuse(fault),
        }
    }

    async fn poll(
        &self,
        cell: &Arc<Cell>,
        index: Option<ByteString>,
        coding: Option<Coding>,
    ) -> Response<Body> {
        let poll = match Poll::attach(cell) {
            Ok(poll) => poll,
            Err(fault) => return refuse(fault),
        };
        let (mut answer, compressible) = poll.answer_and_manner("").await;
        if answer.content_type.is_empty() {
            answer.content_type = payload::content_type(&answer.body);
        }
        if let Some(index) = index {
            let body = jsonp::wrap(&index, &answer.body);
            answer = Answer::new(answer.status, jsonp::CONTENT_TYPE, body);
        }
        let body = answer.body.clone();
        let mut response = respond(answer);
        UNCACHED.apply(response.headers_mut());
        let is_long = |threshold| body.len() >= threshold;
        if compressible
            && self.engine.compression_threshold.is_some_and(is_long)
            && let Some(coding) = coding
        {
            coding.apply(&body, &mut response);
        }
        response
    }
}

/// The protocol that a session speaks.
fn spoken(cell: &Cell) -> Protocol {
    if cell.has_legacy_ids() { Protocol::V3 } else { Protocol::V4 }
}

/// Marks that a POST of the session is being read.
struct Posting<'a>(&'a Cell);

impl<'a> Posting<'a> {
    fn begin(cell: &'a Cell) -> Option<Self> {
        let before = cell.posting.swap(true, Ordering::AcqRel);
        (!before).then_some(Self(cell))
    }
}

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        self.0.posting.store(false, Ordering::Release);
    }
}

impl Mounted for Endpoint {
    fn serve(self: Arc<Self>, incoming: Incoming) -> ResponseFuture {
        Box::pin(async move {
            if !matches!(incoming.tail.as_str(), "" | "/") {
                return answers::not_found();
            }
            let info = self.options.has_hooks().then(|| incoming.info());
            let mut answer = self.answer(incoming).await;
            if let Some(info) = info {
                self.options.dress(&info, &mut answer);
            }
            answer
        })
    }

    fn has_tail(&self) -> bool {
        false
    }

    fn has_webtransport(&self) -> bool {
        self.engine.transports.webtransport
    }

    fn origins(&self) -> &Origins {
        &self.origins
    }
}
