//! What goes by the short way, that hyper would answer alike, and what a connection does in time.

use super::super::crowd::Crowd;
use super::super::site::{Site, Visit};
use super::super::written::PIECE_LEN_MAX;
use super::{Line, head, serve};
use crate::Omniwire;
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use http::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use omniwire_session::limits::Limits;
use proptest::prelude::*;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

const POST: &str = "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody";

fn take(request: &str) -> Option<(Request<Body>, bool, Bytes)> {
    let mut unread = Bytes::copy_from_slice(request.as_bytes());
    let whole = head::take(&mut unread, &Limits::default(), |_| false)?;
    Some((whole.request, whole.lasts, unread))
}

#[test]
fn a_whole_request_is_taken_and_what_follows_is_left() {
    let (request, lasts, rest) = take(&format!("{POST}GET /next")).expect("it is whole");
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/echo"));
    assert_eq!(request.headers()[header::HOST], "here");
    assert!(lasts);
    assert_eq!(rest, "GET /next");
    let (_, lasts, _) = take("GET / HTTP/1.1\r\nHost: here\r\nconnection: Close\r\n\r\n").unwrap();
    assert!(!lasts);
}

#[test]
fn less_than_a_whole_request_is_hypers() {
    for len in 0..POST.len() {
        assert!(take(&POST[..len]).is_none(), "{:?}", &POST[..len]);
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_hypers() {
    for (line, fields) in [
        ("GET / HTTP/1.0", "Host: here"),
        ("HEAD / HTTP/1.1", "Host: here"),
        ("CONNECT here:80 HTTP/1.1", "Host: here"),
        ("GET http://here/ HTTP/1.1", "Host: here"),
        ("OPTIONS * HTTP/1.1", "Host: here"),
        ("PRI * HTTP/2.0", "Host: here"),
        ("GET / HTTP/1.1", "Accept: */*"),
        ("GET / HTTP/1.1", "Host: here\r\nHost: there"),
        ("GET / HTTP/1.1", "Host: here\r\nUpgrade: websocket\r\nConnection: Upgrade"),
        ("GET / HTTP/1.1", "Host: here\r\nConnection: keep-alive, close"),
        ("GET / HTTP/1.1", "Host: here\r\nConnection: close\r\nConnection: close"),
        ("POST / HTTP/1.1", "Host: here\r\nTransfer-Encoding: chunked"),
        ("POST / HTTP/1.1", "Host: here\r\nContent-Length: 0\r\nTransfer-Encoding: chunked"),
        ("POST / HTTP/1.1", "Host: here\r\nContent-Length: 0\r\nContent-Length: 0"),
        ("POST / HTTP/1.1", "Host: here\r\nContent-Length: +0"),
        ("POST / HTTP/1.1", "Host: here\r\nContent-Length: 0, 0"),
        ("POST / HTTP/1.1", "Host: here\r\nContent-Length:"),
        ("POST / HTTP/1.1", "Host: here\r\nContent-Length: 99999999999999999999"),
        ("POST / HTTP/1.1", "Host: here\r\nContent-Length: 0\r\nExpect: 100-continue"),
        ("GET / HTTP/1.1", "Host: here\r\n folded"),
        ("GET / HTTP/1.1", "Host : here"),
        ("GET /\u{1} HTTP/1.1", "Host: here"),
    ] {
        assert!(take(&format!("{line}\r\n{fields}\r\n\r\n")).is_none(), "{line}, {fields}");
    }
}

#[test]
fn who_asks_for_a_websocket_and_nothing_else_is_answered_where_one_is_mounted() {
    let takes = |method: &str, fields: &str| {
        let request = format!("{method} /ws?a=b HTTP/1.1\r\nHost: here\r\n{fields}\r\n\r\n");
        let mut unread = Bytes::from(request);
        head::take(&mut unread, &Limits::default(), |path| path == "/ws")
            .is_some_and(|whole| whole.asks_for_upgrade)
    };
    assert!(takes("GET", "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade"));
    assert!(!takes("POST", "Upgrade: websocket\r\nConnection: Upgrade"));
    assert!(!takes("GET", "Upgrade: h2c, websocket\r\nConnection: Upgrade"));
    assert!(!takes("GET", "Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade"));
    assert!(!takes("GET", "Upgrade: websocket"), "nothing says that it concerns the connection");
    assert!(!takes("GET", "Upgrade: websocket\r\nConnection: Upgrade, HTTP2-Settings"));
    assert!(!takes("GET", "Upgrade: websocket\r\nConnection: Upgrade\r\nExpect: 100-continue"));
}

#[test]
fn a_head_beyond_the_limits_is_hypers() {
    let request = "GET / HTTP/1.1\r\nHost: here\r\nA: b\r\n\r\n";
    let takes = |set: &dyn Fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        head::take(&mut Bytes::from_static(request.as_bytes()), &limits, |_| false).is_some()
    };
    assert!(takes(&|limits| limits.headers_max = 2));
    assert!(!takes(&|limits| limits.headers_max = 1));
    assert!(takes(&|limits| limits.head_len_max = request.len()));
    assert!(!takes(&|limits| limits.head_len_max = request.len() - 1));
}

proptest! {
    #[test]
    fn nothing_that_comes_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut unread = Bytes::from(bytes.clone());
        if head::take(&mut unread, &Limits::default(), |_| false).is_none() {
            prop_assert_eq!(&unread[..], &bytes[..]);
        }
    }
}

