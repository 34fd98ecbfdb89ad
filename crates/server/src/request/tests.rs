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
    request.headers_mut().append("upgrade", HeaderValue::from_static("websocket"));
    let last = HeaderValue::from_maybe_shared(buffer.slice(14..)).unwrap();
    request.headers_mut().append("cookie", last);

    let info = RequestInfo::copy_of(&request, None);
    let headers: Vec<_> = info.headers().collect();
    let wanted: [(&str, &[u8]); 3] = [("cookie", b"yes"), ("cookie", b"no"), ("x-own", b"")];
    assert_eq!(headers, wanted);
    assert_eq!((info.header("Cookie"), info.header("x-none")), (Some("yes"), None));
    assert_eq!((info.target(), info.path(), info.query()), ("/chat?a=1", "/chat", "a=1"));
    assert!(!format!("{info:?}").contains("yes"));
    drop(request);
    assert!(buffer.is_unique());
}

#[test]
fn the_path_of_a_target_with_a_host() {
    let of = |target| {
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from_static(target);
        let info = RequestInfo::copy_of(&request, None);
        (info.path().to_owned(), info.query().to_owned(), info.is_secure())
    };
    assert_eq!(of("https://host:1/a/b?c=/d?e"), ("/a/b".into(), "c=/d?e".into(), true));
    assert_eq!(of("http://host"), ("/".into(), String::new(), false));
    assert_eq!(of("*"), ("*".into(), String::new(), false));
}
