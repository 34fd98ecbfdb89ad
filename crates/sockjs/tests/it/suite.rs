//! The official suite, test by test; a module is a class of it.

use crate::server::{App, Exchange, Server};
use omniwire_sockjs::request::Request;

fn verify_404(exchange: &Exchange) {
    assert_eq!(exchange.status, 404);
}

fn verify_405(exchange: &Exchange) {
    assert_eq!(exchange.status, 405);
    assert_eq!(exchange.header("content-type"), None);
    assert!(exchange.header("allow").is_some());
    assert_eq!(exchange.body(), "");
}

fn verify_cors(exchange: &Exchange, origin: Option<&str>) {
    assert_eq!(exchange.header("access-control-allow-origin"), Some(origin.unwrap_or("*")));
    let credentials = exchange.header("access-control-allow-credentials");
    assert_eq!(credentials, origin.map(|_| "true"));
}

fn verify_not_cached(exchange: &Exchange) {
    let control = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
    assert_eq!(exchange.header("cache-control"), Some(control));
    assert_eq!(exchange.header("expires"), None);
    assert_eq!(exchange.header("last-modified"), None);
}

fn verify_options(server: &mut Server, path: &str, methods: &str) {
    for origin in ["test", "null"] {
        let request =
            Request { method: "OPTIONS", path, origin: Some(origin), ..Request::default() };
        let number = server.start(request, b"");
        let exchange = &server.exchanges[number];
        assert_eq!(exchange.status, 204);
        assert_eq!(exchange.header("cache-control"), Some("public, max-age=31536000"));
        assert!(exchange.header("expires").is_some());
        assert_eq!(exchange.header("access-control-max-age"), Some("31536000"));
        assert_eq!(exchange.header("access-control-allow-methods"), Some(methods));
        assert_eq!(exchange.body(), "");
        verify_cors(exchange, Some(origin));
    }
}

const XHR: &str = "application/javascript; charset=UTF-8";
const TEXT: &str = "text/plain; charset=UTF-8";

mod base_url_greeting {
    use super::*;

    #[test]
    fn test_greeting() {
        for path in ["", "/"] {
            let mut server = Server::echo();
            let exchange = server.get(path);
            assert_eq!(exchange.status, 200);
            assert_eq!(exchange.header("content-type"), Some(TEXT));
            assert_eq!(exchange.body(), "Welcome to SockJS!\n");
            assert_eq!(exchange.header("set-cookie"), None);
        }
    }

    #[test]
    fn test_not_found() {
        for path in ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/"] {
            verify_404(Server::echo().get(path));
        }
    }
}

mod iframe_page {
    use super::*;

    #[test]
    fn test_urls() {
        for path in [
            "/iframe.html",
            "/iframe-a.html",
            "/iframe-.html",
            "/iframe-0.1.2.html",
            "/iframe-0.1.2abc-dirty.2144.html",
        ] {
            let mut server = Server::echo();
            let number = server.get_async(path, Some("t=1234"));
            let exchange = &server.exchanges[number];
            assert_eq!(exchange.status, 200, "{path}");
            assert_eq!(exchange.header("content-type"), Some("text/html; charset=UTF-8"));
            assert_eq!(exchange.header("cache-control"), Some("public, max-age=31536000"));
            assert!(exchange.header("expires").is_some());
            assert!(exchange.header("etag").is_some());
            assert_eq!(exchange.header("last-modified"), None);
            assert_eq!(exchange.header("set-cookie"), None);
            assert_eq!(exchange.header("x-frame-options"), None);
            let url = "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js";
            assert!(exchange.body().contains(&format!("<script src=\"{url}\"></script>")));
            assert!(exchange.body().starts_with("<!DOCTYPE html>\n<html>\n<head>\n"));
        }
    }

    #[test]
    fn test_invalid_url() {
        for path in [
            "/iframe.htm",
            "/iframe",
            "/IFRAME.HTML",
            "/IFRAME",
            "/iframe.HTML",
            "/iframe.xml",
            "/iframe-/.html",
        ] {
            verify_404(Server::echo().get(path));
        }
    }

    #[test]
    fn test_cacheability() {
        let mut server = Server::echo();
        let etag = server.get("/iframe.html").header("etag").unwrap().to_owned();
        assert_eq!(server.get("/iframe.html").header("etag"), Some(&*etag));
        let request = Request {
            method: "GET",
            path: "/iframe.html",
            if_none_match: Some(&etag),
            ..Request::default()
        };
        let number = server.start(request, b"");
        let exchange = &server.exchanges[number];
        assert_eq!(exchange.status, 304);
        assert_eq!(exchange.header("content-type"), None);
        assert_eq!(exchange.body(), "");
    }
}

