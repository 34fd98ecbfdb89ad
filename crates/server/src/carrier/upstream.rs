//! What a client sends by POST.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::intake::{NoRoom, Portion};
use crate::mount::Incoming;
use crate::session::cell::Cell;

/// How much of a body that is too long is read and thrown away: a client that is still writing
/// would otherwise see its connection reset rather than the answer.
const DRAINED_LEN_MAX: usize = 16 << 20;

/// How long that may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads a whole body of at most `len_max` bytes; reserves nothing that has not arrived. It counts
/// among what is unfinished as long as the second value lives, which is until the session has it.
///
/// # Errors
/// 413 if it is longer, 408 if it takes too long (a client that stalls holds no memory for
/// longer), 400 if it breaks off, 503 if others have sent too much that is unfinished.
pub(crate) async fn read_body(
    incoming: Incoming,
    len_max: usize,
) -> Result<(Bytes, Portion), StatusCode> {
    let timeout = incoming.shared.limits.body_timeout;
    let mut portion = incoming.shared.intake.portion();
    let mut body = incoming.into_body();
    let read = collect(&mut body, len_max, &mut portion);
    let read = tokio::time::timeout(timeout, read).await;
    let read = read.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT));
    if read == Err(StatusCode::PAYLOAD_TOO_LARGE) {
        // Whether it ends is the client's affair: it has its answer.
        tokio::time::timeout(DRAIN_TIMEOUT, drain(&mut body)).await.ok();
    }
    read.map(|bytes| (bytes, portion))
}

/// Reads a body that says nothing to us, and throws it away. As long as it is not whole, hyper does
/// not look whether the client has gone, so what waits for the session would outlive its client.
///
/// # Errors
/// 413 if it is longer than anybody needs, 408 if it takes too long, 400 if it breaks off.
pub(crate) async fn pass_over_body(incoming: &mut Incoming) -> Result<(), StatusCode> {
    let timeout = incoming.shared.limits.body_timeout;
    let body = incoming.body_mut();
    if http_body::Body::size_hint(body).lower() > DRAINED_LEN_MAX as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let drained = tokio::time::timeout(timeout, drain(body)).await;
    match drained.map_err(|_| StatusCode::REQUEST_TIMEOUT)? {
        Some(DRAINED_LEN_MAX..) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Some(_) => Ok(()),
        None => Err(StatusCode::BAD_REQUEST),
    }
}

async fn collect(
    body: &mut Body,
    len_max: usize,
    portion: &mut Portion,
) -> Result<Bytes, StatusCode> {
    if http_body::Body::size_hint(body).lower() > len_max as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        let Some(data) = frame.data_ref() else { continue };
        let len = whole.len().saturating_add(data.len());
        if len > len_max {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let room = portion.set(len);
        room.map_err(|NoRoom| StatusCode::SERVICE_UNAVAILABLE)?;
        whole.extend_from_slice(data);
    }
    Ok(whole.freeze())
}

/// Throws a body away, and says how long it was, up to a limit. `None`: it broke off.
async fn drain(body: &mut Body) -> Option<usize> {
    let mut drained: usize = 0;
    while drained < DRAINED_LEN_MAX {
        let Some(frame) = body.frame().await else { break };
        drained = drained.saturating_add(frame.ok()?.data_ref().map_or(0, Bytes::len));
    }
    Some(drained)
}

/// Waits until the session's handlers keep up.
pub(crate) async fn wait_for_room(cell: &Arc<Cell>) {
    poll_fn(|context| cell.poll_uncongested(context)).await;
}

/// Waits until what came has reached the handlers, so that the next POST does not overtake it.
pub(crate) async fn wait_until_taken(cell: &Arc<Cell>) {
    poll_fn(|context| cell.poll_caught_up(context)).await;
}
