use super::*;

fn body(answer: &Answer) -> &str {
    assert_eq!((answer.status, answer.content_type), (200, "application/json"));
    std::str::from_utf8(&answer.body).unwrap()
}

#[test]
fn version_1_has_a_token() {
    let answer = accept(NegotiateVersion::V1, "A", "B", Transports::ALL, false);
    assert_eq!(
        body(&answer),
        "{\"negotiateVersion\":1,\"connectionId\":\"A\",\"connectionToken\":\"B\",\
         \"availableTransports\":[\
         {\"transport\":\"WebSockets\",\"transferFormats\":[\"Text\",\"Binary\"]},\
         {\"transport\":\"ServerSentEvents\",\"transferFormats\":[\"Text\"]},\
         {\"transport\":\"LongPolling\",\"transferFormats\":[\"Text\",\"Binary\"]}]}"
    );
}

#[test]
fn version_0_has_none_and_only_what_is_on_is_offered() {
    let only = Transports::only(Transport::LongPolling);
    assert_eq!(
        body(&accept(NegotiateVersion::V0, "A", "B", only, false)),
        "{\"negotiateVersion\":0,\"connectionId\":\"A\",\"availableTransports\":[\
         {\"transport\":\"LongPolling\",\"transferFormats\":[\"Text\",\"Binary\"]}]}"
    );
}

#[test]
fn errors_and_redirects() {
    assert_eq!(body(&refuse("no \"you\"")), "{\"error\":\"no \\\"you\\\"\"}");
    assert_eq!(body(&redirect("http://a/b?c", None)), "{\"url\":\"http://a/b?c\"}");
    assert_eq!(body(&redirect("u", Some("t"))), "{\"url\":\"u\",\"accessToken\":\"t\"}");
}

#[test]
fn stateful_reconnect_is_told_when_granted() {
    let only = Transports::only(Transport::WebSockets);
    assert_eq!(
        body(&accept(NegotiateVersion::V1, "A", "B", only, true)),
        "{\"negotiateVersion\":1,\"connectionId\":\"A\",\"connectionToken\":\"B\",\
         \"useStatefulReconnect\":true,\"availableTransports\":[\
         {\"transport\":\"WebSockets\",\"transferFormats\":[\"Text\",\"Binary\"]}]}"
    );
}
