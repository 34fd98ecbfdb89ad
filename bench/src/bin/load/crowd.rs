//! One worker of many: its share of very many connections, which it holds until it is told to end.
//! It prints `opened N` as it goes. Then each line of standard input is an order, and each answer a
//! line: `ping` asks a sample whether it lives, `say` is a message to all of the room.

use crate::client::Clients;
use crate::frame::{self, PING, PONG};
use crate::payload::{Label, Payloads};
use crate::protocol::To;
use crate::{Common, Failure, Result};
use serde::Serialize;
use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct Crowd {
    #[command(flatten)]
    common: Common,
    #[arg(long)]
    connections: usize,
    /// Connections that are asked whether they live
    #[arg(long, default_value_t = 100)]
    sample: usize,
}

/// What the last line says.
#[derive(Debug, Serialize)]
pub(crate) struct Said {
    connections: usize,
}

impl Crowd {
    pub(crate) fn run(&self) -> Result<Said> {
        let mut clients = Clients::none(0)?;
        while clients.len() < self.connections {
            let count = STEP.min(self.connections - clients.len());
            clients.add(&self.common, count, "")?;
            // The server may have asked whether the first ones live. All that it asked is answered:
            // each new connection is news too, behind which its questions would wait for ever.
            while clients.wait(Duration::ZERO, |_, _| Ok(()))? {}
            answer(&format!("opened {}", clients.len()))?;
        }
        let orders = orders();
        loop {
            match orders.try_recv() {
                Ok(order) if order == "ping" => self.ping(&mut clients)?,
                Ok(order) if order == "say" => self.say(&mut clients)?,
                Ok(order) => return Err(Failure::new(format!("an unknown order: {order}"))),
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => drop(clients.wait(PAUSE, |_, _| Ok(()))?),
            }
        }
        Ok(Said { connections: clients.len() })
    }

    fn ping(&self, clients: &mut Clients) -> Result {
        let step = clients.len().div_ceil(self.sample).max(1);
        let mut waiting = vec![false; clients.len()];
        for index in (0..clients.len()).step_by(step) {
            let text = index.to_string();
            frame::write(clients.out(index), PING, text.len(), |out| out.extend(text.bytes()));
            clients.flush(index)?;
            waiting[index] = true;
        }
        let asked = waiting.iter().filter(|waits| **waits).count();
        let mut missing = asked;
        let deadline = Instant::now() + ANSWER_TIME_MAX;
        while missing > 0 && Instant::now() < deadline {
            let _ = clients.wait(PAUSE, |heard, _| {
                let is_own = heard.unit == heard.index.to_string().as_bytes();
                if heard.first == PONG && is_own && waiting[heard.index] {
                    waiting[heard.index] = false;
                    missing -= 1;
                }
                Ok(())
            })?;
        }
        answer(&format!("alive {} of {asked}", asked - missing))
    }

    /// One member says something; all must hear it, each once.
    fn say(&self, clients: &mut Clients) -> Result {
        let (payloads, label) = (Payloads::new(128), Label { sender: 0, sequence: 0 });
        let protocol = clients.protocol(0);
        protocol.write(clients.out(0), To::Room, &payloads, label);
        clients.flush(0)?;
        let (begun, all) = (Instant::now(), clients.len());
        let mut heard_by = vec![false; all];
        let mut missing = all;
        while missing > 0 && begun.elapsed() < ANSWER_TIME_MAX {
            let _ = clients.wait(PAUSE, |heard, _| {
                let around = heard.protocol.hears(To::Room, 0, payloads.len());
                let message = around.strip(heard.unit);
                if heard_by[heard.index] || !message.is_some_and(|it| payloads.is(it, label)) {
                    return Err(Failure::new("a message came twice, or was spoiled"));
                }
                heard_by[heard.index] = true;
                missing -= 1;
                Ok(())
            })?;
        }
        let milliseconds = begun.elapsed().as_millis();
        answer(&format!("heard {} of {all} in {milliseconds} ms", all - missing))
    }
}

fn answer(line: &str) -> Result {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Failure::at("standard output"))
}

/// The lines of standard input, until it is closed.
fn orders() -> Receiver<String> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(io::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Connections between two reports. Few enough that a busy machine opens them well within the
/// time that a server gives its pings.
const STEP: usize = 100;

/// It must not take the processor from those that still open theirs.
const PAUSE: Duration = Duration::from_millis(50);

const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
