//! WebSocket: messages both ways.
//!
//! Each turn of [`Driver::poll`] first takes every message that has arrived, whose handlers run
//! up to their first wait, then moves what the outbox has to the socket and writes it at once:
//! all output of a turn leaves in one write.

mod idle;
pub(super) mod watch;

use self::idle::{Idle, Io, Own, Passed};
use self::watch::Watch;
use super::Place;
#[cfg(unix)]
use super::engine::{Socket, Work};
use super::intake::{NoRoom, Portion};
use super::stall::{self, Stall};
use super::upgrade::{Upgrade, Upgraded};
use crate::edge::crowd::Connection;
use crate::panics;
use crate::session::cell::{Cell, Step};
use bytes::Bytes;
use omniwire_session::{ByteString, Detached, Ending, Message as Given};
use omniwire_websocket::deflate::Agreed;
use omniwire_websocket::{CloseCode, CloseFrame, Error, Message, Role, WebSocket};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;

/// The socket takes no more from the outbox while this much is unwritten: what waits longer
/// must wait where it counts against the peer's limit.
const UNWRITTEN_LEN_MAX: usize = 64 << 10;

/// Messages taken in one turn, so that one busy peer does not hold up its thread.
const MESSAGES_PER_TURN: usize = 64;

/// The same in bytes, after decompression.
const LEN_PER_TURN: u64 = 256 << 10;

/// Carries a session over a WebSocket whose handshake was answered, until it ends. So long the
/// `connection` counts, which may be that of many streams.
pub(crate) async fn run(
    place: Place,
    upgrade: Upgrade,
    deflate: Option<Agreed>,
    connection: Option<Arc<Connection>>,
) {
    match upgrade.wait().await {
        Ok(Upgraded::Tcp(io, read)) => {
            let count = connection.and_then(|connection| connection.take_count());
            drive_tcp(place.counted(count), io, read, deflate);
        }
        Ok(Upgraded::Other(io, read)) => drive(place, io, read, deflate, connection),
        Err(error) => tracing::debug!(%error, "no WebSocket came of a handshake"),
    }
}

/// By an engine of this runtime, without a task.
#[cfg(unix)]
fn drive_tcp(place: Place, io: TcpStream, leftover: Bytes, deflate: Option<Agreed>) {
    let shared = Arc::clone(&place.cell.terms.shared);
    let driven = shared.engines.drive(io, |socket| Carried::new(place, socket, leftover, deflate));
    if let Err(error) = driven {
        tracing::warn!(%error, "a WebSocket can't be driven");
    }
}

#[cfg(not(unix))]
fn drive_tcp(place: Place, io: TcpStream, leftover: Bytes, deflate: Option<Agreed>) {
    drive(place, io, leftover, deflate, None);
}

/// In a task of its own: what led here, which is larger, leaves no memory behind.
fn drive<S>(
    place: Place,
    io: S,
    leftover: Bytes,
    deflate: Option<Agreed>,
    connection: Option<Arc<Connection>>,
) where
    S: Io + Send + 'static,
{
    if let Ok(carried) = Carried::new(place, io, leftover, deflate) {
        tokio::spawn(async move {
            let _counted = connection;
            carried.await;
        });
    }
}

/// Moves messages between one WebSocket and its session. Most connections say nothing most of
/// the time: of these it keeps no more than it takes to go on.
pub(crate) struct Carried<S>(State<S>);

enum State<S> {
    Busy(Box<Driver<S>>),
    Idle(Idle<S>),
    Over,
}

impl<S: Io> Carried<S> {
    fn new(place: Place, io: S, leftover: Bytes, deflate: Option<Agreed>) -> io::Result<Self> {
        let own = deflate.map(|agreed| Own { deflate: Some(agreed), ..Own::default() });
        let driver = Driver::new(Idle { place, io, own: own.map(Box::new) }, leftover)?;
        Ok(Self(State::Busy(Box::new(driver))))
    }
}

