use super::*;

/// `:protocol: VALUE` as a literal, plain.
fn line(value: &str) -> Vec<u8> {
    let mut line = b"\x27\x02:protocol".to_vec();
    line.push(value.len().try_into().unwrap());
    line.extend_from_slice(value.as_bytes());
    line
}

/// `:method: CONNECT`, `:path: /chat` by name, `x: y` literal, around `middle`.
fn section(middle: &[u8]) -> Bytes {
    [&b"\0\0\xcf\x51\x05/chat"[..], middle, b"\x21x\x01y"].concat().into()
}

fn plain() -> Bytes {
    section(b"")
}

fn taken(middle: &[u8]) -> Section {
    take(section(middle)).unwrap()
}

#[test]
fn rfc9220_3_the_protocol_is_taken_out_and_the_rest_stays() {
    let known = [
        ("websocket", Protocol::WebSocket),
        ("webtransport", Protocol::WebTransport),
        ("connect-udp", Protocol::Other),
        ("", Protocol::Other),
    ];
    for (name, protocol) in known {
        let expected = Section { block: plain(), protocol: Some(protocol) };
        assert_eq!(taken(&line(name)), expected, "{name}");
    }
    assert_eq!(taken(b""), Section { block: plain(), protocol: None });
}

#[test]
fn rfc9204_4_1_2_huffman_codes_are_known_too() {
    let mut coded = b"\x2f\x00".to_vec();
    coded.extend_from_slice(PROTOCOL);
    coded.push(0x80 | 7);
    coded.extend_from_slice(WEBSOCKET);
    assert_eq!(taken(&coded), Section { block: plain(), protocol: Some(Protocol::WebSocket) });
}

#[test]
fn rfc9114_4_3_two_of_them_are_one_too_many() {
    let twice = [line("websocket"), line("websocket")].concat();
    assert_eq!(take(section(&twice)), Err(Repeated));
}

#[test]
fn what_is_not_well_formed_is_left_alone() {
    let whole = section(&line("websocket"));
    for len in 0..whole.len() - 1 {
        // Cut where a line ends, it is well-formed.
        let cut = whole.slice(..len);
        let section = take(cut.clone()).unwrap();
        assert!(section.block == cut || section.protocol == Some(Protocol::WebSocket), "{len}");
    }
    let endless = Bytes::from_static(b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_eq!(take(endless.clone()), Ok(Section { block: endless, protocol: None }));
}

proptest::proptest! {
    #[test]
    fn any_octets_are_borne(octets: Vec<u8>) {
        let len = octets.len();
        if let Ok(section) = take(octets.into()) {
            proptest::prop_assert!(section.block.len() <= len);
        }
    }
}
