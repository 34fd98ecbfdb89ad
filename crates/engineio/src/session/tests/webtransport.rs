//! A session on WebTransport: the rules are those of WebSocket.

use super::*;

fn with_webtransport(open: &Open) -> Driver<EngineIoSession> {
    let mut config = Arc::unwrap_or_clone(config());
    config.transports.webtransport = true;
    config.upgrade_timeout = ms(200);
    let now = Instant::now();
    Driver::new(EngineIoSession::new(config.into(), open, "SID".into(), now), now, echo)
}

fn opened() -> (Driver<EngineIoSession>, CarrierId) {
    let mut driver = with_webtransport(&Open::new(Carrier::WebTransport));
    let id = driver.attach(Carrier::WebTransport);
    assert!(driver.receive_text(id).starts_with(r#"0{"sid":"SID","upgrades":[],"#));
    (driver, id)
}

#[test]
fn eio41_messages_both_ways() {
    let (mut driver, id) = opened();
    driver.send(id, "4hello").unwrap();
    assert_eq!(driver.receive_text(id), "4hello");
    driver.send_binary(id, &[0, 255]).unwrap();
    assert_eq!(driver.receive(id), Some(Message::Binary(vec![0, 255].into())));
}

#[test]
fn eio41_polling_is_told_of_both_ways_up() {
    let mut driver = with_webtransport(&Open::new(Carrier::LongPoll));
    let told = r#"0{"sid":"SID","upgrades":["websocket","webtransport"],"#;
    assert!(driver.get().starts_with(told));
}

#[test]
fn eio41_upgrade_keeps_messages_in_order() {
    let mut driver = polling();
    let (poll, id) = (driver.poll(), driver.attach(Carrier::WebTransport));
    driver.send(id, "2probe").unwrap();
    assert_eq!(driver.receive_text(id), "3probe");
    driver.advance(ms(100));
    assert_eq!(driver.answer(poll).unwrap(), "6");
    driver.post("4a").unwrap();
    driver.send(id, "5").unwrap();
    driver.send(id, "4b").unwrap();
    assert_eq!(driver.receive_text(id), "4a");
    assert_eq!(driver.receive_text(id), "4b");
    assert!(driver.post("4c").is_err());
}

#[test]
fn eio41_one_transport_takes_over_at_a_time() {
    let mut driver = polling();
    let (first, second) = (driver.attach(Carrier::WebTransport), driver.websocket());
    assert!(driver.is_ended(second));
    driver.send(first, "4no probe").unwrap();
    assert!(driver.is_ended(first));
    let (third, fourth) = (driver.websocket(), driver.attach(Carrier::WebTransport));
    assert!(driver.is_ended(fourth) && !driver.is_ended(third));
    assert_eq!(driver.closed, None);
}

#[test]
fn eio41_an_upgrade_has_its_time() {
    let mut driver = with_webtransport(&Open::new(Carrier::LongPoll));
    driver.get();
    let id = driver.attach(Carrier::WebTransport);
    driver.send(id, "2probe").unwrap();
    driver.advance(ms(199));
    assert!(!driver.is_ended(id));
    driver.advance(ms(1));
    assert!(driver.is_ended(id));
    assert_eq!(driver.closed, None);
}

#[test]
fn eio3_has_no_webtransport() {
    let mut driver = driver(&Open::v3(Carrier::LongPoll));
    driver.get();
    let id = driver.attach(Carrier::WebTransport);
    assert!(driver.is_ended(id));
    assert_eq!(driver.closed, None);
}

#[test]
fn eio41_a_bad_frame_is_a_parse_error_and_a_lost_session_is_closed() {
    for (how, reason) in [
        (Detached::Closed { code: 1002 }, Reason::ProtocolError),
        (Detached::Lost, Reason::ConnectionClosed),
    ] {
        let (mut driver, id) = opened();
        driver.detach(id, how);
        assert_over(&driver, reason);
    }
}

#[test]
fn eio41_heartbeat() {
    let (mut driver, id) = opened();
    driver.advance(ms(300));
    assert_eq!(driver.receive_text(id), "2");
    driver.advance(ms(200));
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::PingTimeout);
}
