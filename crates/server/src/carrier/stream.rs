//! An endless response: `text/event-stream`, or SockJS's streams, one HTTP chunk for each frame.

use super::Place;
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

/// A response that brings what the session says, after `prelude`, which is sent at once. Dropped
/// before its end, the stream is lost and the session is told.
pub(crate) fn respond(
    cell: &Arc<Cell>,
    id: CarrierId,
    content_type: &'static str,
    headers: Headers,
    prelude: impl Into<Bytes>,
) -> Response<Body> {
    let place = Place::new(cell, id);
    let prelude = Some(prelude.into()).filter(|prelude| !prelude.is_empty());
    let mut response = Response::new(Body::new(Stream { place, prelude, ended: false }));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Proxies that buffer would hold every message back (nginx reads this one).
    fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.apply(fields);
    response
}

struct Stream {
    place: Place,
    prelude: Option<Bytes>,
    ended: bool,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(prelude) = self.prelude.take() {
            return Poll::Ready(Some(Ok(Frame::data(prelude))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        self.place.cell.poll_chunk(self.place.id, context).map(|chunk| {
            let data = match chunk {
                Chunk::More(data) => data.freeze(),
                Chunk::Last(data) => {
                    self.ended = true;
                    data.freeze()
                }
                Chunk::End(ending) => {
                    self.ended = true;
                    ending.answer.body
                }
            };
            Some(data).filter(|data| !data.is_empty()).map(|data| Ok(Frame::data(data)))
        })
    }
}
