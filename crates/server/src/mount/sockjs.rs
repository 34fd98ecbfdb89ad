//! SockJS: all its transports below one prefix.

use super::websocket::{Door, is_upgrade};
use super::{BuildError, Incoming, IntoMounted, Mounted, ResponseFuture, Site};
use crate::carrier::long_poll::Poll;
use crate::carrier::{self, upstream};
use crate::edge::access::Origins;
use crate::edge::answers::{self, Headers};
use crate::session::cell::{Cell, Entrance, PeerIds, Terms};
use crate::session::machine::Machine;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use omniwire_plain::envelope;
use omniwire_plain::{EnvelopeWire, Manner as PlainManner, PlainSession};
use omniwire_session::{
    ByteString, Carrier, CarrierId, Fault, Input, Kind, Link, Refusal, Wire, WireForm, WireId, json,
};
use omniwire_sockjs::request::{self as sockjs, Found, Service, decode_form};
use omniwire_sockjs::{Config, Dress, Heard, Manner, Raw, SockJsSession, Wrapped};
use parking_lot::Mutex;
use std::any::Any;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// SockJS for one namespace. Each message of a client is an envelope's JSON text, unless the mount
/// is [`SockJsMount::raw`]: then it is the event `message` with one argument, a string.
#[derive(Debug, Clone)]
pub struct SockJsMount {
    namespace: String,
    service: Service,
    config: Config,
    raw: bool,
    origins: Option<Origins>,
}

impl SockJsMount {
    /// For this namespace, with the reference server's settings.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            service: Service::default(),
            config: Config::default(),
            raw: false,
            origins: None,
        }
    }

    /// Messages are texts, not envelopes.
    #[must_use]
    pub fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// What requests see: which transports are on, cookie, CORS, the script of the iframe page.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        self.service = service;
        self
    }

    /// Times and lengths.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Whose pages may use it, in place of the server's rule.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Some(origins);
        self
    }
}

impl IntoMounted for SockJsMount {
    fn into_mounted(self: Box<Self>, site: &Site<'_>) -> Result<Arc<dyn Mounted>, BuildError> {
        let limits = &site.shared.limits;
        let door = Door::plain(site.shared, limits.message_len_max);
        let terms = Terms {
            shared: Arc::clone(site.shared),
            entrance: Entrance::Fixed(site.space(&self.namespace)?),
            protocol: "SockJS",
            transport: |carrier| match carrier {
                Carrier::WebSocket | Carrier::WebTransport => "websocket",
                Carrier::LongPoll => "xhr-polling",
                Carrier::Streaming => "xhr-streaming",
                Carrier::EventStream => "eventsource",
            },
            parallel_max: limits.calls_max,
            methods: false,
            ping: Some((limits.ping_interval, limits.ping_timeout)),
            websocket: door.config(),
        };
        Ok(Arc::new(Endpoint {
            door,
            origins: site.origins(self.origins),
            terms: Arc::new(terms),
            service: self.service,
            config: Arc::new(self.config),
            raw: self.raw,
            opening: Mutex::default(),
        }))
    }
}

#[derive(Debug)]
struct Endpoint {
    service: Service,
    config: Arc<Config>,
    raw: bool,
    terms: Arc<Terms>,
    door: Door,
    origins: Origins,
    /// Held while a name is looked up and a session of that name opened.
    opening: Mutex<()>,
}

/// What comes of a request.
enum Outcome {
    Answer(Response<Body>),
    /// It waits for what the session says.
    Poll(Poll, &'static str, sockjs::Response),
}

impl From<Response<Body>> for Outcome {
    fn from(response: Response<Body>) -> Self {
        Self::Answer(response)
    }
}

impl Endpoint {
    async fn answer(&self, mut incoming: Incoming) -> Outcome {
        let upgrade = is_upgrade(&incoming.request);
        let tail = incoming.tail.clone();
        let method = incoming.request.method().clone();
        let query = incoming.query().to_owned();
        let headers = incoming.request.headers().clone();
        let text = |name: HeaderName| headers.get(name)?.to_str().ok();
        let asked = sockjs::Request {
            // RFC 8441: an extended CONNECT stands for the GET of HTTP/1.1.
            method: if upgrade && method == Method::CONNECT { "GET" } else { method.as_str() },
            path: &tail,
            query: Some(query.as_str()).filter(|query| !query.is_empty()),
            origin: text(header::ORIGIN),
            asked_headers: text(header::ACCESS_CONTROL_REQUEST_HEADERS),
            cookie: text(header::COOKIE),
            if_none_match: text(header::IF_NONE_MATCH),
            content_type: text(header::CONTENT_TYPE),
            now_unix: now_unix(),
        };
        let answer = match sockjs::find(&self.service, &asked) {
            Found::Answered(response) => to_response(response),
            Found::Info(head) => to_response(head.info(&self.service, entropy())),
            Found::ChunkingTest(head) => chunking_test(head),
            Found::RawWebSocket | Found::WebSocket if !upgrade => {
                to_response(sockjs::not_a_websocket())
            }
            Found::RawWebSocket => self.raw_websocket(&mut incoming),
            Found::WebSocket => self.websocket(&mut incoming),
            Found::Receive { session, carrier, dress, head } => {
                let token = self.token(session);
                // The request is a part of the buffer that it was read into.
                drop(headers);
                return self.receive(incoming, token, carrier, dress, head).await;
            }
            Found::Send { session, form, head } => {
                let content_type = text(header::CONTENT_TYPE);
                self.send(incoming, session, form.then_some(content_type), head).await
            }
        };
        answer.into()
    }

