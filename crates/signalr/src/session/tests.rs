use super::*;
use omniwire_session::{Detached, Encoding, Prepared, Refusal, WireForm};
use std::time::Duration;

mod carriers;
mod properties;
mod stateful;

/// What a session put out, in the form in which tests compare it.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Event(Event),
    Sent(String),
    Direct(u32, String),
    Resent(u32, Vec<String>),
    Carry(Option<u32>),
    Release,
    End(u32, u16),
    Closed(Reason),
    /// Closed, with a last message for a WebSocket and the same for what HTTP carries.
    Dismissed(Reason, String, String),
}

/// A session with virtual time, drained after every input.
struct Bench {
    session: SignalRSession,
    now: Instant,
    deadline: Option<Instant>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let now = Instant::now();
        Self { session: SignalRSession::new(Arc::new(config), now), now, deadline: None }
    }

    /// On a WebSocket, after the handshake.
    fn open(config: Config, protocol: &str) -> Self {
        let mut bench = Self::new(config);
        bench.attach(1, Carrier::WebSocket).unwrap();
        let seen = bench.say(&handshake(protocol));
        assert_eq!(seen, [Seen::Sent("{}\u{1e}".into()), entered(protocol)]);
        let accept = Input::Accept { link: Link::FIRST, id: "id".into(), token: None };
        assert_eq!(bench.input(accept), Ok(vec![Seen::Release]));
        bench
    }

    fn json() -> Self {
        Self::open(Config::default(), "json")
    }

    fn input(&mut self, input: Input) -> Result<Vec<Seen>, Fault> {
        let result = self.session.handle_input(self.now, input);
        let seen = self.drain();
        if result.is_err() {
            assert_eq!(seen, []);
        }
        result.map(|()| seen)
    }

    fn drain(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            seen.push(match self.session.poll_output() {
                Output::Event(event) => Seen::Event(event),
                Output::Transmit(message) => {
                    Seen::Sent(String::from_utf8_lossy(message.as_bytes()).into_owned())
                }
                Output::Direct { id, message } => {
                    let text = String::from_utf8_lossy(message.as_bytes()).into_owned();
                    Seen::Direct(id.number(), text)
                }
                Output::Resend { id, frames } => Seen::Resent(id.number(), texts(&frames)),
                Output::Carry(id) => Seen::Carry(id.map(CarrierId::number)),
                Output::Release(_) => Seen::Release,
                Output::End { id, ending } => Seen::End(id.number(), ending.answer.status),
                Output::Closed {
                    reason,
                    ending: Ending { farewell: Some(farewell), answer, .. },
                } => {
                    let [farewell, body] = [farewell.as_bytes(), &answer.body]
                        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                    Seen::Dismissed(reason, farewell, body)
                }
                Output::Closed { reason, ending } => {
                    assert_eq!((ending.code, ending.answer.status), (Some(1000), 204));
                    Seen::Closed(reason)
                }
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return seen;
                }
            });
        }
    }

    fn attach(&mut self, id: u32, carrier: Carrier) -> Result<Vec<Seen>, Fault> {
        self.input(Input::Attach { id: CarrierId::new(id), carrier })
    }

    fn detach(&mut self, id: u32, how: Detached) -> Vec<Seen> {
        self.input(Input::Detach { id: CarrierId::new(id), how }).unwrap()
    }

    fn say(&mut self, text: &str) -> Vec<Seen> {
        self.say_bytes(text.as_bytes())
    }

    fn say_bytes(&mut self, bytes: &[u8]) -> Vec<Seen> {
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        self.input(Input::Message { id: CarrierId::new(1), message }).unwrap()
    }

    fn post(&mut self, text: &str) -> Result<Vec<Seen>, Fault> {
        let body = Bytes::copy_from_slice(text.as_bytes());
        self.input(Input::Body { kind: omniwire_session::Kind::Text, body })
    }

    /// Sleeps as the driver does, waking up at each deadline.
    fn sleep(&mut self, seconds: u64) -> Vec<Seen> {
        let until = self.now + Duration::from_secs(seconds);
        let mut seen = Vec::new();
        while let Some(deadline) = self.deadline.filter(|&deadline| deadline <= until) {
            assert!(deadline >= self.now, "a deadline that has passed");
            self.now = deadline;
            seen.extend(self.input(Input::Timeout).unwrap());
        }
        self.now = until;
        seen
    }

    fn pack(&mut self, carrier: Carrier, texts: &[&str]) -> (String, Packed) {
        let mut queue: VecDeque<Frame> = texts.iter().map(|text| frame(text)).collect();
        let mut out = BytesMut::new();
        let packed = self.session.pack(CarrierId::new(9), carrier, &mut queue, &mut out);
        assert!(queue.is_empty());
        (String::from_utf8(out.to_vec()).unwrap(), packed)
    }
}

