//! Connections that say nothing: what the server keeps for each.

use crate::client::Clients;
use crate::echo::check;
use crate::payload::{Label, Payloads};
use crate::protocol::To;
use crate::server::Server;
use crate::{Common, Result};
use serde::Serialize;
use std::thread;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    common: Common,
    #[arg(long)]
    connections: usize,
    /// Octets of the message that each sends in the end
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// Headers for the WebSocket's handshake
    #[arg(long, default_value = "")]
    offer: String,
}

/// What so many connections cost.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    connections: usize,
    /// Seconds of CPU that the server took to let them in.
    handshake_cpu_seconds: f64,
    /// Bytes of memory that came for each connection.
    fresh_len: f64,
    /// The same after one message of each came back.
    used_len: f64,
}

impl Idle {
    pub(crate) fn run(&self) -> Result<Cost> {
        let server = Server::new(self.common.pid);
        let offer = match &self.offer[..] {
            "" => String::new(),
            offer => format!("Sec-WebSocket-Extensions: {offer}\r\n"),
        };
        let first = Clients::open(&self.common, 1, self.size, &offer)?;
        let (before, cpu) = (server.resident_len()?, server.cpu_seconds()?);
        let mut clients = Clients::open(&self.common, self.connections, self.size, &offer)?;
        thread::sleep(SETTLING);
        let handshake_cpu_seconds = server.cpu_seconds()? - cpu;
        let each = |len: u64| len.saturating_sub(before) as f64 / self.connections as f64;
        let fresh_len = each(server.resident_len()?);
        if self.offer.is_empty() {
            echo_once(&mut clients, self.connections, self.size)?;
        }
        thread::sleep(SETTLING);
        let used_len = each(server.resident_len()?);
        drop(first);
        Ok(Cost { connections: self.connections, handshake_cpu_seconds, fresh_len, used_len })
    }
}

/// Sees that every connection is alive.
fn echo_once(clients: &mut Clients, count: usize, size: usize) -> Result {
    let payloads = Payloads::new(size);
    for sender in 0..count {
        let label = Label { sender, sequence: 0 };
        clients.protocol(sender).write(clients.out(sender), To::Echo, &payloads, label);
        clients.flush(sender)?;
    }
    let mut missing = count;
    while missing > 0 {
        clients.turn(|heard, _| {
            missing -= 1;
            check(&payloads, &heard, Label { sender: heard.index, sequence: 0 })
        })?;
    }
    Ok(())
}

/// What the server has still to do when the last answer is there: allocators give memory back to
/// the system a second or so after it was freed.
const SETTLING: Duration = Duration::from_secs(3);
