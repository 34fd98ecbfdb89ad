use super::*;
use crate::envelope::BAD_COUNT_MAX;
use omniwire_session::{Encoding, Outgoing, Prepared};
use proptest::prelude::*;

/// A session with a clock of its own and a small driver.
struct Bench {
    session: PlainSession,
    now: Instant,
    queue: VecDeque<Frame>,
    deadline: Option<Instant>,
    next_id: u32,
}

fn frame(text: &str) -> Frame {
    let mut out = Encoding::default();
    out.text().extend_from_slice(text.as_bytes());
    let Some(Prepared::One(frame)) = out.finish(|_, _, _| 0) else { panic!("no frame") };
    frame
}

impl Bench {
    fn new(manner: Manner) -> Self {
        let config = Config { manner, ..Config::default() };
        Self {
            session: PlainSession::new(config, "token".into()),
            now: Instant::now(),
            queue: VecDeque::new(),
            deadline: None,
            next_id: 0,
        }
    }

    /// A session that has been let in over `carrier`; what it said until then is gone.
    fn entered(manner: Manner, carrier: Carrier) -> (Self, CarrierId) {
        let mut bench = Self::new(manner);
        let id = bench.attach(carrier).0;
        bench.accept();
        if carrier == Carrier::LongPoll {
            bench.pack(id, carrier);
            bench.put(Input::Detach { id, how: Detached::Done });
        }
        bench.queue.clear();
        (bench, id)
    }

    fn try_put(&mut self, input: Input) -> (Result<(), Fault>, Vec<Output>) {
        let result = self.session.handle_input(self.now, input);
        let mut outputs = Vec::new();
        loop {
            match self.session.poll_output() {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return (result, outputs);
                }
                Output::Transmit(message) => {
                    let text = std::str::from_utf8(message.as_bytes()).unwrap();
                    self.queue.push_back(frame(text));
                }
                output => outputs.push(output),
            }
        }
    }

    fn put(&mut self, input: Input) -> Vec<Output> {
        let (result, outputs) = self.try_put(input);
        result.unwrap();
        outputs
    }

    fn attach(&mut self, carrier: Carrier) -> (CarrierId, Vec<Output>) {
        let id = CarrierId::new(self.next_id);
        self.next_id += 1;
        (id, self.put(Input::Attach { id, carrier }))
    }

    fn accept(&mut self) -> Vec<Output> {
        self.put(Input::Accept { link: Link::FIRST, id: "peer".into(), token: None })
    }

    fn text(&mut self, text: &str) -> (Result<(), Fault>, Vec<Output>) {
        self.try_put(Input::Message {
            id: CarrierId::new(0),
            message: Message::text(text.to_owned()),
        })
    }

    fn pack(&mut self, id: CarrierId, carrier: Carrier) -> (String, Packed) {
        let mut out = BytesMut::new();
        let packed = self.session.pack(id, carrier, &mut self.queue, &mut out);
        (String::from_utf8(out.to_vec()).unwrap(), packed)
    }

    fn said(&mut self) -> Vec<String> {
        let text = |frame: Frame| String::from_utf8(frame.payload().to_vec()).unwrap();
        self.queue.drain(..).map(text).collect()
    }

    /// Lets time pass until the deadline, and says how long that was.
    fn sleep(&mut self) -> (Duration, Vec<Output>) {
        let deadline = self.deadline.expect("no deadline");
        let slept = deadline - self.now;
        self.now = deadline;
        (slept, self.put(Input::Timeout))
    }
}

fn closed(outputs: &[Output]) -> (Reason, u16) {
    match outputs {
        [.., Output::Closed { reason, ending }] => (*reason, ending.code.unwrap()),
        _ => panic!("not closed: {outputs:?}"),
    }
}

