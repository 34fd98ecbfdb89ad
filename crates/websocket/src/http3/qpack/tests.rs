use super::*;

fn read_all(section: &[u8]) -> Result<Vec<(String, String)>, Undecodable> {
    let text = |octets: Bytes| String::from_utf8_lossy(&octets).into_owned();
    let fields = read(section, 1_000)?.into_iter();
    Ok(fields.map(|(name, value)| (text(name), text(value))).collect())
}

#[test]
fn rfc9204_b_1_example() {
    // The request of Appendix B.1: a name of the static table with a literal value.
    let section = b"\x00\x00\x51\x0b/index.html";
    let path = (":path".to_owned(), "/index.html".to_owned());
    assert_eq!(read_all(section), Ok(vec![path]));
}

#[test]
fn rfc9204_a_entries_of_the_static_table() {
    // :status 200 (25), :method CONNECT (15), x-frame-options sameorigin (98).
    let fields = read_all(b"\x00\x00\xd9\xcf\xff\x23").unwrap();
    let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let expected = [(":status", "200"), (":method", "CONNECT"), ("x-frame-options", "sameorigin")];
    assert_eq!(fields, expected);
    assert_eq!(read_all(b"\x00\x00\xff\x24"), Err(Undecodable), "there is no entry 99");
}

#[test]
fn rfc7541_c_4_1_huffman_example() {
    let code = b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    assert_eq!(huffman::decode(code).as_deref(), Some(&b"www.example.com"[..]));
    // Section 5.2: a padding that is too long, or holds a zero; the symbol that ends a string.
    assert_eq!(huffman::decode(b"\xff"), None);
    assert_eq!(huffman::decode(b"\x07\xff"), None);
    assert_eq!(huffman::decode(b"\x06"), None);
    assert_eq!(huffman::decode(b"\xff\xff\xff\xff"), None);
    assert_eq!(huffman::decode(b""), Some(Vec::new()));
}

#[test]
fn rfc9204_4_5_what_needs_the_dynamic_table_is_refused() {
    for section in [
        &b"\x01\x00"[..],
        b"\x00\x00\x80",
        b"\x00\x00\x10",
        b"\x00\x00\x40\x00",
        b"\x00\x00\x00\x00",
    ] {
        assert_eq!(read_all(section), Err(Undecodable), "{section:x?}");
    }
}

#[test]
fn sections_that_end_early_or_are_too_large() {
    for section in [
        &b""[..],
        b"\x00",
        b"\x00\x00\x23ab",
        b"\x00\x00\x21a\x7f",
        b"\x00\x00\x27\xff\xff\xff\xff\xff",
    ] {
        assert_eq!(read_all(section), Err(Undecodable), "{section:x?}");
    }
    let mut large = BytesMut::new();
    begin(&mut large);
    write(&mut large, b"a", &[b'b'; 1_000], false);
    assert_eq!(read_all(&large), Err(Undecodable));
    let mut many = BytesMut::new();
    begin(&mut many);
    (0..101).for_each(|_| write(&mut many, b"a", b"", false));
    assert_eq!(read_all(&many), Err(Undecodable));
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read(
        fields: Vec<(Vec<u8>, Vec<u8>, bool)>,
    ) {
        let fields = &fields[..fields.len().min(FIELDS_MAX)];
        let mut section = BytesMut::new();
        begin(&mut section);
        for (name, value, secret) in fields {
            write(&mut section, name, value, *secret);
        }
        let read = read(&section, usize::MAX).unwrap();
        let read: Vec<_> = read.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        let written: Vec<_> = fields.iter().map(|(n, v, _)| (n.clone(), v.clone())).collect();
        proptest::prop_assert_eq!(read, written);
    }

    #[test]
    fn nothing_makes_it_panic(octets: Vec<u8>) {
        let _ = read(&octets, 1_000);
        let _ = huffman::decode(&octets);
    }
}
