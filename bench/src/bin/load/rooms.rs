//! What one member of a room says comes to all members, in order.

use crate::client::Clients;
use crate::echo::spoiled;
use crate::payload::{HEAD_LEN, Label, Payloads};
use crate::protocol::{Around, To};
use crate::server::Server;
use crate::window::{Figures, Window};
use crate::{Common, Failure, Result, Span};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct Rooms {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    span: Span,
    #[arg(long)]
    members: usize,
    /// Members that publish: the first ones, which are spread over the rooms
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    /// At most so many messages of each publisher in a second [default: as fast as it goes]
    #[arg(long)]
    rate: Option<f64>,
    /// Octets of one message
    #[arg(long)]
    size: usize,
}

/// A member that publishes: its next message leaves when all have the one before.
#[derive(Debug, Clone)]
struct Publisher {
    sequence: u64,
    /// Members that have not got the last message yet.
    missing: usize,
    sent_at: Instant,
    due_at: Instant,
}

impl Rooms {
    pub(crate) fn run(&self) -> Result<Figures> {
        if self.size < HEAD_LEN || self.publishers > self.members {
            return Err(Failure::new("messages need 16 octets, publishers are members"));
        }
        let server = Server::new(self.common.pid);
        let empty_len = server.resident_len()?;
        let mut clients = Clients::open(&self.common, self.members, self.size, "")?;
        let mut hall = Hall::new(self, &clients);
        let mut window = Window::new(self.common.pid, &self.span);
        let mut over = false;
        while !over || hall.under_way > 0 {
            if !over {
                hall.publish(&mut clients)?;
            }
            clients.turn(|heard, _| {
                let Some(message) = hall.around[heard.index % hall.around.len()].strip(heard.unit)
                else {
                    let label = Label { sender: heard.index, sequence: 0 };
                    return Err(spoiled(heard.unit, label));
                };
                let latency = hall.hear(heard.index, message)?;
                window.record(latency);
                Ok(())
            })?;
            over = over || window.look(hall.deliveries, clients.traffic)?;
        }
        let grown = server.resident_len()?.saturating_sub(empty_len);
        let mut figures = window.into_figures()?;
        figures.member_len = Some(grown as f64 / self.members as f64);
        Ok(figures)
    }
}

/// All rooms, and what is under way in them.
struct Hall {
    payloads: Payloads,
    /// What surrounds a message, for each lane.
    around: Vec<Around>,
    rooms: usize,
    publishers: Vec<Publisher>,
    /// Publishers whose message all have, and that may say the next.
    idle: Vec<usize>,
    /// Publishers in one room.
    per_room: usize,
    /// What each member has heard of each publisher of its room.
    counts: Vec<u32>,
    members: usize,
    interval: Option<Duration>,
    under_way: usize,
    deliveries: u64,
}

impl Hall {
    fn new(options: &Rooms, clients: &Clients) -> Self {
        let rooms = options.common.rooms;
        let per_room = options.publishers.div_ceil(rooms);
        let now = Instant::now();
        let interval = options.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let publisher = |index: usize| {
            // Spread over the interval, as clients that know nothing of each other.
            let share = index as f64 / options.publishers as f64;
            let due_at = now + interval.unwrap_or_default().mul_f64(share);
            Publisher { sequence: 0, missing: 0, sent_at: now, due_at }
        };
        let lanes = options.common.lanes.len();
        let hears = |lane| clients.protocol(lane).hears(To::Room, 0, options.size);
        Self {
            payloads: Payloads::new(options.size),
            around: (0..lanes.min(options.members)).map(hears).collect(),
            rooms,
            publishers: (0..options.publishers).map(publisher).collect(),
            idle: (0..options.publishers).collect(),
            per_room,
            counts: vec![0; options.members * per_room],
            members: options.members,
            interval,
            under_way: 0,
            deliveries: 0,
        }
    }

    fn members_of(&self, room: usize) -> usize {
        (self.members - room).div_ceil(self.rooms)
    }

    /// Says what is due.
    fn publish(&mut self, clients: &mut Clients) -> Result {
        let now = Instant::now();
        for at in (0..self.idle.len()).rev() {
            let sender = self.idle[at];
            if self.publishers[sender].due_at > now {
                continue;
            }
            self.idle.swap_remove(at);
            let members = self.members_of(sender % self.rooms);
            let publisher = &mut self.publishers[sender];
            let label = Label { sender, sequence: publisher.sequence };
            let protocol = clients.protocol(sender);
            protocol.write(clients.out(sender), To::Room, &self.payloads, label);
            clients.flush(sender)?;
            publisher.sequence += 1;
            publisher.missing = members;
            publisher.sent_at = now;
            publisher.due_at = match self.interval {
                // One that is late does not catch up by a burst.
                Some(interval) => (publisher.due_at + interval).max(now),
                None => now,
            };
            self.under_way += members;
        }
        Ok(())
    }

    /// Checks what a member heard; how long it took.
    fn hear(&mut self, member: usize, message: &[u8]) -> Result<Duration> {
        let label = self.payloads.label(message);
        let label = label.filter(|label| {
            label.sender < self.publishers.len()
                && label.sender % self.rooms == member % self.rooms
                && self.payloads.is(message, *label)
        });
        let Some(label) = label else {
            return Err(spoiled(message, Label { sender: member, sequence: 0 }));
        };
        let publisher = &mut self.publishers[label.sender];
        let count = &mut self.counts[member * self.per_room + label.sender / self.rooms];
        if u64::from(*count) != label.sequence || label.sequence >= publisher.sequence {
            let why = format!("member {member} heard {label:?}, not message {count}");
            return Err(Failure::new(why));
        }
        *count += 1;
        publisher.missing -= 1;
        if publisher.missing == 0 {
            self.idle.push(label.sender);
        }
        self.under_way -= 1;
        self.deliveries += 1;
        Ok(publisher.sent_at.elapsed())
    }
}
