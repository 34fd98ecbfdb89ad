//! What has brought other clients down, or made them send what nobody meant, each by the number of
//! its advisory. `conformance/advisories.md` lists them all.

use std::collections::HashSet;

use omniwire_websocket::handshake::client::{Address, AnswerError, Handshake, Options};
use omniwire_websocket::{
    CloseCode, CloseFrame, Config, Connector, Error, Limits, Message, Role, Tls, WebSocket,
    connect, deflate,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::client::{acceptor, listener};
use crate::wire::{client, masked, server};

/// The next frame of a peer: first octet, mask, and the payload as it was sent.
async fn frame(peer: &mut DuplexStream) -> (u8, Option<[u8; 4]>, Vec<u8>) {
    let (first, second) = (peer.read_u8().await.unwrap(), peer.read_u8().await.unwrap());
    let len = match second & 0x7f {
        126 => peer.read_u16().await.unwrap().into(),
        len => usize::from(len),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        peer.read_exact(&mut mask).await.unwrap();
    }
    let mut payload = vec![0; len];
    peer.read_exact(&mut payload).await.unwrap();
    (first, (second & 0x80 != 0).then_some(mask), payload)
}

/// Not an octet but those of the code and the reason, whatever their length.
#[tokio::test]
async fn cve_2026_45736_a_close_has_what_it_was_given() {
    for len in [0, 1, 2, 60, 122, 123] {
        let (mut server, mut peer) = server();
        let reason = "r".repeat(len);
        server.start_close(CloseFrame::new(CloseCode::Normal, reason.clone()));
        let (written, sent) = tokio::join!(server.flush(), frame(&mut peer));
        written.unwrap();
        assert_eq!(sent, (0x88, None, [&[0x03, 0xe8][..], reason.as_bytes()].concat()));
    }
}

/// What a server says of lengths is believed no more than what a client says.
#[tokio::test]
async fn cve_2026_1528_a_client_bears_lengths_that_lie() {
    let lengths = [1_u64 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX, u64::MAX - 14];
    for (len, first) in lengths.iter().flat_map(|len| [(len, 0x82), (len, 0x01), (len, 0x00)]) {
        let (mut client, mut peer) = client();
        let header = [&[first, 127][..], &len.to_be_bytes()].concat();
        peer.write_all(&header).await.unwrap();
        let Some(Err(Error::Violation(violation))) = client.recv().await else {
            panic!("{len} octets were taken")
        };
        assert!(matches!(u16::from(violation.code()), 1002 | 1009), "{len}: {violation}");
    }
}

/// What a server may agree to.
const GOOD: &str = "permessage-deflate; server_no_context_takeover";

/// What a client makes of an answer that agrees on this.
fn agreed(extensions: &str) -> Result<Option<deflate::Agreed>, AnswerError> {
    let options = Options { deflate: Some(deflate::Config::default()), ..Options::default() };
    let address = Address::parse("ws://localhost/").unwrap();
    // RFC 6455, 1.3.
    let handshake = Handshake::new(&address, options, *b"the sample nonce").unwrap();
    let answer = http::Response::builder()
        .status(101)
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        .header("sec-websocket-extensions", extensions);
    handshake.check(&answer.body(()).unwrap()).map(|established| established.deflate)
}

#[test]
fn cve_2026_2229_a_client_bears_answers_that_make_no_sense() {
    for bad in [
        "; server_max_window_bits=7",
        "; server_max_window_bits=16",
        "; server_max_window_bits=0",
        "; server_max_window_bits=-1",
        "; server_max_window_bits=4294967304",
        "; server_max_window_bits=99999999999999999999",
        "; server_max_window_bits=010",
        "; server_max_window_bits=1e1",
        "; server_max_window_bits",
        "; client_max_window_bits",
        "; client_max_window_bits=7",
        "; client_max_window_bits=16",
        "; client_max_window_bits=x",
        "; client_no_context_takeover=1",
        "; server_no_context_takeover",
        "; unknown",
        ", permessage-deflate",
        ", permessage-bzip2",
        "; server_max_window_bits=\"",
        ";;=",
    ] {
        let bad = format!("{GOOD}{bad}");
        assert!(agreed(&bad).is_err(), "{bad}");
    }
    assert!(agreed(GOOD).unwrap().is_some());
}

/// 1 KiB that becomes 1 MiB, to a client that takes 64 KiB.
#[tokio::test]
async fn cve_2026_1526_a_client_inflates_no_further_than_its_limit() {
    let (ours, mut peer) = duplex(1 << 20);
    let limits = Limits { message_len: 64 << 10, ..Limits::default() };
    let deflate = agreed(GOOD).unwrap();
    let config = Config { limits, deflate, ..Config::default() };
    let mut client = WebSocket::from_parts(ours, Role::Client, config, &b""[..]).unwrap();
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    let mut bomb = Vec::with_capacity(4096);
    compress.compress_vec(&vec![0; 1 << 20], &mut bomb, flate2::FlushCompress::Sync).unwrap();
    let len = u16::try_from(bomb.len()).unwrap().to_be_bytes();
    peer.write_all(&[&[0xc2, 126][..], &len, &bomb].concat()).await.unwrap();
    let Some(Err(Error::Violation(violation))) = client.recv().await else {
        panic!("it was taken")
    };
    assert_eq!(u16::from(violation.code()), 1009);
}

/// CR, LF and NUL get into no request, wherever they are.
#[tokio::test]
async fn cve_2026_1527_no_line_is_added_to_a_request() {
    for bad in ["a\r\nX-Injected: y", "a\nb", "a\rb", "a\0b"] {
        let url = format!("ws://127.0.0.1:1/{bad}");
        assert!(matches!(connect(&url).await, Err(Error::Request(_))), "{bad:?}");
        let options = Options { subprotocols: vec![bad.to_owned()], ..Options::default() };
        let url = "ws://127.0.0.1:1/";
        let refused = omniwire_websocket::connect_with(url, options, Config::default()).await;
        assert!(matches!(refused, Err(Error::Request(_))), "{bad:?}");
        assert!(http::HeaderValue::try_from(bad).is_err());
    }
}

/// A certificate for another name, and one that nobody vouches for.
#[tokio::test]
async fn cve_2020_11050_a_client_checks_whose_certificate_it_is() {
    for (name, is_known, connects) in
        [("localhost", true, true), ("other.example", true, false), ("localhost", false, false)]
    {
        let (acceptor, own) = acceptor(name, &[]);
        let known = if is_known { own } else { crate::client::acceptor(name, &[]).1 };
        let (listener, port) = listener().await;
        let serving = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            if let Ok(mut socket) = omniwire_websocket::accept(tls).await {
                socket.recv().await;
            }
        };
        let tls = Some(Tls::with_roots([known]).unwrap());
        let connector = Connector { tls, ..Connector::default() };
        let url = format!("wss://localhost:{port}/");
        let (connected, ()) =
            tokio::join!(async { connector.connect(&url).await.is_ok() }, serving);
        assert_eq!(connected, connects, "{name}, known: {is_known}");
    }
}

/// Each frame of a client has a mask of its own, which its peer can't know before.
#[tokio::test]
async fn cve_2025_10148_masks_are_fresh() {
    let (mut client, mut peer) = client();
    let mut masks = HashSet::new();
    for _ in 0..10_000 {
        let (sent, (first, mask, _)) =
            tokio::join!(client.send(Message::text("same")), frame(&mut peer));
        sent.unwrap();
        assert_eq!(first, 0x81);
        masks.insert(mask.expect("a client masks"));
    }
    // Of 10,000 from 2^32, two are the same once in 86 times; five pairs never are.
    assert!(masks.len() > 9995, "{} masks", masks.len());
}

/// The server's side of the same: what is not masked is refused.
#[tokio::test]
async fn cve_2025_10148_masks_are_asked_for() {
    let (mut server, mut peer) = server();
    peer.write_all(&masked(0x81, b"good")).await.unwrap();
    assert_eq!(server.recv().await.unwrap().unwrap(), Message::text("good"));
    peer.write_all(b"\x81\x03bad").await.unwrap();
    assert!(matches!(server.recv().await, Some(Err(Error::Violation(_)))));
}