/// What a client has, and the server's end of it.
struct Here {
    client: DuplexStream,
    stop: watch::Sender<()>,
    serving: tokio::task::JoinHandle<Option<Bytes>>,
}

fn site(router: Router) -> Site {
    let omniwire = Omniwire::builder().build().unwrap();
    Site::new(&omniwire, router, "127.0.0.1:80".parse().unwrap())
}

fn visit(site: &Site) -> Visit {
    let connection = Crowd::new(&site.limits).connect([127, 0, 0, 1].into()).unwrap();
    Visit { remote: "127.0.0.1:9".parse().unwrap(), connection, secure: false }
}

/// Serves by the short way. What comes of it: what is left for hyper, if something is.
fn here(router: Router) -> Here {
    let (client, stream) = duplex(1 << 20);
    let (stop, mut stopped) = watch::channel(());
    let serving = tokio::spawn(async move {
        let site = site(router);
        let deadline = Instant::now() + site.limits.handshake_timeout;
        let rest = serve(&site, &visit(&site), stream, deadline, &mut stopped).await;
        rest.map(|rest| rest.into_parts().1)
    });
    Here { client, stop, serving }
}

async fn by_the_short_way(request: &str) -> String {
    let mut here = here(routes());
    here.client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    here.client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(here.serving.await.unwrap(), None, "all went by the short way");
    answer
}

async fn by_hyper(request: &str) -> String {
    let (mut client, stream) = duplex(1 << 20);
    let site = Arc::new(site(routes()));
    let visit = visit(&site);
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let (site, visit) = (Arc::clone(&site), visit.clone());
        async move { Ok::<_, Infallible>(site.answer(&visit, request.map(Body::new)).await) }
    });
    let server = hyper::server::conn::http1::Builder::new();
    let serving = tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    serving.await.unwrap().unwrap();
    answer
}

fn routes() -> Router {
    let pieces = || {
        let pieces = ["one", "", "a piece that is longer than fifteen"];
        Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)))
    };
    Router::new()
        .route("/text", get(|| async { "a text" }))
        .route("/empty", get(|| async {}))
        .route("/nothing", get(|| async { StatusCode::NO_CONTENT }))
        .route("/known", get(|| async { StatusCode::NOT_MODIFIED }))
        .route("/close", get(|| async { ([(header::CONNECTION, "close")], "bye").into_response() }))
        .route("/pieces", get(move || async move { pieces() }))
        .route("/echo", post(|body: Bytes| async move { body }))
}

/// The lines of a head in any order, without the moment; then the body.
fn comparable(answers: &str) -> Vec<String> {
    let mut lines: Vec<String> = answers.split("\r\n").map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with("date: "));
    let ends: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| line.is_empty()).map(|(at, _)| at).collect();
    let mut start = 0;
    for end in ends {
        lines[start..end].sort();
        start = end + 1;
    }
    lines
}

#[tokio::test]
async fn what_waits_is_small() {
    let site = site(routes());
    let (_stop, mut stopped) = watch::channel(());
    let visit = visit(&site);
    let (_, stream) = duplex(1);
    let serving = serve(&site, &visit, stream, Instant::now(), &mut stopped);
    assert!(size_of_val(&serving) <= 2300, "{}", size_of_val(&serving));
}

