//! WebTransport (draft-ietf-webtrans-http3-02, which browsers speak): which stream belongs to which
//! session, and how a session ends.
//!
//! `h3` reads the signal with which a stream begins, and leaves the rest to us. A session is for
//! Engine.IO, which has one stream of both directions: a second one is refused, streams of one
//! direction and datagrams are nobody's.

use super::exchange::{self, Asked};
use super::guarded::BidiStream;
use super::{LINGER_MIN, Peer, Receiving, fail};
use crate::carrier::upgrade::Stream;
use crate::carrier::webtransport::{Far, Visitor};
use crate::edge::site::{Site, Visit};
use axum::body::Body;
use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::quic::{RecvStream as _, SendStream as _, StreamId};
use h3::stream::BufRecvStream;
use h3::webtransport::SessionId;
use http::HeaderValue;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, oneshot};

/// Brings a session its stream.
type Bring = oneshot::Sender<Box<dyn Stream>>;

/// The application's code 0 on a stream (section 4.3).
const APPLICATION_CODE_0: u64 = 0x52e4_a40f_a8db;

/// The sessions of one connection, by the number of the stream that asked for each.
#[derive(Default)]
pub(super) struct Sessions {
    /// Those that are open; `None`: it has its stream.
    open: Mutex<HashMap<u64, Option<Bring>>>,
    opened: Notify,
}

/// A session among them.
struct Listed<'a> {
    sessions: &'a Sessions,
    id: u64,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.sessions.open.lock().remove(&self.id);
    }
}

impl Sessions {
    fn list(&self, id: u64, bring: Bring) -> Listed<'_> {
        self.open.lock().insert(id, Some(bring));
        self.opened.notify_waiters();
        Listed { sessions: self, id }
    }

    /// Brings a stream to its session, waiting for that to open: it may have been overtaken
    /// (section 4.5). Whoever calls this bounds the wait. A stream that is not wanted is reset.
    pub(super) async fn bring(
        &self,
        quic: &quinn::Connection,
        session: SessionId,
        stream: Box<dyn Stream>,
    ) {
        let id = StreamId::from(session).into_inner();
        if id % 4 != 0 {
            // Section 4: it must be a client's stream of both directions.
            return fail(quic, Code::H3_ID_ERROR, "no request has this number");
        }
        loop {
            let opened = self.opened.notified();
            let wanted = self.open.lock().get_mut(&id).map(Option::take);
            match wanted {
                None => opened.await,
                Some(None) => return tracing::debug!("refused a session's second stream"),
                // Its session may be over.
                Some(Some(bring)) => return drop(bring.send(stream)),
            }
        }
    }
}

/// Answers a session's CONNECT, and keeps the session until one side ends it.
pub(super) async fn run(
    site: &Site,
    visit: &Visit,
    peer: &Peer,
    asked: Asked,
) -> Result<(), StreamError> {
    let Asked { head, stream, .. } = asked;
    let speaks_draft = head.headers().get("sec-webtransport-http3-draft02").is_some();
    let mut request = head.map(|()| Body::empty());
    request.extensions_mut().insert(hyper::ext::Protocol::from_static("webtransport"));
    let Far { stream: bring, open, mut gone } = Visitor::offer(request.extensions_mut());
    let _listed = peer.sessions.list(stream.id().into_inner(), bring);
    let mut response = site.answer(visit, request).await;
    let (mut sending, mut receiving) = stream.split();
    if !response.status().is_success() {
        return exchange::respond(site, visit, &mut sending, response).await;
    }
    if speaks_draft {
        let draft = HeaderValue::from_static("draft02");
        response.headers_mut().insert("sec-webtransport-http3-draft", draft);
    }
    sending.send_response(exchange::head_of(&response)).await?;
    let mut ended = std::pin::pin!(until_end(&mut receiving));
    let by_client = tokio::select! {
        () = &mut ended => true,
        _ = &mut gone => {
            // What was said last must be read before the session's end overtakes it.
            let time = LINGER_MIN.max(peer.quic.rtt().saturating_mul(3));
            tokio::time::timeout(time, &mut ended).await.is_ok()
        }
    };
    drop(open);
    // Section 5: FIN alone ends a session with code 0. The client answers with its own.
    sending.finish().await?;
    if !by_client {
        tokio::time::timeout(site.limits.close_timeout, ended).await.ok();
    }
    Ok(())
}

/// Waits until the client ends its session: by FIN, after a capsule that says so or without, or by
/// a reset. What capsules there are is not kept.
async fn until_end(receiving: &mut Receiving) {
    while let Ok(Some(_)) = receiving.recv_data().await {}
}

/// A stream of a session, behind its signal.
pub(super) fn stream(raw: BufRecvStream<BidiStream, Bytes>) -> Box<dyn Stream> {
    Box::new(Bidi { raw, shut: false })
}

/// A stream that is reset, unless it was shut down, when nobody wants it any more.
struct Bidi {
    raw: BufRecvStream<BidiStream, Bytes>,
    shut: bool,
}

impl Drop for Bidi {
    fn drop(&mut self) {
        if !self.shut {
            self.raw.reset(APPLICATION_CODE_0);
        }
        self.raw.stop_sending(APPLICATION_CODE_0);
    }
}

impl AsyncRead for Bidi {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.raw), context, buffer)
    }
}

impl AsyncWrite for Bidi {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.raw), context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(AsyncWrite::poll_shutdown(Pin::new(&mut self.raw), context))?;
        self.shut = true;
        Poll::Ready(Ok(()))
    }
}
