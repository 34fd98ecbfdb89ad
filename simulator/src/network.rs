//! A network in memory, with the faults of a real one.
//!
//! A connection is two conduits. What is written to one can be read at its other end after a
//! delay, in pieces; it holds only so much, as a socket's buffers do. Faults belong to a client:
//! they strike all connections that it has.

use crate::chance::Chance;
use crate::dial::{Dial, Dialing, Stream};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How the line of one client is, while nothing is wrong with it.
#[derive(Debug, Clone, Copy)]
pub struct Quality {
    /// The longest that a piece takes from one end to the other.
    pub delay_max: Duration,
    /// What one direction holds.
    pub capacity: usize,
    /// One read brings at most so much.
    pub piece_max: usize,
    /// The client reads so many bytes a second, or all that comes.
    pub pace: Option<u32>,
}

/// A kind of [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// [`Fault::Cut`]
    Cut,
    /// [`Fault::Partition`]
    Partition,
    /// [`Fault::HalfOpen`]
    HalfOpen,
    /// [`Fault::Stall`]
    Stall,
}

impl Trouble {
    /// All of them, the usual ones more often.
    pub const ALL: [Self; 7] = [
        Self::Cut,
        Self::Cut,
        Self::Cut,
        Self::Partition,
        Self::Partition,
        Self::HalfOpen,
        Self::Stall,
    ];

    /// One fault of this kind.
    pub fn fault(self, chance: &mut Chance) -> Fault {
        match self {
            Self::Cut => Fault::Cut,
            Self::Partition => Fault::Partition(chance.millis(100, 30_000)),
            Self::HalfOpen => Fault::HalfOpen,
            Self::Stall => Fault::Stall(chance.millis(1_000, 60_000)),
        }
    }
}

/// What may happen to a client's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// All are reset: both ends see it, and what was under way is lost.
    Cut,
    /// Nothing passes for a while, in either direction; then all of it does.
    Partition(Duration),
    /// Nothing passes any more, and neither end is told.
    HalfOpen,
    /// The client does not read for a while.
    Stall(Duration),
}

/// What the kernel does for a listener of ours: a peer that acknowledges nothing for this long is
/// gone (TCP_USER_TIMEOUT, `Limits::unacknowledged_timeout`).
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(45);

/// Far away, and still an instant.
const NEVER: Duration = Duration::from_secs(1_000_000);

/// The way of one client to the server.
#[derive(Debug)]
pub struct Network {
    accept: Accept,
    inner: Mutex<Inner>,
}

/// What the server does with the other end.
pub type Accept = fn(End, &crate::app::Site);

#[derive(Debug)]
struct Inner {
    chance: Chance,
    quality: Quality,
    site: crate::app::Site,
    connections: Vec<Weak<Pair>>,
}

/// Both directions.
#[derive(Debug)]
struct Pair {
    /// From the client to the server.
    up: Conduit,
    /// From the server to the client.
    down: Conduit,
}

#[derive(Debug)]
struct Conduit(Mutex<Flow>);

#[derive(Debug)]
struct Flow {
    chance: Chance,
    quality: Quality,
    queue: VecDeque<(Instant, Bytes)>,
    len: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Nothing is read before.
    held_until: Option<Instant>,
    /// The reader is busy till then with what it has read.
    busy_until: Option<Instant>,
    /// The writer has said all.
    finished: bool,
    /// The reader is gone, or the connection was reset.
    broken: bool,
    /// Since when the writer waits for a sign of the reader.
    unacknowledged: bool,
}

