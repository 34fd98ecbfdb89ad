//! What a WebSocket needs of HTTP/3 (RFC 9114, RFC 9220) as a client, without IO: the control
//! streams, and one request's stream.

pub(crate) mod qpack;

use std::collections::BTreeSet;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode, Version};

/// An error code, on a stream or for a whole connection (RFC 9114 section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    pub(crate) const NO_ERROR: Self = Self(0x100);
    pub(crate) const STREAM_CREATION_ERROR: Self = Self(0x103);
    pub(crate) const CLOSED_CRITICAL_STREAM: Self = Self(0x104);
    pub(crate) const FRAME_UNEXPECTED: Self = Self(0x105);
    pub(crate) const FRAME_ERROR: Self = Self(0x106);
    pub(crate) const EXCESSIVE_LOAD: Self = Self(0x107);
    pub(crate) const ID_ERROR: Self = Self(0x108);
    pub(crate) const SETTINGS_ERROR: Self = Self(0x109);
    pub(crate) const MISSING_SETTINGS: Self = Self(0x10a);
    pub(crate) const REQUEST_CANCELLED: Self = Self(0x10c);
    pub(crate) const MESSAGE_ERROR: Self = Self(0x10e);
}

/// What a unidirectional stream of the server is for, by its first number (section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Control,
    /// Both of QPACK's (RFC 9204 section 4.2): without a dynamic table they have nothing to say.
    Qpack,
    Unknown,
}

impl Purpose {
    /// # Errors
    /// A push, though none is allowed (section 4.6).
    pub(crate) const fn of(kind: u64) -> Result<Self, Code> {
        match kind {
            0x00 => Ok(Self::Control),
            0x01 => Err(Code::ID_ERROR),
            0x02 | 0x03 => Ok(Self::Qpack),
            _ => Ok(Self::Unknown),
        }
    }
}

/// The beginning of our own control stream: its purpose, and our settings. QPACK's table has no
/// capacity unless a setting gives it one.
pub(crate) fn write_control(field_section_len_max: u32) -> BytesMut {
    let mut settings = BytesMut::new();
    write_integer(&mut settings, MAX_FIELD_SECTION_SIZE);
    write_integer(&mut settings, field_section_len_max.into());
    let mut out = BytesMut::from(&[0x00][..]);
    write_frame(&mut out, SETTINGS, &settings);
    out
}

/// The HEADERS frame of an extended CONNECT for a WebSocket (RFC 9220 section 3).
pub(crate) fn write_request(request: &http::Request<()>) -> BytesMut {
    let uri = request.uri();
    let mut section = BytesMut::new();
    qpack::begin(&mut section);
    for (name, value) in [
        (":method", request.method().as_str()),
        (":protocol", "websocket"),
        (":scheme", uri.scheme_str().unwrap_or("https")),
        (":authority", uri.authority().map_or("", |authority| authority.as_str())),
        (":path", uri.path_and_query().map_or("/", |path| path.as_str())),
    ] {
        qpack::write(&mut section, name.as_bytes(), value.as_bytes(), false);
    }
    for (name, value) in request.headers() {
        let secret = value.is_sensitive();
        qpack::write(&mut section, name.as_str().as_bytes(), value.as_bytes(), secret);
    }
    let mut out = BytesMut::new();
    write_frame(&mut out, HEADERS, &section);
    out
}

/// Appends a DATA frame.
pub(crate) fn write_data(out: &mut BytesMut, data: &[u8]) {
    write_frame(out, DATA, data);
}

/// The head of an answer. `None`: it is an interim one, and another follows.
///
/// # Errors
/// It is malformed (section 4.1.2), or larger than we allow.
pub(crate) fn read_answer(
    section: &[u8],
    len_max: usize,
) -> Result<Option<http::Response<()>>, Code> {
    let fields = qpack::read(section, len_max).map_err(|_| Code::MESSAGE_ERROR)?;
    let mut fields = fields.into_iter();
    // Section 4.3.2: the only pseudo-header, once, before all other fields.
    let status = match fields.next() {
        Some((name, value)) if name == ":status" => StatusCode::from_bytes(&value).ok(),
        _ => None,
    };
    let status = status.ok_or(Code::MESSAGE_ERROR)?;
    let mut answer = http::Response::new(());
    *answer.status_mut() = status;
    *answer.version_mut() = Version::HTTP_3;
    for (name, value) in fields {
        // Section 4.2: names are in lower case; a pseudo-header is no name.
        let name = HeaderName::from_lowercase(&name).map_err(|_| Code::MESSAGE_ERROR)?;
        let value = HeaderValue::from_bytes(&value).map_err(|_| Code::MESSAGE_ERROR)?;
        answer.headers_mut().append(name, value);
    }
    Ok((!status.is_informational()).then_some(answer))
}

