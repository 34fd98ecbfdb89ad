use super::*;
use proptest::prelude::*;

fn read(method: &Method, tail: &str, query: &str, accept: &str) -> Result<Request, Fault> {
    read_with(0, method, tail, query, accept, false)
}

fn read_with(
    min: u8,
    method: &Method,
    tail: &str,
    query: &str,
    accept: &str,
    is_websocket_upgrade: bool,
) -> Result<Request, Fault> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, accept.parse().unwrap());
    let query = Some(query);
    Request::read(min, &Head { tail, method, query, headers: &headers, is_websocket_upgrade })
}

fn refusal(result: Result<Request, Fault>) -> (u16, String) {
    let fault = result.unwrap_err();
    (fault.status, fault.text.to_string())
}

fn version(min: u8, query: &str) -> Result<NegotiateVersion, String> {
    let request = read_with(min, &Method::POST, "/negotiate", query, "*/*", false);
    let Ok(Request::Negotiate { version, .. }) = request else { panic!("{request:?}") };
    version.map_err(|text| text.to_string())
}

#[test]
fn negotiate_versions() {
    use NegotiateVersion::{V0, V1};
    assert_eq!(version(0, ""), Ok(V0));
    assert_eq!(version(0, "negotiateVersion=0"), Ok(V0));
    assert_eq!(version(0, "a=b&NEGOTIATEVERSION=1"), Ok(V1));
    assert_eq!(version(1, "negotiateVersion=17"), Ok(V1));
    for text in ["", "x", "1.0", "99999999999"] {
        assert_eq!(
            version(0, &format!("negotiateVersion={text}")).unwrap_err(),
            "The client requested a non-integer protocol version."
        );
    }
    for query in ["", "negotiateVersion=0"] {
        assert_eq!(
            version(1, query).unwrap_err(),
            "The client requested version '0', but the server does not support this version."
        );
    }
    assert!(version(0, "negotiateVersion=-1").unwrap_err().contains("'-1'"));
}

#[test]
fn negotiate_is_a_post() {
    assert_eq!(refusal(read(&Method::GET, "/negotiate", "", "*/*")).0, 405);
    assert_eq!(refusal(read(&Method::POST, "/other", "", "*/*")).0, 404);
    let stateful = read(&Method::POST, "/negotiate", "usestatefulreconnect=True", "*/*");
    assert!(matches!(stateful, Ok(Request::Negotiate { stateful: true, .. })));
}

#[test]
fn one_path_many_requests() {
    let token = || ByteString::from("a+b/=");
    let query = "ID=a%2Bb%2f%3D&_=1";
    let is = |method, accept| read(&method, "", query, accept).unwrap();
    assert_eq!(is(Method::GET, "*/*"), Request::Poll { token: token() });
    assert_eq!(is(Method::GET, "text/event-stream"), Request::EventStream { token: token() });
    assert_eq!(
        is(Method::GET, "text/html, Text/Event-Stream;q=0.5"),
        Request::EventStream { token: token() }
    );
    assert_eq!(is(Method::POST, "text/event-stream"), Request::Send { token: token() });
    assert_eq!(is(Method::DELETE, "*/*"), Request::Delete { token: token() });
    let connect = |method, query| read_with(0, &method, "", query, "*/*", true).unwrap();
    assert_eq!(connect(Method::GET, query), Request::Connect { token: Some(token()) });
    assert_eq!(connect(Method::CONNECT, "id="), Request::Connect { token: None });
}

#[test]
fn refusals() {
    let required = (400, "Connection ID required".to_owned());
    for method in [Method::GET, Method::POST, Method::DELETE] {
        assert_eq!(refusal(read(&method, "/", "id=", "text/event-stream")), required);
    }
    assert_eq!(refusal(read(&Method::PUT, "", "id=a", "*/*")).0, 405);
    assert_eq!(answers::no_connection().text, "No Connection with that ID");
    assert_eq!(
        answers::transport_off(crate::Transport::ServerSentEvents).text,
        "ServerSentEvents transport not supported by this end point type"
    );
}

proptest! {
    #[test]
    fn any_query_is_read(query in "[ -~]{0,40}") {
        let _ = read(&Method::GET, "", &query, "*/*");
    }
}
