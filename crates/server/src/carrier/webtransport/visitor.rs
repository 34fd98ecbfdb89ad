//! Who comes by WebTransport: a session of HTTP/3 that was let in, and its first stream.

use crate::carrier::offered;
use crate::carrier::upgrade::Stream;
use bytes::BytesMut;
use http::Extensions;
use omniwire_engineio::frame::{self, Greeting};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;

/// Bytes of the first frame: nobody knows yet whose it is.
const GREETING_LEN_MAX: usize = 1024;

/// The near end of a session, for a carrier; the session is over when it is dropped.
pub(crate) struct Visitor {
    stream: oneshot::Receiver<Box<dyn Stream>>,
    session: Session,
}

struct Session {
    /// Resolves when the client has ended the session, or its connection is gone.
    over: oneshot::Receiver<()>,
    /// Dropped with the rest.
    _here: oneshot::Sender<()>,
}

/// The far end, for whoever speaks HTTP/3.
pub(crate) struct Far {
    /// Takes the session's first stream.
    pub(crate) stream: oneshot::Sender<Box<dyn Stream>>,
    /// Dropped when the client has ended the session.
    pub(crate) open: oneshot::Sender<()>,
    /// Resolves when nobody is at the near end.
    pub(crate) gone: oneshot::Receiver<()>,
}

/// A session whose first frame was read.
pub(crate) struct Talk {
    pub(super) stream: Box<dyn Stream>,
    /// What came behind the frames that were taken.
    pub(super) unread: BytesMut,
    session: Session,
}

impl Visitor {
    /// A session that whoever answers the request may take.
    pub(crate) fn offer(extensions: &mut Extensions) -> Far {
        let (far, near) = Self::pair();
        offered::offer(extensions, near);
        far
    }

    pub(super) fn pair() -> (Far, Self) {
        let (bring, stream) = oneshot::channel();
        let (open, over) = oneshot::channel();
        let (here, gone) = oneshot::channel();
        let session = Session { over, _here: here };
        (Far { stream: bring, open, gone }, Self { stream, session })
    }

    /// The session that is offered with a request.
    pub(crate) fn take(extensions: &Extensions) -> Option<Self> {
        offered::take(extensions)
    }

    /// Waits for the first stream and reads its first frame. `None`: it says nothing that would
    /// open a session, or the client is gone.
    pub(crate) async fn greet(self, payload_len_max: usize) -> Option<(Greeting, Talk)> {
        let Self { stream, mut session } = self;
        let greeting = async {
            let (mut stream, mut unread) = (stream.await.ok()?, BytesMut::new());
            let len_max = payload_len_max.min(GREETING_LEN_MAX);
            loop {
                match frame::take(len_max, &mut unread) {
                    Ok(Some(first)) => break Some((Greeting::parse(&first).ok()?, stream, unread)),
                    Ok(None) => {}
                    Err(_) => break None,
                }
                if !matches!(stream.read_buf(&mut unread).await, Ok(1..)) {
                    break None;
                }
            }
        };
        let greeting = tokio::select! {
            greeting = greeting => greeting,
            _ = &mut session.over => None,
        };
        greeting.map(|(greeting, stream, unread)| (greeting, Talk { stream, unread, session }))
    }
}

impl Talk {
    /// Ready when the client has ended the session, or its connection is gone.
    pub(super) fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.session.over).poll(context).map(drop)
    }
}
