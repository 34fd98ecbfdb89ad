//! An answer over HTTP/2, in a time that jumps to what is due.

use super::*;
use crate::Omniwire;
use crate::carrier::upgrade::{Stream, Upgrade, Upgraded};
use futures_util::{FutureExt as _, stream};
use h2::ext::Protocol;
use h2::{FlowControl, RecvStream, SendStream, client};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use omniwire_session::limits::Limits;
use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, duplex};
use tokio::time::{Instant, sleep, timeout};

const LEN: usize = 200_000;

/// The answer of a server that says this body, to a client that takes at most so much of it before
/// it reads; the connection's own window is larger.
async fn answer(body: impl Fn() -> Body + Clone + Send + 'static, window: u32) -> Asked {
    let shared = Arc::clone(&Omniwire::builder().build().unwrap().shared);
    let (near, far) = duplex(1 << 20);
    let mut builder = auto::Builder::new(Executor(Arc::clone(&shared)));
    builder.http2().timer(TokioTimer::new());
    tokio::spawn(async move {
        let service = service_fn(move |_| {
            let body = body.clone();
            async move {
                let response = Response::new(body());
                let reader = Reader::of(&response, ([192, 0, 2, 1], 7).into());
                Ok::<_, Infallible>(watch(response, reader))
            }
        });
        builder.serve_connection_with_upgrades(TokioIo::new(far), service).await.ok();
    });
    let mut handshake = client::Builder::new();
    handshake.initial_window_size(window).initial_connection_window_size(1 << 20);
    let (mut sending, connection) = handshake.handshake::<_, Bytes>(near).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://localhost/").body(()).unwrap();
    let response = sending.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    Asked { shared, body: response.into_body(), _sending: sending, _saying: None }
}

struct Asked {
    shared: Arc<Shared>,
    body: RecvStream,
    _sending: client::SendRequest<Bytes>,
    _saying: Option<SendStream<Bytes>>,
}

impl Asked {
    fn flow(&mut self) -> &mut FlowControl {
        self.body.flow_control()
    }

    /// Waits until the stream is reset.
    async fn reset(&mut self) -> h2::Reason {
        let reset = async {
            loop {
                if let Err(error) = self.body.data().await.unwrap() {
                    return error.reason().unwrap();
                }
            }
        };
        timeout(Duration::from_secs(3600), reset).await.expect("the stream stays")
    }

