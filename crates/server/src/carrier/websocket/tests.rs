use super::*;
use crate::{Limits, Namespace, Omniwire, Peer, WebSocketMount};
use axum::body::Body;
use http::{Request, StatusCode};
use std::sync::atomic::AtomicUsize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service as _;

/// A client that says nothing, and takes whatever it is sent.
struct Greedy(Arc<Taken>);

#[derive(Default)]
struct Taken {
    all: AtomicUsize,
    /// Since it was last looked for what the client says, which is once a turn.
    turn: AtomicUsize,
    most: AtomicUsize,
}

impl AsyncRead for Greedy {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.most.fetch_max(self.0.turn.swap(0, Relaxed), Relaxed);
        Poll::Pending
    }
}

impl AsyncWrite for Greedy {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.all.fetch_add(bytes.len(), Relaxed);
        self.0.turn.fetch_add(bytes.len(), Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_peer_that_takes_much_at_once_leaves_others_their_turn() {
    const COUNT: usize = 40;
    const LEN: usize = 50_000;
    let talks = Namespace::new("/talks").on_connect(|peer: Peer| async move {
        (0..COUNT).try_for_each(|_| peer.emit("message", ("x".repeat(LEN),)))
    });
    let mut limits = Limits::default();
    limits.outbox_len_max = 2 * COUNT * LEN;
    let builder = Omniwire::builder().limits(limits).bare_namespace(talks);
    let server = builder.mount("/talks", WebSocketMount::new("/talks")).build().unwrap();
    let request = Request::get("http://localhost/talks")
        .header("host", "localhost")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let mut request = request.body(Body::empty()).unwrap();
    let upgraded = Upgrade::offer(request.extensions_mut());
    let response = server.router().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let taken = Arc::new(Taken::default());
    let stream = Greedy(Arc::clone(&taken));
    assert!(upgraded.send(Upgraded::Other(Box::new(stream), Bytes::new())).is_ok());
    while taken.all.load(Relaxed) < COUNT * LEN {
        tokio::task::yield_now().await;
    }
    let most = taken.most.load(Relaxed);
    assert!(most <= 2 * UNWRITTEN_LEN_MAX, "{most}");
}
