//! SockJS: requests, frames, escapes.

use bytes::{Bytes, BytesMut};
use omniwire_session::json;
use omniwire_sockjs::request::{Found, Request, Service, decode_form, find};
use omniwire_sockjs::{unescape_keeping_surrogates, write_string};

use crate::input::{Input, text};
use crate::session::{Bench, Step};
use crate::targets::sessions;

/// A request: method, path, query, then headers.
pub(crate) fn path(input: &[u8]) {
    let mut input = Input::new(input);
    let parts: Vec<_> = (0..7).map(|_| input.text()).collect();
    let header = |index: usize| Some(&*parts[index]).filter(|value: &&str| !value.is_empty());
    let request = Request {
        method: &parts[0],
        path: &parts[1],
        query: header(2),
        origin: header(3),
        asked_headers: header(4),
        cookie: header(5),
        content_type: header(6),
        ..Request::default()
    };
    let mut service = Service::default();
    service.scripts = true;
    match find(&service, &request) {
        Found::Receive { session, .. } | Found::Send { session, .. } => {
            assert!(!session.is_empty() && !session.contains(['.', '/']), "{session:?}");
            assert!(request.path.contains(session));
        }
        Found::Answered(_)
        | Found::Info(_)
        | Found::ChunkingTest(_)
        | Found::RawWebSocket
        | Found::WebSocket => {}
    }
    let body = Bytes::from(input.rest().to_vec());
    if let Ok(json) = decode_form(request.content_type, &body) {
        assert!(!json.is_empty() && json.len() <= body.len() * 3);
    }
}

/// Frames of a client, and the escapes of ours.
pub(crate) fn frame(input: &[u8]) {
    let text = text(input);
    let mut out = BytesMut::new();
    write_string(&mut out, &text);
    let written = std::str::from_utf8(&out).unwrap();
    assert_eq!(serde_json::from_str::<String>(written).unwrap(), *text);
    assert!(!written.contains(damaged), "{written:?}");
    if json::validate(&text).is_ok()
        && let Some(unescaped) = unescape_keeping_surrogates(&text)
    {
        let quoted = json::unescape(&text).unwrap();
        assert!(quoted.contains('\u{fffd}') || *unescaped == *quoted);
    }
    let mut bench = Bench::new(sessions::sockjs_session(), sessions::is_sockjs_frame);
    bench.step(Step::socket());
    bench.step(Step::text(text));
}

/// What browsers damage in transit, as the reference server has it.
pub(crate) fn damaged(c: char) -> bool {
    matches!(
        c,
        '\0'..='\x1f' | '\u{200c}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..='\u{ffff}'
    )
}
