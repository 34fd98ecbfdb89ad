//! What a client sends by POST.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use crate::session::cell::Cell;

/// How long a whole body may take: a client that stalls holds no memory for longer.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads a whole body of at most `len_max` bytes; reserves nothing that has not arrived.
///
/// # Errors
/// 413 if it is longer, 408 if it takes too long, 400 if it breaks off.
pub(crate) async fn read_body(body: Body, len_max: usize) -> Result<Bytes, StatusCode> {
    let read = collect(body, len_max);
    tokio::time::timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

async fn collect(mut body: Body, len_max: usize) -> Result<Bytes, StatusCode> {
    if http_body::Body::size_hint(&body).lower() > len_max as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        let Some(data) = frame.data_ref() else { continue };
        if whole.len() + data.len() > len_max {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        whole.extend_from_slice(data);
    }
    Ok(whole.freeze())
}

/// Waits until the session's handlers keep up.
pub(crate) async fn wait_for_room(cell: &Arc<Cell>) {
    poll_fn(|context| cell.poll_uncongested(context)).await;
}
