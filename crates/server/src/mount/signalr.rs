//! SignalR: negotiate, and one path for its three transports.

use super::websocket::{Door, is_upgrade};
use super::{BuildError, Incoming, IntoMounted, Mounted, ResponseFuture, Site};
use crate::carrier::long_poll::Poll;
use crate::carrier::{stream, upstream};
use crate::clock;
use crate::edge::access::Origins;
use crate::edge::answers::{self, Headers, refuse, respond};
use crate::request::RequestInfo;
use crate::server::fresh_id;
use crate::session::cell::{Cell, Entrance, PeerIds, Terms};
use crate::session::machine::Machine;
use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode};
use omniwire_session::{ByteString, Carrier, Fault, Input, Kind, Reason};
use omniwire_signalr::request::{Head, NegotiateVersion, Request};
use omniwire_signalr::{Config, SignalRSession, Transport, answers as official, negotiate};
use std::fmt;
use std::sync::Arc;

/// A SignalR hub: one namespace at one path.
#[derive(Debug, Clone)]
pub struct SignalRMount {
    namespace: String,
    config: Config,
    origins: Option<Origins>,
    parallel_max: usize,
    on_negotiate: Option<Negotiator>,
}

/// What negotiate answers ([`SignalRMount::on_negotiate`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Negotiation {
    /// The client connects here.
    #[default]
    Here,
    /// It negotiates again elsewhere, at most 100 times in all.
    Redirect {
        /// The hub's address there, without `/negotiate`.
        url: String,
        /// What it is to show there as its access token, if it must.
        access_token: Option<String>,
    },
    /// It can't connect, and is told why.
    Refuse(String),
}

/// Decides what negotiate answers.
#[derive(Clone)]
struct Negotiator(Arc<dyn Fn(&RequestInfo) -> Negotiation + Send + Sync>);

impl fmt::Debug for Negotiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Negotiator")
    }
}

impl SignalRMount {
    /// A hub for this namespace, with ASP.NET Core's settings.
    pub fn new(namespace: impl Into<String>) -> Self {
        let config = Config::default();
        let namespace = namespace.into();
        Self { namespace, config, origins: None, parallel_max: 1, on_negotiate: None }
    }

    /// With these settings.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// How many invocations of one client may run at once; ASP.NET Core's
    /// `MaximumParallelInvocationsPerClient`. 1 by default. Streams don't count.
    #[must_use]
    pub fn parallel_max(mut self, count: usize) -> Self {
        self.parallel_max = count.max(1);
        self
    }

    /// Decides for each negotiate request whether the client connects here. A WebSocket that skips
    /// negotiate is not asked about. Must be quick.
    #[must_use]
    pub fn on_negotiate(
        mut self,
        decide: impl Fn(&RequestInfo) -> Negotiation + Send + Sync + 'static,
    ) -> Self {
        self.on_negotiate = Some(Negotiator(Arc::new(decide)));
        self
    }

    /// Whose pages may use it, in place of the server's rule.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Some(origins);
        self
    }
}

impl IntoMounted for SignalRMount {
    fn into_mounted(self: Box<Self>, site: &Site<'_>) -> Result<Arc<dyn Mounted>, BuildError> {
        // A WebSocket message may hold several hub messages: the limit is for each of these.
        let door = Door::plain(site.shared, self.config.message_len_max.saturating_add(SPARE_LEN));
        let terms = Terms {
            shared: Arc::clone(site.shared),
            entrance: Entrance::Fixed(site.space(&self.namespace)?),
            protocol: "SignalR",
            transport: |carrier| match carrier {
                Carrier::WebSocket | Carrier::WebTransport => Transport::WebSockets.as_str(),
                Carrier::EventStream => Transport::ServerSentEvents.as_str(),
                Carrier::LongPoll | Carrier::Streaming => Transport::LongPolling.as_str(),
            },
            parallel_max: self.parallel_max,
            methods: true,
            ping: None,
            websocket: door.config(),
        };
        let origins = site.origins(self.origins);
        let config = Arc::new(self.config);
        let on_negotiate = self.on_negotiate;
        Ok(Arc::new(Endpoint { config, terms: Arc::new(terms), door, origins, on_negotiate }))
    }
}

