//! A SockJS service in memory: what a server does with [`request`] and [`SockJsSession`].

use bytes::{Bytes, BytesMut};
use omniwire_session::{
    Carrier, CarrierId, Detached, Encoding, Event, Fault, Frame, Input, Kind, Link, Message,
    Outgoing, Output, Packed, Reason, Session,
};
use omniwire_sockjs::request::{self, Found, Request, Response, Service, find};
use omniwire_sockjs::{Config, Manner, RAW, Raw, SockJsSession};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// With all transports, as the reference server has them.
pub(crate) fn scripted() -> Service {
    let mut service = Service::default();
    service.scripts = true;
    service
}

/// What the application does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum App {
    Echo,
    /// Closes at once with 3000 `Go away!`.
    Close,
    /// Does nothing by itself, and lets nobody in before it is told to.
    Quiet,
}

/// An HTTP exchange, or a WebSocket.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    /// Each chunk of the body, or each message; the prelude is the first chunk.
    pub(crate) chunks: Vec<String>,
    pub(crate) ended: bool,
    /// Code and reason, where a WebSocket was closed.
    pub(crate) close: Option<(Option<u16>, String)>,
}

impl Exchange {
    pub(crate) fn body(&self) -> String {
        self.chunks.concat()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_lowercase()).map(String::as_str)
    }

    fn apply(&mut self, head: &Response) {
        self.status = head.status;
        for (name, value) in &head.headers {
            let doubled = self.headers.insert(name.to_lowercase(), value.to_string());
            assert_eq!(doubled, None, "{name} twice");
        }
        if !head.body.is_empty() {
            self.chunks.push(String::from_utf8(head.body.to_vec()).unwrap());
        }
    }
}

pub(crate) struct Hosted {
    session: SockJsSession<Raw>,
    queue: VecDeque<Frame>,
    carry: Option<CarrierId>,
    carriers: HashMap<CarrierId, (usize, Carrier)>,
    deadline: Option<Instant>,
    pub(crate) left: Option<Reason>,
    closed: bool,
    /// Every message that the application heard, as JSON elements.
    pub(crate) heard: Vec<String>,
}

pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) config: Config,
    pub(crate) app: App,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) sessions: HashMap<String, Hosted>,
    pub(crate) now: Instant,
    sockets: usize,
}

impl Hosted {
    /// Puts a frame into the outbox.
    pub(crate) fn push(&mut self, text: &str) {
        self.queue.push_back(frame(text));
    }
}

fn frame(text: &str) -> Frame {
    let mut out = Encoding::default();
    out.text().extend_from_slice(text.as_bytes());
    out.finish(|_, _, _| 0).unwrap().frames()[0].clone()
}

impl Server {
    pub(crate) fn new(app: App) -> Self {
        Self {
            service: scripted(),
            config: Config::default(),
            app,
            exchanges: Vec::new(),
            sessions: HashMap::new(),
            now: Instant::now(),
            sockets: 0,
        }
    }

    /// The test server's response limit.
    pub(crate) fn echo() -> Self {
        let mut server = Self::new(App::Echo);
        server.config.response_len_max = 4096;
        server
    }

    /// Begins an exchange, and says its number.
    pub(crate) fn start(&mut self, request: Request<'_>, body: &[u8]) -> usize {
        let number = self.exchanges.len();
        self.exchanges.push(Exchange::default());
        let service = self.service.clone();
        match find(&service, &request) {
            Found::Answered(response) | Found::ChunkingTest(response) => {
                self.answer(number, &response);
            }
            Found::Info(head) => {
                let entropy = number as u32;
                self.answer(number, &head.info(&service, entropy));
            }
            Found::RawWebSocket => self.exchanges[number].status = 101,
            Found::WebSocket => {
                self.exchanges[number].status = 101;
                self.sockets += 1;
                let name = format!("socket {}", self.sockets);
                self.attach(&name, number, Carrier::WebSocket, None);
            }
            Found::Receive { session, carrier, dress, head } => {
                self.exchanges[number].apply(&head);
                self.attach(session, number, carrier, Some(dress));
            }
            Found::Send { session, form, head } => {
                self.send(number, &request, session, form, &head, body);
            }
        }
        number
    }

    fn answer(&mut self, number: usize, response: &Response) {
        self.exchanges[number].apply(response);
        self.exchanges[number].ended = true;
    }

