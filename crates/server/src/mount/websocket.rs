//! Plain WebSocket at a path, and the handshake that all protocols share.

use super::{BuildError, Incoming, IntoMounted, Mounted, ResponseFuture, Site};
use crate::carrier::Place;
use crate::carrier::upgrade::Upgrade;
use crate::carrier::websocket;
use crate::edge::access::Origins;
use crate::edge::answers;
use crate::edge::crowd::Connection;
use crate::server::Shared;
use crate::session::cell::{Cell, Entrance, PeerIds, Terms};
use crate::session::machine::Machine;
use axum::body::Body;
use http::{Method, Request, Response};
use omniwire_plain::{Manner, PlainSession, SUBPROTOCOL};
use omniwire_session::limits::Limits as ServerLimits;
use omniwire_session::{ByteString, Carrier};
use omniwire_websocket::handshake::server;
use omniwire_websocket::{Config, Limits, deflate};
use std::sync::Arc;
use std::time::Duration;

/// Plain WebSocket for one namespace. Without a subprotocol, frames are raw: a text or binary
/// frame is the event `message` with one argument. With the subprotocol `omniwire.json.v1`, which
/// is always on offer, they are envelopes.
#[derive(Debug, Clone)]
pub struct WebSocketMount {
    namespace: String,
    subprotocols: Vec<String>,
    deflate: Option<deflate::Config>,
    origins: Option<Origins>,
    message_len_max: Option<usize>,
    fragments_max: Option<usize>,
    ping: Option<(Duration, Duration)>,
}

impl WebSocketMount {
    /// For this namespace.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            subprotocols: Vec::new(),
            deflate: None,
            origins: None,
            message_len_max: None,
            fragments_max: None,
            ping: None,
        }
    }

    /// Subprotocols of the application's own, the most wanted first. Their frames are raw.
    #[must_use]
    pub fn subprotocols<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Offers permessage-deflate (RFC 7692). Off by default.
    #[must_use]
    pub fn deflate(mut self, config: deflate::Config) -> Self {
        self.deflate = Some(config);
        self
    }

    /// Whose pages may connect, in place of the server's rule.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Some(origins);
        self
    }

    /// Bytes of one message, in place of the server's limit.
    #[must_use]
    pub fn message_len_max(mut self, len: usize) -> Self {
        self.message_len_max = Some(len);
        self
    }

    /// Fragments of one message, in place of the server's limit.
    #[must_use]
    pub fn fragments_max(mut self, count: usize) -> Self {
        self.fragments_max = Some(count);
        self
    }

    /// A peer that is silent for `interval` is pinged, and closed if nothing comes for `timeout`. By
    /// default [`crate::Limits::ping_interval`] and [`crate::Limits::ping_timeout`], 25 and 20 s.
    #[must_use]
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        self.ping = Some((interval, timeout));
        self
    }
}

impl IntoMounted for WebSocketMount {
    fn into_mounted(self: Box<Self>, site: &Site<'_>) -> Result<Arc<dyn Mounted>, BuildError> {
        let limits = &site.shared.limits;
        let mut subprotocols = self.subprotocols;
        subprotocols.push(SUBPROTOCOL.to_owned());
        let options = server::Options { subprotocols, deflate: self.deflate };
        let message_len_max = self.message_len_max.unwrap_or(limits.message_len_max);
        let fragments_max = self.fragments_max.unwrap_or(limits.fragments_max);
        let door = Door::new(options, message_len_max, fragments_max, limits);
        let terms = Terms {
            shared: Arc::clone(site.shared),
            entrance: Entrance::Fixed(site.space(&self.namespace)?),
            protocol: "WebSocket",
            transport: |_| "websocket",
            parallel_max: limits.calls_max,
            methods: false,
            ping: self.ping.or(Some((limits.ping_interval, limits.ping_timeout))),
            websocket: door.config(),
        };
        let origins = site.origins(self.origins);
        Ok(Arc::new(Endpoint { door, terms: Arc::new(terms), origins }))
    }
}

#[derive(Debug)]
struct Endpoint {
    door: Door,
    terms: Arc<Terms>,
    origins: Origins,
}

