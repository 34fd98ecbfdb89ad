//! The generator's connections, driven by one poll for all of them.

use crate::frame::{self, CLOSE, PING, PONG, TEXT};
use crate::open;
use crate::protocol::Protocol;
use crate::{Common, Failure, Result};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// All connections.
#[derive(Debug)]
pub(crate) struct Clients {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    scratch: Box<[u8]>,
    heard_at: Instant,
    /// Octets of one message over bare TCP, which has nothing that says so.
    unit_len: usize,
    pub(crate) traffic: Traffic,
}

/// What went over the wire.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) octets_in: u64,
    pub(crate) octets_out: u64,
    pub(crate) writes: u64,
    /// Octets of the messages in what came, before compression; where that is measured.
    pub(crate) content_len: u64,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: mio::net::TcpStream,
    protocol: Protocol,
    /// The start of a frame whose rest is still to come.
    received: Vec<u8>,
    unwritten: Vec<u8>,
}

/// A message that came.
#[derive(Debug)]
pub(crate) struct Heard<'a> {
    pub(crate) index: usize,
    pub(crate) protocol: Protocol,
    /// The first octet of its frame.
    pub(crate) first: u8,
    pub(crate) unit: &'a [u8],
}

impl Clients {
    /// Opens so many connections; `offer` are headers for the WebSocket's handshake.
    pub(crate) fn open(
        common: &Common,
        count: usize,
        unit_len: usize,
        offer: &str,
    ) -> Result<Self> {
        let mut clients = Self::none(unit_len)?;
        clients.add(common, count, offer)?;
        Ok(clients)
    }

    /// No connections yet.
    pub(crate) fn none(unit_len: usize) -> Result<Self> {
        Ok(Self {
            poll: Poll::new().map_err(Failure::at("epoll"))?,
            events: Events::with_capacity(1024),
            clients: Vec::new(),
            scratch: vec![0; SCRATCH_LEN].into(),
            heard_at: Instant::now(),
            unit_len,
            traffic: Traffic::default(),
        })
    }

