//! From octets to messages (RFC 6455 sections 5.2 to 5.8, 8.1; RFC 7692 section 6).

use bytes::{Buf, Bytes, BytesMut};

use crate::deflate::{Agreed, Inflater};
use crate::frame::Header;
use crate::utf8::Incremental;
use crate::{CloseFrame, Limits, Message, MessageRef, OpCode, Role, Utf8Bytes, Violation, mask};

/// Reads messages out of the octets of one connection.
///
/// Give it the same buffer again and again, with more octets at its end each time: what is read is
/// split off the front, and a message in one frame shares the buffer's own memory. Between calls
/// the buffer may be exchanged for another one with the same octets (to free a large one, say).
///
/// Ping and Pong come out between the fragments of a message, as they arrived.
///
/// ```
/// use bytes::BytesMut;
/// use omniwire_websocket::{Limits, Message, Receiver, Role};
///
/// let mut receiver = Receiver::new(Role::Client, Limits::default());
/// // The example of RFC 6455 section 5.7, then half a Ping.
/// let mut buf = BytesMut::from(&b"\x81\x05Hello\x89"[..]);
/// assert_eq!(receiver.receive(&mut buf), Ok(Some(Message::text("Hello"))));
/// assert_eq!(receiver.receive(&mut buf), Ok(None));
/// buf.extend_from_slice(b"\x00");
/// assert_eq!(receiver.receive(&mut buf), Ok(Some(Message::Ping("".into()))));
/// ```
#[derive(Debug)]
pub struct Receiver {
    limits: Limits,
    /// The frame whose header is read and whose payload is not all there.
    frame: Option<Box<Partial>>,
    /// The message whose first fragment has come and whose last has not.
    assembly: Option<Box<Assembly>>,
    inflater: Option<Inflater>,
    /// Frames whose header has been read.
    frames: u32,
    role: Role,
    ended: bool,
}

/// A frame in progress. Its payload starts at the front of the caller's buffer.
#[derive(Debug)]
struct Partial {
    header: Header,
    /// Octets at the front of the buffer that are already unmasked and checked; for a fragment,
    /// octets already moved to the assembly.
    done: usize,
    text: Incremental,
}

/// A message in progress.
#[derive(Debug)]
struct Assembly {
    opcode: OpCode,
    compressed: bool,
    fragments: usize,
    /// The number of its first frame.
    began: u32,
    payload: BytesMut,
    text: Incremental,
}

/// How far one frame got.
enum Progress {
    Message(Message),
    /// A fragment is complete, its message is not.
    Fragment,
    /// More octets are needed.
    Wait(Partial),
}

impl Receiver {
    /// For a connection without extensions.
    #[must_use]
    pub const fn new(role: Role, limits: Limits) -> Self {
        Self { limits, frame: None, assembly: None, inflater: None, frames: 0, role, ended: false }
    }

    /// For a connection with permessage-deflate.
    #[must_use]
    pub fn with_deflate(role: Role, limits: Limits, agreed: &Agreed) -> Self {
        Self { inflater: Some(agreed.inflater(role)), ..Self::new(role, limits) }
    }

    /// Takes the next message off the front of `buf`; `None`: it needs more octets.
    ///
    /// After a Close or a violation, whatever comes is thrown away (section 5.5.1).
    ///
    /// # Errors
    /// The peer broke a rule. The connection must be closed with the violation's code.
    pub fn receive(&mut self, buf: &mut BytesMut) -> Result<Option<Message>, Violation> {
        if self.ended {
            buf.clear();
            return Ok(None);
        }
        let result = self.advance(buf);
        if matches!(result, Err(_) | Ok(Some(Message::Close(_)))) {
            self.end();
        }
        result
    }

