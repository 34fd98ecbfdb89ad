//! Answers that have to wait, without hyper: it keeps some 30 KB for a connection, most of which is
//! buffers that a poll or a stream has no use for. So the socket is taken back from it, the answer
//! is written here, and then the socket goes to hyper again. HTTP/1.1 over plain TCP only: what
//! comes by TLS, HTTP/2 or HTTP/3 stays where it is.

use super::lent::Loan;
use super::{Visit, Welcome};
use crate::edge::answers::Endless;
use crate::panics::Witness;
use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt as _;
use std::io::{self, ErrorKind, Write as _};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// An answer that is still to come.
pub(super) type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// What is needed to do without hyper for the length of an answer.
pub(super) struct Parking {
    loan: Loan,
    welcome: Arc<Welcome>,
    visit: Visit,
    stopped: watch::Receiver<()>,
    /// The client wants no other answer over this connection.
    is_last: bool,
}

impl Parking {
    /// None: the request is none that may be answered so. What has a body is still read by hyper,
    /// and what asks for another protocol gets its socket from there.
    pub(super) fn offer<B: http_body::Body>(
        request: &Request<B>,
        loan: &Loan,
        welcome: &Arc<Welcome>,
        visit: &Visit,
        stopped: &watch::Receiver<()>,
    ) -> Option<Self> {
        let headers = request.headers();
        let may = request.version() == Version::HTTP_11
            && [Method::GET, Method::POST].contains(request.method())
            && request.body().is_end_stream()
            && ![header::UPGRADE, header::EXPECT].iter().any(|name| headers.contains_key(name));
        may.then(|| Self {
            loan: loan.clone(),
            welcome: Arc::clone(welcome),
            visit: visit.clone(),
            stopped: stopped.clone(),
            is_last: says_close(headers),
        })
    }

    /// The answer, or one for hyper alone, if the socket was taken back from it.
    pub(super) async fn answer(self, mut answering: Answering) -> Response<Body> {
        let is_endless = |response: &Response<_>| response.extensions().get::<Endless>().is_some();
        let waiting = match tokio::time::timeout(PATIENCE, &mut answering).await {
            Err(_) => answering,
            Ok(response) if is_endless(&response) => Box::pin(std::future::ready(response)),
            Ok(response) => return response,
        };
        match self.loan.take() {
            Some(socket) => {
                tokio::spawn(self.go_on(socket, waiting));
                farewell()
            }
            None => waiting.await,
        }
    }

    async fn go_on(self, socket: TcpStream, answering: Answering) {
        let _witness = Witness(Arc::clone(&self.welcome.site.shared));
        let mut line = Line { socket, write_timeout: self.welcome.site.limits.write_timeout };
        let answered = match line.attend(answering).await {
            // Apart, so that what waits for an answer is the smaller.
            Ok(response) => Box::pin(self.pass_on(response, &mut line)).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(false) => {
                let Self { welcome, visit, stopped, .. } = self;
                tokio::spawn(super::receive_again(welcome, line.socket, visit, stopped));
            }
            Ok(true) => {}
            Err(error) => tracing::debug!(remote = %self.visit.remote, %error, "connection failed"),
        }
    }

    /// Writes the answer. Whether it is the last of its connection.
    async fn pass_on(&self, response: Response<Body>, line: &mut Line) -> io::Result<bool> {
        let is_last = self.is_last
            || says_close(response.headers())
            || self.stopped.has_changed().unwrap_or(true);
        line.write_response(response, is_last).await?;
        Ok(is_last)
    }
}

/// A socket that an answer is written to.
struct Line {
    socket: TcpStream,
    write_timeout: Duration,
}

impl Line {
    /// What comes of this, unless the client goes away first.
    async fn attend<T>(&self, what: impl Future<Output = T>) -> io::Result<T> {
        let mut what = pin!(what);
        let mut octet = [0];
        tokio::select! {
            biased;
            outcome = &mut what => return Ok(outcome),
            len = self.socket.peek(&mut octet) => {
                if len? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
        }
        // It has sent its next request already, which waits; so its end can't be seen.
        Ok(what.await)
    }

    async fn write_response(&mut self, response: Response<Body>, is_last: bool) -> io::Result<()> {
        let (head, mut body) = response.into_parts();
        let len = http_body::Body::size_hint(&body).exact();
        let is_chunked = len.is_none();
        let mut out = head_of(&head, len, is_last);
        let mut ended = false;
        while !ended {
            if out.is_empty() {
                let data = self.attend(next(&mut body)).await??;
                ended = append(&mut out, data, is_chunked);
            }
            // What else is there goes along.
            while !ended
                && out.len() < GATHERED_LEN_MAX
                && let Some(data) = next(&mut body).now_or_never()
            {
                ended = append(&mut out, data?, is_chunked);
            }
            self.write(&std::mem::take(&mut out)).await?;
        }
        Ok(())
    }

    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let written = self.socket.write_all(octets);
        tokio::time::timeout(self.write_timeout, written).await.map_err(io::Error::from)?
    }
}

/// More of a body; none if that was all.
async fn next(body: &mut Body) -> io::Result<Option<Bytes>> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Appends a piece of a body, or its end. Whether it was that.
fn append(out: &mut Vec<u8>, data: Option<Bytes>, is_chunked: bool) -> bool {
    match data {
        Some(data) if is_chunked && !data.is_empty() => {
            // RFC 9112, 7.1. Writing to memory does not fail.
            write!(out, "{:x}\r\n", data.len()).ok();
            out.extend_from_slice(&data);
            out.extend_from_slice(b"\r\n");
            false
        }
        Some(data) => {
            out.extend_from_slice(&data);
            false
        }
        None => {
            if is_chunked {
                out.extend_from_slice(b"0\r\n\r\n");
            }
            true
        }
    }
}

/// RFC 9112, 4 to 6.
fn head_of(head: &Parts, len: Option<u64>, is_last: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let reason = head.status.canonical_reason().unwrap_or_default();
    write!(out, "HTTP/1.1 {} {reason}\r\n", head.status.as_str()).ok();
    for (name, value) in &head.headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let has = |name| head.headers.contains_key(name);
    if !has(header::DATE) {
        write!(out, "date: {}\r\n", httpdate::fmt_http_date(SystemTime::now())).ok();
    }
    match len {
        None => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Some(_) if has(header::CONTENT_LENGTH) || is_bodiless(head.status) => {}
        Some(len) => {
            write!(out, "content-length: {len}\r\n").ok();
        }
    }
    if is_last && !has(header::CONNECTION) {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// RFC 9110, 8.6.
fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn says_close(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONNECTION).iter();
    let options = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    options.into_iter().any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// What hyper is told, and nobody hears, so that it ends.
fn farewell() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// How long an answer may take before hyper is done without: to begin anew with it costs more
/// than it does to wait a little.
const PATIENCE: Duration = Duration::from_millis(250);

/// So much leaves in one write, unless one piece is larger.
const GATHERED_LEN_MAX: usize = 64 << 10;
