use super::*;
use crate::{RAW, Raw};
use omniwire_session::{Encoding, Kind, Prepared, WireForm};
use proptest::prelude::*;

/// A manner as a server makes one of envelopes.
#[derive(Debug, Default)]
struct Strict {
    bad_count: u32,
}

impl Manner for Strict {
    fn wire(&self) -> WireForm {
        WireForm(&RAW)
    }

    fn hear(&mut self, link: Link, message: &ByteString) -> Heard {
        match &**message {
            "\"ping\"" => Heard::Answer("pong".into()),
            "\"bad\"" => {
                self.bad_count += 1;
                let fault = Fault::bad_request("no sense");
                Heard::Bad { answer: "what?".into(), fault, fatal: self.bad_count == 2 }
            }
            _ => Raw.hear(link, message),
        }
    }

    fn welcome(&mut self, peer: &str) -> Option<ByteString> {
        Some(format!("welcome {peer}").into())
    }

    fn refuse(&mut self, _refusal: &Refusal) -> Option<ByteString> {
        Some("go".into())
    }
}

struct Bench<M> {
    session: SockJsSession<M>,
    now: Instant,
    queue: VecDeque<Frame>,
    deadline: Option<Instant>,
}

fn frame(text: &str) -> Frame {
    let mut out = Encoding::default();
    out.text().extend_from_slice(text.as_bytes());
    let Some(Prepared::One(frame)) = out.finish(|_, _, _| 0) else { panic!("no frame") };
    frame
}

impl<M: Manner> Bench<M> {
    fn new(manner: M) -> Self {
        Self {
            session: SockJsSession::new(Config::default().into(), manner),
            now: Instant::now(),
            queue: VecDeque::new(),
            deadline: None,
        }
    }

    fn put(&mut self, input: Input) -> (Result<(), Fault>, Vec<Output>) {
        let result = self.session.handle_input(self.now, input);
        let mut outputs = Vec::new();
        loop {
            match self.session.poll_output() {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return (result, outputs);
                }
                Output::Transmit(message) => {
                    self.queue.push_back(frame(std::str::from_utf8(message.as_bytes()).unwrap()));
                }
                output => outputs.push(output),
            }
        }
    }

    fn attach(&mut self, id: u32, carrier: Carrier) -> Vec<Output> {
        let (result, outputs) = self.put(Input::Attach { id: CarrierId::new(id), carrier });
        result.unwrap();
        outputs
    }

    fn text(&mut self, text: &'static str) -> (Result<(), Fault>, Vec<Output>) {
        self.put(Input::Message { id: CarrierId::new(1), message: Message::text(text) })
    }

    fn said(&mut self) -> Vec<String> {
        let text = |frame: Frame| String::from_utf8(frame.payload().to_vec()).unwrap();
        self.queue.drain(..).map(text).collect()
    }

    fn pack(&mut self, id: u32, carrier: Carrier) -> (String, Packed) {
        let mut out = BytesMut::new();
        let packed = self.session.pack(CarrierId::new(id), carrier, &mut self.queue, &mut out);
        (String::from_utf8(out.to_vec()).unwrap(), packed)
    }
}

#[test]
fn the_order_of_the_first_outputs() {
    let mut session = SockJsSession::new(Config::default().into(), Raw);
    let attach = Input::Attach { id: CarrierId::new(1), carrier: Carrier::WebSocket };
    session.handle_input(Instant::now(), attach).unwrap();
    assert!(matches!(session.poll_output(), Output::Carry(Some(id)) if id == CarrierId::new(1)));
    assert!(matches!(session.poll_output(), Output::Transmit(Message::Text(o)) if o == "o"));
    let enter = session.poll_output();
    let Output::Event(Event::Enter { link, wire, .. }) = enter else { panic!("{enter:?}") };
    assert_eq!((link, wire), (Link::FIRST, WireForm(&RAW)));
    assert!(matches!(session.poll_output(), Output::Timeout(Some(_))));
}

