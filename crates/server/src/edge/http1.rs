//! HTTP/1.1 by the short way: a request that has come whole in one piece is answered without hyper.
//!
//! Hyper keeps 16 to 24 KB of buffers as long as a connection lives. Polls and event streams do
//! nothing but wait, by the ten thousand, so what waits here keeps no buffer at all. What is not
//! plainly a whole head and an ordinary request (a long body, chunks, HTTP/2, nonsense) is
//! hyper's, with the connection and all that has been read of it.

mod head;
mod reply;

use super::prefixed::Prefixed;
use super::site::{Site, Visit};
use super::written::PIECE_LEN_MAX;
use crate::carrier::reading::poll_read;
use crate::carrier::stall::Reader;
use crate::carrier::upgrade::{Socket, Upgrade};
use crate::clock;
use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use omniwire_session::limits::Limits;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// Answers requests until the connection ends, changes its protocol (`None`) or brings something
/// for hyper. The first request's head must be whole by `deadline`; each further one must have begun
/// within the limit after the last answer, and be whole within the limit after that. A head that is
/// late is answered 408 (RFC 9110, 15.5.9), which hyper does not do.
pub(super) async fn serve<S>(
    site: &Site,
    visit: &Visit,
    stream: S,
    mut deadline: Instant,
    stopped: &mut watch::Receiver<()>,
) -> Option<Prefixed<S>>
where
    S: Socket,
{
    let write_timeout = site.limits.write_timeout;
    let mut line = Line { stream, unread: Bytes::new(), write_timeout, stalled: false };
    loop {
        if line.unread.is_empty() {
            let read = std::future::poll_fn(|context| line.poll_read(context));
            let read = tokio::select! {
                read = timeout_at(deadline, read) => read,
                _ = stopped.changed() => return None,
            };
            let Ok(read) = read else {
                tracing::debug!(remote = %visit.remote, "no request in time");
                return None;
            };
            read.ok()?;
        }
        let is_ours = |path: &str| site.has_mount(path);
        let Some(whole) = head::take(&mut line.unread, &site.limits, is_ours) else {
            if !head::is_begun(&line.unread, &site.limits) {
                return Some(Prefixed::new(line.stream, line.unread));
            }
            if !visit.connection.is_greeting() {
                deadline = clock::deadline(site.limits.handshake_timeout);
            }
            let read = tokio::select! {
                read = timeout_at(deadline, line.read_head(&site.limits)) => read,
                _ = stopped.changed() => return None,
            };
            let Ok(read) = read else {
                tracing::debug!(remote = %visit.remote, "no whole request in time");
                let late = StatusCode::REQUEST_TIMEOUT.into_response();
                line.write(late, false).await.ok()?;
                line.stream.shutdown().await.ok();
                return None;
            };
            read.ok()?;
            continue;
        };
        let head::Whole { mut request, lasts, asks_for_upgrade } = whole;
        let offer = asks_for_upgrade.then(|| Upgrade::offer(request.extensions_mut()));
        let response = line.unless_gone(site.answer(visit, request)).await.ok()?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            line.write(response, true).await.ok()?;
            offer?.send(line.stream.upgraded(line.unread)).ok();
            return None;
        }
        let lasts = lasts && !reply::is_last(&response) && !stopped.has_changed().unwrap_or(true);
        let reader = Reader::of(&response, visit.remote);
        let Ok(is_whole) = line.write(response, lasts).await else {
            if line.stalled {
                reader.count_slow(&site.shared);
            }
            return None;
        };
        if !(lasts && is_whole) {
            line.stream.shutdown().await.ok();
            return None;
        }
        deadline = clock::deadline(site.limits.handshake_timeout);
    }
}