mod info_test {
    use super::*;

    #[test]
    fn test_basic() {
        let mut server = Server::echo();
        let request =
            Request { method: "GET", path: "/info", origin: Some("test"), ..Request::default() };
        let number = server.start(request, b"");
        let exchange = &server.exchanges[number];
        assert_eq!(exchange.status, 200);
        let json = "application/json; charset=UTF-8";
        assert_eq!(exchange.header("content-type"), Some(json));
        assert_eq!(exchange.header("set-cookie"), None);
        verify_not_cached(exchange);
        verify_cors(exchange, Some("test"));
        let data: serde_json::Value = serde_json::from_str(&exchange.body()).unwrap();
        assert_eq!(
            data,
            serde_json::json!({
                "websocket": true, "origins": ["*:*"], "cookie_needed": false, "entropy": 0
            })
        );
    }

    #[test]
    fn test_entropy() {
        let mut server = Server::echo();
        let first = server.get("/info").body();
        assert_ne!(first, server.get("/info").body());
    }

    #[test]
    fn test_options() {
        verify_options(&mut Server::echo(), "/info", "OPTIONS, GET");
    }

    #[test]
    fn test_disabled_websocket() {
        let mut server = Server::echo();
        server.service.websocket = false;
        let data: serde_json::Value = serde_json::from_str(&server.get("/info").body()).unwrap();
        assert_eq!(data["websocket"], false);
    }
}

mod session_urls {
    use super::*;

    #[test]
    fn test_any_value() {
        for part in ["/a/a", "/_/_", "/1/", "/1/1", "/abcdefgh_i-j%20/abcdefg_i-j%20"] {
            let mut server = Server::echo();
            let part = format!("{part}7");
            let exchange = server.post(&format!("{part}/xhr"), "");
            assert_eq!((exchange.status, exchange.body()), (200, "o\n".into()));
        }
    }

    #[test]
    fn test_invalid_paths() {
        for suffix in ["//", "/a./a", "/a/a.", "/./.", "/", "///"] {
            let path = format!("{suffix}/xhr");
            verify_404(Server::echo().get(&path));
            verify_404(Server::echo().post(&path, ""));
        }
    }

    #[test]
    fn test_ignoring_server_id() {
        let mut server = Server::echo();
        assert_eq!(server.post("/000/s/xhr", "").body(), "o\n");
        assert_eq!(server.post("/000/s/xhr_send", "[\"a\"]").status, 204);
        assert_eq!(server.post("/999/s/xhr", "").body(), "a[\"a\"]\n");
    }
}

mod protocol {
    use super::*;

    #[test]
    fn test_simple_session() {
        let mut server = Server::echo();
        assert_eq!(server.post("/000/s/xhr", "").body(), "o\n");
        let exchange = server.post("/000/s/xhr_send", "[\"a\"]");
        assert_eq!((exchange.status, exchange.body()), (204, String::new()));
        assert_eq!(server.post("/000/s/xhr", "").body(), "a[\"a\"]\n");
        verify_404(server.post("/000/bad_session/xhr_send", "[\"a\"]"));

        let waiting = server.post_async("/000/s/xhr", "");
        let exchange = server.post("/000/s/xhr", "");
        assert_eq!(exchange.body(), "c[2010,\"Another connection still open\"]\n");
        assert_eq!(exchange.status, 200);
        assert!(!server.exchanges[waiting].ended, "the first stays intact");
    }

    #[test]
    fn test_close_session() {
        let mut server = Server::new(App::Close);
        assert_eq!(server.post("/000/s/xhr", "").body(), "o\n");
        for _ in 0..3 {
            let exchange = server.post("/000/s/xhr", "");
            assert_eq!((exchange.status, &*exchange.body()), (200, "c[3000,\"Go away!\"]\n"));
        }
    }
}

mod websocket_http_errors {
    use super::*;
    use omniwire_sockjs::request::not_a_websocket;

    #[test]
    fn test_http_method() {
        assert_eq!(not_a_websocket().status, 400);
        assert_eq!(not_a_websocket().body, "Not a valid websocket request");
    }

    #[test]
    fn test_invalid_method() {
        for path in ["/0/0/websocket", "/websocket"] {
            verify_405(Server::echo().post(path, ""));
        }
    }
}

