//! One connection without its IO: receiving, answering, queueing and closing.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::deflate::{Agreed, Deflater, Reserved, Shared, fan_out};
use crate::frame::{self, Header};
use crate::outbox::Outbox;
use crate::{
    CloseCode, CloseFrame, CloseState, Limits, Message, MessageRef, OpCode, PreparedMessage,
    Receiver, Role, Violation, mask,
};

/// One connection after its handshake, as a state machine without IO.
///
/// Octets that came go in by [`Connection::receive`]; octets to send come out of
/// [`Connection::outbox`]. In between it answers Ping and Close, keeps the order of the closing
/// handshake, and sends nothing after its own Close (RFC 6455 section 5.5.1).
///
/// ```
/// use bytes::{Buf, BytesMut};
/// use omniwire_websocket::{Connection, Limits, Message, Role};
///
/// let mut server = Connection::server(Limits::default(), None);
/// let mut received = BytesMut::from(&b"\x89\x80\x01\x02\x03\x04"[..]);
/// assert_eq!(server.receive(&mut received), Ok(Some(Message::Ping("".into()))));
/// server.queue(Message::text("hi"));
/// let out = server.outbox();
/// assert_eq!(out.copy_to_bytes(out.remaining()), &b"\x8a\x00\x81\x02hi"[..]);
/// ```
pub struct Connection {
    receiver: Receiver,
    outbox: Outbox,
    pongs: Pongs,
    deflate: Option<Box<Compressing>>,
    /// A client's source of masking keys.
    masks: Option<Masks>,
    close_state: CloseState,
    owed_close: Option<Box<OwedClose>>,
    /// A message that is being lent, and can be queued by reference count.
    lent_message: Option<Box<Bytes>>,
    /// Octets of one read that are being lent: answers to them all may need as much room.
    lent_len: u32,
    failed: bool,
    says_why: bool,
    role: Role,
}

/// Our Close when the peer has caused it: it is queued when the outbox is asked for, so that the
/// answers to what came before it still go in front of it.
#[derive(Debug)]
enum OwedClose {
    Answer(Option<CloseCode>),
    Violation(Violation),
}

/// Where a client takes its masking keys from: each must be fresh and unpredictable
/// (sections 5.3 and 10.3).
pub type Masks = Box<dyn FnMut() -> [u8; 4] + Send + Sync>;

/// The answers to Pings.
#[derive(Debug, Default)]
struct Pongs {
    /// How many are queued since all were written.
    unwritten: u8,
    /// How far the outbox must be written for all of them to be.
    end: u64,
    /// The Ping to answer then: only the latest (section 5.5.3).
    owed: Option<Box<Bytes>>,
}

#[derive(Debug)]
struct Compressing {
    deflater: Deflater,
    threshold: usize,
    _memory: Reserved,
}

impl Compressing {
    /// Whether it is worth trying.
    const fn pays(&self, payload: &[u8]) -> bool {
        payload.len() >= self.threshold
    }

    /// Whether even what grows is sent compressed.
    const fn compresses_all(&self) -> bool {
        self.threshold == 0
    }
}

impl Connection {
    /// The server's end.
    #[must_use]
    pub fn server(limits: Limits, deflate: Option<Agreed>) -> Self {
        Self::new(Role::Server, limits, deflate, None)
    }

    /// The client's end, with its source of masking keys.
    #[must_use]
    pub fn client(limits: Limits, deflate: Option<Agreed>, masks: Masks) -> Self {
        Self::new(Role::Client, limits, deflate, Some(masks))
    }

    fn new(role: Role, limits: Limits, deflate: Option<Agreed>, masks: Option<Masks>) -> Self {
        Self {
            receiver: match &deflate {
                Some(agreed) => Receiver::with_deflate(role, limits, agreed),
                None => Receiver::new(role, limits),
            },
            outbox: Outbox::default(),
            pongs: Pongs::default(),
            deflate: deflate.map(|agreed| {
                let (deflater, threshold) = (agreed.deflater(role), agreed.threshold);
                Box::new(Compressing { deflater, threshold, _memory: agreed.memory })
            }),
            masks,
            close_state: CloseState::Open,
            owed_close: None,
            lent_message: None,
            lent_len: 0,
            failed: false,
            says_why: true,
            role,
        }
    }

    /// Whether its Close for a broken rule says in words which (section 7.1.6). It does by default.
    #[must_use]
    pub const fn saying_why(mut self, says_why: bool) -> Self {
        self.says_why = says_why;
        self
    }

