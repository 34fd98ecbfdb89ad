//! Ends: the client's, the server's, the connection's.

use super::*;

#[test]
fn eio4_client_closes_on_polling() {
    let mut driver = polling();
    let poll = driver.poll();
    driver.post("1").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "6");
    assert_over(&driver, Reason::ConnectionClosed);
}

#[test]
fn eio4_client_closes_on_websocket() {
    let (mut driver, id) = websocket();
    driver.send(id, "1").unwrap();
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::ConnectionClosed);
}

#[test]
fn eio4_nothing_counts_after_a_close_packet() {
    let mut driver = polling();
    driver.post("4a\x1e1\x1e4b\x1eabc").unwrap();
    let messages = driver.events.iter().filter(|e| matches!(e, Event::Message { .. })).count();
    assert_eq!(messages, 1);
    assert_over(&driver, Reason::ConnectionClosed);
}

#[test]
fn eio4_connection_ends() {
    for (how, reason) in [
        (Detached::Closed { code: 1005 }, Reason::ConnectionClosed),
        (Detached::Lost, Reason::ConnectionClosed),
        (Detached::Closed { code: 1009 }, Reason::ConnectionLost),
    ] {
        let (mut driver, id) = websocket();
        driver.detach(id, how);
        assert_over(&driver, reason);
    }
}

#[test]
fn eio4_server_closes_a_waiting_poll() {
    let mut driver = polling();
    let poll = driver.poll();
    driver.input(Input::Kick { link: Link::FIRST, whole: false, close: None }).unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "1");
    assert_over(&driver, Reason::Kicked);
}

#[test]
fn eio4_server_closes_a_websocket() {
    let (mut driver, id) = websocket();
    driver.input(Input::Close { reason: Reason::Kicked }).unwrap();
    assert_eq!(driver.receive(id), None);
    assert_eq!(driver.connections[&id].ending.as_ref().unwrap().code, None);
    assert_over(&driver, Reason::Kicked);
}

#[test]
fn eio4_server_closes_and_the_next_poll_learns_it() {
    let mut driver = polling();
    driver.post("4last words").unwrap();
    driver.input(Input::Close { reason: Reason::Kicked }).unwrap();
    assert_eq!(reasons(&driver), [Reason::Kicked]);
    assert_eq!(driver.closed, None);
    // What the client still says is taken, and not heard.
    driver.post("4too late").unwrap();
    driver.advance(ms(29_999));
    assert_eq!(driver.get(), "4last words\x1e1");
    assert_over(&driver, Reason::Kicked);
}

#[test]
fn a_slow_client_that_does_not_poll_learns_it_by_its_next_poll() {
    let reason = Reason::Slow;
    let mut driver = polling();
    driver.input(Input::Close { reason }).unwrap();
    assert_eq!((reasons(&driver), driver.closed), (vec![reason], None));
    driver.advance(ms(29_999));
    assert_eq!(driver.get(), "1");
    assert_over(&driver, reason);
    // One that polls learns it at once, and one that never does not at all.
    let mut driver = polling();
    let poll = driver.poll();
    driver.input(Input::Close { reason }).unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "1");
    assert_over(&driver, reason);
    let mut driver = polling();
    driver.input(Input::Close { reason }).unwrap();
    driver.advance(ms(30_000));
    assert_over(&driver, reason);
}

#[test]
fn eio4_server_closes_and_nobody_asks() {
    let mut driver = polling();
    driver.input(Input::Close { reason: Reason::Kicked }).unwrap();
    driver.advance(ms(30_000));
    assert_over(&driver, Reason::Kicked);
}

#[test]
fn eio4_server_closes_during_an_upgrade() {
    let mut driver = polling();
    let id = driver.websocket();
    driver.send(id, "2probe").unwrap();
    driver.input(Input::Close { reason: Reason::Kicked }).unwrap();
    assert_eq!(driver.closed, None);
    driver.send(id, "5").unwrap();
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::Kicked);
}

#[test]
fn eio4_shutdown_does_not_wait() {
    let mut driver = polling();
    driver.input(Input::Close { reason: Reason::Shutdown }).unwrap();
    assert_over(&driver, Reason::Shutdown);
    let mut driver = polling();
    driver.input(Input::Close { reason: Reason::Kicked }).unwrap();
    driver.input(Input::Close { reason: Reason::Shutdown }).unwrap();
    assert_eq!(driver.closed, Some(Reason::Shutdown));
    assert_eq!(reasons(&driver), [Reason::Kicked]);
}

/// npm's server closes both; its client then polls no more until its ping is late.
#[test]
fn a_shutdown_waits_a_moment_for_a_client_that_is_about_to_move() {
    let reason = Reason::Shutdown;
    let moving = || {
        let mut driver = polling();
        let (id, poll) = (driver.websocket(), driver.poll());
        driver.send(id, "2probe").unwrap();
        assert_eq!(driver.receive_text(id), "3probe");
        driver.advance(ms(100));
        assert_eq!(driver.answer(poll).unwrap(), "6");
        driver.input(Input::Close { reason }).unwrap();
        // What ends all that is left comes right behind it.
        driver.input(Input::Close { reason }).unwrap();
        assert_eq!((reasons(&driver), driver.closed), (vec![reason], None));
        assert!(!driver.is_ended(id));
        (driver, id)
    };
    let (mut driver, id) = moving();
    driver.send(id, "5").unwrap();
    assert!(driver.is_ended(id));
    assert_over(&driver, reason);
    // It polls on.
    let (mut driver, id) = moving();
    assert_eq!(driver.get(), "1");
    assert!(driver.is_ended(id));
    assert_over(&driver, reason);
    let (mut driver, id) = moving();
    driver.advance(ms(999));
    assert_eq!(driver.closed, None);
    driver.advance(ms(1));
    assert!(driver.is_ended(id));
    assert_over(&driver, reason);
    // With a poll there is somebody to tell.
    let mut driver = polling();
    let (id, poll) = (driver.websocket(), driver.poll());
    driver.send(id, "2probe").unwrap();
    driver.input(Input::Close { reason }).unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "1");
    assert_over(&driver, reason);
}

#[test]
fn eio4_refused_peer() {
    fn refuse(event: &Event) -> Vec<Deed> {
        let Event::Enter { link, .. } = event else { return Vec::new() };
        let refusal = omniwire_session::Refusal::new("no");
        vec![Deed::Input(Input::Refuse { link: *link, refusal })]
    }
    let now = Instant::now();
    let open = Open::new(Carrier::WebSocket);
    let mut driver =
        Driver::new(EngineIoSession::new(config(), &open, "SID".into(), now), now, refuse);
    let id = driver.websocket();
    assert!(driver.is_ended(id));
    assert_eq!(reasons(&driver), []);
}

#[test]
fn eio4_other_carriers_are_refused() {
    let mut driver = driver(&Open::new(Carrier::LongPoll));
    let stream = driver.attach(Carrier::EventStream);
    assert!(driver.is_ended(stream));
    assert!(driver.events.is_empty());
}

#[test]
fn eio4_nothing_happens_after_the_end() {
    let (mut driver, id) = websocket();
    driver.send(id, "1").unwrap();
    let events = driver.events.len();
    driver.send(id, "4late").unwrap();
    driver.send(id, "2").unwrap();
    driver.input(Input::Timeout).unwrap();
    driver.input(Input::Close { reason: Reason::Shutdown }).unwrap();
    driver.input(Input::Detach { id, how: Detached::Lost }).unwrap();
    assert_eq!(driver.events.len(), events);
    assert_over(&driver, Reason::ConnectionClosed);
}
