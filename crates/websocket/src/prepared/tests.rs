use super::PreparedMessage;
use crate::Message;
use crate::deflate::Shared;

#[test]
fn prepared_messages_share_one_frame() {
    let prepared = PreparedMessage::new(Message::text("hi"));
    assert_eq!(prepared.frame()[..], *b"\x81\x02hi");
    let clone = prepared.clone();
    assert_eq!(clone.frame().as_ptr(), prepared.frame().as_ptr());
}

#[test]
fn compressed_form_stands_beside_the_plain_one() {
    let text = "to all ".repeat(50);
    let prepared = PreparedMessage::compressed(Message::text(text.as_str()), Shared::new(15, 6));
    let (shared, frame) = prepared.compressed_frame().unwrap();
    assert_eq!((*shared, frame[0]), (Shared::new(15, 6), 0xc1));
    assert_eq!(*prepared.frame(), PreparedMessage::new(Message::text(text)).frame());
    // What does not shrink has none, and control frames never do.
    for message in [Message::text("ab"), Message::Ping(vec![0; 125].into())] {
        let prepared = PreparedMessage::compressed(message, Shared::new(15, 6));
        assert_eq!(prepared.compressed_frame(), None);
    }
}
