//! What carries a connection: a WebSocket; or an event stream or polls, and POSTs.

use super::command::{Connect, Wanted};
use super::requests::Requests;
use crate::conformance_client::teller;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use omniwire::protocols::signalr::Transport;
use omniwire::protocols::signalr::client::{
    EventStream, Message, Negotiated, Offer, Opened, Protocol,
};
use omniwire::protocols::websocket::browser::{Event, WebSocket};
use omniwire::protocols::websocket::{Connector, Message as WebSocketMessage};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;

/// Bytes of one event, or of the answer to a poll, at most.
const LEN_MAX: usize = 64 << 20;

/// Messages that wait until the line takes them, at most.
const SENDING_MAX: usize = 1 << 16;

/// How often negotiate may lead elsewhere.
const REDIRECTS_MAX: usize = 10;

/// Where to connect, and how.
#[derive(Clone)]
pub(super) struct Target {
    url: String,
    transport: Wanted,
    protocol: Protocol,
    skip_negotiation: bool,
    stateful: bool,
    requests: Requests,
}

impl Target {
    pub(super) fn new(connect: Connect) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &connect.headers {
            let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
            let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
            headers.append(name, value);
        }
        if connect.skip_negotiation && connect.transport != Wanted::Ws {
            return Err(
                "Negotiation can only be skipped when using the WebSocket transport directly."
                    .into(),
            );
        }
        Ok(Self {
            url: connect.url,
            transport: connect.transport,
            protocol: connect.options.protocol,
            skip_negotiation: connect.skip_negotiation,
            stateful: connect.stateful,
            requests: Requests::new(headers, connect.token)?,
        })
    }

    /// What may be tried, in this order.
    fn transports(&self) -> Vec<Transport> {
        match self.transport {
            Wanted::Ws => vec![Transport::WebSockets],
            Wanted::Sse => vec![Transport::ServerSentEvents],
            Wanted::Lp => vec![Transport::LongPolling],
            // An event stream is text.
            Wanted::Auto if self.protocol == Protocol::MessagePack => {
                vec![Transport::WebSockets, Transport::LongPolling]
            }
            Wanted::Auto => {
                vec![Transport::WebSockets, Transport::ServerSentEvents, Transport::LongPolling]
            }
        }
    }

    async fn negotiate(&mut self) -> Result<Offer, String> {
        for _ in 0..REDIRECTS_MAX {
            let stateful = if self.stateful { "&useStatefulReconnect=true" } else { "" };
            let url = at(&self.url, "/negotiate", &format!("negotiateVersion=1{stateful}"));
            let answer = self.requests.ask(Method::POST, &url, None, Bytes::new()).await?;
            if answer.status() != StatusCode::OK {
                return Err(format!("Negotiate was answered with {}.", answer.status()));
            }
            let body = whole(answer.into_body()).await?;
            match Negotiated::read(&String::from_utf8_lossy(&body))? {
                Negotiated::Connection(offer) => return Ok(offer),
                Negotiated::Elsewhere { url, access_token } => {
                    self.url = url;
                    if let Some(token) = access_token {
                        self.requests.set_token(&token)?;
                    }
                }
            }
        }
        Err("Negotiate redirection limit exceeded.".to_owned())
    }
}

/// What a line tells.
pub(super) enum Told {
    /// It is there; `token` opens another for the same connection at this URL.
    Opened {
        opened: Opened,
        token: String,
    },
    /// It is another for the same connection.
    Resumed,
    Data(Bytes),
    /// It is over, or never was: with an error, if it did not end well.
    Lost(Option<String>),
}

type Teller = teller::Teller<Told>;

/// One line.
pub(super) struct Line {
    to_send: mpsc::Sender<Message>,
    task: JoinHandle<()>,
}

impl Line {
    /// Makes one: for a new connection, or for the one that this URL opens.
    pub(super) fn open(
        target: Target,
        resume: Option<String>,
        number: u32,
        tell: mpsc::Sender<(u32, Told)>,
    ) -> Self {
        let (to_send, sending) = mpsc::channel(SENDING_MAX);
        let task = tokio::spawn(async move {
            let teller = teller::Teller(number, tell);
            let end = run(target, resume, sending, &teller).await;
            teller.tell(Told::Lost(end)).await;
        });
        Self { to_send, task }
    }

