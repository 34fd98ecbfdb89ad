//! SSE, long polling and POST, for clients without a library.

use super::{BuildError, Incoming, IntoMounted, Mounted, ResponseFuture, Site};
use crate::carrier::compression::Coding;
use crate::carrier::gzip::Gzip;
use crate::carrier::long_poll::Poll;
use crate::carrier::{stream, upstream};
use crate::edge::access::Origins;
use crate::edge::answers::{self, Headers, respond};
use crate::request::{query_pairs, query_value};
use crate::server::fresh_id;
use crate::session::cell::{Cell, Entrance, Past, PeerIds, Terms};
use crate::session::machine::Machine;
use crate::session::peers::{Answer as Outcome, Arrival, Pending, RoomWish};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{Method, Response, StatusCode};
use omniwire_plain::envelope::{self, Envelope};
use omniwire_plain::{Config, Cursor, JSON, PLACES_MAX, Places, PlainSession, event_stream};
use omniwire_session::{
    Answer, ByteString, Call, CallError, CallErrorKind, Carrier, Event, Input, Link,
};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::oneshot;

/// One of the three paths of clients without a library.
#[derive(Debug, Clone)]
pub struct PlainMount {
    namespace: String,
    way: Way,
    origins: Option<Origins>,
    gzip: Option<bool>,
    config: Config,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    EventStream,
    LongPoll,
    Send,
}

impl PlainMount {
    fn new(namespace: impl Into<String>, way: Way) -> Self {
        let namespace = namespace.into();
        Self { namespace, way, origins: None, gzip: None, config: Config::default() }
    }

    /// Server-sent events: `GET`, with `?room=` (any number of them) to join rooms. The header
    /// `Last-Event-ID`, or `?last_event_id=` where it can't be set, brings what was missed in
    /// recoverable rooms. With `?padding=2048` the stream begins with that much of a comment, for
    /// proxies that hold back the first part of an answer. `?session=` takes over a session from
    /// the stream that it has. An `EventSource` that comes back though it was turned away, or ended
    /// by [`crate::Peer::disconnect`] and the like, is answered by 204, and ends for good.
    pub fn event_stream(namespace: impl Into<String>) -> Self {
        Self::new(namespace, Way::EventStream)
    }

    /// Long polling: `GET`, then with `?cursor=` from the last answer, and with `?room=` (any
    /// number of them) to join rooms. The cursor of a session that is over, because its client was
    /// away for too long or the server was restarted, opens a new one in the same rooms, and
    /// brings what was missed in those that are recoverable.
    pub fn long_poll(namespace: impl Into<String>) -> Self {
        Self::new(namespace, Way::LongPoll)
    }

    /// What these clients send: `POST` of one envelope or an array of them, with `?session=`.
    /// Without it, the envelopes are those of a peer that comes and goes with the request: which is
    /// answered by 403 if that is not let in, and brings no streams.
    pub fn send(namespace: impl Into<String>) -> Self {
        Self::new(namespace, Way::Send)
    }

    /// The times and limits of these clients, in place of the defaults.
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

    /// Whether what a client gets is compressed if it asks for that by `Accept-Encoding`, in place
    /// of the server's rule ([`crate::Builder::gzip`]): an event stream by gzip, each piece of
    /// which can be read at once; an answer of 1 KB or more to a poll or a POST by gzip or deflate.
    /// A stream with `?padding=` stays as it is.
    #[must_use]
    pub fn gzip(mut self, on: bool) -> Self {
        self.gzip = Some(on);
        self
    }
}

impl IntoMounted for PlainMount {
    fn into_mounted(self: Box<Self>, site: &Site<'_>) -> Result<Arc<dyn Mounted>, BuildError> {
        let (protocol, transport): (_, fn(Carrier) -> _) = match self.way {
            Way::EventStream => ("SSE", |_| "event-stream"),
            Way::LongPoll => ("Long polling", |_| "long-poll"),
            Way::Send => ("POST", |_| "post"),
        };
        let terms = Terms {
            shared: Arc::clone(site.shared),
            entrance: Entrance::Fixed(site.space(&self.namespace)?),
            protocol,
            transport,
            parallel_max: site.shared.limits.calls_max,
            methods: false,
            ping: None,
            // None carries them.
            websocket: omniwire_websocket::Config::default(),
        };
        let origins = site.origins(self.origins);
        let gzip = self.gzip.unwrap_or(site.gzip);
        let (way, terms, config) = (self.way, Arc::new(terms), self.config);
        Ok(Arc::new(Endpoint { way, terms, origins, gzip, config }))
    }
}

