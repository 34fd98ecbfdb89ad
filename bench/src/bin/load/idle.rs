//! Connections that say nothing: what the server keeps for each.

use crate::client::Clients;
use crate::echo::check;
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
        let first = Clients::open(&self.common, 1)?;
        let (before, cpu) = (server.resident_len()?, server.cpu_seconds()?);
        let mut clients = Clients::open(&self.common, self.connections)?;
        thread::sleep(SETTLING);
        let handshake_cpu_seconds = server.cpu_seconds()? - cpu;
        let each = |len: u64| len.saturating_sub(before) as f64 / self.connections as f64;
        let fresh_len = each(server.resident_len()?);
        self.echo_once(&mut clients)?;
        thread::sleep(SETTLING);
        let used_len = each(server.resident_len()?);
        drop(first);
        Ok(Cost { connections: self.connections, handshake_cpu_seconds, fresh_len, used_len })
    }

    /// Sees that every connection is alive.
    fn echo_once(&self, clients: &mut Clients) -> Result {
        for index in 0..self.connections {
            clients.queue(index, 0, self.size);
            clients.flush(index)?;
        }
        let (mut missing, mut message) = (self.connections, Vec::new());
        while missing > 0 {
            clients.turn(|index, heard, _| {
                missing -= 1;
                check(&mut message, heard, index, 0, self.size)
            })?;
        }
        Ok(())
    }
}

/// What the server has still to do when the last answer is there.
const SETTLING: Duration = Duration::from_millis(300);