    /// Sends a message. `false`: more wait than may. (If nobody is there, that is being told.)
    pub(super) fn send(&self, message: Message) -> bool {
        !matches!(self.to_send.try_send(message), Err(TrySendError::Full(_)))
    }

    /// Ends it in good order. The task is done when that is.
    pub(super) fn close(self) -> JoinHandle<()> {
        self.task
    }
}

/// What a line is to send, in order; nothing follows once the line is closed.
type Sending = mpsc::Receiver<Message>;

/// Why a transport did not work, so that another may be tried.
struct Unusable(String);

async fn run(
    mut target: Target,
    resume: Option<String>,
    mut sending: Sending,
    teller: &Teller,
) -> Option<String> {
    if let Some(url) = resume {
        let told = Told::Resumed;
        let end = websocket(&target.requests, &url, told, &mut sending, teller).await;
        return end.unwrap_or_else(|Unusable(why)| Some(why));
    }
    if target.skip_negotiation {
        let told = Told::Opened { opened: Opened::default(), token: String::new() };
        let end = websocket(&target.requests, &target.url, told, &mut sending, teller).await;
        return end.unwrap_or_else(|Unusable(why)| Some(why));
    }
    let (mut offer, mut failures) = (None, Vec::new());
    for transport in target.transports() {
        let offered = match offer.take() {
            Some(offered) => offered,
            None => match target.negotiate().await {
                Ok(offered) => offered,
                Err(error) => return Some(error),
            },
        };
        if !offered.transports.contains(&transport) {
            failures.push(format!("'{}' is not supported by the server.", transport.as_str()));
            offer = Some(offered);
            continue;
        }
        // One that failed has used up its connection.
        match carry(&target, transport, &offered, &mut sending, teller).await {
            Ok(end) => return end,
            Err(Unusable(why)) => failures.push(format!("{} failed: {why}", transport.as_str())),
        }
    }
    Some(format!("Unable to connect to the server: {}", failures.join(" ")))
}

/// How the connection ended: with an error, or well.
type End = Result<Option<String>, Unusable>;

async fn carry(
    target: &Target,
    transport: Transport,
    offer: &Offer,
    sending: &mut Sending,
    teller: &Teller,
) -> End {
    let is_websocket = transport == Transport::WebSockets;
    let url = at(&target.url, "", &format!("id={}", offer.token));
    let opened = Opened {
        connection_id: Some(offer.connection_id.clone()),
        stateful: is_websocket && target.stateful && offer.stateful,
        is_polling: transport == Transport::LongPolling,
    };
    let told = Told::Opened { opened, token: url.clone() };
    match transport {
        Transport::WebSockets => websocket(&target.requests, &url, told, sending, teller).await,
        Transport::ServerSentEvents => stream(target, &url, told, sending, teller).await,
        Transport::LongPolling => polls(target, &url, told, sending, teller).await,
    }
}

async fn websocket(
    requests: &Requests,
    url: &str,
    opened: Told,
    sending: &mut Sending,
    teller: &Teller,
) -> End {
    let mut connector = Connector::default();
    connector.options.headers = requests.headers();
    let mut socket =
        WebSocket::with(url, &[], connector).map_err(|error| Unusable(error.to_string()))?;
    let (mut opened, mut closing) = (Some(opened), false);
    loop {
        tokio::select! {
            event = socket.event() => match event {
                Some(Event::Open) => {
                    if let Some(told) = opened.take() {
                        teller.tell(told).await;
                    }
                }
                Some(Event::Message(message)) => {
                    teller.tell(Told::Data(message.into_payload())).await;
                }
                Some(Event::Close(closed)) if opened.is_none() => {
                    let good = closed.was_clean && matches!(closed.code, 1000 | 1005);
                    let (code, reason) = (closed.code, closed.reason);
                    let error = || format!("WebSocket closed with status code: {code} ({reason}).");
                    return Ok((!good).then(error));
                }
                Some(Event::Error) => {}
                Some(Event::Close(_)) | None => {
                    return Err(Unusable("There is no WebSocket.".to_owned()));
                }
            },
            message = sending.recv(), if opened.is_none() && !closing => match message {
                // What can't be sent any more is told by the Close.
                Some(Message::Text(text)) => {
                    socket.send(WebSocketMessage::text(text.to_string())).ok();
                }
                Some(Message::Binary(bytes)) => {
                    socket.send(WebSocketMessage::binary(bytes)).ok();
                }
                None => {
                    closing = true;
                    socket.close(Some(1000), "").ok();
                }
            },
        }
    }
}

