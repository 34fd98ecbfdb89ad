use super::*;
use bytes::Bytes;
use omniwire_session::{ByteString, Message};

fn encoded(binary: Binary, args: &Args) -> Vec<Message> {
    let mut out = Encoding::default();
    let what = Outgoing::Event { name: "message", args, call: None, position: None };
    EngineIoWire::form(binary).0.encode("", what, &mut out);
    let Some(prepared) = out.finish(|_, _, _| 0) else { return Vec::new() };
    let message = |frame: &omniwire_session::Frame| match frame.kind() {
        omniwire_session::Kind::Text => {
            Message::Text(ByteString::try_from(frame.payload()).unwrap())
        }
        omniwire_session::Kind::Binary => Message::Binary(frame.payload()),
    };
    prepared.frames().iter().map(message).collect()
}

#[test]
fn an_argument_is_a_message() {
    let args = Args::from_elements(r#""a\nb",{"x":1}, 2"#.into()).unwrap();
    let messages = ["4a\nb", "4{\"x\":1}", "42"].map(Message::text);
    assert_eq!(encoded(Binary::Bare, &args), messages);
    assert_eq!(encoded(Binary::Bare, &Args::default()), []);
}

#[test]
fn binary_differs_by_protocol() {
    let args = Args::from_bytes(Bytes::from_static(&[1, 2, 3, 4]));
    let binary = |bytes: &'static [u8]| vec![Message::Binary(Bytes::from_static(bytes))];
    assert_eq!(encoded(Binary::Bare, &args), binary(&[1, 2, 3, 4]));
    assert_eq!(encoded(Binary::Typed, &args), binary(&[4, 1, 2, 3, 4]));
    assert_eq!(encoded(Binary::Base64, &args), [Message::text("b4AQIDBA==")]);
}

#[test]
fn each_wire_form_has_a_number_of_its_own() {
    let id = |binary| EngineIoWire::form(binary).0.id();
    let ids = [Binary::Bare, Binary::Typed, Binary::Base64].map(id);
    assert!(ids.iter().all(|id| (16..32).contains(&id.0)));
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}
