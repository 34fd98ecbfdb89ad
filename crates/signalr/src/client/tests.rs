use super::*;

/// A client and its clock.
struct Driven {
    client: Client,
    now: Instant,
}

impl Driven {
    fn new(options: Options) -> Self {
        let now = Instant::now();
        let mut driven = Self { client: Client::new(options, now), now };
        assert_eq!(driven.actions(), [Action::Connect]);
        driven
    }

    /// One whose handshake is done.
    fn started(options: Options, line: Opened) -> Self {
        let mut driven = Self::new(options);
        driven.client.opened(driven.now, line.clone());
        driven.actions();
        driven.hear("{}\u{1e}");
        assert_eq!(driven.actions(), [Action::Started(line.connection_id)]);
        driven
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.client.poll_action()).collect()
    }

    /// The texts that are to be sent, and nothing else is to be done.
    fn said(&mut self) -> Vec<String> {
        let text = |action| match action {
            Action::Send(Message::Text(text)) => text.trim_end_matches('\u{1e}').to_owned(),
            other => panic!("{other:?}"),
        };
        self.actions().into_iter().map(text).collect()
    }

    fn hear(&mut self, text: &str) {
        self.client.receive(self.now, Bytes::copy_from_slice(text.as_bytes()));
    }

    /// Lets so much time pass.
    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.client.deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.client.timeout(self.now);
            if matches!(self.client.actions.back(), Some(Action::Connect | Action::Resume)) {
                return;
            }
        }
        self.now = end;
    }
}

fn json() -> Options {
    Options::new(Protocol::Json)
}

fn line(stateful: bool) -> Opened {
    Opened { connection_id: Some("id".into()), stateful, is_polling: false }
}

fn args(elements: &str) -> Args {
    Args::from_elements(elements.into()).unwrap()
}