#[tokio::test]
async fn hyper_answers_alike() {
    for line in [
        "GET /text",
        "GET /empty",
        "GET /nothing",
        "GET /known",
        "GET /close",
        "GET /pieces",
        "GET /none",
        "DELETE /text",
        "OPTIONS /text",
    ] {
        let ask = |fields: &str| format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        // One after the other, and both at once.
        let requests = [ask("") + &ask("Connection: close\r\n"), ask("Connection: close\r\n")];
        for requests in requests {
            let short = by_the_short_way(&requests).await;
            assert!(short.contains("\r\ndate: "), "{short}");
            assert_eq!(comparable(&short), comparable(&by_hyper(&requests).await), "{line}");
        }
    }
    let post = POST.replace("here", "localhost\r\nConnection: close");
    let short = by_the_short_way(&post).await;
    assert!(short.ends_with("\r\n\r\nbody"), "{short}");
    assert_eq!(comparable(&short), comparable(&by_hyper(&post).await));
}

#[tokio::test]
async fn what_hyper_is_to_read_is_all_there() {
    let mut here = here(routes());
    let upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\nmore";
    let text = "GET /text HTTP/1.1\r\nHost: localhost\r\n\r\n";
    here.client.write_all(format!("{text}{upgrade}").as_bytes()).await.unwrap();
    assert_eq!(here.serving.await.unwrap().expect("something is left"), upgrade);
}

/// A stream that brings what is sent, and tells when it is dropped.
fn endless() -> (Router, mpsc::Sender<&'static str>) {
    let (sender, receiver) = mpsc::channel::<&str>(1);
    let receiver = Arc::new(parking_lot::Mutex::new(Some(receiver)));
    let router = Router::new().route(
        "/endless",
        get(move || async move {
            let receiver = receiver.lock().take().unwrap();
            Body::from_stream(stream::unfold(receiver, async |mut receiver| {
                let piece = receiver.recv().await?;
                Some((Ok::<_, Infallible>(piece), receiver))
            }))
        }),
    );
    (router, sender)
}

