//! Events, acknowledgements, attachments.

use super::*;

#[test]
fn sio5_event() {
    let (mut driver, id) = connected();
    driver.send(id, r#"42["message",1,"2",{"3":[true]}]"#).unwrap();
    assert_eq!(driver.receive_text(id), r#"42["message-back",1,"2",{"3":[true]}]"#);
}

#[test]
fn sio5_event_with_attachments() {
    let (mut driver, id) = connected();
    let arguments = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    driver.send(id, &format!("452-[\"message\",{arguments}]")).unwrap();
    driver.send_binary(id, &[1, 2, 3]).unwrap();
    driver.send_binary(id, &[4, 5, 6]).unwrap();
    assert_eq!(driver.receive_text(id), format!("452-[\"message-back\",{arguments}]"));
    assert_eq!(driver.receive(id), Some(Message::Binary(vec![1, 2, 3].into())));
    assert_eq!(driver.receive(id), Some(Message::Binary(vec![4, 5, 6].into())));
}

#[test]
fn sio5_event_with_an_ack() {
    let (mut driver, id) = connected();
    driver.send(id, r#"42456["message-with-ack",1,"2",{"3":[false]}]"#).unwrap();
    assert_eq!(driver.receive_text(id), r#"43456[1,"2",{"3":[false]}]"#);
}

#[test]
fn sio5_event_with_attachments_and_an_ack() {
    let (mut driver, id) = connected();
    let arguments = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    driver.send(id, &format!("452-789[\"message-with-ack\",{arguments}]")).unwrap();
    driver.send_binary(id, &[1, 2, 3]).unwrap();
    driver.send_binary(id, &[4, 5, 6]).unwrap();
    assert_eq!(driver.receive_text(id), format!("462-789[{arguments}]"));
    assert_eq!(driver.receive(id), Some(Message::Binary(vec![1, 2, 3].into())));
    assert_eq!(driver.receive(id), Some(Message::Binary(vec![4, 5, 6].into())));
}

#[test]
fn what_has_come_of_a_packet_is_counted_until_it_is_whole_or_the_session_ends() {
    let (mut driver, id) = connected();
    let event = r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    for _ in 0..2 {
        driver.send(id, event).unwrap();
        driver.send_binary(id, &[0; 1000]).unwrap();
        assert_eq!(driver.session.held_len(), event.len() - 1 + 1000);
        driver.send_binary(id, &[0; 1000]).unwrap();
        assert_eq!(driver.session.held_len(), 0);
    }
    driver.send(id, event).unwrap();
    driver.send_binary(id, &[0; 1000]).unwrap();
    driver.input(Input::Close { reason: Reason::Slow }).unwrap();
    assert_eq!(driver.session.held_len(), 0);
}

#[test]
fn sio5_attachments_on_polling() {
    let mut driver = polling();
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    driver.post(format!("451-[\"message\",{placeholder}]\x1ebAQIDBA==")).unwrap();
    assert_eq!(driver.get(), format!("451-[\"message-back\",{placeholder}]\x1ebAQIDBA=="));
    // They may come with the next body.
    driver.post(format!("451-[\"message\",{placeholder}]")).unwrap();
    driver.post("bAQIDBA==").unwrap();
    assert_eq!(driver.get(), format!("451-[\"message-back\",{placeholder}]\x1ebAQIDBA=="));
}

#[test]
fn sio5_heartbeat_between_header_and_attachment() {
    let (mut driver, id) = connected();
    driver.advance(ms(300));
    assert_eq!(driver.receive_text(id), "2");
    driver.send(id, r#"451-["message",{"_placeholder":true,"num":0}]"#).unwrap();
    driver.send(id, "3").unwrap();
    driver.send_binary(id, &[1]).unwrap();
    assert!(driver.receive_text(id).starts_with("451-"));
}

#[test]
fn sio5_calls_of_the_server() {
    let (mut driver, id) = connected();
    let args = Args::from_text("x");
    driver.emit("/", Outgoing::Event { name: "ask", args: &args, call: Some(7), position: None });
    assert_eq!(driver.receive_text(id), r#"427["ask","x"]"#);
    driver.send(id, r#"437["y",2]"#).unwrap();
    let args = Args::from_elements("\"y\",2".into()).unwrap();
    let reply = Event::Reply { link: Link(0), call: 7, outcome: Ok(args) };
    assert_eq!(driver.events.last(), Some(&reply));
    driver.send(id, r#"461-8[{"_placeholder":true,"num":0}]"#).unwrap();
    driver.send_binary(id, &[9]).unwrap();
    let args = Args::from_bytes(vec![9].into());
    let reply = Event::Reply { link: Link(0), call: 8, outcome: Ok(args) };
    assert_eq!(driver.events.last(), Some(&reply));
}

#[test]
fn sio5_acks_that_nobody_waits_for_are_ignored() {
    let (mut driver, id) = connected();
    let events = driver.events.len();
    driver.send(id, "43[1]").unwrap();
    driver.send(id, "4399999999999999999999999[1]").unwrap();
    assert_eq!(driver.events.len(), events);
    assert_eq!(driver.closed, None);
}

#[test]
fn sio5_invalid_packets_close() {
    let packets: [&[&str]; 17] = [
        &["4abc"],
        &["4"],
        &["47"],
        &["42{}"],
        &["42[]"],
        &["42[null]"],
        &["42[[\"x\"]]"],
        &[r#"42abc["message-with-ack",1]"#],
        &[r#"42["connect"]"#],
        &[r#"42["disconnecting"]"#],
        &[r#"42["removeListener"]"#],
        &["41{}"],
        &["431{}"],
        &["45[\"x\"]"],
        &["4511-[\"x\"]"],
        &["451-[\"x\"]", "42[\"x\"]"],
        &["451-[\"connect\"]"],
    ];
    for packets in packets {
        assert_closes(packets, "forced close");
    }
}

#[test]
fn sio5_invalid_attachments_close() {
    let (mut driver, id) = connected();
    assert!(driver.send_binary(id, &[1]).is_err());
    assert!(driver.is_ended(id));

    let (mut driver, id) = connected();
    driver.send(id, r#"451-["x",{"_placeholder":true,"num":1}]"#).unwrap();
    assert!(driver.send_binary(id, &[1]).is_err());
    assert!(driver.is_ended(id));
    assert_eq!(left(&driver), [(0, "forced close")]);
}

#[test]
fn sio5_invalid_packet_on_polling() {
    let mut driver = polling();
    let poll = driver.poll();
    driver.post("42[\"message\",1]\x1e4abc\x1e42[\"message\",2]").unwrap();
    assert_eq!(driver.answer(poll).unwrap(), "42[\"message-back\",1]\x1e1");
    assert_eq!(driver.closed, Some(Reason::ProtocolError));
    assert_eq!(left(&driver), [(0, "forced close")]);
}

#[test]
fn sio5_a_fault_far_back_in_a_body_closes_too() {
    let mut driver = polling();
    let mut packets = vec!["42[\"x\"]"; 500];
    packets.push("4abc");
    packets.push("42[\"x\"]");
    // The POST is answered before all of it is read.
    let _ = driver.post(packets.join("\x1e"));
    let messages = driver.events.iter().filter(|e| matches!(e, Event::Message { .. })).count();
    assert_eq!(messages, 500);
    assert_eq!(left(&driver), [(0, "forced close")]);
    assert_eq!(driver.get(), "1");
    assert_eq!(driver.closed, Some(Reason::ProtocolError));
}

#[test]
fn sio5_order_through_an_upgrade() {
    let mut driver = polling();
    let id = driver.websocket();
    driver.send(id, "2probe").unwrap();
    assert_eq!(driver.receive_text(id), "3probe");
    driver.post("42[\"message\",1]").unwrap();
    driver.send(id, "5").unwrap();
    driver.send(id, "42[\"message\",2]").unwrap();
    assert_eq!(driver.receive_text(id), "42[\"message-back\",1]");
    assert_eq!(driver.receive_text(id), "42[\"message-back\",2]");
    assert_eq!(driver.closed, None);
}

#[test]
fn eio4_a_client_that_is_not_read_from_does_not_time_out() {
    let (mut driver, id) = connected();
    driver.congested = true;
    driver.advance(ms(5_000));
    assert_eq!((driver.receive_text(id).as_str(), driver.closed), ("2", None));
    driver.congested = false;
    driver.advance(ms(500));
    assert_eq!(driver.closed, Some(Reason::PingTimeout));
}