/// The server's control stream, behind its purpose.
#[derive(Debug, Default)]
pub(crate) struct Control {
    buf: BytesMut,
    skip: u64,
    settled: bool,
}

/// What a control stream says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The settings: whether extended CONNECT is allowed (RFC 9220 section 3).
    Settings(bool),
    /// No more requests are taken (section 5.2).
    GoAway,
}

impl Control {
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.buf.extend_from_slice(octets);
    }

    /// The next thing it says. `None`: it needs more octets.
    ///
    /// # Errors
    /// What breaks the connection (sections 6.2.1 and 7.2).
    pub(crate) fn next(&mut self) -> Result<Option<Said>, Code> {
        loop {
            skip(&mut self.buf, &mut self.skip);
            let Some(Head { kind, len, at }) = Head::read(&self.buf) else { return Ok(None) };
            if !self.settled && kind != SETTINGS {
                return Err(Code::MISSING_SETTINGS);
            }
            let said = match kind {
                SETTINGS if self.settled => return Err(Code::FRAME_UNEXPECTED),
                SETTINGS if len > CONTROL_LEN_MAX => return Err(Code::EXCESSIVE_LOAD),
                SETTINGS => {
                    let Some(payload) = take(&mut self.buf, at, len) else { return Ok(None) };
                    self.settled = true;
                    return read_settings(&payload).map(|allows| Some(Said::Settings(allows)));
                }
                GOAWAY => Some(Said::GoAway),
                CANCEL_PUSH => return Err(Code::ID_ERROR),
                _ if is_reserved(kind) => return Err(Code::FRAME_UNEXPECTED),
                _ => None,
            };
            self.buf.advance(at);
            self.skip = len;
            if said.is_some() {
                return Ok(said);
            }
        }
    }
}

/// Whether extended CONNECT is allowed.
fn read_settings(mut octets: &[u8]) -> Result<bool, Code> {
    let (mut seen, mut allows) = (BTreeSet::new(), false);
    while !octets.is_empty() {
        let (Some(setting), Some(value)) = (integer(&mut octets), integer(&mut octets)) else {
            return Err(Code::FRAME_ERROR);
        };
        // Sections 7.2.4 and 7.2.4.1: each at most once, and none that HTTP/2 alone has.
        if !seen.insert(setting) || matches!(setting, 0x00 | 0x02..=0x05) {
            return Err(Code::SETTINGS_ERROR);
        }
        if setting == ENABLE_CONNECT_PROTOCOL {
            allows = match value {
                0 => false,
                1 => true,
                _ => return Err(Code::SETTINGS_ERROR), // RFC 8441 section 3
            };
        }
    }
    Ok(allows)
}

/// The server's half of a request's stream.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    buf: BytesMut,
    skip: u64,
    /// What is still to come of a DATA frame.
    data: u64,
    /// The head is here: only DATA may follow.
    opened: bool,
}

/// What a request's stream brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Headers(Bytes),
    /// Some of the octets that travel.
    Data(Bytes),
}

