use http::header::HeaderName;
use http::{HeaderValue, Response, StatusCode, Version};

use super::{Address, Established, Handshake, Options, RequestError};
use crate::deflate;

fn handshake(options: Options) -> Handshake {
    let address = Address::parse("ws://example.com/chat?room=1").unwrap();
    Handshake::new(&address, options, *b"the sample nonce").unwrap()
}

fn offering() -> Options {
    Options {
        subprotocols: vec!["a".into(), "b".into()],
        deflate: Some(deflate::Config::default()),
        ..Options::default()
    }
}

/// A right answer, with these fields besides; one of the same name replaces.
fn answer(fields: &[(&str, &str)]) -> Response<()> {
    let mut answer = Response::builder()
        .status(101)
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        .body(())
        .unwrap();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        answer.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    answer
}

#[test]
fn rfc6455_4_1_request_has_all_that_it_must() {
    // B1: "the sample nonce" is the RFC's own key.
    let handshake = handshake(offering());
    let request = handshake.request();
    assert_eq!(
        (request.method().as_str(), request.uri().to_string().as_str()),
        ("GET", "/chat?room=1")
    );
    let headers = request.headers();
    assert_eq!(headers["host"], "example.com");
    assert_eq!(headers["upgrade"], "websocket");
    assert_eq!(headers["connection"], "Upgrade");
    assert_eq!(headers["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(headers["sec-websocket-version"], "13");
    assert_eq!(headers["sec-websocket-protocol"], "a, b");
    assert_eq!(
        headers["sec-websocket-extensions"],
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         client_max_window_bits"
    );
}

#[test]
fn rfc6455_3_urls() {
    // B11, and B1: Host with a port that is not the scheme's own.
    let host = |url| {
        let address = Address::parse(url).unwrap();
        let handshake = Handshake::new(&address, Options::default(), [0; 16]).unwrap();
        let host = handshake.request().headers()["host"].to_str().unwrap().to_owned();
        (host, handshake.request().uri().to_string(), address.host, address.port, address.secure)
    };
    let expect = |host: &str, target: &str, name: &str, port, secure| {
        (host.to_owned(), target.to_owned(), name.to_owned(), port, secure)
    };
    assert_eq!(host("ws://a"), expect("a", "/", "a", 80, false));
    assert_eq!(host("WS://a:80/x"), expect("a", "/x", "a", 80, false));
    assert_eq!(host("wss://a:443?q"), expect("a", "/?q", "a", 443, true));
    assert_eq!(host("ws://a:8080/"), expect("a:8080", "/", "a", 8080, false));
    assert_eq!(host("wss://[::1]:80/"), expect("[::1]:80", "/", "::1", 80, true));
    for bad in [
        "http://a/",
        "a",
        "/a",
        "",
        "ws://",
        "ws:///x",
        "ws://a/#x",
        "ws://a/x#",
        "ws://a:99999/",
        "ws://a:0/",
        "ws://a:/",
        "ws://a:x/",
        "ws://user:pass@a/",
        "ws://a/\r\nx: y",
        "ws://a b/",
        "ws://a\0/",
    ] {
        assert!(matches!(Address::parse(bad), Err(RequestError::Url(_))), "{bad:?}");
    }
}

#[test]
fn rfc6455_4_1_options_that_no_request_can_carry() {
    let address = Address::parse("ws://a/").unwrap();
    let with = |subprotocols: &[&str]| {
        let subprotocols = subprotocols.iter().map(|of| (*of).to_owned()).collect();
        Handshake::new(&address, Options { subprotocols, ..Options::default() }, [0; 16])
    };
    for bad in [&["a", "a"][..], &["a b"], &[""], &["a\r\nx: y"], &["ä"]] {
        assert!(matches!(with(bad), Err(RequestError::Subprotocol(_))), "{bad:?}");
    }
    for bad in ["host", "upgrade", "connection", "sec-websocket-key", "content-length"] {
        let mut options = Options::default();
        let name = HeaderName::from_static(bad);
        options.headers.insert(name.clone(), HeaderValue::from_static("x"));
        let error = Handshake::new(&address, options, [0; 16]).unwrap_err();
        assert_eq!(error, RequestError::Header(name));
    }
    let mut options = Options::default();
    options.headers.insert("authorization", HeaderValue::from_static("Bearer x"));
    let handshake = Handshake::new(&address, options, [0; 16]).unwrap();
    assert_eq!(handshake.request().headers()["authorization"], "Bearer x");
}

#[test]
fn rfc6455_4_1_right_answers_open() {
    let bare = handshake(Options::default());
    assert_eq!(bare.check(&answer(&[])), Ok(Established::default()));
    let any_case = [("upgrade", "WebSocket"), ("connection", "keep-alive, upgrade")];
    assert!(bare.check(&answer(&any_case)).is_ok());
    let established = handshake(offering())
        .check(&answer(&[
            ("sec-websocket-protocol", "b"),
            (
                "sec-websocket-extensions",
                "permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
            ),
        ]))
        .unwrap();
    assert_eq!(established.subprotocol.as_deref(), Some("b"));
    let parameters = established.deflate.unwrap().parameters;
    assert_eq!(parameters.client_max_window_bits, 10);
    assert!(parameters.client_no_context_takeover, "we never asked to keep our own context");
}

#[test]
fn rfc6455_4_1_wrong_answers_fail() {
    // B2
    let handshake = handshake(Options::default());
    for (name, value) in [
        ("upgrade", "h2c"),
        ("upgrade", "websocket, h2c"),
        ("connection", "keep-alive"),
        ("connection", "notupgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo"),
        ("sec-websocket-accept", "S3PPLMBITXAQ9KYGZZHZRBK+XOO="),
        ("sec-websocket-accept", ""),
    ] {
        assert!(handshake.check(&answer(&[(name, value)])).is_err(), "{name}: {value}");
    }
    for name in ["upgrade", "connection", "sec-websocket-accept"] {
        let mut answer = answer(&[]);
        answer.headers_mut().remove(name);
        assert!(handshake.check(&answer).is_err(), "no {name}");
    }
    let mut old = answer(&[]);
    *old.version_mut() = Version::HTTP_10;
    assert!(handshake.check(&old).is_err());
}

#[test]
fn rfc6455_4_1_other_statuses_are_http() {
    // B3
    for status in [200, 204, 302, 401, 426, 503] {
        let mut answer = answer(&[]);
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        let error = handshake(Options::default()).check(&answer).unwrap_err();
        assert_eq!(error.status.as_u16(), status);
    }
}

#[test]
fn rfc6455_9_1_extensions_that_were_not_offered_fail() {
    // B4, E15.
    let good = "permessage-deflate; server_no_context_takeover";
    let with = |options: Options, value: &str| {
        handshake(options).check(&answer(&[("sec-websocket-extensions", value)])).is_ok()
    };
    assert!(with(offering(), good));
    assert!(!with(Options::default(), good));
    for bad in [
        "x-nope",
        "permessage-deflate",
        &format!("{good}, {good}"),
        &format!("{good}, x-nope"),
        &format!("{good}; unknown"),
        &format!("{good}; client_max_window_bits=16"),
        "foo;;=",
    ] {
        assert!(!with(offering(), bad), "{bad}");
    }
}

#[test]
fn rfc6455_11_3_4_subprotocol_is_one_that_was_offered() {
    // B5, H6.
    let with = |options: Options, value: &str| {
        handshake(options).check(&answer(&[("sec-websocket-protocol", value)])).is_ok()
    };
    assert!(with(offering(), "a"));
    for bad in ["c", "A", "a, b", ""] {
        assert!(!with(offering(), bad), "{bad}");
    }
    assert!(!with(Options::default(), "a"));
    let mut twice = answer(&[("sec-websocket-protocol", "a")]);
    twice.headers_mut().append("sec-websocket-protocol", HeaderValue::from_static("a"));
    assert!(handshake(offering()).check(&twice).is_err());
    // None chosen: open by the RFC, failed by the rule of browsers.
    assert!(handshake(offering()).check(&answer(&[])).is_ok());
    let strict = Options { require_subprotocol: true, ..offering() };
    assert!(handshake(strict).check(&answer(&[])).is_err());
}