fn frame(text: &str) -> Frame {
    let mut encoding = Encoding::default();
    encoding.text().extend_from_slice(text.as_bytes());
    match encoding.finish(|_, _, _| 2) {
        Some(Prepared::One(frame)) => frame,
        other => panic!("{other:?}"),
    }
}

fn texts<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<String> {
    let text = |frame: &Frame| String::from_utf8_lossy(frame.as_payload()).into_owned();
    frames.into_iter().map(text).collect()
}

fn handshake(protocol: &str) -> String {
    format!("{{\"protocol\":\"{protocol}\",\"version\":1}}\u{1e}")
}

fn entered(protocol: &str) -> Seen {
    let wire: WireForm = if protocol == "json" { crate::JSON } else { crate::MESSAGE_PACK };
    let (namespace, auth) = (ByteString::new(), Args::default());
    let returning = Returning::No;
    Seen::Event(Event::Enter { link: Link::FIRST, namespace, auth, wire, returning })
}

fn left(reason: Reason) -> Seen {
    Seen::Event(Event::Leave { link: Link::FIRST, reason })
}

fn message(name: &str, elements: &str, call: Option<(&str, bool)>, uploads: &[&str]) -> Seen {
    Seen::Event(Event::Message {
        link: Link::FIRST,
        name: name.into(),
        args: args(elements),
        call: call.map(|(id, stream)| Call { id: CallId(id.into()), stream }),
        uploads: uploads.iter().map(|&id| id.into()).collect(),
    })
}

fn args(elements: &str) -> Args {
    Args::from_elements(elements.into()).unwrap()
}

fn sent(text: &str) -> Seen {
    Seen::Sent(format!("{text}\u{1e}"))
}

const ERROR_CLOSE: &str =
    "{\"type\":7,\"error\":\"Connection closed with an error.\",\"allowReconnect\":true}";

fn failed(reason: Reason) -> Vec<Seen> {
    vec![left(reason), sent(ERROR_CLOSE), Seen::Closed(reason)]
}

#[test]
fn handshake_in_pieces_and_glued_to_a_call() {
    let mut bench = Bench::new(Config::default());
    bench.attach(1, Carrier::WebSocket).unwrap();
    assert_eq!(bench.say("{\"protocol\":\"js"), []);
    let seen = bench.say(
        "on\",\"version\":1}\u{1e}{\"type\":1,\"target\":\"a\",\"arguments\":[]}\u{1e}{\"type\"",
    );
    assert_eq!(seen, [sent("{}"), entered("json"), message("a", "", None, &[])]);
    let seen = bench.say(":1,\"target\":\"b\",\"arguments\":[1]}\u{1e}");
    assert_eq!(seen, [message("b", "1", None, &[])]);
}

#[test]
fn handshake_then_messagepack() {
    let mut bench = Bench::new(Config::default());
    bench.attach(1, Carrier::WebSocket).unwrap();
    let call = b"\x09\x95\x01\x80\xa11\xa1m\x91\x2a";
    let bytes = [handshake("messagepack").as_bytes(), call].concat();
    let seen = bench.say_bytes(&bytes);
    let called = message("m", "42", Some(("1", false)), &[]);
    assert_eq!(seen, [sent("{}"), entered("messagepack"), called]);
}

