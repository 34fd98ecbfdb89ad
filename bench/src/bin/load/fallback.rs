//! Sessions over HTTP: each has a connection that brings messages down and one that posts them.

use crate::carrier::{Carrier, Line, Session};
use crate::client::{SILENCE_MAX, Traffic};
use crate::http::Answers;
use crate::open::connect;
use crate::payload::{Label, Payloads};
use crate::server::Server;
use crate::window::{Figures, Window};
use crate::{Failure, Result, Span};
use clap::ValueEnum;
use mio::{Events, Interest, Poll, Token};
use serde::Serialize;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct Fallback {
    /// Where the server listens
    #[arg(long)]
    address: SocketAddr,
    /// The server's process
    #[arg(long)]
    pid: u32,
    /// CARRIER=PATH
    #[arg(long, value_parser = lane)]
    lane: (Carrier, String),
    #[command(flatten)]
    span: Span,
    #[arg(long)]
    sessions: usize,
    /// Octets of one message
    #[arg(long)]
    size: usize,
    /// Says nothing: what the server keeps for a poll or stream that waits
    #[arg(long)]
    park: bool,
}

fn lane(text: &str) -> std::result::Result<(Carrier, String), String> {
    let (carrier, path) = text.split_once('=').ok_or("it is CARRIER=PATH")?;
    Ok((Carrier::from_str(carrier, false)?, path.to_owned()))
}

/// What the generator prints.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Said {
    Figures(Figures),
    Parked { connections: usize, fresh_len: f64 },
}

impl Fallback {
    pub(crate) fn run(&self) -> Result<Said> {
        if self.park { self.park() } else { self.echo().map(Said::Figures) }
    }

    fn open(&self, index: usize) -> Result<(Session, Line, Line)> {
        let line = || connect(self.address, None, SILENCE_MAX).map(Line::new);
        let (mut down, mut up) = (line()?, line()?);
        let (carrier, path) = (self.lane.0, &self.lane.1);
        let session = carrier.open(path, index, &mut down, &mut up)?;
        if carrier.is_polling() {
            let request = carrier.down_request(&session);
            down.stream.write_all(&request).map_err(Failure::at("polling"))?;
        }
        Ok((session, down, up))
    }

    /// The connection for POSTs is closed, as a client's is after a while.
    fn park(&self) -> Result<Said> {
        let server = Server::new(self.pid);
        let first = self.open(usize::MAX >> 40)?;
        let before = server.resident_len()?;
        let parked: Result<Vec<_>> =
            (0..self.sessions).map(|index| self.open(index).map(|(_, down, _)| down)).collect();
        let parked = parked?;
        thread::sleep(SETTLING);
        let len = server.resident_len()?.saturating_sub(before);
        let fresh_len = len as f64 / parked.len() as f64;
        drop(first);
        Ok(Said::Parked { connections: parked.len(), fresh_len })
    }

    fn echo(&self) -> Result<Figures> {
        let poll = Poll::new().map_err(Failure::at("epoll"))?;
        let mut clients = Vec::new();
        for index in 0..self.sessions {
            let (session, down, up) = self.open(index)?;
            let register = |line: Line, token| {
                line.stream.set_nonblocking(true).map_err(Failure::at("set_nonblocking"))?;
                let mut stream = mio::net::TcpStream::from_std(line.stream);
                let registered =
                    poll.registry().register(&mut stream, Token(token), Interest::READABLE);
                registered.map_err(Failure::at("epoll"))?;
                Ok(Half { stream, answers: line.answers })
            };
            clients.push(Client {
                index,
                session,
                down: register(down, 2 * index)?,
                up: register(up, 2 * index + 1)?,
                body: Vec::new(),
                sequence: 0,
                has_heard: false,
                is_posted: false,
                is_fresh: true,
            });
        }
        self.drive(poll, &mut clients)
    }

    fn drive(&self, mut poll: Poll, clients: &mut [Client]) -> Result<Figures> {
        let mut run = Run {
            carrier: self.lane.0,
            payloads: Payloads::new(self.size),
            traffic: Traffic::default(),
            scratch: vec![0; SCRATCH_LEN].into(),
        };
        let mut window = Window::new(self.pid, &self.span);
        let mut events = Events::with_capacity(1024);
        let (mut messages, mut over, mut heard_at) = (0, false, Instant::now());
        let mut under_way = clients.len();
        clients.iter_mut().try_for_each(|client| client.post(&mut run))?;
        while under_way > 0 {
            poll.poll(&mut events, Some(Duration::ZERO)).map_err(Failure::at("epoll"))?;
            if !events.is_empty() {
                heard_at = Instant::now();
            } else if heard_at.elapsed() > SILENCE_MAX {
                return Err(Failure::new("nothing came: messages are lost"));
            }
            for event in &events {
                let Token(token) = event.token();
                let client = &mut clients[token / 2];
                let is_through = if token % 2 == 0 {
                    client.hear(&mut run)?
                } else {
                    client.confirm(&mut run)?
                };
                if is_through {
                    messages += 1;
                    if over {
                        under_way -= 1;
                    } else {
                        client.post(&mut run)?;
                    }
                }
            }
            over = over || window.look(messages, run.traffic)?;
        }
        window.into_figures()
    }
}

