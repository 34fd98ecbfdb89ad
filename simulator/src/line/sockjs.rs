//! SockJS: its frames over a WebSocket, an endless response, or polls. A line's texts are messages.

use super::websocket::{Opening, Socket};
use super::{Carrying, Line, Outgoing, Polls, Posts};
use crate::dial::Dial;
use crate::http::{Http, Request};
use std::io;
use std::sync::Arc;

/// How a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `websocket`
    WebSocket,
    /// `xhr-streaming`
    Streaming,
    /// `xhr-polling`
    Polling,
}

/// A line to a session of its own; `base` is the path of the service and of a new session.
pub fn line(dial: &Arc<dyn Dial>, base: String, query: &str, transport: Transport) -> Line {
    let (dial, query) = (Arc::clone(dial), query.to_owned());
    Line::new(move |carrying| async move {
        let target = |method: &str| format!("{base}/{method}?{query}");
        match transport {
            Transport::WebSocket => on_socket(&dial, target("websocket"), carrying).await,
            Transport::Streaming => {
                let posts = Posts::new(&dial, target("xhr_send"), array);
                stream(&dial, target("xhr_streaming"), posts, carrying).await
            }
            Transport::Polling => {
                let posts = Posts::new(&dial, target("xhr_send"), array);
                poll(&dial, target("xhr"), posts, carrying).await
            }
        }
    })
}

fn array(texts: &[String]) -> String {
    serde_json::to_string(texts).unwrap_or_default()
}

/// Why it is over, if it is. `open`: whether an open frame has come.
fn take(frame: &str, open: &mut bool, carrying: &Carrying) -> Option<String> {
    match frame.split_at_checked(1) {
        // As sockjs-client has it: this is another session of the same name.
        Some(("o", _)) if std::mem::replace(open, true) => {
            return Some("the server lost the session".to_owned());
        }
        Some(("a", texts)) => {
            let texts: Vec<String> = serde_json::from_str(texts).unwrap_or_default();
            texts.into_iter().for_each(|text| carrying.hear(text));
        }
        Some(("c", why)) => return Some(format!("the server closed: {why}")),
        _ => carrying.alive(),
    }
    None
}

async fn on_socket(dial: &Arc<dyn Dial>, target: String, carrying: Carrying) -> io::Result<String> {
    let socket = Socket::open(dial, Opening { target, ..Opening::default() }).await?;
    let mut open = false;
    let take = |frame: &str, carrying: &Carrying| take(frame, &mut open, carrying);
    socket.carry(carrying, |text| array(&[text]), take).await
}

async fn stream(
    dial: &Arc<dyn Dial>,
    target: String,
    mut posts: Posts,
    mut carrying: Carrying,
) -> io::Result<String> {
    let (mut http, mut open) = (Http::new(dial), false);
    loop {
        // The server ends each response after a while, and the client comes again.
        let status = http.start(Request::post(&target, "")).await?;
        if status != 200 {
            return Ok(format!("stream: {status}"));
        }
        let mut text = String::new();
        loop {
            tokio::select! {
                biased;
                why = posts.failed() => return why,
                piece = http.piece() => {
                    let Some(piece) = piece? else { break };
                    text.push_str(&String::from_utf8_lossy(&piece));
                    while let Some((frame, rest)) = text.split_once('\n') {
                        if let Some(why) = take(frame, &mut open, &carrying) {
                            return Ok(why);
                        }
                        text = rest.to_owned();
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
}

async fn poll(
    dial: &Arc<dyn Dial>,
    target: String,
    mut posts: Posts,
    mut carrying: Carrying,
) -> io::Result<String> {
    let (mut polls, mut open) = (Polls::new(dial), false);
    polls.start("POST", target.clone());
    loop {
        tokio::select! {
            biased;
            why = posts.failed() => return why,
            answer = polls.answer() => {
                let (status, body) = answer?;
                if status != 200 {
                    return Ok(format!("poll: {status} {body}"));
                }
                // A second receiver is told so, and the first goes on.
                let second = body.starts_with("c[2010");
                let over = take(body.trim_end(), &mut open, &carrying);
                if let Some(why) = over.filter(|_| !second) {
                    return Ok(why);
                }
                if polls.running() == 0 {
                    polls.start("POST", target.clone());
                }
            }
            wish = carrying.wish() => match wish {
                Outgoing::Text(text) => posts.post(text),
                Outgoing::PollAgain { older_than } => {
                    polls.start_again(older_than, "POST", &target);
                }
                Outgoing::Close => return Ok("closed by us".to_owned()),
            },
        }
    }
}