    /// Opens so many more.
    pub(crate) fn add(&mut self, common: &Common, count: usize, offer: &str) -> Result {
        let (poll, clients) = (&self.poll, &mut self.clients);
        let numbers = clients.len()..clients.len() + count;
        open::each(common, numbers, offer, |opened| {
            opened.stream.set_nonblocking(true).map_err(Failure::at("set_nonblocking"))?;
            let mut stream = mio::net::TcpStream::from_std(opened.stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registered = poll.registry().register(&mut stream, Token(clients.len()), interest);
            registered.map_err(Failure::at("epoll"))?;
            let (protocol, received) = (opened.protocol, opened.received);
            clients.push(Client { stream, protocol, received, unwritten: Vec::new() });
            Ok(())
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn protocol(&self, index: usize) -> Protocol {
        self.clients[index].protocol
    }

    /// Where what is to be said is written to, before [`Clients::flush`].
    pub(crate) fn out(&mut self, index: usize) -> &mut Vec<u8> {
        &mut self.clients[index].unwritten
    }

    /// Writes what is queued, as far as the socket takes it.
    pub(crate) fn flush(&mut self, index: usize) -> Result {
        self.clients[index].flush(&mut self.traffic)
    }

    /// Takes what has come, without waiting: `heard` gets each message, and the place for what is
    /// to be written to that connection then, all in one write. Long silence is a failure.
    pub(crate) fn turn(&mut self, heard: impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result) -> Result {
        let _ = self.wait(Duration::ZERO, heard)?;
        if self.heard_at.elapsed() > SILENCE_MAX {
            let why = format!("nothing came for {SILENCE_MAX:?}: messages are lost");
            return Err(Failure::new(why));
        }
        Ok(())
    }

    /// The same, but waits so long for something to come, and minds no silence. Whether there was
    /// something: there may be more.
    pub(crate) fn wait(
        &mut self,
        at_most: Duration,
        mut heard: impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result,
    ) -> Result<bool> {
        self.poll.poll(&mut self.events, Some(at_most)).map_err(Failure::at("epoll"))?;
        if !self.events.is_empty() {
            self.heard_at = Instant::now();
        }
        for event in &self.events {
            let index = event.token().0;
            let client = &mut self.clients[index];
            client.take(
                index,
                event,
                &mut self.scratch,
                self.unit_len,
                &mut self.traffic,
                &mut heard,
            )?;
            client.flush(&mut self.traffic)?;
        }
        Ok(!self.events.is_empty())
    }
}

impl Client {
    fn take(
        &mut self,
        index: usize,
        event: &Event,
        scratch: &mut [u8],
        unit_len: usize,
        traffic: &mut Traffic,
        heard: &mut impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result,
    ) -> Result {
        while event.is_readable() {
            let len = match self.stream.read(scratch) {
                Ok(0) => return Err(Failure::new("the server closed a connection")),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(Failure::at("reading")(error)),
            };
            traffic.octets_in += len as u64;
            let (protocol, out) = (self.protocol, &mut self.unwritten);
            let mut each = |first, unit: &[u8]| {
                if let Some(answer) = protocol.heartbeat(unit) {
                    if !answer.is_empty() {
                        frame::write(out, TEXT, answer.len(), |out| out.extend_from_slice(answer));
                    }
                    return Ok(());
                }
                match first {
                    CLOSE => {
                        let (code, reason) = unit.split_at(unit.len().min(2));
                        let reason = String::from_utf8_lossy(reason);
                        Err(Failure::new(format!("the server said Close {code:?} {reason}")))
                    }
                    PING => {
                        frame::write(out, PONG, unit.len(), |out| out.extend_from_slice(unit));
                        Ok(())
                    }
                    _ => heard(Heard { index, protocol, first, unit }, out),
                }
            };
            if self.received.is_empty() {
                let fresh = &scratch[..len];
                let taken = cut(protocol, unit_len, fresh, &mut each)?;
                self.received.extend_from_slice(&fresh[taken..]);
            } else {
                self.received.extend_from_slice(&scratch[..len]);
                let taken = cut(protocol, unit_len, &self.received, &mut each)?;
                self.received.drain(..taken);
            }
            // The kernel tells again when more comes.
            if len < scratch.len() {
                break;
            }
        }
        Ok(())
    }

    fn flush(&mut self, traffic: &mut Traffic) -> Result {
        while !self.unwritten.is_empty() {
            match self.stream.write(&self.unwritten) {
                Ok(len) => {
                    traffic.octets_out += len as u64;
                    traffic.writes += 1;
                    self.unwritten.drain(..len);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(Failure::at("writing")(error)),
            }
        }
        // Ten thousand connections that said 1 MB once would keep it all.
        if self.unwritten.capacity() > UNWRITTEN_LEN_KEPT && self.unwritten.is_empty() {
            self.unwritten = Vec::new();
        }
        Ok(())
    }
}

/// Gives each whole message to `each`; how many octets they were.
fn cut(
    protocol: Protocol,
    unit_len: usize,
    octets: &[u8],
    each: &mut impl FnMut(u8, &[u8]) -> Result,
) -> Result<usize> {
    if protocol == Protocol::Tcp {
        let units = octets.chunks_exact(unit_len);
        let rest = units.remainder().len();
        units.into_iter().try_for_each(|unit| each(TEXT, unit))?;
        return Ok(octets.len() - rest);
    }
    let mut taken = 0;
    while let Some((frame, len)) = frame::read(&octets[taken..])? {
        protocol.each_unit(frame.payload, |unit| each(frame.first, unit))?;
        taken += len;
    }
    Ok(taken)
}

const SCRATCH_LEN: usize = 256 << 10;

const UNWRITTEN_LEN_KEPT: usize = 64 << 10;

/// So long a server may say nothing while it owes us something.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(10);
