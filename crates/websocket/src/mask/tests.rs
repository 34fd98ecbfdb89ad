use super::apply;

#[test]
fn rfc6455_5_3_masks_octet_i_with_key_octet_i_mod_4() {
    let key = [0x11, 0x22, 0x33, 0x44];
    for len in 0..70usize {
        for offset in 0..9usize {
            let plain: Vec<u8> = (0..len).map(|i| (i * 7 + 3) as u8).collect();
            let expected: Vec<u8> =
                plain.iter().enumerate().map(|(i, octet)| octet ^ key[(i + offset) % 4]).collect();
            let mut masked = plain.clone();
            apply(&mut masked, key, offset);
            assert_eq!(masked, expected, "length {len}, offset {offset}");
            apply(&mut masked, key, offset);
            assert_eq!(masked, plain);
        }
    }
}

#[test]
fn rfc6455_5_3_pieces_give_what_the_whole_gives() {
    let key = [0xde, 0xad, 0xbe, 0xef];
    let mut whole = vec![0x5a; 1_000];
    let mut pieces = whole.clone();
    apply(&mut whole, key, 0);
    let (mut at, mut size) = (0, 1);
    while at < pieces.len() {
        let end = (at + size).min(pieces.len());
        apply(&mut pieces[at..end], key, at);
        (at, size) = (end, size + 3);
    }
    assert_eq!(whole, pieces);
}
