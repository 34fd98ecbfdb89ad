//! How a response is written (RFC 9112, 4 to 7).

use axum::body::Body;
use bytes::{BufMut as _, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderName, Response, StatusCode};
use http_body::Body as _;
use std::cell::RefCell;
use std::io::{self, Write as _};
use std::time::SystemTime;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// By an empty chunk, which is still to come.
    Chunks,
    /// It is over. More of it must not be written.
    Ended,
}

/// The digits of a chunk's size and the line's end.
pub(super) const SIZE_LEN_MAX: usize = 16 + 2;

impl Framing {
    fn of(parts: &Parts, body: &Body) -> Self {
        if !may_have_body(parts.status) {
            return Self::Ended;
        }
        let named = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        match named.and_then(|length| length.parse().ok()).or(body.size_hint().exact()) {
            Some(0) => Self::Ended,
            Some(len) => Self::Length(len),
            None => Self::Chunks,
        }
    }

    pub(super) fn is_ended(self) -> bool {
        self == Self::Ended
    }

    /// What goes before and behind the next piece of a body.
    ///
    /// # Errors
    /// The piece is longer than what was promised.
    pub(super) fn around<'a>(
        &mut self,
        len: usize,
        space: &'a mut [u8; SIZE_LEN_MAX],
    ) -> io::Result<(&'a [u8], &'static [u8])> {
        match self {
            // An empty chunk would be the end.
            Self::Chunks if len == 0 => Ok((&[], &[])),
            Self::Chunks => Ok((chunk_size(len, space), b"\r\n")),
            Self::Length(left) => {
                *left = left.checked_sub(len as u64).ok_or(io::ErrorKind::InvalidData)?;
                Ok((&[], &[]))
            }
            Self::Ended => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// What is written when the body has no more.
    pub(super) fn end(&mut self) -> &'static [u8] {
        let end: &[u8] = if *self == Self::Chunks { b"0\r\n\r\n" } else { &[] };
        if matches!(self, Self::Chunks | Self::Length(0)) {
            *self = Self::Ended;
        }
        end
    }
}

/// The line before a chunk's data (RFC 9112, 7.1).
fn chunk_size(len: usize, space: &mut [u8; SIZE_LEN_MAX]) -> &[u8] {
    let mut rest = &mut space[..];
    // Sixteen digits are enough for any.
    write!(rest, "{len:X}\r\n").ok();
    let len = SIZE_LEN_MAX.saturating_sub(rest.len());
    space.get(..len).unwrap_or_default()
}

/// The head, and how the end of the body will be told.
pub(super) fn head(parts: &Parts, body: &Body, lasts: bool) -> (BytesMut, Framing) {
    let framing = Framing::of(parts, body);
    let mut head = BytesMut::with_capacity(HEAD_LEN_GUESS);
    head.put_slice(b"HTTP/1.1 ");
    head.put_slice(parts.status.as_str().as_bytes());
    head.put_u8(b' ');
    head.put_slice(parts.status.canonical_reason().unwrap_or_default().as_bytes());
    head.put_slice(b"\r\n");
    for (name, value) in &parts.headers {
        if name != CONTENT_LENGTH {
            put_field(&mut head, name, value.as_bytes());
        }
    }
    match framing {
        Framing::Chunks => put_field(&mut head, &TRANSFER_ENCODING, b"chunked"),
        Framing::Length(len) => put_field(&mut head, &CONTENT_LENGTH, len.to_string().as_bytes()),
        Framing::Ended if may_have_body(parts.status) => {
            put_field(&mut head, &CONTENT_LENGTH, b"0");
        }
        Framing::Ended => {}
    }
    if !lasts && !parts.headers.contains_key(CONNECTION) {
        put_field(&mut head, &CONNECTION, b"close");
    }
    if !parts.headers.contains_key(DATE) {
        put_date(&mut head);
    }
    head.put_slice(b"\r\n");
    (head, framing)
}

/// Most heads are shorter, and cost one allocation.
const HEAD_LEN_GUESS: usize = 384;

fn put_field(head: &mut BytesMut, name: &HeaderName, value: &[u8]) {
    for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
        head.put_slice(part);
    }
}

/// The date, written once in a second.
fn put_date(head: &mut BytesMut) {
    thread_local! {
        static WRITTEN: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    WRITTEN.with_borrow_mut(|(written, date)| {
        if *written != second || date.is_empty() {
            (*written, *date) = (second, httpdate::HttpDate::from(now).to_string());
        }
        put_field(head, &DATE, date.as_bytes());
    });
}

/// Whether a response of this status has a body, be it an empty one (RFC 9112, 6.3).
fn may_have_body(status: StatusCode) -> bool {
    !(status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
}

/// Whether a response says that it is the last of its connection.
pub(super) fn is_last(response: &Response<Body>) -> bool {
    let options = response.headers().get_all(CONNECTION).iter();
    let mut options = options.filter_map(|options| options.to_str().ok());
    options.any(|options| options.split(',').any(|it| it.trim().eq_ignore_ascii_case("close")))
}
