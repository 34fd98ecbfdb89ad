//! Streams that a client sends along with a call.

use super::arguments::FromArgs;
use super::failure::Failure;
use futures_util::Stream;
use omniwire_session::{Args as RawArgs, ByteString};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// One item, or the client's own words on why the stream failed.
pub(crate) type Item = Result<RawArgs, ByteString>;
pub(crate) type Receiver = mpsc::Receiver<Item>;
pub(crate) type Sender = mpsc::Sender<Item>;

/// A stream that the client sends along with a call: a parameter of the handler. Ends when the
/// client ends it; an error if the client failed it, vanished, or sent what is no `T`.
#[derive(Debug)]
pub struct Upload<T> {
    receiver: Receiver,
    item: PhantomData<fn() -> T>,
}

impl<T> Upload<T> {
    pub(crate) fn new(receiver: Receiver) -> Self {
        Self { receiver, item: PhantomData }
    }
}

impl<T: DeserializeOwned> Stream for Upload<T> {
    type Item = Result<T, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map(|item| match item? {
            Ok(args) => Some(match <(T,)>::from_args(&args) {
                Ok((item,)) => Ok(item),
                Err(error) => Err(super::failure::bad_arguments(error)),
            }),
            Err(text) => Some(Err(Failure::client(text.to_string()))),
        })
    }
}
