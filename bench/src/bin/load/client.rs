//! The generator's connections: opened in batches, then driven by one poll for all of them.

use crate::{Common, Failure, Result, frame};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// All connections.
#[derive(Debug)]
pub(crate) struct Clients {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    scratch: Box<[u8]>,
    heard_at: Instant,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: mio::net::TcpStream,
    /// The start of a frame whose rest is still to come.
    received: Vec<u8>,
    unwritten: Vec<u8>,
}

impl Clients {
    /// Opens so many WebSockets.
    pub(crate) fn open(common: &Common, count: usize) -> Result<Self> {
        let poll = Poll::new().map_err(Failure::at("epoll"))?;
        let mut clients = Vec::with_capacity(count);
        while clients.len() < count {
            let batch = BATCH_LEN.min(count - clients.len());
            let asked: Result<Vec<_>> = (0..batch).map(|_| ask(common)).collect();
            for stream in asked? {
                clients.push(Client::new(stream, &poll, Token(clients.len()))?);
            }
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            clients,
            scratch: vec![0; SCRATCH_LEN].into(),
            heard_at: Instant::now(),
        })
    }

    /// Queues a message.
    pub(crate) fn queue(&mut self, index: usize, sequence: u64, len: usize) {
        frame::write(&mut self.clients[index].unwritten, index, sequence, len);
    }

    /// Writes what is queued, as far as the socket takes it.
    pub(crate) fn flush(&mut self, index: usize) -> Result {
        self.clients[index].flush()
    }

    /// Takes what has come, without waiting: `heard` gets each message and says how many
    /// messages are to be written to that connection then, all in one write.
    pub(crate) fn turn(
        &mut self,
        mut heard: impl FnMut(usize, &[u8], &mut Vec<u8>) -> Result,
    ) -> Result {
        self.poll.poll(&mut self.events, Some(Duration::ZERO)).map_err(Failure::at("epoll"))?;
        let now = Instant::now();
        if !self.events.is_empty() {
            self.heard_at = now;
        } else if now - self.heard_at > SILENCE_MAX {
            return Err(Failure::new(format!(
                "nothing came for {SILENCE_MAX:?}: messages are lost"
            )));
        }
        for event in &self.events {
            let index = event.token().0;
            let client = &mut self.clients[index];
            client.take(event, &mut self.scratch, |message, out| heard(index, message, out))?;
            client.flush()?;
        }
        Ok(())
    }
}

impl Client {
    fn new(mut asked: TcpStream, poll: &Poll, token: Token) -> Result<Self> {
        read_answer(&mut asked)?;
        asked.set_nonblocking(true).map_err(Failure::at("set_nonblocking"))?;
        let mut stream = mio::net::TcpStream::from_std(asked);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = poll.registry().register(&mut stream, token, interest);
        registered.map_err(Failure::at("epoll"))?;
        Ok(Self { stream, received: Vec::new(), unwritten: Vec::new() })
    }

    fn take(
        &mut self,
        event: &Event,
        scratch: &mut [u8],
        mut heard: impl FnMut(&[u8], &mut Vec<u8>) -> Result,
    ) -> Result {
        while event.is_readable() {
            let len = match self.stream.read(scratch) {
                Ok(0) => return Err(Failure::new("the server closed a connection")),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(Failure::at("reading")(error)),
            };
            let fresh = &scratch[..len];
            if self.received.is_empty() {
                let taken = each(fresh, |message| heard(message, &mut self.unwritten))?;
                self.received.extend_from_slice(&fresh[taken..]);
            } else {
                self.received.extend_from_slice(fresh);
                let taken = each(&self.received, |message| heard(message, &mut self.unwritten))?;
                self.received.drain(..taken);
            }
            // The kernel tells again when more comes.
            if len < scratch.len() {
                break;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result {
        while !self.unwritten.is_empty() {
            match self.stream.write(&self.unwritten) {
                Ok(len) => drop(self.unwritten.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(Failure::at("writing")(error)),
            }
        }
        Ok(())
    }
}

/// Gives each whole message to `heard`; how many octets they were.
fn each(octets: &[u8], mut heard: impl FnMut(&[u8]) -> Result) -> Result<usize> {
    let mut taken = 0;
    while let Some((message, len)) = frame::read(&octets[taken..])? {
        heard(message)?;
        taken += len;
    }
    Ok(taken)
}

/// Connects and sends the handshake.
fn ask(common: &Common) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(common.address).map_err(Failure::at("connecting"))?;
    let set_up = |stream: &TcpStream| -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))
    };
    set_up(&stream).map_err(Failure::at("socket options"))?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n",
        common.path, common.address
    );
    stream.write_all(request.as_bytes()).map_err(Failure::at("writing the handshake"))?;
    Ok(stream)
}

/// Reads the answer. A server that says more, unasked, is not what we measure.
fn read_answer(stream: &mut TcpStream) -> Result {
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while !answer.ends_with(b"\r\n\r\n") {
        let len = stream.read(&mut piece).map_err(Failure::at("reading the handshake"))?;
        if len == 0 || answer.len() > ANSWER_LEN_MAX {
            return Err(Failure::new("the server's answer to the handshake has no end"));
        }
        answer.extend_from_slice(&piece[..len]);
    }
    let answer = String::from_utf8_lossy(&answer);
    let accepted = answer.lines().any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
        })
    });
    if answer.starts_with("HTTP/1.1 101 ") && accepted {
        return Ok(());
    }
    let first = answer.lines().next().unwrap_or_default();
    Err(Failure::new(format!("the server refused the handshake: {first}")))
}

/// Connections that are opened at once.
const BATCH_LEN: usize = 100;

const ANSWER_LEN_MAX: usize = 16 << 10;

const SCRATCH_LEN: usize = 256 << 10;

/// So long a server may say nothing while it owes us something.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The example of RFC 6455, 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
