//! Stateful reconnect (`TransportProtocols.md`, "Stateful Reconnect").

use super::super::ledger::Ledger;
use super::*;
use proptest::prelude::*;

const CALL: &str = "{\"type\":1,\"target\":\"a\",\"arguments\":[]}\u{1e}";

fn stateful_of(config: Config, protocol: &str, version: u8) -> Bench {
    let mut bench = Bench::new(config);
    bench.session = SignalRSession::new(Arc::clone(&bench.session.config), bench.now).stateful();
    bench.attach(1, Carrier::WebSocket).unwrap();
    let asked = format!("{{\"protocol\":\"{protocol}\",\"version\":{version}}}\u{1e}");
    let seen = bench.say(&asked);
    let answer = match version {
        1 => Seen::Sent("{}\u{1e}".into()),
        _ => Seen::Direct(1, "{}\u{1e}".into()),
    };
    assert_eq!(seen, [answer, entered(protocol)]);
    let accept = Input::Accept { link: Link::FIRST, id: "id".into(), token: None };
    assert_eq!(bench.input(accept), Ok(vec![Seen::Release]));
    bench
}

fn stateful() -> Bench {
    stateful_of(Config::default(), "json", 2)
}

impl Bench {
    /// What leaves of these frames, as the driver takes them.
    fn pass(&mut self, queue: &mut VecDeque<Frame>) -> Vec<String> {
        texts(&self.session.pass(queue).expect("a stateful session keeps what it sends"))
    }

    fn say_on(&mut self, id: u32, text: &str) -> Vec<Seen> {
        let message = Message::text(text.to_owned());
        self.input(Input::Message { id: CarrierId::new(id), message }).unwrap()
    }
}

fn direct(id: u32, text: &str) -> Seen {
    Seen::Direct(id, format!("{text}\u{1e}"))
}

fn called() -> Seen {
    message("a", "", None, &[])
}

#[test]
fn a_lost_line_is_waited_for_and_the_rest_sent_again() {
    let mut bench = stateful();
    let mut queue: VecDeque<Frame> = ["x", "y", "z"].map(frame).into();
    assert_eq!(bench.pass(&mut queue), ["x", "y", "z"]);
    assert_eq!(bench.say("{\"type\":8,\"sequenceId\":1}\u{1e}"), []);
    assert_eq!(bench.say(&(CALL.to_owned() + "{\"type\"")), [called()]);
    assert_eq!(bench.detach(1, Detached::Lost), [Seen::Carry(None)]);
    assert_eq!(bench.sleep(14), []);
    let seen = bench.attach(2, Carrier::WebSocket).unwrap();
    let again = Seen::Resent(2, vec!["y".into(), "z".into()]);
    let sequence = direct(2, "{\"type\":9,\"sequenceId\":2}");
    assert_eq!(seen, [sequence, again, Seen::Carry(Some(2))]);
    // The client sends again, too: what came before is not heard twice.
    let again = format!("{{\"type\":9,\"sequenceId\":1}}\u{1e}{CALL}{CALL}");
    assert_eq!(bench.say_on(2, &again), [called()]);
    assert_eq!(bench.say_on(1, CALL), []);
    // The Ack was due while there was no line.
    assert_eq!(bench.sleep(0), [direct(2, "{\"type\":8,\"sequenceId\":2}")]);
}

#[test]
fn a_new_line_takes_over_one_that_still_looks_open() {
    let mut bench = stateful();
    let mut queue: VecDeque<Frame> = ["x"].map(frame).into();
    bench.pass(&mut queue);
    let seen = bench.attach(2, Carrier::WebSocket).unwrap();
    let sequence = direct(2, "{\"type\":9,\"sequenceId\":1}");
    let again = Seen::Resent(2, vec!["x".into()]);
    assert_eq!(seen, [Seen::End(1, 200), sequence, again, Seen::Carry(Some(2))]);
    assert_eq!(bench.detach(1, Detached::Lost), []);
    assert_eq!(bench.say_on(1, CALL), []);
    assert_eq!(bench.say_on(2, CALL), [called()]);
}

#[test]
fn nobody_waits_longer_than_the_disconnect_timeout() {
    let mut bench = stateful();
    assert_eq!(bench.detach(1, Detached::Lost), [Seen::Carry(None)]);
    let reason = Reason::ConnectionLost;
    assert_eq!(bench.sleep(15), [left(reason), Seen::Closed(reason)]);
    assert_eq!(bench.attach(2, Carrier::WebSocket), Err(answers::no_connection()));
}