    /// Takes the next message off the front of `octets` where it lies, and gives it with what is
    /// behind it. `None`: only [`Receiver::receive`] can read on, because the frame is not all
    /// here, or is a fragment, compressed or a Close; give it the octets that are left.
    ///
    /// ```
    /// use omniwire_websocket::{Limits, MessageRef, Receiver, Role};
    ///
    /// let mut receiver = Receiver::new(Role::Client, Limits::default());
    /// let mut octets = *b"\x81\x05Hello\x82\x01!\x89";
    /// let (message, rest) = receiver.receive_in_place(&mut octets)?.unwrap();
    /// assert_eq!(message, MessageRef::Text("Hello"));
    /// let (message, rest) = receiver.receive_in_place(rest)?.unwrap();
    /// assert_eq!(message, MessageRef::Binary(b"!"));
    /// assert_eq!(receiver.receive_in_place(rest)?, None); // half a Ping
    /// # Ok::<(), omniwire_websocket::Violation>(())
    /// ```
    ///
    /// # Errors
    /// See [`Receiver::receive`].
    pub fn receive_in_place<'a>(
        &mut self,
        octets: &'a mut [u8],
    ) -> Result<Option<(MessageRef<'a>, &'a mut [u8])>, Violation> {
        if self.ended || !self.is_idle() {
            return Ok(None);
        }
        let result = self.take_in_place(octets);
        if result.is_err() {
            self.end();
        }
        result
    }

    fn take_in_place<'a>(
        &mut self,
        octets: &'a mut [u8],
    ) -> Result<Option<(MessageRef<'a>, &'a mut [u8])>, Violation> {
        let Some((header, head_len)) = Header::read(octets, self.role)? else { return Ok(None) };
        let (_, payload) = octets.split_at_mut_checked(head_len).unwrap_or_default();
        let is_whole = header.fin && !header.rsv1 && header.opcode != OpCode::Close;
        let parts = payload.split_at_mut_checked(len_of(&header)).filter(|_| is_whole);
        let Some((payload, rest)) = parts else { return Ok(None) };
        self.admit(&header)?;
        self.frames = self.frames.wrapping_add(1);
        unmask(&header, payload, 0);
        let message = match header.opcode {
            OpCode::Text => match simdutf8::basic::from_utf8(payload) {
                Ok(text) => MessageRef::Text(text),
                Err(_) => return Err(Violation::INVALID_UTF8), // section 8.1
            },
            OpCode::Ping => MessageRef::Ping(payload),
            OpCode::Pong => MessageRef::Pong(payload),
            _ => MessageRef::Binary(payload),
        };
        Ok(Some((message, rest)))
    }

    /// From now on, whatever comes is thrown away, and what has come in part.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.frame = None;
        self.assembly = None;
    }

    /// How many octets the frame in progress still lacks, beyond those in `buf`: a reader may
    /// reserve so much, though better in steps as they arrive. 0: unknown or nothing.
    #[must_use]
    pub fn missing(&self, buf: &BytesMut) -> usize {
        self.frame.as_ref().map_or(0, |partial| {
            let held = if self.is_fragment(&partial.header) { partial.done } else { 0 };
            len_of(&partial.header).saturating_sub(held).saturating_sub(buf.len())
        })
    }

    /// The number of the frame of which a part has come and not all, once [`Receiver::receive`] has
    /// nothing more to give. A peer that sends it octet by octet is alive only in appearance.
    #[must_use]
    pub fn unfinished_frame(&self, buf: &BytesMut) -> Option<u32> {
        match &self.frame {
            Some(_) => Some(self.frames),
            None if buf.is_empty() || self.ended => None,
            None => Some(self.frames.wrapping_add(1)),
        }
    }

    /// The number of the frame with which a message began whose last fragment has not come. A peer
    /// may leave it so, and live on.
    #[must_use]
    pub fn unfinished_message(&self) -> Option<u32> {
        self.assembly.as_ref().map(|assembly| assembly.began)
    }

    /// Octets that have come of what is unfinished, those in `buf` included.
    #[must_use]
    pub fn held(&self, buf: &BytesMut) -> usize {
        let assembled = self.assembly.as_ref().map_or(0, |assembly| assembly.payload.len());
        buf.len().saturating_add(assembled)
    }

    /// Whether nothing is in progress.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.frame.is_none() && self.assembly.is_none()
    }

    /// Whether it is idle, and nothing that has come matters to what will.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.is_idle() && !self.ended && !matches!(self.inflater, Some(Inflater::Own(_)))
    }

    fn advance(&mut self, buf: &mut BytesMut) -> Result<Option<Message>, Violation> {
        loop {
            let partial = match self.frame.take() {
                Some(partial) => *partial,
                None => {
                    let Some((header, len)) = Header::read(buf, self.role)? else {
                        return Ok(None);
                    };
                    self.admit(&header)?;
                    self.frames = self.frames.wrapping_add(1);
                    buf.advance(len);
                    Partial { header, done: 0, text: Incremental::default() }
                }
            };
            match self.take_payload(partial, buf)? {
                Progress::Message(message) => return Ok(Some(message)),
                Progress::Fragment => {}
                Progress::Wait(partial) => {
                    self.frame = Some(Box::new(partial));
                    return Ok(None);
                }
            }
        }
    }

    /// Applies every rule that the header alone decides, before anything is reserved.
    fn admit(&mut self, header: &Header) -> Result<(), Violation> {
        if header.opcode.is_control() {
            // RFC 7692 section 6: RSV1 is for data messages.
            return if header.rsv1 { Err(Violation::RESERVED_BITS) } else { Ok(()) };
        }
        let first = header.opcode != OpCode::Continuation;
        // RFC 7692 section 6: only where agreed, and only on the first fragment.
        if header.rsv1 && !(first && self.inflater.is_some()) {
            return Err(Violation::RESERVED_BITS);
        }
        if header.len > self.limits.frame_len as u64 {
            return Err(Violation::FRAME_TOO_BIG);
        }
        // RFC 6455 section 5.4: fragments of two messages are not interleaved.
        let (held, compressed) = match (first, self.assembly.as_deref_mut()) {
            (true, None) => (0, header.rsv1),
            (true, Some(_)) => return Err(Violation::MESSAGE_UNFINISHED),
            (false, None) => return Err(Violation::NOTHING_TO_CONTINUE),
            (false, Some(assembly)) => {
                assembly.fragments = assembly.fragments.saturating_add(1);
                if assembly.fragments > self.limits.fragments {
                    return Err(Violation::TOO_MANY_FRAGMENTS);
                }
                (assembly.payload.len(), assembly.compressed)
            }
        };
        let limit = message_len_max(&self.limits, compressed);
        if header.len > limit.saturating_sub(held) as u64 {
            return Err(Violation::MESSAGE_TOO_BIG);
        }
        if first && !header.fin {
            self.assembly = Some(Box::new(Assembly {
                opcode: header.opcode,
                compressed: header.rsv1,
                fragments: 1,
                began: self.frames.wrapping_add(1),
                payload: BytesMut::new(),
                text: Incremental::default(),
            }));
        }
        Ok(())
    }

    fn take_payload(
        &mut self,
        partial: Partial,
        buf: &mut BytesMut,
    ) -> Result<Progress, Violation> {
        let header = partial.header;
        if header.opcode.is_control() {
            return take_control(partial, buf);
        }
        if self.is_fragment(&header) {
            return self.take_fragment(partial, buf);
        }
        let text = header.opcode == OpCode::Text && !header.rsv1;
        match take_whole(partial, buf, text)? {
            Whole::Wait(partial) => Ok(Progress::Wait(partial)),
            Whole::Payload(payload) if header.rsv1 => {
                self.inflate(header.opcode, &payload).map(Progress::Message)
            }
            Whole::Payload(payload) => Ok(Progress::Message(data_message(header.opcode, payload))),
        }
    }

    /// Moves what is there of a fragment to the message it belongs to.
    fn take_fragment(
        &mut self,
        mut partial: Partial,
        buf: &mut BytesMut,
    ) -> Result<Progress, Violation> {
        let Some(assembly) = self.assembly.as_deref_mut() else {
            return Err(Violation::NOTHING_TO_CONTINUE);
        };
        let header = partial.header;
        let missing = len_of(&header).saturating_sub(partial.done);
        let mut piece = buf.split_to(missing.min(buf.len()));
        unmask(&header, &mut piece, partial.done);
        if assembly.opcode == OpCode::Text && !assembly.compressed {
            assembly.text.feed(&piece)?; // section 8.1
        }
        assembly.payload.extend_from_slice(&piece);
        partial.done = partial.done.saturating_add(piece.len());
        if piece.len() < missing {
            return Ok(Progress::Wait(partial));
        }
        if !header.fin {
            return Ok(Progress::Fragment);
        }
        self.finish_assembly().map(Progress::Message)
    }

    fn finish_assembly(&mut self) -> Result<Message, Violation> {
        let Some(assembly) = self.assembly.take() else {
            return Err(Violation::NOTHING_TO_CONTINUE);
        };
        let Assembly { opcode, compressed, payload, text, .. } = *assembly;
        if !compressed {
            text.finish()?;
            return Ok(data_message(opcode, payload.freeze()));
        }
        self.inflate(opcode, &payload)
    }

    fn inflate(&mut self, opcode: OpCode, payload: &[u8]) -> Result<Message, Violation> {
        let Some(inflater) = &mut self.inflater else { return Err(Violation::RESERVED_BITS) };
        let payload = inflater.inflate(payload, self.limits.message_len)?;
        if opcode == OpCode::Text && simdutf8::basic::from_utf8(&payload).is_err() {
            return Err(Violation::INVALID_UTF8); // section 8.1
        }
        Ok(data_message(opcode, payload))
    }

    fn is_fragment(&self, header: &Header) -> bool {
        !header.opcode.is_control() && self.assembly.is_some()
    }
}