fn message(outputs: &[Output]) -> (&str, &Args) {
    match outputs {
        [Output::Event(Event::Message { name, args, call: None, .. })] => (name, args),
        _ => panic!("no message: {outputs:?}"),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_carrier_decides_the_wire() {
    let cases = [
        (Manner::Raw, Carrier::WebSocket, WireForm(&RAW)),
        (Manner::Envelope, Carrier::WebSocket, WireForm(&ENVELOPE)),
        (Manner::Raw, Carrier::LongPoll, WireForm(&ENVELOPE)),
        (Manner::Raw, Carrier::EventStream, WireForm(&SSE)),
    ];
    for (manner, carrier, expected) in cases {
        let (id, outputs) = Bench::new(manner).attach(carrier);
        let [Output::Carry(carry), Output::Event(Event::Enter { link, auth, wire, .. })] =
            outputs.as_slice()
        else {
            panic!("{outputs:?}")
        };
        assert_eq!((*carry, *link, *wire), (Some(id), Link::FIRST, expected));
        assert!(auth.is_empty());
    }
}

#[test]
fn nobody_is_heard_before_they_enter() {
    let mut bench = Bench::new(Manner::Raw);
    let body = Input::Body { kind: Kind::Text, body: r#"{"event":"a"}"#.into() };
    let (result, outputs) = bench.try_put(body);
    assert_eq!(result.unwrap_err().status, 404);
    assert!(outputs.is_empty());
}

#[test]
fn open_is_the_first_envelope() {
    let mut bench = Bench::new(Manner::Envelope);
    bench.attach(Carrier::WebSocket);
    bench.text(r#"{"ping":1}"#).0.unwrap();
    assert!(bench.said().is_empty(), "nothing comes before open");
    let outputs = bench.accept();
    assert!(matches!(outputs.as_slice(), [Output::Release(Link::FIRST)]));
    assert_eq!(bench.said(), [r#"{"open":{"peer":"peer"}}"#, r#"{"pong":1}"#]);
    assert!(bench.accept().is_empty(), "a second accept means nothing");
}

#[test]
fn early_pings_are_bounded() {
    let mut bench = Bench::new(Manner::Envelope);
    bench.attach(Carrier::WebSocket);
    for _ in 0..100 {
        bench.text(r#"{"ping":1}"#).0.unwrap();
    }
    bench.accept();
    assert_eq!(bench.said().len(), 1 + EARLY_COUNT_MAX);
}

#[test]
fn raw_says_no_open() {
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::WebSocket);
    assert!(bench.said().is_empty());
    let (_, outputs) = bench.text("a\"b");
    assert_eq!(message(&outputs), ("message", &Args::from_text("a\"b")));
    let bytes = Bytes::from_static(b"\xff");
    let outputs = bench
        .put(Input::Message { id: CarrierId::new(0), message: Message::Binary(bytes.clone()) });
    assert_eq!(message(&outputs), ("message", &Args::from_bytes(bytes)));
    let (_, outputs) = bench.text(r#"{"event":"say"}"#);
    assert_eq!(message(&outputs).0, "message", "raw is raw");
}

#[test]
fn envelopes_over_a_websocket() {
    let (mut bench, _) = Bench::entered(Manner::Envelope, Carrier::WebSocket);
    let (_, outputs) = bench.text(r#"{"event":"say","args":["hi"]}"#);
    assert_eq!(message(&outputs), ("say", &Args::from_text("hi")));
    let bytes = Bytes::from_static(b"\xff");
    let outputs = bench
        .put(Input::Message { id: CarrierId::new(0), message: Message::Binary(bytes.clone()) });
    assert_eq!(message(&outputs), ("message", &Args::from_bytes(bytes)));
}

#[test]
fn sixteen_bad_envelopes_end_it() {
    let (mut bench, _) = Bench::entered(Manner::Envelope, Carrier::WebSocket);
    for _ in 1..BAD_COUNT_MAX {
        let (result, outputs) = bench.text("{");
        assert_eq!(result.unwrap_err().status, 400);
        assert!(outputs.is_empty());
    }
    assert_eq!(bench.said().len(), 15);
    let (_, outputs) = bench.text("{");
    assert_eq!(closed(&outputs), (Reason::ProtocolError, 1007));
    assert!(matches!(outputs.first(), Some(Output::Event(Event::Leave { .. }))));
    assert_eq!(bench.said().len(), 1);
    assert!(bench.text(r#"{"event":"late"}"#).1.is_empty(), "nothing follows");
}

#[test]
fn a_websocket_that_ends_ends_the_session() {
    let ways = [
        (Detached::Closed { code: 1005 }, Reason::ConnectionClosed),
        (Detached::Lost, Reason::ConnectionLost),
    ];
    for (how, expected) in ways {
        let (mut bench, id) = Bench::entered(Manner::Envelope, Carrier::WebSocket);
        assert_eq!(bench.deadline, None);
        let outputs = bench.put(Input::Detach { id, how });
        assert!(matches!(
            outputs.as_slice(),
            [Output::Event(Event::Leave { reason, .. }), Output::Closed { .. }]
                if *reason == expected
        ));
    }
}

#[test]
fn refusals() {
    let refusal = Refusal::new("é".repeat(100));
    let mut bench = Bench::new(Manner::Envelope);
    bench.attach(Carrier::WebSocket);
    let outputs = bench.put(Input::Refuse { link: Link::FIRST, refusal: refusal.clone() });
    assert_eq!(closed(&outputs), (Reason::Kicked, 1008));
    let [Output::Closed { ending, .. }] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(ending.reason, "é".repeat(61), "123 bytes at most");
    assert!(bench.said()[0].starts_with(r#"{"refused":{"message":"é"#));

    let mut bench = Bench::new(Manner::Raw);
    bench.attach(Carrier::EventStream);
    bench.put(Input::Refuse { link: Link::FIRST, refusal: Refusal::new("no") });
    let refused = "id: over\nevent: omniwire\ndata: {\"refused\":{\"message\":\"no\"}}\n\n";
    assert_eq!(bench.said(), [refused]);
}

#[test]
fn the_server_ends_it() {
    let kick =
        Input::Kick { link: Link::FIRST, whole: false, close: Some((3000, "Go away!".into())) };
    let (mut bench, _) = Bench::entered(Manner::Envelope, Carrier::WebSocket);
    let outputs = bench.put(kick.clone());
    assert_eq!(closed(&outputs), (Reason::Kicked, 3000));
    assert!(bench.said().is_empty(), "a WebSocket has its Close frame");

    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    bench.attach(Carrier::LongPoll);
    assert_eq!(closed(&bench.put(kick.clone())), (Reason::Kicked, 3000));
    assert_eq!(bench.said(), [r#"{"close":{"code":3000,"reason":"Go away!"}}"#]);

    // An EventSource is not to come back.
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::EventStream);
    bench.put(kick);
    assert!(bench.said()[0].starts_with("id: over\nevent: omniwire\ndata: {\"close\""));

    // It is to, if the server goes down or was hung up on.
    for (reason, code) in [(Reason::Shutdown, 1001), (Reason::Kicked, 1000)] {
        let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::EventStream);
        let outputs = bench.put(Input::Close { reason });
        assert_eq!(closed(&outputs), (reason, code));
        let close = format!("event: omniwire\ndata: {{\"close\":{{\"code\":{code}");
        assert!(bench.said()[0].starts_with(&close));
    }
}

#[test]
fn who_is_ended_between_two_polls_hears_so_by_the_next() {
    let between_polls = || {
        let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
        bench.queue.push_back(frame(r#"{"event":"bye"}"#));
        let close = Some((3000, "Go away!".into()));
        let outputs = bench.put(Input::Kick { link: Link::FIRST, whole: false, close });
        let [Output::Event(Event::Leave { reason: Reason::Kicked, .. })] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        bench
    };
    let mut bench = between_polls();
    let (id, outputs) = bench.attach(Carrier::LongPoll);
    assert_eq!(closed(&outputs), (Reason::Kicked, 3000));
    assert!(matches!(outputs[0], Output::Carry(Some(carry)) if carry == id));
    let close = r#"{"close":{"code":3000,"reason":"Go away!"}}"#;
    assert_eq!(bench.said(), [r#"{"event":"bye"}"#, close]);

    // Nobody comes, or the server goes down.
    let (slept, outputs) = between_polls().sleep();
    assert_eq!((slept, closed(&outputs).0), (Config::default().poll_gap_max, Reason::Kicked));
    let outputs = between_polls().put(Input::Close { reason: Reason::Shutdown });
    assert_eq!(closed(&outputs).0, Reason::Shutdown);

    // Who is hung up on is not told.
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    let outputs = bench.put(Input::Close { reason: Reason::Kicked });
    assert_eq!(closed(&outputs), (Reason::Kicked, 1000));
}

#[test]
fn a_slow_client_hears_why_it_ends_by_its_poll_or_the_next_one() {
    let close = Input::Close { reason: Reason::Slow };
    let told = |outputs: &[Output]| match outputs {
        [.., Output::Closed { reason: Reason::Slow, ending }] => {
            String::from_utf8(ending.answer.body.to_vec()).unwrap()
        }
        _ => panic!("not closed: {outputs:?}"),
    };
    let envelope = r#"{"close":{"code":1013,"reason":"slow peer"}}"#;
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    bench.attach(Carrier::LongPoll);
    let cursor = r#"{"cursor":"token.2"}"#;
    assert_eq!(told(&bench.put(close.clone())), format!("[{envelope},{cursor}]"));

    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    let outputs = bench.put(close.clone());
    let [Output::Event(Event::Leave { reason, .. })] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((*reason, bench.said()), (Reason::Slow, Vec::new()));
    assert_eq!(told(&bench.attach(Carrier::LongPoll).1), format!("[{envelope},{cursor}]"));

    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    bench.put(close.clone());
    let (slept, outputs) = bench.sleep();
    assert_eq!((slept, closed(&outputs).0), (Config::default().poll_gap_max, Reason::Slow));

    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::EventStream);
    assert_eq!(told(&bench.put(close)), format!("event: omniwire\ndata: {envelope}\n\n"));
}

#[test]
fn an_event_stream_has_heartbeats_and_ends_with_its_connection() {
    let (mut bench, id) = Bench::entered(Manner::Raw, Carrier::EventStream);
    let (slept, outputs) = bench.sleep();
    assert_eq!((slept, outputs.len()), (15 * SECOND, 0));
    bench.sleep();
    assert_eq!(bench.said(), [": \n\n", ": \n\n"]);

    let outputs = bench.put(Input::Detach { id, how: Detached::Lost });
    assert!(matches!(
        outputs.as_slice(),
        [Output::Event(Event::Leave { .. }), Output::Closed { .. }]
    ));
    assert_eq!(closed(&outputs).0, Reason::ConnectionLost);
}

#[test]
fn a_poll_that_was_broken_off_is_waited_for_less_long() {
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    let (id, _) = bench.attach(Carrier::LongPoll);
    let outputs = bench.put(Input::Detach { id, how: Detached::Lost });
    assert!(matches!(outputs.as_slice(), [Output::Carry(None)]));
    bench.now += 4 * SECOND;
    assert!(bench.put(Input::Timeout).is_empty(), "too early");
    let (id, outputs) = bench.attach(Carrier::LongPoll);
    assert!(matches!(outputs.as_slice(), [Output::Carry(Some(carried))] if *carried == id));
    bench.put(Input::Detach { id, how: Detached::Lost });
    let (slept, outputs) = bench.sleep();
    assert_eq!(slept, 5 * SECOND);
    assert_eq!(closed(&outputs), (Reason::PingTimeout, 1001));
}

#[test]
fn the_open_of_an_event_stream_names_the_session() {
    let mut bench = Bench::new(Manner::Raw);
    let (id, _) = bench.attach(Carrier::EventStream);
    bench.accept();
    bench.queue.push_back(frame("event: a\ndata: []\n\n"));
    let (chunk, packed) = bench.pack(id, Carrier::EventStream);
    assert_eq!(
        chunk,
        "event: omniwire\ndata: {\"open\":{\"peer\":\"peer\",\"session\":\"token\"}}\n\n\
         event: a\ndata: []\n\n"
    );
    assert_eq!(packed, Packed::Open);
}

#[test]
fn the_newest_event_stream_wins() {
    let (mut bench, older) = Bench::entered(Manner::Raw, Carrier::EventStream);
    let (newer, outputs) = bench.attach(Carrier::EventStream);
    assert!(matches!(outputs.as_slice(),
        [Output::End { id, .. }, Output::Carry(Some(carry))] if *id == older && *carry == newer));
    assert!(bench.put(Input::Detach { id: older, how: Detached::Done }).is_empty());
}

#[test]
fn polls_are_arrays() {
    let mut bench = Bench::new(Manner::Raw);
    let (id, _) = bench.attach(Carrier::LongPoll);
    bench.accept();
    bench.queue.push_back(frame("{\"event\":\"a\"}"));
    let (body, packed) = bench.pack(id, Carrier::LongPoll);
    assert_eq!(
        body,
        r#"[{"open":{"peer":"peer","session":"token"}},{"event":"a"},{"cursor":"token.1"}]"#
    );
    assert_eq!(packed, Packed::Full);
}

#[test]
fn a_cursor_says_where_the_client_stands() {
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    for (event, cursor) in [
        (r#"{"event":"a","args":[],"room":"r","offset":1,"epoch":9}"#, "token.2~9.1.r"),
        (r#"{"event":"own","args":[]}"#, "token.3~9.1.r"),
        (r#"{"resume":"new","room":"s","offset":4,"epoch":8}"#, "token.4~9.1.r~8.4.s"),
    ] {
        let (id, _) = bench.attach(Carrier::LongPoll);
        bench.queue.push_back(frame(event));
        let (body, _) = bench.pack(id, Carrier::LongPoll);
        assert_eq!(body, format!(r#"[{event},{{"cursor":"{cursor}"}}]"#));
        bench.put(Input::Detach { id, how: Detached::Done });
    }
}

#[test]
fn a_long_answer_is_cut_between_messages() {
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    bench.session.http_mut().unwrap().config.poll_len_max = 10;
    let (id, _) = bench.attach(Carrier::LongPoll);
    bench.queue.extend([frame("\"12345\""), frame("\"6789\""), frame("0")]);
    assert_eq!(bench.pack(id, Carrier::LongPoll).0, r#"["12345","6789",{"cursor":"token.2"}]"#);
    assert_eq!(bench.queue.len(), 1);
}

#[test]
fn an_idle_poll_ends_empty() {
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    let (id, _) = bench.attach(Carrier::LongPoll);
    let (slept, outputs) = bench.sleep();
    assert_eq!(slept, 25 * SECOND);
    let [Output::End { id: ended, ending }, Output::Carry(None)] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!((*ended, ending.answer.body.as_ref()), (id, b"[]".as_slice()));
    assert!(bench.put(Input::Detach { id, how: Detached::Done }).is_empty());

    let (slept, outputs) = bench.sleep();
    assert_eq!(slept, 15 * SECOND);
    assert_eq!(closed(&outputs), (Reason::PingTimeout, 1001));
    let (result, _) =
        bench.try_put(Input::Attach { id: CarrierId::new(9), carrier: Carrier::LongPoll });
    assert_eq!(result.unwrap_err().status, 404);
}

#[test]
fn the_newest_poll_wins() {
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    let (older, _) = bench.attach(Carrier::LongPoll);
    let (newer, outputs) = bench.attach(Carrier::LongPoll);
    let [Output::End { id, ending }, Output::Carry(Some(carry))] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!((*id, *carry), (older, newer));
    assert_eq!(ending.answer, Answer::new(200, JSON, b"[]".as_slice()));
}

#[test]
fn an_answered_poll_is_not_ended_again() {
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    let (id, _) = bench.attach(Carrier::LongPoll);
    bench.queue.push_back(frame("{}"));
    bench.pack(id, Carrier::LongPoll);
    let (next, outputs) = bench.attach(Carrier::LongPoll);
    assert!(matches!(outputs.as_slice(), [Output::Carry(Some(id))] if *id == next));
    bench.queue.push_back(frame("{}"));
    bench.pack(next, Carrier::LongPoll);
    let (_, outputs) = bench.sleep();
    assert!(outputs.is_empty(), "{outputs:?}");
    bench.put(Input::Detach { id: next, how: Detached::Done });
    assert!(bench.deadline.is_some());
}

#[test]
fn carriers_do_not_mix() {
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    for carrier in [Carrier::EventStream, Carrier::WebSocket, Carrier::Streaming] {
        let id = CarrierId::new(99);
        let (result, outputs) = bench.try_put(Input::Attach { id, carrier });
        assert_eq!(result.unwrap_err().status, 409);
        assert!(matches!(outputs.as_slice(), [Output::End { .. }]));
    }
    let id = CarrierId::new(0);
    let (result, outputs) =
        Bench::new(Manner::Raw).try_put(Input::Attach { id, carrier: Carrier::Streaming });
    assert!(result.is_err());
    assert!(matches!(outputs.as_slice(), [Output::End { .. }, Output::Closed { .. }]));
}

#[test]
fn bodies_fed_to_the_session_become_events() {
    let (mut bench, _) = Bench::entered(Manner::Raw, Carrier::LongPoll);
    let body = Bytes::from_static(br#"[{"event":"a"},{"ping":1}]"#);
    let outputs = bench.put(Input::Body { kind: Kind::Text, body });
    assert_eq!(message(&outputs).0, "a");
    assert_eq!(bench.said(), [r#"{"pong":1}"#]);
    let body = Bytes::from_static(b"[{}]");
    assert!(bench.try_put(Input::Body { kind: Kind::Text, body }).0.is_err());
}

#[derive(Debug, Clone)]
enum Step {
    Attach(u8),
    Detach(u32),
    Text(String),
    Body(Vec<u8>),
    Accept,
    Refuse,
    Kick,
    Pack(u32),
    Sleep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8).prop_map(Step::Attach),
        (0..6_u32).prop_map(Step::Detach),
        "(\\{\"(event|ping|x)\":(1|\"a\")\\})|.{0,6}".prop_map(Step::Text),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Step::Body),
        Just(Step::Accept),
        Just(Step::Refuse),
        Just(Step::Kick),
        (0..6_u32).prop_map(Step::Pack),
        Just(Step::Sleep),
    ]
}

const CARRIERS: [Carrier; 4] =
    [Carrier::WebSocket, Carrier::LongPoll, Carrier::EventStream, Carrier::Streaming];

proptest! {
    #[test]
    fn any_sequence_is_survived(envelope: bool, steps in prop::collection::vec(step(), 0..40)) {
        let manner = if envelope { Manner::Envelope } else { Manner::Raw };
        let mut bench = Bench::new(manner);
        let (mut enters, mut leaves, mut closes) = (0, 0, 0);
        let mut carrier = Carrier::WebSocket;
        for step in steps {
            let input = match step {
                Step::Attach(kind) => {
                    carrier = CARRIERS[usize::from(kind)];
                    bench.next_id += 1;
                    Input::Attach { id: CarrierId::new(bench.next_id), carrier }
                }
                Step::Detach(id) => Input::Detach { id: CarrierId::new(id), how: Detached::Lost },
                Step::Text(text) => {
                    Input::Message { id: CarrierId::new(1), message: Message::text(text) }
                }
                Step::Body(body) => Input::Body { kind: Kind::Text, body: body.into() },
                Step::Accept => Input::Accept { link: Link::FIRST, id: "p".into(), token: None },
                Step::Refuse => {
                    Input::Refuse { link: Link::FIRST, refusal: Refusal::new("no") }
                }
                Step::Kick => Input::Kick { link: Link::FIRST, whole: true, close: None },
                Step::Pack(id) => {
                    if !bench.queue.is_empty() {
                        bench.pack(CarrierId::new(id), carrier);
                    }
                    continue;
                }
                Step::Sleep => {
                    bench.now = bench.deadline.unwrap_or(bench.now) + SECOND;
                    Input::Timeout
                }
            };
            let (_, outputs) = bench.try_put(input);
            prop_assert!(closes == 0 || outputs.is_empty(), "{:?} after the end", outputs);
            for output in outputs {
                match output {
                    Output::Event(Event::Enter { .. }) => enters += 1,
                    Output::Event(Event::Leave { .. }) => leaves += 1,
                    Output::Closed { .. } => closes += 1,
                    _ => {}
                }
            }
            prop_assert!(enters <= 1 && leaves <= enters && closes <= 1);
            prop_assert!(closes == 0 || bench.deadline.is_none());
        }
    }
}

#[test]
fn an_outgoing_event_is_packed_as_it_is() {
    let (mut bench, id) = Bench::entered(Manner::Raw, Carrier::EventStream);
    let args = Args::from_text("x\u{2028}");
    let mut out = Encoding::default();
    let what = Outgoing::Event { name: "say", args: &args, call: None, position: None };
    bench.session.wire().0.encode("", what, &mut out);
    let Some(Prepared::One(frame)) = out.finish(|_, _, _| 0) else { panic!("no frame") };
    bench.queue.push_back(frame);
    let (chunk, _) = bench.pack(id, Carrier::EventStream);
    assert_eq!(chunk, "event: say\ndata: [\"x\u{2028}\"]\n\n");
}

#[test]
fn a_session_on_a_websocket_is_small() {
    assert!(size_of::<PlainSession>() <= 72, "{}", size_of::<PlainSession>());
}