#[derive(Debug)]
struct Endpoint {
    way: Way,
    terms: Arc<Terms>,
    origins: Origins,
    gzip: bool,
    config: Config,
}

impl Mounted for Endpoint {
    fn serve(self: Arc<Self>, incoming: Incoming) -> ResponseFuture {
        Box::pin(async move {
            if let Some(refusal) = incoming.denied(&self.terms.entrance) {
                return refusal;
            }
            let coding = self.coding(&incoming, Coding::ALL);
            let mut response = match (self.way, incoming.request.method().clone()) {
                (Way::EventStream, Method::GET) => Box::pin(self.open_stream(incoming)).await,
                (Way::LongPoll, Method::GET) => {
                    let next = self.next_poll(&incoming, coding);
                    // The request is a part of the buffer that it was read into.
                    drop(incoming);
                    match next {
                        Ok(next) => next.answer(coding).await,
                        Err(answer) => answer,
                    }
                }
                // Apart, so that a poll is the smaller.
                (Way::Send, Method::POST) => Box::pin(self.send(incoming, coding)).await,
                (Way::Send, _) => answers::method_not_allowed("POST, OPTIONS"),
                _ => answers::method_not_allowed("GET, OPTIONS"),
            };
            if self.gzip {
                Coding::vary(response.headers_mut());
            }
            response
        })
    }

    fn has_tail(&self) -> bool {
        false
    }

    fn origins(&self) -> &Origins {
        &self.origins
    }
}

const NO_SUCH_SESSION: &str = "no such session\n";
const NO_CURSOR: &str = "a poll goes on by ?cursor=, which ends the last answer\n";

/// Shorter answers go as they are: they are one packet either way.
const COMPRESSED_LEN_MIN: usize = 1 << 10;

const UNCACHED: Headers = Headers(&[("cache-control", "no-store, no-transform")]);

impl Endpoint {
    /// `places`: where the client stands, if it was here before.
    fn new_session(
        &self,
        incoming: &Incoming,
        places: Option<Places>,
    ) -> Result<Arc<Cell>, Response<Body>> {
        let token = fresh_id();
        let machine = Machine::Plain(PlainSession::new(self.config.clone(), token.clone()));
        let cell = incoming.open_session(&self.terms, token, PeerIds::Fresh, machine)?;
        if let Some(past) = cell.past() {
            *past.lock() = Some(Box::new(Past::of(places)));
        }
        Ok(cell)
    }

    /// The session with this token, if it is one of clients without a library, in this namespace.
    fn find(&self, incoming: &Incoming, token: &str) -> Result<Arc<Cell>, Response<Body>> {
        let mine = |cell: &Arc<Cell>| {
            let way = self.way == Way::Send || cell.terms.protocol == self.terms.protocol;
            way && matches!(cell.terms.protocol, "SSE" | "Long polling")
                && cell.enters(&self.terms.entrance)
        };
        let found = incoming.find_session(token).map_err(answers::refuse)?;
        found.filter(mine).ok_or_else(|| answers::plain(StatusCode::NOT_FOUND, NO_SUCH_SESSION))
    }

    /// Which of the offered codings the answer is to have.
    fn coding(&self, incoming: &Incoming, offered: &[Coding]) -> Option<Coding> {
        Coding::wanted(incoming.request.headers(), offered).filter(|_| self.gzip)
    }

