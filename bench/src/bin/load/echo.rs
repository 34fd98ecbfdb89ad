//! Each message comes back to the connection that sent it.

use crate::client::{Clients, Heard};
use crate::payload::{Label, Payloads};
use crate::protocol::To;
use crate::window::{Figures, Window};
use crate::{Common, Failure, Result, Span};

#[derive(Debug, clap::Args)]
pub(crate) struct Echo {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    span: Span,
    #[arg(long)]
    connections: usize,
    /// Messages under way on each connection
    #[arg(long)]
    depth: u64,
    /// Octets of one message
    #[arg(long)]
    size: usize,
}

impl Echo {
    pub(crate) fn run(&self) -> Result<Figures> {
        let payloads = Payloads::new(self.size);
        let mut clients = Clients::open(&self.common, self.connections, self.size, "")?;
        let mut expected = vec![0_u64; self.connections];
        let mut messages = 0;
        for sender in 0..self.connections {
            let protocol = clients.protocol(sender);
            for sequence in 0..self.depth {
                protocol.write(
                    clients.out(sender),
                    To::Echo,
                    &payloads,
                    Label { sender, sequence },
                );
            }
            clients.flush(sender)?;
        }
        let mut window = Window::new(self.common.pid, &self.span);
        let mut over = false;
        // When it is over, what is under way must still come back.
        let mut under_way = self.connections as u64 * self.depth;
        while under_way > 0 {
            clients.turn(|heard, out| {
                let label = Label { sender: heard.index, sequence: expected[heard.index] };
                check(&payloads, &heard, label)?;
                messages += 1;
                if over {
                    under_way -= 1;
                } else {
                    let sequence = label.sequence + self.depth;
                    heard.protocol.write(out, To::Echo, &payloads, Label { sequence, ..label });
                }
                expected[heard.index] += 1;
                Ok(())
            })?;
            over = over || window.look(messages, clients.traffic)?;
        }
        window.into_figures()
    }
}

/// Compares what came with what must come.
pub(crate) fn check(payloads: &Payloads, heard: &Heard<'_>, label: Label) -> Result {
    let around = heard.protocol.hears(To::Echo, label.sequence, payloads.len());
    match around.strip(heard.unit) {
        Some(message) if payloads.is(message, label) => Ok(()),
        _ => Err(spoiled(heard.unit, label)),
    }
}

pub(crate) fn spoiled(unit: &[u8], label: Label) -> Failure {
    let unit = String::from_utf8_lossy(&unit[..unit.len().min(100)]);
    Failure::new(format!("a message was spoiled: {unit:?} came in place of {label:?}"))
}
