//! Header fields that are lists of tokens (RFC 9110 section 5.6). All costs are linear.

use http::HeaderMap;
use http::header::AsHeaderName;

/// Whether a list, over all its lines, holds this token in any case. A part of a longer token is
/// none.
pub(super) fn holds_token(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|line| {
        line.as_bytes()
            .split(|&octet| octet == b',')
            .any(|element| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// The tokens of a list, over all its lines, in order. `None`: an element is no token, or there is
/// no element at all. Empty elements are ignored (RFC 9110 section 5.6.1.2).
pub(super) fn tokens(headers: &HeaderMap, name: impl AsHeaderName) -> Option<Vec<&str>> {
    let mut tokens = Vec::new();
    for line in headers.get_all(name) {
        for element in line.as_bytes().split(|&octet| octet == b',') {
            let element = element.trim_ascii();
            if !element.is_empty() {
                tokens.push(as_token(element)?);
            }
        }
    }
    if tokens.is_empty() { None } else { Some(tokens) }
}

/// The only line of a field: `Err` if there are several, `Ok(None)` if there is none.
pub(super) fn only(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> Result<Option<&[u8]>, Repeated> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (line, None) => Ok(line.map(http::HeaderValue::as_bytes)),
        (_, Some(_)) => Err(Repeated),
    }
}

/// The field has several lines where one is allowed.
#[derive(Debug)]
pub(super) struct Repeated;

/// The octets as a token.
pub(super) fn as_token(octets: &[u8]) -> Option<&str> {
    if octets.is_empty() || !octets.iter().copied().all(is_token_octet) {
        return None;
    }
    std::str::from_utf8(octets).ok()
}

/// `tchar` (RFC 9110 section 5.6.2).
pub(super) const fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
