//! What was promised, and whether it was kept: every message that the server's handlers took, in
//! the order in which each room was told, beside what every client heard.
//!
//! The promises, in the words of a finding:
//! - *order*: all members hear a room's messages in the one order in which they were said, and what
//!   a client says is handled in the order in which it said it;
//! - *duplicate*: nobody hears, and no handler handles, anything twice;
//! - *loss*: from joining to leaving, a member hears all, over connections lost and found if its
//!   protocol recovers, until it is told that it lost something or its connection is lost; but one
//!   that reads slowly may miss some of a room whose policy is to drop, and not the last;
//! - *leak*: nobody hears a room that it is not in;
//! - *needless loss*: who could have been given what it missed is not told that it is lost;
//! - *untold*: who is closed because it reads too slowly is told so, and nobody else is closed;
//! - *late*: who reads as fast as it can hears without delay, however slow others are;
//! - *stuck*: when the network is well again, everybody hears everything;
//! - *bound*: when all have gone, nothing is left of them.

use crate::app::policy;
use crate::network::Fault;
use crate::speech::{How, Kind, Message};
use omniwire::SlowPolicy;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// One promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which promise: a word of this module's documentation.
    pub promise: &'static str,
    /// When, since the start of the run, who, and what.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// A client on one of its connections: its number, and the connection's.
pub type Guise = (u64, u64);

/// Counts of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that were said.
    pub said: u64,
    /// Messages that were heard.
    pub heard: u64,
    /// Rooms that were joined.
    pub joined: u64,
    /// Rooms that a client came back to, with all that it missed.
    pub recovered: u64,
    /// Rooms that a client came back to, and was told that what it missed is lost.
    pub lost: u64,
    /// Lines that were lost.
    pub cut: u64,
    /// Peers that were closed because they were slow.
    pub slow: u64,
    /// Messages that slow readers did not hear, by their rooms' policies.
    pub dropped: u64,
    /// How long anybody who reads well has waited for a message, while nothing was wrong.
    pub waited: Duration,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.said += other.said;
        self.heard += other.heard;
        self.joined += other.joined;
        self.recovered += other.recovered;
        self.lost += other.lost;
        self.cut += other.cut;
        self.slow += other.slow;
        self.dropped += other.dropped;
        self.waited = self.waited.max(other.waited);
    }
}

/// The books of one run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Mutex<Books>>);

#[derive(Debug)]
struct Books {
    start: Instant,
    rooms: HashMap<String, Room>,
    /// The last number that each client said in each of its guises, as handlers saw it.
    handled: HashMap<Guise, u64>,
    /// How much had been said in a room when somebody joined it.
    joined: HashMap<(Guise, String), usize>,
    places: BTreeMap<(u64, String), Place>,
    /// Clients that say where they stand by the last id, or cursor, that they were given.
    by_id: BTreeSet<u64>,
    /// Clients that read slowly, each with what its protocol says to those that are too slow.
    slow: BTreeMap<u64, &'static [&'static str]>,
    /// Slow clients that were told so.
    told_slow: u64,
    /// Lines that ended by a POST: by then a poll may have been let in anew, in a session that
    /// nobody reads, which becomes slow and can't be told.
    by_post: u64,
    findings: Vec<Finding>,
    tally: Tally,
    /// A digest of all that happened, in its order.
    trace: u64,
    /// How many events a room remembers.
    remembered: usize,
    /// Whether all that happens is printed.
    printed: bool,
}

#[derive(Debug, Default)]
struct Room {
    said: Vec<(u64, u64, Instant)>,
    index: HashMap<(u64, u64), usize>,
}

/// Where a client stands in a room.
#[derive(Debug, Default)]
struct Place {
    state: State,
    /// The first message that it may hear next, ever.
    next: usize,
    /// What was said before this is old when it hears it.
    old: usize,
    /// It was in when its connection was lost, and was not told since where it stands.
    torn: bool,
    /// On which connection it was told last that it is in.
    told: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Out,
    In,
    /// It asked to leave.
    Leaving,
}

impl Ledger {
    /// Empty books; rooms remember so many events. `printed`: whether all that happens is.
    pub fn new(remembered: usize, printed: bool) -> Self {
        Self(Arc::new(Mutex::new(Books {
            start: Instant::now(),
            rooms: HashMap::new(),
            handled: HashMap::new(),
            joined: HashMap::new(),
            places: BTreeMap::new(),
            by_id: BTreeSet::new(),
            slow: BTreeMap::new(),
            told_slow: 0,
            by_post: 0,
            findings: Vec::new(),
            tally: Tally::default(),
            trace: 0,
            remembered,
            printed,
        })))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().expect("nobody panics with it")
    }