mod websocket {
    use super::*;

    #[test]
    fn test_transport() {
        let mut server = Server::echo();
        let (number, name) = server.websocket();
        server.say(&name, "[\"a\"]").unwrap();
        assert_eq!(server.chunks(number), ["o", "a[\"a\"]"]);
    }

    #[test]
    fn test_close() {
        let mut server = Server::new(App::Close);
        let (number, _) = server.websocket();
        assert_eq!(server.chunks(number), ["o", "c[3000,\"Go away!\"]"]);
        assert!(server.exchanges[number].ended);
        let close = server.exchanges[number].close.clone();
        assert_eq!(close, Some((Some(1000), "Normal closure".into())));
    }

    #[test]
    fn test_empty_frame() {
        let mut server = Server::echo();
        let (number, name) = server.websocket();
        for text in ["", "[]", "[\"a\"]"] {
            server.say(&name, text).unwrap();
        }
        assert_eq!(server.chunks(number), ["o", "a[\"a\"]"]);
    }

    #[test]
    fn test_reuse_session_id() {
        let mut server = Server::echo();
        let (first, first_name) = server.websocket();
        let (second, second_name) = server.websocket();
        server.say(&first_name, "[\"a\"]").unwrap();
        server.say(&second_name, "[\"b\"]").unwrap();
        assert_eq!(server.chunks(first), ["o", "a[\"a\"]"]);
        assert_eq!(server.chunks(second), ["o", "a[\"b\"]"]);
        verify_404(server.post("/000/name/xhr_send", "[\"a\"]"));
    }

    #[test]
    fn test_broken_json() {
        let mut server = Server::echo();
        let (number, name) = server.websocket();
        server.say(&name, "[\"a").unwrap_err();
        assert_eq!(server.chunks(number), ["o"]);
        let close = server.exchanges[number].close.clone();
        assert_eq!(close, Some((Some(3000), "Broken framing.".into())));
    }
}

mod xhr_polling {
    use super::*;

    #[test]
    fn test_options() {
        for path in ["/abc/abc/xhr", "/abc/abc/xhr_send"] {
            verify_options(&mut Server::echo(), path, "OPTIONS, POST");
        }
    }

    #[test]
    fn test_transport() {
        let mut server = Server::echo();
        let mut post = |path, body: &str| {
            let request =
                Request { method: "POST", path, origin: Some("test"), ..Request::default() };
            let number = server.start(request, body.as_bytes());
            std::mem::take(&mut server.exchanges[number])
        };
        let opened = post("/000/s/xhr", "");
        assert_eq!((opened.status, &*opened.body()), (200, "o\n"));
        assert_eq!(opened.header("content-type"), Some(XHR));
        verify_cors(&opened, Some("test"));
        verify_not_cached(&opened);

        let sent = post("/000/s/xhr_send", "[\"x\"]");
        assert_eq!((sent.status, &*sent.body()), (204, ""));
        assert_eq!(sent.header("content-type"), Some(TEXT));
        verify_cors(&sent, Some("test"));
        verify_not_cached(&sent);
        assert_eq!(post("/000/s/xhr", "").body(), "a[\"x\"]\n");
    }

    #[test]
    fn test_invalid_json() {
        let mut server = Server::echo();
        server.post("/000/s/xhr", "");
        for (body, text) in [
            ("[\"x", "Broken JSON encoding."),
            ("", "Payload expected."),
            ("{\"a\":1}", "Payload expected."),
            ("\"a\"", "Payload expected."),
            ("null", "Payload expected."),
        ] {
            let exchange = server.post("/000/s/xhr_send", body);
            assert_eq!((exchange.status, &*exchange.body()), (500, text));
            verify_cors(exchange, None);
        }
        assert_eq!(server.post("/000/s/xhr_send", "[\"a\"]").status, 204);
        assert_eq!(server.post("/000/s/xhr", "").body(), "a[\"a\"]\n");
    }

    #[test]
    fn test_content_types() {
        let mut server = Server::echo();
        server.post("/000/s/xhr", "");
        for content_type in [
            "text/plain",
            "T",
            "application/json",
            "application/xml",
            "",
            "application/json; charset=utf-8",
            "text/xml; charset=utf-8",
            "text/xml",
        ] {
            let request = Request {
                method: "POST",
                path: "/000/s/xhr_send",
                content_type: Some(content_type),
                ..Request::default()
            };
            let number = server.start(request, b"[\"a\"]");
            assert_eq!(server.exchanges[number].status, 204, "{content_type}");
        }
        let expected = format!("a[{}]\n", ["\"a\""; 8].join(","));
        assert_eq!(server.post("/000/s/xhr", "").body(), expected);
    }