/// A connection.
struct Line<S> {
    stream: S,
    /// What has come and is not answered.
    unread: Bytes,
    write_timeout: Duration,
    /// The client has taken nothing for that long.
    stalled: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// Waits for bytes, and has no buffer until they are there. An end is an error.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = BytesMut::new();
        if ready!(poll_read(&mut self.stream, context, &mut bytes))? == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.unread = bytes.freeze();
        Poll::Ready(Ok(()))
    }

    /// Reads on until the head that has begun may be whole, or is longer than it may be. Looks at
    /// each byte once, however many come at a time.
    async fn read_head(&mut self, limits: &Limits) -> io::Result<()> {
        let mut bytes = BytesMut::from(std::mem::take(&mut self.unread));
        loop {
            let seen = bytes.len();
            let read = |context: &mut Context<'_>| poll_read(&mut self.stream, context, &mut bytes);
            if std::future::poll_fn(read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if head::may_end(&bytes, seen) || bytes.len() > limits.head_len_max {
                self.unread = bytes.freeze();
                return Ok(());
            }
        }
    }

    /// What `work` comes to, unless the client goes away before. A client that sends its next
    /// request meanwhile is watched no more: it waits its turn.
    async fn unless_gone<T>(&mut self, work: impl Future<Output = T>) -> io::Result<T> {
        let (mut work, mut has_waited) = (pin!(work), false);
        std::future::poll_fn(|context| {
            // Before the work, which may take what was kept for the client: of one that is known to
            // be gone, the next request is to bring it. Most work does not wait, and costs no look.
            if has_waited && let Poll::Ready(gone) = self.poll_gone(context) {
                return Poll::Ready(Err(gone));
            }
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            if !has_waited && let Poll::Ready(gone) = self.poll_gone(context) {
                return Poll::Ready(Err(gone));
            }
            has_waited = true;
            Poll::Pending
        })
        .await
    }

    /// Ready when the client has gone, as long as it has sent nothing more.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.unread.is_empty()
            && let Poll::Ready(Err(gone)) = self.poll_read(context)
        {
            return Poll::Ready(gone);
        }
        Poll::Pending
    }

    /// Writes a response, each piece as soon as it is there. Whether it came to its end.
    async fn write(&mut self, response: Response<Body>, lasts: bool) -> io::Result<bool> {
        let (parts, mut body) = response.into_parts();
        let (mut head, mut framing) = reply::head(&parts, &body, lasts);
        drop(parts);
        if framing.is_ended() {
            self.send(&mut head).await?;
            return Ok(true);
        }
        let mut next = body.frame().now_or_never();
        if next.is_none() {
            self.send(&mut head).await?;
        }
        loop {
            let piece = match next.take() {
                Some(piece) => piece,
                None => self.unless_gone(body.frame()).await?,
            };
            let Some(piece) = piece else { break };
            // A body that fails has no end by which the client could take it for whole.
            let data = piece.map_err(io::Error::other)?.into_data().unwrap_or_default();
            let mut space = [0; reply::SIZE_LEN_MAX];
            let (before, after) = framing.around(data.len(), &mut space)?;
            let end = if body.is_end_stream() { framing.end() } else { &[] };
            self.send(&mut (&mut head).chain(before).chain(data).chain(after).chain(end)).await?;
            if framing.is_ended() {
                return Ok(true);
            }
        }
        self.send(&mut (&mut head).chain(framing.end())).await?;
        Ok(framing.is_ended())
    }

    /// All of it in one system call, if the kernel takes it. A client that does not read is let go:
    /// each part has its time.
    async fn send(&mut self, bytes: &mut impl Buf) -> io::Result<()> {
        let mut left = bytes.remaining();
        while left > 0 {
            let goal = left.saturating_sub(PIECE_LEN_MAX);
            let sent = async {
                while bytes.remaining() > goal {
                    if self.stream.write_buf(bytes).await? == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                }
                self.stream.flush().await
            };
            timeout(self.write_timeout, sent).await.unwrap_or_else(|late| {
                self.stalled = true;
                Err(late.into())
            })?;
            left = bytes.remaining();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
