//! One request over HTTP/3, and its answer.

use super::guarded::BidiStream;
use super::protocol::{self, Protocol};
use super::webtransport;
use super::{Peer, Receiving, Resolver, Sending, relay};
use crate::carrier::stall::Reader;
use crate::carrier::tunnel::Tunnel;
use crate::carrier::upgrade;
use crate::edge::site::{Site, Visit};
use crate::edge::written::PIECE_LEN_MAX;
use crate::panics::Witness;
use axum::body::Body;
use bytes::{Buf as _, Bytes};
use h3::error::{Code, StreamError};
use h3::proto::frame::Frame;
use h3::quic::SendStream as _;
use h3::server::RequestStream;
use h3::webtransport::SessionId;
use http::{HeaderMap, HeaderName, Method, Request, Response, header};
use http_body::Frame as BodyFrame;
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

type Stream = RequestStream<BidiStream, Bytes>;

/// Reads a request, has it answered, and carries on as a tunnel if that was asked for.
pub(super) async fn run(site: Arc<Site>, visit: Visit, peer: Arc<Peer>, resolver: Resolver) {
    let _witness = Witness(Arc::clone(&site.shared));
    let begin = async {
        match read_head(resolver, site.webtransport).await? {
            Begun::Request(asked) => return Ok(Some(asked)),
            Begun::Stream(session, one) => peer.sessions.bring(&peer.quic, session, one).await,
            Begun::Malformed => {}
        }
        Ok(None)
    };
    let begun = timeout(site.limits.handshake_timeout, begin).await;
    if !matches!(begun, Ok(Ok(Some(_)))) {
        peer.count_stray(&site.limits);
    }
    let done = match begun {
        Ok(Ok(Some(asked))) => answer(&site, &visit, &peer, *asked).await,
        Ok(Ok(None)) => Ok(()),
        Ok(Err(error)) => Err(error),
        Err(_) => return tracing::debug!(remote = %visit.remote, "no request's head in time"),
    };
    if let Err(error) = done {
        tracing::debug!(remote = %visit.remote, %error, "request failed");
    }
}

pub(super) struct Asked {
    pub(super) head: Request<()>,
    protocol: Option<Protocol>,
    pub(super) stream: Stream,
}

/// What a stream is.
enum Begun {
    Request(Box<Asked>),
    /// One of a WebTransport session.
    Stream(SessionId, Box<dyn upgrade::Stream>),
    /// Nothing: it was reset.
    Malformed,
}

async fn read_head(mut resolver: Resolver, webtransport: bool) -> Result<Begun, StreamError> {
    let frames = &mut resolver.frame_stream;
    let mut frame = std::future::poll_fn(|context| frames.poll_next(context)).await;
    let mut protocol = None;
    if let Ok(Some(Frame::WebTransportStream(session))) = frame
        && webtransport
    {
        let raw = resolver.frame_stream.into_inner();
        return Ok(Begun::Stream(session, webtransport::stream(raw)));
    }
    if let Ok(Some(Frame::Headers(block))) = frame {
        let Ok(section) = protocol::take(block) else {
            resolver.frame_stream.reset(Code::H3_MESSAGE_ERROR.value());
            return Ok(Begun::Malformed);
        };
        protocol = section.protocol;
        frame = Ok(Some(Frame::Headers(section.block)));
    }
    let (head, mut stream) = resolver.accept_with_frame(frame)?.resolve().await?;
    if is_malformed(&head, protocol) {
        stream.stop_stream(Code::H3_MESSAGE_ERROR);
        return Ok(Begun::Malformed);
    }
    Ok(Begun::Request(Box::new(Asked { head, protocol, stream })))
}

/// What `h3` lets pass (RFC 9114, 4.2 and 4.3.1; RFC 9220, 3).
fn is_malformed(head: &Request<()>, protocol: Option<Protocol>) -> bool {
    let uri = head.uri();
    let is_whole = uri.scheme().is_some() && uri.path_and_query().is_some();
    let connects = *head.method() == Method::CONNECT;
    let bad_target = if protocol.is_some() { !connects || !is_whole } else { connects == is_whole };
    let te = head.headers().get_all(header::TE);
    bad_target
        || CONNECTION_SPECIFIC.iter().any(|name| head.headers().contains_key(name))
        || te.iter().any(|value| value != "trailers")
}

