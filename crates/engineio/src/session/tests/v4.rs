//! Protocol 4: opening, messages, heartbeat.

use super::*;

const OPEN: &str = r#""pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;

#[test]
fn eio4_open_polling() {
    let mut driver = driver(&Open::new(Carrier::LongPoll));
    assert_eq!(driver.get(), format!(r#"0{{"sid":"SID","upgrades":["websocket"],{OPEN}"#));
    assert!(matches!(driver.events[..], [Event::Enter { .. }]));
    assert_eq!(driver.released, [Link::FIRST]);
}

#[test]
fn eio4_open_websocket() {
    let mut driver = driver(&Open::new(Carrier::WebSocket));
    let id = driver.websocket();
    assert_eq!(driver.receive_text(id), format!(r#"0{{"sid":"SID","upgrades":[],{OPEN}"#));
}

#[test]
fn eio4_open_without_upgrades() {
    let config = Config { allow_upgrades: false, ..Config::default() };
    let now = Instant::now();
    let open = Open::new(Carrier::LongPoll);
    let session = EngineIoSession::new(Arc::new(config), &open, "\"".into(), now);
    let opened = Driver::new(session, now, echo).get();
    assert!(opened.starts_with(r#"0{"sid":"\"","upgrades":[],"pingInterval":25000,"#), "{opened}");
}

#[test]
fn eio4_open_packet_goes_alone() {
    fn greet(event: &Event) -> Vec<Deed> {
        let args = Args::from_text("hi");
        match event {
            Event::Enter { .. } => vec![Deed::Emit { namespace: "", name: "x", args }],
            _ => Vec::new(),
        }
    }
    let now = Instant::now();
    let open = Open::new(Carrier::LongPoll);
    let session = EngineIoSession::new(config(), &open, "SID".into(), now);
    let mut driver = Driver::new(session, now, greet);
    assert!(driver.get().ends_with('}'));
    assert_eq!(driver.get(), "4hi");
}

#[test]
fn eio4_polling_text() {
    let mut driver = polling();
    driver.post("4hello").unwrap();
    assert_eq!(driver.get(), "4hello");
}

#[test]
fn eio4_polling_several_packets() {
    let mut driver = polling();
    driver.post("4test1\x1e4test2\x1e4test3").unwrap();
    assert_eq!(driver.get(), "4test1\x1e4test2\x1e4test3");
}

#[test]
fn eio4_polling_text_and_binary() {
    let mut driver = polling();
    driver.post("4hello\x1ebAQIDBA==").unwrap();
    assert_eq!(driver.get(), "4hello\x1ebAQIDBA==");
}

#[test]
fn eio4_a_waiting_poll_is_answered() {
    let mut driver = polling();
    let poll = driver.poll();
    assert_eq!(driver.answer(poll), None);
    driver.post("4hello").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "4hello");
}

#[test]
fn eio4_an_answer_has_16_packets_at_most() {
    let mut driver = polling();
    let body = vec!["4x"; 40].join("\x1e");
    driver.post(body).unwrap();
    let sizes = [(); 3].map(|()| driver.get().split('\x1e').count());
    assert_eq!(sizes, [16, 16, 8]);
}

#[test]
fn eio4_an_answer_has_about_max_payload_at_most() {
    let mut driver = polling();
    let packet = format!("4{}", "x".repeat(400_000));
    for _ in 0..5 {
        driver.post(packet.clone()).unwrap();
    }
    let sizes = [(); 3].map(|()| driver.get().split('\x1e').count());
    assert_eq!(sizes, [2, 2, 1]);
}

#[test]
fn eio4_a_body_of_many_packets_is_read_in_steps() {
    let mut driver = polling();
    driver.post(vec!["4x"; 5000].join("\x1e")).unwrap();
    assert_eq!(driver.events.len(), 1 + 5000);
    assert_eq!(driver.closed, None);
}

#[test]
fn eio4_polling_closes_upon_invalid_packet() {
    let mut driver = polling();
    let poll = driver.poll();
    driver.post("abc").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "1");
    assert_over(&driver, Reason::ProtocolError);
}

#[test]
fn eio4_polling_takes_what_comes_before_an_invalid_packet() {
    let mut driver = polling();
    driver.post("4a\x1eabc\x1e4b").unwrap();
    let messages = driver.events.iter().filter(|e| matches!(e, Event::Message { .. })).count();
    assert_eq!(messages, 1);
    assert_over(&driver, Reason::ProtocolError);
}

#[test]
fn eio4_binary_post_closes() {
    let mut driver = polling();
    let body = Input::Body { kind: Kind::Binary, body: "4hello".into() };
    assert_eq!(driver.input(body).unwrap_err().status, 400);
    assert_over(&driver, Reason::ConnectionLost);
}

#[test]
fn eio4_duplicate_poll_closes() {
    let mut driver = polling();
    let (first, second) = (driver.poll(), driver.poll());
    assert_eq!(driver.answer(first).unwrap(), "1");
    assert_eq!(driver.answer(second).unwrap(), "400");
    assert_over(&driver, Reason::ConnectionLost);
}

#[test]
fn eio4_overlapping_post_closes() {
    let mut driver = polling();
    let poll = driver.poll();
    // The server saw it, answers it with `request::overlapping_post`, and tells the session.
    driver.input(Input::Close { reason: Reason::ConnectionLost }).unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "1");
    assert_over(&driver, Reason::ConnectionLost);
}

#[test]
fn eio4_cancelled_poll_closes() {
    let mut driver = polling();
    let poll = driver.poll();
    driver.detach(poll, Detached::Lost);
    assert_over(&driver, Reason::ConnectionLost);
}

#[test]
fn eio4_websocket_text_and_binary() {
    let (mut driver, id) = websocket();
    driver.send(id, "4hello").unwrap();
    assert_eq!(driver.receive_text(id), "4hello");
    driver.send_binary(id, &[1, 2, 3, 4]).unwrap();
    assert_eq!(driver.receive(id), Some(Message::Binary(vec![1, 2, 3, 4].into())));
}

#[test]
fn eio4_websocket_closes_upon_invalid_packet() {
    let (mut driver, id) = websocket();
    assert!(driver.send(id, "abc").is_err());
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::ProtocolError);
}

#[test]
fn eio4_polling_heartbeat() {
    let mut driver = polling();
    for _ in 0..3 {
        let poll = driver.poll();
        driver.advance(ms(299));
        assert_eq!(driver.answer(poll), None);
        driver.advance(ms(1));
        assert_eq!(driver.answer(poll).unwrap(), "2");
        driver.advance(ms(199));
        driver.post("3").unwrap();
    }
    assert_eq!(driver.closed, None);
}

#[test]
fn eio4_polling_ping_timeout() {
    let mut driver = polling();
    driver.advance(ms(499));
    assert_eq!(driver.closed, None);
    driver.advance(ms(1));
    assert_over(&driver, Reason::PingTimeout);
}

#[test]
fn eio4_websocket_heartbeat_and_timeout() {
    let (mut driver, id) = websocket();
    for _ in 0..3 {
        driver.advance(ms(300));
        assert_eq!(driver.receive_text(id), "2");
        driver.send(id, "3").unwrap();
    }
    driver.advance(ms(500));
    assert_eq!(driver.receive_text(id), "2");
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::PingTimeout);
}

#[test]
fn eio4_a_client_that_is_not_read_from_does_not_time_out() {
    let (mut driver, id) = websocket();
    driver.congested = true;
    driver.advance(ms(5_000));
    assert_eq!(driver.receive_text(id), "2");
    assert_eq!((driver.receive(id), driver.closed), (None, None));
    // What it said meanwhile is read now, its pong last.
    driver.congested = false;
    driver.send(id, "3").unwrap();
    driver.advance(ms(499));
    assert_eq!((driver.receive_text(id).as_str(), driver.closed), ("2", None));
    driver.advance(ms(1));
    assert_over(&driver, Reason::PingTimeout);
}

#[test]
fn eio4_messages_are_no_sign_of_life() {
    let (mut driver, id) = websocket();
    driver.advance(ms(400));
    driver.send(id, "4hello").unwrap();
    driver.advance(ms(100));
    assert_over(&driver, Reason::PingTimeout);
}

#[test]
fn eio4_ping_from_the_client_closes() {
    let (mut driver, id) = websocket();
    assert!(driver.send(id, "2").is_err());
    assert!(driver.is_ended(id));
    assert_over(&driver, Reason::ConnectionLost);

    let mut driver = polling();
    driver.post("2").unwrap();
    assert_over(&driver, Reason::ConnectionLost);
}

#[test]
fn eio4_other_packets_do_nothing() {
    let (mut driver, id) = websocket();
    for packet in ["0", "5", "6", "3"] {
        driver.send(id, packet).unwrap();
    }
    assert_eq!(driver.receive(id), None);
    assert_eq!(driver.closed, None);
}