    #[test]
    fn test_request_headers_cors() {
        let mut server = Server::echo();
        for (asked, allowed) in [(Some("a, b, c"), Some("a, b, c")), (Some(""), None), (None, None)]
        {
            let request = Request {
                method: "OPTIONS",
                path: "/000/s/xhr",
                origin: Some("test"),
                asked_headers: asked,
                ..Request::default()
            };
            let number = server.start(request, b"");
            let exchange = &server.exchanges[number];
            verify_cors(exchange, Some("test"));
            assert_eq!(exchange.header("access-control-allow-headers"), allowed);
        }
    }

    #[test]
    fn test_sending_empty_frame() {
        let mut server = Server::echo();
        server.post("/000/s/xhr", "");
        assert_eq!(server.post("/000/s/xhr_send", "[]").status, 204);
        assert_eq!(server.post("/000/s/xhr_send", "[\"a\"]").status, 204);
        assert_eq!(server.post("/000/s/xhr", "").body(), "a[\"a\"]\n");
    }
}

mod streaming {
    use super::*;

    #[test]
    fn xhr_streaming_test_transport() {
        let mut server = Server::echo();
        verify_options(&mut server, "/abc/abc/xhr_streaming", "OPTIONS, POST");
        let stream = server.post_async("/000/s/xhr_streaming", "");
        server.post("/000/s/xhr_send", "[\"x\"]");
        let prelude = "h".repeat(2048) + "\n";
        assert_eq!(server.chunks(stream), [&*prelude, "o\n", "a[\"x\"]\n"]);
        let exchange = &server.exchanges[stream];
        assert_eq!((exchange.status, exchange.header("content-type")), (200, Some(XHR)));
        verify_cors(exchange, None);
        verify_not_cached(exchange);
    }

    #[test]
    fn xhr_streaming_test_response_limit() {
        let mut server = Server::echo();
        let stream = server.post_async("/000/s/xhr_streaming", "");
        let message = format!("[\"{}\"]", "x".repeat(128));
        for count in 0..31 {
            assert!(!server.exchanges[stream].ended, "ended after {count}");
            server.post("/000/s/xhr_send", &message);
            let last = server.chunks(stream).last().unwrap();
            assert_eq!(*last, format!("a{message}\n"));
        }
        assert!(server.exchanges[stream].ended);
    }

    #[test]
    fn event_source_test_transport() {
        let mut server = Server::echo();
        let stream = server.get_async("/000/s/eventsource", None);
        server.post("/000/s/xhr_send", "[\"x\"]");
        server.post("/000/s/xhr_send", r#"["  \u0000\n\r "]"#);
        assert_eq!(
            server.chunks(stream),
            [
                "\r\n",
                "data: o\r\n\r\n",
                "data: a[\"x\"]\r\n\r\n",
                "data: a[\"  \\u0000\\n\\r \"]\r\n\r\n"
            ]
        );
        let exchange = &server.exchanges[stream];
        assert_eq!(exchange.header("content-type"), Some("text/event-stream"));
        verify_not_cached(exchange);
    }

    #[test]
    fn event_source_test_response_limit() {
        let mut server = Server::echo();
        let stream = server.get_async("/000/s/eventsource", None);
        let message = format!("[\"{}\"]", "x".repeat(4096));
        server.post("/000/s/xhr_send", &message);
        assert_eq!(*server.chunks(stream).last().unwrap(), format!("data: a{message}\r\n\r\n"));
        assert!(server.exchanges[stream].ended);
    }

    #[test]
    fn html_file_test_transport() {
        let head = "<!doctype html>\n<html><head>\n  \
            <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n  \
            <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n\
            </head><body><h2>Don't panic!</h2>\n  <script>\n    \
            document.domain = document.domain;\n    var c = parent.callback;\n    c.start();\n    \
            function p(d) {c.message(d);};\n    window.onload = function() {c.stop();};\n  \
            </script>";
        let mut server = Server::echo();
        let stream = server.get_async("/000/s/htmlfile", Some("c=%63allback"));
        server.post("/000/s/xhr_send", "[\"x\"]");
        let chunks = server.chunks(stream);
        assert_eq!(chunks[0].trim(), head);
        assert!(chunks[0].len() > 1024);
        assert_eq!(chunks[1], "<script>\np(\"o\");\n</script>\r\n");
        assert_eq!(chunks[2], "<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n");
        let exchange = &server.exchanges[stream];
        assert_eq!(exchange.header("content-type"), Some("text/html; charset=UTF-8"));
        verify_not_cached(exchange);

        server.post("/000/s/xhr_send", &format!("[\"{}\"]", "x".repeat(4096)));
        assert!(server.exchanges[stream].ended);
    }

    #[test]
    fn html_file_and_jsonp_test_callback() {
        for path in ["/a/a/htmlfile", "/a/a/jsonp"] {
            for (query, text) in [
                (None, "\"callback\" parameter required"),
                (Some("c=%20"), "invalid \"callback\" parameter"),
                (Some("c=*"), "invalid \"callback\" parameter"),
                (Some("c=abc("), "invalid \"callback\" parameter"),
                (Some("c=abc%28"), "invalid \"callback\" parameter"),
            ] {
                let mut server = Server::echo();
                let number = server.get_async(path, query);
                let exchange = &server.exchanges[number];
                assert_eq!((exchange.status, &*exchange.body()), (500, text));
            }
        }
    }
}

mod json_polling {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn poll(server: &mut Server, query: &str) -> String {
        let number = server.get_async("/000/s/jsonp", Some(query));
        assert_eq!(server.exchanges[number].status, 200);
        assert!(server.exchanges[number].ended);
        server.exchanges[number].body()
    }