    fn send(
        &mut self,
        number: usize,
        request: &Request<'_>,
        session: &str,
        form: bool,
        head: &Response,
        body: &[u8],
    ) {
        let mut body = Bytes::copy_from_slice(body);
        if form {
            match request::decode_form(request.content_type, &body) {
                Ok(json) => body = json,
                Err(fault) => return self.refuse(number, head, &fault),
            }
        }
        if !self.sessions.contains_key(session) {
            let fault = Fault::new(404, request::NOT_FOUND);
            return self.refuse(number, head, &fault);
        }
        match self.input(session, Input::Body { kind: Kind::Text, body }) {
            Ok(()) => self.answer(number, head),
            Err(fault) => self.refuse(number, head, &fault),
        }
    }

    fn refuse(&mut self, number: usize, head: &Response, fault: &Fault) {
        let exchange = &mut self.exchanges[number];
        exchange.apply(head);
        exchange.status = fault.status;
        exchange.headers.insert("content-type".into(), fault.content_type.into());
        exchange.chunks = vec![fault.text.to_string()];
        exchange.ended = true;
    }

    fn attach(
        &mut self,
        name: &str,
        number: usize,
        carrier: Carrier,
        dress: Option<omniwire_sockjs::Dress>,
    ) {
        let id = CarrierId::new(number as u32);
        let config = self.config.clone();
        let hosted = self.sessions.entry(name.to_owned()).or_insert_with(|| Hosted {
            session: SockJsSession::new(config.into(), Raw),
            queue: VecDeque::new(),
            carry: None,
            carriers: HashMap::new(),
            deadline: None,
            left: None,
            closed: false,
            heard: Vec::new(),
        });
        hosted.carriers.insert(id, (number, carrier));
        if let Some(dress) = dress {
            hosted.session.dress(id, dress);
        }
        self.input(name, Input::Attach { id, carrier }).unwrap();
    }

    /// Feeds a session, does what it wants, and lets the application act.
    pub(crate) fn input(&mut self, name: &str, input: Input) -> Result<(), Fault> {
        let hosted = self.sessions.get_mut(name).expect("no such session");
        let result = hosted.session.handle_input(self.now, input);
        let mut events = Vec::new();
        loop {
            match hosted.session.poll_output() {
                Output::Event(event) => events.push(event),
                Output::Transmit(message) => {
                    let text = std::str::from_utf8(message.as_bytes()).unwrap();
                    hosted.queue.push_back(frame(text));
                }
                Output::Carry(id) => hosted.carry = id,
                Output::End { id, ending } => {
                    let (number, carrier) = hosted.carriers.remove(&id).expect("unknown carrier");
                    let exchange = &mut self.exchanges[number];
                    assert!(!exchange.ended, "ended twice");
                    exchange.ended = true;
                    if carrier == Carrier::WebSocket {
                        exchange.close = Some((ending.code, ending.reason.to_string()));
                    } else if !ending.answer.body.is_empty() {
                        let text = String::from_utf8(ending.answer.body.to_vec()).unwrap();
                        exchange.chunks.push(text);
                    }
                }
                Output::Closed { ending, .. } => {
                    hosted.closed = true;
                    pump(hosted, &mut self.exchanges);
                    for (_, (number, carrier)) in hosted.carriers.drain() {
                        let exchange = &mut self.exchanges[number];
                        exchange.ended = true;
                        if carrier == Carrier::WebSocket {
                            exchange.close = Some((ending.code, ending.reason.to_string()));
                        }
                    }
                }
                Output::Timeout(deadline) => {
                    hosted.deadline = deadline;
                    break;
                }
                Output::Direct { .. } | Output::Resend { .. } | Output::Release(_) => {}
            }
        }
        let done = pump(hosted, &mut self.exchanges);
        if hosted.closed {
            hosted.left = hosted.left.or(Some(Reason::ConnectionClosed));
            self.sessions.remove(name);
            return result;
        }
        for id in done {
            self.input(name, Input::Detach { id, how: Detached::Done })?;
        }
        for event in events {
            self.application(name, event);
        }
        result
    }

    fn application(&mut self, name: &str, event: Event) {
        let link = Link::FIRST;
        match event {
            Event::Enter { .. } if self.app != App::Quiet => {
                self.input(name, Input::Accept { link, id: "peer".into(), token: None }).unwrap();
                if self.app == App::Close {
                    self.kick(name, 3000, "Go away!");
                }
            }
            Event::Message { args, .. } => {
                let Some(hosted) = self.sessions.get_mut(name) else { return };
                hosted.heard.push(args.json().to_string());
                if self.app == App::Echo {
                    let what = Outgoing::Event {
                        name: "message",
                        args: &args,
                        call: None,
                        position: None,
                    };
                    let mut out = Encoding::default();
                    Raw.wire().0.encode("", what, &mut out);
                    hosted.queue.extend(out.finish(|_, _, _| 0).unwrap().frames().iter().cloned());
                    self.flush(name);
                }
            }
            Event::Leave { reason, .. } => {
                if let Some(hosted) = self.sessions.get_mut(name) {
                    hosted.left = Some(reason);
                }
            }
            _ => {}
        }
    }