const CONNECTION_SPECIFIC: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

async fn answer(site: &Site, visit: &Visit, peer: &Peer, asked: Asked) -> Result<(), StreamError> {
    if asked.protocol == Some(Protocol::WebTransport) && site.webtransport {
        return webtransport::run(site, visit, peer, asked).await;
    }
    let Asked { head, protocol, stream } = asked;
    let Some(protocol) = protocol else {
        let (mut sending, receiving) = stream.split();
        let response = site.answer(visit, head.map(|()| Body::new(Upload(receiving)))).await;
        return respond(site, visit, &mut sending, response).await;
    };
    let mut request = head.map(|()| Body::empty());
    let name = match protocol {
        Protocol::WebSocket => "websocket",
        Protocol::WebTransport | Protocol::Other => "unknown",
    };
    request.extensions_mut().insert(hyper::ext::Protocol::from_static(name));
    let far = Tunnel::offer(request.extensions_mut());
    let response = site.answer(visit, request).await;
    let (mut sending, receiving) = stream.split();
    if !response.status().is_success() {
        return respond(site, visit, &mut sending, response).await;
    }
    let time = site.limits.write_timeout;
    sending.send_response(head_of(&response)).await?;
    relay::run(sending, receiving, far, &peer.quic, time).await
}

pub(super) fn head_of<B>(response: &Response<B>) -> Response<()> {
    let mut head = Response::new(());
    *head.status_mut() = response.status();
    *head.headers_mut() = response.headers().clone();
    let headers: &mut HeaderMap = head.headers_mut();
    CONNECTION_SPECIFIC.iter().for_each(|name| drop(headers.remove(name)));
    head
}

/// Sends a whole answer, to a client that takes it.
pub(super) async fn respond(
    site: &Site,
    visit: &Visit,
    sending: &mut Sending,
    response: Response<Body>,
) -> Result<(), StreamError> {
    let reader = Reader::of(&response, visit.remote);
    match send(sending, response, site.limits.write_timeout).await {
        Ok(()) => Ok(()),
        Err(Cut::Broken(error)) => Err(error),
        Err(Cut::Stalled) => {
            reader.count_slow(&site.shared);
            sending.stop_stream(Code::H3_REQUEST_CANCELLED);
            Ok(())
        }
    }
}

/// Why an answer did not come to its end.
enum Cut {
    Broken(StreamError),
    /// The client has taken nothing for too long.
    Stalled,
}

impl From<StreamError> for Cut {
    fn from(error: StreamError) -> Self {
        Self::Broken(error)
    }
}

impl From<Elapsed> for Cut {
    fn from(_: Elapsed) -> Self {
        Self::Stalled
    }
}

/// Sends an answer, no piece of which may take longer than `time`.
async fn send(sending: &mut Sending, response: Response<Body>, time: Duration) -> Result<(), Cut> {
    timeout(time, sending.send_response(head_of(&response))).await??;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        match frame.map(BodyFrame::into_data) {
            Ok(Ok(mut data)) => {
                while !data.is_empty() {
                    let piece = data.split_to(data.len().min(PIECE_LEN_MAX));
                    timeout(time, sending.send_data(piece)).await??;
                }
            }
            Ok(Err(_trailers)) => {}
            Err(error) => {
                tracing::debug!(%error, "an answer broke off");
                sending.stop_stream(Code::H3_INTERNAL_ERROR);
                return Ok(());
            }
        }
    }
    Ok(timeout(time, sending.finish()).await??)
}

/// The body of a request.
struct Upload(Receiving);

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, StreamError>>> {
        let received = ready!(self.0.poll_recv_data(context));
        let data = received.map(|data| data.map(|mut data| data.copy_to_bytes(data.remaining())));
        Poll::Ready(data.transpose().map(|data| data.map(BodyFrame::data)))
    }
}
