//! A client with the interface that pages have: the WebSocket API (WHATWG WebSockets Standard,
//! section 3), without its DOM.
//!
//! A task of its own connects, reads and writes; the program holds a handle: it sends, closes, and
//! takes events one after the other. While it takes none, nothing is read from the server.
//!
//! ```no_run
//! use omniwire_websocket::browser::{Event, WebSocket};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut socket = WebSocket::new("wss://example.com/chat", &["chat.v1"])?;
//! while let Some(event) = socket.event().await {
//!     match event {
//!         Event::Open => socket.send("hello")?,
//!         Event::Message(message) => println!("{message:?}"),
//!         Event::Error => {} // its Close follows, and says no more: nor do browsers
//!         Event::Close(closed) => println!("closed with {}", closed.code),
//!     }
//! }
//! # Ok(()) }
//! ```

mod task;

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::mpsc;

use super::Connector;
use crate::close::REASON_LEN_MAX;
use crate::deflate;
use crate::handshake::client::{Address, RequestError, check_subprotocols};
use crate::{CloseFrame, Message, UnsendableCode};

/// What happens on a connection, in order: `Open` at most once, `Message` any number of times,
/// then `Error` if it failed, and `Close` exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The opening handshake is done.
    Open,
    /// Text or binary data.
    Message(Message),
    /// The connection failed.
    Error,
    /// The end.
    Close(Closed),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The server's code; 1005 if it gave none, 1006 if there was no closing handshake.
    pub code: u16,
    /// The server's reason.
    pub reason: String,
    /// Whether the closing handshake was completed.
    pub was_clean: bool,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReadyState {
    /// The opening handshake is under way.
    Connecting,
    /// Messages go both ways.
    Open,
    /// The closing handshake is under way.
    Closing,
    /// It has ended, or never came about.
    Closed,
}

/// A message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The opening handshake is still under way.
    #[error("The WebSocket is still connecting.")]
    Connecting,
    /// Only text and binary data are sent; Ping and Pong are not for pages.
    #[error("Only text and binary data can be sent.")]
    NotData,
    /// More than [`BUFFERED_LEN_MAX`] octets or 4,095 messages would wait. (Browsers close the
    /// connection.)
    #[error("Too much waits to be sent.")]
    Full,
}

/// A connection cannot be closed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// The code is neither 1000 nor one of 3000 to 4999.
    #[error(transparent)]
    Code(#[from] UnsendableCode),
    /// The reason has more than 123 octets.
    #[error("The reason is longer than 123 octets.")]
    Reason,
}

/// Octets that may wait to be sent.
pub const BUFFERED_LEN_MAX: usize = 64 << 20;

/// The handle of a connection. Dropped, it closes with 1001.
#[derive(Debug)]
pub struct WebSocket {
    shared: Arc<Shared>,
    /// Locked, so that what is sent leaves the last place to the Close.
    commands: Mutex<mpsc::Sender<Command>>,
    events: mpsc::Receiver<Event>,
}

/// What the handle asks of the task.
#[derive(Debug)]
enum Command {
    Send(Message),
    Close(Option<CloseFrame>),
}

#[derive(Debug, Default)]
struct Shared {
    state: AtomicU8,
    buffered: AtomicUsize,
    protocol: OnceLock<String>,
}

impl WebSocket {
    /// Connects as a page would, with compression. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// What a browser calls a SyntaxError: the URL is none of ws, wss, http or https or has a
    /// fragment, or a subprotocol is no token or stands twice.
    pub fn new(url: &str, subprotocols: &[&str]) -> Result<Self, RequestError> {
        Self::with(url, subprotocols, Connector::default())
    }

