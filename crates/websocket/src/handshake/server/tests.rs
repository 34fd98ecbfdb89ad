use http::header::{HeaderName, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use proptest::prelude::*;

use super::{Accepted, Options, Refusal, Request, accept};
use crate::deflate;

/// A request that is right in every way, to be spoilt.
#[derive(Clone)]
struct Draft {
    method: Method,
    version: Version,
    protocol: Option<&'static str>,
    headers: HeaderMap,
}

impl Draft {
    fn upgrade() -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "example.com"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Self { method: Method::GET, version: Version::HTTP_11, protocol: None, headers }
    }

    fn connect(version: Version) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
        Self { method: Method::CONNECT, version, protocol: Some("websocket"), headers }
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
        self
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
        self
    }

    fn accept_with(&self, options: &Options) -> Result<Accepted, Refusal> {
        let Self { method, version, protocol, headers } = self;
        accept(&Request { method, version: *version, headers, protocol: *protocol }, options)
    }

    fn accept(&self) -> Result<Accepted, Refusal> {
        self.accept_with(&Options::default())
    }

    fn status(&self) -> u16 {
        match self.accept() {
            Ok(accepted) => accepted.status.as_u16(),
            Err(refusal) => {
                assert!(refusal.reason.ends_with('.'), "a sentence");
                refusal.status.as_u16()
            }
        }
    }
}

