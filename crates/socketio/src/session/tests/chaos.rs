//! Whatever comes in whatever order: no panic, and what the contract promises holds.

use super::*;
use omniwire_session::Kind;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn any_text() -> impl Strategy<Value = String> {
    let packets = [
        "2probe",
        "5",
        "1",
        "2",
        "3",
        "6",
        "40",
        "40/custom",
        "40/slow,",
        "41",
        "41/slow",
        "42[\"message\",1]",
        "421[\"message-with-ack\",{}]",
        "431[]",
        "44",
        "4",
        "4abc",
        "451-[\"x\",{\"_placeholder\":true,\"num\":0}]",
        "450-[\"x\"]",
        "bAQID",
        "b4AQID",
        "abc",
    ];
    proptest::sample::select(packets.to_vec()).prop_map(str::to_owned)
}

fn any_id() -> impl Strategy<Value = CarrierId> {
    (0_u32..6).prop_map(CarrierId::new)
}

fn any_input() -> impl Strategy<Value = Input> {
    let carrier = prop_oneof![Just(Carrier::LongPoll), Just(Carrier::WebSocket)];
    let how = prop_oneof![
        4 => Just(Detached::Done),
        1 => Just(Detached::Lost),
        1 => Just(Detached::Closed { code: 1000 }),
    ];
    let body = proptest::collection::vec(any_text(), 1..4)
        .prop_map(|packets| Input::Body { kind: Kind::Text, body: packets.join("\u{1e}").into() });
    let link = (0_u32..4).prop_map(Link);
    let reason = prop_oneof![Just(Reason::Kicked), Just(Reason::Shutdown)];
    prop_oneof![
        6 => (any_id(), carrier).prop_map(|(id, carrier)| Input::Attach { id, carrier }),
        4 => (any_id(), how).prop_map(|(id, how)| Input::Detach { id, how }),
        12 => (any_id(), any_text())
            .prop_map(|(id, text)| Input::Message { id, message: Message::text(text) }),
        3 => any_id()
            .prop_map(|id| Input::Message { id, message: Message::Binary(vec![4, 1].into()) }),
        6 => body,
        6 => Just(Input::Timeout),
        6 => link.clone().prop_map(|link| Input::Accept { link, id: "ID".into(), token: None }),
        1 => link.clone()
            .prop_map(|link| Input::Refuse { link, refusal: Refusal::new("no") }),
        1 => (link, any::<bool>())
            .prop_map(|(link, whole)| Input::Kick { link, whole, close: None }),
        1 => reason.prop_map(|reason| Input::Close { reason }),
    ]
}

/// What the application knows.
#[derive(Default)]
struct Known {
    links: BTreeSet<Link>,
    used: BTreeSet<Link>,
    over: bool,
}

impl Known {
    fn check(&mut self, output: Output) {
        assert!(!self.over, "after the end: {output:?}");
        match output {
            Output::Event(Event::Enter { link, .. }) => {
                assert!(self.used.insert(link), "a link is used twice");
                self.links.insert(link);
            }
            Output::Event(Event::Leave { link, .. }) => {
                assert!(self.links.remove(&link), "left without being in");
            }
            Output::Event(Event::Message { link, .. } | Event::Reply { link, .. })
            | Output::Release(link) => assert!(self.links.contains(&link), "not in"),
            Output::Closed { .. } => {
                assert!(self.links.is_empty(), "ghosts: {:?}", self.links);
                self.over = true;
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_contract_holds(
        legacy in any::<bool>(),
        websocket in any::<bool>(),
        inputs in proptest::collection::vec((any_input(), 0_u64..400), 0..40),
    ) {
        let carrier = if websocket { Carrier::WebSocket } else { Carrier::LongPoll };
        let open = if legacy { Open::v3(carrier) } else { Open::new(carrier) };
        let mut now = Instant::now();
        let mut session = SocketIoSession::new(config(), &open, "SID".into(), now);
        let mut known = Known::default();
        let first = (Input::Attach { id: CarrierId::new(9), carrier }, 0);
        for (input, millis) in std::iter::once(first).chain(inputs) {
            now += ms(millis);
            if let Input::Refuse { link, .. } = &input {
                // A peer that is in cannot be refused; one that waits leaves without a word.
                if session.peers.iter().any(|peer| peer.link == *link && !peer.accepted) {
                    known.links.remove(link);
                }
            }
            let _ = session.handle_input(now, input);
            loop {
                match session.poll_output() {
                    Output::Timeout(due) => {
                        prop_assert!(!known.over || due.is_none());
                        break;
                    }
                    output => known.check(output),
                }
            }
        }
    }
}
