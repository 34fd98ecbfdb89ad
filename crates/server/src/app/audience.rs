//! Whom something is said to.

use super::arguments::{ArgsError, IntoArgs};
use super::peer::Peer;
use super::space::Space;
use crate::clock;
use crate::session::peers::{Awaited, PeerCell, Question};
use crate::wires;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use omniwire_hub::{
    Delivery, HandOver, Member as _, MemberKey, Publication, Publishing, PushError, Pushed,
    SlowPolicy, Target,
};
use omniwire_session::{Args as RawArgs, ByteString, Outgoing, Place, Positions, WireForm};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout_at;

/// Some peers of a namespace: rooms, without rooms, without peers. Each peer is in it once.
#[derive(Debug, Clone)]
#[must_use = "an audience hears nothing until something is emitted to it"]
pub struct Audience {
    space: Arc<Space>,
    rooms: Vec<ByteString>,
    except_rooms: Vec<ByteString>,
    except: Vec<MemberKey>,
    compress: bool,
}

/// What an audience answered: [`Audience::ask`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Answers {
    /// The answers, in the order in which they came. One peer's error is no answer.
    pub given: Vec<RawArgs>,
    /// How many of those who were asked have not answered: silent, gone, or with an error.
    pub missing: usize,
}

impl Audience {
    pub(crate) fn new(space: &Arc<Space>) -> Self {
        Self {
            space: Arc::clone(space),
            rooms: Vec::new(),
            except_rooms: Vec::new(),
            except: Vec::new(),
            compress: true,
        }
    }

    pub(crate) fn without(mut self, key: MemberKey) -> Self {
        self.except.push(key);
        self
    }

    /// The members of this room as well. A peer is always in the room of its id.
    pub fn and(mut self, room: impl Into<ByteString>) -> Self {
        self.rooms.push(room.into());
        self
    }

    /// The peers of this user as well ([`crate::Namespace::identify`]).
    pub fn and_user(self, user: &str) -> Self {
        let room = self.space.user_room(user);
        self.and(room)
    }

    /// But not the members of this room.
    pub fn except(mut self, room: impl Into<ByteString>) -> Self {
        self.except_rooms.push(room.into());
        self
    }