impl<S: Io> Future for Carried<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let carried = &mut *self;
        match std::mem::replace(&mut carried.0, State::Over) {
            State::Over => Poll::Ready(()),
            State::Busy(mut driver) => {
                if driver.poll(context).is_ready() {
                    return Poll::Ready(());
                }
                carried.0 = match driver.is_idle() {
                    true => State::Idle(driver.rest()),
                    false => State::Busy(driver),
                };
                Poll::Pending
            }
            State::Idle(mut idle) => {
                let (rest, step) = match idle.pass(context) {
                    Passed::Some(rest, step) => (rest, step),
                    Passed::All => {
                        carried.0 = State::Idle(idle);
                        return Poll::Pending;
                    }
                    Passed::Panicked => return Poll::Ready(()),
                };
                // Only a client can fail to begin.
                let Ok(mut driver) = Driver::new(idle, Bytes::new()) else {
                    return Poll::Ready(());
                };
                driver.go_on(rest, step);
                if driver.poll(context).is_ready() {
                    return Poll::Ready(());
                }
                carried.0 = match driver.is_idle() {
                    true => State::Idle(driver.rest()),
                    false => State::Busy(Box::new(driver)),
                };
                Poll::Pending
            }
        }
    }
}

#[cfg(unix)]
impl Work for Carried<Socket> {
    fn socket(&mut self) -> Option<&mut Socket> {
        match &mut self.0 {
            State::Busy(driver) => Some(driver.socket.get_mut()),
            State::Idle(idle) => Some(&mut idle.io),
            State::Over => None,
        }
    }
}

/// A connection at work.
struct Driver<S> {
    place: Place,
    socket: WebSocket<S>,
    own: Option<Box<Own>>,
    /// Our Close is on its way: what the peer still says is not heard.
    ended: bool,
    /// How the peer went, as far as is known.
    gone: Detached,
    /// Runs while the peer takes nothing of what is written to it.
    stalled: Stall,
    watch: Watch,
    /// Set while a long message has come in part.
    portion: Option<Portion>,
}

/// What was taken in one turn.
#[derive(Default)]
struct Tally {
    count: u64,
    len: u64,
}

/// Whether a turn is to be followed by another at once.
#[derive(PartialEq, Eq)]
enum Turn {
    Again,
    Done,
}

impl<S: Io> Driver<S> {
    fn new(idle: Idle<S>, leftover: Bytes) -> io::Result<Self> {
        let Idle { place, io, own } = idle;
        let mut config = place.cell.terms.websocket.clone();
        if let Some(own) = &own {
            config.deflate.clone_from(&own.deflate);
        }
        let socket = WebSocket::from_parts(io, Role::Server, config, leftover)?.hold_close();
        Ok(Self {
            place,
            socket,
            own,
            ended: false,
            gone: Detached::Lost,
            stalled: Stall::default(),
            watch: Watch::default(),
            portion: None,
        })
    }

