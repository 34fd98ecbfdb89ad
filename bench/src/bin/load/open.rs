//! Opens connections, in batches.

use crate::frame::{self, TEXT};
use crate::protocol::{ACCEPT, Protocol, Step};
use crate::{Common, Failure, Result};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// A connection on which messages can be exchanged.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: TcpStream,
    pub(crate) protocol: Protocol,
    /// What came behind the last thing that was waited for.
    pub(crate) received: Vec<u8>,
}

/// Opens those of these numbers, over the lanes in turn, and gives each to `opened`.
pub(crate) fn each(
    common: &Common,
    numbers: Range<usize>,
    offer: &str,
    mut opened: impl FnMut(Opened) -> Result,
) -> Result {
    let host = common.address.to_string();
    for start in numbers.clone().step_by(BATCH_LEN) {
        let end = numbers.end.min(start + BATCH_LEN);
        let begun: Result<Vec<_>> = (start..end)
            .map(|index| {
                let lane = &common.lanes[index % common.lanes.len()];
                let path = lane.path.replace("{room}", &(index % common.rooms).to_string());
                let mut steps = lane.protocol.opening(&host, &path, index, offer).into_iter();
                let mut opening = Opening::begin(common, lane.protocol)?;
                if let Some(first) = steps.next() {
                    opening.take(first)?;
                }
                Ok((opening, steps))
            })
            .collect();
        for (mut opening, mut steps) in begun? {
            steps.try_for_each(|step| opening.take(step))?;
            let Opening { stream, protocol, received } = opening;
            opened(Opened { stream, protocol, received })?;
        }
    }
    Ok(())
}

/// This address or that of the next network, in turn. Of one address the system hands out half of
/// the ports first (14,116 by default); for each that is behind those it passes over all of them.
fn turn_of(from: Ipv4Addr) -> Ipv4Addr {
    static TURN: AtomicU8 = AtomicU8::new(0);
    let [first, second, third, last] = from.octets();
    let second = second.wrapping_add(TURN.fetch_add(1, Ordering::Relaxed) % 2);
    Ipv4Addr::from([first, second, third, last])
}

/// Connects, and waits.
pub(crate) fn connect(
    address: SocketAddr,
    from: Option<Ipv4Addr>,
    patience: Duration,
) -> Result<TcpStream> {
    let connect = || -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if let Some(from) = from {
            socket.bind(&SockAddr::from(SocketAddr::from((turn_of(from), 0))))?;
        }
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(patience))?;
        socket.connect(&SockAddr::from(address))?;
        Ok(socket.into())
    };
    connect().map_err(Failure::at("connecting"))
}

/// A connection that is being opened.
struct Opening {
    stream: TcpStream,
    protocol: Protocol,
    received: Vec<u8>,
}

impl Opening {
    fn begin(common: &Common, protocol: Protocol) -> Result<Self> {
        let patience = Duration::from_secs(common.patience_seconds);
        let stream = connect(common.address, common.from, patience)?;
        Ok(Self { stream, protocol, received: Vec::new() })
    }

    fn take(&mut self, step: Step) -> Result {
        match step {
            Step::Say(octets) => self.say(&octets),
            Step::SayText(text) => self.say_text(text.as_bytes()),
            Step::AwaitOk => self.skip(b"ok\n").map(|_| ()),
            Step::AwaitUpgrade => {
                let answer = self.skip(b"\r\n\r\n")?;
                check_upgrade(&String::from_utf8_lossy(&answer))
            }
            Step::AwaitFrame(begin) => self.skip_frame(begin),
        }
    }

    fn say(&mut self, octets: &[u8]) -> Result {
        self.stream.write_all(octets).map_err(Failure::at("writing the handshake"))
    }

    fn read(&mut self) -> Result {
        let mut piece = [0; 1024];
        let len = self.stream.read(&mut piece).map_err(Failure::at("reading the handshake"))?;
        if len == 0 || self.received.len() > ANSWER_LEN_MAX {
            let said = String::from_utf8_lossy(&self.received);
            return Err(Failure::new(format!("the server ended the handshake with {said:?}")));
        }
        self.received.extend_from_slice(&piece[..len]);
        Ok(())
    }

    /// Takes all up to the end of what is waited for.
    fn skip(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            let found = self.received.windows(end.len()).position(|window| window == end);
            match found {
                Some(at) => return Ok(self.received.drain(..at + end.len()).collect()),
                None => self.read()?,
            }
        }
    }

    /// Takes frames up to the one that is waited for; those before it may be heartbeats.
    fn skip_frame(&mut self, begin: &str) -> Result {
        loop {
            let Some((frame, len)) = frame::read(&self.received)? else {
                self.read()?;
                continue;
            };
            let is_it = frame.payload.starts_with(begin.as_bytes());
            let heartbeat = self.protocol.heartbeat(frame.payload);
            if !is_it && heartbeat.is_none() {
                let said = String::from_utf8_lossy(frame.payload);
                return Err(Failure::new(format!("{said:?} came in place of {begin:?}")));
            }
            self.received.drain(..len);
            if is_it {
                return Ok(());
            }
            if let Some(answer) = heartbeat.filter(|answer| !answer.is_empty()) {
                self.say_text(answer)?;
            }
        }
    }

    fn say_text(&mut self, text: &[u8]) -> Result {
        let mut out = Vec::new();
        frame::write(&mut out, TEXT, text.len(), |out| out.extend_from_slice(text));
        self.say(&out)
    }
}

fn check_upgrade(answer: &str) -> Result {
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
