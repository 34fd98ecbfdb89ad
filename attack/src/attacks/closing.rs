//! Coming and going, in good order and without.

use crate::attack::{Attack, Outcome, Target, all};
use crate::wire::frame::{CLOSE, CONTINUATION, FIN, TEXT, masked};
use crate::wire::socket::{Socket, request};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "connect-storm",
        what: "3,000 connections that come and are reset, at every stage of the handshake",
        stays: "nothing is left of a connection that has gone",
        run: |target| Box::pin(connect_storm(target, "/echo")),
        ..Attack::DEFAULT
    },
    Attack {
        name: "connect-storm-sio",
        what: "the same on Engine.IO's path",
        stays: "nothing is left of a connection that has gone",
        suite: "socketio",
        run: |target| Box::pin(connect_storm(target, "/socket.io/?EIO=4&transport=websocket")),
        ..Attack::DEFAULT
    },
    Attack {
        name: "close-storm",
        what: "2,000 WebSockets that close in nine ways",
        stays: "nothing is left of a connection that has gone",
        run: |target| Box::pin(close_storm(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "close-ignored",
        what: "100 peers that never answer the server's Close",
        with: &["--limit", "close_timeout_ms=1000"],
        without: &["--limit", "close_timeout_ms=600000"],
        run: |target| Box::pin(close_ignored(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "violation-flood",
        what: "8 peers that go on at full speed after a violation, until TCP ends",
        stays: "what is thrown away is read in turns, and only until `close_timeout`",
        run: |target| Box::pin(violation_flood(target)),
        ..Attack::DEFAULT
    },
];

/// Makes the kernel send a reset rather than an end.
pub(super) fn reset(stream: &TcpStream) {
    stream.set_zero_linger().ok();
}

async fn connect_storm(target: Target, path: &'static str) -> Outcome {
    for _ in 0..60 {
        all(50, move |number| async move {
            let whole = request(target, path, "");
            let octets = match number % 5 {
                0 => &whole[..0],
                1 => &whole[..whole.len() / 2],
                _ => &whole[..],
            };
            let connected = TcpStream::connect(target.address).await;
            let mut stream = connected.map_err(|error| format!("connecting: {error}"))?;
            stream.write_all(octets.as_bytes()).await.ok();
            if number % 5 == 3 {
                stream.readable().await.ok();
            }
            if number % 5 == 4 {
                // Half a frame in the same piece.
                stream.write_all(&[0x81, 0xff, 0]).await.ok();
            }
            if number % 2 == 0 {
                reset(&stream);
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn close_storm(target: Target) -> Outcome {
    for _ in 0..40 {
        all(50, move |number| async move {
            let mut socket = Socket::open(target, "/small").await?;
            let close = masked(FIN | CLOSE, &[3, 232]);
            let octets = match number % 9 {
                0 => close,
                1 => [close, masked(FIN | TEXT, b"after the close")].concat(),
                2 => close.repeat(3),
                3 => masked(FIN | CLOSE, b""),
                4 => masked(FIN | TEXT, b"x")[..5].to_vec(),
                5 => [masked(TEXT, b"x"), close].concat(),
                6 => [masked(TEXT, b"x"), close, masked(FIN | CONTINUATION, b"x")].concat(),
                7 => [masked(FIN | TEXT, &[b'x'; 60_000]), close].concat(),
                _ => Vec::new(),
            };
            let closes = octets.windows(2).any(|pair| pair[0] == FIN | CLOSE);
            socket.flood(&octets, Duration::from_secs(3)).await;
            match number % 3 {
                0 if closes => {}
                1 => {
                    socket.stream.shutdown().await.ok();
                }
                _ => {
                    reset(&socket.stream);
                    return Ok(());
                }
            }
            socket.ends(Duration::from_secs(6)).await
        })
        .await?;
    }
    Ok(())
}

async fn close_ignored(target: Target) -> Outcome {
    all(100, move |_| async move {
        let mut socket = Socket::open(target, "/close").await?;
        socket.closes(&[3000], Duration::from_secs(3)).await?;
        socket.ends(Duration::from_secs(4)).await
    })
    .await
}

async fn violation_flood(target: Target) -> Outcome {
    all(8, move |_| async move {
        let mut socket = Socket::open(target, "/small").await?;
        let piece = vec![0xff; 1 << 20];
        let flood = async { while socket.stream.write_all(&piece).await.is_ok() {} };
        let ended = tokio::time::timeout(Duration::from_secs(8), flood).await;
        ended.map_err(|_| "it is still read after 8 s".to_owned())
    })
    .await
}
