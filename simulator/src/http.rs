//! Requests of HTTP/1.1, as a browser makes them: one at a time on a connection that is kept.

use crate::dial::{Dial, Stream};
use bytes::{Buf, BytesMut};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// One client's connection for requests; opened when it is needed.
pub struct Http {
    dial: Arc<dyn Dial>,
    open: Option<Box<dyn Stream>>,
    read: BytesMut,
    rest: Rest,
}

/// What of the body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    Len(usize),
    Chunks,
    All,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// GET, POST or DELETE.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Further lines of the head, each ended by CR LF.
    pub headers: &'a str,
    /// The body.
    pub body: &'a str,
}

impl<'a> Request<'a> {
    /// A GET.
    pub fn get(target: &'a str) -> Self {
        Self { method: "GET", target, headers: "", body: "" }
    }

    /// A POST.
    pub fn post(target: &'a str, body: &'a str) -> Self {
        Self { method: "POST", target, headers: "Content-Type: text/plain\r\n", body }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("rest", &self.rest).finish_non_exhaustive()
    }
}

impl Http {
    /// No connection yet.
    pub fn new(dial: &Arc<dyn Dial>) -> Self {
        let dial = Arc::clone(dial);
        Self { dial, open: None, read: BytesMut::new(), rest: Rest::Nothing }
    }

    /// Makes a request, and gives the status of the answer and all of its body.
    pub async fn ask(&mut self, request: Request<'_>) -> io::Result<(u16, String)> {
        let status = self.start(request).await?;
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
        }
        String::from_utf8(body).map(|body| (status, body)).map_err(|_| bad("not UTF-8"))
    }

    /// Makes a request, and gives the status of the answer, whose body is still to come.
    pub async fn start(&mut self, request: Request<'_>) -> io::Result<u16> {
        if self.open.is_none() || self.rest != Rest::Nothing {
            self.read.clear();
            self.open = Some(self.dial.dial().await?);
        }
        let Request { method, target, headers, body } = request;
        let len = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: simulator\r\nContent-Length: {len}\r\n{headers}\r\n"
        );
        let stream = self.open.as_mut().ok_or_else(|| bad("no connection"))?;
        stream.write_all((head + body).as_bytes()).await?;
        let (status, rest) = loop {
            if let Some(head) = read_head(&mut self.read)? {
                break head;
            }
            self.more().await?;
        };
        self.rest = rest;
        Ok(status)
    }

    /// More of the body; `None` at its end.
    pub async fn piece(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            match self.rest {
                Rest::Nothing | Rest::Len(0) => {
                    self.rest = Rest::Nothing;
                    return Ok(None);
                }
                Rest::Len(len) if !self.read.is_empty() => {
                    let piece = self.read.split_to(len.min(self.read.len()));
                    self.rest = Rest::Len(len - piece.len());
                    return Ok(Some(piece));
                }
                Rest::All if !self.read.is_empty() => return Ok(Some(self.read.split())),
                Rest::Chunks => match take_chunk(&mut self.read)? {
                    Some(chunk) if chunk.is_empty() => self.rest = Rest::Nothing,
                    Some(chunk) => return Ok(Some(chunk)),
                    None => self.more().await?,
                },
                Rest::Len(_) | Rest::All => self.more().await?,
            }
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let stream = self.open.as_mut().ok_or_else(|| bad("no connection"))?;
        match stream.read_buf(&mut self.read).await {
            Ok(0) => {
                self.open = None;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                self.open = None;
                Err(error)
            }
        }
    }
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The status and what follows, once the whole head has come.
fn read_head(read: &mut BytesMut) -> io::Result<Option<(u16, Rest)>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut fields);
    let parsed = answer.parse(read).map_err(|_| bad("no answer of HTTP/1.1"))?;
    let httparse::Status::Complete(len) = parsed else { return Ok(None) };
    let status = answer.code.unwrap_or_default();
    let field = |name: &str| {
        let found = answer.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        found.and_then(|field| std::str::from_utf8(field.value).ok())
    };
    let rest = match (field("transfer-encoding"), field("content-length")) {
        _ if matches!(status, 204 | 304) => Rest::Nothing,
        (Some(_), _) => Rest::Chunks,
        (None, Some(len)) => Rest::Len(len.parse().map_err(|_| bad("no length"))?),
        (None, None) => Rest::All,
    };
    read.advance(len);
    Ok(Some((status, rest)))
}

/// A whole chunk; the last one is empty.
fn take_chunk(read: &mut BytesMut) -> io::Result<Option<BytesMut>> {
    let parsed = httparse::parse_chunk_size(read).map_err(|_| bad("no chunk"))?;
    let httparse::Status::Complete((start, len)) = parsed else { return Ok(None) };
    let len = usize::try_from(len).map_err(|_| bad("no chunk"))?;
    if read.len() < start + len + 2 {
        return Ok(None);
    }
    read.advance(start);
    let chunk = read.split_to(len);
    read.advance(2);
    Ok(Some(chunk))
}
