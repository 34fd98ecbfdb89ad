//! SSE, long polling and POST, for clients without a library.

use super::{BuildError, Incoming, IntoMounted, Mounted, ResponseFuture, Site};
use crate::carrier::long_poll::Poll;
use crate::carrier::{stream, upstream};
use crate::edge::access::Origins;
use crate::edge::answers::{self, Headers, respond};
use crate::request::query_value;
use crate::server::fresh_id;
use crate::session::cell::{Cell, Entrance, LastPoll, PeerIds, Terms};
use crate::session::peers::{Answer as Outcome, Arrival, Pending, RoomWish};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{Method, Response, StatusCode};
use omniwire_plain::envelope::{self, Envelope};
use omniwire_plain::{JSON, PlainSession, event_stream};
use omniwire_session::{Answer, Call, Carrier, Event, Input, Link};
use std::sync::Arc;
use tokio::sync::oneshot;

/// One of the three paths of clients without a library.
#[derive(Debug, Clone)]
pub struct PlainMount {
    namespace: String,
    way: Way,
    origins: Option<Origins>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    EventStream,
    LongPoll,
    Send,
}

impl PlainMount {
    fn new(namespace: impl Into<String>, way: Way) -> Self {
        Self { namespace: namespace.into(), way, origins: None }
    }

    /// Server-sent events: `GET`, with `?session=` to come back to a session.
    pub fn event_stream(namespace: impl Into<String>) -> Self {
        Self::new(namespace, Way::EventStream)
    }

    /// Long polling: `GET`, then with `?cursor=` from the last answer.
    pub fn long_poll(namespace: impl Into<String>) -> Self {
        Self::new(namespace, Way::LongPoll)
    }

    /// What these clients send: `POST` of one envelope or an array of them, with `?session=`.
    /// Without it, the envelopes are those of a peer that comes and goes with the request.
    pub fn send(namespace: impl Into<String>) -> Self {
        Self::new(namespace, Way::Send)
    }

    /// Whose pages may use it, in place of the server's rule.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Some(origins);
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
            entrance: Entrance::Fixed(site.space(&self.namespace)?),
            protocol,
            transport,
            parallel_max: site.shared.limits.calls_max,
            methods: false,
            ping: None,
        };
        let origins = site.origins(self.origins);
        Ok(Arc::new(Endpoint { way: self.way, terms: Arc::new(terms), origins }))
    }
}

#[derive(Debug)]
struct Endpoint {
    way: Way,
    terms: Arc<Terms>,
    origins: Origins,
}

