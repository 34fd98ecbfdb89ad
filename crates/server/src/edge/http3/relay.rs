//! Moves bytes between the stream of a CONNECT and a tunnel: DATA frames are the bytes of a
//! connection, FIN is its orderly end, a reset is its loss (RFC 9220, 3).

use super::{Receiving, Sending, fail};
use crate::carrier::tunnel::{Far, Tied};
use bytes::BytesMut;
use futures_util::FutureExt as _;
use h3::error::{Code, StreamError};
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Acquire;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::time::timeout;

/// Bytes of one DATA frame at most.
const FRAME_LEN_MAX: usize = 16 << 10;

/// Runs until both directions have ended, one was cut off, nobody is at the near end, or the client
/// has taken nothing for `time`: whoever is at the near end gives it up in the same time.
pub(super) async fn run(
    mut sending: Sending,
    mut receiving: Receiving,
    far: Far,
    quic: &quinn::Connection,
    time: Duration,
) -> Result<(), StreamError> {
    let Far { io, tied: Tied { orderly, mut gone } } = far;
    let (mut from, mut to) = tokio::io::split(io);
    let (mut sent, mut received, mut cut) = (false, false, Ok(()));
    {
        let mut send = pin!(send(&mut sending, &mut from, &orderly, time));
        let mut receive = pin!(receive(&mut receiving, &mut to, quic));
        while cut.is_ok() && !(sent && received) {
            tokio::select! {
                done = &mut send, if !sent => (sent, cut) = (true, done),
                done = &mut receive, if !received => (received, cut) = (true, done),
                _ = &mut gone, if sent => break,
            }
        }
    }
    if cut.is_err() {
        sending.stop_stream(Code::H3_REQUEST_CANCELLED);
    }
    // What the client still sends is refused with the stream.
    drop(receiving);
    cut
}

/// What the near end says, until it ends.
async fn send(
    sending: &mut Sending,
    from: &mut ReadHalf<DuplexStream>,
    orderly: &AtomicBool,
    time: Duration,
) -> Result<(), StreamError> {
    loop {
        let mut buffer = BytesMut::with_capacity(FRAME_LEN_MAX);
        // A tunnel can't fail; its near end may be gone.
        match from.read_buf(&mut buffer).await {
            Ok(1..) => match timeout(time, sending.send_data(buffer.freeze())).await {
                Ok(sent) => sent?,
                Err(_) => {
                    sending.stop_stream(Code::H3_REQUEST_CANCELLED);
                    return Ok(());
                }
            },
            Ok(0) | Err(_) => break,
        }
    }
    if orderly.load(Acquire) {
        return sending.finish().await;
    }
    sending.stop_stream(Code::H3_REQUEST_CANCELLED);
    Ok(())
}

/// What the client says, until it ends.
async fn receive(
    receiving: &mut Receiving,
    to: &mut WriteHalf<DuplexStream>,
    quic: &quinn::Connection,
) -> Result<(), StreamError> {
    while let Some(mut data) = receiving.recv_data().await? {
        if to.write_all_buf(&mut data).await.is_err() {
            // Nobody listens any more.
            return Ok(());
        }
    }
    // `h3` says the same of FIN and of trailers; but after FIN it has no more to wait for.
    if !matches!(receiving.recv_data().now_or_never(), Some(Ok(None))) {
        // RFC 9114, 4.4: on the stream of a CONNECT there are only DATA frames.
        fail(quic, Code::H3_FRAME_UNEXPECTED, "only DATA may follow on the stream of a CONNECT");
    }
    to.shutdown().await.ok();
    Ok(())
}
