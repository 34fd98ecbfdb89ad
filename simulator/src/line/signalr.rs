//! SignalR: negotiate, and its three transports. A line's texts are records, without their end.

use super::websocket::{Opening, Socket};
use super::{Carrying, Events, Line, Outgoing, Polls, Posts, field};
use crate::dial::Dial;
use crate::http::{Http, Request};
use serde_json::Value;
use std::io;
use std::sync::Arc;

/// How a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `WebSockets`
    WebSockets,
    /// `WebSockets`, with stateful reconnect
    Stateful,
    /// `ServerSentEvents`
    ServerSentEvents,
    /// `LongPolling`
    LongPolling,
}

/// Ends a record.
const RECORD_END: char = '\x1e';

/// The record that the line itself says first: the token that negotiate gave. It is no JSON.
pub const TOKEN: &str = "token ";

/// A line that negotiates first, at a hub's path.
pub fn line(dial: &Arc<dyn Dial>, path: &str, query: &str, transport: Transport) -> Line {
    let (dial, path, query) = (Arc::clone(dial), path.to_owned(), query.to_owned());
    Line::new(move |carrying| async move {
        let stateful = match transport {
            Transport::Stateful => "&useStatefulReconnect=true",
            _ => "",
        };
        let target = format!("{path}/negotiate?negotiateVersion=1&{query}{stateful}");
        let (status, body) = Http::new(&dial).ask(Request::post(&target, "")).await?;
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let Some(token) = answer["connectionToken"].as_str() else {
            return Ok(format!("negotiate: {status} {body}"));
        };
        carrying.hear(format!("{TOKEN}{token}"));
        let target = format!("{path}?id={token}&{query}");
        match transport {
            Transport::WebSockets | Transport::Stateful => on_socket(dial, target, carrying).await,
            Transport::ServerSentEvents => stream(&dial, target, carrying).await,
            Transport::LongPolling => poll(&dial, target, carrying).await,
        }
    })
}

/// A line for a connection that was negotiated before.
pub fn again(dial: &Arc<dyn Dial>, path: &str, query: &str, token: &str) -> Line {
    let target = format!("{path}?id={token}&{query}");
    let dial = Arc::clone(dial);
    Line::new(move |carrying| on_socket(dial, target, carrying))
}

fn record(text: String) -> String {
    text + "\x1e"
}

fn records(texts: &[String]) -> String {
    texts.iter().map(|text| record(text.clone())).collect()
}

fn take(text: &str, carrying: &Carrying) {
    text.split_terminator(RECORD_END).for_each(|record| carrying.hear(record));
}

async fn on_socket(dial: Arc<dyn Dial>, target: String, carrying: Carrying) -> io::Result<String> {
    let socket = Socket::open(&dial, Opening { target, ..Opening::default() }).await?;
    carrying.alive();
    let take = |text: &str, carrying: &Carrying| {
        take(text, carrying);
        None
    };
    socket.carry(carrying, record, take).await
}

async fn stream(
    dial: &Arc<dyn Dial>,
    target: String,
    mut carrying: Carrying,
) -> io::Result<String> {
    let (mut http, mut events) = (Http::new(dial), Events::default());
    let headers = "Accept: text/event-stream\r\n";
    let request = Request { method: "GET", target: &target, headers, body: "" };
    let status = http.start(request).await?;
    if status != 200 {
        return Ok(format!("stream: {status}"));
    }
    let mut posts = Posts::new(dial, target, records);
    loop {
        tokio::select! {
            biased;
            why = posts.failed() => return why,
            piece = http.piece() => {
                let Some(piece) = piece? else { return Ok("the stream ended".to_owned()) };
                carrying.alive();
                for event in events.add(&piece) {
                    take(&field(&event, "data").unwrap_or_default(), &carrying);
                }
            }
            wish = carrying.wish() => match wish {
                Outgoing::Text(text) => posts.post(text),
                Outgoing::PollAgain { .. } => {}
                Outgoing::Close => return Ok("closed by us".to_owned()),
            },
        }
    }
}

async fn poll(dial: &Arc<dyn Dial>, target: String, mut carrying: Carrying) -> io::Result<String> {
    let mut posts = Posts::new(dial, target.clone(), records);
    let mut polls = Polls::new(dial);
    polls.start("GET", target.clone());
    loop {
        tokio::select! {
            biased;
            why = posts.failed() => return why,
            answer = polls.answer() => match answer? {
                (200, body) => {
                    carrying.alive();
                    take(&body, &carrying);
                    if polls.running() == 0 {
                        polls.start("GET", target.clone());
                    }
                }
                (204, _) if polls.running() > 0 => {}
                (status, body) => return Ok(format!("poll: {status} {body}")),
            },
            wish = carrying.wish() => match wish {
                Outgoing::Text(text) => posts.post(text),
                Outgoing::PollAgain { older_than } => {
                    polls.start_again(older_than, "GET", &target);
                }
                Outgoing::Close => {
                    let request = Request { method: "DELETE", ..Request::get(&target) };
                    let (status, _) = Http::new(dial).ask(request).await?;
                    return Ok(format!("closed by us: {status}"));
                }
            },
        }
    }
}
