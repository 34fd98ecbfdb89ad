//! The heads of the opening handshake in HTTP/1.1 (RFC 9112).

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Error;

/// A head that is not to be answered with 400 alone.
#[derive(Debug)]
pub(super) enum HeadError {
    /// More than [`HEAD_LEN_MAX`] octets or [`FIELDS_MAX`] fields.
    TooLarge,
    /// Not HTTP/1.1.
    Malformed,
    Error(Error),
}

/// Reads up to the empty line that ends a head, and splits the head off. What came behind it stays
/// in `buf`. Each octet is looked at once, however they arrive.
pub(super) async fn read_head<S: AsyncRead + Unpin>(
    io: &mut S,
    buf: &mut BytesMut,
) -> Result<BytesMut, HeadError> {
    let mut seen = 0;
    loop {
        let fresh = buf.get(seen..).unwrap_or_default();
        if let Some(end) = memmem::find(fresh, b"\r\n\r\n") {
            return Ok(buf.split_to(seen.saturating_add(end).saturating_add(4)));
        }
        seen = buf.len().saturating_sub(3);
        let room = HEAD_LEN_MAX.saturating_sub(buf.len());
        if room == 0 {
            return Err(HeadError::TooLarge);
        }
        buf.reserve(room.min(1_024));
        let read = io.read_buf(&mut buf.limit(room)).await;
        if read.map_err(|error| HeadError::Error(error.into()))? == 0 {
            return Err(HeadError::Error(Error::Dropped));
        }
    }
}

/// Reads the head of a request.
pub(super) fn read_request(head: &[u8]) -> Result<http::Request<()>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    check_whole(parsed.parse(head), head)?;
    let mut request = http::Request::new(());
    *request.method_mut() =
        parsed.method.and_then(|method| method.parse().ok()).ok_or(HeadError::Malformed)?;
    *request.uri_mut() =
        parsed.path.and_then(|path| path.parse().ok()).ok_or(HeadError::Malformed)?;
    *request.version_mut() = version(parsed.version);
    *request.headers_mut() = read_fields(parsed.headers)?;
    Ok(request)
}

/// Reads the head of an answer.
pub(super) fn read_answer(head: &[u8]) -> Result<http::Response<()>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    check_whole(parsed.parse(head), head)?;
    let mut answer = http::Response::new(());
    *answer.status_mut() =
        parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(HeadError::Malformed)?;
    *answer.version_mut() = version(parsed.version);
    *answer.headers_mut() = read_fields(parsed.headers)?;
    Ok(answer)
}

/// Writes the head of a request.
pub(super) fn write_request(request: &http::Request<()>) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    write_fields(&mut head, request.headers());
    head
}

/// Writes an answer with its body.
pub(super) fn write_answer(status: StatusCode, headers: &HeaderMap, body: &str) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or(""))
            .into_bytes();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let len = body.len();
        let framing = format!("content-type: text/plain\r\ncontent-length: {len}\r\n");
        answer.extend_from_slice(framing.as_bytes());
    }
    write_fields(&mut answer, headers);
    answer.extend_from_slice(body.as_bytes());
    answer
}

fn write_fields(head: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
}

/// The parser must have read exactly what [`read_head`] has cut: otherwise the two disagree on
/// where the head ends (bare line feeds), and what follows would be taken for something else.
fn check_whole(parsed: httparse::Result<usize>, head: &[u8]) -> Result<(), HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(len)) if len == head.len() => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooLarge),
        _ => Err(HeadError::Malformed),
    }
}

fn read_fields(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, HeadError> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else { return Err(HeadError::Malformed) };
        headers.append(name, value);
    }
    Ok(headers)
}

const fn version(minor: Option<u8>) -> Version {
    match minor {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    }
}

/// The octets of one head.
pub(super) const HEAD_LEN_MAX: usize = 16 << 10;

/// The fields of one head.
pub(super) const FIELDS_MAX: usize = 100;
