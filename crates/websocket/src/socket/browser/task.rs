//! The task behind the handle: one connection from its opening handshake to its end.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::{Closed, Command, Event, ReadyState, Shared, payload_len};
use crate::socket::{ClientStream, Connector, Error, WebSocket};
use crate::{CloseCode, CloseFrame, Message};

pub(super) struct Task {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    /// Octets of messages that the socket has, and has not written.
    unwritten: usize,
}

impl Task {
    pub(super) const fn new(
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self { shared, commands, events, unwritten: 0 }
    }

    pub(super) async fn run(mut self, url: String, connector: Connector) {
        let connected = tokio::select! {
            connected = connector.connect(&url) => connected.ok(),
            // The only command while connecting: close.
            _ = self.commands.recv() => None,
        };
        let closed = match connected {
            Some(socket) => self.drive(socket).await,
            None => None,
        };
        self.shared.set_state(ReadyState::Closed);
        if closed.is_none() {
            self.tell(Event::Error).await;
        }
        let closed =
            closed.unwrap_or(Closed { code: 1006, reason: String::new(), was_clean: false });
        self.tell(Event::Close(closed)).await;
    }

    /// `None`: the connection failed.
    async fn drive(&mut self, mut socket: WebSocket<ClientStream>) -> Option<Closed> {
        if let Some(subprotocol) = socket.subprotocol() {
            // Set here and nowhere else.
            self.shared.protocol.set(subprotocol.to_owned()).unwrap_or_default();
        }
        self.shared.set_state(ReadyState::Open);
        self.tell(Event::Open).await;
        let (mut closed, mut failed) = (None, false);
        while let Some(received) = poll_fn(|cx| self.poll(cx, &mut socket)).await {
            match received {
                Ok(Message::Close(close)) => {
                    self.shared.set_state(ReadyState::Closing);
                    closed = Some(clean(close.as_ref()));
                }
                Ok(message) if message.is_data() => {
                    if self.shared.state() == ReadyState::Open {
                        self.tell(Event::Message(message)).await;
                    }
                }
                Ok(_) => {}
                Err(_) => failed = true,
            }
        }
        closed.filter(|_| !failed)
    }

    /// Hands over what the handle wants sent, then reads and writes.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut WebSocket<ClientStream>,
    ) -> Poll<Option<Result<Message, Error>>> {
        while let Poll::Ready(command) = self.commands.poll_recv(cx) {
            match command {
                Some(Command::Send(message)) => {
                    self.unwritten = self.unwritten.saturating_add(payload_len(&message));
                    socket.queue(message);
                }
                Some(Command::Close(close)) => socket.queue(Message::Close(close)),
                None => {
                    socket.start_close(CloseFrame::from(CloseCode::GoingAway));
                    break;
                }
            }
        }
        let received = socket.poll_recv(cx);
        if socket.buffered_amount() == 0 {
            let written = std::mem::take(&mut self.unwritten);
            self.shared.buffered.fetch_sub(written, Ordering::Relaxed);
        }
        received
    }

    async fn tell(&self, event: Event) {
        // Nobody listens any more if the handle was dropped.
        self.events.send(event).await.unwrap_or_default();
    }
}

fn clean(close: Option<&CloseFrame>) -> Closed {
    let code = close.map_or(1005, |close| close.code().into());
    let reason = close.map(|close| close.reason().to_string()).unwrap_or_default();
    Closed { code, reason, was_clean: true }
}