impl Answer {
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.buf.extend_from_slice(octets);
    }

    /// From here on nothing but DATA may come.
    pub(crate) const fn open(&mut self) {
        self.opened = true;
    }

    /// How many octets come next of which nobody but the reader of the data takes notice.
    pub(crate) fn direct(&self) -> u64 {
        if self.buf.is_empty() { self.data } else { 0 }
    }

    /// So many of them came.
    pub(crate) const fn took_direct(&mut self, len: u64) {
        self.data = self.data.saturating_sub(len);
    }

    /// Whether the stream may end here.
    pub(crate) fn is_whole(&self) -> bool {
        self.buf.is_empty() && self.skip == 0 && self.data == 0
    }

    /// The next piece. `None`: it needs more octets.
    ///
    /// # Errors
    /// What breaks the connection (sections 4.4 and 7.2).
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Code> {
        loop {
            skip(&mut self.buf, &mut self.skip);
            if self.data > 0 {
                if self.buf.is_empty() {
                    return Ok(None);
                }
                let len =
                    usize::try_from(self.data).map_or(self.buf.len(), |n| n.min(self.buf.len()));
                self.data = self.data.saturating_sub(len as u64);
                return Ok(Some(Piece::Data(self.buf.split_to(len).freeze())));
            }
            let Some(Head { kind, len, at }) = Head::read(&self.buf) else { return Ok(None) };
            match kind {
                DATA if self.opened => self.data = len,
                HEADERS if !self.opened && len > CONTROL_LEN_MAX => {
                    return Err(Code::EXCESSIVE_LOAD);
                }
                HEADERS if !self.opened => {
                    let section = take(&mut self.buf, at, len);
                    return Ok(section.map(Piece::Headers));
                }
                PUSH_PROMISE => return Err(Code::ID_ERROR), // section 7.2.5: no push is allowed
                // Section 4.4: on the stream of a CONNECT there are only DATA frames, and those
                // of extensions.
                DATA | HEADERS | CANCEL_PUSH | SETTINGS | GOAWAY => {
                    return Err(Code::FRAME_UNEXPECTED);
                }
                _ if is_reserved(kind) => return Err(Code::FRAME_UNEXPECTED),
                _ => self.skip = len,
            }
            self.buf.advance(at);
        }
    }
}

/// The head of a frame (section 7.1), which ends at `at`.
struct Head {
    kind: u64,
    len: u64,
    at: usize,
}

impl Head {
    fn read(octets: &[u8]) -> Option<Self> {
        let mut rest = octets;
        let (kind, len) = (integer(&mut rest)?, integer(&mut rest)?);
        Some(Self { kind, len, at: octets.len().saturating_sub(rest.len()) })
    }
}

/// The payload of a frame, once it is here as a whole.
fn take(buf: &mut BytesMut, at: usize, len: u64) -> Option<Bytes> {
    let end = usize::try_from(len).ok()?.checked_add(at)?;
    if buf.len() < end {
        return None;
    }
    let mut frame = buf.split_to(end);
    frame.advance(at);
    Some(frame.freeze())
}

fn skip(buf: &mut BytesMut, left: &mut u64) {
    let len = usize::try_from(*left).map_or(buf.len(), |left| left.min(buf.len()));
    buf.advance(len);
    *left = left.saturating_sub(len as u64);
}

fn write_frame(out: &mut BytesMut, kind: u64, payload: &[u8]) {
    write_integer(out, kind);
    write_integer(out, payload.len() as u64);
    out.put_slice(payload);
}

/// RFC 9000 section 16: the two highest bits of the first octet tell how many there are.
pub(crate) fn integer(octets: &mut &[u8]) -> Option<u64> {
    let first = *octets.first()?;
    let len = 1_usize << (first >> 6);
    let (head, rest) = octets.split_at_checked(len)?;
    *octets = rest;
    let value = head.iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
    // The two bits are no part of it.
    let bits = 62_u32.saturating_sub(64_u32.saturating_sub(8_u32.saturating_mul(len as u32)));
    Some(value & (u64::MAX >> 64_u32.saturating_sub(bits)))
}

fn write_integer(out: &mut BytesMut, value: u64) {
    match value {
        0..0x40 => out.put_u8(value as u8),
        0x40..0x4000 => out.put_u16(value as u16 | 0x4000),
        0x4000..0x4000_0000 => out.put_u32(value as u32 | 0x8000_0000),
        _ => out.put_u64(value | 0xc000_0000_0000_0000),
    }
}

/// Section 7.2.8: those that HTTP/2 has and HTTP/3 has not; and MAX_PUSH_ID, which no server sends.
const fn is_reserved(kind: u64) -> bool {
    matches!(kind, DATA | HEADERS | PUSH_PROMISE | 0x02 | 0x06 | 0x08 | 0x09 | 0x0d)
}

const DATA: u64 = 0x00;
const HEADERS: u64 = 0x01;
const CANCEL_PUSH: u64 = 0x03;
const SETTINGS: u64 = 0x04;
const PUSH_PROMISE: u64 = 0x05;
const GOAWAY: u64 = 0x07;

const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;

/// Octets of a SETTINGS or HEADERS frame. Huffman codes may shrink a section, and never double it.
const CONTROL_LEN_MAX: u64 = 32 << 10;

#[cfg(test)]
mod tests;