#[test]
fn handshakes_that_fail() {
    let long = "x".repeat(32_769);
    for (text, error) in [
        ("{}\u{1e}", "An unexpected error occurred during connection handshake."),
        ("{\"protocol\":\"X\",\"version\":1}\u{1e}", "The protocol 'X' is not supported."),
        (&long, "Handshake was canceled."),
    ] {
        let mut bench = Bench::new(Config::default());
        bench.attach(1, Carrier::WebSocket).unwrap();
        let refused = sent(&format!("{{\"error\":\"{error}\"}}"));
        assert_eq!(bench.say(text), [refused, Seen::Closed(Reason::ProtocolError)]);
        assert_eq!(bench.say("{\"type\":6}\u{1e}"), []);
        assert_eq!(bench.deadline, None);
    }
}

#[test]
fn handshake_timeout() {
    let mut bench = Bench::new(Config::default());
    bench.attach(1, Carrier::WebSocket).unwrap();
    assert_eq!(bench.sleep(14), []);
    let canceled = sent("{\"error\":\"Handshake was canceled.\"}");
    assert_eq!(bench.sleep(1), [canceled, Seen::Closed(Reason::NeverEntered)]);
}

#[test]
fn a_transport_must_come_in_time() {
    let mut bench = Bench::new(Config::default());
    bench.drain();
    assert_eq!(bench.sleep(15), [Seen::Closed(Reason::NeverEntered)]);
    assert_eq!(bench.attach(1, Carrier::WebSocket), Err(answers::no_connection()));
}

#[test]
fn calls_streams_and_answers() {
    let mut bench = Bench::json();
    let link = Link::FIRST;
    let seen = bench.say(
        "{\"type\":1,\"target\":\"a\",\"arguments\":[1,\"x\"],\"invocationId\":\"7\",\
         \"streamIds\":[\"u\",\"s9\"]}\u{1e}\
         {\"type\":4,\"target\":\"b\",\"arguments\":[],\"invocationId\":\"8\"}\u{1e}",
    );
    assert_eq!(
        seen,
        [
            message("a", "1,\"x\"", Some(("7", false)), &["u", "s9"]),
            message("b", "", Some(("8", true)), &[]),
        ]
    );
    let seen = bench.say(
        "{\"type\":2,\"invocationId\":\"u\",\"item\":[]}\u{1e}\
         {\"type\":3,\"invocationId\":\"u\"}\u{1e}\
         {\"type\":3,\"invocationId\":\"s9\",\"error\":\"no\"}\u{1e}\
         {\"type\":3,\"invocationId\":\"s9\",\"error\":\"no\"}\u{1e}\
         {\"type\":3,\"invocationId\":\"s10\",\"result\":5}\u{1e}\
         {\"type\":3,\"invocationId\":\"s011\"}\u{1e}\
         {\"type\":5,\"invocationId\":\"8\"}\u{1e}",
    );
    let end = |stream: &str, error: Option<&str>| {
        Seen::Event(Event::End { link, stream: stream.into(), error: error.map(Into::into) })
    };
    assert_eq!(
        seen,
        [
            Seen::Event(Event::Item { link, stream: "u".into(), item: args("[]") }),
            end("u", None),
            // The client stream that was announced under this name, then the answer to our call.
            end("s9", Some("no")),
            Seen::Event(Event::Reply { link, call: 9, outcome: Err("no".into()) }),
            Seen::Event(Event::Reply { link, call: 10, outcome: Ok(args("5")) }),
            end("s011", None),
            Seen::Event(Event::Cancel { link, call: CallId("8".into()) }),
        ]
    );
}

#[test]
fn types_that_are_not_known_are_ignored() {
    let mut bench = Bench::json();
    let seen = bench.say(
        "{\"type\":99}\u{1e}{\"type\":8,\"sequenceId\":1}\u{1e}\
         {\"type\":1,\"target\":\"a\",\"arguments\":[]} \u{1e}",
    );
    assert_eq!(seen, [message("a", "", None, &[])]);
}

