//! Plain TCP sockets without a task each.
//!
//! A task and a socket of the runtime cost some 1,000 bytes for a connection that says nothing.
//! Here each worker of the runtime has one engine: one task, one list of who has something to
//! do, and one small record for each connection, which is its own waker. Whoever has news for many
//! connections puts them on the list of their engine and wakes it once.
//!
//! What is driven is a future, the same that a task would drive, and it is polled within the
//! runtime, so whatever it calls finds timers and `tokio::spawn` as in a task of its own.

mod selector;
mod socket;

pub(crate) use self::socket::Socket;

use self::selector::Selector;
use self::socket::Readiness;
use parking_lot::Mutex;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::net::TcpStream;
use tokio::runtime::{self, Handle};
use tokio::task;

/// What an engine drives: a future over a socket.
pub(crate) trait Work: Future<Output = ()> + Unpin + Send + 'static {
    /// The socket that it reads and writes, until it is done.
    fn socket(&mut self) -> Option<&mut Socket>;
}

/// The engines of every runtime that serves connections.
pub(crate) struct Engines<W> {
    runtimes: Mutex<Vec<(runtime::Id, Lines<W>)>>,
    next: AtomicUsize,
}

/// Those of one runtime.
type Lines<W> = Vec<Arc<Line<W>>>;

impl<W> Default for Engines<W> {
    fn default() -> Self {
        Self { runtimes: Mutex::default(), next: AtomicUsize::new(0) }
    }
}

impl<W: Work> Engines<W> {
    /// Takes a socket out of this runtime's care, and drives what `begin` makes of it.
    ///
    /// # Errors
    /// The system has no selector for another engine, or the runtime does not let go.
    pub(crate) fn drive(
        &self,
        stream: TcpStream,
        begin: impl FnOnce(Socket) -> io::Result<W>,
    ) -> io::Result<()> {
        let line = self.line()?;
        let socket = Socket::new(stream.into_std()?);
        line.call(Record::new(&line, begin(socket)?));
        Ok(())
    }

    /// The line of the next engine of this runtime, which gets as many as it has workers.
    fn line(&self) -> io::Result<Arc<Line<W>>> {
        let runtime = Handle::current();
        let mut runtimes = self.runtimes.lock();
        if !runtimes.iter().any(|(id, _)| *id == runtime.id()) {
            // Those of runtimes that are gone are of no use.
            runtimes.retain(|(_, lines)| !lines.iter().all(|line| line.waiting.lock().gone));
            let count = runtime.metrics().num_workers();
            let lines: io::Result<_> = (0..count).map(|_| start()).collect();
            runtimes.push((runtime.id(), lines?));
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let lines = runtimes.iter().find(|(id, _)| *id == runtime.id());
        let line = lines.and_then(|(_, lines)| lines.get(next.checked_rem(lines.len())?));
        line.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl<W> Drop for Engines<W> {
    fn drop(&mut self) {
        for (_, lines) in self.runtimes.get_mut() {
            lines.iter().for_each(|line| line.end());
        }
    }
}

impl<W> fmt::Debug for Engines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engines")
    }
}

fn start<W: Work>() -> io::Result<Arc<Line<W>>> {
    let line = Arc::new(Line { waiting: Mutex::default() });
    let engine = Engine {
        line: Arc::clone(&line),
        selector: Selector::new()?,
        records: Places::default(),
        batch: Vec::new(),
    };
    // It gives way to others by itself: see `Engine::run`.
    tokio::spawn(task::coop::unconstrained(engine.run()));
    Ok(line)
}

/// Who waits for an engine.
struct Line<W> {
    waiting: Mutex<Waiting<W>>,
}

struct Waiting<W> {
    records: Vec<Arc<Record<W>>>,
    /// The engine, if it sleeps.
    sleeper: Option<Waker>,
    /// Nobody new will come.
    ending: bool,
    /// The engine is gone, with its runtime.
    gone: bool,
}

impl<W> Default for Waiting<W> {
    fn default() -> Self {
        Self { records: Vec::new(), sleeper: None, ending: false, gone: false }
    }
}

impl<W> Line<W> {
    /// Puts a record on the list, and wakes the engine if it sleeps.
    fn call(&self, record: Arc<Record<W>>) {
        let sleeper = {
            let mut waiting = self.waiting.lock();
            if waiting.gone {
                return;
            }
            waiting.records.push(record);
            waiting.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    fn end(&self) {
        let sleeper = {
            let mut waiting = self.waiting.lock();
            waiting.ending = true;
            waiting.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }
}

/// One connection.
pub(crate) struct Record<W> {
    work: Mutex<Option<W>>,
    /// It is on the list.
    queued: AtomicBool,
    /// What the selector has said of its socket since it was polled last.
    readiness: AtomicU8,
    /// Its place among the engine's records, once it has one.
    place: AtomicU32,
    line: Arc<Line<W>>,
}

const NOWHERE: u32 = u32::MAX;

impl<W: Work> Record<W> {
    /// A record that is about to be put on the list.
    fn new(line: &Arc<Line<W>>, work: W) -> Arc<Self> {
        Arc::new(Self {
            work: Mutex::new(Some(work)),
            queued: AtomicBool::new(true),
            readiness: AtomicU8::new(0),
            place: AtomicU32::new(NOWHERE),
            line: Arc::clone(line),
        })
    }

    /// Polls what it drives, and gives it back when it is done, or has panicked, which costs this
    /// connection only.
    fn poll(self: &Arc<Self>) -> Option<W> {
        // From here on a wake-up asks for another poll.
        self.queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(self));
        let mut slot = self.work.lock();
        let work = slot.as_mut()?;
        let news = Readiness::of_bits(self.readiness.swap(0, Ordering::AcqRel));
        if let Some(socket) = work.socket() {
            socket.note(news);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| {
            Pin::new(work).poll(&mut Context::from_waker(&waker))
        }));
        match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(())) | Err(_) => slot.take(),
        }
    }
}

