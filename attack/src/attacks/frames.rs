//! Frames that lie, break the rules, or come in too many pieces.

use crate::attack::{Attack, Outcome, Target, all, cases};
use crate::wire::frame::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, head, masked, unmasked,
};
use crate::wire::socket::{End, Socket};
use std::time::Duration;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "slow-frames",
        what: "a frame that comes octet by octet, 100 times",
        with: &["--limit", "frame_timeout_ms=2000"],
        without: &["--limit", "frame_timeout_ms=600000"],
        run: |target| Box::pin(slow_frames(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "fragment-flood",
        what: "messages of 100,000 fragments of one octet",
        without: &["--limit", "fragments_max=10000000"],
        run: |target| Box::pin(fragments(target, b"x")),
        ..Attack::DEFAULT
    },
    Attack {
        name: "empty-continuations",
        what: "messages of 100,000 empty fragments",
        without: &["--limit", "fragments_max=10000000"],
        run: |target| Box::pin(fragments(target, b"")),
        ..Attack::DEFAULT
    },
    Attack {
        name: "endless-message",
        what: "continuations of 32 KiB without end",
        with: &["--limit", "message_len_max=1048576"],
        without: &["--limit", "message_len_max=1000000000"],
        run: |target| Box::pin(endless(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "length-lies",
        what: "frames that declare far more than ever comes",
        without: &["--limit", "message_len_max=9223372036854775807"],
        run: |target| Box::pin(length_lies(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "length-hold",
        what: "300 frames that declare what is allowed, and stop after ten octets",
        with: &["--limit", "frame_timeout_ms=2000"],
        without: &["--limit", "frame_timeout_ms=600000"],
        run: |target| Box::pin(length_hold(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "message-hold",
        what: "200 messages whose next fragment never comes, of peers that are alive",
        with: &["--limit", "message_timeout_ms=2000"],
        without: &["--limit", "message_timeout_ms=600000"],
        run: |target| Box::pin(message_hold(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "half-messages",
        what: "40 peers that send 4 MiB each of a message that they never finish",
        with: &["--limit", "unfinished_len_max=16777216"],
        without: &["--limit", "unfinished_len_max=1000000000"],
        growth_max_mib: 64,
        run: |target| Box::pin(half_messages(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "unmasked",
        what: "client frames without a mask",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(broken_rules(target, unmasked_frames())),
        ..Attack::DEFAULT
    },
    Attack {
        name: "violations",
        what: "each rule of RFC 6455, sections 5 to 8, broken once",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(broken_rules(target, violations())),
        ..Attack::DEFAULT
    },
    Attack {
        name: "random-frames",
        what: "noise behind 500 handshakes",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(noise(target)),
        ..Attack::DEFAULT
    },
];

const SOON: Duration = Duration::from_secs(6);

async fn slow_frames(target: Target) -> Outcome {
    all(100, move |number| async move {
        let mut socket = Socket::open(target, "/small").await?;
        let mut frame = masked(FIN | TEXT, &[b'x'; 1000]).into_iter();
        // A whole frame first, so that the connection has shown itself alive.
        socket.send(&masked(FIN | PING, b"")).await.map_err(|error| error.to_string())?;
        let drip = async {
            let (mut ticks, mut sent) = (tokio::time::interval(Duration::from_millis(300)), 0);
            loop {
                tokio::select! {
                    next = socket.next() => match next {
                        Some((first, payload)) if first == FIN | CLOSE => {
                            return Ok(payload.first_chunk().map(|c| u16::from_be_bytes(*c)));
                        }
                        Some(_) => {}
                        None => return Ok(None),
                    },
                    _ = ticks.tick() => {
                        let octet = frame.next().ok_or("the frame came to its end")?;
                        sent += 1;
                        // A broken pipe: the Close is still to be read.
                        if sent < 900 {
                            socket.send(&[octet]).await.ok();
                        }
                    }
                }
            }
        };
        let ended = tokio::time::timeout(SOON, drip).await;
        let ended: Outcome<Option<u16>> =
            ended.map_err(|_| format!("slow frame {number} is still read after {SOON:?}"))?;
        match ended? {
            Some(1008) => Ok(()),
            other => Err(format!("a slow frame was ended with {other:?}")),
        }
    })
    .await
}

async fn fragments(target: Target, piece: &'static [u8]) -> Outcome {
    all(4, move |number| async move {
        let path = if number % 2 == 0 { "/small" } else { "/broadcast" };
        let mut socket = Socket::open(target, path).await?;
        let mut flood = masked(TEXT, piece);
        flood.extend(masked(CONTINUATION, piece).repeat(100_000));
        socket.flood(&flood, SOON).await;
        socket.closes(&[1008], SOON).await
    })
    .await
}

async fn endless(target: Target) -> Outcome {
    all(4, move |_| async move {
        let mut socket = Socket::open(target, "/broadcast").await?;
        let mut flood = masked(BINARY, &[7; 32 << 10]);
        flood.extend(masked(CONTINUATION, &[7; 32 << 10]).repeat(64));
        socket.flood(&flood, SOON).await;
        socket.closes(&[1009], SOON).await
    })
    .await
}

async fn length_lies(target: Target) -> Outcome {
    let lies =
        [1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX, u64::MAX - 14, 0x8000_0000_0000];
    let lies = lies
        .iter()
        .flat_map(|len| ["/small", "/broadcast", "/echo"].map(|path| (*len, path, FIN | BINARY)));
    let mut lies: Vec<_> = lies.collect();
    lies.extend([(1 << 62, "/small", TEXT), ((1 << 20) + 1, "/small", FIN | TEXT)]);
    cases(lies, move |(len, path, first)| async move {
        let mut socket = Socket::open(target, path).await?;
        let mut frame = head(first, len, true);
        frame.extend_from_slice(b"0123456789");
        socket.flood(&frame, SOON).await;
        let codes = if len >> 63 == 1 { [1002, 1009] } else { [1009, 1009] };
        socket.closes(&codes, SOON).await.map_err(|why| format!("{len} octets at {path}: {why}"))
    })
    .await
}

async fn length_hold(target: Target) -> Outcome {
    all(300, move |_| async move {
        let mut socket = Socket::open(target, "/broadcast").await?;
        let mut frame = head(FIN | BINARY, 60 << 20, true);
        frame.extend_from_slice(b"0123456789");
        socket.flood(&frame, SOON).await;
        socket.closes(&[1008], SOON).await
    })
    .await
}

async fn message_hold(target: Target) -> Outcome {
    all(200, move |_| async move {
        let mut socket = Socket::open(target, "/broadcast").await?;
        let begun = [masked(TEXT, b"begun"), masked(FIN | PING, b"alive")].concat();
        socket.flood(&begun, SOON).await;
        socket.closes(&[1008], SOON).await
    })
    .await
}

async fn half_messages(target: Target) -> Outcome {
    let mut peers = Vec::new();
    for number in 0..40 {
        let mut socket = Socket::open(target, "/broadcast").await?;
        let mut half = match number % 2 {
            0 => head(FIN | BINARY, 60 << 20, true),
            _ => masked(BINARY, b""),
        };
        let piece = vec![7; 1 << 20];
        for _ in 0..4 {
            match number % 2 {
                0 => half.extend_from_slice(&piece),
                _ => half.extend(masked(CONTINUATION, &piece)),
            }
        }
        socket.flood(&half, SOON).await;
        peers.push(socket);
    }
    let mut refused = 0;
    for peer in &mut peers {
        match peer.end(Duration::from_millis(100)).await {
            Ok(End::Close(1013)) => refused += 1,
            Ok(end) => return Err(format!("ended by {end:?}")),
            Err(_) => {}
        }
    }
    // Four of them fit, and nobody's ordinary message is refused: the good client says so.
    match refused {
        30..40 => Ok(()),
        _ => Err(format!("{refused} of 40 were refused")),
    }
}

/// What is sent, and the codes that answer it.
type Broken = (&'static str, Vec<u8>, &'static [u16]);

fn unmasked_frames() -> Vec<Broken> {
    vec![
        ("text", unmasked(FIN | TEXT, b"x"), &[1002]),
        ("binary", unmasked(FIN | BINARY, b"x"), &[1002]),
        ("ping", unmasked(FIN | PING, b"x"), &[1002]),
        ("close", unmasked(FIN | CLOSE, &[3, 232]), &[1002]),
        ("long", unmasked(FIN | TEXT, &[b'x'; 70_000]), &[1002]),
    ]
}

fn violations() -> Vec<Broken> {
    let mut list: Vec<Broken> = vec![
        ("RSV1 without an extension", masked(FIN | RSV1 | TEXT, b"x"), &[1002]),
        ("RSV2", masked(FIN | 0x20 | TEXT, b"x"), &[1002]),
        ("RSV3", masked(FIN | 0x10 | TEXT, b"x"), &[1002]),
        ("a fragmented ping", masked(PING, b"x"), &[1002]),
        ("a fragmented close", masked(CLOSE, &[3, 232]), &[1002]),
        ("a ping of 126 octets", masked(FIN | PING, &[0; 126]), &[1002]),
        ("a pong of 200 octets", masked(FIN | PONG, &[0; 200]), &[1002]),
        ("a close of 126 octets", masked(FIN | CLOSE, &[3; 126]), &[1002]),
        ("a close of one octet", masked(FIN | CLOSE, &[3]), &[1002]),
        ("a close with bad text", masked(FIN | CLOSE, &[3, 232, 0xff]), &[1007]),
        ("a continuation of nothing", masked(FIN | CONTINUATION, b"x"), &[1002]),
        ("bad text", masked(FIN | TEXT, &[0xff]), &[1007]),
        ("a surrogate", masked(FIN | TEXT, &[0xed, 0xa0, 0x80]), &[1007]),
        ("a text cut short", masked(FIN | TEXT, &[0xe2, 0x82]), &[1007]),
        ("bad text in an unfinished message", masked(TEXT, &[0xff]), &[1007]),
        (
            "two messages at once",
            [masked(TEXT, b"x"), masked(FIN | BINARY, b"x")].concat(),
            &[1002],
        ),
        ("five octets in 16 bits", [&[0x81, 0xfe, 0, 5][..], &[0; 9]].concat(), &[1002]),
        (
            "five octets in 64 bits",
            [&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5][..], &[0; 9]].concat(),
            &[1002],
        ),
    ];
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        list.push(("an unknown opcode", masked(FIN | opcode, b"x"), &[1002]));
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        let payload = code.to_be_bytes();
        list.push(("a code that may not be sent", masked(FIN | CLOSE, &payload), &[1002]));
    }
    list
}

async fn broken_rules(target: Target, list: Vec<Broken>) -> Outcome {
    cases(list, move |(what, octets, codes)| async move {
        for path in ["/small", "/broadcast"] {
            let mut socket = Socket::open(target, path).await?;
            socket.flood(&octets, SOON).await;
            let ended = socket.closes(codes, SOON).await;
            ended.map_err(|why| format!("{what} at {path}: {why}"))?;
            socket.ends(SOON).await.map_err(|why| format!("{what}, after the Close: {why}"))?;
        }
        Ok(())
    })
    .await
}

async fn noise(target: Target) -> Outcome {
    for batch in 0..10 {
        all(50, move |number| async move {
            let path = ["/small", "/echo", "/echo-shared", "/broadcast"][number % 4];
            let more = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
            let mut socket = Socket::open_with(target, path, more).await?;
            let mut seed = (batch * 50 + number + 1) as u64;
            let octets: Vec<u8> = (0..4096).map(|_| next(&mut seed)).collect();
            socket.flood(&octets, SOON).await;
            match socket.end(Duration::from_millis(500)).await {
                Ok(End::Close(1000..=1015) | End::Drop) | Err(_) => Ok(()),
                Ok(end) => Err(format!("noise was ended by {end:?}")),
            }
        })
        .await?;
    }
    Ok(())
}

/// xorshift64: the same noise every time.
pub(super) fn next(seed: &mut u64) -> u8 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed as u8
}