    fn new_session(
        &self,
        incoming: &Incoming,
        token: ByteString,
    ) -> Result<Arc<Cell>, Response<Body>> {
        let config = Arc::clone(&self.config);
        let machine = Machine::Other(match self.raw {
            true => Box::new(SockJsSession::new(config, Raw)),
            false => Box::new(SockJsSession::new(config, Envelopes::default())),
        });
        incoming.open_session(&self.terms, token, PeerIds::Fresh, machine)
    }

    fn websocket(&self, incoming: &mut Incoming) -> Response<Body> {
        let handshake = match self.door.open(&mut incoming.request) {
            Ok(handshake) => handshake,
            Err(refusal) => return refusal,
        };
        // Two sockets may share a name: it finds neither of them.
        match self.new_session(incoming, ByteString::new()) {
            Ok(cell) => handshake.carry(&cell),
            Err(full) => full,
        }
    }

    fn raw_websocket(&self, incoming: &mut Incoming) -> Response<Body> {
        let handshake = match self.door.open(&mut incoming.request) {
            Ok(handshake) => handshake,
            Err(refusal) => return refusal,
        };
        let mut config = omniwire_plain::Config::default();
        config.manner = if self.raw { PlainManner::Raw } else { PlainManner::Envelope };
        let machine = Machine::Plain(PlainSession::new(config, ByteString::new()));
        let token = ByteString::new();
        match incoming.open_session(&self.terms, token, PeerIds::Fresh, machine) {
            Ok(cell) => handshake.carry(&cell),
            Err(full) => full,
        }
    }

    /// Of two requests that come at once with a new name, one opens the session.
    fn find_or_open(
        &self,
        incoming: &Incoming,
        token: ByteString,
    ) -> Result<Arc<Cell>, Response<Body>> {
        let _opening = self.opening.lock();
        match incoming.find_session(&token).map_err(answers::refuse)? {
            Some(cell) if !cell.is_closed() => Ok(cell),
            _ => self.new_session(incoming, token),
        }
    }

    /// Sessions are named by clients, so each mount has names of its own.
    fn token(&self, session: &str) -> ByteString {
        format!("{:p}/{session}", Arc::as_ptr(&self.terms)).into()
    }

    async fn receive(
        &self,
        mut incoming: Incoming,
        token: ByteString,
        carrier: Carrier,
        dress: Dress,
        head: sockjs::Response,
    ) -> Outcome {
        if let Err(status) = upstream::pass_over_body(&mut incoming).await {
            return answers::body_not_taken(status).into();
        }
        if let Some(cell) = incoming.shared.table.find(&token) {
            wait_for_abort(&cell).await;
        }
        let cell = match self.find_or_open(&incoming, token) {
            Ok(cell) => cell,
            Err(full) => return full.into(),
        };
        drop(incoming);
        let content_type = dress.content_type();
        let id = match cell.attach_after(carrier, |machine, id| tell_dress(machine, id, dress)) {
            Ok(id) => id,
            Err(fault) => return refuse(fault, &head).into(),
        };
        if carrier == Carrier::LongPoll {
            return Outcome::Poll(Poll::attached(&cell, id), content_type, head);
        }
        let (fields, prelude) = (Headers::default(), head.body.clone());
        let mut response = carrier::stream::respond(&cell, id, content_type, fields, prelude, None);
        apply(&head, response.headers_mut());
        response.into()
    }

