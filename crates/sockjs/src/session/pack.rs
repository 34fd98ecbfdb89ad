//! Putting frames into responses.

use super::{Current, Manner, SockJsSession, State};
use crate::dress::Dress;
use bytes::{Bytes, BytesMut};
use omniwire_session::{Carrier, CarrierId, Frame, Packed};
use std::collections::VecDeque;

impl<M: Manner> SockJsSession<M> {
    /// Writes one SockJS frame, since readers take one chunk for one frame. Messages that wait
    /// together are one frame.
    pub(super) fn pack_frame(
        &mut self,
        id: CarrierId,
        carrier: Carrier,
        queue: &mut VecDeque<Frame>,
        out: &mut BytesMut,
    ) -> Packed {
        let start = out.len();
        let current = self.current.as_mut().filter(|current| current.id == id);
        let customary = Dress::of(carrier);
        let dress = current.as_ref().map_or(&customary, |current| &current.dress);
        let sent_len = current.as_ref().map_or(0, |current| current.sent_len);
        let room = self.config.response_len_max.saturating_sub(sent_len);

        dress.begin(out);
        let kind = put_frame(dress, queue, out, start, room);
        dress.end(out);

        let sent_len = sent_len.saturating_add(out.len().saturating_sub(start));
        let full = match carrier {
            Carrier::WebSocket | Carrier::WebTransport => false,
            Carrier::LongPoll => true,
            Carrier::EventStream | Carrier::Streaming => {
                kind == Some(b'c') || sent_len >= self.config.response_len_max
            }
        };
        if let Some(Current { sent_len: total, spent, .. }) = current {
            *total = sent_len;
            *spent |= full;
        }
        if let State::Closing { queued, .. } = &mut self.state {
            *queued &= kind != Some(b'c');
        }
        if full { Packed::Full } else { Packed::Open }
    }
}

/// Writes the next frame without its wrapping, and says what kind it is.
fn put_frame(
    dress: &Dress,
    queue: &mut VecDeque<Frame>,
    out: &mut BytesMut,
    start: usize,
    room: usize,
) -> Option<u8> {
    let mut frame = queue.pop_front()?;
    // A heartbeat that waited too long says nothing that what follows doesn't say.
    while frame.as_payload() == b"h" && !queue.is_empty() {
        frame = queue.pop_front()?;
    }
    let kind = frame.as_payload().first().copied();
    let payload = frame.payload();
    let Some(first) = messages(&payload) else {
        dress.put(out, &payload);
        return kind;
    };
    dress.put(out, b"a[");
    dress.put(out, first);
    while out.len().saturating_sub(start) < room {
        let Some(next) = queue.front().map(Frame::payload) else { break };
        let Some(more) = messages(&next) else { break };
        dress.put(out, b",");
        dress.put(out, more);
        queue.pop_front();
    }
    dress.put(out, b"]");
    kind
}

/// What is between the brackets of an `a[..]` frame.
fn messages(payload: &Bytes) -> Option<&[u8]> {
    payload.strip_prefix(b"a[")?.strip_suffix(b"]")
}
