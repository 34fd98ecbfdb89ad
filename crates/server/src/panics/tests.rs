//! What a panic costs.

use crate::request::Heads;
use crate::server::fresh_id;
use crate::session::cell::{Cell, Entrance, Opening, PeerIds, Terms};
use crate::session::machine::Machine;
use crate::{Namespace, Omniwire, RequestInfo};
use bytes::BytesMut;
use omniwire_session::{Carrier, CarrierId, Fault, Frame, Input, Output, Packed, Session};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A state machine with a bug at some input.
struct Buggy(fn(&Input) -> bool, Option<Instant>);

impl Session for Buggy {
    fn handle_input(&mut self, _: Instant, input: Input) -> Result<(), Fault> {
        assert!(!(self.0)(&input), "a bug");
        Ok(())
    }

    fn poll_output(&mut self) -> Output {
        Output::Timeout(self.1)
    }

    fn pack(
        &mut self,
        _: CarrierId,
        _: Carrier,
        _: &mut VecDeque<Frame>,
        _: &mut BytesMut,
    ) -> Packed {
        unreachable!("nothing is said to it")
    }
}

fn server() -> Omniwire {
    Omniwire::builder().namespace(Namespace::new("/n")).build().unwrap()
}

fn open(server: &Omniwire, machine: Buggy) -> Arc<Cell> {
    let terms = Terms {
        shared: Arc::clone(&server.shared),
        entrance: Entrance::Fixed(server.shared.space("/n").unwrap()),
        protocol: "test",
        transport: |_| "test",
        parallel_max: 1,
        methods: false,
        ping: None,
        websocket: omniwire_websocket::Config::default(),
    };
    let request = RequestInfo::copy_of(&http::Request::new(()), None, &Heads::default());
    let opening = Opening { request, token: fresh_id(), ids: PeerIds::Fresh };
    Cell::new(&Arc::new(terms), opening, Machine::Other(Box::new(machine)))
}

#[tokio::test]
async fn a_panic_of_a_session_ends_that_session_and_is_counted() {
    let server = server();
    let broken = open(&server, Buggy(|input| matches!(input, Input::Body { .. }), None));
    let sound = open(&server, Buggy(|_| false, None));
    let body = || Input::Body { kind: omniwire_session::Kind::Text, body: "x".into() };
    assert_eq!(broken.handle(body()).unwrap_err().status, 500);
    assert!(broken.is_closed() && server.shared.table.find(broken.token()).is_none());
    // It is not asked again.
    assert_eq!(broken.handle(body()), Ok(()));
    assert_eq!(sound.handle(body()), Ok(()));
    assert!(!sound.is_closed());
    assert_eq!((server.stats().panics, server.stats().sessions), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_at_a_deadline_stops_no_other_clock() {
    let server = server();
    let soon = Some(Instant::now() + Duration::from_millis(1));
    let at_time = |input: &Input| matches!(input, Input::Timeout);
    let broken = [open(&server, Buggy(at_time, soon)), open(&server, Buggy(at_time, soon))];
    while server.stats().panics < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(broken.iter().all(|cell| cell.is_closed()));
}