/// One end of a connection.
#[derive(Debug)]
pub struct End {
    pair: Arc<Pair>,
    is_server: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Network {
    /// The way of one client to this site.
    pub fn new(chance: Chance, quality: Quality, site: crate::app::Site, accept: Accept) -> Self {
        let inner = Inner { chance, quality, site, connections: Vec::new() };
        Self { accept, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics with it")
    }

    /// Something happens to all connections there are.
    pub fn strike(&self, fault: Fault) {
        let mut inner = self.inner();
        inner.connections.retain(|pair| pair.strong_count() > 0);
        let now = Instant::now();
        for pair in inner.connections.iter().filter_map(Weak::upgrade) {
            match fault {
                Fault::Cut => pair.each(Flow::break_off),
                Fault::Partition(time) => pair.each(|flow| flow.hold(now + time)),
                Fault::HalfOpen => pair.each(|flow| flow.hold(now + NEVER)),
                Fault::Stall(time) => pair.down.flow().hold(now + time),
            }
            watch(&pair);
        }
    }

    /// From now on new connections are like this.
    pub fn improve(&self, quality: Quality) {
        self.inner().quality = quality;
    }

    /// What a request takes at most to be with the server, its connection included, while nothing
    /// is wrong.
    pub fn request_time_max(&self) -> Duration {
        4 * self.inner().quality.delay_max
    }

    fn connect(&self) -> End {
        let mut inner = self.inner();
        let quality = inner.quality;
        let mut conduit = |pace| {
            let quality = Quality { pace, ..quality };
            Conduit(Mutex::new(Flow::new(inner.chance.fork(), quality)))
        };
        let pair = Arc::new(Pair { up: conduit(None), down: conduit(quality.pace) });
        inner.connections.retain(|pair| pair.strong_count() > 0);
        inner.connections.push(Arc::downgrade(&pair));
        let server = End { pair: Arc::clone(&pair), is_server: true, sleep: None };
        (self.accept)(server, &inner.site);
        End { pair, is_server: false, sleep: None }
    }
}

impl Dial for Network {
    fn dial(&self) -> Dialing {
        let round_trip = {
            let mut inner = self.inner();
            let delay_max = inner.quality.delay_max.as_millis() as u64;
            inner.chance.millis(0, 2 * delay_max)
        };
        let end = self.connect();
        Box::pin(async move {
            tokio::time::sleep(round_trip).await;
            Ok(Box::new(end) as Box<dyn Stream>)
        })
    }
}

/// Breaks a connection off if what waits in it is not taken in time.
fn watch(pair: &Arc<Pair>) {
    let waits = {
        let mut flow = pair.down.flow();
        let waits = flow.is_held() && flow.len > 0 && !flow.unacknowledged;
        flow.unacknowledged |= waits;
        waits
    };
    if !waits {
        return;
    }
    let pair = Arc::downgrade(pair);
    tokio::spawn(async move {
        tokio::time::sleep(UNACKNOWLEDGED_TIMEOUT).await;
        let Some(pair) = pair.upgrade() else { return };
        if pair.down.flow().unacknowledged {
            pair.each(Flow::break_off);
        }
    });
}

impl Pair {
    fn each(&self, act: impl Fn(&mut Flow)) {
        act(&mut self.up.flow());
        act(&mut self.down.flow());
    }
}

impl Conduit {
    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Flow {
    fn new(chance: Chance, quality: Quality) -> Self {
        Self {
            chance,
            quality,
            queue: VecDeque::new(),
            len: 0,
            reader: None,
            writer: None,
            held_until: None,
            busy_until: None,
            finished: false,
            broken: false,
            unacknowledged: false,
        }
    }

    fn is_held(&self) -> bool {
        self.held_until.is_some_and(|until| until > Instant::now())
    }

    fn hold(&mut self, until: Instant) {
        self.held_until = self.held_until.max(Some(until));
        self.wake_reader();
    }

    fn break_off(&mut self) {
        self.broken = true;
        self.queue.clear();
        self.len = 0;
        self.wake_reader();
        self.wake_writer();
    }

    fn wake_reader(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    fn wake_writer(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    /// When there is something to read, if that is known.
    fn due(&self) -> Option<Instant> {
        let due = match self.queue.front() {
            Some((due, _)) => Some(*due),
            None => self.finished.then(Instant::now),
        };
        due.max(self.held_until.max(self.busy_until).filter(|_| due.is_some()))
    }

    fn take(&mut self, out: &mut ReadBuf<'_>) {
        let mut room = out.remaining().min(self.quality.piece_max);
        let (now, before) = (Instant::now(), self.len);
        while room > 0
            && let Some((due, piece)) = self.queue.front_mut()
            && *due <= now
        {
            let len = piece.len().min(room);
            out.put_slice(&piece[..len]);
            piece.advance(len);
            if piece.is_empty() {
                self.queue.pop_front();
            }
            room -= len;
            self.len -= len;
        }
        let taken = Duration::from_secs((before - self.len) as u64);
        self.busy_until = self.quality.pace.map(|pace| now + taken / pace);
        self.unacknowledged = false;
        self.wake_writer();
    }

    fn put(&mut self, octets: &[u8]) -> usize {
        let len = octets.len().min(self.quality.capacity - self.len);
        let mut rest = Bytes::copy_from_slice(&octets[..len]);
        let delay_max = self.quality.delay_max.as_millis() as u64;
        while !rest.is_empty() {
            // Now and then a part of it comes later than the rest.
            let at =
                if self.chance.percent(20) { self.chance.count(1, rest.len()) } else { rest.len() };
            let due = Instant::now() + self.chance.millis(0, delay_max);
            let due = self.queue.back().map_or(due, |(last, _)| due.max(*last));
            self.queue.push_back((due, rest.split_to(at)));
        }
        self.len += len;
        self.wake_reader();
        len
    }
}

impl End {
    fn read(&self) -> &Conduit {
        if self.is_server { &self.pair.up } else { &self.pair.down }
    }

    fn written(&self) -> &Conduit {
        if self.is_server { &self.pair.down } else { &self.pair.up }
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let end = self.get_mut();
        loop {
            let due = {
                let mut flow = end.read().flow();
                if flow.broken {
                    return Poll::Ready(Err(reset()));
                }
                let Some(due) = flow.due() else {
                    flow.reader = Some(context.waker().clone());
                    return Poll::Pending;
                };
                if due <= Instant::now() {
                    flow.take(out);
                    return Poll::Ready(Ok(()));
                }
                flow.reader = Some(context.waker().clone());
                due
            };
            let sleep = end.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if sleep.deadline() != due {
                sleep.as_mut().reset(due);
            }
            ready!(sleep.as_mut().poll(context));
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = {
            let mut flow = self.written().flow();
            if flow.broken {
                return Poll::Ready(Err(reset()));
            }
            if flow.finished {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if flow.len >= flow.quality.capacity {
                flow.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            flow.put(octets)
        };
        watch(&self.pair);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut flow = self.written().flow();
        flow.finished = true;
        flow.wake_reader();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        {
            let mut flow = self.written().flow();
            flow.finished = true;
            flow.wake_reader();
        }
        // Whoever goes on to write to it learns that nobody reads, unless no word gets through.
        let mut flow = self.read().flow();
        if !flow.is_held() {
            flow.break_off();
        }
    }
}
