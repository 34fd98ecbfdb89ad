//! The floor: bare TCP on one epoll, without a frame. A client says a path and a line end, hears
//! `ok` and a line end, and from then on `/echo` sends back what it reads, in as few system calls
//! as there can be, and in `/room/NAME` what one read brought is sent to all, a `send` for each.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use omniwire_bench_peers::{Service, announce};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};

struct Client {
    stream: TcpStream,
    service: Option<Service>,
    /// What the socket did not take at once.
    unwritten: Vec<u8>,
}

struct Server {
    listener: TcpListener,
    clients: Vec<Option<Client>>,
    rooms: HashMap<String, Vec<usize>>,
    scratch: Box<[u8]>,
}

const LISTENER: Token = Token(usize::MAX);

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    announce(listener.local_addr()?)?;
    let mut server = Server {
        listener,
        clients: Vec::new(),
        rooms: HashMap::new(),
        scratch: vec![0; 512 << 10].into(),
    };
    let mut events = Events::with_capacity(1024);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => server.accept(poll.registry())?,
                Token(index) => {
                    if event.is_readable() {
                        server.read(index);
                    }
                    if event.is_writable()
                        && let Some(client) = &mut server.clients[index]
                    {
                        client.flush();
                    }
                }
            }
        }
    }
}

impl Server {
    fn accept(&mut self, registry: &Registry) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let token = Token(self.clients.len());
            registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            self.clients.push(Some(Client { stream, service: None, unwritten: Vec::new() }));
        }
    }

    fn read(&mut self, index: usize) {
        loop {
            let Some(client) = &mut self.clients[index] else { return };
            let len = match client.stream.read(&mut self.scratch) {
                Ok(len) if len > 0 => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => {
                    self.clients[index] = None;
                    return;
                }
            };
            self.take(index, len);
            // The kernel tells again when more comes.
            if len < self.scratch.len() {
                return;
            }
        }
    }

    fn take(&mut self, index: usize, len: usize) {
        let Some(client) = &mut self.clients[index] else { return };
        let octets = &self.scratch[..len];
        match &client.service {
            None => {
                let path = String::from_utf8_lossy(octets);
                client.service = Service::at(path.trim_end());
                if let Some(Service::Room(room)) = &client.service {
                    self.rooms.entry(room.clone()).or_default().push(index);
                }
                client.send(b"ok\n");
            }
            Some(Service::Room(room)) => {
                for &member in &self.rooms[room] {
                    if let Some(member) = &mut self.clients[member] {
                        member.send(octets);
                    }
                }
            }
            Some(_) => client.send(octets),
        }
    }
}

impl Client {
    fn send(&mut self, octets: &[u8]) {
        let mut sent = 0;
        if self.unwritten.is_empty() {
            // An error shows when it is read from.
            sent = self.stream.write(octets).unwrap_or(0);
        }
        self.unwritten.extend_from_slice(&octets[sent..]);
    }

    fn flush(&mut self) {
        while !self.unwritten.is_empty() {
            match self.stream.write(&self.unwritten) {
                Ok(len) => drop(self.unwritten.drain(..len)),
                Err(_) => return,
            }
        }
    }
}
