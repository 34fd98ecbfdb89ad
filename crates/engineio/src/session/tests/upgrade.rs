//! From polling to WebSocket.

use super::*;

/// A session whose WebSocket has been probed.
fn probed() -> (Driver<EngineIoSession>, CarrierId) {
    let mut driver = polling();
    let id = driver.websocket();
    driver.send(id, "2probe").unwrap();
    assert_eq!(driver.receive_text(id), "3probe");
    (driver, id)
}

#[test]
fn eio4_upgrade() {
    let (mut driver, id) = probed();
    let poll = driver.poll();
    driver.advance(ms(100));
    assert_eq!(driver.answer(poll).unwrap(), "6");
    driver.send(id, "5").unwrap();
    driver.send(id, "4hello").unwrap();
    assert_eq!(driver.receive_text(id), "4hello");
}

#[test]
fn eio4_upgrade_noop_every_100_ms() {
    let mut driver = polling();
    let (first, id) = (driver.poll(), driver.websocket());
    driver.send(id, "2probe").unwrap();
    let mut polls = vec![first];
    for _ in 0..3 {
        let waiting = *polls.last().unwrap();
        // As npm's server: what the client has just said may be answered before.
        driver.advance(ms(99));
        assert_eq!(driver.answer(waiting), None);
        driver.advance(ms(1));
        assert_eq!(driver.answer(waiting).unwrap(), "6");
        polls.push(driver.poll());
    }
}

#[test]
fn eio4_upgrade_with_what_is_answered_in_time_needs_no_noop() {
    let (mut driver, id) = probed();
    let poll = driver.poll();
    driver.post("4hello").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "4hello");
    driver.send(id, "5").unwrap();
    driver.send(id, "4there").unwrap();
    assert_eq!(driver.receive_text(id), "4there");
}

#[test]
fn eio4_a_poll_that_waited_at_the_probe_ends_well() {
    let mut driver = polling();
    let (poll, id) = (driver.poll(), driver.websocket());
    driver.send(id, "2probe").unwrap();
    assert_eq!(driver.answer(poll), None);
    driver.send(id, "5").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "6");
}

#[test]
fn eio4_upgrade_keeps_messages_in_order() {
    let (mut driver, id) = probed();
    driver.post("4a").unwrap();
    // Whatever can write, writes: never both.
    assert_eq!(driver.get(), "4a");
    driver.post("4b").unwrap();
    driver.send(id, "5").unwrap();
    driver.send(id, "4c").unwrap();
    assert_eq!(driver.receive_text(id), "4b");
    assert_eq!(driver.receive_text(id), "4c");
}

#[test]
fn eio4_upgrade_with_a_waiting_poll() {
    let mut driver = polling();
    let id = driver.websocket();
    let poll = driver.poll();
    // The probe is not asked for.
    driver.send(id, "5").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "6");
    driver.send(id, "4hello").unwrap();
    assert_eq!(driver.receive_text(id), "4hello");
}

#[test]
fn eio4_a_poll_that_overtakes_the_upgrade_is_refused() {
    let (mut driver, id) = probed();
    let poll = driver.poll();
    assert_eq!(driver.answer(poll), None);
    driver.send(id, "5").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "400");
    driver.send(id, "4hello").unwrap();
    assert_eq!(driver.receive_text(id), "4hello");
    assert_eq!(driver.closed, None);
}

#[test]
fn eio4_requests_after_the_upgrade_are_refused() {
    let (mut driver, id) = probed();
    driver.send(id, "5").unwrap();
    let poll = driver.poll();
    assert_eq!(driver.answer(poll).unwrap(), "400");
    let fault = driver.post("4x").unwrap_err();
    assert_eq!((fault.status, &*fault.text), (400, r#"{"code":3,"message":"Bad request"}"#));
    let second = driver.websocket();
    assert!(driver.is_ended(second));
    driver.send(id, "4hello").unwrap();
    assert_eq!(driver.receive_text(id), "4hello");
    assert_eq!(driver.closed, None);
}

#[test]
fn eio4_a_binary_probe_is_none() {
    let mut driver = polling();
    let id = driver.websocket();
    driver.send_binary(id, b"2probe").unwrap();
    assert!(driver.is_ended(id));
    assert_eq!(driver.closed, None);
}

#[test]
fn eio4_second_probe_is_closed() {
    let (mut driver, id) = probed();
    let second = driver.websocket();
    assert!(driver.is_ended(second) && !driver.is_ended(id));
    driver.detach(second, Detached::Closed { code: 1005 });
    driver.send(id, "5").unwrap();
    driver.send(id, "4hello").unwrap();
    assert_eq!(driver.receive_text(id), "4hello");
}

#[test]
fn eio4_wrong_probe_closes_the_socket_alone() {
    for wrong in ["4hello", "2", "2probe2", "3probe", "abc", ""] {
        let mut driver = polling();
        let id = driver.websocket();
        driver.send(id, wrong).unwrap();
        assert!(driver.is_ended(id), "{wrong}");
        // What it still says is not heard.
        driver.send(id, "5").unwrap();
        driver.detach(id, Detached::Closed { code: 1005 });
        driver.post("4hello").unwrap();
        assert_eq!(driver.get(), "4hello");
    }
    let mut driver = polling();
    let id = driver.websocket();
    driver.send_binary(id, b"no").unwrap();
    assert!(driver.is_ended(id));
}

#[test]
fn eio4_upgrade_timeout_drops_the_socket_alone() {
    let config = Config { upgrade_timeout: ms(200), ..(*config()).clone() };
    let now = Instant::now();
    let open = Open::new(Carrier::LongPoll);
    let session = EngineIoSession::new(Arc::new(config), &open, "SID".into(), now);
    let mut driver = Driver::new(session, now, echo);
    driver.get();
    let id = driver.websocket();
    driver.send(id, "2probe").unwrap();
    driver.advance(ms(199));
    assert!(!driver.is_ended(id));
    driver.advance(ms(1));
    assert!(driver.is_ended(id));
    driver.post("4hello").unwrap();
    assert_eq!(driver.get(), "4hello");
    // Another attempt may follow.
    let again = driver.websocket();
    driver.send(again, "2probe").unwrap();
    driver.send(again, "5").unwrap();
    assert_eq!(driver.closed, None);
}

#[test]
fn eio4_lost_probe_leaves_polling() {
    let (mut driver, id) = probed();
    driver.detach(id, Detached::Lost);
    let poll = driver.poll();
    driver.advance(ms(200));
    assert_eq!(driver.answer(poll), None);
    driver.post("4hello").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "4hello");
}

#[test]
fn eio4_a_lost_poll_closes_during_an_upgrade_too() {
    let (mut driver, id) = probed();
    let poll = driver.poll();
    driver.detach(poll, Detached::Lost);
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::ConnectionLost);
}

#[test]
fn eio4_heartbeat_goes_on_through_the_upgrade() {
    let (mut driver, id) = probed();
    driver.advance(ms(450));
    driver.send(id, "5").unwrap();
    // The ping comes by the new way, and has its whole time.
    assert_eq!(driver.receive_text(id), "2");
    driver.advance(ms(199));
    driver.send(id, "3").unwrap();
    driver.advance(ms(299));
    assert_eq!(driver.receive(id), None);
    driver.advance(ms(1));
    assert_eq!(driver.receive_text(id), "2");
    driver.advance(ms(200));
    assert_over(&driver, Reason::PingTimeout);
}

#[test]
fn eio4_session_that_closes_takes_its_probe_along() {
    let (mut driver, id) = probed();
    driver.post("1").unwrap();
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::ConnectionClosed);
}
