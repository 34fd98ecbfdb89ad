use super::{Heads, RequestInfo};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, Version};

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

    let info = RequestInfo::copy_of(&request, None, &Heads::default());
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
        let info = RequestInfo::copy_of(&request, None, &Heads::default());
        (info.path().to_owned(), info.query().to_owned(), info.is_secure())
    };
    assert_eq!(of("https://host:1/a/b?c=/d?e"), ("/a/b".into(), "c=/d?e".into(), true));
    assert_eq!(of("http://host"), ("/".into(), String::new(), false));
    assert_eq!(of("*"), ("*".into(), String::new(), false));
}

#[test]
fn all_of_a_head_is_read_as_it_was_written() {
    let (long, heads) = ("x".repeat(20_000), Heads::default());
    for remote in [None, Some("192.0.2.1:80"), Some("[2001:db8::1%7]:65535")] {
        for method in [Method::GET, Method::CONNECT, Method::from_bytes(b"ODD").unwrap()] {
            for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
                let remote = remote.map(|remote| remote.parse().unwrap());
                let mut request = Request::new(());
                *request.method_mut() = method.clone();
                *request.version_mut() = version;
                *request.uri_mut() = Uri::try_from(format!("/{long}")).unwrap();
                request.headers_mut().insert("x-long", HeaderValue::from_str(&long).unwrap());
                request.extensions_mut().insert(super::Secure);
                let info = RequestInfo::copy_of(&request, remote, &heads);
                assert_eq!((info.method(), info.version()), (method.clone(), version));
                assert_eq!((info.remote(), info.is_secure()), (remote, true));
                assert_eq!((&info.target()[1..], info.header("X-Long")), (&*long, Some(&*long)));
            }
        }
    }
}

#[test]
fn heads_that_are_alike_are_one_as_long_as_anybody_has_them() {
    let heads = Heads::default();
    let of = |target: &'static str, remote: &str| {
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from_static(target);
        RequestInfo::copy_of(&request, Some(remote.parse().unwrap()), &heads)
    };
    let (one, other) = (of("/a", "192.0.2.1:80"), of("/a", "192.0.2.2:81"));
    assert!(std::sync::Arc::ptr_eq(&one.head, &other.head));
    assert_eq!(one.remote(), Some("192.0.2.1:80".parse().unwrap()));
    assert_eq!(other.remote(), Some("192.0.2.2:81".parse().unwrap()));
    assert_eq!(of("/b", "192.0.2.1:80").target(), "/b");
    assert_eq!(of("/a", "[2001:db8::1]:80").remote(), Some("[2001:db8::1]:80".parse().unwrap()));
    let gone = std::sync::Arc::downgrade(&one.head);
    drop((one, other));
    assert!(gone.upgrade().is_none());
    // Whoever has whose place, each has its own.
    let many: Vec<_> = (0..1000).map(|n| format!("/{n}")).collect();
    let kept: Vec<_> = many.iter().map(|path| heads.share(path.as_bytes())).collect();
    assert!(many.iter().zip(&kept).all(|(path, head)| *path.as_bytes() == ***head));
}
