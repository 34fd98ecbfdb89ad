//! Answers that hyper writes, and that are given up if their client takes nothing of them.
//!
//! Hyper has no time limit for that. But it asks a body for its next piece only when the one before
//! has found its place: in the window of the stream (HTTP/2), or in a buffer before the socket
//! (HTTP/1.1). So as long as it does not ask, nothing is taken.
//!
//! What a WebSocket says over HTTP/2 is written by another future of hyper's. The carrier finds out
//! by itself that nothing of it is taken; when it is gone, that future must go too.

use crate::carrier::stall::Reader;
use crate::carrier::tunnel::{Tie, Tied};
use crate::server::Shared;
use axum::body::Body;
use bytes::Bytes;
use http::{Extensions, Response};
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::task::{Context, Poll, ready};
use tokio::time::Sleep;

/// Of an answer's pieces none is longer, so that a client which takes a long one slowly is seen to.
pub(super) const PIECE_LEN_MAX: usize = 16 << 10;

thread_local! {
    /// What the future writes that this thread polls.
    static WRITING: RefCell<Option<Arc<Mutex<Writing>>>> = const { RefCell::new(None) };
}

/// What is known of the answer that a future writes.
#[derive(Debug, Default)]
struct Writing {
    /// Pieces that the body has given.
    count: u64,
    /// The last of them has not found its place.
    waits: bool,
    /// Who gets them.
    reader: Option<Reader>,
    /// It lets a WebSocket in: for the future that is to write what that says.
    tied: Option<Tied>,
}

impl Writing {
    /// The number of the piece that has not found its place.
    fn waiting(&self) -> Option<u64> {
        self.waits.then_some(self.count)
    }
}

/// Runs hyper's futures: one for each stream of HTTP/2.
#[derive(Debug, Clone)]
pub(super) struct Executor(pub(super) Arc<Shared>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        let mut written = Written::new(&self.0, future);
        // A future spawned by one that lets a WebSocket in.
        written.tied = WRITING.with_borrow(|writing| writing.as_ref()?.lock().tied.take());
        tokio::spawn(written);
    }
}

pin_project! {
    /// A future in which hyper writes answers. It is over when it is done, or (`None`) when a
    /// client has taken nothing of one for too long, or not in time the last words of a WebSocket:
    /// what it holds is to be dropped then, which resets the stream or ends the connection.
    pub(super) struct Written<F> {
        #[pin]
        future: F,
        shared: Arc<Shared>,
        writing: Arc<Mutex<Writing>>,
        // Runs while a piece waits: the one with this number.
        stall: Option<(u64, Pin<Box<Sleep>>)>,
        // Until the WebSocket is gone that says what is written.
        tied: Option<Tied>,
        // It is gone.
        leaving: bool,
    }
}

impl<F> Written<F> {
    pub(super) fn new(shared: &Arc<Shared>, future: F) -> Self {
        let (shared, writing) = (Arc::clone(shared), Arc::default());
        Self { future, shared, writing, stall: None, tied: None, leaving: false }
    }
}

impl<F: Future> Future for Written<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let before = WRITING.replace(Some(Arc::clone(this.writing)));
        let polled = this.future.poll(context);
        WRITING.set(before);
        if let Poll::Ready(done) = polled {
            return Poll::Ready(Some(done));
        }
        if let Some(Tied { orderly, gone }) = this.tied
            && Pin::new(gone).poll(context).is_ready()
        {
            if !orderly.load(Acquire) {
                return Poll::Ready(None);
            }
            (*this.tied, *this.leaving) = (None, true);
        }
        let waiting = if *this.leaving { Some(0) } else { this.writing.lock().waiting() };
        let Some(waiting) = waiting else {
            *this.stall = None;
            return Poll::Pending;
        };
        let stall = this.stall.take().filter(|(stalled, _)| *stalled == waiting);
        let timeout = this.shared.limits.write_timeout;
        let stall = stall.unwrap_or_else(|| (waiting, Box::pin(tokio::time::sleep(timeout))));
        ready!(this.stall.insert(stall).1.as_mut().poll(context));
        if let Some(reader) = this.writing.lock().reader.take() {
            reader.count_slow(this.shared);
        }
        Poll::Ready(None)
    }
}

/// Has the future that writes what a WebSocket says end with whoever takes over the stream of the
/// request with these extensions, which is answered in the [`Written`] that is being polled.
pub(super) fn tie(extensions: &mut Extensions) {
    if let Some(writing) = WRITING.with_borrow(Clone::clone) {
        writing.lock().tied = Some(Tie::offer(extensions));
    }
}

/// Has it watched whether its client takes the response that is written in the [`Written`] that is
/// being polled.
pub(super) fn watch(response: Response<Body>, reader: Reader) -> Response<Body> {
    let Some(writing) = WRITING.with_borrow(Clone::clone) else { return response };
    if response.body().is_end_stream() {
        return response;
    }
    *writing.lock() = Writing { reader: Some(reader), ..Writing::default() };
    response.map(|body| Body::new(Watched { body, rest: Bytes::new(), writing }))
}

/// A body in pieces that are not too long.
struct Watched {
    body: Body,
    /// What is left of a longer one.
    rest: Bytes,
    writing: Arc<Mutex<Writing>>,
}

impl Watched {
    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_LEN_MAX));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let piece = self.poll_piece(context);
        let mut writing = self.writing.lock();
        writing.waits = matches!(&piece, Poll::Ready(Some(Ok(_))));
        writing.count = writing.count.saturating_add(u64::from(writing.waits));
        drop(writing);
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.writing.lock().waits = false;
    }
}

#[cfg(test)]
mod tests;