#[test]
fn a_close_ends_it_at_once() {
    let reason = Reason::ConnectionClosed;
    let seen = stateful().detach(1, Detached::Closed { code: 1000 });
    assert_eq!(seen, [left(reason), Seen::Closed(reason)]);
    let reason = Reason::ClientLeft;
    let seen = stateful().say("{\"type\":7}\u{1e}");
    assert_eq!(seen, [left(reason), sent("{\"type\":7}"), Seen::Closed(reason)]);
    let mut bench = stateful();
    bench.detach(1, Detached::Lost);
    let kick = Input::Kick { link: Link::FIRST, whole: true, close: None };
    let seen = bench.input(kick).unwrap();
    assert_eq!(seen[0], left(Reason::Kicked));
    assert_eq!(bench.attach(2, Carrier::WebSocket), Err(answers::no_connection()));
}

#[test]
fn only_whom_negotiate_and_the_handshake_made_stateful() {
    let one = stateful_of(Config::default(), "json", 1);
    for mut bench in [Bench::json(), one] {
        assert!(bench.session.pass(&mut [frame("x")].into()).is_none());
        assert_eq!(bench.say("{\"type\":8,\"sequenceId\":9}\u{1e}"), []);
        assert_eq!(bench.say("{\"type\":9,\"sequenceId\":9}\u{1e}"), []);
        assert_eq!(bench.attach(2, Carrier::WebSocket), Err(answers::already_connected()));
        let reason = Reason::ConnectionLost;
        assert_eq!(bench.detach(1, Detached::Lost), [left(reason), Seen::Closed(reason)]);
    }
}

#[test]
fn other_transports_do_not_take_over() {
    let mut bench = stateful();
    let changed = Err(answers::transport_changed());
    assert_eq!(bench.attach(2, Carrier::EventStream), changed);
    assert_eq!(bench.attach(2, Carrier::LongPoll), changed);
}

#[test]
fn a_sequence_that_leaves_a_gap_ends_the_connection() {
    let mut bench = stateful();
    bench.say(CALL);
    let seen = bench.say("{\"type\":9,\"sequenceId\":3}\u{1e}");
    assert_eq!(seen, failed(Reason::ProtocolError));
}

#[test]
fn pings_pass_what_is_held_back_and_acks_let_it_go() {
    let mut bench = stateful_of(Config { stateful_len_max: 3, ..Config::default() }, "json", 2);
    let mut queue: VecDeque<Frame> = ["long", "x"].map(frame).into();
    assert_eq!(bench.pass(&mut queue), ["long"]);
    assert_eq!(bench.pass(&mut queue), [""; 0]);
    assert_eq!(bench.sleep(15), [direct(1, "{\"type\":6}")]);
    assert_eq!(bench.say("{\"type\":8,\"sequenceId\":1}\u{1e}"), [Seen::Carry(Some(1))]);
    assert_eq!(bench.pass(&mut queue), ["x"]);
    // At the end nothing is held back.
    bench.input(Input::Close { reason: Reason::Shutdown }).unwrap();
    assert!(bench.session.pass(&mut queue).is_none());
}

#[test]
fn messagepack_has_the_same() {
    let mut bench = stateful_of(Config::default(), "messagepack", 2);
    assert_eq!(bench.say_bytes(b"\x07\x95\x01\x80\xc0\xa1a\x90").len(), 1);
    assert_eq!(bench.sleep(1), [Seen::Direct(1, "\u{3}\u{fffd}\u{8}\u{1}".into())]);
    bench.detach(1, Detached::Lost);
    let seen = bench.attach(2, Carrier::WebSocket).unwrap();
    assert_eq!(seen[0], Seen::Direct(2, "\u{3}\u{fffd}\u{9}\u{1}".into()));
}

#[test]
fn time_stands_still_while_it_waits() {
    let mut bench = stateful();
    bench.say("{\"type\":6}\u{1e}");
    bench.sleep(29);
    bench.detach(1, Detached::Lost);
    assert_eq!(bench.sleep(14), []);
    bench.attach(2, Carrier::WebSocket).unwrap();
    assert_eq!(bench.sleep(14), []);
    assert_eq!(bench.sleep(1), [direct(2, "{\"type\":6}")]);
}

/// A client that keeps books in the same way, a line that may be cut at any moment, and what
/// each side heard.
struct World {
    bench: Bench,
    line: u32,
    client: Ledger,
    to_client: VecDeque<String>,
    to_server: VecDeque<String>,
    unsent: VecDeque<Frame>,
    heard_by_client: Vec<String>,
    heard_by_server: Vec<String>,
    next_call: u32,
    next_push: u32,
    /// How far the client has counted, as Microsoft's JavaScript client does.
    count: u64,
}