/// The first answer to a GET, if the transport can go on from it.
fn usable(answer: Result<Response<Incoming>, String>) -> Result<Response<Incoming>, Unusable> {
    let answer = answer.map_err(Unusable)?;
    match answer.status() {
        StatusCode::OK => Ok(answer),
        status => Err(Unusable(format!("the answer is {status}."))),
    }
}

/// An event stream, and POSTs.
async fn stream(
    target: &Target,
    url: &str,
    opened: Told,
    sending: &mut Sending,
    teller: &Teller,
) -> End {
    let asked = target.requests.ask(Method::GET, url, Some("text/event-stream"), Bytes::new());
    let answer = usable(asked.await)?;
    teller.tell(opened).await;
    let mut body = answer.into_body();
    let receiving = async {
        let mut events = EventStream::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            let data = frame.data_ref().map_or(&b""[..], |data| data);
            let whole = events.take(data, LEN_MAX).map_err(|_| "An event is too long.")?;
            for event in whole {
                teller.tell(Told::Data(event)).await;
            }
        }
        Ok::<_, String>(())
    };
    Ok(tokio::select! {
        end = receiving => end.err(),
        end = post_all(target, url, sending) => end.err(),
    })
}

/// One poll after the other, and POSTs.
async fn polls(
    target: &Target,
    url: &str,
    opened: Told,
    sending: &mut Sending,
    teller: &Teller,
) -> End {
    let poll = || target.requests.ask(Method::GET, url, None, Bytes::new());
    // The first one is answered at once, and brings nothing.
    usable(poll().await)?;
    teller.tell(opened).await;
    let receiving = async {
        loop {
            let answer = poll().await?;
            match answer.status() {
                StatusCode::OK => {}
                StatusCode::NO_CONTENT => return Ok(()),
                status => return Err(format!("A poll was answered with {status}.")),
            }
            let body = whole(answer.into_body()).await?;
            if !body.is_empty() {
                teller.tell(Told::Data(body)).await;
            }
        }
    };
    let posting = async {
        post_all(target, url, sending).await?;
        // It is closed: the connection ends, and with it the poll.
        target.requests.ask(Method::DELETE, url, None, Bytes::new()).await.map(|_| ())
    };
    Ok(tokio::select! {
        end = receiving => end.err(),
        end = posting => end.err(),
    })
}

/// Sends one POST after the other, each with all that waits, until the line is closed.
async fn post_all(target: &Target, url: &str, sending: &mut Sending) -> Result<(), String> {
    while let Some(first) = sending.recv().await {
        let mut body = BytesMut::from(payload(&first));
        while let Ok(more) = sending.try_recv() {
            body.extend_from_slice(payload(&more));
        }
        let answer = target.requests.ask(Method::POST, url, None, body.freeze()).await?;
        if !answer.status().is_success() {
            return Err(format!("A POST was answered with {}.", answer.status()));
        }
    }
    Ok(())
}

fn payload(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
    }
}

async fn whole(body: Incoming) -> Result<Bytes, String> {
    let limited = http_body_util::Limited::new(body, LEN_MAX);
    limited.collect().await.map(|body| body.to_bytes()).map_err(|error| error.to_string())
}

/// The URL with more of a path, and more of a query.
fn at(url: &str, tail: &str, query: &str) -> String {
    match url.split_once('?') {
        Some((path, before)) => format!("{path}{tail}?{before}&{query}"),
        None => format!("{}{tail}?{query}", url.trim_end_matches('/')),
    }
}
