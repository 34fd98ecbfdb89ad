use bytes::Bytes;

use super::{CloseCode, CloseFrame, CloseState};
use crate::Violation;

fn read(payload: &[u8]) -> Result<Option<CloseFrame>, Violation> {
    CloseFrame::read(&Bytes::copy_from_slice(payload))
}

#[test]
fn rfc6455_7_4_1_reserved_codes_are_neither_taken_nor_sent() {
    // D5, and D6: 1012 to 1014 are registered.
    for code in 0..=u16::MAX {
        let legal = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(read(&code.to_be_bytes()).is_ok(), legal, "{code}");
        assert_eq!(CloseFrame::try_new(code, "").is_ok(), legal, "{code}");
        let sent = CloseFrame::new(code.into(), "").payload();
        assert_eq!(sent[..], if legal { code } else { 1011 }.to_be_bytes(), "{code}");
        assert_eq!(u16::from(CloseCode::from(code)), code);
    }
}

#[test]
fn rfc6455_5_5_1_close_is_empty_or_has_a_code() {
    assert_eq!(read(b""), Ok(None));
    assert_eq!(read(b"\x03"), Err(Violation::BAD_CLOSE_PAYLOAD));
    let close = read(b"\x03\xe8bye").unwrap().unwrap();
    assert_eq!((close.code(), close.reason().as_str()), (CloseCode::Normal, "bye"));
    assert_eq!(read(b"\x03\xe8\xff").unwrap_err(), Violation::INVALID_UTF8);
}

#[test]
fn rfc6455_5_5_reason_is_cut_to_123_octets_between_characters() {
    // D9: characters of three octets.
    let close = CloseFrame::new(CloseCode::Normal, "€".repeat(200));
    assert_eq!(close.reason().as_str(), "€".repeat(41));
    let close = CloseFrame::new(CloseCode::Normal, format!("x{}", "€".repeat(200)));
    assert_eq!(close.reason().as_bytes().len(), 121);
    assert_eq!(close.payload().len(), 123);
    let close = CloseFrame::new(CloseCode::Normal, "x".repeat(123));
    assert_eq!(close.payload().len(), 125);
}

#[test]
fn rfc6455_7_1_closing_handshake_in_either_order() {
    let ours_first = CloseState::Open.after_sending();
    assert_eq!(ours_first, CloseState::CloseSent);
    assert!(!ours_first.may_send() && ours_first.may_receive());
    assert_eq!(ours_first.after_receiving(), CloseState::Closed); // D4: crossing is the same

    let theirs_first = CloseState::Open.after_receiving();
    assert_eq!(theirs_first, CloseState::CloseReceived);
    assert!(theirs_first.may_send() && !theirs_first.may_receive());
    assert_eq!(theirs_first.after_sending(), CloseState::Closed);
}