impl World {
    fn new() -> Self {
        let config = Config { stateful_len_max: 300, ..Config::default() };
        Self {
            bench: stateful_of(config, "json", 2),
            line: 1,
            client: Ledger::new(300),
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
            unsent: VecDeque::new(),
            heard_by_client: Vec::new(),
            heard_by_server: Vec::new(),
            next_call: 0,
            next_push: 0,
            count: 1,
        }
    }

    fn see(&mut self, seen: Vec<Seen>) {
        for seen in seen {
            match seen {
                Seen::Event(Event::Message { name, .. }) => {
                    self.heard_by_server.push(name.to_string());
                }
                Seen::Direct(id, text) if id == self.line => self.to_client.push_back(text),
                Seen::Resent(id, texts) if id == self.line => self.to_client.extend(texts),
                Seen::Carry(_) | Seen::End(..) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn call(&mut self) {
        let text = format!(
            "{{\"type\":1,\"target\":\"{}\",\"arguments\":[\"xxxxxxxxxx\"]}}\u{1e}",
            self.next_call
        );
        self.next_call += 1;
        self.unsent.push_back(frame(&text));
        self.send();
    }

    fn send(&mut self) {
        let sent = self.client.send(&mut self.unsent);
        self.to_server.extend(texts(&sent));
    }

    fn push(&mut self, queue: &mut VecDeque<Frame>) {
        let text =
            format!("{{\"type\":1,\"target\":\"{}\",\"arguments\":[]}}\u{1e}", self.next_push);
        self.next_push += 1;
        queue.push_back(frame(&text));
    }

    fn pass(&mut self, queue: &mut VecDeque<Frame>) {
        let passed = self.bench.pass(queue);
        self.to_client.extend(passed);
    }

    fn server_hears(&mut self) {
        if let Some(text) = self.to_server.pop_front() {
            let seen = self.bench.say_on(self.line, &text);
            self.see(seen);
        }
    }

    fn client_hears(&mut self) {
        let Some(text) = self.to_client.pop_front() else { return };
        let now = self.bench.now;
        match json::decode(text.trim_end_matches('\u{1e}').to_owned().into()).unwrap() {
            HubMessage::Ack(number) => {
                self.client.acknowledged(number);
                self.send();
            }
            HubMessage::Sequence(number) => {
                assert!(number <= self.count, "the client would give up");
                self.count = number;
                self.client.sequence(number, now).unwrap();
            }
            HubMessage::Invocation(invocation) => {
                self.count += 1;
                if self.client.receive(now) {
                    self.heard_by_client.push(invocation.target.to_string());
                }
            }
            _ => {}
        }
    }

    /// `noticed`: the server knows that the line is gone before the client comes back.
    fn cut(&mut self, noticed: bool) {
        self.to_client.clear();
        self.to_server.clear();
        if noticed {
            self.bench.detach(self.line, Detached::Lost);
        }
        self.line += 1;
        let seen = self.bench.attach(self.line, Carrier::WebSocket).unwrap();
        self.see(seen);
        let (number, frames) = self.client.resend(self.bench.now);
        self.to_server.push_back(format!("{{\"type\":9,\"sequenceId\":{number}}}\u{1e}"));
        self.to_server.extend(texts(&frames));
        self.send();
    }

    fn second(&mut self) {
        let seen = self.bench.sleep(1);
        self.see(seen);
        if let Some(number) = self.client.ack(self.bench.now) {
            self.to_server.push_back(format!("{{\"type\":8,\"sequenceId\":{number}}}\u{1e}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is cut and whenever: nothing is lost, nothing comes twice, order is kept.
    #[test]
    fn cuts_at_any_moment(steps in prop::collection::vec(0_u8..9, 0..200)) {
        let mut world = World::new();
        let mut queue = VecDeque::new();
        for step in steps {
            match step {
                0 | 1 => world.call(),
                2 | 3 => world.push(&mut queue),
                4 => world.server_hears(),
                5 => world.client_hears(),
                6 => world.cut(true),
                7 => world.cut(false),
                _ => world.second(),
            }
            world.pass(&mut queue);
        }
        for _ in 0..100 {
            (0..20).for_each(|_| { world.server_hears(); world.client_hears(); });
            world.second();
            world.pass(&mut queue);
        }
        let all = |count: u32| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        prop_assert_eq!(world.heard_by_server, all(world.next_call));
        prop_assert_eq!(world.heard_by_client, all(world.next_push));
    }
}