#[test]
fn hub_protocol_handshake_in_parts() {
    let mut driven = Driven::new(json());
    driven.client.opened(driven.now, line(false));
    assert_eq!(driven.said(), [r#"{"protocol":"json","version":1}"#]);
    for part in ["{", "}\u{1e}{\"type\":1,\"target\":\"a\",\"arg", "uments\":[1]}", "\u{1e}"] {
        driven.hear(part);
    }
    let called = Action::Called { target: "a".into(), args: args("1"), id: None };
    assert_eq!(driven.actions(), [Action::Started(Some("id".into())), called]);
}

#[test]
fn hub_protocol_handshake_refused_silent_or_broken() {
    for (answer, expected) in [
        ("{\"error\":\"no\\n\"}\u{1e}", "Server returned handshake error: no\n"),
        ("no\u{1e}", BAD_HANDSHAKE),
    ] {
        let mut driven = Driven::new(json());
        driven.client.opened(driven.now, line(false));
        driven.actions();
        driven.hear(answer);
        assert_eq!(driven.actions(), [Action::HangUp, Action::Failed(expected.into())]);
    }
    let mut driven = Driven::new(json());
    driven.client.opened(driven.now, line(false));
    driven.actions();
    driven.pass(30_000);
    assert_eq!(driven.actions(), [Action::HangUp, Action::Failed(SILENCE.into())]);
    assert_eq!(driven.client.invoke(driven.now, "a", &args("")), Err(NotConnected));
}

#[test]
fn calls_items_and_ends_find_who_asked() {
    let mut driven = Driven::started(json(), line(false));
    let now = driven.now;
    let call = driven.client.invoke(now, "a", &args("")).unwrap();
    let stream = driven.client.stream(now, "b", &args("1,2")).unwrap();
    driven.said();
    driven.hear("{\"type\":2,\"invocationId\":\"2\",\"item\":5}\u{1e}");
    driven.hear("{\"type\":3,\"invocationId\":\"1\",\"error\":\"no\"}\u{1e}");
    driven.hear("{\"type\":3,\"invocationId\":\"77\",\"result\":1}\u{1e}");
    assert_eq!(
        driven.actions(),
        [
            Action::Item { call: stream, item: args("5") },
            Action::Ended { call, outcome: Err("no".into()) },
        ]
    );
    // What is not wanted any more is not told; that it ends is.
    driven.client.cancel(now, stream);
    driven.client.cancel(now, stream);
    assert_eq!(driven.said(), [r#"{"type":5,"invocationId":"2"}"#]);
    driven.hear("{\"type\":2,\"invocationId\":\"2\",\"item\":6}\u{1e}");
    driven.hear("{\"type\":3,\"invocationId\":\"2\"}\u{1e}");
    let outcome = Ok(Args::default());
    assert_eq!(driven.actions(), [Action::Ended { call: stream, outcome }]);
}

#[test]
fn pings_after_a_silence_of_ours_and_ends_after_one_of_the_servers() {
    let mut driven = Driven::started(json(), line(false));
    driven.pass(14_999);
    assert!(driven.actions().is_empty());
    driven.pass(1);
    assert_eq!(driven.said(), [r#"{"type":6}"#]);
    driven.hear("{\"type\":6}\u{1e}");
    driven.pass(29_999);
    assert_eq!(driven.said().len(), 1);
    driven.pass(1);
    let ended = driven.actions();
    assert!(ended.contains(&Action::Closed(Some(SILENCE.into()))), "{ended:?}");
    // Polls have a pulse of their own.
    let polling = Opened { is_polling: true, ..line(false) };
    assert_eq!(Driven::started(json(), polling).client.deadline(), None);
}

#[test]
fn comes_back_by_its_delays_and_then_no_more() {
    let delays = [0, 2_000].map(Duration::from_millis).to_vec();
    let mut driven = Driven::started(Options { reconnect: delays, ..json() }, line(false));
    let call = driven.client.invoke(driven.now, "a", &args("")).unwrap();
    driven.said();
    driven.client.lost(driven.now, None);
    let lost = Action::Ended { call, outcome: Err(CANCELED.into()) };
    assert_eq!(driven.actions(), [lost, Action::Reconnecting(None)]);
    driven.pass(0);
    assert_eq!(driven.actions(), [Action::Connect]);
    driven.client.lost(driven.now, Some("refused".into()));
    driven.pass(1_999);
    assert!(driven.actions().is_empty());
    driven.pass(1);
    assert_eq!(driven.actions(), [Action::Connect]);
    driven.client.opened(driven.now, line(false));
    driven.said();
    driven.hear("{}\u{1e}");
    assert_eq!(driven.actions(), [Action::Reconnected(Some("id".into()))]);
    driven.client.lost(driven.now, Some("again".into()));
    for _ in 0..2 {
        driven.pass(2_000);
        assert_eq!(driven.actions().last(), Some(&Action::Connect));
        driven.client.lost(driven.now, Some("refused".into()));
    }
    assert_eq!(driven.actions(), [Action::Closed(Some("refused".into()))]);
    assert_eq!(driven.client.deadline(), None);
}

#[test]
fn transport_protocols_stateful_reconnect_sends_again_and_hears_once() {
    let mut driven = Driven::started(json(), line(true));
    let now = driven.now;
    driven.client.send(now, "a", &args("1")).unwrap();
    driven.client.send(now, "a", &args("2")).unwrap();
    assert_eq!(driven.said().len(), 2);
    driven.hear(
        "{\"type\":8,\"sequenceId\":1}\u{1e}{\"type\":1,\"target\":\"x\",\"arguments\":[]}\u{1e}",
    );
    assert_eq!(driven.actions().len(), 1);
    driven.client.lost(now, Some("cut".into()));
    driven.pass(0);
    assert_eq!(driven.actions(), [Action::Resume]);
    // What is said meanwhile waits, in order.
    driven.client.send(now, "a", &args("3")).unwrap();
    driven.client.opened(now, Opened::default());
    assert_eq!(
        driven.said(),
        [
            r#"{"type":9,"sequenceId":2}"#,
            r#"{"type":1,"target":"a","arguments":[2]}"#,
            r#"{"type":1,"target":"a","arguments":[3]}"#,
        ]
    );
    // The server has not had our Ack: what it repeats is not told again.
    driven.hear(
        "{\"type\":9,\"sequenceId\":1}\u{1e}{\"type\":1,\"target\":\"x\",\"arguments\":[]}\u{1e}",
    );
    driven.hear("{\"type\":1,\"target\":\"y\",\"arguments\":[]}\u{1e}");
    let called = Action::Called { target: "y".into(), args: Args::default(), id: None };
    assert_eq!(driven.actions(), [called]);
    driven.pass(1_000);
    assert_eq!(driven.said(), [r#"{"type":8,"sequenceId":2}"#]);
    driven.hear("{\"type\":9,\"sequenceId\":9}\u{1e}");
    assert_eq!(driven.actions().first(), Some(&Action::HangUp));
}

#[test]
fn a_line_that_can_not_be_made_again_is_the_end() {
    let mut driven = Driven::started(json(), line(true));
    driven.client.lost(driven.now, None);
    for _ in RESUME_DELAYS {
        driven.pass(5_000);
        assert_eq!(driven.actions(), [Action::Resume]);
        driven.client.lost(driven.now, Some("404".into()));
    }
    assert_eq!(driven.actions(), [Action::Closed(Some("404".into()))]);
}

#[test]
fn html_9_2_6_event_streams_in_any_parts() {
    let text =
        "data: one\r\n\r\n: no\r\nevent: x\r\ndata:two\rdata: \rdata:  three\r\r\n\n\ndata: cut";
    let whole = ["one", "two\n\n three"];
    for len in 1..text.len() {
        let mut stream = EventStream::default();
        let mut events = Vec::new();
        for part in text.as_bytes().chunks(len) {
            events.extend(stream.take(part, 100).unwrap());
        }
        assert_eq!(events, whole, "in parts of {len}");
    }
    assert_eq!(EventStream::default().take(b"data: too long", 10), Err(EventTooLong));
}

#[test]
fn transport_protocols_negotiate_answers() {
    let read = |body| Negotiated::read(body);
    let transports = r#"[{"transport":"WebSockets","transferFormats":["Text"]},{"transport":"X"}]"#;
    let ids = r#""connectionId":"a","connectionToken":"b\n""#;
    let body =
        format!(r#"{{{ids},"useStatefulReconnect":true,"availableTransports":{transports}}}"#);
    assert_eq!(
        read(&body),
        Ok(Negotiated::Connection(Offer {
            connection_id: "a".into(),
            token: "b\n".into(),
            transports: vec![crate::Transport::WebSockets],
            stateful: true,
        }))
    );
    let Ok(Negotiated::Connection(offer)) = read(r#"{"connectionId":"a"}"#) else { panic!() };
    assert_eq!(offer.token, "a");
    let elsewhere = Negotiated::Elsewhere { url: "u".into(), access_token: None };
    assert_eq!(read(r#"{"url":"u","connectionId":"a"}"#), Ok(elsewhere));
    assert_eq!(read(r#"{"error":"no"}"#), Err("no".into()));
    for body in ["", "[]", "{}", "{", r#"{"connectionId":1}"#, r#"{"ProtocolVersion":"1"}"#] {
        assert!(read(body).is_err(), "{body}");
    }
}
