//! A WebSocket client that obeys no rule it isn't told to.

use super::frame;
use crate::attack::{Outcome, Target, within};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// How long an answer may take, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection, after its handshake.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    /// What the server agreed to, in lower case.
    pub(crate) head: String,
}

/// How a server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By a Close with this code; 1005 if it has none.
    Close(u16),
    /// By the end of TCP, with no Close.
    Drop,
}

impl Socket {
    /// Opens a WebSocket.
    pub(crate) async fn open(target: Target, path: &str) -> Outcome<Self> {
        Self::open_with(target, path, "").await
    }

    /// The same with further header lines, each with its end.
    pub(crate) async fn open_with(target: Target, path: &str, more: &str) -> Outcome<Self> {
        let connecting = TcpStream::connect(target.address);
        Self::open_by(connecting, target, path, more).await
    }

    /// The same, but its kernel takes little of what it does not read.
    pub(crate) async fn open_narrow(target: Target, path: &str) -> Outcome<Self> {
        let connecting = async {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(4096)?;
            socket.connect(target.address).await
        };
        Self::open_by(connecting, target, path, "").await
    }

    async fn open_by(
        connecting: impl Future<Output = io::Result<TcpStream>>,
        target: Target,
        path: &str,
        more: &str,
    ) -> Outcome<Self> {
        let opening = async { Self::shake_hands(connecting.await?, target, path, more).await };
        let opened = within(PATIENCE, "the handshake", opening).await?;
        opened.map_err(|error| format!("the handshake: {error}"))
    }

    async fn shake_hands(
        mut stream: TcpStream,
        target: Target,
        path: &str,
        more: &str,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.write_all(request(target, path, more).as_bytes()).await?;
        let mut socket = Self { stream, buffer: Vec::new(), head: String::new() };
        loop {
            if let Some(end) = find(&socket.buffer, b"\r\n\r\n") {
                let rest = socket.buffer.split_off(end + 4);
                let head = std::mem::replace(&mut socket.buffer, rest);
                socket.head = String::from_utf8_lossy(&head).to_lowercase();
                if socket.head.starts_with("http/1.1 101") {
                    return Ok(socket);
                }
                let line = socket.head.lines().next().unwrap_or_default();
                return Err(io::Error::other(line.to_owned()));
            }
            if socket.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends octets as they are.
    pub(crate) async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets).await
    }

    /// Sends many octets without minding whether the server still takes them.
    pub(crate) async fn flood(&mut self, octets: &[u8], time: Duration) {
        tokio::time::timeout(time, self.stream.write_all(octets)).await.ok();
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 << 10];
        let len = self.stream.read(&mut chunk).await?;
        self.buffer.extend_from_slice(&chunk[..len]);
        Ok(len)
    }

    /// The next frame: first octet and payload. `None`: TCP has ended.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((first, header, len)) = header(&self.buffer)
                && self.buffer.len() >= header + len
            {
                let payload = self.buffer[header..header + len].to_vec();
                self.buffer.drain(..header + len);
                return Some((first, payload));
            }
            if self.fill().await.ok()? == 0 {
                return None;
            }
        }
    }

    /// The next text that has this in it; others are passed over, Engine.IO's pings answered.
    pub(crate) async fn expect(&mut self, part: &str) -> Outcome<String> {
        within(PATIENCE, part, async {
            while let Some((first, payload)) = self.next().await {
                let text = String::from_utf8_lossy(&payload).into_owned();
                if first == frame::FIN | frame::CLOSE {
                    return Err(format!("closed, waiting for {part}: {text:?}"));
                }
                if text == "2" {
                    self.send(&frame::text("3")).await.map_err(|error| error.to_string())?;
                }
                if text.contains(part) {
                    return Ok(text);
                }
            }
            Err(format!("TCP ended, waiting for {part}"))
        })
        .await?
    }

    /// How the server ends the connection, within a time.
    pub(crate) async fn end(&mut self, time: Duration) -> Outcome<End> {
        within(time, "the end of the connection", async {
            while let Some((first, payload)) = self.next().await {
                if first == frame::FIN | frame::CLOSE {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    return End::Close(code);
                }
            }
            End::Drop
        })
        .await
    }

    /// The server must end the connection with one of these codes.
    pub(crate) async fn closes(&mut self, codes: &[u16], time: Duration) -> Outcome {
        match self.end(time).await? {
            End::Close(code) if codes.contains(&code) => Ok(()),
            end => Err(format!("ended by {end:?}, not by a Close with {codes:?}")),
        }
    }

    /// TCP must end, whatever comes before.
    pub(crate) async fn ends(&mut self, time: Duration) -> Outcome {
        within(time, "the end of TCP", async { while self.next().await.is_some() {} }).await
    }
}

/// A handshake as it should be.
pub(crate) fn request(target: Target, path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n",
        target.address
    )
}

/// A server's frame header: first octet, its own length, and the payload's.
fn header(buffer: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*buffer.first()?, *buffer.get(1)?);
    match second & 0x7f {
        126 => {
            let len = u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?);
            Some((first, 4, len.into()))
        }
        127 => {
            let len = u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?);
            Some((first, 10, usize::try_from(len).ok()?))
        }
        len => Some((first, 2, len.into())),
    }
}

/// Where a part begins.
pub(crate) fn find(octets: &[u8], part: &[u8]) -> Option<usize> {
    octets.windows(part.len()).position(|window| window == part)
}
