//! An endless response: `text/event-stream`, or SockJS's streams, one HTTP chunk for each frame.

use super::Place;
use super::gzip::Gzip;
use super::stall::Carried;
use crate::edge::answers::Headers;
use crate::session::cell::{Cell, Chunk};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use omniwire_session::CarrierId;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A response that brings what the session says, after `prelude`, which is sent at once, all of it
/// through `gzip` if that is given. Dropped before its end, the stream is lost and the session is
/// told.
pub(crate) fn respond(
    cell: &Arc<Cell>,
    id: CarrierId,
    content_type: &'static str,
    headers: Headers,
    prelude: impl Into<Bytes>,
    gzip: Option<Gzip>,
) -> Response<Body> {
    let place = Place::new(cell, id);
    let prelude = Some(prelude.into()).filter(|prelude| !prelude.is_empty());
    let is_gzip = gzip.is_some();
    let stream = Stream { place, prelude, gzip: gzip.map(Box::new), ended: false };
    let mut response = Response::new(Body::new(stream));
    response.extensions_mut().insert(Carried(Arc::downgrade(cell)));
    let fields = response.headers_mut();
    if is_gzip {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Proxies that buffer would hold every message back (nginx reads this one).
    fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.apply(fields);
    response
}

struct Stream {
    place: Place,
    prelude: Option<Bytes>,
    gzip: Option<Box<Gzip>>,
    ended: bool,
}

impl Stream {
    /// The next piece, as the session says it. None: that was all.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(prelude) = self.prelude.take() {
            return Poll::Ready(Some(prelude));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        self.place.cell.poll_chunk(self.place.id, context).map(|chunk| {
            let data = match chunk {
                Chunk::More(data) => data.freeze(),
                Chunk::Last { data, .. } => {
                    self.ended = true;
                    data.freeze()
                }
                Chunk::End(ending) => {
                    self.ended = true;
                    ending.answer.body
                }
            };
            Some(data).filter(|data| !data.is_empty())
        })
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = std::task::ready!(self.poll_piece(context));
        let data = match (piece, self.gzip.as_mut()) {
            (piece, None) => piece,
            (Some(piece), Some(gzip)) => Some(gzip.piece(&piece)),
            (None, Some(_)) => self.gzip.take().map(|gzip| gzip.end()),
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }
}
