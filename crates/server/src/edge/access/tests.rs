use super::*;

/// A request to `example.org`, of a page of this origin.
fn request(origin: &str) -> Request<()> {
    Request::builder().header("host", "example.org").header(ORIGIN, origin).body(()).unwrap()
}

#[test]
fn over_our_own_tls_a_page_without_it_is_another_origin() {
    for (page, secure, allowed) in [
        ("http://example.org", false, true),
        ("https://example.org", true, true),
        ("http://example.org", true, false),
        ("http://example.org:443", true, false),
        // A proxy that ends TLS and does not say so.
        ("https://example.org", false, true),
    ] {
        let mut request = request(page);
        if secure {
            request.extensions_mut().insert(Secure);
        }
        assert_eq!(Origins::same().allow(&request), allowed, "{page}, over TLS: {secure}");
        assert_eq!(Origins::same().refuse(&request).is_none(), allowed, "{page}");
    }
}

#[test]
fn behind_a_proxy_that_ends_tls_a_page_without_it_is_another_origin() {
    for (page, allowed) in [("https://example.org", true), ("http://example.org", false)] {
        let mut request = request(page);
        request.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static("https"));
        assert_eq!(Origins::same().allow(&request), allowed, "{page}");
    }
}