impl<W: Send + 'static> Wake for Record<W> {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let line = Arc::clone(&self.line);
            line.call(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.line.call(Arc::clone(self));
        }
    }
}

/// One per worker of the runtime, in a task of its own.
struct Engine<W: Work> {
    line: Arc<Line<W>>,
    selector: Selector,
    records: Places<W>,
    /// Who is polled in this round; kept for its memory.
    batch: Vec<Arc<Record<W>>>,
}

impl<W: Work> Engine<W> {
    /// Until nobody is left and nobody will come.
    async fn run(mut self) {
        while poll_fn(|context| self.poll_line(context)).await {
            self.round();
            if !self.line.waiting.lock().records.is_empty() {
                // The runtime looks at its own sockets and timers in between, and at ours.
                task::yield_now().await;
            }
        }
    }

    /// Ready when somebody is on the list; false if nobody ever will be.
    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        loop {
            let heard = self.selector.poll_ready(context).is_ready();
            if heard {
                self.listen();
            }
            let mut waiting = self.line.waiting.lock();
            if !waiting.records.is_empty() {
                return Poll::Ready(true);
            }
            if waiting.ending && self.records.is_empty() {
                return Poll::Ready(false);
            }
            if !heard {
                waiting.sleeper = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
    }

    /// Puts those on the list whose sockets have news.
    fn listen(&mut self) {
        let records = &self.records;
        let heard = self.selector.select(|place, readiness| {
            // One that has ended may have left news behind. What is news for another is none for
            // the one that has its place now: it finds that nothing is there.
            let Some(record) = records.get(place) else { return };
            record.readiness.fetch_or(readiness.bits(), Ordering::AcqRel);
            record.wake_by_ref();
        });
        if let Err(error) = heard {
            tracing::error!(%error, "the selector of sockets failed");
        }
    }

    /// Polls all that are on the list now. Who is called meanwhile waits for the next round, so
    /// that what several say to one leaves in one write.
    fn round(&mut self) {
        std::mem::swap(&mut self.batch, &mut self.line.waiting.lock().records);
        let mut batch = std::mem::take(&mut self.batch);
        for record in batch.drain(..) {
            if record.place.load(Ordering::Relaxed) == NOWHERE && !self.admit(&record) {
                continue;
            }
            if let Some(work) = record.poll() {
                self.records.remove(record.place.load(Ordering::Relaxed));
                drop(work);
            }
        }
        self.batch = batch;
    }

    /// Gives a new record its place; whether it could.
    fn admit(&mut self, record: &Arc<Record<W>>) -> bool {
        let mut slot = record.work.lock();
        let Some(socket) = slot.as_mut().and_then(W::socket) else { return false };
        let place = self.records.next();
        match self.selector.add(socket, place as usize) {
            Ok(()) => {
                record.place.store(place, Ordering::Relaxed);
                self.records.insert(place, Arc::clone(record));
                true
            }
            Err(error) => {
                tracing::warn!(%error, "a socket can't be watched");
                let work = slot.take();
                drop(slot);
                drop(work);
                false
            }
        }
    }
}

/// Records by their places, each of which takes a pointer.
struct Places<W> {
    records: Vec<Option<Arc<Record<W>>>>,
    /// Those that are empty, but for what is behind the last.
    vacant: Vec<u32>,
}

impl<W> Default for Places<W> {
    fn default() -> Self {
        Self { records: Vec::new(), vacant: Vec::new() }
    }
}

impl<W> Places<W> {
    fn is_empty(&self) -> bool {
        self.records.len() == self.vacant.len()
    }

    fn get(&self, place: usize) -> Option<&Arc<Record<W>>> {
        self.records.get(place)?.as_ref()
    }

    /// Where the next record is to be.
    fn next(&self) -> u32 {
        self.vacant.last().copied().unwrap_or(self.records.len() as u32)
    }

    /// Puts a record where [`Places::next`] said.
    fn insert(&mut self, place: u32, record: Arc<Record<W>>) {
        match self.records.get_mut(place as usize) {
            Some(vacant) => {
                *vacant = Some(record);
                self.vacant.pop();
            }
            None => self.records.push(Some(record)),
        }
    }

    fn remove(&mut self, place: u32) {
        if self.records.get_mut(place as usize).and_then(Option::take).is_some() {
            self.vacant.push(place);
        }
    }

    fn drain(&mut self) -> impl Iterator<Item = Arc<Record<W>>> + use<W> {
        self.vacant = Vec::new();
        std::mem::take(&mut self.records).into_iter().flatten()
    }
}

/// The runtime ends, and with it every connection.
impl<W: Work> Drop for Engine<W> {
    fn drop(&mut self) {
        let waiting = {
            let mut waiting = self.line.waiting.lock();
            waiting.gone = true;
            std::mem::take(&mut waiting.records)
        };
        for record in self.records.drain().chain(waiting) {
            // What it drives may keep the waker, which is the record.
            let work = record.work.lock().take();
            drop(work);
        }
    }
}

#[cfg(test)]
mod tests;
