//! The octets that travel in the DATA frames of a request's stream.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use quinn::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Http3, code};
use crate::http3::{Answer, Code, Piece, write_data};
use crate::socket::connect::stream::take_unread;

/// A stream of an HTTP/3 connection: octets travel in its DATA frames, FIN is the end that TCP's
/// would be, a reset is the loss of the connection (RFC 9220 section 3).
#[derive(Debug)]
pub struct Http3Stream {
    connection: Http3,
    sending: SendStream,
    receiving: RecvStream,
    answer: Answer,
    unread: Bytes,
    /// A DATA frame of which a part is written.
    unsent: BytesMut,
    /// FIN is sent.
    ended: bool,
    /// FIN has come.
    heard_all: bool,
}

impl Http3Stream {
    pub(super) fn new(connection: Http3, sending: SendStream, receiving: RecvStream) -> Self {
        Self {
            connection,
            sending,
            receiving,
            answer: Answer::default(),
            unread: Bytes::new(),
            unsent: BytesMut::new(),
            ended: false,
            heard_all: false,
        }
    }

    /// The server has agreed: from here on there is nothing but data.
    pub(super) const fn open(&mut self) {
        self.answer.open();
    }

    /// The next piece of the server's answer.
    pub(super) async fn next_piece(&mut self) -> io::Result<Piece> {
        let piece = poll_fn(|cx| self.poll_piece(cx)).await?;
        piece.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Ends the connection because of what the server did.
    pub(super) fn fail(&self, why: Code) -> io::Error {
        self.connection.fail(why);
        io::Error::new(io::ErrorKind::InvalidData, "the server broke a rule of HTTP/3")
    }

    /// Ends this stream because of what the server did.
    pub(super) fn refuse(&mut self, why: Code) -> io::Error {
        self.cut(why);
        io::Error::new(io::ErrorKind::InvalidData, "the server's answer is malformed")
    }

    fn cut(&mut self, why: Code) {
        // Each half may have ended already.
        let _ = self.sending.reset(code(why));
        let _ = self.receiving.stop(code(why));
        (self.ended, self.heard_all) = (true, true);
    }

    /// Reads until there is a piece. `None`: the stream has ended.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Piece>>> {
        loop {
            match self.answer.next() {
                Ok(Some(piece)) => return Poll::Ready(Ok(Some(piece))),
                Ok(None) => {}
                Err(why) => return Poll::Ready(Err(self.fail(why))),
            }
            let mut octets = [0; HEAD_READ_LEN];
            let mut read = ReadBuf::new(&mut octets);
            ready!(self.poll_receive(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(self.end().map(|()| None));
            }
            self.answer.push(read.filled());
        }
    }

    /// Reads into a buffer.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.receiving), cx, buf)
    }

    /// FIN has come.
    fn end(&mut self) -> io::Result<()> {
        self.heard_all = true;
        if self.answer.is_whole() { Ok(()) } else { Err(self.fail(Code::FRAME_ERROR)) }
    }

    /// Writes what is left of a frame.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sending = Pin::new(&mut self.sending);
            let len = ready!(AsyncWrite::poll_write(sending, cx, &self.unsent))?;
            self.unsent.advance(len);
        }
        self.unsent = BytesMut::new(); // no memory while idle
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Http3Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() {
            let direct = usize::try_from(this.answer.direct()).unwrap_or(usize::MAX);
            if direct > 0 {
                let room = buf.remaining().min(direct);
                let mut target = ReadBuf::new(buf.initialize_unfilled_to(room));
                ready!(this.poll_receive(cx, &mut target))?;
                let len = target.filled().len();
                buf.advance(len);
                this.answer.took_direct(len as u64);
                return Poll::Ready(if len == 0 { this.end() } else { Ok(()) });
            }
            match ready!(this.poll_piece(cx))? {
                Some(Piece::Data(data)) => this.unread = data,
                Some(Piece::Headers(_)) => {
                    return Poll::Ready(Err(this.fail(Code::FRAME_UNEXPECTED)));
                }
                None => return Poll::Ready(Ok(())),
            }
        }
        take_unread(&mut this.unread, buf);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http3Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        let (frame, _) = octets.split_at_checked(FRAME_LEN_MAX).unwrap_or((octets, &[]));
        write_data(&mut this.unsent, frame);
        // What cannot be written now is kept, and a frame is promised as a whole.
        match this.poll_unsent(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(frame.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_unsent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ended {
            ready!(this.poll_unsent(cx))?;
            this.sending.finish()?;
            this.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Http3Stream {
    /// RFC 9220 section 3: an end that is not orderly is a reset.
    fn drop(&mut self) {
        if !(self.ended && self.heard_all) {
            let why = code(Code::REQUEST_CANCELLED);
            if !self.ended {
                let _ = self.sending.reset(why);
            }
            let _ = self.receiving.stop(why);
        }
    }
}

/// Octets of one DATA frame at most.
const FRAME_LEN_MAX: usize = 16 << 10;

/// What is read at once where a frame's head is awaited.
const HEAD_READ_LEN: usize = 2 << 10;