enum Whole {
    Payload(Bytes),
    Wait(Partial),
}

/// A message in one frame: unmasks and checks in place what has come, so that bad text is refused
/// before the frame ends, and splits it off when it is complete.
fn take_whole(mut partial: Partial, buf: &mut BytesMut, text: bool) -> Result<Whole, Violation> {
    let len = len_of(&partial.header);
    let here = len.min(buf.len());
    if let Some(fresh) = buf.get_mut(partial.done..here) {
        unmask(&partial.header, fresh, partial.done);
        if text && partial.done == 0 && here == len {
            // All at once, the usual case.
            return match simdutf8::basic::from_utf8(fresh) {
                Ok(_) => Ok(Whole::Payload(split_front(buf, len))),
                Err(_) => Err(Violation::INVALID_UTF8),
            };
        }
        if text {
            partial.text.feed(fresh)?;
        }
    }
    partial.done = here;
    if here < len {
        return Ok(Whole::Wait(partial));
    }
    if text {
        partial.text.finish()?;
    }
    Ok(Whole::Payload(split_front(buf, len)))
}

/// Control frames are at most 125 octets, so they wait until they are complete.
fn take_control(partial: Partial, buf: &mut BytesMut) -> Result<Progress, Violation> {
    let header = partial.header;
    let len = len_of(&header);
    let Some(payload) = buf.get_mut(..len) else { return Ok(Progress::Wait(partial)) };
    unmask(&header, payload, 0);
    let payload = split_front(buf, len);
    Ok(Progress::Message(match header.opcode {
        OpCode::Close => Message::Close(CloseFrame::read(&payload)?),
        OpCode::Ping => Message::Ping(payload),
        _ => Message::Pong(payload),
    }))
}

