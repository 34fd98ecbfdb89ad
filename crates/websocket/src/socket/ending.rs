//! The end of a connection, after the closing handshake or instead of it
//! (RFC 6455 sections 7.1.1 and 7.1.7).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::WebSocket;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Messages may come.
    NotYet,
    /// What is queued is written, our Close last.
    Write,
    /// Our end of TCP is closed.
    Shutdown,
    /// The peer's end of TCP is awaited, its octets thrown away.
    Drain,
    Done,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// After the last message, a Close or a violation: writes our Close right away, since the
    /// caller may drop us without another call, unless the caller has its own last words.
    pub(super) fn begin_ending(&mut self, cx: &mut Context<'_>) {
        self.ending = Ending::Write;
        if self.holds_close {
            return;
        }
        // What cannot be written now, or not at all, is for `poll_end`.
        let _ = self.poll_flush(cx);
    }

    /// Goes through the end step by step, within the time limit.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.ending != Ending::Done {
            if self.poll_close_timeout(cx).is_ready() {
                break;
            }
            match ready!(self.poll_step(cx)) {
                Ok(next) => self.ending = next,
                Err(_) => self.give_up(), // the stream is broken: there is no end to wait for
            }
        }
        self.close_timer = None;
        Poll::Ready(())
    }

    /// Armed by its first call. When the time is over, the connection is given up.
    pub(super) fn poll_close_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ending == Ending::Done {
            return Poll::Pending;
        }
        let close_timeout = self.close_timeout;
        let timer = self.close_timer.get_or_insert_with(|| Box::pin(sleep(close_timeout)));
        ready!(Pin::new(timer).poll(cx));
        self.give_up();
        Poll::Ready(())
    }

    pub(super) fn give_up(&mut self) {
        self.connection.lost();
        self.close_timer = None;
        self.ending = Ending::Done;
    }

    /// Section 7.1.1: the server closes TCP first, so that it is the server who keeps the port in
    /// TIME_WAIT; a client waits for that. After a violation whoever has found it closes first
    /// (section 7.1.7), and reads on so that TCP does not reset before our Close has arrived.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<Ending>> {
        let we_close_first = self.connection.role().is_server() || self.connection.has_failed();
        Poll::Ready(Ok(match self.ending {
            Ending::NotYet | Ending::Write => {
                ready!(self.poll_flush(cx))?;
                if we_close_first { Ending::Shutdown } else { Ending::Drain }
            }
            Ending::Shutdown => {
                ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
                if self.connection.has_failed() { Ending::Drain } else { Ending::Done }
            }
            Ending::Drain => {
                ready!(self.poll_drain(cx))?;
                if we_close_first { Ending::Done } else { Ending::Shutdown }
            }
            Ending::Done => Ending::Done,
        }))
    }
}