/// What all sessions use.
struct Run {
    carrier: Carrier,
    payloads: Payloads,
    traffic: Traffic,
    scratch: Box<[u8]>,
}

/// A session: one message is under way, by POST and back.
struct Client {
    index: usize,
    session: Session,
    down: Half,
    up: Half,
    /// What came down and holds no whole message yet.
    body: Vec<u8>,
    sequence: u64,
    has_heard: bool,
    is_posted: bool,
    /// The stream is new, and may begin with octets that only fill it.
    is_fresh: bool,
}

/// One of its two connections.
struct Half {
    stream: mio::net::TcpStream,
    answers: Answers,
}

impl Half {
    fn write(&mut self, octets: &[u8], traffic: &mut Traffic) -> Result {
        // Requests are far smaller than a socket's buffer, and one is under way at a time.
        self.stream.write_all(octets).map_err(Failure::at("writing a request"))?;
        traffic.octets_out += octets.len() as u64;
        traffic.writes += 1;
        Ok(())
    }

    fn read(&mut self, run: &mut Run, body: &mut Vec<u8>, ended: &mut bool) -> Result {
        loop {
            match self.stream.read(&mut run.scratch) {
                Ok(0) => return Err(Failure::new("the server closed a connection")),
                Ok(len) => {
                    run.traffic.octets_in += len as u64;
                    self.answers.take(&run.scratch[..len], body, ended)?;
                    if len < run.scratch.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Failure::at("reading")(error)),
            }
        }
    }
}

impl Client {
    fn post(&mut self, run: &mut Run) -> Result {
        (self.has_heard, self.is_posted) = (false, false);
        let label = Label { sender: self.index, sequence: self.sequence };
        let mut out = Vec::with_capacity(run.payloads.len() + 512);
        run.carrier.write_post(&mut out, &self.session, &run.payloads, label);
        self.up.write(&out, &mut run.traffic)
    }

    /// Reads the answer to the POST. Whether the message is through then.
    fn confirm(&mut self, run: &mut Run) -> Result<bool> {
        let mut ended = false;
        self.up.read(run, &mut Vec::new(), &mut ended)?;
        self.is_posted |= ended;
        Ok(ended && self.advance())
    }

    /// Reads what came down, and polls again where that is needed. Whether the message is through.
    fn hear(&mut self, run: &mut Run) -> Result<bool> {
        let (mut ended, had_heard) = (false, self.has_heard);
        self.down.read(run, &mut self.body, &mut ended)?;
        let polls = run.carrier.is_polling();
        if ended || !polls {
            self.find(run)?;
        }
        if ended {
            if polls {
                run.carrier.note(&mut self.session, &String::from_utf8_lossy(&self.body))?;
            }
            self.body.clear();
            self.is_fresh = true;
            let request = run.carrier.down_request(&self.session);
            self.down.write(&request, &mut run.traffic)?;
        }
        Ok(self.has_heard && !had_heard && self.advance())
    }

    /// Looks for the message that must come, octet by octet. What stands in front of it must be
    /// too short to be another message.
    fn find(&mut self, run: &Run) -> Result {
        if self.has_heard {
            return Ok(());
        }
        let mut wanted = Vec::with_capacity(run.payloads.len());
        let label = Label { sender: self.index, sequence: self.sequence };
        run.payloads.write(&mut wanted, label);
        let at = self.body.windows(wanted.len()).position(|window| window == wanted);
        let in_front = at.unwrap_or(self.body.len());
        let is_stray = at.is_some() && in_front > wanted.len() && !self.is_fresh;
        if is_stray || in_front > STRAY_LEN_MAX {
            let body = String::from_utf8_lossy(&self.body);
            return Err(Failure::new(format!("not {label:?} came, but {body:?}")));
        }
        if let Some(at) = at {
            self.has_heard = true;
            self.is_fresh = false;
            if !run.carrier.is_polling() {
                self.body.drain(..at + wanted.len());
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> bool {
        let is_through = self.has_heard && self.is_posted;
        self.sequence += u64::from(is_through);
        is_through
    }
}

const SCRATCH_LEN: usize = 64 << 10;

/// More than all that surrounds a message, with the prelude of a SockJS stream.
const STRAY_LEN_MAX: usize = 8 << 10;

/// What the server has still to do when the last session is open: its allocator gives back what was
/// freed within a second.
const SETTLING: Duration = Duration::from_millis(1500);
