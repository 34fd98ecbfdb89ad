//! Streams that a client sends along with a call.

use super::arguments::FromArgs;
use super::failure::Failure;
use crate::session::cell::{Cell, Weight};
use futures_util::Stream;
use omniwire_session::{Args as RawArgs, ByteString};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// One item, or the client's own words on why the stream failed.
pub(crate) type Item = Result<RawArgs, ByteString>;

fn weight(item: &Item) -> Weight {
    item.as_ref().map_or(Weight::ONE, Weight::of)
}

/// Both ends of a stream. Items that wait for the handler count as events that wait for theirs:
/// when there are many, the session is not read from.
pub(crate) fn channel(cell: &Arc<Cell>) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Sender(sender), Receiver { items: receiver, cell: Arc::clone(cell) })
}

/// The client's end.
#[derive(Debug)]
pub(crate) struct Sender(mpsc::UnboundedSender<Item>);

impl Sender {
    /// Whether the handler still wanted it.
    pub(crate) fn send(&self, cell: &Cell, item: Item) -> bool {
        let weight = weight(&item);
        cell.event_waits(weight);
        let sent = self.0.send(item).is_ok();
        if !sent {
            cell.event_dropped(weight);
        }
        sent
    }

    /// Whether the handler wants no more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// The handler's end.
#[derive(Debug)]
pub(crate) struct Receiver {
    items: mpsc::UnboundedReceiver<Item>,
    cell: Arc<Cell>,
}

impl Receiver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let item = std::task::ready!(self.items.poll_recv(cx));
        if let Some(item) = &item {
            self.cell.event_started(weight(item));
        }
        Poll::Ready(item)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.items.close();
        while let Ok(item) = self.items.try_recv() {
            self.cell.event_started(weight(&item));
        }
    }
}

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
        self.receiver.poll(cx).map(|item| match item? {
            Ok(args) => Some(match <(T,)>::from_args(&args) {
                Ok((item,)) => Ok(item),
                Err(error) => Err(super::failure::bad_arguments(error)),
            }),
            Err(text) => Some(Err(Failure::client(text.to_string()))),
        })
    }
}