    /// Whether what is said may be compressed, where that was agreed: WebSockets by
    /// permessage-deflate, answers to Socket.IO's and Engine.IO's polls by HTTP (an answer that
    /// brings other things as well may be). It may, unless this is called with `false`; for what is
    /// compressed already, such as pictures. Official name: `compress`. What histories and journals
    /// repeat later may be.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    fn target(&self) -> Target<'_> {
        Target { rooms: &self.rooms, except_rooms: &self.except_rooms, except: &self.except }
    }

    /// Says something to all of them: encoded once per wire form, handed to each outbox, in the
    /// room's order. Returns when it is handed over (and published to the other nodes, where
    /// there are any).
    ///
    /// # Errors
    /// The arguments can't be said in JSON.
    pub async fn emit(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<Delivery, ArgsError> {
        self.emit_now(event, args)
    }

    pub(crate) fn emit_now(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<Delivery, ArgsError> {
        let said = Said { remembered: true, ..Said::new(event, args)? };
        Ok(self.broadcast(&said, &mut |peer, prepared, manner| peer.push_in(prepared, manner)))
    }

    /// The same for who holds a lock: what follows is to be called when it does not any more.
    pub(crate) fn emit_locked(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<Box<dyn FnOnce()>, ArgsError> {
        let said = Said { remembered: true, ..Said::new(event, args)? };
        let heard = self.hand_out(&said, &mut |peer, prepared, how| peer.push_in(prepared, how));
        let space = Arc::clone(&self.space);
        Ok(Box::new(move || heard.follow(&space, &said)))
    }

    /// Says something unless it was said before: if the namespace knows this id from an earlier
    /// call, whoever it was to, nothing is said again, and [`Delivery::repeated`] is set. For
    /// publishers that try again because they do not know whether they were heard. Ids are known
    /// for `publication_ids_age`, the last `publication_ids_max` of them.
    ///
    /// ```
    /// # async fn example(orders: omniwire::NamespaceHandle) -> Result<(), omniwire::ArgsError> {
    /// let first = orders.to("kitchen").emit_once("order-17", "cook", "soup").await?;
    /// let again = orders.to("kitchen").emit_once("order-17", "cook", "soup").await?;
    /// assert!(!first.repeated && again.repeated);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The arguments can't be said in JSON, or the id is longer than `name_len_max`.
    pub async fn emit_once(
        &self,
        id: impl Into<ByteString>,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<Delivery, ArgsError> {
        let id = self.checked(id.into(), "the publication's id")?;
        let said = Said { remembered: true, ..Said::new(event, args)? };
        if !self.space.hub.is_first(clock::now(), &id) {
            return Ok(Delivery { repeated: true, ..Delivery::default() });
        }
        Ok(self.broadcast(&said, &mut |peer, prepared, manner| peer.push_in(prepared, manner)))
    }

    /// Says the current value of something. Its rooms keep the newest event of each key, and give
    /// it to whoever joins ([`Peer::join`]); for a peer that has not taken the last one yet, the
    /// new one takes its place, so that what waits is never out of date. A peer that reads slowly
    /// gets fewer values of a key, the newest for certain; between keys, order is not kept.
    /// Histories do not remember values. Each room keeps `values_max` keys. What is said to
    /// everybody, to a user, to a peer's id or by [`Peer::alone`] takes the place of the last one of
    /// its key that was said so and still waits, but is not kept.
    ///
    /// ```
    /// # async fn example(market: omniwire::NamespaceHandle) -> Result<(), omniwire::ArgsError> {
    /// market.to("rates").emit_latest("EUR", "rate", ("EUR", 1.07)).await?;
    /// market.to("rates").emit_latest("EUR", "rate", ("EUR", 1.08)).await?;
    /// market.to("rates").emit_latest("CHF", "rate", ("CHF", 0.93)).await?;
    /// assert_eq!(market.latest("rates").len(), 2); // what a peer gets when it joins
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The arguments can't be said in JSON, or the key is longer than `name_len_max`.
    pub async fn emit_latest(
        &self,
        key: impl Into<ByteString>,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<Delivery, ArgsError> {
        let key = Some(self.checked(key.into(), "the value's key")?);
        let said = Said { key, ..Said::new(event, args)? };
        Ok(self.broadcast(&said, &mut |peer, prepared, manner| peer.push_in(prepared, manner)))
    }

    fn checked(&self, name: ByteString, what: &str) -> Result<ByteString, ArgsError> {
        match name.len() <= self.space.name_len_max {
            true => Ok(name),
            false => Err(ArgsError::new(format!("{what} is too long"))),
        }
    }

    /// Says something to those of them to whom it can leave at once, and to no others: not to one
    /// who has not taken yet what was said before, nor between two of his polls. For what is soon
    /// out of date. Recoverable rooms do not remember it.
    ///
    /// # Errors
    /// The arguments can't be said in JSON.
    pub async fn emit_volatile(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
    ) -> Result<Delivery, ArgsError> {
        let said = Said::new(event, args)?;
        Ok(self.broadcast(&said, &mut |peer, prepared, _| {
            let taken = peer.push_volatile(prepared)?;
            Ok(Pushed { taken, ..Pushed::default() })
        }))
    }

    /// Asks all of them, and waits until each has answered or is gone, at most `timeout`. A peer
    /// whose protocol has no calls, or that is asked too much already, gives no answer.
    /// Recoverable rooms do not remember the question.
    ///
    /// # Errors
    /// The arguments can't be said in JSON.
    pub async fn ask(
        &self,
        event: impl Into<ByteString>,
        args: impl IntoArgs,
        timeout: Duration,
    ) -> Result<Answers, ArgsError> {
        let deadline = clock::deadline(timeout);
        let question = Question::new(&self.space);
        let call = Some(question.call);
        let said = Said { call, ..Said::new(event, args)? };
        let (mut coming, missing) = self.put_question(&said, &question);
        let mut answers = Answers { given: Vec::new(), missing };
        while let Ok(Some(answer)) = timeout_at(deadline, coming.next()).await {
            // An error of the channel: the peer is gone.
            if let Ok(Ok(args)) = answer {
                answers.given.push(args);
                answers.missing = answers.missing.saturating_sub(1);
            }
        }
        Ok(answers)
    }

    /// Registers the question with each peer just before it is put to it, so that no answer can
    /// come too early. How many peers there are, with those that are not asked.
    fn put_question(&self, said: &Said, question: &Question) -> (FuturesUnordered<Awaited>, usize) {
        let (answers, mut peers) = (FuturesUnordered::new(), 0_usize);
        self.broadcast(said, &mut |peer, prepared, manner| {
            peers = peers.saturating_add(1);
            let Some(answer) = peer.await_answer(question) else { return Ok(Pushed::default()) };
            answers.push(answer);
            peer.push_in(prepared, manner)
        });
        (answers, peers)
    }

    fn broadcast(&self, said: &Said, hand_over: &mut HandOver<'_, PeerCell>) -> Delivery {
        let heard = self.hand_out(said, hand_over);
        let delivery = heard.delivery;
        heard.follow(&self.space, said);
        delivery
    }

    fn hand_out(&self, said: &Said, hand_over: &mut HandOver<'_, PeerCell>) -> Heard {
        let Said { event, args, call, key, remembered } = said;
        let hub = &self.space.hub;
        let at = (*remembered && hub.is_recoverable()).then(clock::now);
        let publication = Publication { name: event, args, remembered: at, key: key.as_ref() };
        let mut publishing = hub.journal().and_then(|journal| match *remembered {
            true => Some(journal.publish(clock::now(), self.target(), event, args)),
            false => journal.pass(args),
        });
        let journaled = publishing.as_ref().and_then(Publishing::position);
        let encode = &mut |wire: WireForm, place: Option<Place<'_>>| {
            let position = match wire.0.positions() {
                Positions::Room => place,
                Positions::Journal => journaled.map(Place::in_journal),
            };
            let what = Outgoing::Event { name: event, args, call: *call, position };
            let prepared = wires::encode(wire, &self.space, what)?;
            Some(if self.compress { prepared } else { prepared.uncompressed() })
        };
        let (mut told, mut slow, mut full) = (Vec::new(), Vec::new(), Vec::new());
        let hand_over: &mut HandOver<'_, PeerCell> = &mut |peer, prepared, manner| {
            let pushed = hand_over(peer, prepared, manner).inspect_err(|error| {
                if *error == PushError::Full {
                    full.push(Arc::clone(peer));
                }
            })?;
            if let Some(publishing) = publishing.as_mut().filter(|_| pushed.taken) {
                publishing.told(peer.member.key);
            }
            if pushed.taken && self.space.is_overheard() {
                told.push(Peer(Arc::clone(peer)));
            }
            if pushed.first {
                slow.push((Arc::clone(peer), manner.slow));
            }
            Ok(pushed)
        };
        let delivery = hub.broadcast_with(self.target(), publication, encode, hand_over);
        Heard { delivery, told, slow, full }
    }

    /// The peers.
    pub fn peers(&self) -> Vec<Peer> {
        self.space.hub.members(self.target()).into_iter().map(Peer).collect()
    }

    /// Puts all of them in a room; those that are in too many stay where they are.
    pub fn join(&self, room: impl Into<ByteString>) {
        let room = room.into();
        for peer in self.peers() {
            if let Err(error) = peer.join(room.clone()) {
                tracing::debug!(peer = %peer.id(), %error, "not joined");
            }
        }
    }

    /// Takes all of them out of a room.
    pub fn leave(&self, room: &str) {
        for peer in self.peers() {
            peer.leave(room);
        }
    }

    /// Ends all of them; with `whole`, their sessions and connections too.
    pub fn disconnect(&self, whole: bool) {
        for peer in self.peers() {
            if whole { peer.disconnect_session() } else { peer.disconnect() }
        }
    }
}

struct Said {
    event: ByteString,
    args: RawArgs,
    call: Option<u64>,
    /// Set if it is a value.
    key: Option<ByteString>,
    /// Whether histories and journals remember it.
    remembered: bool,
}

impl Said {
    fn new(event: impl Into<ByteString>, args: impl IntoArgs) -> Result<Self, ArgsError> {
        let (event, args) = (event.into(), args.into_args()?);
        Ok(Self { event, args, call: None, key: None, remembered: false })
    }
}

/// Who heard what was said. What follows runs code of the application: no lock may be held.
#[must_use]
struct Heard {
    delivery: Delivery,
    /// Noted if anybody overhears it.
    told: Vec<Peer>,
    slow: Vec<(Arc<PeerCell>, SlowPolicy)>,
    /// Whose outbox is full.
    full: Vec<Arc<PeerCell>>,
}

impl Heard {
    fn follow(self, space: &Space, said: &Said) {
        space.note(&self.delivery, &self.slow);
        self.full.iter().for_each(|peer| {
            peer.cell.overflow();
        });
        self.told.iter().for_each(|peer| space.overhear(peer, &said.event, &said.args));
    }
}
