use super::*;
use proptest::prelude::*;

fn all(records: &mut Records) -> Vec<Bytes> {
    std::iter::from_fn(|| records.next().unwrap()).collect()
}

#[test]
fn separators_end_records() {
    let mut records = Records::new(100);
    records.push(Bytes::from_static(b"one\x1e\x1etw"));
    assert_eq!(all(&mut records), ["one", ""]);
    records.push(Bytes::from_static(b"o"));
    records.push(Bytes::from_static(b"\x1ethree\x1e"));
    assert_eq!(all(&mut records), ["two", "three"]);
    assert_eq!(records.waiting_len(), 0);
}

#[test]
fn prefixes_begin_records() {
    let mut records = Records::new(1000);
    records.set_framing(Framing::Prefixed);
    records.push(Bytes::from_static(b"\x02\x91\x06\x00\x03ab"));
    assert_eq!(all(&mut records), [Bytes::from_static(b"\x91\x06"), Bytes::new()]);
    records.push(Bytes::from_static(b"c\x80"));
    assert_eq!(all(&mut records), ["abc"]);
    records.push(Bytes::from_static(b"\x01"));
    records.push(Bytes::from(vec![b'x'; 128]));
    assert_eq!(all(&mut records), [vec![b'x'; 128]]);
}

#[test]
fn the_limit_counts_separator_and_prefix() {
    let mut records = Records::new(4);
    records.push(Bytes::from_static(b"abc\x1eabcd\x1e"));
    assert_eq!(records.next().unwrap().unwrap(), "abc");
    assert_eq!(records.next(), Err(RecordError::TooLong));
    let mut records = Records::new(4);
    records.push(Bytes::from_static(b"abcd"));
    assert_eq!(records.next(), Ok(None));
    records.push(Bytes::from_static(b"e"));
    assert_eq!(records.next(), Err(RecordError::TooLong));
    let mut records = Records::new(4);
    records.set_framing(Framing::Prefixed);
    records.push(Bytes::from_static(b"\x03abc\x04"));
    assert_eq!(records.next().unwrap().unwrap(), "abc");
    assert_eq!(records.next(), Err(RecordError::TooLong));
}

#[test]
fn a_prefix_has_five_octets_and_says_at_most_2_gib() {
    for prefix in [b"\xff\xff\xff\xff\xff", b"\x80\x80\x80\x80\x08", b"\xff\xff\xff\xff\x08"] {
        let mut records = Records::new(usize::MAX);
        records.set_framing(Framing::Prefixed);
        records.push(Bytes::from_static(prefix));
        assert_eq!(records.next(), Err(RecordError::BadPrefix));
    }
    let mut records = Records::new(usize::MAX);
    records.set_framing(Framing::Prefixed);
    records.push(Bytes::from_static(b"\xff\xff\xff\xff\x07"));
    assert_eq!(records.next(), Ok(None));
}

proptest! {
    #[test]
    fn cuts_do_not_matter(
        bytes in prop::collection::vec(prop_oneof![Just(0x1e), 0_u8..4, any::<u8>()], 0..80),
        cuts in prop::collection::vec(1_usize..9, 0..80),
        prefixed in any::<bool>(),
    ) {
        let read = |chunks: Vec<&[u8]>| {
            let mut records = Records::new(40);
            if prefixed {
                records.set_framing(Framing::Prefixed);
            }
            let mut found = Vec::new();
            for chunk in chunks {
                records.push(Bytes::copy_from_slice(chunk));
                loop {
                    match records.next() {
                        Ok(Some(record)) => found.push(record),
                        Ok(None) => break,
                        Err(_) => return (found, true),
                    }
                }
            }
            (found, false)
        };
        let mut chunks = Vec::new();
        let mut rest = &*bytes;
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        chunks.push(rest);
        prop_assert_eq!(read(chunks), read(vec![&bytes]));
    }
}