fn data_message(opcode: OpCode, payload: Bytes) -> Message {
    match opcode {
        OpCode::Text => Message::Text(Utf8Bytes::from_checked(payload)),
        _ => Message::Binary(payload),
    }
}

/// Splits `len` octets off, which `buf` has. A buffer that holds nothing else is taken as it is,
/// which saves an allocation.
fn split_front(buf: &mut BytesMut, len: usize) -> Bytes {
    if len == 0 {
        return Bytes::new();
    }
    if buf.len() == len && buf.capacity() == len {
        return std::mem::take(buf).freeze();
    }
    buf.split_to(len).freeze()
}

fn unmask(header: &Header, payload: &mut [u8], offset: usize) {
    if let Some(key) = header.mask {
        mask::apply(payload, key, offset);
    }
}

/// The payload's length; [`Receiver::admit`] has bounded it, control frames are short.
fn len_of(header: &Header) -> usize {
    usize::try_from(header.len).unwrap_or(usize::MAX)
}

/// Compressed octets are counted before inflating. Data that does not shrink grows a little: five
/// octets for each stored block, and blocks may be as short as the peer's buffers.
fn message_len_max(limits: &Limits, compressed: bool) -> usize {
    if compressed {
        limits.message_len.saturating_add(limits.message_len / 64).saturating_add(64)
    } else {
        limits.message_len
    }
}

#[cfg(test)]
mod tests;
