//! Whole sessions: any sequence of inputs, in virtual time.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use omniwire_engineio::{EngineIoSession, Open, Packet, Protocol};
use omniwire_plain::{Config, Manner, PlainSession};
use omniwire_session::{Carrier, Message, json};
use omniwire_signalr::SignalRSession;
use omniwire_socketio::SocketIoSession;
use omniwire_sockjs::{Raw, SockJsSession};
use omniwire_websocket::{CloseCode, CloseFrame, CloseState, Connection, Limits, Receiver, Role};

use crate::input::Input;
use crate::session::Bench;

const ENGINEIO: [Carrier; 3] = [Carrier::LongPoll, Carrier::WebSocket, Carrier::WebTransport];
const ALL: [Carrier; 4] =
    [Carrier::LongPoll, Carrier::WebSocket, Carrier::EventStream, Carrier::Streaming];

/// How a session of Engine.IO opens: `4` or `3`, then `w`, `t` or `p`.
fn open(input: &mut Input<'_>) -> Open {
    let protocol = input.choice();
    let carrier = match input.choice() {
        b'w' => Carrier::WebSocket,
        b't' if protocol != b'3' => Carrier::WebTransport,
        _ => Carrier::LongPoll,
    };
    if protocol == b'3' { Open::v3(carrier) } else { Open::new(carrier) }
}

pub(crate) fn engineio(input: &[u8]) {
    let mut input = Input::new(input);
    let open = open(&mut input);
    let session = EngineIoSession::new(Arc::default(), &open, "SID".into(), Instant::now());
    let own = if open.protocol == Protocol::V3 { is_engineio3 } else { is_engineio4 };
    Bench::new(session, own).run(input.rest(), &ENGINEIO);
}

pub(crate) fn socketio(input: &[u8]) {
    let mut input = Input::new(input);
    let open = open(&mut input);
    let session = SocketIoSession::new(Arc::default(), &open, "SID".into(), Instant::now());
    let own = if open.protocol == Protocol::V3 { is_engineio3 } else { is_engineio4 };
    Bench::new(session, own).run(input.rest(), &ENGINEIO);
}

pub(crate) fn signalr(input: &[u8]) {
    let session = SignalRSession::new(Arc::default(), Instant::now());
    Bench::new(session, is_signalr).run(input, &ALL[..3]);
}

pub(crate) fn sockjs(input: &[u8]) {
    Bench::new(sockjs_session(), is_sockjs_frame).run(input, &ALL);
}

pub(crate) fn sockjs_session() -> SockJsSession<Raw> {
    SockJsSession::new(Default::default(), Raw)
}

pub(crate) fn plain(input: &[u8]) {
    let mut input = Input::new(input);
    let mut config = Config::default();
    if input.choice() == b'e' {
        config.manner = Manner::Envelope;
    }
    let session = PlainSession::new(config, "TOKEN".into());
    Bench::new(session, is_plain).run(input.rest(), &ALL);
}

/// Both ends of a WebSocket's life: `r` octets come, `t` `b` `p` we say something, `c` we close,
/// `f` what waits leaves.
pub(crate) fn websocket(input: &[u8]) {
    let mut input = Input::new(input);
    let limits = Limits { message_len: 4096, frame_len: 4096, fragments: 16 };
    let mut connection = Connection::server(limits, None);
    let mut peer = Peer::default();
    let mut octets = BytesMut::new();
    while let Some(letter) = input.byte() {
        match letter {
            b'r' => {
                octets.extend_from_slice(input.part());
                while let Ok(Some(message)) = connection.receive(&mut octets) {
                    assert!(message.into_payload().len() <= limits.message_len);
                }
                assert!(octets.len() <= limits.frame_len + 14, "octets pile up");
            }
            b't' => connection.queue(omniwire_websocket::Message::text(&*input.text().clone())),
            b'b' => {
                let bytes = input.part().to_vec();
                connection.queue(omniwire_websocket::Message::binary(bytes));
            }
            b'p' => {
                let bytes = input.part();
                let ping = bytes[..bytes.len().min(125)].to_vec();
                connection.queue(omniwire_websocket::Message::Ping(ping.into()));
            }
            b'c' => connection.start_close(CloseFrame::new(CloseCode::Normal, "bye")),
            b'f' => peer.take(&mut connection, usize::from(input.choice())),
            _ => {}
        }
    }
    peer.take(&mut connection, usize::MAX);
    if connection.has_failed() {
        assert!(!connection.close_state().may_receive());
    }
    assert_eq!(
        connection.close_state() == CloseState::Open,
        !peer.closed && !peer_closed(&connection)
    );
}

fn peer_closed(connection: &Connection) -> bool {
    !connection.close_state().may_receive()
}

/// The client that our octets go to.
struct Peer {
    receiver: Receiver,
    octets: BytesMut,
    closed: bool,
}

impl Default for Peer {
    fn default() -> Self {
        let receiver = Receiver::new(Role::Client, Limits::default());
        Self { receiver, octets: BytesMut::new(), closed: false }
    }
}

impl Peer {
    /// Takes up to `len` octets, which must be whole frames in the end, and none after a Close.
    fn take(&mut self, connection: &mut Connection, len: usize) {
        let outbox = connection.outbox();
        let len = len.min(outbox.remaining());
        let fresh = outbox.copy_to_bytes(len);
        assert!(!self.closed || fresh.is_empty(), "octets behind our Close");
        self.octets.extend_from_slice(&fresh);
        while let Some(message) = self.receiver.receive(&mut self.octets).expect("our own frames") {
            if let omniwire_websocket::Message::Close(_) = message {
                self.closed = true;
                assert!(self.octets.is_empty(), "octets behind our Close");
            }
        }
    }
}

pub(crate) fn is_anything(_: &Message) -> bool {
    true
}

fn is_engineio4(message: &Message) -> bool {
    Packet::decode(Protocol::V4, message.clone()).is_ok()
}

fn is_engineio3(message: &Message) -> bool {
    Packet::decode(Protocol::V3, message.clone()).is_ok()
}

pub(crate) fn is_signalr(message: &Message) -> bool {
    match message {
        Message::Text(text) => {
            text.strip_suffix('\u{1e}').is_some_and(|record| json::validate(record).is_ok())
        }
        Message::Binary(_) => true,
    }
}

/// `o`, `h`, `a[..]` or `c[..]`.
pub(crate) fn is_sockjs_frame(message: &Message) -> bool {
    let Message::Text(text) = message else { return false };
    match text.split_at_checked(1) {
        Some(("o" | "h", "")) => true,
        Some(("a" | "c", array)) => array.starts_with('[') && json::validate(array).is_ok(),
        _ => false,
    }
}

fn is_plain(message: &Message) -> bool {
    let Message::Text(text) = message else { return false };
    text.ends_with("\n\n") || json::validate(text).is_ok()
}