    /// The application sends a text.
    pub(crate) fn emit(&mut self, name: &str, text: &str) {
        let args = omniwire_session::Args::from_text(text);
        let what = Outgoing::Event { name: "x", args: &args, call: None, position: None };
        let mut out = Encoding::default();
        RAW.encode("", what, &mut out);
        let frames = out.finish(|_, _, _| 0).unwrap();
        let hosted = self.sessions.get_mut(name).unwrap();
        hosted.queue.extend(frames.frames().iter().cloned());
    }

    /// Lets what is in the outbox leave.
    pub(crate) fn flush(&mut self, name: &str) {
        let Some(hosted) = self.sessions.get_mut(name) else { return };
        for id in pump(hosted, &mut self.exchanges) {
            self.input(name, Input::Detach { id, how: Detached::Done }).unwrap();
        }
    }

    pub(crate) fn kick(&mut self, name: &str, code: u16, reason: &str) {
        let close = Some((code, reason.to_owned().into()));
        self.input(name, Input::Kick { link: Link::FIRST, whole: true, close }).unwrap();
    }

    /// The client goes away in the middle of an exchange.
    pub(crate) fn abort(&mut self, name: &str, number: usize) {
        self.detach(name, number, Detached::Lost);
    }

    pub(crate) fn detach(&mut self, name: &str, number: usize, how: Detached) {
        let id = CarrierId::new(number as u32);
        if let Some(hosted) = self.sessions.get_mut(name) {
            hosted.carriers.remove(&id);
            self.input(name, Input::Detach { id, how }).unwrap();
        }
    }

    pub(crate) fn sleep(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let next = self
                .sessions
                .iter()
                .filter_map(|(name, hosted)| Some((hosted.deadline?, name.clone())))
                .min();
            let Some((at, name)) = next.filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            self.input(&name, Input::Timeout).unwrap();
        }
        self.now = until;
    }

    // What clients do.

    pub(crate) fn get(&mut self, path: &str) -> &Exchange {
        let number = self.start(Request { method: "GET", path, ..Request::default() }, b"");
        &self.exchanges[number]
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> &Exchange {
        let number = self.post_async(path, body);
        assert!(self.exchanges[number].ended, "{path} waits");
        &self.exchanges[number]
    }

    pub(crate) fn post_async(&mut self, path: &str, body: &str) -> usize {
        self.start(Request { method: "POST", path, ..Request::default() }, body.as_bytes())
    }

    pub(crate) fn get_async(&mut self, path: &str, query: Option<&str>) -> usize {
        self.start(Request { method: "GET", path, query, ..Request::default() }, b"")
    }

    /// Opens a WebSocket; its session has the number as its name.
    pub(crate) fn websocket(&mut self) -> (usize, String) {
        let number = self.get_async("/000/name/websocket", None);
        assert_eq!(self.exchanges[number].status, 101);
        (number, format!("socket {}", self.sockets))
    }

    pub(crate) fn say(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        let message = Message::text(text.to_owned());
        self.input(name, Input::Message { id: CarrierId::new(0), message })
    }

    pub(crate) fn chunks(&self, number: usize) -> &[String] {
        &self.exchanges[number].chunks
    }
}

/// Moves frames to who carries them, and says who is done.
fn pump(hosted: &mut Hosted, exchanges: &mut [Exchange]) -> Vec<CarrierId> {
    let mut done = Vec::new();
    while let Some(id) = hosted.carry
        && !hosted.queue.is_empty()
        && let Some(&(number, carrier)) = hosted.carriers.get(&id)
    {
        let exchange = &mut exchanges[number];
        if carrier == Carrier::WebSocket {
            let payload = hosted.queue.pop_front().unwrap().payload();
            exchange.chunks.push(String::from_utf8(payload.to_vec()).unwrap());
            continue;
        }
        let mut out = BytesMut::new();
        let packed = hosted.session.pack(id, carrier, &mut hosted.queue, &mut out);
        exchange.chunks.push(String::from_utf8(out.to_vec()).unwrap());
        if packed == Packed::Full {
            exchange.ended = true;
            hosted.carriers.remove(&id);
            done.push(id);
        }
    }
    done
}