    async fn send(
        &self,
        incoming: Incoming,
        session: &str,
        form: Option<Option<&str>>,
        head: sockjs::Response,
    ) -> Response<Body> {
        let cell = match incoming.find_session(&self.token(session)) {
            Ok(Some(cell)) => cell,
            Ok(None) => return refuse(Fault::new(404, sockjs::NOT_FOUND), &head),
            Err(fault) => return refuse(fault, &head),
        };
        let len_max = self.door.message_len_max();
        let (body, _portion) = match upstream::read_body(incoming, len_max).await {
            Ok(read) => read,
            Err(StatusCode::PAYLOAD_TOO_LARGE) => return to_response(sockjs::too_large()),
            Err(status) => return answers::body_not_taken(status),
        };
        let body = match form.map(|content_type| decode_form(content_type, &body)) {
            None => body,
            Some(Ok(body)) => body,
            Some(Err(fault)) => return refuse(fault, &head),
        };
        upstream::wait_for_room(&cell).await;
        match cell.handle(Input::Body { kind: Kind::Text, body }) {
            Ok(()) => {
                upstream::wait_until_taken(&cell).await;
                to_response(head)
            }
            Err(fault) => refuse(fault, &head),
        }
    }
}

/// A client that aborts its request and comes again is on two connections, so its abort may be
/// seen after its new request. Only a receiver that is still there after a while is another one.
async fn wait_for_abort(cell: &Arc<Cell>) {
    let gone = poll_fn(|context| cell.poll_uncarried(context));
    tokio::time::timeout(ABORT_TIME_MAX, gone).await.ok();
}

/// How much later than a new request the abort of the one before may be seen.
const ABORT_TIME_MAX: Duration = Duration::from_millis(30);

/// Tells the state machine, whatever its manner, how the next carrier dresses its frames.
fn tell_dress(machine: &mut dyn Any, id: CarrierId, dress: Dress) {
    if let Some(session) = machine.downcast_mut::<SockJsSession<Raw>>() {
        session.dress(id, dress);
    } else if let Some(session) = machine.downcast_mut::<SockJsSession<Envelopes>>() {
        session.dress(id, dress);
    }
}

fn chunking_test(head: sockjs::Response) -> Response<Body> {
    let pieces = stream::iter(sockjs::CHUNKING_TEST).then(|(pause_ms, piece)| async move {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        Ok::<_, Infallible>(Bytes::from_static(piece))
    });
    let mut response = to_response(head);
    *response.body_mut() = Body::from_stream(pieces);
    response
}

fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

fn entropy() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    u32::from_ne_bytes(bytes)
}

fn apply(head: &sockjs::Response, headers: &mut HeaderMap) {
    for (name, value) in &head.headers {
        // Values are the request's own, so they may be sent; a name is always valid.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

fn to_response(answer: sockjs::Response) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    apply(&answer, response.headers_mut());
    *response.body_mut() = match answer.body.is_empty() {
        true => Body::empty(),
        false => Body::from(answer.body),
    };
    response
}

/// A fault is answered with the headers of the answer it takes the place of.
fn refuse(fault: Fault, head: &sockjs::Response) -> Response<Body> {
    let own_type = fault.content_type;
    let mut response = answers::refuse(fault);
    apply(head, response.headers_mut());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(own_type));
    response
}

impl Mounted for Endpoint {
    fn serve(self: Arc<Self>, incoming: Incoming) -> ResponseFuture {
        Box::pin(async move {
            if let Some(refusal) = self.origins.refuse(&incoming.request) {
                return refusal;
            }
            if let Some(denied) = incoming.denied(&self.terms.entrance) {
                return denied;
            }
            // Apart, so that it is gone while a poll waits.
            match Box::pin(self.answer(incoming)).await {
                Outcome::Answer(response) => response,
                Outcome::Poll(poll, content_type, head) => {
                    let mut response = answers::respond(poll.answer(content_type).await);
                    apply(&head, response.headers_mut());
                    response
                }
            }
        })
    }

    fn has_tail(&self) -> bool {
        true
    }

    fn origins(&self) -> &Origins {
        &self.origins
    }

    fn minds_cors(&self) -> bool {
        true
    }
}

/// Envelopes in SockJS messages: [`omniwire_plain::envelope`] in the place of a text.
#[derive(Debug, Default)]
struct Envelopes(envelope::Listener);

static WRAPPED: &dyn Wire = &Wrapped::new(&EnvelopeWire, WireId(49));

impl Manner for Envelopes {
    fn wire(&self) -> WireForm {
        WireForm(&WRAPPED)
    }

    fn hear(&mut self, link: Link, message: &ByteString) -> Heard {
        // A lone surrogate in an envelope stands escaped inside its text: unescaping one level
        // must keep the inner escape, and does.
        let text = omniwire_sockjs::unescape_keeping_surrogates(message).unwrap_or_default();
        match self.0.hear(link, &text) {
            envelope::Heard::Event(event) => Heard::Event(event),
            envelope::Heard::Answer(answer) => Heard::Answer(answer),
            envelope::Heard::Bad { answer, fault, fatal } => Heard::Bad { answer, fault, fatal },
        }
    }

    fn welcome(&mut self, peer: &str) -> Option<ByteString> {
        let mut out = bytes::BytesMut::new();
        envelope::write_open(&mut out, peer, None);
        Some(json::into_text(out))
    }

    fn refuse(&mut self, refusal: &Refusal) -> Option<ByteString> {
        let mut out = bytes::BytesMut::new();
        envelope::write_refused(&mut out, refusal);
        Some(json::into_text(out))
    }
}