#[test]
fn rfc6455_4_2_2_answer_has_each_field_once() {
    // A9, A13: nothing is answered that was not offered.
    let accepted = Draft::upgrade().accept().unwrap();
    assert_eq!(accepted.status, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(accepted.headers.len(), 3);
    assert_eq!(accepted.headers["upgrade"], "websocket");
    assert_eq!(accepted.headers["connection"], "Upgrade");
    assert_eq!(accepted.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let options =
        Options { subprotocols: vec!["a".into()], deflate: Some(deflate::Config::default()) };
    assert_eq!(Draft::upgrade().accept_with(&options).unwrap().headers.len(), 3);
}

#[test]
fn rfc6455_4_2_1_host_is_there_once() {
    // A1
    assert_eq!(Draft::upgrade().without("host").status(), 400);
    assert_eq!(Draft::upgrade().and("host", "example.com").status(), 400);
}

#[test]
fn rfc6455_4_2_1_upgrade_holds_websocket() {
    // A2
    for good in ["WebSocket", "h2c, websocket", "websocket,h2c", " WEBSOCKET "] {
        assert_eq!(Draft::upgrade().with("upgrade", good).status(), 101, "{good}");
    }
    assert_eq!(Draft::upgrade().with("upgrade", "h2c").and("upgrade", "websocket").status(), 101);
    for bad in ["h2c", "websockets", "xwebsocket", "web socket", "websocket/13", ""] {
        assert_eq!(Draft::upgrade().with("upgrade", bad).status(), 426, "{bad}");
    }
}

#[test]
fn rfc6455_4_2_1_connection_holds_the_token_upgrade() {
    // A3
    for good in ["upgrade", "keep-alive, Upgrade", "UPGRADE ,keep-alive", ",, upgrade"] {
        assert_eq!(Draft::upgrade().with("connection", good).status(), 101, "{good}");
    }
    let two_lines = Draft::upgrade().with("connection", "keep-alive").and("connection", "Upgrade");
    assert_eq!(two_lines.status(), 101);
    for bad in ["notupgrade", "upgrade-insecure-requests", "keep-alive", "\"upgrade\"", ""] {
        assert_eq!(Draft::upgrade().with("connection", bad).status(), 400, "{bad}");
    }
    assert_eq!(Draft::upgrade().without("connection").status(), 400);
}

#[test]
fn rfc6455_4_2_1_plain_get_is_told_how_to_upgrade() {
    let plain =
        Draft::upgrade().without("upgrade").without("connection").without("sec-websocket-key");
    let refusal = plain.accept().unwrap_err();
    assert_eq!(refusal.status, StatusCode::UPGRADE_REQUIRED);
    assert_eq!(refusal.headers["upgrade"], "websocket");
    assert_eq!(refusal.headers["connection"], "Upgrade");
    let response: http::Response<&str> = refusal.response();
    assert_eq!(*response.body(), refusal.reason);
    assert_eq!(response.status(), 426);
}

#[test]
fn rfc6455_4_2_1_key_is_there_once_and_good() {
    // A4, A5, A6
    assert_eq!(Draft::upgrade().without("sec-websocket-key").status(), 400);
    for bad in
        ["", "abc", "AAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA=", "dGhlIHNhbXBsZSBub25jZQ=é"]
    {
        assert_eq!(Draft::upgrade().with("sec-websocket-key", bad).status(), 400, "{bad}");
    }
    let twice = Draft::upgrade().and("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(twice.status(), 400);
}

#[test]
fn rfc6455_4_4_other_versions_are_told_ours() {
    // A7, A6
    for bad in ["7", "99", "013", "13.0", "", "13, 8", "+13"] {
        let refusal = Draft::upgrade().with("sec-websocket-version", bad).accept().unwrap_err();
        assert_eq!(refusal.status, StatusCode::UPGRADE_REQUIRED, "{bad}");
        assert_eq!(refusal.headers["sec-websocket-version"], "13");
    }
    let refusal = Draft::upgrade().without("sec-websocket-version").accept().unwrap_err();
    assert_eq!(
        (refusal.status.as_u16(), &refusal.headers["sec-websocket-version"]),
        (426, &HeaderValue::from_static("13"))
    );
    assert_eq!(Draft::upgrade().and("sec-websocket-version", "13").status(), 400);
}

#[test]
fn rfc6455_4_2_1_get_of_http_1_1() {
    // A8
    for method in [Method::POST, Method::HEAD, Method::PUT, Method::OPTIONS, Method::CONNECT] {
        let refusal = Draft { method, ..Draft::upgrade() }.accept().unwrap_err();
        assert_eq!(refusal.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refusal.headers["allow"], "GET");
    }
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2, Version::HTTP_3] {
        assert_eq!(Draft { version, ..Draft::upgrade() }.status(), 400, "{version:?}");
    }
}

#[test]
fn rfc6455_4_2_2_subprotocol_is_one_of_those_offered() {
    // A10
    let options = Options { subprotocols: vec!["b".into(), "a".into()], deflate: None };
    let chosen = |draft: Draft| {
        let accepted = draft.accept_with(&options).unwrap();
        let header = accepted.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().count();
        assert_eq!(header, usize::from(accepted.subprotocol.is_some()));
        accepted.subprotocol
    };
    let offer = |offer| Draft::upgrade().with("sec-websocket-protocol", offer);
    assert_eq!(chosen(Draft::upgrade()), None);
    assert_eq!(chosen(offer("a, b")).unwrap(), "b", "our own preference");
    assert_eq!(chosen(offer("c, a")).unwrap(), "a");
    assert_eq!(chosen(offer("c").and("sec-websocket-protocol", "b")).unwrap(), "b");
    assert_eq!(chosen(offer("A, B")), None, "they are compared exactly");
    assert_eq!(chosen(offer("c,d")), None);
}

#[test]
fn rfc6455_4_2_1_malformed_subprotocols() {
    // A11; Granian's panic on octets that are not ASCII.
    for bad in ["ch@t", "a b", "", ",", "a, b c", "a;b", "\"a\"", "chät", "a\tb"] {
        assert_eq!(Draft::upgrade().with("sec-websocket-protocol", bad).status(), 400, "{bad}");
    }
    // CVE-2021-32640: thousands of blanks.
    let blanks = format!("a,{}b", " ".repeat(1_000_000));
    assert_eq!(Draft::upgrade().with("sec-websocket-protocol", &blanks).status(), 101);
}

#[test]
fn rfc6455_9_1_extensions_malformed_unknown_and_over_several_lines() {
    // A12, A13
    let options = Options { deflate: Some(deflate::Config::default()), ..Options::default() };
    assert_eq!(Draft::upgrade().with("sec-websocket-extensions", "foo;;=").status(), 400);
    assert_eq!(Draft::upgrade().with("sec-websocket-extensions", "").status(), 400);
    let unknown = Draft::upgrade().with("sec-websocket-extensions", "x-nope; a=1");
    let accepted = unknown.accept_with(&options).unwrap();
    assert!(!accepted.headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) && accepted.deflate.is_none());
    let accepted = unknown
        .and("sec-websocket-extensions", "permessage-deflate")
        .accept_with(&options)
        .unwrap();
    assert_eq!(
        accepted.headers[SEC_WEBSOCKET_EXTENSIONS],
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    );
    assert!(accepted.deflate.is_some());
    let offered = Draft::upgrade().with("sec-websocket-extensions", "permessage-deflate");
    assert!(offered.accept().unwrap().deflate.is_none(), "we did not want it");
    // E3: a declined offer is no refused connection.
    let declined = Draft::upgrade()
        .with("sec-websocket-extensions", "permessage-deflate; server_max_window_bits=7");
    assert_eq!(declined.accept_with(&options).unwrap().deflate, None);
}

#[test]
fn rfc9110_7_8_handshake_has_no_body() {
    // A17, GHSA-mfx4-hv73-q22v.
    for (name, value) in [
        ("content-length", "5"),
        ("content-length", "00"),
        ("content-length", "-1"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
    ] {
        assert_eq!(Draft::upgrade().with(name, value).status(), 400, "{name}: {value}");
    }
    assert_eq!(Draft::upgrade().with("content-length", "0").status(), 101);
    assert_eq!(
        Draft::upgrade().with("content-length", "0").and("content-length", "5").status(),
        400
    );
}

#[test]
fn rfc8441_5_extended_connect() {
    // F5, F6, F7.
    for version in [Version::HTTP_2, Version::HTTP_3] {
        let options =
            Options { subprotocols: vec!["a".into()], deflate: Some(deflate::Config::default()) };
        let accepted = Draft::connect(version)
            .with("sec-websocket-protocol", "a")
            .with("sec-websocket-extensions", "permessage-deflate")
            .accept_with(&options)
            .unwrap();
        assert_eq!(accepted.status, StatusCode::OK);
        assert_eq!(accepted.headers.len(), 2);
        assert_eq!(accepted.subprotocol.as_deref(), Some("a"));
        assert!(accepted.deflate.is_some());

        assert_eq!(Draft::connect(version).without("sec-websocket-version").status(), 426);
        assert_eq!(Draft::connect(version).with("sec-websocket-protocol", "a b").status(), 400);
        assert_eq!(Draft::connect(version).with("connection", "upgrade").status(), 400);
        assert_eq!(Draft { protocol: Some("foo"), ..Draft::connect(version) }.status(), 501);
        assert_eq!(Draft { protocol: None, ..Draft::connect(version) }.status(), 405);
    }
    assert_eq!(Draft::connect(Version::HTTP_11).status(), 405);
}

#[test]
fn accepted_makes_the_response() {
    let response: http::Response<()> = Draft::upgrade().accept().unwrap().response();
    assert_eq!(response.status(), 101);
    assert!(response.headers().contains_key("sec-websocket-accept"));
    let refusal = Refusal::new(StatusCode::FORBIDDEN, "This page may not connect.");
    assert_eq!(refusal.to_string(), "This page may not connect. (403)");
}

proptest! {
    #[test]
    fn arbitrary_headers_never_panic(
        fields in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version",
                    "sec-websocket-protocol", "sec-websocket-extensions", "content-length",
                ]),
                prop::collection::vec(any::<u8>(), 0..40),
            ),
            0..6,
        ),
        keep: bool,
    ) {
        let mut draft = Draft::upgrade();
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                if keep {
                    draft.headers.append(name, value);
                } else {
                    draft.headers.insert(name, value);
                }
            }
        }
        let options =
            Options { subprotocols: vec!["a".into()], deflate: Some(deflate::Config::default()) };
        let _ = draft.accept_with(&options);
    }
}