    fn send(server: &mut Server, content_type: &str, body: &str) -> (u16, String) {
        let request = Request {
            method: "POST",
            path: "/000/s/jsonp_send",
            content_type: Some(content_type),
            ..Request::default()
        };
        let number = server.start(request, body.as_bytes());
        verify_not_cached(&server.exchanges[number]);
        assert_eq!(server.exchanges[number].header("content-type"), Some(TEXT));
        (server.exchanges[number].status, server.exchanges[number].body())
    }

    #[test]
    fn test_transport() {
        let mut server = Server::echo();
        let number = server.get_async("/000/s/jsonp", Some("c=%63allback"));
        let exchange = &server.exchanges[number];
        assert_eq!(exchange.header("content-type"), Some(XHR));
        assert_eq!(exchange.header("x-content-type-options"), Some("nosniff"));
        verify_not_cached(exchange);
        assert_eq!(exchange.body(), "/**/callback(\"o\");\r\n");
        assert_eq!(send(&mut server, FORM, "d=%5B%22x%22%5D"), (200, "ok".into()));
        assert_eq!(poll(&mut server, "c=callback"), "/**/callback(\"a[\\\"x\\\"]\");\r\n");
    }

    #[test]
    fn test_invalid_json() {
        let mut server = Server::echo();
        poll(&mut server, "c=x");
        let broken = (500, "Broken JSON encoding.".to_owned());
        assert_eq!(send(&mut server, FORM, "d=%5B%22x"), broken);
        for body in ["", "d=", "p=p"] {
            assert_eq!(send(&mut server, FORM, body), (500, "Payload expected.".to_owned()));
        }
        send(&mut server, FORM, "d=%5B%22b%22%5D");
        assert_eq!(poll(&mut server, "c=x"), "/**/x(\"a[\\\"b\\\"]\");\r\n");
    }

    #[test]
    fn test_content_types() {
        let mut server = Server::echo();
        poll(&mut server, "c=x");
        send(&mut server, FORM, "d=%5B%22abc%22%5D");
        send(&mut server, "text/plain", "[\"%61bc+\"]");
        send(&mut server, FORM, "d=%5B%22a+b%22%5D");
        assert_eq!(
            poll(&mut server, "c=x"),
            "/**/x(\"a[\\\"abc\\\",\\\"%61bc+\\\",\\\"a b\\\"]\");\r\n"
        );
    }

    #[test]
    fn test_close() {
        let mut server = Server::new(App::Close);
        assert_eq!(poll(&mut server, "c=x"), "/**/x(\"o\");\r\n");
        for _ in 0..2 {
            assert_eq!(poll(&mut server, "c=x"), "/**/x(\"c[3000,\\\"Go away!\\\"]\");\r\n");
        }
    }

