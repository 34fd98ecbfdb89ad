//! Entering and leaving namespaces.

use super::*;

fn enter(packet: &str, replies: &[&str]) {
    let (mut driver, id) = websocket();
    driver.send(id, packet).unwrap();
    for reply in replies {
        assert_eq!(driver.receive_text(id), *reply);
    }
    assert_eq!(driver.receive(id), None);
    assert_eq!(driver.closed, None);
}

#[test]
fn sio5_connect() {
    enter("40", &[r#"40{"sid":"ID0"}"#, r#"42["auth",{}]"#]);
    enter("40/,", &[r#"40{"sid":"ID0"}"#, r#"42["auth",{}]"#]);
    let replies = [r#"40{"sid":"ID0"}"#, r#"42["auth",{"token":"123"}]"#];
    enter(r#"40{"token":"123"}"#, &replies);
}

#[test]
fn sio5_connect_to_a_namespace() {
    enter("40/custom,", &[r#"40/custom,{"sid":"ID0"}"#, r#"42/custom,["auth",{}]"#]);
    enter("40/custom", &[r#"40/custom,{"sid":"ID0"}"#, r#"42/custom,["auth",{}]"#]);
    let replies = [r#"40/custom,{"sid":"ID0"}"#, r#"42/custom,["auth",{"token":"abc"}]"#];
    enter(r#"40/custom,{"token":"abc"}"#, &replies);
}

#[test]
fn sio5_connect_error() {
    enter("40/random", &[r#"44/random,{"message":"Invalid namespace"}"#]);
    let long = format!("40/{}", "x".repeat(1024));
    let (mut driver, id) = websocket();
    driver.send(id, &long).unwrap();
    assert!(driver.receive_text(id).ends_with(r#",{"message":"Invalid namespace"}"#));
    assert!(driver.events.is_empty());
}

#[test]
fn sio5_connect_error_with_data() {
    let (mut driver, id) = websocket();
    driver.send(id, "40/slow").unwrap();
    let data = Args::from_elements(r#"{"code":401,"hint":"token"}"#.into()).unwrap();
    let refusal = Refusal { data, ..Refusal::new("not \"authorized\"") };
    driver.input(Input::Refuse { link: Link(0), refusal }).unwrap();
    let expected = r#"44/slow,{"message":"not \"authorized\"","data":{"code":401,"hint":"token"}}"#;
    assert_eq!(driver.receive_text(id), expected);
    // Who was refused has not left: it never was in.
    assert_eq!(left(&driver), []);
    // It may try again, and is another peer then.
    driver.send(id, "40/slow").unwrap();
    driver.input(Input::Accept { link: Link(1), id: "X\"".into(), token: None }).unwrap();
    assert_eq!(driver.receive_text(id), r#"40/slow,{"sid":"X\""}"#);
}

#[test]
fn sio5_release_follows_the_connect_packet() {
    let (mut driver, id) = websocket();
    driver.send(id, "40/slow").unwrap();
    assert_eq!(driver.released, []);
    driver.input(Input::Accept { link: Link(0), id: "ID".into(), token: None }).unwrap();
    assert_eq!(driver.released, [Link(0)]);
    // Once is enough.
    driver.input(Input::Accept { link: Link(0), id: "ID".into(), token: None }).unwrap();
    driver.input(Input::Refuse { link: Link(0), refusal: Refusal::new("late") }).unwrap();
    assert_eq!(driver.receive_text(id), r#"40/slow,{"sid":"ID"}"#);
    assert_eq!(driver.receive(id), None);
}

#[test]
fn sio5_the_number_of_namespaces_is_bounded() {
    let (mut driver, id) = connected();
    for namespace in ["/custom", "/slow"] {
        driver.send(id, &format!("40{namespace}")).unwrap();
    }
    driver.receive_text(id);
    driver.receive_text(id);
    driver.send(id, "40/more").unwrap();
    assert_eq!(driver.receive_text(id), r#"44/more,{"message":"Too many namespaces"}"#);
    driver.send(id, "41/custom").unwrap();
    driver.send(id, "40/more").unwrap();
    assert_eq!(driver.receive_text(id), r#"44/more,{"message":"Invalid namespace"}"#);
}

#[test]
fn sio5_anything_before_connect_closes() {
    for packet in [r#"42["message"]"#, "41", "431[]", "44", r#"42/custom,["message"]"#] {
        let (mut driver, id) = websocket();
        assert!(driver.send(id, packet).is_err());
        assert!(driver.is_ended(id), "{packet}");
        assert!(driver.events.is_empty());
        assert_eq!(driver.closed, Some(Reason::ProtocolError));
    }
}

#[test]
fn sio5_invalid_handshake_closes() {
    for packet in ["4abc", "4", "40[]", "40x"] {
        let (mut driver, id) = websocket();
        assert!(driver.send(id, packet).is_err());
        assert!(driver.is_ended(id), "{packet}");
    }
}

#[test]
fn sio5_connect_timeout() {
    let (mut driver, id) = websocket();
    driver.advance(ms(300));
    driver.send(id, "3").unwrap();
    driver.send(id, "40/random").unwrap();
    driver.advance(ms(300));
    driver.send(id, "3").unwrap();
    driver.advance(ms(399));
    driver.send(id, "3").unwrap();
    // A refusal does not stop the clock.
    assert_eq!(driver.closed, None);
    driver.advance(ms(1));
    assert!(driver.is_ended(id));
    assert_eq!(driver.closed, Some(Reason::NeverEntered));
}

#[test]
fn sio5_connect_timeout_takes_who_waits() {
    let config = Config { connect_timeout: ms(100), ..(*config()).clone() };
    let now = Instant::now();
    let open = Open::new(Carrier::WebSocket);
    let session = SocketIoSession::new(Arc::new(config), &open, "SID".into(), now);
    let mut driver = Driver::new(session, now, application);
    let id = driver.websocket();
    driver.send(id, "40/slow").unwrap();
    driver.advance(ms(100));
    assert!(driver.is_ended(id));
    assert_eq!(left(&driver), [(0, "forced close")]);
}

#[test]
fn sio5_connect_timeout_is_over_once_connected() {
    let (mut driver, id) = connected();
    driver.send(id, "41").unwrap();
    for _ in 0..10 {
        driver.advance(ms(300));
        driver.send(id, "3").unwrap();
    }
    assert_eq!(driver.closed, None);
}

#[test]
fn sio5_disconnect() {
    let (mut driver, id) = connected();
    driver.send(id, "41").unwrap();
    assert_eq!(left(&driver), [(0, "client namespace disconnect")]);
    driver.advance(ms(300));
    assert_eq!(driver.receive_text(id), "2");
    // It may come back.
    driver.send(id, "40").unwrap();
    assert_eq!(driver.receive_text(id), r#"40{"sid":"ID1"}"#);
}

#[test]
fn sio5_disconnect_from_a_namespace() {
    let (mut driver, id) = connected();
    driver.send(id, "40/custom").unwrap();
    driver.receive_text(id);
    driver.receive_text(id);
    driver.send(id, "41/custom").unwrap();
    driver.send(id, r#"42["message","message to main namespace"]"#).unwrap();
    let expected = r#"42["message-back","message to main namespace"]"#;
    assert_eq!(driver.receive_text(id), expected);
}

#[test]
fn sio5_out_of_turn_closes() {
    let told = "forced close";
    assert_closes(&["40"], told);
    assert_closes(&[r#"42/custom,["message"]"#], told);
    assert_closes(&["40/custom", "41/custom", r#"42/custom,["message"]"#], told);
    assert_closes(&["41/custom"], told);
    assert_closes(&["44"], told);
    assert_closes(&[r#"44{"message":"x"}"#], told);
    // Not let in yet.
    assert_closes(&["40/slow", r#"42/slow,["message"]"#], told);
    // Without a GET that waits, the client is told later.
    let mut driver = polling();
    driver.post("40").unwrap();
    assert_eq!(left(&driver), [(0, "forced server close")]);
}

#[test]
fn sio5_leaving_while_waiting() {
    let (mut driver, id) = websocket();
    driver.send(id, "40/slow").unwrap();
    // A client that comes back while it waits has one answer.
    driver.send(id, "40/slow").unwrap();
    assert_eq!(driver.events.len(), 1);
    driver.send(id, "41/slow").unwrap();
    assert_eq!(left(&driver), [(0, "client namespace disconnect")]);
    driver.input(Input::Accept { link: Link(0), id: "ID".into(), token: None }).unwrap();
    assert_eq!(driver.receive(id), None);
    // No ghost stays of one that breaks off.
    driver.send(id, "40/slow").unwrap();
    driver.detach(id, Detached::Lost);
    assert_eq!(left(&driver)[1..], [(1, "transport close")]);
    driver.input(Input::Accept { link: Link(1), id: "ID".into(), token: None }).unwrap();
    assert_eq!(driver.released, []);
}

#[test]
fn sio5_kick() {
    let (mut driver, id) = connected();
    driver.send(id, "40/custom").unwrap();
    driver.receive_text(id);
    driver.receive_text(id);
    driver.input(Input::Kick { link: Link(1), whole: false, close: None }).unwrap();
    assert_eq!(driver.receive_text(id), "41/custom,");
    assert_eq!(left(&driver), [(1, "server namespace disconnect")]);
    assert_eq!(driver.closed, None);
    driver.input(Input::Kick { link: Link(0), whole: false, close: None }).unwrap();
    assert_eq!(driver.receive_text(id), "41");
    assert_eq!(driver.closed, None);
}

#[test]
fn sio5_kick_from_the_whole_connection() {
    let (mut driver, id) = connected();
    driver.send(id, "40/custom").unwrap();
    driver.receive_text(id);
    driver.receive_text(id);
    driver.input(Input::Kick { link: Link(1), whole: true, close: None }).unwrap();
    assert_eq!(driver.receive_text(id), "41");
    assert_eq!(driver.receive_text(id), "41/custom,");
    assert!(driver.is_ended(id));
    let told = "server namespace disconnect";
    assert_eq!(left(&driver), [(0, told), (1, told)]);
    assert_eq!(driver.closed, Some(Reason::Kicked));
}

#[test]
fn sio5_kick_on_polling_tells_the_next_polls() {
    // Stock clients obey a close before the packets of the same payload.
    let mut driver = polling();
    driver.input(Input::Kick { link: Link(0), whole: true, close: None }).unwrap();
    assert_eq!((driver.get().as_str(), driver.closed), ("41", None));
    assert_eq!(driver.get(), "1");
    assert_eq!(driver.closed, Some(Reason::Kicked));
}

#[test]
fn sio5_kick_answers_the_waiting_poll_with_its_word_alone() {
    let mut driver = polling();
    let poll = driver.poll();
    driver.input(Input::Kick { link: Link(0), whole: true, close: None }).unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "41");
    assert_eq!(left(&driver), [(0, "server namespace disconnect")]);
    assert_eq!(driver.closed, None);
    // Stock clients that are in no namespace close by themselves.
    driver.post("1").unwrap();
    assert_eq!(driver.closed, Some(Reason::Kicked));
}

#[test]
fn sio5_close_without_a_word() {
    let (mut driver, id) = connected();
    driver.input(Input::Close { reason: Reason::Kicked }).unwrap();
    assert_eq!(driver.receive(id), None);
    assert!(driver.is_ended(id));
    assert_eq!(left(&driver), [(0, "forced close")]);
}

#[test]
fn sio5_reasons_in_npms_words() {
    let ends: [(Input, &str); 3] = [
        (Input::Close { reason: Reason::Shutdown }, "server shutting down"),
        (Input::Detach { id: CarrierId::new(0), how: Detached::Lost }, "transport close"),
        (
            Input::Detach { id: CarrierId::new(0), how: Detached::Closed { code: 1009 } },
            "transport error",
        ),
    ];
    for (input, told) in ends {
        let (mut driver, _) = connected();
        driver.input(input).unwrap();
        assert_eq!(left(&driver), [(0, told)]);
    }
    let says = [("1", "transport close"), ("abc", "parse error"), ("2", "transport error")];
    for (packet, told) in says {
        let (mut driver, id) = connected();
        let _ = driver.send(id, packet);
        assert_eq!(left(&driver), [(0, told)], "{packet}");
    }
    let (mut driver, _) = connected();
    driver.advance(ms(500));
    assert_eq!(left(&driver), [(0, "ping timeout")]);
}