    /// What was found, what was counted, and the digest of the trace.
    pub fn close(&self) -> (Vec<Finding>, Tally, u64) {
        let mut books = self.books();
        (std::mem::take(&mut books.findings), books.tally, books.trace)
    }

    /// Something else is not as it was promised.
    pub fn find(&self, promise: &'static str, what: impl fmt::Display) {
        self.books().find(promise, what);
    }

    /// A handler handles a message, and will say it to its room at once.
    pub fn handled(&self, guise: Guise, room: &str, number: u64) {
        let mut books = self.books();
        books.note(&(1, guise, room, number));
        books.tally.said += 1;
        let last = books.handled.insert(guise, number);
        if last.is_some_and(|last| last >= number) {
            books.find("order", format!("{guise:?} said {number} after {last:?} in {room}"));
        }
        let now = Instant::now();
        let room_books = books.rooms.entry(room.to_owned()).or_default();
        let index = room_books.said.len();
        room_books.said.push((guise.0, number, now));
        if room_books.index.insert((guise.0, number), index).is_some() {
            books.find("duplicate", format!("{guise:?} was handled twice: {number} in {room}"));
        }
    }

    /// A handler puts a client in a room.
    pub fn enters(&self, guise: Guise, room: &str) {
        let mut books = self.books();
        books.note(&(2, guise, room));
        let len = books.len(room);
        books.joined.insert((guise, room.to_owned()), len);
    }

    /// A client is told that it is in a room.
    pub fn joined(&self, guise: Guise, room: &str, how: How) {
        let mut books = self.books();
        books.note(&(3, guise, room, how as u8));
        books.tally.joined += 1;
        let Some(entered) = books.joined.get(&(guise, room.to_owned())).copied() else {
            return books.find("leak", format!("{guise:?} joined {room} and nobody put it there"));
        };
        let remembered = books.remembered;
        let comes_back_by_id = books.by_id.contains(&guise.0);
        let place = books.places.entry((guise.0, room.to_owned())).or_default();
        if place.state == State::In && how != How::Recovered {
            // It had asked twice. In a recoverable room it is told then that it can't go on: it is
            // there already.
            return;
        }
        let missed = entered - place.next.min(entered);
        // Who comes back with what the server of its last session gave it, and was not there then,
        // has no place to go on from.
        let torn = std::mem::take(&mut place.torn);
        let told = place.told.replace(guise.1) == Some(guise.1);
        let had_place = torn || told || !comes_back_by_id;
        match how {
            // It goes on where it was.
            How::Recovered => {
                (place.state, place.old) = (State::In, entered);
                books.tally.recovered += 1;
            }
            How::Lost if had_place && missed <= remembered.min(NEEDLESS_MAX) => {
                (place.state, place.next) = (State::In, entered);
                books.tally.lost += 1;
                books.find("needless loss", format!("{guise:?} in {room}: {missed} missed"));
            }
            How::New | How::Lost => {
                (place.state, place.next) = (State::In, entered);
                books.tally.lost += u64::from(how == How::Lost);
            }
        }
    }

    /// A client asks to leave a room.
    pub fn leaves(&self, client: u64, room: &str) {
        let mut books = self.books();
        books.places.entry((client, room.to_owned())).or_default().state = State::Leaving;
    }

    /// A client is told that it has left a room.
    pub fn left(&self, client: u64, room: &str) {
        let mut books = self.books();
        books.note(&(4, client, room));
        books.places.entry((client, room.to_owned())).or_default().state = State::Out;
    }

    /// A client is no longer in any room: its connection is lost, or it is told that it is new.
    pub fn dropped(&self, client: u64) {
        let mut books = self.books();
        books.note(&(5, client));
        let places = books.places.iter_mut().filter(|((of, _), _)| *of == client);
        places.for_each(|(_, place)| {
            place.torn |= place.state == State::In;
            place.state = State::Out;
        });
    }

    /// A client's line was lost.
    pub fn cut(&self, client: u64) {
        let mut books = self.books();
        books.note(&(6, client));
        books.tally.cut += 1;
    }

    /// There is a client.
    pub fn born(&self, client: u64, kind: Kind, namespace: &str) {
        let mut books = self.books();
        books.note(&(0, client, kind, namespace));
        if matches!(kind, Kind::EventStream | Kind::LongPoll) {
            books.by_id.insert(client);
        }
    }

    /// Something happens to a client's network.
    pub fn struck(&self, client: u64, fault: Fault) {
        self.books().note(&(9, client, fault));
    }