    async fn open_stream(&self, incoming: Incoming) -> Response<Body> {
        let rooms = match asked_rooms(&incoming) {
            Ok(rooms) => rooms,
            Err(refusal) => return refusal,
        };
        let last_event_id = last_event_id(&incoming);
        if last_event_id.as_deref() == Some(event_stream::LAST_ID) {
            // An `EventSource` ends for good (WHATWG HTML, 9.2.1).
            return respond(Answer::empty(204));
        }
        let session = query_value(incoming.query(), "session");
        let cell = match session {
            Some(token) => self.find(&incoming, &token),
            None => self.new_session(&incoming, last_event_id.map(|id| places_of(&id))),
        };
        let cell = match cell {
            Ok(cell) => cell,
            Err(refusal) => return refusal,
        };
        let id = match cell.attach(Carrier::EventStream) {
            Ok(id) => id,
            Err(fault) => return answers::refuse(fault),
        };
        let padding = padding(&incoming);
        // Padding that is compressed would fill no buffer of a proxy.
        let coding = self.coding(&incoming, &[Coding::Gzip]).filter(|_| padding == 0);
        drop(incoming);
        let gzip = coding.map(|_| Gzip::default());
        let prelude = event_stream::prelude(padding);
        let stream =
            stream::respond(&cell, id, event_stream::CONTENT_TYPE, UNCACHED, prelude, gzip);
        join_rooms(&cell, rooms).await;
        stream
    }

    /// What a poll waits for.
    ///
    /// # Errors
    /// It is answered at once: with this.
    fn next_poll(
        &self,
        incoming: &Incoming,
        coding: Option<Coding>,
    ) -> Result<NextPoll, Response<Body>> {
        let mut rooms = asked_rooms(incoming)?;
        let text = query_value(incoming.query(), "cursor").filter(|cursor| !cursor.is_empty());
        let Some(text) = text else {
            if query_value(incoming.query(), "session").is_some() {
                return Err(answers::plain(StatusCode::BAD_REQUEST, NO_CURSOR));
            }
            return self.new_session(incoming, None).map(|cell| NextPoll::first(cell, rooms));
        };
        let Some(Cursor { token, number, places }) = Cursor::parse(&text) else {
            return Err(answers::plain(StatusCode::BAD_REQUEST, "this is no cursor\n"));
        };
        let cell = match self.find(incoming, token) {
            Ok(cell) => cell,
            Err(refusal) if places.is_empty() || refusal.status() == StatusCode::FORBIDDEN => {
                return Err(refusal);
            }
            Err(_) => {
                if rooms.is_empty() {
                    rooms.extend(places.rooms().cloned());
                }
                let cell = self.new_session(incoming, Some(places))?;
                return Ok(NextPoll::first(cell, rooms));
            }
        };
        match last_answer(&cell, number) {
            // The last answer did not come through: it is given again.
            Ok(body) => Err(answer_json(body, coding)),
            Err(last) if last == number => Ok(NextPoll { cell, rooms, number, places }),
            Err(_) => Err(answers::plain(StatusCode::GONE, "what this cursor asks for is gone\n")),
        }
    }

    async fn send(&self, incoming: Incoming, coding: Option<Coding>) -> Response<Body> {
        let session = query_value(incoming.query(), "session");
        let cell = match &session {
            Some(token) => self.find(&incoming, token),
            None => self.new_session(&incoming, None),
        };
        let cell = match cell {
            Ok(cell) => cell,
            Err(refusal) => return refusal,
        };
        let mut passing = session.is_none().then(|| Passing::enter(&cell));
        let len_max = incoming.shared.limits.message_len_max;
        let (body, _portion) = match upstream::read_body(incoming, len_max).await {
            Ok(read) => read,
            Err(status) => return answers::body_not_taken(status),
        };
        let envelopes = match envelope::parse_body(&body) {
            Ok(envelopes) => envelopes,
            Err(fault) => return answers::refuse(fault),
        };
        if let Some(passing) = &mut passing
            && let Some(refusal) = passing.refused().await
        {
            return refusal;
        }
        upstream::wait_for_room(&cell).await;
        let body = answer_all(&cell, envelopes, passing.is_some()).await;
        answer_json(body, coding)
    }
}

