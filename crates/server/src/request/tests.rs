use super::RequestInfo;
use bytes::Bytes;
use http::{HeaderValue, Request, Uri};

#[test]
fn a_session_keeps_nothing_of_the_buffer_its_request_was_read_into() {
    let buffer = Bytes::from(b"/chat?a=1 yes no".to_vec());
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_maybe_shared(buffer.slice(..9)).unwrap();
    let mut secret = HeaderValue::from_maybe_shared(buffer.slice(10..13)).unwrap();
    secret.set_sensitive(true);
    request.headers_mut().append("cookie", secret);
    request.headers_mut().append("x-own", HeaderValue::from_static(""));
    let last = HeaderValue::from_maybe_shared(buffer.slice(14..)).unwrap();
    request.headers_mut().append("cookie", last);

    let info = RequestInfo::copy_of(&request, None);
    assert_eq!(info.headers, *request.headers());
    assert!(info.headers["cookie"].is_sensitive());
    assert_eq!((info.uri.path(), info.query()), ("/chat", "a=1"));
    drop(request);
    assert!(buffer.is_unique());
}