/// How much longer than a hub message a WebSocket message may be: one that is too long is refused
/// in the words of the hub protocol.
const SPARE_LEN: usize = 1 << 20;

#[derive(Debug)]
struct Endpoint {
    config: Arc<Config>,
    terms: Arc<Terms>,
    door: Door,
    origins: Origins,
    on_negotiate: Option<Negotiator>,
}

impl Endpoint {
    async fn answer(&self, mut incoming: Incoming) -> Response<Body> {
        let head = Head {
            tail: &incoming.tail,
            method: incoming.request.method(),
            query: incoming.request.uri().query(),
            headers: incoming.request.headers(),
            is_websocket_upgrade: is_upgrade(&incoming.request),
        };
        let is_poll = head.is_poll();
        let mut response = match Request::read(self.config.negotiate_version_min, &head) {
            Err(fault) => refuse(fault),
            Ok(Request::Negotiate { version: Ok(version), stateful }) => {
                self.negotiate(&incoming, version, stateful && self.config.stateful_reconnects)
            }
            Ok(Request::Negotiate { version: Err(text), .. }) => respond(negotiate::refuse(&text)),
            Ok(Request::Connect { token }) => self.connect(&mut incoming, token),
            Ok(Request::EventStream { token }) => self.event_stream(&incoming, &token),
            Ok(Request::Poll { token }) => match self.begin_poll(&incoming, &token) {
                Ok(poll) => {
                    // The request is a part of the buffer that it was read into.
                    drop(incoming);
                    respond(poll.answer(official::POLL_CONTENT_TYPE).await)
                }
                Err(fault) => refuse(fault),
            },
            // Apart, so that a poll is the smaller.
            Ok(Request::Send { token }) => Box::pin(self.send(incoming, &token)).await,
            Ok(Request::Delete { token }) => self.delete(&incoming, &token),
        };
        if is_poll {
            Headers(official::POLL_HEADERS).apply(response.headers_mut());
        }
        response
    }

    fn new_session(
        &self,
        incoming: &Incoming,
        token: ByteString,
        id: ByteString,
        stateful: bool,
    ) -> Result<Arc<Cell>, Response<Body>> {
        let machine = SignalRSession::new(Arc::clone(&self.config), clock::now());
        let machine = if stateful { machine.stateful() } else { machine };
        let machine = Machine::Other(Box::new(machine));
        incoming.open_session(&self.terms, token, PeerIds::Known((*id).into()), machine)
    }

    fn negotiate(
        &self,
        incoming: &Incoming,
        version: NegotiateVersion,
        stateful: bool,
    ) -> Response<Body> {
        match self.on_negotiate.as_ref().map(|Negotiator(decide)| decide(&incoming.info())) {
            None | Some(Negotiation::Here) => {}
            Some(Negotiation::Redirect { url, access_token }) => {
                return respond(negotiate::redirect(&url, access_token.as_deref()));
            }
            Some(Negotiation::Refuse(why)) => return respond(negotiate::refuse(&why)),
        }
        let id = fresh_id();
        let token = match version {
            NegotiateVersion::V0 => id.clone(),
            NegotiateVersion::V1 => fresh_id(),
        };
        let transports = self.config.transports;
        match self.new_session(incoming, token.clone(), id.clone(), stateful) {
            Ok(_) => respond(negotiate::accept(version, &id, &token, transports, stateful)),
            Err(full) => full,
        }
    }

    fn find(&self, incoming: &Incoming, token: &str) -> Result<Arc<Cell>, Fault> {
        let mine = |cell: &Arc<Cell>| Arc::ptr_eq(&cell.terms, &self.terms);
        incoming.find_session(token)?.filter(mine).ok_or_else(official::no_connection)
    }

    /// Unknown connections are refused before transports that are off.
    fn find_for(
        &self,
        incoming: &Incoming,
        token: &str,
        transport: Transport,
    ) -> Result<Arc<Cell>, Fault> {
        let cell = self.find(incoming, token)?;
        match self.config.transports.has(transport) {
            true => Ok(cell),
            false => Err(official::transport_off(transport)),
        }
    }

