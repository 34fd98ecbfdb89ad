use super::*;

fn wrap(dress: &Dress, frame: &str) -> String {
    String::from_utf8(dress.wrap(frame).to_vec()).unwrap()
}

#[test]
fn each_transport_in_its_own_dress() {
    let frame = "a[\"x<%\"]";
    assert_eq!(wrap(&Dress::WebSocket, frame), frame);
    assert_eq!(wrap(&Dress::Lines, frame), "a[\"x<%\"]\n");
    assert_eq!(wrap(&Dress::EventSource, frame), "data: a[\"x<%25\"]\r\n\r\n");
    let script = "<script>\np(\"a[\\\"x\\u003c%\\\"]\");\n</script>\r\n";
    assert_eq!(wrap(&Dress::HtmlFile, frame), script);
    let call = "/**/_jp.a1(\"a[\\\"x\\u003c%\\\"]\");\r\n";
    assert_eq!(wrap(&Dress::Jsonp(Box::new("_jp.a1".into())), frame), call);
}

#[test]
fn event_source_escapes_what_ends_lines() {
    let dress = Dress::EventSource;
    assert_eq!(wrap(&dress, "\r\n\0%"), "data: %0D%0A%00%25\r\n\r\n");
}

#[test]
fn customary_dresses() {
    assert_eq!(Dress::of(Carrier::WebSocket), Dress::WebSocket);
    assert_eq!(Dress::of(Carrier::LongPoll), Dress::Lines);
    assert_eq!(Dress::of(Carrier::Streaming), Dress::Lines);
    assert_eq!(Dress::of(Carrier::EventStream), Dress::EventSource);
}