    /// The same, with a proxy, limits, or header fields that a browser would add by itself, such
    /// as Origin and Cookie. The connector's subprotocols and compression are set by this call.
    ///
    /// # Errors
    /// See [`WebSocket::new`].
    pub fn with(
        url: &str,
        subprotocols: &[&str],
        mut connector: Connector,
    ) -> Result<Self, RequestError> {
        let url = websocket_url(url);
        Address::parse(&url)?;
        let options = &mut connector.options;
        options.subprotocols = subprotocols.iter().map(|&name| name.to_owned()).collect();
        check_subprotocols(&options.subprotocols)?;
        options.require_subprotocol = true;
        options.deflate = Some(deflate::Config {
            server_context_takeover: true,
            client_context_takeover: true,
            ..deflate::Config::default()
        });
        let shared = Arc::new(Shared::default());
        let (commands, of_handle) = mpsc::channel(COMMANDS_MAX);
        let (to_handle, events) = mpsc::channel(EVENTS_MAX);
        let task = task::Task::new(Arc::clone(&shared), of_handle, to_handle);
        tokio::spawn(task.run(url, connector));
        Ok(Self { shared, commands: Mutex::new(commands), events })
    }

    /// The next event. `None` after the Close. Cancel safe.
    pub async fn event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Queues a message. When the connection is closing or closed it is dropped, and still counted
    /// in [`WebSocket::buffered_amount`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        if !message.is_data() {
            return Err(SendError::NotData);
        }
        let state = self.ready_state();
        if state == ReadyState::Connecting {
            return Err(SendError::Connecting);
        }
        let len = payload_len(&message);
        if self.buffered_amount().saturating_add(len) > BUFFERED_LEN_MAX {
            return Err(SendError::Full);
        }
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if state == ReadyState::Open && commands.capacity() <= 1 {
            return Err(SendError::Full);
        }
        self.shared.buffered.fetch_add(len, Ordering::Relaxed);
        if state == ReadyState::Open {
            // The task is gone only when the connection is closed, and then this is dropped.
            commands.try_send(Command::Send(message)).unwrap_or_default();
        }
        Ok(())
    }

    /// Starts the closing handshake, or gives up the opening one. Does nothing a second time.
    ///
    /// # Errors
    /// The code is neither 1000 nor one of 3000 to 4999, or the reason is too long.
    pub fn close(&self, code: Option<u16>, reason: &str) -> Result<(), CloseError> {
        if let Some(code) = code
            && !matches!(code, 1000 | 3000..=4999)
        {
            return Err(UnsendableCode(code).into());
        }
        if reason.len() > REASON_LEN_MAX {
            return Err(CloseError::Reason);
        }
        let frame = match code {
            Some(code) => Some(CloseFrame::try_new(code, reason)?),
            None if reason.is_empty() => None,
            None => Some(CloseFrame::try_new(1000, reason)?),
        };
        if matches!(self.ready_state(), ReadyState::Connecting | ReadyState::Open) {
            self.shared.set_state(ReadyState::Closing);
            let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            commands.try_send(Command::Close(frame)).unwrap_or_default();
        }
        Ok(())
    }

    /// How far the connection is.
    #[must_use]
    pub fn ready_state(&self) -> ReadyState {
        self.shared.state()
    }

    /// Octets of messages that were queued and have not been handed to the network.
    #[must_use]
    pub fn buffered_amount(&self) -> usize {
        self.shared.buffered.load(Ordering::Relaxed)
    }

    /// The subprotocol that the server chose; empty if none, or while connecting.
    #[must_use]
    pub fn protocol(&self) -> &str {
        self.shared.protocol.get().map_or("", String::as_str)
    }
}

impl Shared {
    fn state(&self) -> ReadyState {
        match self.state.load(Ordering::Acquire) {
            0 => ReadyState::Connecting,
            1 => ReadyState::Open,
            2 => ReadyState::Closing,
            _ => ReadyState::Closed,
        }
    }

    fn set_state(&self, state: ReadyState) {
        // A state is never left for an earlier one, whoever comes last.
        self.state.fetch_max(state as u8, Ordering::AcqRel);
    }
}

/// The standard takes `http` for `ws` and `https` for `wss`.
fn websocket_url(url: &str) -> String {
    for (from, to) in [("http://", "ws://"), ("https://", "wss://")] {
        if let Some((scheme, rest)) = url.split_at_checked(from.len())
            && scheme.eq_ignore_ascii_case(from)
        {
            return format!("{to}{rest}");
        }
    }
    url.to_owned()
}

fn payload_len(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.as_bytes().len(),
        Message::Binary(data) => data.len(),
        _ => 0,
    }
}

/// Events that wait for the program.
const EVENTS_MAX: usize = 64;

/// Messages that wait for the task, and the Close behind them.
const COMMANDS_MAX: usize = 4_096;