impl Mounted for Endpoint {
    fn serve(self: Arc<Self>, incoming: Incoming) -> ResponseFuture {
        Box::pin(async move {
            if let Some(refusal) = incoming.denied(&self.terms.entrance) {
                return refusal;
            }
            let method = incoming.request.method().clone();
            match (self.way, method) {
                (Way::EventStream, Method::GET) => self.open_stream(&incoming),
                (Way::LongPoll, Method::GET) => self.poll(&incoming).await,
                (Way::Send, Method::POST) => self.send(incoming).await,
                (Way::Send, _) => answers::method_not_allowed("POST, OPTIONS"),
                _ => answers::method_not_allowed("GET, OPTIONS"),
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

const NO_SUCH_SESSION: &str = "no such session\n";

const UNCACHED: Headers = Headers(&[("cache-control", "no-store, no-transform")]);

impl Endpoint {
    fn new_session(&self, incoming: &Incoming) -> Result<Arc<Cell>, Response<Body>> {
        let token = fresh_id();
        let machine = PlainSession::new(omniwire_plain::Config::default(), token.clone());
        incoming.open_session(&self.terms, token, PeerIds::Fresh, Box::new(machine))
    }

    /// The session with this token, if it is one of clients without a library, in this namespace.
    fn find(&self, incoming: &Incoming, token: &str) -> Result<Arc<Cell>, Response<Body>> {
        let mine = |cell: &Arc<Cell>| {
            let way = self.way == Way::Send || cell.terms.protocol == self.terms.protocol;
            way && matches!(cell.terms.protocol, "SSE" | "Long polling")
                && cell.enters(&self.terms.entrance)
        };
        let found = incoming.shared.table.find(token).filter(mine);
        found.ok_or_else(|| answers::plain(StatusCode::NOT_FOUND, NO_SUCH_SESSION))
    }

    fn open_stream(&self, incoming: &Incoming) -> Response<Body> {
        let session = query_value(incoming.query(), "session");
        let cell = match session {
            Some(token) => self.find(incoming, &token),
            None => self.new_session(incoming),
        };
        let cell = match cell {
            Ok(cell) => cell,
            Err(refusal) => return refusal,
        };
        let id = match cell.attach(Carrier::EventStream) {
            Ok(id) => id,
            Err(fault) => return answers::refuse(fault),
        };
        join_asked_room(incoming, &cell);
        let prelude = Bytes::from_static(event_stream::PRELUDE);
        stream::respond(&cell, id, event_stream::CONTENT_TYPE, UNCACHED, prelude)
    }

    async fn poll(&self, incoming: &Incoming) -> Response<Body> {
        let cursor = query_value(incoming.query(), "cursor").filter(|cursor| !cursor.is_empty());
        let Some(cursor) = cursor else {
            return match self.new_session(incoming) {
                Ok(cell) => poll_next(incoming, &cell, 0).await,
                Err(refusal) => refusal,
            };
        };
        let Some((token, number)) = read_cursor(&cursor) else {
            return answers::plain(StatusCode::BAD_REQUEST, "this is no cursor\n");
        };
        let cell = match self.find(incoming, token) {
            Ok(cell) => cell,
            Err(refusal) => return refusal,
        };
        let last = {
            let last = cell.last_poll.lock();
            (last.number == number + 1).then(|| last.body.clone()).ok_or(last.number)
        };
        match last {
            // The last answer did not come through: it is given again.
            Ok(body) => answer_poll(body),
            Err(last) if last == number => poll_next(incoming, &cell, number).await,
            Err(_) => answers::plain(StatusCode::GONE, "what this cursor asks for is gone\n"),
        }
    }

    async fn send(&self, incoming: Incoming) -> Response<Body> {
        let passing;
        let cell = match query_value(incoming.query(), "session") {
            Some(token) => match self.find(&incoming, &token) {
                Ok(cell) => cell,
                Err(refusal) => return refusal,
            },
            None => match self.new_session(&incoming) {
                Ok(cell) => {
                    passing = Passing { _poll: Poll::attach(&cell).ok(), cell };
                    Arc::clone(&passing.cell)
                }
                Err(refusal) => return refusal,
            },
        };
        let len_max = incoming.shared.limits.message_len_max;
        let body = match upstream::read_body(incoming, len_max).await {
            Ok(body) => body,
            Err(status) => return answers::plain(status, "the body was not taken\n"),
        };
        let envelopes = match envelope::parse_body(&body) {
            Ok(envelopes) => envelopes,
            Err(fault) => return answers::refuse(fault),
        };
        upstream::wait_for_room(&cell).await;
        let body = answer_all(&cell, envelopes).await;
        let mut response = respond(Answer::new(200, JSON, body));
        UNCACHED.apply(response.headers_mut());
        response
    }
}

/// `TOKEN.NUMBER`: the session, and the number of the last answer that came through.
fn read_cursor(cursor: &str) -> Option<(&str, u64)> {
    let (token, number) = cursor.rsplit_once('.')?;
    Some((token, number.parse().ok()?))
}

/// Waits for the answer after the one with this number, and keeps it until it was received.
async fn poll_next(incoming: &Incoming, cell: &Arc<Cell>, number: u64) -> Response<Body> {
    let poll = match Poll::attach(cell) {
        Ok(poll) => poll,
        Err(fault) => return answers::refuse(fault),
    };
    join_asked_room(incoming, cell);
    let answer = poll.answer(JSON).await;
    if answer.status != 200 {
        return respond(answer);
    }
    let envelopes = answer.body.strip_suffix(b"]").unwrap_or_default();
    // An answer without news must not take the place of one that may have been lost: another
    // poll with the same cursor may bring that at this moment.
    if envelopes.len() <= 1 {
        return answer_poll(format!("[{{\"cursor\":\"{}.{number}\"}}]", cell.token).into());
    }
    let next = number + 1;
    let cursor = format!(",{{\"cursor\":\"{}.{next}\"}}]", cell.token);
    let body = Bytes::from([envelopes, cursor.as_bytes()].concat());
    *cell.last_poll.lock() = LastPoll { number: next, body: body.clone() };
    answer_poll(body)
}

fn answer_poll(body: Bytes) -> Response<Body> {
    let mut response = respond(Answer::new(200, JSON, body));
    UNCACHED.apply(response.headers_mut());
    response
}

/// `?room=`: asks to join, as the envelope `{"join":"room"}` does; once, though each poll may ask.
fn join_asked_room(incoming: &Incoming, cell: &Arc<Cell>) {
    let asked = query_value(incoming.query(), "room");
    if let Some(room) = asked.filter(|room| !cell.is_in(Link::FIRST, room)) {
        let wish = RoomWish { room: room.into(), ..RoomWish::default() };
        cell.arrive(Link::FIRST, Arrival::Join(wish));
    }
}

/// A peer that comes and goes with one request.
struct Passing {
    cell: Arc<Cell>,
    /// Lets the session live; nothing is read from it.
    _poll: Option<Poll>,
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
async fn answer_all(cell: &Arc<Cell>, envelopes: Vec<Envelope>) -> Bytes {
    let owed: Vec<Owed> =
        envelopes.into_iter().filter_map(|envelope| hand_over(cell, envelope)).collect();
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

fn hand_over(cell: &Arc<Cell>, envelope: Envelope) -> Option<Owed> {
    let event = match envelope.into_event(Link::FIRST) {
        Ok(event) => event,
        Err(ping) => {
            let mut out = BytesMut::new();
            out.extend_from_slice(ping.to_pong().as_bytes());
            return Some(Owed::Now(out));
        }
    };
    match event {
        Event::Message { link, name, args, call, uploads } => {
            let (answer, owed) = owe_for(call.as_ref());
            cell.arrive(link, Arrival::Message(Pending { name, args, call, uploads, answer }));
            owed
        }
        Event::Join { link, room, call } => {
            let (answer, owed) = owe_for(call.as_ref());
            cell.arrive(link, Arrival::Join(RoomWish { room, call, answer }));
            owed
        }
        Event::LeaveRoom { link, room, call } => {
            let (answer, owed) = owe_for(call.as_ref());
            cell.arrive(link, Arrival::LeaveRoom(RoomWish { room, call, answer }));
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
