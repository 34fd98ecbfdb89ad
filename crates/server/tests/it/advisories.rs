//! What went wrong in other servers, tried on ours: SockJS, event streams, polls and origins. The
//! rest is in the crates that it is about, under the same kind of name.

use crate::access::{UPGRADE, WAYS, read_head, server, try_way};
use crate::harness::{http, serve};
use omniwire::protocols::sockjs::request::Service;
use omniwire::{Namespace, Omniwire, Origins, RequestInfo, SockJsMount};
use std::net::SocketAddr;

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
}

/// SockJS with all of its transports.
async fn sockjs(namespace: Namespace) -> (Omniwire, SocketAddr) {
    let mut service = Service::default();
    service.scripts = true;
    let mount = SockJsMount::new("/echo").raw().service(service);
    serve(Omniwire::builder().bare_namespace(namespace).mount("/echo", mount)).await
}

/// sockjs-node: an upgrade of a URL that has no WebSocket ended the process.
#[tokio::test]
async fn cve_2020_7693_an_upgrade_where_there_is_no_websocket_ends_nothing() {
    let (_, address) = sockjs(Namespace::new("/echo")).await;
    for path in [
        "",
        "/",
        "/info",
        "/iframe.html",
        "/0/s/xhr",
        "/0/s/xhr_streaming",
        "/0/s/xhr_send",
        "/0/s/eventsource",
        "/0/s/htmlfile?c=x",
        "/0/s/jsonp?c=x",
        "/0/s/jsonp_send",
        "/0/s/x",
        "/x",
    ] {
        for method in ["GET", "POST", "OPTIONS", "PUT"] {
            let request = format!("{method} /echo{path} HTTP/1.1\nHost: 127.0.0.1\n{UPGRADE}\n");
            let head = read_head(address, &request).await;
            assert_ne!(status(&head), 101, "{method} {path}");
        }
    }
    let greeting = http(address, "GET /echo HTTP/1.0\nHost: 127.0.0.1\n\n").await;
    assert!(greeting.ends_with("Welcome to SockJS!\n"));
}

/// SockJS' htmlfile: what stood in the callback's name became script.
#[tokio::test]
async fn cve_2020_8823_a_callback_is_a_name_and_no_script() {
    let (_, address) = sockjs(Namespace::new("/echo")).await;
    for callback in ["%3Cscript%3E", "x%0A", "x;alert(1)", "x%22", "x%27", "a%3C/script%3E", ""] {
        for transport in ["htmlfile", "jsonp"] {
            let path = format!("/echo/0/s/{transport}?c={callback}");
            let answer = http(address, &format!("GET {path} HTTP/1.0\nHost: 127.0.0.1\n\n")).await;
            assert_eq!(status(&answer), 500, "{path}");
            assert!(!answer.contains('<') && !answer.contains("alert"), "{answer}");
            assert!(answer.contains("content-type: text/plain"), "{answer}");
        }
    }
}

/// Spring: a preflight was taken for the request itself, cookies and all.
#[tokio::test]
async fn cve_2020_5397_a_preflight_does_nothing_but_ask() {
    let asked = |request: &RequestInfo| panic!("a preflight was authorized: {request:?}");
    let builder = Omniwire::builder().namespace(Namespace::new("/open").authorize(asked));
    let (omniwire, address) = serve(builder).await;
    for (way, _) in WAYS.iter().skip(1) {
        let path = way.split(' ').nth(1).unwrap().replace("NS", "open").replace("?Q", "");
        let request = format!(
            "OPTIONS {path} HTTP/1.0\nHost: 127.0.0.1\nOrigin: http://evil.example\n\
             Cookie: user=ada\nAccess-Control-Request-Method: POST\n\n"
        );
        let answer = http(address, &request).await;
        assert!(!answer.contains("access-control-allow"), "{path}: {answer}");
        assert!(!answer.contains("set-cookie"), "{path}: {answer}");
    }
    assert_eq!((omniwire.stats().sessions, omniwire.stats().panics), (0, 0));
}

