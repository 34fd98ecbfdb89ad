//! WebTransport: the frames of Engine.IO on one stream, both ways.
//!
//! A turn is that of a WebSocket ([`super::websocket`]): first what has arrived, then what the
//! outbox has, written at once. Engine.IO alone has words for it, so this carrier reads its frames
//! itself.

mod outgoing;
#[cfg_attr(not(feature = "http3"), expect(dead_code, reason = "visitors come by HTTP/3"))]
mod visitor;

use self::outgoing::Outgoing;
#[cfg(feature = "http3")]
pub(crate) use self::visitor::Far;
pub(crate) use self::visitor::{Talk, Visitor};
use super::Place;
use super::intake::{NoRoom, Portion};
use super::reading::poll_read;
use super::stall::{self, Stall};
use super::websocket::watch::Watch;
use crate::session::cell::{Cell, Step};
use bytes::BytesMut;
use omniwire_engineio::frame;
use omniwire_session::{Detached, Message};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// As a WebSocket's: more waits where it counts against the peer's limit.
const UNWRITTEN_LEN_MAX: usize = 64 << 10;

/// Messages and bytes taken in one turn, so that one busy peer does not hold up its thread.
const MESSAGES_PER_TURN: usize = 64;
const LEN_PER_TURN: usize = 256 << 10;

/// Carries a session over a WebTransport whose first frame was read, until it ends.
pub(crate) async fn run(place: Place, talk: Talk, payload_len_max: usize) {
    let mut driver = Driver {
        place,
        talk,
        payload_len_max,
        out: Outgoing::default(),
        ended: false,
        frames: 0,
        stalled: Stall::default(),
        written: 0,
        watch: Watch::default(),
        portion: None,
    };
    let how = poll_fn(|context| driver.turn(context)).await;
    driver.cell().detach(driver.place.id, how);
    if how == Detached::Done {
        // What was written is to arrive before the session's end overtakes it.
        let close_timeout = driver.cell().terms.shared.limits.close_timeout;
        timeout(close_timeout, driver.talk.stream.shutdown()).await.ok();
    }
}

/// A connection at work.
struct Driver {
    place: Place,
    talk: Talk,
    payload_len_max: usize,
    out: Outgoing,
    /// The session has ended it: what the peer still says is not heard.
    ended: bool,
    /// How many frames have come whole.
    frames: u32,
    /// Runs while the peer takes nothing of what is written to it.
    stalled: Stall,
    /// Octets, since the beginning.
    written: u64,
    watch: Watch,
    /// Its part of what all peers have not finished.
    portion: Option<Portion>,
}

impl Driver {
    fn cell(&self) -> &Arc<Cell> {
        &self.place.cell
    }

