use super::{accept_value, is_key};

#[test]
fn rfc6455_4_2_2_accept_of_the_rfc_s_own_key() {
    assert_eq!(accept_value(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); // A9
}

#[test]
fn rfc6455_4_1_key_is_sixteen_octets_in_base64() {
    // A5: 15 and 17 octets, and what is no base64.
    assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
    assert!(is_key(b"AAAAAAAAAAAAAAAAAAAAAA=="));
    for bad in [
        &b""[..],
        b"AAAAAAAAAAAAAAAAAAAA",
        b"AAAAAAAAAAAAAAAAAAAAAAA=",
        b"AAAAAAAAAAAAAAAAAAAAAA",
        b"AAAAAAAAAAAAAAAAAAAAAA= ",
        b"AAAAAAAAAAAAAAAAAAAAA===",
        b"AAAAAAAAAAA-AAAAAAA_AA==",
        b"AAAAAAAAAAA\xffAAAAAAAAAA==",
        b"AAAAAAAAAAAAAAAAAAAAAA==AAAA",
    ] {
        assert!(!is_key(bad), "{bad:?}");
    }
}