/// What the poll of this number was answered, if that did not come through; or else the number of
/// the last one that brought something.
fn last_answer(cell: &Cell, number: u64) -> Result<Bytes, u64> {
    let past = cell.past().map(Mutex::lock);
    match past.as_ref().and_then(|past| past.as_deref()) {
        Some(past) if past.number == number.saturating_add(1) => Ok(past.body.clone()),
        past => Err(past.map_or(0, |past| past.number)),
    }
}

/// `?room=`, as often as it is given.
fn asked_rooms(incoming: &Incoming) -> Result<Vec<ByteString>, Response<Body>> {
    let pairs = query_pairs(incoming.query()).filter(|(key, _)| key == "room");
    let rooms: Vec<_> = pairs.map(|(_, room)| room.into()).take(PLACES_MAX + 1).collect();
    match rooms.len() > PLACES_MAX {
        true => Err(answers::plain(StatusCode::BAD_REQUEST, "more than 32 rooms\n")),
        false => Ok(rooms),
    }
}

/// The id that the client heard last, if it was here before.
fn last_event_id(incoming: &Incoming) -> Option<String> {
    let header = incoming.request.headers().get("last-event-id");
    let header = header.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let id = header.or_else(|| query_value(incoming.query(), "last_event_id"));
    id.filter(|id| !id.is_empty())
}

/// Where the client stands. An id that is none of ours names no place: then the client is told in
/// each room that it can't go on.
fn places_of(last_event_id: &str) -> Places {
    Places::parse(last_event_id).unwrap_or_default()
}

fn padding(incoming: &Incoming) -> usize {
    let asked = query_value(incoming.query(), "padding");
    asked.and_then(|len| len.parse().ok()).unwrap_or(0)
}

/// A poll for the answer after the one with this number.
struct NextPoll {
    cell: Arc<Cell>,
    rooms: Vec<ByteString>,
    number: u64,
    places: Places,
}

impl NextPoll {
    /// The first of a session.
    fn first(cell: Arc<Cell>, rooms: Vec<ByteString>) -> Self {
        Self { cell, rooms, number: 0, places: Places::default() }
    }

    /// Waits for the answer, and keeps it until it was received.
    async fn answer(self, coding: Option<Coding>) -> Response<Body> {
        let Self { cell, rooms, number, places } = self;
        let poll = match Poll::attach(&cell) {
            Ok(poll) => poll,
            Err(fault) => return answers::refuse(fault),
        };
        join_rooms(&cell, rooms).await;
        let Answer { status, content_type, body } = poll.answer(JSON).await;
        if status != 200 {
            return respond(Answer { status, content_type, body });
        }
        // An answer without news must not take the place of one that may have been lost: another
        // poll with the same cursor may bring that at this moment.
        if body.len() <= b"[]".len() {
            let mut body = BytesMut::from(&b"["[..]);
            let cursor = Cursor { token: cell.token(), number, places: &places };
            envelope::write_cursor(&mut body, cursor);
            body.extend_from_slice(b"]");
            return answer_json(body.freeze(), coding);
        }
        if let Some(past) = cell.past()
            && let Some(past) = past.lock().as_deref_mut()
        {
            past.number = number.saturating_add(1);
            past.body = body.clone();
        }
        answer_json(body, coding)
    }
}

fn answer_json(body: Bytes, coding: Option<Coding>) -> Response<Body> {
    let coding = coding.filter(|_| body.len() >= COMPRESSED_LEN_MIN);
    let mut response = respond(Answer::new(200, JSON, body.clone()));
    UNCACHED.apply(response.headers_mut());
    if let Some(coding) = coding {
        coding.apply(&body, &mut response);
    }
    response
}

/// Asks to join, as the envelope `{"join":"room"}` does; once, though each poll may ask. Waits, as a
/// POST does, until the handlers keep up.
async fn join_rooms(cell: &Arc<Cell>, rooms: Vec<ByteString>) {
    if !rooms.is_empty() {
        upstream::wait_for_room(cell).await;
    }
    for room in rooms {
        if !cell.is_in(Link::FIRST, &room) {
            let wish = RoomWish { room, ..RoomWish::default() };
            cell.arrive(Link::FIRST, Arrival::Join(wish));
        }
    }
}