    /// Which end we are.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Takes the next message off the front of `buf` as [`Receiver::receive`] does, and owes or
    /// queues what it asks for: a Pong for a Ping, a Close for a Close. Until the outbox is asked
    /// for, answers to earlier messages can still be queued in front of that Close.
    ///
    /// # Errors
    /// The peer broke a rule. The Close that says so is owed: write the outbox, then close TCP.
    pub fn receive(&mut self, buf: &mut BytesMut) -> Result<Option<Message>, Violation> {
        let result = self.receiver.receive(buf);
        match &result {
            Ok(Some(Message::Ping(payload))) if self.close_state.may_send() => {
                self.answer_ping(payload.clone());
            }
            Ok(Some(Message::Close(close))) => self.answer_close(close.as_ref()),
            Err(violation) => self.fail(*violation),
            Ok(_) => {}
        }
        result
    }

    /// Takes the next message off the front of `octets` where it lies, as
    /// [`Receiver::receive_in_place`] does, and answers a Ping. `None`: give what is left to
    /// [`Connection::receive`].
    ///
    /// # Errors
    /// See [`Connection::receive`].
    pub fn receive_in_place<'a>(
        &mut self,
        octets: &'a mut [u8],
    ) -> Result<Option<(MessageRef<'a>, &'a mut [u8])>, Violation> {
        let result = self.receiver.receive_in_place(octets);
        match &result {
            Ok(Some((MessageRef::Ping(payload), _))) if self.close_state.may_send() => {
                self.answer_ping(Bytes::copy_from_slice(payload));
            }
            Err(violation) => self.fail(*violation),
            Ok(_) => {}
        }
        result
    }

    /// Tells that so many octets are about to be lent, message by message; 0 behind the last.
    #[cfg(feature = "tokio")]
    pub(crate) fn lends(&mut self, len: usize) {
        self.lent_len = u32::try_from(len).unwrap_or(u32::MAX);
    }

    /// Lends a message that has memory of its own, so that a large one need not be copied again.
    #[cfg(feature = "tokio")]
    pub(crate) fn lend(
        &mut self,
        message: &Message,
        visit: impl FnOnce(MessageRef<'_>, &mut Self),
    ) {
        let large = match message {
            Message::Text(text) if text.len() > COPIED_LEN_MAX => Some(text.clone().into_bytes()),
            Message::Binary(data) if data.len() > COPIED_LEN_MAX => Some(data.clone()),
            _ => None,
        };
        self.lent_message = large.map(Box::new);
        visit(message.into(), self);
        self.lent_message = None;
    }

    /// Queues a copy of a message that is only lent: [`Connection::queue`] without asking for memory
    /// of its own. Ignored after our Close.
    pub fn queue_ref(&mut self, message: MessageRef<'_>) {
        let (opcode, payload) = match message {
            MessageRef::Text(text) => (OpCode::Text, text.as_bytes()),
            MessageRef::Binary(data) => (OpCode::Binary, data),
            control => return self.queue(control.to_message()),
        };
        if !self.close_state.may_send() || self.queue_compressed(opcode, payload) {
            return;
        }
        let header = Header::whole(opcode, payload.len());
        match self.lent_message.as_deref().filter(|whole| std::ptr::eq(&whole[..], payload)) {
            Some(whole) => self.queue_frame(header, whole.clone()),
            None => self.copy_frame(header, payload, self.lent_len as usize),
        }
    }

    /// Queues a message; a Close is [`Connection::start_close`]. Ignored after our Close.
    pub fn queue(&mut self, message: Message) {
        if !self.close_state.may_send() {
            return;
        }
        match message {
            Message::Close(close) => {
                if let Some(answer) = self.owed_close.take() {
                    return self.pay_close(&answer);
                }
                if let Some(payload) = self.pongs.owed.take() {
                    self.queue(Message::Pong(*payload));
                }
                self.queue_close(close);
            }
            message => {
                let opcode = message.opcode();
                let payload = message.into_payload();
                if opcode.is_data() && self.queue_compressed(opcode, &payload) {
                    return;
                }
                self.queue_frame(Header::whole(opcode, payload.len()), payload);
            }
        }
    }

    /// Queues octets that are whole frames already, as they are. Ignored after our Close.
    ///
    /// Only for servers, whose frames are the same for all; compressed frames only if they were
    /// made for [`Connection::shared_compression`]. [`Connection::queue_prepared`] and
    /// [`Connection::queue_shared`] see to that themselves.
    pub fn queue_frames(&mut self, frames: Bytes) {
        debug_assert!(self.role.is_server(), "a client's frames are masked one by one");
        if self.close_state.may_send() {
            self.outbox.push(&frames);
        }
    }

    /// Queues a prepared message, in its compressed form if that was made for this connection's
    /// compression. A client masks a copy of it. Ignored after our Close.
    pub fn queue_prepared(&mut self, prepared: &PreparedMessage) {
        match prepared.compressed_frame() {
            Some((shared, frame)) if self.shared_compression() == Some(*shared) => {
                self.queue_server_frame(frame);
            }
            _ => self.queue_server_frame(prepared.frame()),
        }
    }

    /// Queues a whole, plain server frame that goes to many connections: by reference count, or
    /// compressed where that was agreed and is worth it. The thread keeps the last frames that it
    /// compressed (64, of 2 MiB in all), so that a frame which goes to many is compressed once for
    /// each thread and window. Ignored after our Close.
    pub fn queue_shared(&mut self, frame: &Bytes) {
        let Some(deflate) = &mut self.deflate else { return self.queue_server_frame(frame) };
        let Ok(Some((header, head_len))) = Header::read(frame, Role::Client) else { return };
        let payload = frame.get(head_len..).unwrap_or_default();
        let compressible = header.fin && header.opcode.is_data() && !header.rsv1;
        let shared = deflate.deflater.shared().filter(|_| compressible && deflate.pays(payload));
        if let Some(shared) = shared {
            let must = deflate.compresses_all();
            let frame = fan_out::compressed(frame, payload, header.opcode, shared, must);
            return self.queue_server_frame(&frame);
        }
        if !compressible || !self.close_state.may_send() {
            return self.queue_server_frame(frame);
        }
        let payload = frame.slice(head_len..);
        if !self.queue_compressed(header.opcode, &payload) {
            self.queue_server_frame(frame);
        }
    }

    /// The compression whose frames may be queued here, made once for many connections. `None`:
    /// send uncompressed frames, or messages.
    #[must_use]
    pub fn shared_compression(&self) -> Option<Shared> {
        self.deflate.as_ref().and_then(|deflate| deflate.deflater.shared())
    }

    /// Whether permessage-deflate was agreed on.
    #[must_use]
    pub const fn compresses(&self) -> bool {
        self.deflate.is_some()
    }

    /// Starts the closing handshake: nothing else is sent after it. Ignored if it has begun.
    pub fn start_close(&mut self, close: CloseFrame) {
        self.queue(Message::Close(Some(close)));
    }

    /// What is to be written.
    pub fn outbox(&mut self) -> &mut Outbox {
        if let Some(close) = self.owed_close.take() {
            self.pay_close(&close);
        }
        if self.outbox.written() >= self.pongs.end {
            self.pay_pong();
        }
        &mut self.outbox
    }

    /// Octets queued and not yet written.
    #[must_use]
    pub fn buffered_amount(&self) -> usize {
        self.outbox.remaining()
    }

    /// Octets written since the beginning.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.outbox.written()
    }

    /// Whether there is anything to write.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.outbox.has_remaining() || self.pongs.owed.is_some() || self.owed_close.is_some()
    }

    /// How far the closing handshake has come.
    #[must_use]
    pub const fn close_state(&self) -> CloseState {
        self.close_state
    }

    /// Whether the peer broke a rule, so that its Close is not waited for (section 7.1.7).
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether it is as it was after the handshake: nothing is in progress, queued or owed, and no
    /// compressor remembers anything.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let remembers = |compressing: &Compressing| compressing.deflater.shared().is_none();
        self.close_state == CloseState::Open
            && !self.wants_write()
            && self.receiver.is_fresh()
            && !self.deflate.as_deref().is_some_and(remembers)
    }

    /// See [`Receiver::missing`].
    #[must_use]
    pub fn missing(&self, buf: &BytesMut) -> usize {
        self.receiver.missing(buf)
    }

    /// See [`Receiver::unfinished_message`].
    #[must_use]
    pub fn unfinished_message(&self) -> Option<u32> {
        self.receiver.unfinished_message()
    }

    /// See [`Receiver::held`].
    #[must_use]
    pub fn held(&self, buf: &BytesMut) -> usize {
        self.receiver.held(buf)
    }

    /// See [`Receiver::unfinished_frame`].
    #[must_use]
    pub fn unfinished_frame(&self, buf: &BytesMut) -> Option<u32> {
        self.receiver.unfinished_frame(buf)
    }

    /// Gives the peer up as after a violation: our Close is queued, and what the peer says is
    /// thrown away, its Close too.
    pub fn give_up(&mut self, close: CloseFrame) {
        self.start_close(close);
        self.failed = true;
        self.receiver.end();
    }

    /// The peer is gone: nothing can be sent any more.
    pub fn lost(&mut self) {
        self.close_state = CloseState::Closed;
        self.owed_close = None;
        self.pongs.owed = None;
        self.outbox.clear();
    }

    /// Section 5.5.2: a Ping is answered, unless a Close has come. A peer that sends Pings and
    /// reads nothing gets one Pong for all of them in the end, so that it cannot fill our memory
    /// (section 5.5.3 allows it).
    fn answer_ping(&mut self, payload: Bytes) {
        if self.outbox.written() >= self.pongs.end {
            self.pongs.unwritten = 0;
        }
        if self.pongs.unwritten < PONGS_MAX {
            self.pongs.unwritten = self.pongs.unwritten.saturating_add(1);
            self.queue(Message::Pong(payload));
            self.pongs.end = self.outbox.queued();
        } else {
            self.pongs.owed = Some(Box::new(payload));
        }
    }

    fn pay_pong(&mut self) {
        if let Some(payload) = self.pongs.owed.take() {
            self.answer_ping(*payload);
        }
    }

    /// Section 5.5.1: a Close is answered by one with the same code, once.
    fn answer_close(&mut self, close: Option<&CloseFrame>) {
        self.close_state = self.close_state.after_receiving();
        if self.close_state.may_send() {
            self.owed_close = Some(Box::new(OwedClose::Answer(close.map(CloseFrame::code))));
        }
    }

    /// Section 7.1.7: say why, and be done. The peer's Close is not waited for.
    fn fail(&mut self, violation: Violation) {
        self.failed = true;
        self.close_state = self.close_state.after_receiving();
        if self.close_state.may_send() {
            self.owed_close = Some(Box::new(OwedClose::Violation(violation)));
        }
    }

    fn pay_close(&mut self, close: &OwedClose) {
        if self.close_state.may_send() {
            self.queue_close(match close {
                OwedClose::Answer(code) => code.map(CloseFrame::from),
                OwedClose::Violation(violation) if self.says_why => Some((*violation).into()),
                OwedClose::Violation(violation) => Some(violation.code().into()),
            });
        }
    }

    fn queue_close(&mut self, close: Option<CloseFrame>) {
        self.pongs.owed = None;
        let payload = Message::Close(close).into_payload();
        self.queue_frame(Header::whole(OpCode::Close, payload.len()), payload);
        self.close_state = self.close_state.after_sending();
    }

    /// A server's frame; a client, which has a mask for each frame, takes it apart.
    fn queue_server_frame(&mut self, frame: &Bytes) {
        if !self.close_state.may_send() {
            return;
        }
        if self.role.is_server() {
            return self.outbox.push(frame);
        }
        if let Ok(Some((header, head_len))) = Header::read(frame, Role::Client) {
            self.queue_frame(header, frame.slice(head_len..));
        }
    }

    /// Compresses a data message if that was agreed and is worth it.
    fn queue_compressed(&mut self, opcode: OpCode, payload: &[u8]) -> bool {
        let Some(deflate) = &mut self.deflate else { return false };
        if !deflate.pays(payload) {
            return false;
        }
        let mut compressed = Vec::new();
        deflate.deflater.deflate(payload, &mut compressed);
        let may_drop = deflate.deflater.may_drop() && !deflate.compresses_all();
        if may_drop && compressed.len() >= payload.len() {
            return false;
        }
        let header = Header { rsv1: true, ..Header::whole(opcode, compressed.len()) };
        self.queue_frame(header, compressed.into());
        true
    }

    fn queue_frame(&mut self, header: Header, payload: Bytes) {
        if self.masks.is_some() || payload.len() <= COPIED_LEN_MAX {
            return self.copy_frame(header, &payload, 0);
        }
        let mut head = [0; frame::MAX_MASKED_HEADER_LEN];
        let head_len = header.write(&mut head);
        self.outbox.push(&Bytes::copy_from_slice(head.get(..head_len).unwrap_or_default()));
        self.outbox.push(&payload);
    }

    /// Queues a copy of the payload behind its header. `room`: see [`Outbox::copy`].
    fn copy_frame(&mut self, mut header: Header, payload: &[u8], room: usize) {
        header.mask = self.masks.as_mut().map(|next| next());
        let mut head = [0; frame::MAX_MASKED_HEADER_LEN];
        let head_len = header.write(&mut head);
        let copied = self.outbox.copy(head.get(..head_len).unwrap_or_default(), payload, room);
        if let Some(key) = header.mask {
            mask::apply(copied, key, 0);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &self.role)
            .field("close_state", &self.close_state)
            .field("failed", &self.failed)
            .field("buffered", &self.buffered_amount())
            .finish_non_exhaustive()
    }
}

/// Up to this length a server's payload is copied behind its header.
const COPIED_LEN_MAX: usize = 4_096;

/// So many Pongs may be queued and unwritten; of those after them only the latest is kept.
const PONGS_MAX: u8 = 64;

#[cfg(test)]
mod tests;