    fn connect(&self, incoming: &mut Incoming, token: Option<ByteString>) -> Response<Body> {
        let known = match &token {
            None if self.config.transports.web_sockets => None,
            None => return refuse(official::transport_off(Transport::WebSockets)),
            Some(token) => match self.find_for(incoming, token, Transport::WebSockets) {
                Ok(cell) => Some(cell),
                Err(fault) => return refuse(fault),
            },
        };
        let handshake = match self.door.open(&mut incoming.request) {
            Ok(handshake) => handshake,
            Err(refusal) => return refusal,
        };
        let cell = match known {
            Some(cell) => {
                carry(&cell, incoming);
                Ok(cell)
            }
            None => self.new_session(incoming, ByteString::new(), fresh_id(), false),
        };
        match cell {
            Ok(cell) => handshake.carry(&cell),
            Err(full) => full,
        }
    }

    fn event_stream(&self, incoming: &Incoming, token: &str) -> Response<Body> {
        let attached =
            self.find_for(incoming, token, Transport::ServerSentEvents).and_then(|cell| {
                carry(&cell, incoming);
                cell.attach(Carrier::EventStream).map(|id| (cell, id))
            });
        match attached {
            Ok((cell, id)) => {
                let headers = Headers(official::EVENT_STREAM_HEADERS);
                let opening = Bytes::from_static(official::EVENT_STREAM_OPENING);
                stream::respond(&cell, id, "text/event-stream", headers, opening, None)
            }
            Err(fault) => refuse(fault),
        }
    }

    fn begin_poll(&self, incoming: &Incoming, token: &str) -> Result<Poll, Fault> {
        let cell = self.find_for(incoming, token, Transport::LongPolling)?;
        carry(&cell, incoming);
        Poll::attach(&cell)
    }

    async fn send(&self, incoming: Incoming, token: &str) -> Response<Body> {
        let cell = match self.find(&incoming, token) {
            Ok(cell) => cell,
            Err(fault) => return refuse(fault),
        };
        let len_max = self.door.message_len_max();
        let (body, _portion) = match upstream::read_body(incoming, len_max).await {
            Ok(read) => read,
            Err(status) => {
                if status == StatusCode::PAYLOAD_TOO_LARGE {
                    // That ends the connection, in the hub protocol's words.
                    cell.handle(Input::Close { reason: Reason::ProtocolError }).ok();
                }
                return answers::body_not_taken(status);
            }
        };
        upstream::wait_for_room(&cell).await;
        match cell.handle(Input::Body { kind: Kind::Binary, body }) {
            Ok(()) => {
                upstream::wait_until_taken(&cell).await;
                respond(official::sent())
            }
            Err(fault) => refuse(fault),
        }
    }

    fn delete(&self, incoming: &Incoming, token: &str) -> Response<Body> {
        let deleted = self
            .find(incoming, token)
            .and_then(|cell| cell.handle(Input::Close { reason: Reason::ClientLeft }));
        match deleted {
            Ok(()) => respond(official::deleted()),
            Err(fault) => refuse(fault),
        }
    }
}

/// The first request that carries a connection says who the client is, not the one that negotiated:
/// a browser's WebSocket, for one, has its token in the query.
fn carry(cell: &Cell, incoming: &Incoming) {
    if cell.transport().is_empty() {
        cell.set_request(incoming.info());
    }
}

impl Mounted for Endpoint {
    fn serve(self: Arc<Self>, incoming: Incoming) -> ResponseFuture {
        Box::pin(async move {
            if let Some(denied) = incoming.denied(&self.terms.entrance) {
                return denied;
            }
            if incoming.request.method() == http::Method::OPTIONS {
                return respond(omniwire_session::Answer::empty(StatusCode::NO_CONTENT.as_u16()));
            }
            self.answer(incoming).await
        })
    }

    fn has_tail(&self) -> bool {
        true
    }

    fn origins(&self) -> &Origins {
        &self.origins
    }
}