#[test]
fn protocol_errors_allow_to_come_back() {
    for text in ["\u{1e}", "{}\u{1e}", "[]\u{1e}", "{\"type\":5}\u{1e}", &"x".repeat(32_769)] {
        let mut bench = Bench::json();
        assert_eq!(bench.say(text), failed(Reason::ProtocolError));
        assert!(bench.session.is_closed());
    }
    let mut bench = Bench::open(Config { detailed_errors: true, ..Config::default() }, "json");
    let Seen::Sent(text) = &bench.say("{}\u{1e}")[1] else { panic!() };
    assert!(text.contains("an error. InvalidDataException: Missing required property 'type'."));
}

#[test]
fn the_size_limit_is_per_message() {
    let of_len = |len: usize| {
        let rest = "{\"type\":1,\"target\":\"a\",\"arguments\":[\"\"]}\u{1e}".len();
        let text = "x".repeat(len - rest);
        format!("{{\"type\":1,\"target\":\"a\",\"arguments\":[\"{text}\"]}}\u{1e}")
    };
    let mut bench = Bench::json();
    assert_eq!(bench.say(&(of_len(32_768) + &of_len(32_768))).len(), 2);
    assert_eq!(bench.say(&of_len(32_769)), failed(Reason::ProtocolError));
}

#[test]
fn messagepack_errors_are_told_in_messagepack() {
    let mut bench = Bench::open(Config::default(), "messagepack");
    let seen = bench.say_bytes(b"\x02\x91\xc1");
    let text = "%\u{fffd}\u{7}\u{fffd} Connection closed with an error.\u{fffd}";
    let reason = Reason::ProtocolError;
    assert_eq!(seen, [left(reason), Seen::Sent(text.into()), Seen::Closed(reason)]);
}

#[test]
fn arguments_that_cannot_be_told_spoil_their_call_only() {
    let mut bench = Bench::open(Config::default(), "messagepack");
    let call = b"\x0b\x95\x01\x80\xa11\xa1m\x91\xd4\x05\x00";
    let [Seen::Sent(text)] = &bench.say_bytes(call)[..] else { panic!() };
    assert!(text.contains("Failed to invoke 'm' due to an error on the server."), "{text}");
    assert_eq!(bench.say_bytes(b"\x08\x95\x01\x80\xc0\xa1m\x91\x05").len(), 1);
}

#[test]
fn keep_alive_and_client_timeout() {
    let ping = || sent("{\"type\":6}");
    let mut bench = Bench::json();
    // A client that never pings is never timed out, whatever else it says.
    assert_eq!(bench.say("{\"type\":99}\u{1e}"), []);
    assert_eq!(bench.sleep(60), vec![ping(); 4]);
    assert_eq!(bench.say("{\"type\":6}\u{1e}"), []);
    assert_eq!(bench.sleep(29), vec![ping(); 1]);
    // Whatever it says restarts its time.
    assert_eq!(bench.say("{\"type\":99}\u{1e}"), []);
    assert_eq!(bench.sleep(29), vec![ping(); 2]);
    let mut end = bench.sleep(1);
    end.retain(|seen| *seen != ping());
    assert_eq!(end, failed(Reason::PingTimeout));
    assert_eq!(bench.deadline, None);
}

#[test]
fn the_client_time_out_waits_while_nothing_is_read() {
    let mut bench = Bench::json();
    bench.say("{\"type\":6}\u{1e}");
    let pings = |seen: Vec<Seen>| seen.iter().all(|seen| *seen == sent("{\"type\":6}"));
    for _ in 0..5 {
        assert!(pings(bench.sleep(20)));
        bench.session.held_back(bench.now);
        bench.drain();
    }
    assert!(pings(bench.sleep(29)));
    assert_eq!(bench.sleep(1), failed(Reason::PingTimeout));
}

#[test]
fn pings_in_messagepack() {
    let mut bench = Bench::open(Config::default(), "messagepack");
    assert_eq!(bench.sleep(15), [Seen::Sent("\u{2}\u{fffd}\u{6}".into())]);
}

