//! What carries a session: one WebSocket, or requests one after the other.

use crate::conformance_client::teller;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use omniwire::protocols::sockjs::client::{Frames, LineEnd, Transport, is_close};
use omniwire::protocols::websocket::Message;
use omniwire::protocols::websocket::browser::{Event, WebSocket};
use serde::Deserialize;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes of one frame at most, and of `/info`.
const FRAME_LEN_MAX: usize = 64 << 20;
const INFO_LEN_MAX: usize = 64 << 10;

/// What a line tells.
pub(super) enum Told {
    /// The answer of `/info`, if there is one, and how long it took.
    Info(Option<Info>, Duration),
    Frame(String),
    /// The last body was taken, or not.
    Sent(bool),
    Ended(LineEnd),
}

/// What `/info` says.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub(super) websocket: bool,
    pub(super) base_url: Option<String>,
}

impl Default for Info {
    fn default() -> Self {
        Self { websocket: true, base_url: None }
    }
}

/// Requests to the server.
#[derive(Clone)]
pub(super) struct Http(Arc<Client<HttpConnector, Full<Bytes>>>);

impl Default for Http {
    fn default() -> Self {
        Self(Arc::new(Client::builder(TokioExecutor::new()).build_http()))
    }
}

impl Http {
    /// `None` if there is no answer of 200. One that says nothing is as good as the defaults.
    pub(super) async fn info(&self, base: &str) -> Option<Info> {
        let response = self.ask(Method::GET, &format!("{base}/info"), Bytes::new()).await?;
        let body = Limited::new(response.into_body(), INFO_LEN_MAX).collect().await.ok()?;
        Some(serde_json::from_slice(&body.to_bytes()).unwrap_or_default())
    }

    /// The answer, if it is a good one.
    async fn ask(&self, method: Method, url: &str, body: Bytes) -> Option<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::CONTENT_TYPE, "text/plain")
            .body(Full::new(body));
        let response = self.0.request(request.ok()?).await.ok()?;
        let good = matches!(response.status(), StatusCode::OK | StatusCode::NO_CONTENT);
        good.then_some(response)
    }
}

type Teller = teller::Teller<Told>;

/// One line. Dropped, it is cut off.
pub(super) struct Line {
    receiver: JoinHandle<()>,
    sending: Sending,
}

enum Sending {
    WebSocket(mpsc::Sender<String>),
    Post { url: String, http: Http, teller: Teller, under_way: Option<JoinHandle<()>> },
}

impl Line {
    /// Opens one, for a session with a new name.
    pub(super) fn open(
        transport: Transport,
        base: &str,
        http: &Http,
        number: u32,
        tell: mpsc::Sender<(u32, Told)>,
    ) -> Self {
        let teller = teller::Teller(number, tell);
        let name = RandomState::new().hash_one(number);
        let session = format!("{base}/{:03}/{name:016x}", name % 1000);
        let url = format!("{session}/{}", transport.path());
        if transport == Transport::WebSocket {
            let (bodies, to_send) = mpsc::channel(1);
            let receiver = tokio::spawn(websocket(url, to_send, teller));
            return Self { receiver, sending: Sending::WebSocket(bodies) };
        }
        let receiver = tokio::spawn(receive(transport, url, http.clone(), teller.clone()));
        let url = format!("{session}/xhr_send");
        let sending = Sending::Post { url, http: http.clone(), teller, under_way: None };
        Self { receiver, sending }
    }

    /// Sends a body. The client sends one at a time.
    pub(super) fn send(&mut self, body: String) {
        match &mut self.sending {
            // There is room for the one. If nobody is there, that is being told.
            Sending::WebSocket(bodies) => bodies.try_send(body).unwrap_or_default(),
            Sending::Post { url, http, teller, under_way } => {
                let (url, http, teller) = (url.clone(), http.clone(), teller.clone());
                *under_way = Some(tokio::spawn(async move {
                    let answer = http.ask(Method::POST, &url, body.into()).await;
                    teller.tell(Told::Sent(answer.is_some())).await;
                }));
            }
        }
    }

    /// Ends it: a WebSocket by its closing handshake.
    pub(super) async fn close(mut self) {
        if let Sending::WebSocket(bodies) = &mut self.sending {
            *bodies = mpsc::channel(1).0;
            // Whether the other side goes along is its affair.
            (&mut self.receiver).await.ok();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.receiver.abort();
        if let Sending::Post { under_way: Some(sending), .. } = &self.sending {
            sending.abort();
        }
    }
}

/// Asks again whenever an answer has ended as it should, until a close frame has come.
async fn receive(transport: Transport, url: String, http: Http, teller: Teller) {
    let method = match transport {
        Transport::EventSource => Method::GET,
        _ => Method::POST,
    };
    while let Some(response) = http.ask(method.clone(), &url, Bytes::new()).await {
        let mut frames = Frames::new(transport, FRAME_LEN_MAX);
        let mut body = response.into_body();
        while let Some(Ok(piece)) = body.frame().await {
            let Some(Ok(whole)) = piece.data_ref().map(|data| frames.take(data)) else { break };
            for frame in whole {
                let last = is_close(&frame);
                teller.tell(Told::Frame(frame)).await;
                if last {
                    return;
                }
            }
        }
    }
    teller.tell(Told::Ended(LineEnd::Failed)).await;
}

async fn websocket(url: String, mut to_send: mpsc::Receiver<String>, teller: Teller) {
    let failed = || Told::Ended(LineEnd::Closed(1006, "WebSocket connection broken".to_owned()));
    let Ok(mut socket) = WebSocket::new(&url, &[]) else { return teller.tell(failed()).await };
    let mut closing = false;
    loop {
        tokio::select! {
            event = socket.event() => match event {
                Some(Event::Message(Message::Text(text))) => {
                    teller.tell(Told::Frame(text.to_string())).await;
                }
                Some(Event::Close(closed)) => {
                    let end = LineEnd::Closed(closed.code, closed.reason);
                    return teller.tell(Told::Ended(end)).await;
                }
                Some(_) => {}
                None => return teller.tell(failed()).await,
            },
            body = to_send.recv(), if !closing => match body {
                Some(body) => {
                    let taken = socket.send(body).is_ok();
                    teller.tell(Told::Sent(taken)).await;
                }
                None => {
                    closing = true;
                    socket.close(Some(1000), "").ok();
                }
            },
        }
    }
}
