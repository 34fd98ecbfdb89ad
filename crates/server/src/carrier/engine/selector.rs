//! The system's list of sockets that have news, itself watched by the runtime.

use super::socket::{Readiness, Socket};
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use std::io;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// So many sockets may have news in one call.
const EVENTS_MAX: usize = 1024;

pub(super) struct Selector {
    poll: AsyncFd<mio::Poll>,
    events: Events,
    /// The last call gave as much as it could.
    more: bool,
}

impl Selector {
    pub(super) fn new() -> io::Result<Self> {
        #[expect(deprecated, reason = "what replaces it is unsafe; a Poll keeps its descriptor")]
        let poll = AsyncFd::with_interest(mio::Poll::new()?, tokio::io::Interest::READABLE)?;
        Ok(Self { poll, events: Events::with_capacity(EVENTS_MAX), more: false })
    }

    /// Watches a socket until it is closed. Its news is told with this number.
    pub(super) fn add(&self, socket: &Socket, place: usize) -> io::Result<()> {
        let registry = self.poll.get_ref().registry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut SourceFd(&socket.as_raw_fd()), Token(place), interest)
    }

    /// Ready when there may be news; [`Selector::select`] must follow.
    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.more {
            return Poll::Ready(());
        }
        match std::task::ready!(self.poll.poll_read_ready(context)) {
            Ok(mut guard) => {
                // Before the look, so that what comes after it is told anew.
                guard.clear_ready();
                Poll::Ready(())
            }
            // The runtime ends, and drops us.
            Err(_) => Poll::Pending,
        }
    }

    /// Tells what news there is, without waiting.
    pub(super) fn select(&mut self, mut tell: impl FnMut(usize, Readiness)) -> io::Result<()> {
        let polled = self.poll.get_mut().poll(&mut self.events, Some(Duration::ZERO));
        if let Err(error) = polled {
            self.more = error.kind() == io::ErrorKind::Interrupted;
            return if self.more { Ok(()) } else { Err(error) };
        }
        let mut count: usize = 0;
        for event in &self.events {
            count = count.saturating_add(1);
            let failed = event.is_error();
            let readiness = Readiness {
                read: event.is_readable() || failed,
                write: event.is_writable() || failed,
                read_closed: event.is_read_closed() || failed,
                failed,
            };
            tell(event.token().0, readiness);
        }
        self.more = count == EVENTS_MAX;
        Ok(())
    }
}
