use super::*;
use crate::Transports;

struct Ask {
    config: Config,
    method: Method,
    headers: HeaderMap,
    upgrade: bool,
}

impl Ask {
    fn get() -> Self {
        let config = Config { allow_eio3: true, ..Config::default() };
        Self { config, method: Method::GET, headers: HeaderMap::new(), upgrade: false }
    }

    fn method(method: Method) -> Self {
        Self { method, ..Self::get() }
    }

    fn upgrade() -> Self {
        Self { upgrade: true, ..Self::get() }
    }

    fn only_eio4(mut self) -> Self {
        self.config.allow_eio3 = false;
        self
    }

    fn check(&self, query: &str) -> Result<Request, Refused> {
        parse(&self.config, &self.method, query, &self.headers, self.upgrade)
    }
}

fn abc(protocol: Protocol, asks: Asks) -> Result<Request, Refused> {
    Ok(Request::Session { sid: "abc".into(), protocol, asks })
}

#[test]
fn eio4_open() {
    let polling = Open::new(Carrier::LongPoll);
    assert_eq!(Ask::get().check("EIO=4&transport=polling&t=x"), Ok(Request::Open(polling)));
    let websocket = Open::new(Carrier::WebSocket);
    assert_eq!(Ask::upgrade().check("EIO=4&transport=websocket"), Ok(Request::Open(websocket)));
    let connect = Ask { upgrade: true, ..Ask::method(Method::CONNECT) };
    assert!(connect.check("EIO=4&transport=websocket").is_ok());
}

#[test]
fn eio4_open_fails_with_an_invalid_transport() {
    for query in ["EIO=4", "EIO=4&transport=abc", "", "EIO=4&transport=webtransport"] {
        assert_eq!(Ask::get().check(query), Err(Refused::UNKNOWN_TRANSPORT), "{query}");
        assert_eq!(Ask::upgrade().check(query), Err(Refused::UNKNOWN_TRANSPORT), "{query}");
    }
    let mut ask = Ask::get();
    ask.config.transports = Transports { polling: false, ..Default::default() };
    assert_eq!(ask.check("EIO=4&transport=polling"), Err(Refused::UNKNOWN_TRANSPORT));
}

#[test]
fn eio41_a_webtransport_must_be_on_and_of_protocol_4() {
    let mut config = Config::default();
    let query = "EIO=4&transport=webtransport";
    assert_eq!(check_webtransport(&config, query), Err(Refused::UNKNOWN_TRANSPORT));
    config.transports.webtransport = true;
    // Which session it is for is said by its first frame.
    for query in [query, "", "EIO=4", "EIO=4&transport=webtransport&sid=abc"] {
        assert_eq!(check_webtransport(&config, query), Ok(()), "{query}");
    }
    let websocket = "EIO=4&transport=websocket";
    assert_eq!(check_webtransport(&config, websocket), Err(Refused::UNKNOWN_TRANSPORT));
    let old = "EIO=3&transport=webtransport";
    assert_eq!(check_webtransport(&config, old), Err(Refused::UNSUPPORTED_PROTOCOL));
}

#[test]
fn eio4_open_fails_with_an_invalid_method() {
    for method in [Method::POST, Method::PUT] {
        let ask = Ask::method(method);
        assert_eq!(ask.check("EIO=4&transport=polling"), Err(Refused::BAD_METHOD));
        // The method is looked at before the protocol.
        assert_eq!(ask.check("transport=polling"), Err(Refused::BAD_METHOD));
    }
}

#[test]
fn eio4_open_fails_with_an_invalid_protocol() {
    for query in ["transport=polling", "EIO=abc&transport=polling", "EIO=3&transport=polling"] {
        let refused = Ask::get().only_eio4().check(query);
        assert_eq!(refused, Err(Refused::UNSUPPORTED_PROTOCOL), "{query}");
    }
}

#[test]
fn eio_missing_means_3() {
    let open = Ok(Request::Open(Open::v3(Carrier::LongPoll)));
    for query in ["transport=polling", "EIO=abc&transport=polling", "EIO=3&transport=polling"] {
        assert_eq!(Ask::get().check(query), open, "{query}");
    }
    let mut strict = Ask::get();
    strict.config.assume_eio3 = false;
    assert_eq!(strict.check("EIO=3&transport=polling"), open);
    assert_eq!(strict.check("transport=polling"), Err(Refused::UNSUPPORTED_PROTOCOL));
}

#[test]
fn eio_websocket_without_an_upgrade_is_a_bad_request() {
    assert_eq!(Ask::get().check("EIO=4&transport=websocket"), Err(Refused::BAD_REQUEST));
    assert_eq!(Ask::upgrade().check("EIO=4&transport=polling"), Err(Refused::BAD_REQUEST));
    // That is looked at before the protocol.
    assert_eq!(Ask::get().only_eio4().check("transport=websocket"), Err(Refused::BAD_REQUEST));
}

