//! Each message comes back to the connection that sent it.

use crate::client::Clients;
use crate::window::{Figures, Window};
use crate::{Common, Failure, Result, Span, frame, payload};

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
        let mut clients = Clients::open(&self.common, self.connections)?;
        let mut expected = vec![0_u64; self.connections];
        let mut message = Vec::new();
        let mut messages = 0;
        for index in 0..self.connections {
            (0..self.depth).for_each(|sequence| clients.queue(index, sequence, self.size));
            clients.flush(index)?;
        }
        let mut window = Window::new(&self.common, &self.span);
        let mut over = false;
        // When it is over, what is under way must still come back.
        let mut under_way = self.connections as u64 * self.depth;
        while under_way > 0 {
            clients.turn(|index, heard, out| {
                let sequence = &mut expected[index];
                check(&mut message, heard, index, *sequence, self.size)?;
                messages += 1;
                if over {
                    under_way -= 1;
                } else {
                    frame::write(out, index, *sequence + self.depth, self.size);
                }
                *sequence += 1;
                Ok(())
            })?;
            over = over || window.look(messages)?;
        }
        window.into_figures().ok_or_else(|| Failure::new("it ended before it was measured"))
    }
}

/// Compares what came with what must come.
pub(crate) fn check(
    message: &mut Vec<u8>,
    heard: &[u8],
    connection: usize,
    sequence: u64,
    len: usize,
) -> Result {
    message.clear();
    payload::write(message, connection, sequence, len);
    if message == heard {
        return Ok(());
    }
    let heard = String::from_utf8_lossy(&heard[..heard.len().min(64)]);
    let message = String::from_utf8_lossy(&message[..len.min(64)]);
    Err(Failure::new(format!(
        "a message was spoiled: '{heard}...' came in place of '{message}...'"
    )))
}
