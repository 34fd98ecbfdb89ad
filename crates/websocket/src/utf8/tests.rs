use bytes::Bytes;

use super::{Incremental, InvalidUtf8, Utf8Bytes};

/// Where the check refuses when the text comes octet by octet; the length if it never does and
/// only the end is missing.
fn refused_at(text: &[u8]) -> Option<usize> {
    let mut check = Incremental::default();
    for (at, octet) in text.iter().enumerate() {
        if check.feed(&[*octet]).is_err() {
            return Some(at);
        }
    }
    check.finish().is_err().then_some(text.len())
}

#[test]
fn rfc6455_8_1_valid_text_passes_however_it_is_cut() {
    let text = "κόσμε \u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff} plain".as_bytes();
    for first in 0..text.len() {
        for second in first..text.len() {
            let mut check = Incremental::default();
            check.feed(&text[..first]).unwrap();
            check.feed(&text[first..second]).unwrap();
            check.feed(&text[second..]).unwrap();
            check.finish().unwrap();
        }
    }
}

#[test]
fn rfc6455_8_1_refuses_at_the_first_octet_that_cannot_be_utf8() {
    assert_eq!(refused_at(b"ok"), None);
    assert_eq!(refused_at(b"\xf4\x90\x80\x80"), Some(1)); // above U+10FFFF
    assert_eq!(refused_at(b"a\xed\xa0\x80"), Some(2)); // surrogate
    assert_eq!(refused_at(b"\xc0\xaf"), Some(0)); // overlong
    assert_eq!(refused_at(b"\xe0\x80\xaf"), Some(1)); // overlong
    assert_eq!(refused_at(b"a\x80"), Some(1)); // lone continuation
    assert_eq!(refused_at(b"a\xff"), Some(1));
    assert_eq!(refused_at(b"\xf8\x88\x80\x80\x80"), Some(0)); // five octets
    assert_eq!(refused_at("€".as_bytes().split_last().unwrap().1), Some(2)); // cut off
}

#[test]
fn rfc6455_8_1_bulk_and_octetwise_agree_on_every_short_string() {
    let alphabet =
        [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5];
    for a in alphabet {
        for b in alphabet {
            for c in alphabet {
                for d in alphabet {
                    let text = [a, b, c, d];
                    let mut check = Incremental::default();
                    let bulk = check.feed(&text).and_then(|()| check.finish()).is_ok();
                    assert_eq!(bulk, std::str::from_utf8(&text).is_ok(), "{text:x?}");
                    assert_eq!(refused_at(&text).is_none(), bulk, "{text:x?}");
                }
            }
        }
    }
}

#[test]
fn rfc6455_5_6_bytes_that_are_not_utf8_make_no_text() {
    assert_eq!(Utf8Bytes::try_from(Bytes::from_static(b"a\xff")), Err(InvalidUtf8)); // C11
    assert_eq!(Utf8Bytes::try_from(Bytes::from_static("é".as_bytes())).unwrap(), "é");
}