    #[test]
    fn test_sending_empty_frame() {
        let mut server = Server::echo();
        poll(&mut server, "c=x");
        assert_eq!(send(&mut server, FORM, "d=%5B%5D"), (200, "ok".into()));
        send(&mut server, FORM, "d=%5B%22x%22%5D");
        assert_eq!(poll(&mut server, "c=x"), "/**/x(\"a[\\\"x\\\"]\");\r\n");
    }
}

mod jsessionid_cookie {
    use super::*;

    fn server() -> Server {
        let mut server = Server::echo();
        server.service.cookie = true;
        server
    }

    #[test]
    fn test_basic() {
        let mut server = server();
        let exchange = server.get("/info");
        assert_eq!(exchange.header("set-cookie"), None);
        assert!(exchange.body().contains("\"cookie_needed\":true"));
    }

    #[test]
    fn test_transports() {
        for (method, path, query) in [
            ("POST", "/000/s/xhr", None),
            ("POST", "/000/s/xhr_streaming", None),
            ("GET", "/000/s/eventsource", None),
            ("GET", "/000/s/htmlfile", Some("c=callback")),
            ("GET", "/000/s/jsonp", Some("c=callback")),
        ] {
            for (cookie, expected) in [
                (None, "JSESSIONID=dummy; path=/"),
                (Some("JSESSIONID=abcdef"), "JSESSIONID=abcdef; path=/"),
                (Some("a=b; JSESSIONID=abc"), "JSESSIONID=abc; path=/"),
                (Some("JSESSIONID="), "JSESSIONID=dummy; path=/"),
            ] {
                let mut server = server();
                let request = Request { method, path, query, cookie, ..Request::default() };
                let number = server.start(request, b"");
                assert_eq!(server.exchanges[number].status, 200);
                assert_eq!(server.exchanges[number].header("set-cookie"), Some(expected));
            }
        }
    }
}

mod json_encoding {
    use super::*;

    #[test]
    fn test_xhr_server_encodes() {
        let killers = (0xff..=0xffff_u32).filter(
            |unit| matches!(unit, 0x200c..=0x200f | 0x2028..=0x202f | 0x2060..=0x206f | 0xfff0..),
        );
        let raw: String = killers.clone().filter_map(char::from_u32).collect();
        let escaped: String = killers.map(|unit| format!("\\u{unit:04x}")).collect();
        let mut server = Server::echo();
        server.post("/000/s/xhr", "");
        assert_eq!(server.post("/000/s/xhr_send", &format!("[\"{raw}\"]")).status, 204);
        assert_eq!(server.post("/000/s/xhr", "").body(), format!("a[\"{escaped}\"]\n"));
    }

    #[test]
    fn test_xhr_server_decodes() {
        let escaped: String = (0..0xffff_u32).map(|unit| format!("\\u{unit:04x}")).collect();
        let mut server = Server::echo();
        server.post("/000/s/xhr", "");
        server.post("/000/s/xhr_send", &format!("[\"{escaped}\"]"));
        assert_eq!(server.post("/000/s/xhr", "").body(), format!("a[\"{escaped}\"]\n"));
    }
}

mod handling_close {
    use super::*;

    #[test]
    fn test_close_frame() {
        let mut server = Server::new(App::Close);
        let first = server.post_async("/000/s/xhr_streaming", "");
        assert_eq!(server.chunks(first)[1..], ["o\n", "c[3000,\"Go away!\"]\n"]);
        let second = server.post_async("/000/s/xhr_streaming", "");
        assert_eq!(server.chunks(second)[1..], ["c[3000,\"Go away!\"]\n"]);
        assert!(server.exchanges[first].ended && server.exchanges[second].ended);
    }

    #[test]
    fn test_close_request() {
        let mut server = Server::echo();
        let first = server.post_async("/000/s/xhr_streaming", "");
        let second = server.post_async("/000/s/xhr_streaming", "");
        let expected = "c[2010,\"Another connection still open\"]\n";
        assert_eq!(server.chunks(second)[1..], [expected]);
        assert!(server.exchanges[second].ended && !server.exchanges[first].ended);
    }

    #[test]
    fn test_abort() {
        for path in ["/000/s/xhr_streaming", "/000/s/xhr"] {
            let mut server = Server::echo();
            let mut first = server.post_async(path, "");
            if path.ends_with("xhr") {
                first = server.post_async(path, "");
            }
            let second = server.post_async(path, "");
            assert!(server.exchanges[second].body().contains("c[2010"));
            server.abort("s", first);
            let third = server.post_async(path, "");
            assert_eq!(server.chunks(third).last().unwrap(), "o\n");
        }
    }
}
