//! Reading without a buffer that waits.

use bytes::BytesMut;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes read at once.
const READ_LEN: usize = 16 << 10;

/// Appends what has come, and says how much: nothing is the end. Until it is there, it has no
/// place.
pub(crate) fn poll_read<S: AsyncRead + Unpin + ?Sized>(
    stream: &mut S,
    context: &mut Context<'_>,
    bytes: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let mut space = [MaybeUninit::uninit(); READ_LEN];
    let mut read = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(context, &mut read))?;
    bytes.extend_from_slice(read.filled());
    Poll::Ready(Ok(read.filled().len()))
}
