//! An answer over HTTP/2, in a time that jumps to what is due.

use super::*;
use crate::Omniwire;
use futures_util::stream;
use h2::{FlowControl, RecvStream, client};
use http::{Request, StatusCode};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use omniwire_session::limits::Limits;
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::duplex;
use tokio::time::{Instant, sleep};

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
    Asked { shared, body: response.into_body(), _sending: sending }
}

struct Asked {
    shared: Arc<Shared>,
    body: RecvStream,
    _sending: client::SendRequest<Bytes>,
}

impl Asked {
    fn flow(&mut self) -> &mut FlowControl {
        self.body.flow_control()
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