#[test]
fn idle_connections_are_small() {
    assert!(size_of::<SignalRSession>() <= 160);
    let mut bench = Bench::json();
    bench.sleep(15);
    let session = &bench.session;
    assert!(session.outputs.is_empty() && session.odd_streams.is_none());
    assert_eq!(session.records.waiting_len(), 0);
}

#[test]
fn the_client_closes() {
    let mut bench = Bench::json();
    let seen = bench.say("{\"type\":7}\u{1e}{\"type\":6}\u{1e}");
    let reason = Reason::ClientLeft;
    assert_eq!(seen, [left(reason), sent("{\"type\":7}"), Seen::Closed(reason)]);
}

#[test]
fn what_is_too_long_to_be_read_or_answers_for_another_ends_it_too() {
    for reason in [Reason::ProtocolError, Reason::OutOfTurn] {
        let seen = Bench::json().input(Input::Close { reason }).unwrap();
        assert_eq!(seen, [left(reason), sent(ERROR_CLOSE), Seen::Closed(reason)]);
    }
}

#[test]
fn the_application_ends_it() {
    let kick = |close| Input::Kick { link: Link::FIRST, whole: false, close };
    let reason = Reason::Kicked;
    let seen = Bench::json().input(kick(None)).unwrap();
    assert_eq!(seen, [left(reason), sent("{\"type\":7}"), Seen::Closed(reason)]);
    let seen = Bench::json().input(kick(Some((4000, "bye".into())))).unwrap();
    assert_eq!(seen[1], sent("{\"type\":7,\"error\":\"bye\"}"));
    let reason = Reason::Shutdown;
    let seen = Bench::json().input(Input::Close { reason }).unwrap();
    let close = sent("{\"type\":7,\"allowReconnect\":true}");
    assert_eq!(seen, [left(reason), close, Seen::Closed(reason)]);
    let reason = Reason::Slow;
    let seen = Bench::json().input(Input::Close { reason }).unwrap();
    let farewell = Seen::Dismissed(reason, format!("{ERROR_CLOSE}\u{1e}"), String::new());
    assert_eq!(seen, [left(reason), farewell]);
}

#[test]
fn on_connected_fails() {
    let mut bench = Bench::new(Config::default());
    bench.attach(1, Carrier::WebSocket).unwrap();
    assert_eq!(bench.say(&handshake("json")), [sent("{}"), entered("json")]);
    let refuse = |text: &str| Input::Refuse { link: Link::FIRST, refusal: Refusal::new(text) };
    let error = "Connection closed with an error. HubException: not today";
    let close = sent(&format!("{{\"type\":7,\"error\":\"{error}\"}}"));
    assert_eq!(bench.input(refuse("not today")), Ok(vec![close, Seen::Closed(Reason::Kicked)]));
    assert_eq!(bench.input(refuse("again")), Ok(vec![]));
    let accept = Input::Accept { link: Link::FIRST, id: "id".into(), token: None };
    assert_eq!(bench.input(accept), Ok(vec![]));
}

/// `ErrorMessageHelper.BuildErrorMessage`: what is not meant for clients is told with details only.
#[test]
fn on_connected_fails_with_what_clients_must_not_hear() {
    for (detailed_errors, error) in [
        (false, "Connection closed with an error."),
        (true, "Connection closed with an error. IOException: disk"),
    ] {
        let mut bench = Bench::new(Config { detailed_errors, ..Config::default() });
        bench.attach(1, Carrier::WebSocket).unwrap();
        bench.say(&handshake("json"));
        let kind = CallErrorKind::Internal;
        let refusal = Refusal { kind, ..Refusal::new("IOException: disk") };
        let close = sent(&format!("{{\"type\":7,\"error\":\"{error}\"}}"));
        let seen = bench.input(Input::Refuse { link: Link::FIRST, refusal });
        assert_eq!(seen, Ok(vec![close, Seen::Closed(Reason::Kicked)]));
    }
}
