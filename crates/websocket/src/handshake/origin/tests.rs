use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};

use super::{Origin, Pages, Policy};

fn request(host: &str, origins: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_str(host).unwrap());
    for origin in origins {
        headers.append(ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    headers
}

#[test]
fn rfc6455_10_2_origins_are_compared_exactly() {
    // A14.
    let policy = Policy {
        pages: Pages::List(vec![Origin::parse("https://example.com").unwrap()]),
        allow_absent: false,
    };
    let allows = |origin: &str| policy.allows(&request("api.example.com", &[origin]), true);
    assert!(allows("https://example.com"));
    assert!(allows("https://EXAMPLE.com:443"));
    for bad in [
        "http://example.com",
        "https://example.com:444",
        "https://example.com.evil.org",
        "https://evil-example.com",
        "https://api.example.com",
        "https://example.com@evil.org",
        "https://evil.org/https://example.com",
        "https://example.com/",
        "https://example.com ",
        "null",
        "*",
        "",
        "https://",
    ] {
        assert!(!allows(bad), "{bad}");
    }
    let twice = request("example.com", &["https://example.com", "https://example.com"]);
    assert!(!policy.allows(&twice, true));
}

#[test]
fn rfc6455_10_2_same_origin_is_scheme_host_and_port() {
    let policy = Policy::default();
    let allows = |host, origin, secure| policy.allows(&request(host, &[origin]), secure);
    assert!(allows("example.com", "https://example.com", true));
    assert!(allows("example.com:443", "https://example.com", true));
    assert!(allows("localhost:9001", "http://localhost:9001", false));
    assert!(allows("[::1]:9001", "http://[::1]:9001", false));
    assert!(!allows("example.com", "http://example.com", true));
    assert!(!allows("example.com", "https://example.com", false));
    assert!(!allows("example.com", "https://example.com:8443", true));
    assert!(!allows("example.com:8443", "https://example.com", true));
}

#[test]
fn rfc6455_10_2_an_absent_origin_has_its_own_rule() {
    let headers = request("example.com", &[]);
    assert!(Policy::default().allows(&headers, true));
    assert!(!Policy { allow_absent: false, ..Policy::default() }.allows(&headers, true));
    let any = Policy { pages: Pages::Any, allow_absent: false };
    assert!(any.allows(&request("a", &["null"]), true));
    assert!(!any.allows(&headers, true));
}

#[test]
fn origins_read_and_print() {
    for (text, printed) in [
        ("HTTPS://Example.com", "https://example.com"),
        ("http://a:80", "http://a"),
        ("http://a:8080", "http://a:8080"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("chrome-extension://abc:1", "chrome-extension://abc:1"),
    ] {
        assert_eq!(Origin::parse(text).unwrap().to_string(), printed);
    }
    for bad in [
        "http://a:",
        "http://a:+1",
        "http://a:65536",
        "http://[::1",
        "http://[::1]x",
        "//a",
        "x://a",
    ] {
        assert_eq!(Origin::parse(bad), None, "{bad}");
    }
}