    /// Ready when the connection is over.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<Detached> {
        if self.talk.poll_over(context).is_ready() {
            return Poll::Ready(Detached::Lost);
        }
        if self.is_blocked() {
            self.watch.look_away();
        } else if !self.ended
            && let Poll::Ready(how) = self.take_messages(context)
        {
            return Poll::Ready(how);
        }
        loop {
            self.take_output(context);
            // What the outbox still has wakes nobody.
            let may_have_more = self.out.is_full();
            match self.write(context) {
                Poll::Ready(Ok(())) if self.ended => return Poll::Ready(Detached::Done),
                Poll::Ready(Ok(())) if may_have_more => {}
                Poll::Ready(Ok(())) => {
                    self.stalled.end(&self.place.cell);
                    return Poll::Pending;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Detached::Lost),
                Poll::Pending => return self.poll_stalled(context),
            }
        }
    }

    /// A peer that says more than it takes of what it is answered is not read from until it takes
    /// some: else its own answers would make it a slow peer.
    fn is_blocked(&self) -> bool {
        self.stalled.is_running() && !self.cell().has_room(self.place.id)
    }

    /// Ready when the connection is over.
    fn take_messages(&mut self, context: &mut Context<'_>) -> Poll<Detached> {
        let (mut count, mut len) = (0, 0);
        let over = self.take_turn(context, &mut count, &mut len);
        if count > 0 {
            let counters = &self.cell().terms.shared.counters;
            counters.messages_in.fetch_add(count, Relaxed);
            counters.bytes_in.fetch_add(len as u64, Relaxed);
        }
        over
    }

    fn take_turn(
        &mut self,
        context: &mut Context<'_>,
        count: &mut u64,
        len: &mut usize,
    ) -> Poll<Detached> {
        for taken in 0..MESSAGES_PER_TURN {
            if self.cell().poll_uncongested(context).is_pending() {
                self.watch.look_away();
                return Poll::Pending;
            }
            if taken > 0 && (*len >= LEN_PER_TURN || !self.cell().outbox.has_room()) {
                break;
            }
            let message = match ready!(self.poll_message(context)) {
                Ok(message) => message,
                Err(how) => return Poll::Ready(how),
            };
            if taken == 0 {
                self.cell().heard(self.place.id);
            }
            *count = count.saturating_add(1);
            *len = len.saturating_add(message.as_bytes().len());
            // The session has said itself what becomes of this connection.
            self.cell().receive(self.place.id, message).ok();
        }
        // There may be more: let others have their turn first.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next message, or how the connection ended.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Detached>> {
        loop {
            match frame::take(self.payload_len_max, &mut self.talk.unread) {
                Ok(Some(message)) => {
                    self.frames = self.frames.wrapping_add(1);
                    return Poll::Ready(Ok(message));
                }
                Ok(None) => {}
                Err(malformed) => {
                    tracing::debug!(%malformed, "WebTransport failed");
                    return Poll::Ready(Err(Detached::Closed { code: PROTOCOL_ERROR }));
                }
            }
            match poll_read(&mut self.talk.stream, context, &mut self.talk.unread) {
                Poll::Ready(Ok(1..)) => {}
                // The client ended its side, and could not even answer a ping.
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Detached::Lost)),
                Poll::Pending => return self.watch_frame(context),
            }
        }
    }

    /// Pending, but for a frame that takes too long or too much, with which the connection ends.
    fn watch_frame(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Detached>> {
        let unfinished = (!self.talk.unread.is_empty()).then_some(self.frames);
        if unfinished.is_none() {
            (self.talk.unread, self.portion) = (BytesMut::new(), None);
        }
        if self.has_no_room() {
            tracing::debug!("all peers together have too much unfinished");
            return Poll::Ready(Err(Detached::Closed { code: TRY_AGAIN_LATER }));
        }
        let frame_timeout = self.cell().terms.shared.limits.frame_timeout;
        ready!(self.watch.poll_frame(unfinished, frame_timeout, context));
        tracing::debug!("a frame took too long");
        Poll::Ready(Err(Detached::Closed { code: PROTOCOL_ERROR }))
    }

    /// Whether all peers together have sent too much that is not complete.
    fn has_no_room(&mut self) -> bool {
        let len = self.talk.unread.len();
        if len == 0 {
            return false;
        }
        let intake = &self.place.cell.terms.shared.intake;
        self.portion.get_or_insert_with(|| intake.portion()).set(len) == Err(NoRoom)
    }

    /// Moves messages from the outbox to what is to be written.
    fn take_output(&mut self, context: &mut Context<'_>) {
        while !self.ended {
            if self.out.is_full() {
                if self.cell().poll_slow(self.place.id, context).is_ready() {
                    self.end();
                }
                return;
            }
            let (out, place) = (&mut self.out, &self.place);
            let step = place.cell.step(place.id, context, &mut |queue| {
                let (mut count, mut len) = (0_u64, 0_u64);
                while !out.is_full() {
                    let Some(frame) = VecDeque::pop_front(queue) else { break };
                    count = count.saturating_add(1);
                    len = len.saturating_add(frame.as_payload().len() as u64);
                    out.push(frame);
                }
                place.count_out(count, len);
            });
            match step {
                Step::Idle | Step::TookAll => return,
                // Engine.IO pings by itself.
                Step::Took | Step::Ping => {}
                // There is no place for a code or a reason: the session ends.
                Step::End(_) => self.end(),
            }
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.stalled.restart();
    }

    /// Writes what waits.
    fn write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(chunk) = self.out.chunk() {
            let stream = Pin::new(&mut self.talk.stream);
            let len = ready!(AsyncWrite::poll_write(stream, context, chunk))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(len);
            self.written = self.written.saturating_add(len as u64);
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the peer has taken nothing of what waits for too long.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<Detached> {
        let (unwritten, cell) = (self.out.len(), &self.place.cell);
        let limits = &cell.terms.shared.limits;
        let time = if self.ended { limits.close_timeout } else { limits.write_timeout };
        self.stalled.poll(cell, (self.written, unwritten), time, context).map(|()| {
            if !self.ended {
                stall::count_slow(cell, time, unwritten);
            }
            Detached::Lost
        })
    }
}

/// What a session is told of a connection that broke the rules of its frames: a WebSocket's code.
const PROTOCOL_ERROR: u16 = 1002;
const TRY_AGAIN_LATER: u16 = 1013;

#[cfg(test)]
mod tests;
