//! Each message of one member comes to all, in order.

use crate::client::Clients;
use crate::echo::check;
use crate::window::{Figures, Window};
use crate::{Common, Failure, Result, Span};

#[derive(Debug, clap::Args)]
pub(crate) struct Broadcast {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    span: Span,
    #[arg(long)]
    members: usize,
    /// Octets of one message
    #[arg(long)]
    size: usize,
}

impl Broadcast {
    /// One message is under way at a time: the next one leaves when all have it.
    pub(crate) fn run(&self) -> Result<Figures> {
        let mut clients = Clients::open(&self.common, self.members)?;
        let mut counts = vec![0_u64; self.members];
        let mut message = Vec::new();
        let mut messages = 0;
        let mut window = Window::new(&self.common, &self.span);
        for sequence in 0.. {
            clients.queue(SPEAKER, sequence, self.size);
            clients.flush(SPEAKER)?;
            let mut missing = self.members;
            while missing > 0 {
                clients.turn(|index, heard, _| {
                    check(&mut message, heard, SPEAKER, counts[index], self.size)?;
                    if counts[index] != sequence {
                        return Err(Failure::new("a message came twice"));
                    }
                    counts[index] += 1;
                    messages += 1;
                    missing -= 1;
                    Ok(())
                })?;
            }
            if window.look(messages)? {
                break;
            }
        }
        window.into_figures().ok_or_else(|| Failure::new("it ended before it was measured"))
    }
}

const SPEAKER: usize = 0;