impl Mounted for Endpoint {
    fn serve(self: Arc<Self>, mut incoming: Incoming) -> ResponseFuture {
        Box::pin(async move {
            if let Some(refusal) = incoming.denied(&self.terms.entrance) {
                return refusal;
            }
            let handshake = match self.door.open(&mut incoming.request) {
                Ok(handshake) => handshake,
                Err(refusal) => return refusal,
            };
            let manner = match &handshake.subprotocol {
                Some(chosen) if chosen == SUBPROTOCOL => Manner::Envelope,
                _ => Manner::Raw,
            };
            let mut config = omniwire_plain::Config::default();
            config.manner = manner;
            let machine = Machine::Plain(PlainSession::new(config, ByteString::new()));
            let token = ByteString::new();
            match incoming.open_session(&self.terms, token, PeerIds::Fresh, machine) {
                Ok(cell) => handshake.carry(&cell),
                Err(full) => full,
            }
        })
    }

    fn has_tail(&self) -> bool {
        false
    }

    fn origins(&self) -> &Origins {
        &self.origins
    }
}

/// Lets WebSockets in.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    options: server::Options,
    config: Config,
}

/// A handshake that succeeded.
pub(crate) struct Handshake {
    accepted: server::Accepted,
    upgrade: Upgrade,
    pub(crate) subprotocol: Option<String>,
    /// The TCP connection counts as long as the WebSocket lives.
    connection: Option<Arc<Connection>>,
}

/// Whether a request asks for a WebSocket, well or badly.
pub(crate) fn is_upgrade(request: &Request<()>) -> bool {
    match *request.method() {
        Method::CONNECT => protocol(request).is_some(),
        _ => request.headers().get(http::header::UPGRADE).is_some_and(|value| {
            value.to_str().is_ok_and(|list| {
                list.split(',').any(|token| token.trim().eq_ignore_ascii_case("websocket"))
            })
        }),
    }
}

/// The pseudo-header `:protocol` of an extended CONNECT (RFC 8441, 4).
fn protocol(request: &Request<()>) -> Option<&str> {
    request.extensions().get::<hyper::ext::Protocol>().map(hyper::ext::Protocol::as_str)
}

impl Door {
    /// A door without subprotocols and extensions.
    pub(crate) fn plain(shared: &Shared, message_len_max: usize) -> Self {
        let (options, limits) = (server::Options::default(), &shared.limits);
        Self::new(options, message_len_max, limits.fragments_max, limits)
    }

    fn new(
        options: server::Options,
        message_len_max: usize,
        fragments_max: usize,
        limits: &ServerLimits,
    ) -> Self {
        let received = Limits {
            message_len: message_len_max,
            frame_len: message_len_max,
            fragments: fragments_max,
        };
        let close_timeout = limits.close_timeout;
        let config = Config { limits: received, close_timeout, ..Config::default() };
        Self { options, config }
    }

    /// The same door, which offers permessage-deflate if it is told how.
    pub(crate) fn compressing(mut self, deflate: Option<deflate::Config>) -> Self {
        self.options.deflate = deflate;
        self
    }

    /// The same door, whose connections get codes without words when they break a rule.
    pub(crate) fn terse(mut self) -> Self {
        self.config.says_why = false;
        self
    }

    /// How the sessions that it opens speak to WebSockets ([`Terms::websocket`]).
    pub(crate) fn config(&self) -> Config {
        self.config.clone()
    }

    /// Bytes of one message.
    pub(crate) fn message_len_max(&self) -> usize {
        self.config.limits.message_len
    }

    /// Checks the handshake.
    ///
    /// # Errors
    /// The answer that refuses it.
    pub(crate) fn open(&self, request: &mut Request<()>) -> Result<Handshake, Response<Body>> {
        let head = server::Request { protocol: protocol(request), ..server::Request::new(request) };
        let accepted = server::accept(&head, &self.options)
            .map_err(|refusal| refusal.response::<&'static str>().map(Body::from))?;
        tracing::debug!(version = ?request.version(), "a WebSocket opens");
        Ok(Handshake {
            subprotocol: accepted.subprotocol.clone(),
            connection: request.extensions().get::<Arc<Connection>>().cloned(),
            upgrade: Upgrade::of(request),
            accepted,
        })
    }
}

impl Handshake {
    /// Attaches the WebSocket to a session, and answers the handshake.
    pub(crate) fn carry(self, cell: &Arc<Cell>) -> Response<Body> {
        self.carry_after(cell, Duration::ZERO)
    }

    /// The same, with a pause between the answer and the first message.
    pub(crate) fn carry_after(self, cell: &Arc<Cell>, pause: Duration) -> Response<Body> {
        let id = match cell.attach(Carrier::WebSocket) {
            Ok(id) => id,
            Err(fault) => return answers::refuse(fault),
        };
        let place = Place::new(cell, id);
        let deflate = self.accepted.deflate.clone();
        let run = websocket::run(place, self.upgrade, deflate, self.connection);
        tokio::spawn(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            run.await;
        });
        self.accepted.response()
    }
}
