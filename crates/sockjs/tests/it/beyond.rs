//! What the official suite cannot see (`protocols/sockjs.md`, sections 2, 4 and 5).

use crate::server::{App, Server};
use omniwire_session::{Detached, Input, Link, Reason, Refusal};
use omniwire_sockjs::request::Request;
use proptest::prelude::*;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn sockjs_4_1_event_source_escapes_percent() {
    let mut server = Server::echo();
    let stream = server.get_async("/000/s/eventsource", None);
    server.post("/000/s/xhr_send", "[\"100% %41\"]");
    let last = server.chunks(stream).last().unwrap();
    assert_eq!(last, "data: a[\"100%25 %2541\"]\r\n\r\n");
}

#[test]
fn sockjs_4_2_lone_surrogates_come_back_as_they_went() {
    let mut server = Server::echo();
    server.post("/000/s/xhr", "");
    assert_eq!(server.post("/000/s/xhr_send", r#"["\ud800","\ud83d\ude00 \uDC00"]"#).status, 204);
    let body = server.post("/000/s/xhr", "").body();
    assert_eq!(body, "a[\"\\ud800\",\"\\ud83d\\ude00 \\uDC00\"]\n");
    let (socket, name) = server.websocket();
    server.say(&name, r#"["\ud800"]"#).unwrap();
    assert_eq!(server.chunks(socket)[1], r#"a["\ud800"]"#);
}

#[test]
fn bodies_that_are_not_utf8_cost_no_session() {
    let mut server = Server::echo();
    server.post("/000/s/xhr", "");
    let request = Request { method: "POST", path: "/000/s/xhr_send", ..Request::default() };
    let number = server.start(request, b"[\"\xff\"]");
    assert_eq!(server.exchanges[number].status, 204);
    assert_eq!(server.post("/000/s/xhr", "").body(), "a[\"\\ufffd\"]\n");
}

#[test]
fn sockjs_4_4_no_second_open() {
    let mut server = Server::echo();
    let first = server.post_async("/000/s/xhr_streaming", "");
    server.post("/000/s/xhr_send", &format!("[\"{}\"]", "x".repeat(5000)));
    assert!(server.exchanges[first].ended);
    server.sleep(4 * SECOND);
    let second = server.post_async("/000/s/xhr_streaming", "");
    server.post("/000/s/xhr_send", "[\"a\"]");
    assert_eq!(server.chunks(second)[1..], ["a[\"a\"]\n"]);
}

#[test]
fn a_session_that_expired_opens_anew() {
    let mut server = Server::echo();
    server.post("/000/s/xhr", "");
    server.sleep(Duration::from_millis(4900));
    assert!(server.sessions.contains_key("s"));
    server.sleep(Duration::from_millis(200));
    assert!(server.sessions.is_empty());
    assert_eq!(server.post("/000/s/xhr_send", "[\"a\"]").status, 404);
    assert_eq!(server.post("/000/s/xhr", "").body(), "o\n");
}

#[test]
fn sockjs_4_5_the_limit_is_a_threshold() {
    let mut server = Server::echo();
    server.config.response_len_max = 10;
    let stream = server.post_async("/000/s/xhr_streaming", "");
    // 2 bytes of `o`, then 7: still open.
    server.post("/000/s/xhr_send", "[\"a\"]");
    assert!(!server.exchanges[stream].ended);
    server.post("/000/s/xhr_send", "[\"whole all the same\"]");
    assert!(server.exchanges[stream].ended);
    assert_eq!(server.chunks(stream)[3], "a[\"whole all the same\"]\n");
}

#[test]
fn messages_that_wait_together_respect_the_limit() {
    let mut server = Server::echo();
    server.config.response_len_max = 20;
    server.post("/000/s/xhr", "");
    let bodies: Vec<String> = (0..10).map(|n| format!("\"message {n}\"")).collect();
    server.post("/000/s/xhr_send", &format!("[{}]", bodies.join(",")));
    let mut seen = Vec::new();
    for _ in 0..10 {
        if seen.len() == 10 {
            break;
        }
        let stream = server.post_async("/000/s/xhr_streaming", "");
        assert!(server.exchanges[stream].ended);
        let body = server.chunks(stream)[1..].concat();
        assert!(body.len() < 20 + 16, "{body}");
        let frame = body.strip_prefix('a').unwrap();
        seen.extend(serde_json::from_str::<Vec<String>>(frame).unwrap());
    }
    let expected: Vec<String> = (0..10).map(|n| format!("message {n}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn sockjs_4_6_the_newcomer_is_refused_across_transports() {
    let mut server = Server::echo();
    let stream = server.get_async("/000/s/eventsource", None);
    let refused = "c[2010,\"Another connection still open\"]\n";
    assert_eq!(server.post("/000/s/xhr", "").body(), refused);
    let second = server.get_async("/000/s/jsonp", Some("c=x"));
    assert_eq!(
        server.exchanges[second].body(),
        "/**/x(\"c[2010,\\\"Another connection still open\\\"]\");\r\n"
    );
    assert!(!server.exchanges[stream].ended);
    server.post("/000/s/xhr_send", "[\"a\"]");
    assert_eq!(server.chunks(stream).len(), 3, "the first is intact");
}

#[test]
fn sockjs_4_7_messages_come_before_the_close_frame() {
    let mut server = Server::echo();
    server.post("/000/s/xhr", "");
    server.emit("s", "one");
    server.emit("s", "two");
    server.kick("s", 3001, "done");
    assert_eq!(server.post("/000/s/xhr", "").body(), "a[\"one\",\"two\"]\n");
    for _ in 0..4 {
        assert_eq!(server.post("/000/s/xhr", "").body(), "c[3001,\"done\"]\n");
        server.sleep(4 * SECOND);
    }
    assert_eq!(server.post("/000/s/xhr_send", "[\"late\"]").status, 404);
    server.sleep(2 * SECOND);
    assert_eq!(server.post("/000/s/xhr", "").body(), "o\n");
}

#[test]
fn a_waiting_poll_gets_the_close_frame() {
    let mut server = Server::echo();
    server.post("/000/s/xhr", "");
    let waiting = server.post_async("/000/s/xhr", "");
    server.kick("s", 3000, "Go away!");
    assert_eq!(server.exchanges[waiting].body(), "c[3000,\"Go away!\"]\n");
    assert_eq!(server.sessions["s"].left, Some(Reason::Kicked), "rooms hear of it at once");
    assert_eq!(server.post("/000/s/xhr", "").body(), "c[3000,\"Go away!\"]\n");
}

#[test]
fn a_kick_without_words() {
    let mut server = Server::echo();
    server.post("/000/s/xhr", "");
    server.input("s", Input::Kick { link: Link::FIRST, whole: false, close: None }).unwrap();
    assert_eq!(server.post("/000/s/xhr", "").body(), "c[1000,\"Normal closure\"]\n");
}

#[test]
fn sockjs_4_8_an_abort_ends_the_session_a_full_answer_does_not() {
    let mut server = Server::echo();
    let stream = server.post_async("/000/s/xhr_streaming", "");
    server.abort("s", stream);
    assert!(server.sessions.is_empty());

    let first = server.post_async("/000/s/xhr", "");
    assert!(server.exchanges[first].ended);
    server.abort("s", first);
    assert!(server.sessions.contains_key("s"), "it was answered before");
}

#[test]
fn heartbeats_on_every_transport() {
    let mut server = Server::echo();
    server.post("/000/p/xhr", "");
    let poll = server.post_async("/000/p/xhr", "");
    let stream = server.post_async("/000/s/xhr_streaming", "");
    let (socket, _) = server.websocket();
    server.sleep(24 * SECOND);
    assert!(!server.exchanges[poll].ended);
    server.sleep(SECOND);
    assert_eq!(server.exchanges[poll].body(), "h\n");
    assert_eq!(server.chunks(stream)[1..], ["o\n", "h\n"]);
    assert_eq!(server.chunks(socket), ["o", "h"]);
    server.sleep(25 * SECOND);
    assert_eq!(server.chunks(socket), ["o", "h", "h"]);
    assert!(!server.sessions.contains_key("p"), "the answered poll was the last one");
}

#[test]
fn sockjs_4_17_a_forgotten_stream_is_ended() {
    let mut server = Server::echo();
    let stream = server.post_async("/000/s/xhr_streaming", "");
    server.sleep(600 * SECOND);
    assert!(server.exchanges[stream].ended);
    assert!(server.sessions.contains_key("s"));
    server.sleep(5 * SECOND);
    assert!(server.sessions.is_empty());
}

#[test]
fn sockjs_4_10_long_callbacks_are_refused_in_jsonp_only() {
    let mut server = Server::echo();
    let query = format!("callback={}", "x".repeat(33));
    let number = server.get_async("/0/s/jsonp", Some(&query));
    assert_eq!(server.exchanges[number].status, 500);
    let number = server.get_async("/0/s/htmlfile", Some(&query));
    assert_eq!(server.exchanges[number].status, 200);
}

#[test]
fn sockjs_4_11_cors_is_the_same_everywhere() {
    for (method, path) in [
        ("GET", "/0/s/eventsource"),
        ("POST", "/0/s/xhr"),
        ("POST", "/0/s/xhr_send"),
        ("GET", "/info"),
    ] {
        for (origin, allowed, credentials) in [
            (None, "*", None),
            (Some("null"), "null", Some("true")),
            (Some("https://a.example"), "https://a.example", Some("true")),
        ] {
            let mut server = Server::echo();
            let number =
                server.start(Request { method, path, origin, ..Request::default() }, b"[]");
            let exchange = &server.exchanges[number];
            assert_eq!(exchange.header("access-control-allow-origin"), Some(allowed), "{path}");
            assert_eq!(exchange.header("access-control-allow-credentials"), credentials);
            assert_eq!(exchange.header("vary"), Some("Origin"));
        }
    }
}

#[test]
fn without_cors_there_are_no_such_headers_and_no_iframe() {
    let mut server = Server::echo();
    server.service.cors = false;
    for (method, path) in [
        ("GET", "/0/s/eventsource"),
        ("POST", "/0/t/xhr"),
        ("OPTIONS", "/0/t/xhr"),
        ("OPTIONS", "/info"),
        ("GET", "/info"),
    ] {
        let request = Request { method, path, origin: Some("x"), ..Request::default() };
        let number = server.start(request, b"");
        let exchange = &server.exchanges[number];
        assert!(!exchange.headers.keys().any(|name| name.starts_with("access-control")), "{path}");
    }
    assert_eq!(server.get("/iframe.html").status, 404);
}

#[test]
fn sockjs_4_12_tags_in_lists_weak_and_starred() {
    let mut server = Server::echo();
    let etag = server.get("/iframe.html").header("etag").unwrap().to_owned();
    let list = format!("\"other\", W/{etag}");
    for (tags, status) in [("*", 304), (&*list, 304), ("\"other\"", 200)] {
        let request = Request {
            method: "GET",
            path: "/iframe.html",
            if_none_match: Some(tags),
            ..Request::default()
        };
        let number = server.start(request, b"");
        assert_eq!(server.exchanges[number].status, status);
        assert_eq!(server.exchanges[number].header("etag"), Some(&*etag));
    }
    server.service.client_url = "http://localhost:8090/sockjs.min.js".into();
    let exchange = server.get("/iframe.html");
    assert_ne!(exchange.header("etag"), Some(&*etag));
    assert!(exchange.body().contains("src=\"http://localhost:8090/sockjs.min.js\""));
}

#[test]
fn sockjs_4_13_names_keep_escapes_and_case() {
    let mut server = Server::echo();
    assert_eq!(server.post("/0/a%2Eb/xhr", "").body(), "o\n");
    assert!(server.sessions.contains_key("a%2Eb"));
    assert_eq!(server.post("/0/A%2Eb/xhr", "").body(), "o\n", "another session");
    assert_eq!(server.post("/0/A%2Eb/xhr_send/", "[]").status, 204, "a slash more is fine");
}

#[test]
fn sockjs_4_14_websockets_take_bare_strings() {
    let mut server = Server::echo();
    let (socket, name) = server.websocket();
    server.say(&name, "\"a\"").unwrap();
    server.say(&name, " [ \"b\" , \"c\" ] ").unwrap();
    assert_eq!(server.chunks(socket)[1..], ["a[\"a\"]", "a[\"b\"]", "a[\"c\"]"]);
    server.detach(&name, socket, Detached::Closed { code: 1001 });
    assert!(server.sessions.is_empty());
}

#[test]
fn a_websocket_where_it_is_off_is_not_found() {
    let mut server = Server::echo();
    server.service.websocket = false;
    for path in ["/0/s/websocket", "/websocket"] {
        assert_eq!(server.get(path).status, 404);
    }
}

#[test]
fn info_names_the_base_url() {
    let mut server = Server::echo();
    server.service.base_url = Some("http://127.0.0.1:8081/echo".into());
    let body = server.get("/info").body();
    assert!(body.ends_with(",\"base_url\":\"http://127.0.0.1:8081/echo\"}"), "{body}");
}

#[test]
fn messages_cannot_end_the_script_of_an_htmlfile() {
    let mut server = Server::echo();
    let stream = server.get_async("/0/s/htmlfile", Some("c=x"));
    server.post("/0/s/xhr_send", "[\"</script><script>alert(1)</script>\"]");
    let last = server.chunks(stream).last().unwrap();
    assert_eq!(last.matches("</script>").count(), 1);
    let argument = last.split_once("p(").unwrap().1.split_once(");\n").unwrap().0;
    let frame: String = serde_json::from_str(argument).unwrap();
    assert_eq!(frame, "a[\"</script><script>alert(1)</script>\"]");
}

#[test]
fn unknown_types_of_bodies_are_refused() {
    let mut server = Server::echo();
    server.post("/0/s/xhr", "");
    let request = Request {
        method: "POST",
        path: "/0/s/xhr_send",
        content_type: Some("image/png"),
        ..Request::default()
    };
    let number = server.start(request, b"[\"a\"]");
    assert_eq!(server.exchanges[number].status, 500);
}

#[test]
fn too_many_messages_are_refused() {
    let mut server = Server::new(App::Quiet);
    server.post("/0/s/xhr", "");
    let body = |count| format!("[{}]", vec!["\"\""; count].join(","));
    assert_eq!(server.post("/0/s/xhr_send", &body(10_000)).status, 204);
    assert_eq!(server.post("/0/s/xhr_send", &body(10_001)).status, 413);
    assert_eq!(server.sessions["s"].heard.len(), 10_000);
}

#[test]
fn open_comes_before_the_application_has_decided() {
    let mut server = Server::new(App::Quiet);
    assert_eq!(server.post("/0/s/xhr", "").body(), "o\n");
    let refusal = Refusal::new("not \"you\"");
    server.input("s", Input::Refuse { link: Link::FIRST, refusal }).unwrap();
    assert_eq!(server.sessions["s"].left, None, "it never was in");
    assert_eq!(server.post("/0/s/xhr", "").body(), "c[1008,\"not \\\"you\\\"\"]\n");
}

#[test]
fn shutting_down_tells_who_listens() {
    let mut server = Server::echo();
    let stream = server.post_async("/0/s/xhr_streaming", "");
    let (socket, name) = server.websocket();
    for name in ["s", &name] {
        server.input(name, Input::Close { reason: Reason::Shutdown }).unwrap();
    }
    let frame = "c[1001,\"server shutting down\"]";
    assert_eq!(server.chunks(stream)[2], format!("{frame}\n"));
    assert_eq!(server.chunks(socket)[1], frame);
    assert!(server.exchanges[stream].ended && server.exchanges[socket].ended);
    assert!(server.sessions.is_empty());
}

#[test]
fn a_heartbeat_that_waited_too_long_is_dropped() {
    let mut server = Server::echo();
    server.post("/0/s/xhr", "");
    server.sessions.get_mut("s").unwrap().push("h");
    server.emit("s", "one");
    server.sessions.get_mut("s").unwrap().push("h");
    server.emit("s", "two");
    assert_eq!(server.post("/0/s/xhr", "").body(), "a[\"one\"]\n");
    assert_eq!(server.post("/0/s/xhr", "").body(), "a[\"two\"]\n");
}

/// The messages of a chunk of `xhr_streaming`, by a strict reader.
fn messages(chunk: &str) -> Vec<String> {
    let line = chunk.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'));
    serde_json::from_str(line.strip_prefix('a').unwrap()).unwrap()
}

proptest! {
    #[test]
    fn texts_round_trip_and_forge_nothing(
        texts in prop::collection::vec(any::<String>(), 1..4)
    ) {
        let mut server = Server::new(App::Quiet);
        let lines = server.post_async("/0/a/xhr_streaming", "");
        let events = server.get_async("/0/b/eventsource", None);
        let scripts = server.get_async("/0/c/htmlfile", Some("c=x"));
        for name in ["a", "b", "c"] {
            for text in &texts {
                server.emit(name, text);
            }
            server.flush(name);
        }
        // All that waited together is one frame.
        prop_assert_eq!(&messages(&server.chunks(lines)[2]), &texts);

        let event = server.chunks(events)[2].clone();
        let data = event.strip_prefix("data: ").unwrap().strip_suffix("\r\n\r\n").unwrap();
        prop_assert!(!data.contains(['\r', '\n', '\0']));
        let data = percent_encoding::percent_decode_str(data).decode_utf8().unwrap();
        prop_assert_eq!(&messages(&format!("{data}\n")), &texts);

        let script = server.chunks(scripts)[2].clone();
        let argument = script.strip_prefix("<script>\np(").unwrap();
        let argument = argument.strip_suffix(");\n</script>\r\n").unwrap();
        prop_assert!(!argument.contains(['<', '\n']));
        let frame: String = serde_json::from_str(argument).unwrap();
        prop_assert_eq!(&messages(&format!("{frame}\n")), &texts);
    }

    #[test]
    fn any_body_is_answered(body in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut server = Server::echo();
        server.post("/0/s/xhr", "");
        for (path, content_type) in [
            ("/0/s/xhr_send", "text/plain"),
            ("/0/s/jsonp_send", "application/x-www-form-urlencoded"),
        ] {
            let content_type = Some(content_type);
            let request = Request { method: "POST", path, content_type, ..Request::default() };
            let number = server.start(request, &body);
            prop_assert!(matches!(server.exchanges[number].status, 200 | 204 | 500));
        }
    }

    #[test]
    fn any_request_is_answered(
        method in "GET|POST|OPTIONS|PUT|",
        path in "(/(info|iframe|s|xhr|jsonp|htmlfile|websocket|xhr_send|\\.|%2f|\\PC{0,3})){0,5}/?",
        query in proptest::option::of("(c|callback|\\PC)=\\PC{0,5}(&[^#]{0,4}){0,2}"),
    ) {
        let mut server = Server::echo();
        let request = Request {
            method: &method,
            path: &path,
            query: query.as_deref(),
            ..Request::default()
        };
        let number = server.start(request, b"[]");
        prop_assert_ne!(server.exchanges[number].status, 0);
    }
}