    fn slow_peers(&self) -> u64 {
        self.shared.counters.slow_peers.load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn whole() -> Body {
    Body::from(vec![0; LEN])
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_which_nothing_is_taken_is_reset() {
    let mut asked = answer(whole, 0).await;
    let begun = Instant::now();
    let error = asked.body.data().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    assert_eq!(begun.elapsed().as_secs(), Limits::default().write_timeout.as_secs());
    assert_eq!(asked.slow_peers(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_taken_slowly_goes_on() {
    let mut asked = answer(whole, PIECE_LEN_MAX as u32).await;
    let (mut taken, begun) = (0, Instant::now());
    while taken < LEN {
        sleep(Limits::default().write_timeout * 9 / 10).await;
        let piece = asked.body.data().await.unwrap().unwrap();
        taken += piece.len();
        asked.flow().release_capacity(piece.len()).unwrap();
    }
    assert!(asked.body.data().await.is_none_or(|last| last.unwrap().is_empty()));
    assert!(begun.elapsed() > 5 * Limits::default().write_timeout);
    assert_eq!((taken, asked.slow_peers()), (LEN, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_nothing_to_say_goes_on() {
    let quiet = || {
        Body::from_stream(stream::unfold(0, |said| async move {
            let wait = if said == 0 { 0 } else { 3600 };
            sleep(Duration::from_secs(wait)).await;
            (said < 2).then_some((Ok::<_, Infallible>("said"), said + 1))
        }))
    };
    // The window is full, and stays so.
    let mut asked = answer(quiet, 4).await;
    let begun = Instant::now();
    assert_eq!(asked.body.data().await.unwrap().unwrap(), "said");
    sleep(Duration::from_secs(3000)).await;
    asked.flow().release_capacity(4).unwrap();
    assert_eq!(asked.body.data().await.unwrap().unwrap(), "said");
    assert_eq!((begun.elapsed().as_secs(), asked.slow_peers()), (3600, 0));
}

/// What says so much over a stream of HTTP/2, as much as there is room for, as carriers do.
async fn say(stream: &mut (impl AsyncWrite + Unpin), len: usize) -> usize {
    let mut said = 0;
    poll_fn(|context| {
        while said < len {
            match Pin::new(&mut *stream).poll_write(context, &vec![7; len - said]) {
                Poll::Ready(Ok(count)) => said += count,
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    })
    .await;
    said
}

/// A client with such a window, which was let in by CONNECT, and the stream that it was let in to.
async fn connected(window: u32) -> (Asked, Box<dyn Stream>) {
    let shared = Arc::clone(&Omniwire::builder().build().unwrap().shared);
    let (near, far) = duplex(1 << 20);
    let mut builder = auto::Builder::new(Executor(Arc::clone(&shared)));
    builder.http2().timer(TokioTimer::new()).enable_connect_protocol();
    let (bring, mut brought) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let service = service_fn(move |mut request: Request<Incoming>| {
            let bring = bring.clone();
            async move {
                tie(request.extensions_mut());
                let upgrade = Upgrade::of(&mut request.map(|_| ()));
                tokio::spawn(async move {
                    let Ok(Upgraded::Other(stream, _)) = upgrade.wait().await else { panic!() };
                    bring.send(stream).await.ok();
                });
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        });
        builder.serve_connection_with_upgrades(TokioIo::new(far), service).await.ok();
    });
    let mut handshake = client::Builder::new();
    handshake.initial_window_size(window).initial_connection_window_size(1 << 20);
    let (sending, mut connection) = handshake.handshake::<_, Bytes>(near).await.unwrap();
    let settled = poll_fn(|context| {
        assert!(Pin::new(&mut connection).poll(context).is_pending());
        match sending.is_extended_connect_protocol_enabled() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    });
    settled.await;
    tokio::spawn(connection);
    let request = Request::connect("http://localhost/");
    let request = request.extension(Protocol::from_static("websocket")).body(()).unwrap();
    let mut sending = sending.ready().await.unwrap();
    let (response, saying) = sending.send_request(request, false).unwrap();
    let body = response.await.unwrap().into_body();
    let stream = brought.recv().await.unwrap();
    (Asked { shared, body, _sending: sending, _saying: Some(saying) }, stream)
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_websocket_that_is_gone_is_reset_if_its_window_is_shut() {
    // What was said first has found place in the window, or was cut by it.
    for window in [0, 1] {
        let (mut asked, mut stream) = connected(window).await;
        let begun = Instant::now();
        assert!(say(&mut stream, LEN).await < LEN / 2, "all of it was taken");
        drop(stream);
        assert_eq!(asked.reset().await, h2::Reason::CANCEL);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        // Its last words are waited for.
        let (mut asked, mut stream) = connected(window).await;
        let begun = Instant::now();
        say(&mut stream, LEN).await;
        assert!(stream.shutdown().now_or_never().is_none(), "it has time");
        drop(stream);
        assert_eq!(asked.reset().await, h2::Reason::CANCEL);
        assert_eq!(begun.elapsed().as_secs(), Limits::default().write_timeout.as_secs());
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_words_of_a_websocket_arrive_if_the_window_opens_in_time() {
    let (mut asked, mut stream) = connected(4).await;
    let said = say(&mut stream, LEN).await;
    assert!(stream.shutdown().now_or_never().is_none(), "it has time");
    drop(stream);
    sleep(Limits::default().write_timeout * 9 / 10).await;
    let mut taken = 0;
    while let Some(piece) = asked.body.data().await {
        let len = piece.unwrap().len();
        taken += len;
        asked.flow().release_capacity(len).unwrap();
    }
    assert_eq!(taken, said);
}
