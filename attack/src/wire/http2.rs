//! HTTP/2 frames, right and wrong (RFC 9113, 6; RFC 7541).

use crate::attack::{Outcome, Target};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A header block of literals that enter no table.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name);
        string(&mut block, value);
    }
    block
}

fn string(block: &mut Vec<u8>, text: &str) {
    integer(block, 0, 7, text.len());
    block.extend_from_slice(text.as_bytes());
}

/// RFC 7541, 5.1.
pub(crate) fn integer(block: &mut Vec<u8>, first: u8, bits: u32, mut value: usize) {
    let max = (1 << bits) - 1;
    if value < max {
        block.push(first | value as u8);
        return;
    }
    block.push(first | max as u8);
    value -= max;
    while value >= 128 {
        block.push((value % 128) as u8 | 128);
        value /= 128;
    }
    block.push(value as u8);
}

/// The head of an ordinary request.
pub(crate) fn request(target: Target, method: &str, path: &str) -> Vec<u8> {
    let authority = target.address.to_string();
    let fields = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", authority.as_str()),
    ];
    block(&fields)
}

/// One connection after its preface.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
}

impl Connection {
    pub(crate) async fn open(target: Target) -> Outcome<Self> {
        let opened = async {
            let mut stream = TcpStream::connect(target.address).await?;
            stream.set_nodelay(true)?;
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
            stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
            // What was not sent yet can't be acknowledged.
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            stream.read_exact(&mut vec![0; len]).await?;
            stream.write_all(&frame(SETTINGS, 1, 0, &[])).await?;
            std::io::Result::Ok(Self { stream })
        };
        opened.await.map_err(|error| format!("HTTP/2: {error}"))
    }

    /// Sends, and reads whatever comes meanwhile, so that the server can always write. `false`:
    /// the server has ended the connection.
    pub(crate) async fn send(&mut self, octets: &[u8]) -> bool {
        let (mut reading, mut writing) = self.stream.split();
        let mut chunk = [0; 16 << 10];
        let write = writing.write_all(octets);
        tokio::pin!(write);
        loop {
            tokio::select! {
                written = &mut write => return written.is_ok(),
                read = reading.read(&mut chunk) => match read {
                    Ok(0) | Err(_) => return false,
                    Ok(_) => {}
                },
            }
        }
    }

    /// How many streams the server resets within a time, at most so many.
    pub(crate) async fn resets(&mut self, count: usize, time: Duration) -> usize {
        let (mut read, mut resets) = (Vec::new(), 0);
        let reset = async {
            while resets < count && self.stream.read_buf(&mut read).await.is_ok_and(|len| len > 0) {
                while let Some(kind) = take_frame(&mut read) {
                    resets += usize::from(kind == RST_STREAM);
                }
            }
        };
        tokio::time::timeout(time, reset).await.ok();
        resets
    }

    /// Whether the server ends the connection within a time: GOAWAY, or the end of TCP.
    pub(crate) async fn is_ended(&mut self, time: Duration) -> bool {
        let mut read = Vec::new();
        let ended = async {
            let mut chunk = [0; 16 << 10];
            loop {
                match self.stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => return,
                    Ok(len) => read.extend_from_slice(&chunk[..len]),
                }
                if has_goaway(&mut read) {
                    return;
                }
            }
        };
        tokio::time::timeout(time, ended).await.is_ok()
    }
}

fn has_goaway(read: &mut Vec<u8>) -> bool {
    while let Some(kind) = take_frame(read) {
        if kind == GOAWAY {
            return true;
        }
    }
    false
}

/// Takes a whole frame off the front, and gives its kind.
fn take_frame(read: &mut Vec<u8>) -> Option<u8> {
    let [a, b, c, kind, ..] = *read.first_chunk::<9>()?;
    let len = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
    (len <= read.len()).then(|| drop(read.drain(..len)))?;
    Some(kind)
}