#[test]
fn raw_messages_keep_their_json() {
    let mut bench = Bench::new(Raw);
    bench.attach(1, Carrier::WebSocket);
    let (_, outputs) = bench.text(r#" [ "\u0061\ud800" , 7 ] "#);
    let heard: Vec<_> = outputs
        .iter()
        .map(|output| match output {
            Output::Event(Event::Message { name, args, call: None, .. }) => {
                assert_eq!(name, "message");
                args.json().to_string()
            }
            _ => panic!("{output:?}"),
        })
        .collect();
    assert_eq!(heard, [r#""\u0061\ud800""#, "7"]);
}

#[test]
fn a_manner_welcomes_and_answers() {
    let mut bench = Bench::new(Strict::default());
    bench.attach(1, Carrier::WebSocket);
    bench.text("[\"ping\"]").0.unwrap();
    assert_eq!(bench.said(), ["o"], "answers wait for the welcome");
    let (_, outputs) = bench.put(Input::Accept { link: Link::FIRST, id: "p".into(), token: None });
    assert!(matches!(outputs.as_slice(), [Output::Release(Link::FIRST)]));
    assert_eq!(bench.said(), ["a[\"welcome p\"]", "a[\"pong\"]"]);
    bench.text("\"ping\"").0.unwrap();
    assert_eq!(bench.said(), ["a[\"pong\"]"]);
}

#[test]
fn a_manner_refuses() {
    let mut bench = Bench::new(Strict::default());
    bench.attach(1, Carrier::WebSocket);
    let refusal = Refusal::new("no");
    let (_, outputs) = bench.put(Input::Refuse { link: Link::FIRST, refusal });
    assert!(matches!(outputs.as_slice(), [Output::Closed { reason: Reason::Kicked, .. }]));
    assert_eq!(bench.said(), ["o", "a[\"go\"]", "c[1008,\"no\"]"]);
}

#[test]
fn a_slow_peer_hears_the_close_frame_in_place_of_what_waits() {
    for (carrier, body) in [
        (Carrier::WebSocket, "c[1013,\"slow peer\"]"),
        (Carrier::Streaming, "c[1013,\"slow peer\"]\n"),
        (Carrier::LongPoll, "c[1013,\"slow peer\"]\n"),
    ] {
        let mut bench = Bench::new(Raw);
        bench.attach(1, carrier);
        bench.put(Input::Accept { link: Link::FIRST, id: "p".into(), token: None }).0.unwrap();
        let (_, outputs) = bench.put(Input::Close { reason: Reason::Slow });
        let [.., Output::Closed { ending, .. }] = outputs.as_slice() else { panic!("{outputs:?}") };
        let farewell = ending.farewell.as_ref().map(Message::as_bytes);
        assert_eq!(farewell, Some(&b"c[1013,\"slow peer\"]"[..]));
        assert_eq!((&*ending.answer.body, carrier), (body.as_bytes(), carrier));
        assert_eq!(bench.said(), ["o"], "nothing goes by the outbox");
    }
}

#[test]
fn a_slow_peer_that_asks_for_nothing_hears_the_close_frame_from_whatever_it_asks_next() {
    let mut bench = Bench::new(Raw);
    bench.attach(1, Carrier::LongPoll);
    bench.pack(1, Carrier::LongPoll);
    bench.put(Input::Detach { id: CarrierId::new(1), how: Detached::Done }).0.unwrap();
    bench.put(Input::Accept { link: Link::FIRST, id: "p".into(), token: None }).0.unwrap();
    let (_, outputs) = bench.put(Input::Close { reason: Reason::Slow });
    let [Output::Event(Event::Leave { reason, .. })] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(*reason, Reason::Slow);
    assert_eq!(bench.deadline, Some(bench.now + Config::default().disconnect_delay));
    for (id, carrier) in [(2, Carrier::LongPoll), (3, Carrier::Streaming)] {
        let outputs = bench.attach(id, carrier);
        let [Output::End { ending, .. }] = &outputs[..] else { panic!("{outputs:?}") };
        assert_eq!(ending.answer.body, &b"c[1013,\"slow peer\"]\n"[..]);
    }
    bench.now = bench.deadline.unwrap();
    let (_, outputs) = bench.put(Input::Timeout);
    assert!(matches!(&outputs[..], [Output::Closed { reason: Reason::Slow, .. }]), "{outputs:?}");
}

#[test]
fn what_makes_no_sense_too_often_closes() {
    let mut bench = Bench::new(Strict::default());
    bench.attach(1, Carrier::Streaming);
    bench.put(Input::Accept { link: Link::FIRST, id: "p".into(), token: None }).0.unwrap();
    bench.said();
    let body = |text: &'static str| Input::Body { kind: Kind::Text, body: text.into() };
    let (result, outputs) = bench.put(body("[\"bad\",\"x\"]"));
    assert_eq!(result.unwrap_err().text, "no sense");
    assert!(matches!(outputs.as_slice(), [Output::Event(Event::Message { .. })]));
    assert_eq!(bench.said(), ["a[\"what?\"]"]);
    let (_, outputs) = bench.put(body("[\"bad\",\"x\"]"));
    assert!(matches!(
        outputs.as_slice(),
        [Output::Event(Event::Leave { reason: Reason::ProtocolError, .. })]
    ));
    assert_eq!(bench.said(), ["a[\"what?\"]", "c[1007,\"no sense\"]"]);
}

#[test]
fn binary_messages_are_broken_framing() {
    let mut bench = Bench::new(Raw);
    bench.attach(1, Carrier::WebSocket);
    let message = Message::Binary("[\"a\"]".into());
    let (result, outputs) = bench.put(Input::Message { id: CarrierId::new(1), message });
    assert!(result.is_err());
    let [Output::Event(Event::Leave { .. }), Output::Closed { ending, .. }] = outputs.as_slice()
    else {
        panic!("{outputs:?}")
    };
    assert_eq!((ending.code, &*ending.reason), (Some(3000), "Broken framing."));
}

#[test]
fn a_newcomer_while_the_last_answer_leaves_is_no_overlap() {
    let mut bench = Bench::new(Raw);
    bench.attach(1, Carrier::LongPoll);
    assert_eq!(bench.pack(1, Carrier::LongPoll), ("o\n".into(), Packed::Full));
    let outputs = bench.attach(2, Carrier::LongPoll);
    assert!(matches!(outputs.as_slice(), [Output::Carry(Some(id))] if *id == CarrierId::new(2)));
    let late = Input::Detach { id: CarrierId::new(1), how: Detached::Done };
    assert!(bench.put(late).1.is_empty());
}

#[test]
fn sockjs_4_8_a_full_answer_that_breaks_off_starts_the_delay() {
    let mut bench = Bench::new(Raw);
    bench.attach(1, Carrier::LongPoll);
    bench.pack(1, Carrier::LongPoll);
    let (_, outputs) = bench.put(Input::Detach { id: CarrierId::new(1), how: Detached::Lost });
    assert!(matches!(outputs.as_slice(), [Output::Carry(None)]));
}

#[test]
fn sockjs_4_7_a_close_frame_that_did_not_get_through_goes_to_the_next_request() {
    let mut bench = Bench::new(Raw);
    bench.attach(1, Carrier::Streaming);
    bench.pack(1, Carrier::Streaming);
    let close = Some((3000, "Go away!".into()));
    bench.put(Input::Kick { link: Link::FIRST, whole: true, close }).0.unwrap();
    let (_, outputs) = bench.put(Input::Detach { id: CarrierId::new(1), how: Detached::Lost });
    assert!(matches!(outputs.as_slice(), [Output::Carry(None)]));
    bench.attach(2, Carrier::LongPoll);
    assert_eq!(bench.pack(2, Carrier::LongPoll).0, "c[3000,\"Go away!\"]\n");
}

#[test]
fn a_full_answer_whose_end_is_never_told_expires_too() {
    let mut bench = Bench::new(Raw);
    bench.attach(1, Carrier::LongPoll);
    bench.pack(1, Carrier::LongPoll);
    bench.now = bench.deadline.unwrap();
    let (_, outputs) = bench.put(Input::Timeout);
    assert!(matches!(outputs.as_slice(), [Output::Carry(None)]));
    bench.now = bench.deadline.unwrap();
    let (_, outputs) = bench.put(Input::Timeout);
    assert!(matches!(outputs.last(), Some(Output::Closed { .. })));
}

#[test]
fn the_dress_is_that_of_the_connection() {
    let mut bench = Bench::new(Raw);
    bench.session.dress(CarrierId::new(1), Dress::Jsonp(Box::new("cb".into())));
    bench.attach(1, Carrier::LongPoll);
    assert_eq!(bench.pack(1, Carrier::LongPoll).0, "/**/cb(\"o\");\r\n");
    bench.put(Input::Detach { id: CarrierId::new(1), how: Detached::Done }).0.unwrap();
    bench.attach(2, Carrier::LongPoll);
    bench.queue.push_back(frame("a[1]"));
    assert_eq!(bench.pack(2, Carrier::LongPoll).0, "a[1]\n");
}

#[test]
fn a_websocket_does_not_join_a_session() {
    let mut bench = Bench::new(Raw);
    bench.attach(1, Carrier::LongPoll);
    bench.pack(1, Carrier::LongPoll);
    for carrier in [Carrier::WebSocket, Carrier::LongPoll] {
        let outputs = bench.attach(2, carrier);
        match carrier {
            Carrier::WebSocket => assert!(matches!(outputs.as_slice(), [Output::End { .. }])),
            _ => assert!(matches!(outputs.as_slice(), [Output::Carry(_)])),
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Attach(u8),
    Detach(u8, u32),
    Text(String),
    Body(Vec<u8>),
    Accept,
    Refuse,
    Kick,
    Pack,
    Sleep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Step::Attach),
        1 => (0..2_u8, 0..8_u32).prop_map(|(how, back)| Step::Detach(how, back)),
        1 => "(\\[?\"(ping|bad|x)\"\\]?)|.{0,6}".prop_map(Step::Text),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(Step::Body),
        1 => Just(Step::Body(b"[\"bad\",\"ping\",\"x\"]".to_vec())),
        1 => Just(Step::Accept),
        1 => Just(Step::Refuse),
        1 => Just(Step::Kick),
        3 => Just(Step::Pack),
        1 => Just(Step::Sleep),
    ]
}

const CARRIERS: [Carrier; 4] =
    [Carrier::WebSocket, Carrier::LongPoll, Carrier::EventStream, Carrier::Streaming];

/// What was attached, and what was seen.
#[derive(Default)]
struct Tally {
    attached: Vec<(CarrierId, Carrier)>,
    enters: u32,
    leaves: u32,
    closes: u32,
    opens: u32,
}

impl Step {
    fn into_input(self, bench: &Bench<Strict>, tally: &mut Tally) -> Option<Input> {
        let link = Link::FIRST;
        Some(match self {
            Self::Attach(kind) => {
                let id = CarrierId::new(tally.attached.len() as u32);
                let carrier = CARRIERS[usize::from(kind)];
                tally.attached.push((id, carrier));
                Input::Attach { id, carrier }
            }
            Self::Detach(how, back) => {
                let how = if how == 0 { Detached::Lost } else { Detached::Done };
                let last = tally.attached.len() as u32;
                Input::Detach { id: CarrierId::new(last.saturating_sub(back)), how }
            }
            Self::Text(text) => {
                Input::Message { id: CarrierId::new(0), message: Message::text(text) }
            }
            Self::Body(body) => Input::Body { kind: Kind::Text, body: body.into() },
            Self::Accept => Input::Accept { link, id: "p".into(), token: None },
            Self::Refuse => Input::Refuse { link, refusal: Refusal::new("no") },
            Self::Kick => Input::Kick { link, whole: true, close: None },
            Self::Pack => return None,
            Self::Sleep => {
                let _ = bench.deadline?;
                Input::Timeout
            }
        })
    }
}

proptest! {
    #[test]
    fn any_sequence_is_survived(steps in prop::collection::vec(step(), 0..60)) {
        let mut bench = Bench::new(Strict::default());
        let mut tally = Tally::default();
        for step in steps {
            if matches!(step, Step::Sleep) {
                bench.now = bench.deadline.unwrap_or(bench.now);
            }
            let Some(input) = step.into_input(&bench, &mut tally) else {
                if let Some(&(id, carrier)) = tally.attached.last()
                    && !bench.queue.is_empty()
                {
                    let before = bench.queue.len();
                    let (text, packed) = bench.pack(id.number(), carrier);
                    prop_assert!(!text.is_empty() && bench.queue.len() < before);
                    prop_assert!(carrier != Carrier::LongPoll || packed == Packed::Full);
                }
                continue;
            };
            let queued = bench.queue.len();
            let (_, outputs) = bench.put(input);
            prop_assert!(tally.closes == 0 || outputs.is_empty(), "{:?} after the end", outputs);
            prop_assert!(tally.closes == 0 || bench.queue.len() == queued);
            let new = bench.queue.range(queued.min(bench.queue.len())..);
            tally.opens += new.filter(|frame| frame.as_payload() == b"o").count() as u32;
            for output in outputs {
                match output {
                    Output::Event(Event::Enter { .. }) => tally.enters += 1,
                    Output::Event(Event::Leave { .. }) => tally.leaves += 1,
                    Output::Event(Event::Message { .. }) => prop_assert_eq!(tally.leaves, 0),
                    Output::Closed { .. } => tally.closes += 1,
                    _ => {}
                }
            }
            prop_assert!(tally.leaves <= tally.enters);
            prop_assert!(tally.enters <= 1 && tally.opens == tally.enters && tally.closes <= 1);
            prop_assert!(tally.closes == 0 || bench.deadline.is_none());
            // A session that nobody carries never waits forever.
            prop_assert!(tally.enters == 0 || tally.closes == 1 || bench.deadline.is_some());
        }
    }
}