    /// Ready when the connection is over. A panic ends this one connection; its place is given up
    /// as lost.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match catch_unwind(AssertUnwindSafe(|| self.turn(context))) {
            Ok(polled) => polled.map(|how| self.cell().detach(self.place.id, how)),
            Err(panic) => {
                panics::count(&self.cell().terms.shared.counters, panics::text_of(&*panic));
                Poll::Ready(())
            }
        }
    }

    fn is_idle(&self) -> bool {
        !self.ended && !self.stalled.is_running() && self.socket.is_idle() && self.watch.is_idle()
    }

    fn rest(self) -> Idle<S> {
        Idle { place: self.place, io: self.socket.into_inner(), own: self.own }
    }

    /// Ready when the connection is over.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<Detached> {
        let driver = self;
        if driver.is_blocked(context) {
            driver.watch.look_away();
        } else if driver.take_messages(context).is_ready() {
            return Poll::Ready(driver.gone);
        }
        let more = driver.take_output(context) == Turn::Again;
        // How a flush failed, the reading side finds out.
        if more && matches!(driver.socket.poll_flush(context), Poll::Ready(Ok(()))) {
            // Others have their turn first, who may be many, and each as greedy.
            context.waker().wake_by_ref();
        }
        driver.flush(context)
    }

    fn cell(&self) -> &Arc<Cell> {
        &self.place.cell
    }

    /// A peer that says more than it takes of what it is answered is not read from until it takes
    /// some: else its own answers would make it a slow peer.
    fn is_blocked(&mut self, context: &mut Context<'_>) -> bool {
        if self.ended || !self.stalled.is_running() || self.cell().has_room(self.place.id) {
            return false;
        }
        let unwritten = self.socket.buffered_amount();
        self.socket.poll_flush(context).is_pending() && self.socket.buffered_amount() == unwritten
    }

    /// Nothing is read from it, as its handlers don't keep up.
    fn is_deaf(&self, context: &Context<'_>) -> bool {
        self.cell().poll_uncongested(context).is_pending()
    }

    /// Ready when the connection is over.
    fn take_messages(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut tally = Tally::default();
        let over = self.take_turn(context, &mut tally);
        // Counted once a turn: the counters are shared by all threads.
        if tally.count > 0 {
            let counters = &self.cell().terms.shared.counters;
            counters.messages_in.fetch_add(tally.count, Relaxed);
            counters.bytes_in.fetch_add(tally.len, Relaxed);
        }
        over
    }

    fn take_turn(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Poll<()> {
        let mut heard = self.ended;
        for taken in 0..MESSAGES_PER_TURN {
            if !self.ended && self.is_deaf(context) {
                self.watch.look_away();
                return Poll::Pending;
            }
            let enough = tally.len >= LEN_PER_TURN || !self.cell().outbox.has_room();
            if taken > 0 && !self.ended && enough {
                break;
            }
            let Poll::Ready(received) = self.socket.poll_recv(context) else {
                return self.watch_unfinished(context);
            };
            match received {
                Some(Ok(message)) => {
                    if !std::mem::replace(&mut heard, true) {
                        self.cell().heard(self.place.id);
                    }
                    if matches!(message, Message::Close(_)) {
                        self.take_last_output(context);
                    }
                    self.take(message, tally);
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "WebSocket failed");
                    self.take_last_output(context);
                    if let Error::Violation(violation) = &error {
                        self.gone = Detached::Closed { code: violation.code().into() };
                    }
                    self.ended = true;
                }
                None => return Poll::Ready(()),
            }
        }
        // There may be more: let others have their turn first.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn take(&mut self, message: Message, tally: &mut Tally) {
        if self.ended {
            return;
        }
        let (cell, id) = (self.cell(), self.place.id);
        let given = match message {
            Message::Text(text) => match ByteString::try_from(text.into_bytes()) {
                Ok(text) => Given::Text(text),
                Err(_) => return,
            },
            Message::Binary(bytes) => Given::Binary(bytes),
            Message::Close(close) => {
                let code = close.map_or(1005, |close| close.code().into());
                self.gone = Detached::Closed { code };
                self.ended = true;
                return;
            }
            Message::Ping(_) | Message::Pong(_) => {
                let own = self.own.get_or_insert_default();
                if !own.controls.allow(&self.place.cell.terms.shared.limits) {
                    self.end(&Ending::close(1008, "too many pings"));
                }
                return;
            }
        };
        tally.count = tally.count.saturating_add(1);
        tally.len = tally.len.saturating_add(given.as_bytes().len() as u64);
        // The session has said itself what becomes of this connection.
        cell.receive(id, given).ok();
    }

    /// The answers to what came before the peer's Close, or before what it did wrong, go in front
    /// of our Close.
    fn take_last_output(&mut self, context: &mut Context<'_>) {
        if !self.ended {
            // What does not fit is lost with the connection.
            let _ = self.take_output(context);
        }
    }

    /// Pending; what has come in part may take too long or too much, with which the connection
    /// ends.
    fn watch_unfinished(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.ended {
            return Poll::Pending;
        }
        let (code, why) = if self.has_no_room() {
            (CloseCode::TryAgainLater, "all peers together have too much unfinished")
        } else {
            let unfinished = (self.socket.unfinished_frame(), self.socket.unfinished_message());
            let limits = &self.place.cell.terms.shared.limits;
            let why = ready!(self.watch.poll_unfinished(unfinished, limits, context));
            (CloseCode::Policy, why)
        };
        tracing::debug!("{why}");
        // What has come of it must not be kept until the peer has closed too.
        self.socket.fail(CloseFrame::new(code, why));
        (self.ended, self.portion) = (true, None);
        // Turns to the Close at once, which bounds what is left by a timer of its own.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether all peers together have sent too much that is not complete.
    fn has_no_room(&mut self) -> bool {
        let held = self.socket.held();
        if held == 0 {
            self.portion = None;
            return false;
        }
        let intake = &self.place.cell.terms.shared.intake;
        self.portion.get_or_insert_with(|| intake.portion()).set(held) == Err(NoRoom)
    }

    /// Moves messages from the outbox to the socket. `Again`: the socket must be written first.
    fn take_output(&mut self, context: &mut Context<'_>) -> Turn {
        while !self.ended {
            if self.socket.buffered_amount() >= UNWRITTEN_LEN_MAX {
                match self.cell().poll_slow(self.place.id, context) {
                    Poll::Pending => return Turn::Again,
                    Poll::Ready(ending) => {
                        self.end(&ending);
                        break;
                    }
                }
            }
            let (socket, place) = (&mut self.socket, &self.place);
            let step = place.cell.step(place.id, context, &mut |queue| {
                let (mut count, mut len) = (0_u64, 0_u64);
                while socket.buffered_amount() < UNWRITTEN_LEN_MAX {
                    let Some(frame) = VecDeque::pop_front(queue) else { break };
                    count = count.saturating_add(1);
                    len = len.saturating_add(frame.as_payload().len() as u64);
                    match frame.is_compressible() {
                        true => socket.queue_shared(frame.as_websocket()),
                        false => socket.queue_frames(frame.as_websocket().clone()),
                    }
                }
                place.count_out(count, len);
            });
            if self.follow(step) == Turn::Done {
                break;
            }
        }
        Turn::Done
    }

    /// Goes on where no more was at hand than an idle connection keeps: writes this first.
    fn go_on(&mut self, rest: Bytes, step: Step) {
        if !rest.is_empty() {
            self.socket.queue_frames(rest);
        }
        self.follow(step);
    }

    /// `Again`: there may be more.
    fn follow(&mut self, step: Step) -> Turn {
        match step {
            Step::Idle | Step::TookAll => return Turn::Done,
            Step::Took => {}
            Step::Ping => self.socket.queue(Message::Ping(Bytes::new())),
            Step::End(ending) => self.end(&ending),
        }
        Turn::Again
    }

    fn end(&mut self, ending: &Ending) {
        self.ended = true;
        if let Some(farewell) = &ending.farewell {
            self.socket.queue(match farewell {
                Given::Text(text) => Message::text(text.to_string()),
                Given::Binary(bytes) => Message::Binary(bytes.clone()),
            });
        }
        match ending.code.map(CloseCode::try_from) {
            Some(Ok(code)) => {
                self.socket.start_close(CloseFrame::new(code, ending.reason.to_string()));
            }
            _ => self.socket.queue(Message::Close(None)),
        }
    }

    /// Writes what is queued. Ready when the peer has taken nothing of it for too long.
    fn flush(&mut self, context: &mut Context<'_>) -> Poll<Detached> {
        if let Poll::Ready(flushed) = self.socket.poll_flush(context) {
            self.stalled.end(&self.place.cell);
            if self.ended {
                // Its Close, or its end, is still to come.
                return self.take_messages(context).map(|()| self.gone);
            }
            // What it has still said would be answered in vain until its outbox were full, or until
            // its handlers kept up, which may be never.
            if flushed.is_err() && (!self.cell().outbox.has_room() || self.is_deaf(context)) {
                return Poll::Ready(Detached::Lost);
            }
            return Poll::Pending;
        }
        let (unwritten, cell) = (self.socket.buffered_amount(), &self.place.cell);
        let progress = (self.socket.written(), unwritten);
        let timeout = cell.terms.shared.limits.write_timeout;
        self.stalled.poll(cell, progress, timeout, context).map(|()| {
            stall::count_slow(cell, timeout, unwritten);
            Detached::Lost
        })
    }
}

#[cfg(test)]
mod tests;