/// Spring: who guessed the name of a session, which clients make themselves, had the session.
#[tokio::test]
async fn cve_2015_0201_the_name_of_a_session_lets_nobody_in() {
    let user = |request: &RequestInfo| request.header("cookie").map(str::to_owned);
    let (_, address) = sockjs(Namespace::new("/echo").identify(user)).await;
    let post = |transport: &str, cookie: &str, body: &str| {
        format!(
            "POST /echo/0/guessed/{transport} HTTP/1.0\nHost: 127.0.0.1\nCookie: {cookie}\n\
             Content-Length: {}\n\n{body}",
            body.len()
        )
    };
    assert!(http(address, &post("xhr", "user=ada", "")).await.ends_with("o\n"));
    for (transport, body) in [("xhr_send", "[\"x\"]"), ("xhr", ""), ("xhr_streaming", "")] {
        let answer = http(address, &post(transport, "user=eve", body)).await;
        assert_eq!(status(&answer), 403, "{transport}: {answer}");
    }
    assert_eq!(status(&http(address, &post("xhr_send", "user=ada", "[\"x\"]")).await), 204);
}

/// Spring for GraphQL over WebSocket, python-engineio, Socket.IO before 2.4: any page could use the
/// cookies of its visitor.
#[tokio::test]
async fn cve_2026_41700_pysec_2019_170_cve_2020_28481_cookies_are_no_help_to_another_origin() {
    let address = server(Origins::default()).await;
    for (way, (line, _)) in WAYS.iter().enumerate() {
        for page in ["http://evil.example", "https://127.0.0.1.evil.example", "null"] {
            let extra = format!("Cookie: user=ada\nOrigin: {page}\n");
            assert_eq!(try_way(address, way, "", "open", &extra).await, 403, "{line} from {page}");
        }
    }
}

/// Phoenix: `//*.example.com` let look-alikes in.
#[tokio::test]
async fn cve_2022_42975_look_alikes_are_other_origins() {
    let address = server(Origins::list(["https://example.com"]).unwrap()).await;
    for page in [
        "https://evilexample.com",
        "https://example.com.evil.example",
        "https://example.com@evil.example",
        "https://sub.example.com",
        "https://example.co",
        "https://example.com\\evil.example",
        "https://example.com%00.evil.example",
    ] {
        for (way, (line, _)) in WAYS.iter().enumerate() {
            let extra = format!("Origin: {page}\n");
            assert_eq!(try_way(address, way, "", "open", &extra).await, 403, "{line} from {page}");
        }
    }
    assert!(Origins::list(["https://*.example.com"]).is_err(), "no wildcards");
}

/// Phoenix: a POST of nothing but separators became millions of messages.
#[tokio::test]
async fn cve_2026_32689_a_body_of_separators_is_no_message() {
    let (_, address) = serve(Omniwire::builder().namespace(Namespace::new("/open"))).await;
    let session = "POST /sockjs/open/0/s/xhr HTTP/1.0\nHost: 127.0.0.1\nContent-Length: 0\n\n";
    assert!(http(address, session).await.ends_with("o\n"));
    let open = "/socket.io/?EIO=4&transport=polling";
    let opened = http(address, &format!("GET {open} HTTP/1.0\nHost: 127.0.0.1\n\n")).await;
    let sid = opened.split_once("\"sid\":\"").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
    let polling = format!("{open}&sid={sid}");
    for (path, separator, expected) in [
        ("/send/open", ",", 400),
        ("/sockjs/open/0/s/xhr_send", ",", 500),
        ("/sockjs/open/0/s/xhr_send", " ", 500),
        // As npm's server: `ok`, and the session is over at the first that is no packet.
        (&*polling, "\u{1e}", 200),
    ] {
        let body = separator.repeat(900_000);
        let head =
            format!("POST {path} HTTP/1.0\nHost: 127.0.0.1\nContent-Length: {}\n\n", body.len());
        let answer = http(address, &format!("{head}{body}")).await;
        assert_eq!(status(&answer), expected, "{path}: {answer}");
    }
    let over = http(address, &format!("GET {polling} HTTP/1.0\nHost: 127.0.0.1\n\n")).await;
    assert!(over.contains("Session ID unknown"), "{over}");
    // As many messages as their number's limit, and one more.
    let body = format!("[{}\"\"]", "\"\",".repeat(10_000));
    let head = "POST /sockjs/open/0/s/xhr_send HTTP/1.0\nHost: 127.0.0.1\n";
    let answer = http(address, &format!("{head}Content-Length: {}\n\n{body}", body.len())).await;
    assert_eq!(status(&answer), 413, "{answer}");
}
