//! Messages that are lent.

use omniwire_websocket::{CloseCode, Connection, Error, MessageRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::{client, masked, read_all, server};

/// What was lent, and what it was.
fn log(message: &MessageRef<'_>) -> String {
    match message {
        MessageRef::Text(text) => format!("text {text}"),
        MessageRef::Binary(data) => format!("binary {}", data.len()),
        MessageRef::Ping(data) => format!("ping {}", data.len()),
        MessageRef::Pong(data) => format!("pong {}", data.len()),
        MessageRef::Close(close) => format!("close {:?}", close.as_ref().map(|c| c.code())),
    }
}

fn echo(message: MessageRef<'_>, replies: &mut Connection) {
    if message.is_data() {
        replies.queue_ref(message);
    }
}

#[tokio::test]
async fn every_kind_of_message_is_lent_in_order() {
    let (mut server, mut peer) = server();
    let octets = [
        masked(0x81, "größe".as_bytes()),
        masked(0x82, &[7; 300]),
        masked(0x89, b"p"),
        masked(0x01, b"in "),
        masked(0x8a, b""),
        masked(0x80, b"pieces"),
        masked(0x82, &[7; 65_535]),
        masked(0x88, b"\x03\xe8"),
    ]
    .concat();
    let mut seen = Vec::new();
    let visiting = server.visit(|message, replies| {
        seen.push(log(&message));
        echo(message, replies);
    });
    let talking = async {
        // In two writes, in the middle of the first frame.
        peer.write_all(&octets[..5]).await.unwrap();
        tokio::task::yield_now().await;
        peer.write_all(&octets[5..]).await.unwrap();
        read_all(&mut peer).await
    };
    let (visited, answers) = tokio::join!(visiting, talking);
    visited.unwrap();
    let expected = [
        "text größe",
        "binary 300",
        "ping 1",
        "pong 0",
        "text in pieces",
        "binary 65535",
        "close Some(Normal)",
    ];
    assert_eq!(seen, expected);
    let expected = [
        &b"\x81\x07gr\xc3\xb6\xc3\x9fe\x82\x7e\x01\x2c"[..],
        &[7; 300],
        b"\x8a\x01p\x81\x09in pieces\x82\x7e\xff\xff",
        &[7; 65_535],
        b"\x88\x02\x03\xe8",
    ]
    .concat();
    assert!(answers == expected);
}

#[tokio::test]
async fn a_broken_rule_is_told_after_what_came_before_it() {
    for bad in [masked(0x81, b"\xff"), masked(0x83, b""), masked(0x80, b"?")] {
        let (mut server, mut peer) = server();
        peer.write_all(&[masked(0x81, b"good"), bad, masked(0x81, b"no")].concat()).await.unwrap();
        let mut seen = Vec::new();
        let visiting = async {
            let result = server.visit(|message, _| seen.push(log(&message))).await;
            drop(server);
            result
        };
        let talking = async {
            let octets = read_all(&mut peer).await;
            drop(peer);
            octets
        };
        let (Err(Error::Violation(violation)), answer) = tokio::join!(visiting, talking) else {
            panic!("no violation")
        };
        let code = u16::from(violation.code());
        assert_eq!(answer[2..4], code.to_be_bytes());
        assert_eq!(seen, ["text good"]);
    }
}

#[tokio::test]
async fn the_end_without_a_close_is_an_error_and_the_visitor_may_close() {
    let (mut server, peer) = server();
    drop(peer);
    assert!(matches!(server.visit(|_, _| ()).await, Err(Error::Dropped)));
    assert!(server.visit(|_, _| ()).await.is_ok(), "and that is all");

    let (mut client, mut peer) = client();
    let talking = async {
        peer.write_all(b"\x81\x03bye\x88\x02\x0b\xb8").await.unwrap();
        read_all(&mut peer).await
    };
    let visiting = async {
        let close = CloseCode::Other(3_000);
        let result = client.visit(|_, replies| replies.start_close(close.into())).await;
        drop(client);
        result
    };
    let (visited, octets) = tokio::join!(visiting, talking);
    visited.unwrap();
    assert_eq!((octets.len(), octets[0]), (8, 0x88), "one Close, and nothing else");
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_not_read_from() {
    let (ours, mut peer) = tokio::io::duplex(4 << 10);
    let config = omniwire_websocket::Config { write_buffer_len: 16 << 10, ..Default::default() };
    let role = omniwire_websocket::Role::Server;
    let mut server =
        omniwire_websocket::WebSocket::from_parts(ours, role, config, &b""[..]).unwrap();
    let visiting = tokio::spawn(async move { server.visit(echo).await });
    let message = masked(0x82, &[1; 1_000]);
    // It stops taking what comes, long before all of it is written.
    let flood = async {
        let mut count = 0;
        loop {
            let writing = peer.write_all(&message);
            let limit = std::time::Duration::from_millis(200);
            if tokio::time::timeout(limit, writing).await.is_err() {
                break count;
            }
            count += 1;
        }
    };
    let count = flood.await;
    assert!((16..64).contains(&count), "{count}");
    // And goes on when the answers are read.
    let mut answers = vec![0; count * 1_004];
    peer.read_exact(&mut answers).await.unwrap();
    drop(peer);
    assert!(visiting.await.unwrap().is_err());
}
