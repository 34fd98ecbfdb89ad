use super::*;

fn found(method: &'static str, path: &'static str) -> Found<'static> {
    let service = Service { scripts: true, ..Service::default() };
    find(&service, &Request { method, path, ..Request::default() })
}

/// Answers in scripts are for those who ask for them.
#[test]
fn cve_2020_8823_answers_in_scripts_are_off_by_default() {
    for (method, path) in
        [("GET", "/0/s/jsonp?c=x"), ("POST", "/0/s/jsonp_send"), ("GET", "/0/s/htmlfile?c=x")]
    {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = Request { method, path, query: Some(query), ..Request::default() };
        assert_eq!(status(&find(&Service::default(), &request)), 404, "{path}");
        assert_ne!(status(&found(method, path)), 404, "{path}");
    }
}

fn status(found: &Found<'_>) -> u16 {
    match found {
        Found::Answered(response) => response.status,
        _ => 0,
    }
}

#[test]
fn transports_are_found() {
    assert_eq!(found("GET", "/websocket"), Found::RawWebSocket);
    assert_eq!(found("GET", "/websocket/"), Found::RawWebSocket);
    assert_eq!(found("GET", "/0/s/websocket"), Found::WebSocket);
    for (method, path, carrier, dress) in [
        ("POST", "/0/s/xhr", Carrier::LongPoll, Dress::Lines),
        ("POST", "/0/s/xhr_streaming/", Carrier::Streaming, Dress::Lines),
        ("GET", "/0/s/eventsource", Carrier::EventStream, Dress::EventSource),
    ] {
        let Found::Receive { session, carrier: as_carrier, dress: as_dress, head } =
            found(method, path)
        else {
            panic!("{path}")
        };
        assert_eq!((session, as_carrier, &as_dress), ("s", carrier, &dress));
        assert_eq!(head.status, 200);
        assert_eq!(head.get("X-Accel-Buffering"), Some("no"));
    }
    assert!(matches!(
        found("POST", "/0/s/xhr_send"),
        Found::Send { session: "s", form: false, .. }
    ));
    assert!(matches!(found("POST", "/0/s/jsonp_send"), Found::Send { form: true, .. }));
}

#[test]
fn what_is_not_there() {
    for path in ["echo", "/info/x", "//info", "/0/s/XHR", "/0/s/xhr//", "/0/s", "/0/s/xhr/x", "/.."]
    {
        assert_eq!(status(&found("GET", path)), 404, "{path}");
    }
}

#[test]
fn methods() {
    for (method, path, allow) in [
        ("POST", "/", "GET"),
        ("PUT", "/info", "OPTIONS, GET"),
        ("GET", "/0/s/xhr", "POST, OPTIONS"),
        ("GET", "/0/s/xhr_send", "POST, OPTIONS"),
        ("POST", "/0/s/eventsource", "GET"),
        ("GET", "/0/s/jsonp_send", "POST"),
        ("HEAD", "/iframe.html", "GET"),
    ] {
        let Found::Answered(response) = found(method, path) else { panic!("{path}") };
        assert_eq!((response.status, response.get("allow")), (405, Some(allow)));
        assert!(response.body.is_empty());
    }
}

#[test]
fn cacheable_answers_expire_in_a_year() {
    let request =
        Request { method: "OPTIONS", path: "/info", now_unix: 784_111_777, ..Request::default() };
    let Found::Answered(response) = find(&Service::default(), &request) else {
        panic!("no answer")
    };
    assert_eq!(response.get("expires"), Some("Mon, 06 Nov 1995 08:49:37 GMT"));
}

#[test]
fn the_client_url_cannot_leave_its_attribute() {
    let service = Service { client_url: "/a?b&c\"><script>".into(), ..Service::default() };
    let request = Request { method: "GET", path: "/iframe.html", ..Request::default() };
    let Found::Answered(response) = find(&service, &request) else { panic!("no answer") };
    let page = std::str::from_utf8(&response.body).unwrap();
    assert!(page.contains("src=\"/a?b&amp;c&quot;>&lt;script>\""));
}
