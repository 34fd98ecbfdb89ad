//! What every WebSocket does, whatever carries it.

use omniwire_websocket::handshake::{client, server};
use omniwire_websocket::{CloseCode, Message, WebSocket, deflate};
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) fn options() -> client::Options {
    client::Options {
        subprotocols: vec!["news".to_owned(), "chat".to_owned()],
        deflate: Some(deflate::Config::default()),
        ..client::Options::default()
    }
}

/// Order, content, compression, Ping and the closing handshake.
pub(crate) async fn exercise<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocket<S>) {
    assert_eq!(socket.subprotocol(), Some("chat"));
    assert!(socket.shared_compression().is_some(), "compression was agreed on");
    let sizes = [0, 1, 125, 126, 65_535, 65_536, 300_000, 2_000_000];
    let payload = |len: usize| -> Vec<u8> {
        (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
    };
    for len in sizes {
        socket.queue(Message::binary(payload(len)));
        socket.queue(Message::text(len.to_string()));
    }
    socket.queue(Message::Ping("still there?".into()));
    let mut ponged = false;
    for len in sizes {
        for expected in [Message::binary(payload(len)), Message::text(len.to_string())] {
            let mut message = socket.recv().await.unwrap().unwrap();
            if matches!(message, Message::Pong(_)) {
                ponged = true;
                message = socket.recv().await.unwrap().unwrap();
            }
            assert!(message == expected, "{len}");
        }
    }
    if !ponged {
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::Pong("still there?".into()));
    }
    socket.close(CloseCode::Other(3_000), "done").await.unwrap();
    assert!(socket.is_closed());
}

pub(crate) fn server_options() -> server::Options {
    server::Options {
        subprotocols: vec!["chat".to_owned()],
        deflate: Some(deflate::Config { threshold: 0, ..deflate::Config::default() }),
    }
}