#[tokio::test]
async fn a_stream_brings_each_piece_at_once_and_ends_with_its_reader() {
    let (router, sender) = endless();
    let mut here = here(router);
    let request = b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n";
    here.client.write_all(request).await.unwrap();
    let mut head = [0; 1024];
    let len = here.client.read(&mut head).await.unwrap();
    assert!(head[..len].ends_with(b"\r\n\r\n"), "the head waits for no piece");
    for piece in ["one", "two"] {
        sender.send(piece).await.unwrap();
        let mut chunk = [0; 8];
        here.client.read_exact(&mut chunk).await.unwrap();
        assert_eq!(chunk, *format!("3\r\n{piece}\r\n").as_bytes());
    }
    drop(here.client);
    sender.closed().await;
    assert_eq!(here.serving.await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn who_asks_nothing_in_time_is_let_go() {
    let mut here = here(routes());
    let begun = Instant::now();
    let request = b"GET /text HTTP/1.1\r\nHost: localhost\r\n\r\n";
    tokio::time::sleep(Duration::from_secs(9)).await;
    here.client.write_all(request).await.unwrap();
    let mut answer = String::new();
    here.client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("a text"));
    // Ten seconds for the first, and ten more for the next.
    assert_eq!(begun.elapsed().as_secs(), 19);
}

/// RFC 9110, 15.5.9.
#[tokio::test(start_paused = true)]
async fn a_head_that_is_late_is_answered_408() {
    for (begin, drip) in [("G", "E"), ("GET /text HTTP/1.1\r\nA: b\r\n", "A: b\r\n")] {
        let Here { client, stop: _stop, serving } = here(routes());
        let (mut reader, mut writer) = tokio::io::split(client);
        let begun = Instant::now();
        tokio::spawn(async move {
            writer.write_all(begin.as_bytes()).await.unwrap();
            while writer.write_all(drip.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        // No byte gives it more time.
        assert_eq!(begun.elapsed().as_secs(), 10);
        assert_eq!(serving.await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_further_request_has_its_time_from_its_first_byte() {
    let mut here = here(routes());
    here.client.write_all(b"GET /empty HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(9)).await;
    here.client.write_all(b"GET /text HTTP/1.1\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    here.client.write_all(b"Host: localhost\r\n\r\nGET").await.unwrap();
    let mut answer = String::new();
    here.client.read_to_string(&mut answer).await.unwrap();
    let (answered, late) = answer.rsplit_once("HTTP/1.1 ").unwrap();
    assert!(answered.ends_with("a text"), "{answer}");
    assert!(late.starts_with("408 "), "{answer}");
    assert_eq!(begun.elapsed().as_secs(), 28);
}

#[tokio::test]
async fn a_head_in_pieces_is_read_as_one_that_comes_whole() {
    let requests = ["GET /text HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "P\n\n"];
    for (request, is_ours) in requests.into_iter().zip([true, false]) {
        let mut here = here(routes());
        for byte in request.as_bytes() {
            here.client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        if is_ours {
            let mut answer = String::new();
            here.client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("a text"), "{answer}");
        }
        assert_eq!(here.serving.await.unwrap().is_none(), is_ours);
    }
}

#[tokio::test]
async fn a_head_that_is_too_much_for_us_is_hypers_as_soon_as_it_is_known() {
    let limits = Limits::default();
    // Longer than a head may be, and without its end; with more fields than are looked at here.
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(limits.head_len_max));
    let many = format!("GET /text HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(limits.headers_max));
    for (request, split_at) in [(&long, 3), (&many, 3), (&many, 0), (&many, many.len() - 3)] {
        let mut here = here(routes());
        let (begin, rest) = request.split_at(split_at);
        here.client.write_all(begin.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        here.client.write_all(rest.as_bytes()).await.unwrap();
        let read = here.serving.await.unwrap().expect("it is hyper's");
        assert!(request.as_bytes().starts_with(&read));
        assert!(read.len() >= request.len().min(limits.head_len_max));
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_is_let_go() {
    let pieces = || Body::from_stream(stream::repeat(Ok::<_, Infallible>([0; 1 << 16].as_slice())));
    let mut here = here(Router::new().route("/", get(move || async move { pieces() })));
    here.client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    assert_eq!(here.serving.await.unwrap(), None);
    assert_eq!(begun.elapsed(), Limits::default().write_timeout);
}

/// One long answer: each part of it has its time, as over HTTP/2 and HTTP/3.
#[tokio::test(start_paused = true)]
async fn who_reads_slowly_is_not_who_reads_nothing() {
    for (len, seconds, is_whole) in [(PIECE_LEN_MAX, 20, true), (PIECE_LEN_MAX / 2, 20, false)] {
        let (mut client, stream) = duplex(1 << 10);
        let (unread, write_timeout) = (Bytes::new(), Duration::from_secs(30));
        let mut line = Line { stream, unread, write_timeout, stalled: false };
        let reading = tokio::spawn(async move {
            let mut part = vec![0; len];
            let mut read: usize = 0;
            while client.read_exact(&mut part).await.is_ok() {
                read += part.len();
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            read
        });
        let sent = line.send(&mut Bytes::from(vec![0; 16 * PIECE_LEN_MAX])).await;
        assert_eq!((sent.is_ok(), line.stalled), (is_whole, !is_whole));
        drop(line);
        assert_eq!(reading.await.unwrap() == 16 * PIECE_LEN_MAX, is_whole);
    }
}

#[tokio::test]
async fn a_server_that_stops_ends_who_waits_and_answers_who_has_asked() {
    let idle = here(routes());
    idle.stop.send_replace(());
    assert_eq!(idle.serving.await.unwrap(), None);

    let (router, sender) = endless();
    let mut here = here(router);
    let request = b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n";
    here.client.write_all(request).await.unwrap();
    let mut head = [0; 1024];
    assert!(here.client.read(&mut head).await.unwrap() > 0);
    here.stop.send_replace(());
    sender.send("last").await.unwrap();
    drop(sender);
    let mut rest = String::new();
    here.client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "4\r\nlast\r\n0\r\n\r\n");
}

#[tokio::test]
async fn who_is_gone_when_there_is_an_answer_is_not_given_it() {
    for leaves in [true, false] {
        let (client, stream) = duplex(64);
        let mut line = Line {
            stream,
            unread: Bytes::new(),
            write_timeout: Duration::from_secs(1),
            stalled: false,
        };
        let (answer, coming) = oneshot::channel();
        let mut waiting = pin!(line.unless_gone(coming));
        assert!(waiting.as_mut().now_or_never().is_none());
        let client = (!leaves).then_some(client);
        answer.send("kept").unwrap();
        let given = waiting.now_or_never().unwrap();
        assert_eq!(given.is_err(), leaves, "{given:?}");
        drop(client);
    }
}
