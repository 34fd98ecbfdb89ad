//! Engine.IO 4: polling, WebSocket, and the way from one to the other. A line's texts are
//! messages, without the `4` before them.

use super::websocket::{News, Opening, Socket};
use super::{Carrying, Line, Outgoing, Polls, Posts};
use crate::dial::Dial;
use crate::http::{Http, Request};
use std::io;
use std::sync::Arc;

/// How a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transports {
    /// `["polling"]`
    Polling,
    /// `["websocket"]`
    WebSocket,
    /// `["polling", "websocket"]`
    Upgrade,
}

/// Between the packets of a payload.
const SEPARATOR: char = '\x1e';

/// A line; `query` has the client's own parameters.
pub fn line(dial: &Arc<dyn Dial>, query: &str, transports: Transports) -> Line {
    let dial = Arc::clone(dial);
    let base = format!("/socket.io/?EIO=4&{query}");
    Line::new(move |mut carrying| async move {
        if transports == Transports::WebSocket {
            let socket = Socket::open(&dial, opening(&base, "")).await?;
            return on_socket(Box::new(socket), &mut carrying).await;
        }
        let polling = format!("{base}&transport=polling");
        let (status, body) = Http::new(&dial).ask(Request::get(&polling)).await?;
        let sid = match body.split('"').nth(3) {
            Some(sid) if status == 200 && body.starts_with("0{\"sid\"") => sid.to_owned(),
            _ => return Ok(format!("no session: {status} {body}")),
        };
        carrying.alive();
        let mut session = Session {
            posts: Posts::new(&dial, format!("{polling}&sid={sid}"), payload),
            polls: Polls::new(&dial),
            target: format!("{polling}&sid={sid}"),
            held: Vec::new(),
            closing: false,
        };
        let probing = probe(&dial, &base, &sid, transports == Transports::Upgrade);
        let mut socket = match session.run(&mut carrying, probing).await? {
            Ended::Closed(why) => return Ok(why),
            Ended::Upgraded(socket) => socket,
        };
        socket.queue("5");
        session.held.into_iter().for_each(|text| socket.queue(text));
        on_socket(socket, &mut carrying).await
    })
}

fn opening(base: &str, sid: &str) -> Opening {
    let sid = if sid.is_empty() { String::new() } else { format!("&sid={sid}") };
    Opening { target: format!("{base}&transport=websocket{sid}"), ..Opening::default() }
}

fn payload(packets: &[String]) -> String {
    packets.join(&SEPARATOR.to_string())
}

async fn probe(
    dial: &Arc<dyn Dial>,
    base: &str,
    sid: &str,
    wanted: bool,
) -> io::Result<Box<Socket>> {
    if !wanted {
        std::future::pending::<()>().await;
    }
    let mut socket = Box::new(Socket::open(dial, opening(base, sid)).await?);
    socket.queue("2probe");
    loop {
        match socket.first().await? {
            News::Text(text) if text == "3probe" => return Ok(socket),
            News::Life => {}
            News::Text(_) | News::End(_) | News::Wish(_) => {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }
}

enum Ended {
    Closed(String),
    Upgraded(Box<Socket>),
}

/// A session that polls.
struct Session {
    posts: Posts,
    polls: Polls,
    target: String,
    /// What is said once the upgrade is done.
    held: Vec<String>,
    closing: bool,
}

impl Session {
    async fn run(
        &mut self,
        carrying: &mut Carrying,
        probing: impl Future<Output = io::Result<Box<Socket>>>,
    ) -> io::Result<Ended> {
        let mut probing = std::pin::pin!(probing);
        let (mut probed, mut failed) = (None, false);
        self.polls.start("GET", self.target.clone());
        loop {
            tokio::select! {
                biased;
                why = self.posts.failed() => return why.map(Ended::Closed),
                answer = self.polls.answer() => {
                    if let Some(why) = self.take(answer?, carrying) {
                        return Ok(Ended::Closed(why));
                    }
                    if self.polls.running() > 0 {
                        continue;
                    }
                    // As the official client, it pauses: no poll is under way at the upgrade.
                    match probed.take() {
                        Some(socket) if self.posts.is_idle() => return Ok(Ended::Upgraded(socket)),
                        waiting => probed = waiting,
                    }
                    self.polls.start("GET", self.target.clone());
                }
                socket = &mut probing, if probed.is_none() && !failed => match socket {
                    Ok(socket) => probed = Some(socket),
                    Err(_) => failed = true,
                },
                wish = carrying.wish() => match wish {
                    Outgoing::Text(text) if probed.is_some() => self.held.push(format!("4{text}")),
                    Outgoing::Text(text) => self.posts.post(format!("4{text}")),
                    Outgoing::PollAgain { older_than } => {
                        self.polls.start_again(older_than, "GET", &self.target);
                    }
                    Outgoing::Close => {
                        self.closing = true;
                        self.posts.post("1".to_owned());
                    }
                },
            }
        }
    }

    /// Why it is over, if it is.
    fn take(&mut self, (status, body): (u16, String), carrying: &Carrying) -> Option<String> {
        if status != 200 {
            return Some(format!("poll: {status} {body}"));
        }
        for packet in body.split(SEPARATOR) {
            match packet.split_at_checked(1) {
                Some(("4", text)) => carrying.hear(text),
                Some(("2", _)) => {
                    carrying.alive();
                    self.posts.post("3".to_owned());
                }
                Some(("1", _)) => return Some("the server closed".to_owned()),
                _ => carrying.alive(),
            }
        }
        self.closing.then(|| "closed by us".to_owned())
    }
}

async fn on_socket(mut socket: Box<Socket>, carrying: &mut Carrying) -> io::Result<String> {
    loop {
        match socket.next(carrying, |text| format!("4{text}")).await? {
            News::Text(packet) => match packet.split_at_checked(1) {
                Some(("4", text)) => carrying.hear(text),
                Some(("2", _)) => {
                    carrying.alive();
                    socket.queue("3");
                }
                Some(("1", _)) => return Ok("the server closed".to_owned()),
                _ => carrying.alive(),
            },
            News::Life => carrying.alive(),
            News::End(why) => return Ok(why),
            News::Wish(Outgoing::Close) => {
                socket.queue("1");
                return socket.close().await;
            }
            News::Wish(_) => {}
        }
    }
}