/// A peer that comes and goes with one request.
struct Passing {
    cell: Arc<Cell>,
    /// Lets the session live. The first brings whether it is let in, the next is not read.
    poll: Option<Poll>,
}

impl Passing {
    fn enter(cell: &Arc<Cell>) -> Self {
        Self { cell: Arc::clone(cell), poll: Poll::attach(cell).ok() }
    }

    /// Waits until it is let in, or else gives the answer that says why not.
    async fn refused(&mut self) -> Option<Response<Body>> {
        let answer = self.poll.take()?.answer(JSON).await;
        self.poll = Poll::attach(&self.cell).ok();
        self.cell.is_closed().then(|| {
            let mut response = respond(Answer { status: 403, ..answer });
            UNCACHED.apply(response.headers_mut());
            response
        })
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let close = None;
        self.cell.handle(Input::Kick { link: Link::FIRST, whole: true, close }).ok();
    }
}

/// An answer that is still to come.
enum Owed {
    Now(BytesMut),
    Reply(Call, oneshot::Receiver<Outcome>),
}

/// Hands the envelopes to their peer, in order, and gathers the answers: a JSON array.
async fn answer_all(cell: &Arc<Cell>, envelopes: Vec<Envelope>, passes: bool) -> Bytes {
    let hand_over = |envelope| hand_over(cell, envelope, passes);
    let owed: Vec<Owed> = envelopes.into_iter().filter_map(hand_over).collect();
    let mut out = BytesMut::from(&b"["[..]);
    for (index, owed) in owed.into_iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b",");
        }
        match owed {
            Owed::Now(answer) => out.extend_from_slice(&answer),
            Owed::Reply(call, answer) => match answer.await {
                Ok(outcome) => envelope::write_reply(&mut out, &call.id, outcome.as_ref()),
                Err(_) => envelope::write_error(&mut out, "gone", "the session is over"),
            },
        }
    }
    out.extend_from_slice(b"]");
    out.freeze()
}

/// `passes`: nobody is there to hear what follows the answer.
fn hand_over(cell: &Arc<Cell>, envelope: Envelope, passes: bool) -> Option<Owed> {
    let event = match envelope.into_event(Link::FIRST) {
        Ok(event) => event,
        Err(ping) => {
            let mut out = BytesMut::new();
            out.extend_from_slice(ping.to_pong().as_bytes());
            return Some(Owed::Now(out));
        }
    };
    match event {
        Event::Message { name, call: Some(call), .. } if passes && call.stream => {
            let message = ByteString::from_static("a POST without a session brings no stream");
            let kind = CallErrorKind::WrongManner { streams: true };
            let mut out = BytesMut::new();
            let error = CallError { kind, event: name, message };
            envelope::write_end(&mut out, &call.id, Some(&error));
            Some(Owed::Now(out))
        }
        Event::Message { link, name, args, call, uploads } => {
            let (answer, owed) = owe_for(call.as_ref());
            cell.arrive(link, Arrival::Message(Pending { name, args, call, uploads, answer }));
            owed
        }
        Event::Join { link, room, call, since } => {
            let (answer, owed) = owe_for(call.as_ref());
            cell.arrive(link, Arrival::Join(RoomWish { room, call, since, answer }));
            owed
        }
        Event::LeaveRoom { link, room, call } => {
            let (answer, owed) = owe_for(call.as_ref());
            cell.arrive(link, Arrival::LeaveRoom(RoomWish { room, call, since: None, answer }));
            owed
        }
        event => {
            cell.hear(event);
            None
        }
    }
}

/// The two ends of an answer that the POST is to bring. The items of a stream go where the
/// session's messages go.
fn owe_for(call: Option<&Call>) -> (Option<oneshot::Sender<Outcome>>, Option<Owed>) {
    let Some(call) = call.filter(|call| !call.stream) else { return (None, None) };
    let (sender, receiver) = oneshot::channel();
    (Some(sender), Some(Owed::Reply(call.clone(), receiver)))
}
