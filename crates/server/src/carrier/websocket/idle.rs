//! Connections on which nothing is under way: what is kept of them, and how one message leaves
//! on one without waking all of what carries a busy one. So most messages of rooms leave.

use super::watch::Bucket;
use crate::carrier::Place;
use crate::carrier::upgrade::Stream;
use crate::panics;
use crate::session::cell::Step;
use bytes::Bytes;
use omniwire_session::Frame;
use omniwire_websocket::deflate::Agreed;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

#[cfg(unix)]
use crate::carrier::engine::Socket;

/// What carries frames.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin {
    /// Whether it knows, without asking the system, that nothing has come, and that it takes what
    /// is written.
    fn only_writes(&self) -> bool {
        false
    }
}

impl Io for Box<dyn Stream> {}

#[cfg(not(unix))]
impl Io for tokio::net::TcpStream {}

#[cfg(unix)]
impl Io for Socket {
    fn only_writes(&self) -> bool {
        self.only_writes()
    }
}

/// A connection on which nothing is under way.
pub(super) struct Idle<S> {
    pub(super) place: Place,
    pub(super) io: S,
    pub(super) own: Option<Box<Own>>,
}

/// What few connections have, besides what the mount says of all.
#[derive(Default)]
pub(super) struct Own {
    /// What the handshake agreed on.
    pub(super) deflate: Option<Agreed>,
    /// Pings and Pongs that have come.
    pub(super) controls: Bucket,
}

/// What a wake-up has come to.
pub(super) enum Passed {
    /// There is no more to do.
    All,
    /// It takes a driver to go on: to write this first, then to do this.
    Some(Bytes, Step),
    /// Ours, or the application's; it is counted.
    Panicked,
}

impl<S: Io> Idle<S> {
    /// Passes on the one message that has come for the peer, if this is all there is to do.
    pub(super) fn pass(&mut self, context: &mut Context<'_>) -> Passed {
        let compresses = self.own.as_ref().is_some_and(|own| own.deflate.is_some());
        if compresses || !self.io.only_writes() {
            return Passed::Some(Bytes::new(), Step::Took);
        }
        let Self { place, io, .. } = self;
        let counters = &place.cell.terms.shared.counters;
        let passed = panics::contain(counters, || pass_frame(place, Pin::new(io), context));
        passed.unwrap_or(Passed::Panicked)
    }
}

fn pass_frame<S: Io>(place: &Place, io: Pin<&mut S>, context: &mut Context<'_>) -> Passed {
    let mut frame = None;
    let step = place.cell.step(place.id, context, &mut |queue: &mut VecDeque<Frame>| {
        if queue.len() == 1 {
            frame = queue.pop_front();
        }
    });
    let Some(frame) = frame else {
        return match step {
            Step::Idle => Passed::All,
            step => Passed::Some(Bytes::new(), step),
        };
    };
    place.count_out(1, frame.as_payload().len() as u64);
    let octets = frame.as_websocket();
    if !matches!(step, Step::TookAll) {
        // What follows may leave with it.
        return Passed::Some(octets.clone(), step);
    }
    match io.poll_write(context, octets) {
        Poll::Ready(Ok(written)) if written == octets.len() => Passed::All,
        Poll::Ready(Ok(written)) => Passed::Some(octets.slice(written..), step),
        // A driver meets the error again, and knows what it means.
        Poll::Ready(Err(_)) | Poll::Pending => Passed::Some(octets.clone(), step),
    }
}
