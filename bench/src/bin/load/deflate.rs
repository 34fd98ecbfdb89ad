//! Compressed JSON comes back compressed: each message by itself, without context takeover.

use crate::client::{Clients, Heard};
use crate::frame::{self, COMPRESSED, TEXT};
use crate::window::{Figures, Window};
use crate::{Common, Failure, Result, Span};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::fmt::Write;

#[derive(Debug, clap::Args)]
pub(crate) struct Deflate {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    span: Span,
    #[arg(long)]
    connections: usize,
    /// Messages under way on each connection
    #[arg(long)]
    depth: usize,
    /// Octets of one message, about
    #[arg(long)]
    size: usize,
}

/// A message and its compressed form.
struct Sample {
    json: Vec<u8>,
    deflated: Vec<u8>,
}

impl Deflate {
    pub(crate) fn run(&self) -> Result<Figures> {
        let samples: Vec<_> = (0..SAMPLES).map(|number| Sample::new(number, self.size)).collect();
        // A prime step, so that neighbours never say the same.
        let sample = |index: usize, sequence: usize| &samples[(index * 7 + sequence) % SAMPLES];
        let mut clients = Clients::open(&self.common, self.connections, 0, OFFER)?;
        let mut expected = vec![0_usize; self.connections];
        let (mut messages, mut content_len) = (0, 0);
        for index in 0..self.connections {
            for sequence in 0..self.depth {
                sample(index, sequence).write(clients.out(index));
            }
            clients.flush(index)?;
        }
        let mut window = Window::new(self.common.pid, &self.span);
        let mut inflater = Decompress::new(false);
        let (mut over, mut under_way) = (false, self.connections * self.depth);
        while under_way > 0 {
            clients.turn(|heard, out| {
                let sequence = expected[heard.index];
                let wanted = sample(heard.index, sequence);
                check(&mut inflater, &heard, wanted)?;
                messages += 1;
                content_len += wanted.json.len() as u64;
                expected[heard.index] += 1;
                if over {
                    under_way -= 1;
                } else {
                    sample(heard.index, sequence + self.depth).write(out);
                }
                Ok(())
            })?;
            let mut traffic = clients.traffic;
            traffic.content_len = content_len;
            over = over || window.look(messages, traffic)?;
        }
        window.into_figures()
    }
}

impl Sample {
    /// A list of things as an application would say it.
    fn new(number: usize, len: usize) -> Self {
        let mut json = format!("{{\"channel\":\"prices\",\"sequence\":{number},\"quotes\":[");
        for item in 0.. {
            if json.len() + 90 > len {
                break;
            }
            let seed = (number * 31 + item) * 2_654_435_761 % 1_000_000;
            let (symbol, price) = (seed % 97, seed as f64 / 100.0);
            let separator = if item == 0 { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(
                json,
                "{separator}{{\"id\":{seed},\"symbol\":\"SYM{symbol:02}\",\"price\":{price:.2},\
                 \"up\":{}}}",
                seed.is_multiple_of(2)
            );
        }
        json += "]}";
        let json = json.into_bytes();
        let deflated = deflate(&json);
        Self { json, deflated }
    }

    fn write(&self, out: &mut Vec<u8>) {
        frame::write(out, TEXT | COMPRESSED, self.deflated.len(), |out| {
            out.extend_from_slice(&self.deflated);
        });
    }
}

/// As RFC 7692, 7.2.1 says: to a flush, without its last four octets.
fn deflate(octets: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(octets.len() + 64);
    let mut deflater = Compress::new(Compression::default(), false);
    deflater
        .compress_vec(octets, &mut deflated, FlushCompress::Sync)
        .expect("the buffer has room for all");
    let end = deflated.len() - TAIL.len();
    deflated.truncate(end);
    deflated
}

/// Compares what came, inflated if it is compressed, with what must come.
fn check(inflater: &mut Decompress, heard: &Heard<'_>, wanted: &Sample) -> Result {
    if heard.first & COMPRESSED == 0 {
        if heard.unit == wanted.json {
            return Ok(());
        }
        return Err(Failure::new("a message was spoiled"));
    }
    inflater.reset(false);
    let mut inflated = Vec::with_capacity(wanted.json.len() + 64);
    for piece in [heard.unit, TAIL] {
        inflater
            .decompress_vec(piece, &mut inflated, FlushDecompress::Sync)
            .map_err(Failure::at("inflating"))?;
    }
    if inflated == wanted.json {
        return Ok(());
    }
    Err(Failure::new("a compressed message was spoiled"))
}

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; \
    server_no_context_takeover; client_no_context_takeover\r\n";

/// The end of a flush, which is not sent.
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

const SAMPLES: usize = 251;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;

    #[test]
    fn what_was_deflated_is_inflated_and_a_wrong_octet_is_noticed() {
        let (one, other) = (Sample::new(1, 1024), Sample::new(2, 1024));
        assert!((800..=1024).contains(&one.json.len()));
        assert!(one.deflated.len() < one.json.len() / 2);
        let mut inflater = Decompress::new(false);
        let heard = |first, unit| Heard { index: 0, protocol: Protocol::Websocket, first, unit };
        let compressed = heard(TEXT | COMPRESSED, &one.deflated[..]);
        check(&mut inflater, &compressed, &one).unwrap();
        check(&mut inflater, &heard(TEXT, &one.json), &one).unwrap();
        assert!(check(&mut inflater, &compressed, &other).is_err());
        assert!(check(&mut inflater, &heard(TEXT, &other.json), &one).is_err());
    }
}
