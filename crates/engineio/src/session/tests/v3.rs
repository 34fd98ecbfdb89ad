//! Protocol 3, which Socket.IO 2 clients speak.

use super::*;

fn polling(base64: bool) -> Driver<EngineIoSession> {
    let mut driver = driver(&Open { base64, ..Open::v3(Carrier::LongPoll) });
    let opened = driver.get();
    let (length, packet) = opened.split_once(':').unwrap();
    assert_eq!(length, packet.len().to_string());
    assert!(packet.starts_with(r#"0{"sid":"SID","upgrades":["websocket"],"#));
    driver
}

fn websocket() -> (Driver<EngineIoSession>, CarrierId) {
    let mut driver = driver(&Open::v3(Carrier::WebSocket));
    let id = driver.websocket();
    assert!(driver.receive_text(id).starts_with('0'));
    (driver, id)
}

#[test]
fn eio3_polling_text() {
    let mut driver = polling(false);
    driver.post("6:4test16:4test26:4test3").unwrap();
    assert_eq!(driver.get(), "6:4test16:4test26:4test3");
}

#[test]
fn eio3_polling_base64() {
    let mut driver = polling(true);
    driver.post("6:4hello10:b4AQIDBA==").unwrap();
    assert_eq!(driver.get(), "6:4hello10:b4AQIDBA==");
}

#[test]
fn eio3_polling_binary() {
    let mut driver = polling(false);
    driver.post("6:4hello10:b4AQIDBA==").unwrap();
    let poll = driver.poll();
    let body = [0, 6, 255, 52, 104, 101, 108, 108, 111, 1, 5, 255, 4, 1, 2, 3, 4];
    let answer = Answer::new(200, "application/octet-stream", body.to_vec());
    assert_eq!(driver.connections[&poll].answer, Some(answer));
    let body = Input::Body { kind: Kind::Binary, body: body.to_vec().into() };
    driver.input(body).unwrap();
    assert_eq!(driver.events.len(), 1 + 4);
}

#[test]
fn eio3_polling_closes_upon_invalid_packet() {
    let mut driver = polling(false);
    let poll = driver.poll();
    driver.post("abc").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "1:1");
    assert_over(&driver, Reason::ProtocolError);
}

#[test]
fn eio3_duplicate_poll_closes() {
    let mut driver = polling(false);
    let (first, second) = (driver.poll(), driver.poll());
    assert_eq!(driver.answer(first).unwrap(), "1:1");
    assert_eq!(driver.answer(second).unwrap(), "400");
    assert_over(&driver, Reason::ConnectionLost);
}

#[test]
fn eio3_websocket_text_and_binary() {
    let (mut driver, id) = websocket();
    driver.send(id, "4hello").unwrap();
    assert_eq!(driver.receive_text(id), "4hello");
    driver.send_binary(id, &[4, 1, 2, 3, 4]).unwrap();
    assert_eq!(driver.receive(id), Some(Message::Binary(vec![4, 1, 2, 3, 4].into())));
    assert!(driver.send(id, "abc").is_err());
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::ProtocolError);
}

#[test]
fn eio3_polling_heartbeat() {
    let mut driver = polling(false);
    for _ in 0..3 {
        driver.advance(ms(499));
        driver.post("1:2").unwrap();
        assert_eq!(driver.get(), "1:3");
    }
    driver.advance(ms(500));
    assert_over(&driver, Reason::PingTimeout);
}

#[test]
fn eio3_a_client_that_is_not_read_from_does_not_time_out() {
    let (mut driver, id) = websocket();
    driver.congested = true;
    driver.advance(ms(5_000));
    assert_eq!(driver.closed, None);
    driver.congested = false;
    driver.send(id, "2").unwrap();
    assert_eq!(driver.receive_text(id), "3");
    driver.advance(ms(500));
    assert_over(&driver, Reason::PingTimeout);
}

#[test]
fn eio3_websocket_heartbeat() {
    let (mut driver, id) = websocket();
    for _ in 0..3 {
        driver.send(id, "2").unwrap();
        assert_eq!(driver.receive_text(id), "3");
    }
    driver.advance(ms(500));
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::PingTimeout);
}

#[test]
fn eio3_pong_from_the_client_closes() {
    let (mut driver, id) = websocket();
    assert!(driver.send(id, "3").is_err());
    assert_over(&driver, Reason::ConnectionLost);
}

#[test]
fn eio3_client_closes() {
    let mut driver = polling(false);
    let poll = driver.poll();
    driver.post("1:1").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "1:6");
    assert_over(&driver, Reason::ConnectionClosed);

    let (mut driver, id) = websocket();
    driver.send(id, "1").unwrap();
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::ConnectionClosed);
}

#[test]
fn eio3_upgrade() {
    let mut driver = polling(false);
    let id = driver.websocket();
    driver.send(id, "2probe").unwrap();
    assert_eq!(driver.receive_text(id), "3probe");
    let poll = driver.poll();
    driver.advance(ms(100));
    assert_eq!(driver.answer(poll).unwrap(), "1:6");
    driver.send(id, "5").unwrap();
    driver.send_binary(id, &[4, 7]).unwrap();
    assert_eq!(driver.receive(id), Some(Message::Binary(vec![4, 7].into())));
}
