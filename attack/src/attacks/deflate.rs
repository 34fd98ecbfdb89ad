//! permessage-deflate as a weapon.

use super::frames::next;
use crate::attack::{Attack, Outcome, Target, all};
use crate::wire::frame::{BINARY, CONTINUATION, FIN, RSV1, TEXT, masked};
use crate::wire::socket::Socket;
use flate2::{Compress, Compression, FlushCompress};
use std::time::Duration;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "deflate-bomb",
        what: "16 MiB of zeros in 16 KiB, whole and in fragments, beyond a limit of 1 MiB",
        with: &["--limit", "message_len_max=1048576"],
        without: &["--limit", "message_len_max=1000000000"],
        run: |target| Box::pin(bomb(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "deflate-junk",
        what: "500 compressed messages that are noise",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(junk(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "deflate-idle",
        what: "500 idle WebSockets that have compressed once, 24 KiB each at most",
        stays: "what an idle connection is made of",
        growth_max_mib: 12,
        run: |target| Box::pin(idle(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "deflate-amplify",
        what: "messages of 1 KiB that become 1 MiB, whose echo is not read",
        stays: "a peer that takes nothing is not read from: no limit, but how a turn is made",
        growth_max_mib: 64,
        run: |target| Box::pin(amplify(target)),
        ..Attack::DEFAULT
    },
];

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n";
const SOON: Duration = Duration::from_secs(6);

/// RFC 7692, 7.2.1, without the last four octets.
fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() / 100 + 1024);
    let mut compress = Compress::new(Compression::best(), false);
    let done = compress.compress_vec(payload, &mut out, FlushCompress::Sync);
    debug_assert!(done.is_ok() && out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len().saturating_sub(4));
    out
}

async fn open(target: Target, path: &str) -> Outcome<Socket> {
    let socket = Socket::open_with(target, path, OFFER).await?;
    match socket.head.contains("permessage-deflate") {
        true => Ok(socket),
        false => Err(format!("{path} does not compress")),
    }
}

async fn bomb(target: Target) -> Outcome {
    let bomb = compressed(&vec![0; 16 << 20]);
    all(20, move |number| {
        let bomb = bomb.clone();
        async move {
            let mut socket = open(target, "/echo").await?;
            let octets = if number % 2 == 0 {
                masked(FIN | RSV1 | BINARY, &bomb)
            } else {
                let (first, rest) = bomb.split_at(bomb.len() / 2);
                [masked(RSV1 | BINARY, first), masked(FIN | CONTINUATION, rest)].concat()
            };
            socket.flood(&octets, SOON).await;
            socket.closes(&[1009], SOON).await
        }
    })
    .await
}

async fn junk(target: Target) -> Outcome {
    for batch in 0..10 {
        all(50, move |number| async move {
            let mut socket = open(target, "/echo").await?;
            let mut seed = (batch * 50 + number + 1) as u64;
            let mut noise: Vec<u8> = (0..1000).map(|_| next(&mut seed)).collect();
            // A block of the type that does not exist.
            noise[0] |= 0b110;
            socket.flood(&masked(FIN | RSV1 | TEXT, &noise), SOON).await;
            socket.closes(&[1007, 1002], SOON).await
        })
        .await?;
    }
    Ok(())
}

async fn idle(target: Target) -> Outcome {
    let said = masked(FIN | RSV1 | TEXT, &compressed("said once ".repeat(200).as_bytes()));
    let mut idle = Vec::new();
    for _ in 0..500 {
        let mut socket = open(target, "/echo-shared").await?;
        socket.send(&said).await.map_err(|error| error.to_string())?;
        socket.next().await.ok_or("closed for a compressed message")?;
        idle.push(socket);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(())
}

async fn amplify(target: Target) -> Outcome {
    let said = masked(FIN | RSV1 | BINARY, &compressed(&vec![0; 1 << 20]));
    all(4, move |_| {
        let flood = said.repeat(200);
        async move {
            let more = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                        client_no_context_takeover\r\n";
            let mut socket = Socket::open_with(target, "/echo", more).await?;
            socket.flood(&flood, Duration::from_secs(2)).await;
            Ok(())
        }
    })
    .await
}
