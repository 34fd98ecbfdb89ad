//! The router where others listen: `axum::serve` and its like.

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Method, Request, Version, header};
use omniwire::{Builder, Hosts, Limits, Namespace, Omniwire, Peer};
use std::net::SocketAddr;
use tower_service::Service as _;

fn builder() -> Builder {
    Omniwire::builder().namespace(Namespace::new("/open"))
}

async fn status(omniwire: &Omniwire, request: Request<Body>) -> u16 {
    omniwire.router().call(request).await.unwrap().status().as_u16()
}

/// RFC 9113, 8.3.1: a request of HTTP/2 names its host in `:authority`, and has no Host.
#[tokio::test]
async fn a_page_is_our_own_over_http_2_as_well() {
    let omniwire = builder().build().unwrap();
    for (origin, expected) in [("https://chat.example", 200), ("https://evil.example", 403)] {
        let request = Request::builder()
            .version(Version::HTTP_2)
            .method(Method::POST)
            .uri("https://chat.example/send/open")
            .header(header::ORIGIN, origin)
            .body(Body::from("[]"));
        assert_eq!(status(&omniwire, request.unwrap()).await, expected, "{origin}");
    }
}

#[tokio::test]
async fn names_that_are_not_ours_are_refused() {
    let listed = builder().hosts(Hosts::list(["chat.example"]).unwrap()).build().unwrap();
    let unlisted = builder().build().unwrap();
    for (omniwire, host, expected) in [
        (&listed, "chat.example", 200),
        (&listed, "127.0.0.1:3000", 200),
        (&listed, "evil.example", 421),
        (&listed, "chat.example,evil.example", 400),
        (&unlisted, "evil.example", 200),
    ] {
        let request = Request::builder().uri("/sockjs/open/info").header(header::HOST, host);
        assert_eq!(
            status(omniwire, request.body(Body::empty()).unwrap()).await,
            expected,
            "{host}"
        );
    }
}

#[tokio::test]
async fn connect_info_tells_the_address() {
    let space = Namespace::new("/open").on("whence", |peer: Peer| async move {
        omniwire::Reply(peer.request().remote().map(|remote| remote.to_string()))
    });
    let mut limits = Limits::default();
    limits.ip_sessions_max = 1;
    let omniwire = Omniwire::builder().limits(limits).namespace(space).build().unwrap();
    let from = |ip: &str, method: Method, target: &str, body: &'static str| {
        let remote: SocketAddr = format!("{ip}:1234").parse().unwrap();
        let request = Request::builder().method(method).uri(target).extension(ConnectInfo(remote));
        request.body(Body::from(body)).unwrap()
    };
    let whence = r#"{"event":"whence","id":1}"#;
    let request = from("192.0.2.1", Method::POST, "/send/open", whence);
    let answer = omniwire.router().call(request).await.unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
    assert_eq!(body, r#"[{"reply":1,"result":"192.0.2.1:1234"}]"#);

    let poll = |ip| from(ip, Method::GET, "/poll/open", "");
    assert_eq!(status(&omniwire, poll("192.0.2.1")).await, 200);
    assert_eq!(status(&omniwire, poll("192.0.2.1")).await, 429);
    assert_eq!(status(&omniwire, poll("192.0.2.2")).await, 200);
}