    /// A client's line, or its session, ended by itself. `for_nothing`: nothing is wrong with its
    /// network, so that there must be a reason.
    pub fn ended(&self, client: u64, why: &str, for_nothing: bool) {
        let mut books = self.books();
        books.note(&(10, client, why));
        let words = books.slow.get(&client);
        let told = words.is_some_and(|words| words.iter().any(|word| why.contains(word)));
        books.told_slow += u64::from(told);
        books.by_post += u64::from(told && why.starts_with("POST: 404"));
        if for_nothing && !told {
            books.find("untold", format!("client {client} was told {why:?}"));
        }
    }

    /// A client reads slowly.
    pub fn is_slow(&self, client: u64, kind: Kind) {
        self.books().slow.insert(client, kind.words_for_slow());
    }

    /// So many peers were closed because they were slow. `all_told`: nothing was wrong with the
    /// network, so that each must have been told.
    pub fn slow(&self, closed: u64, all_told: bool) {
        let mut books = self.books();
        books.tally.slow += closed;
        let told = books.told_slow;
        // More of them is no fault: Engine.IO has the same word for other ends.
        if all_told && told + books.by_post < closed {
            books.find("untold", format!("{closed} were closed as slow, {told} were told so"));
        }
    }

    /// A client is back as the one it was, in the rooms in which it was.
    pub fn recovered(&self, client: u64) {
        let mut books = self.books();
        books.note(&(7, client));
        let places = books
            .places
            .iter()
            .filter(|((of, _), place)| *of == client && place.state != State::Out);
        books.tally.recovered += places.count() as u64;
    }

    /// A client hears a message. It has had no trouble since `calm`: what was said later comes
    /// within `patience`.
    pub fn heard(&self, guise: Guise, message: &Message, calm: Instant, patience: Duration) {
        let Message { room, publisher, number, .. } = message;
        let mut books = self.books();
        books.note(&(8, guise, room, publisher, number));
        books.tally.heard += 1;
        let found = books.rooms.get(room).and_then(|said| {
            let index = *said.index.get(&(*publisher, *number))?;
            Some((index, said.said[index].2))
        });
        let Some((index, at)) = found else {
            return books.find("leak", format!("{guise:?} heard what nobody said: {message:?}"));
        };
        let place = books.places.entry((guise.0, room.clone())).or_default();
        let (next, outside, old) = (place.next, place.state == State::Out, place.old);
        place.next = index + 1;
        let may_miss = books.slow.contains_key(&guise.0) && policy(room) != SlowPolicy::Close;
        let fresh = index >= old && at > calm;
        let late = fresh && at.elapsed() > patience;
        if fresh && !books.slow.contains_key(&guise.0) {
            books.tally.waited = books.tally.waited.max(at.elapsed());
        }
        if outside {
            books.find("leak", format!("{guise:?} is not in {room} and heard {message:?}"));
        } else if index < next {
            let what = format!("{guise:?} heard {index} of {room} after {}", next - 1);
            books.find(if index + 1 == next { "duplicate" } else { "order" }, what);
        } else if index > next && may_miss {
            books.tally.dropped += (index - next) as u64;
        } else if index > next {
            books.find("loss", format!("{guise:?} heard {index} of {room} in place of {next}"));
        } else if late {
            let what = format!("{guise:?} waited {:?} for {message:?}", at.elapsed());
            books.find("late", format!("{what}, longer than {patience:?}"));
        }
    }

    /// The network is well, and has been for long: a client must have heard all of a room.
    pub fn complete(&self, client: u64, room: &str) {
        let mut books = self.books();
        let len = books.len(room);
        let place = books.places.entry((client, room.to_owned())).or_default();
        let (is_in, next) = (place.state == State::In, place.next);
        if !is_in {
            books.find("stuck", format!("client {client} did not get into {room}"));
        } else if next < len {
            books.find("stuck", format!("client {client} heard {next} of {len} in {room}"));
        }
    }
}

/// So few messages would have fitted into any outbox.
const NEEDLESS_MAX: usize = 4;

impl Books {
    fn len(&self, room: &str) -> usize {
        self.rooms.get(room).map_or(0, |room| room.said.len())
    }

    fn find(&mut self, promise: &'static str, what: impl fmt::Display) {
        let at = self.start.elapsed();
        self.findings.push(Finding { promise, what: format!("at {at:?}: {what}") });
    }

    /// Mixes an event and its time into the digest.
    fn note(&mut self, event: &impl fmt::Debug) {
        let line = format!("{:?} {event:?}", self.start.elapsed().as_millis());
        if self.printed {
            println!("{line}");
        }
        // FNV-1a.
        for byte in line.bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
