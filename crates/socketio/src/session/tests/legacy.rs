//! Socket.IO 2 clients: protocol 4 over Engine.IO 3.

use super::*;

fn websocket() -> (SioDriver, CarrierId) {
    let mut driver = driver(&Open::v3(Carrier::WebSocket));
    let id = driver.websocket();
    assert!(driver.receive_text(id).starts_with("0{"));
    assert_eq!(driver.receive_text(id), "40");
    assert_eq!(driver.receive_text(id), r#"42["auth",{}]"#);
    (driver, id)
}

#[test]
fn sio4_root_is_entered_unasked() {
    let (driver, _) = websocket();
    let Some(Event::Enter { link, namespace, auth, .. }) = driver.events.first() else {
        panic!("not entered")
    };
    assert_eq!((*link, &**namespace, auth.is_empty()), (Link::FIRST, "/", true));
}

#[test]
fn sio4_root_on_polling() {
    let mut driver = driver(&Open::v3(Carrier::LongPoll));
    assert!(driver.get().contains(":0{\"sid\":\"SID\""));
    assert_eq!(driver.get(), "2:4013:42[\"auth\",{}]");
}

#[test]
fn sio4_connect_with_a_query() {
    let (mut driver, id) = websocket();
    driver.send(id, "40/custom?token=x&a=b%20c,").unwrap();
    assert_eq!(driver.receive_text(id), "40/custom,");
    let expected = r#"42/custom,["auth",{"token":"x","a":"b c"}]"#;
    assert_eq!(driver.receive_text(id), expected);
    // Other packets name it with or without.
    driver.send(id, r#"42/custom,["message",1]"#).unwrap();
    driver.send(id, r#"42/custom?token=x,["message",2]"#).unwrap();
    driver.send(id, "41/custom?token=x,").unwrap();
    assert_eq!(left(&driver), [(1, "client namespace disconnect")]);
}

#[test]
fn sio4_connect_error_is_data_or_message() {
    let (mut driver, id) = websocket();
    driver.send(id, "40/random").unwrap();
    assert_eq!(driver.receive_text(id), r#"44/random,{"message":"Invalid namespace"}"#);
    driver.send(id, "40/slow").unwrap();
    let data = Args::from_elements(r#"{"code":401}"#.into()).unwrap();
    let refusal = Refusal { data, ..Refusal::new("no") };
    driver.input(Input::Refuse { link: Link(2), refusal }).unwrap();
    assert_eq!(driver.receive_text(id), r#"44/slow,{"code":401}"#);
}

#[test]
fn sio4_binary_has_a_type_on_websocket() {
    let (mut driver, id) = websocket();
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    driver.send(id, &format!("451-[\"message\",{placeholder}]")).unwrap();
    driver.send_binary(id, &[4, 1, 2, 3]).unwrap();
    assert_eq!(driver.receive_text(id), format!("451-[\"message-back\",{placeholder}]"));
    assert_eq!(driver.receive(id), Some(Message::Binary(vec![4, 1, 2, 3].into())));
}

#[test]
fn sio4_binary_on_polling() {
    for (base64, binary) in [(true, false), (false, true)] {
        let mut driver = driver(&Open { base64, ..Open::v3(Carrier::LongPoll) });
        driver.get();
        driver.get();
        let packet = r#"451-["message",{"_placeholder":true,"num":0}]"#;
        driver.post(format!("{}:{packet}10:b4AQIDBA==", packet.len())).unwrap();
        let answer = driver.get();
        assert_eq!(answer.starts_with('\0'), binary);
        assert_eq!(answer.ends_with("10:b4AQIDBA=="), base64);
    }
}

#[test]
fn sio4_ids() {
    let sid = ByteString::from_static("SID");
    assert_eq!(crate::legacy_id(&sid, "/"), "SID");
    assert_eq!(crate::legacy_id(&sid, "/custom"), "/custom#SID");
}
