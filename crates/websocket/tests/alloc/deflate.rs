//! What compression holds.

use bytes::{Buf, BytesMut};
use omniwire_websocket::deflate::{Config, Memory, Shared, compress_shared};
use omniwire_websocket::handshake::server::{Accepted, Options, Request, accept};
use omniwire_websocket::{Connection, Limits, Message};

use crate::counting::counted;

/// A handshake that offers compression.
fn agree(offer: &str, config: &Config) -> Accepted {
    let request = http::Request::get("/")
        .header("host", "example.com")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-extensions", offer)
        .body(())
        .unwrap();
    let options = Options { deflate: Some(config.clone()), ..Options::default() };
    accept(&Request::new(&request), &options).unwrap()
}

/// Sends a message from one to the other, compressed.
fn send(from: &mut Connection, to: &mut Connection, message: &Message) {
    from.queue(message.clone());
    let outbox = from.outbox();
    let octets = outbox.copy_to_bytes(outbox.remaining());
    assert_eq!(octets[0], 0xc1, "compressed");
    let received = to.receive(&mut BytesMut::from(&octets[..])).unwrap();
    assert_eq!(received.as_ref(), Some(message));
}

/// A message each way.
fn exchange(server: &mut Connection, client: &mut Connection) {
    send(server, client, &text());
    send(client, server, &text());
}

fn text() -> Message {
    Message::text("{\"event\":\"said\",\"args\":[\"hello\"]},".repeat(20))
}

fn pair(config: &Config) -> (Connection, Connection) {
    let accepted = agree("permessage-deflate", config);
    let server = Connection::server(Limits::default(), accepted.deflate.clone());
    let masks = Box::new(|| [1, 2, 3, 4]);
    (server, Connection::client(Limits::default(), accepted.deflate, masks))
}

#[test]
fn shared_compression_holds_nothing_for_an_idle_connection() {
    let config = Config::default();
    // The thread's own compressor and decompressor come first.
    let (mut server, mut client) = pair(&config);
    exchange(&mut server, &mut client);
    let ((mut server, mut client), made) = counted(|| pair(&config));
    let ((), asked) = counted(|| exchange(&mut server, &mut client));
    assert_eq!(asked.live, 0, "after a message each way");
    // What was agreed on: a few octets for each of the two.
    assert!(made.live <= 2 * 32, "{made:?}");
    assert_eq!(config.memory.used(), 0);
}

#[test]
fn context_takeover_holds_no_more_than_was_set_aside() {
    // The thread's own buffer for what is inflated comes first.
    let (mut server, mut client) = pair(&Config::default());
    exchange(&mut server, &mut client);
    for bits in 9..=15 {
        for level in [1, 3, 6, 9] {
            let config = Config {
                server_context_takeover: true,
                client_context_takeover: true,
                level,
                memory: Memory::limit(1 << 30),
                ..Config::default()
            };
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            let accepted = agree(&offer, &config);
            let set_aside = config.memory.used();
            let agreed = accepted.deflate.clone();
            let mut server = Connection::server(Limits::default(), agreed);
            let masks = Box::new(|| [1, 2, 3, 4]);
            let mut client = Connection::client(Limits::default(), accepted.deflate, masks);
            // A compressor by the server's window, and a decompressor.
            let ((), asked) = counted(|| send(&mut server, &mut client, &text()));
            let held = asked.live as usize;
            assert!((set_aside - 1_000..=set_aside).contains(&held), "{bits} {level}: {held}");
        }
    }
}

#[test]
fn compressing_once_more_asks_for_no_compressor() {
    let mut out = Vec::with_capacity(10_000);
    compress_shared(b"first", Shared::new(15, 3), &mut out);
    let ((), asked) = counted(|| compress_shared(b"second", Shared::new(15, 3), &mut out));
    assert_eq!(asked.calls, 0);
}