#[test]
fn eio_requests_with_a_session() {
    let polling = "EIO=4&transport=polling&sid=abc";
    let websocket = "transport=websocket&EIO=4&sid=abc";
    assert_eq!(Ask::get().check(polling), abc(Protocol::V4, Asks::Poll { jsonp: None }));
    let post = Asks::Post { kind: Kind::Text, form: false };
    assert_eq!(Ask::method(Method::POST).check(polling), abc(Protocol::V4, post));
    assert_eq!(Ask::upgrade().check(websocket), abc(Protocol::V4, Asks::Upgrade));
    let other = abc(Protocol::V4, Asks::Other);
    assert_eq!(Ask::get().check(websocket), other);
    assert_eq!(Ask::upgrade().check(polling), other);
    assert_eq!(Ask::method(Method::PUT).check(polling), other);
    // Whether the protocol is served does not matter any more, the transport does.
    let third = abc(Protocol::V3, Asks::Poll { jsonp: None });
    assert_eq!(Ask::get().only_eio4().check("transport=polling&sid=abc"), third);
    assert_eq!(Ask::get().check("transport=x&sid=abc"), Err(Refused::UNKNOWN_TRANSPORT));
}

#[test]
fn eio_queries_are_decoded() {
    let poll = |sid: &str| {
        let asks = Asks::Poll { jsonp: None };
        Ok(Request::Session { sid: sid.into(), protocol: Protocol::V3, asks })
    };
    assert_eq!(Ask::get().check("tr%61nsport=polling&sid=a%2Fb+c"), poll("a/b c"));
    assert_eq!(Ask::get().check("transport=polling&sid=a&sid=b"), poll("b"));
    assert_eq!(Ask::get().check("&&transport=polling&sid=a&sid"), Ok(open3()));
    assert_eq!(Ask::get().check("transport=polling&sid=%ff%0"), poll("\u{fffd}%0"));
}

fn open3() -> Request {
    Request::Open(Open::v3(Carrier::LongPoll))
}

#[test]
fn eio_binary_posts() {
    let mut ask = Ask::method(Method::POST);
    for (value, kind) in [("application/octet-stream", Kind::Binary), ("text/plain", Kind::Text)] {
        ask.headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
        let post = abc(Protocol::V3, Asks::Post { kind, form: false });
        assert_eq!(ask.check("EIO=3&transport=polling&sid=abc"), post);
    }
}

#[test]
fn eio4_has_no_answers_in_scripts() {
    let poll = abc(Protocol::V4, Asks::Poll { jsonp: None });
    assert_eq!(Ask::get().check("EIO=4&transport=polling&sid=abc&j=0"), poll);
}

#[test]
fn eio3_base64_and_jsonp() {
    let open = |query: &str| match Ask::get().check(query) {
        Ok(Request::Open(open)) => (open.base64, open.jsonp.map(|index| index.to_string())),
        other => panic!("{other:?}"),
    };
    assert_eq!(open("EIO=3&transport=polling"), (false, None));
    assert_eq!(open("EIO=3&transport=polling&b64=1"), (true, None));
    assert_eq!(open("EIO=3&transport=polling&b64="), (false, None));
    assert_eq!(open("EIO=3&transport=polling&j=1);evil("), (true, Some("1".into())));
    // Protocol 4 has neither.
    assert_eq!(open("EIO=4&transport=polling&j=1&b64=1"), (false, None));
    let post = abc(Protocol::V3, Asks::Post { kind: Kind::Text, form: true });
    let ask = Ask::method(Method::POST);
    assert_eq!(ask.check("EIO=3&transport=polling&sid=abc&j=2"), post);
}

#[test]
fn refusals_in_the_official_words() {
    let body = |refused: Refused| {
        let answer = refused.answer();
        assert_eq!(answer.content_type, "application/json");
        format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
    };
    let words = [
        (Refused::UNKNOWN_TRANSPORT, r#"400 {"code":0,"message":"Transport unknown"}"#),
        (Refused::UNKNOWN_SID, r#"400 {"code":1,"message":"Session ID unknown"}"#),
        (Refused::BAD_METHOD, r#"400 {"code":2,"message":"Bad handshake method"}"#),
        (Refused::BAD_REQUEST, r#"400 {"code":3,"message":"Bad request"}"#),
        (Refused::forbidden("no \"you\""), r#"403 {"code":4,"message":"no \"you\""}"#),
        (
            Refused::UNSUPPORTED_PROTOCOL,
            r#"400 {"code":5,"message":"Unsupported protocol version"}"#,
        ),
    ];
    for (refused, expected) in words {
        assert_eq!(body(refused), expected);
    }
    let upgrade = Refused::forbidden("no").upgrade_answer();
    assert_eq!(
        (upgrade.status, upgrade.content_type, &*upgrade.body),
        (400, "text/html", &b"no"[..])
    );
}
