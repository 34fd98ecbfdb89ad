//! HTTP/3. That QUIC itself withstands is quinn's affair; `deny.toml` has the floor.

use crate::attack::{Attack, Outcome, Quic, Target, all, cases, within};
use crate::wire::http3::{
    CONTROL, DATA, HEADERS, PATIENCE, QPACK_ENCODER, SETTINGS, connect, endpoint, frame, head,
    is_closed, open, request, uni, varint,
};
use std::time::Duration;
use tokio::net::UdpSocket;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "h3-rapid-reset",
        what: "8,000 requests that are reset at once",
        stays: "quinn bounds what is under way by the window of streams",
        run: |target| Box::pin(rapid_reset(target)),
        ..QUIC
    },
    Attack {
        name: "h3-field-bomb",
        what: "field sections that are long, or become so, or are announced and never end",
        stays: "even without a limit of the head QUIC's windows let in no more than 12 MiB",
        run: |target| Box::pin(field_bomb(target)),
        ..QUIC
    },
    Attack {
        name: "h3-qpack",
        what: "a dynamic table that was not allowed, and references to it",
        stays: "there is no dynamic table",
        run: |target| Box::pin(qpack(target)),
        ..QUIC
    },
    Attack {
        name: "h3-control",
        what: "settings, unknown frames and stream types without end, and no control stream at all",
        stays: "what is no setting is refused or passed over, piece by piece",
        run: |target| Box::pin(control(target)),
        ..QUIC
    },
    Attack {
        name: "h3-data",
        what: "200,000 empty DATA frames and bodies that nobody reads",
        stays: "a body that nobody reads is not read",
        run: |target| Box::pin(data(target)),
        ..QUIC
    },
    Attack {
        name: "h3-strangers",
        what: "2,000 first packets of clients that say nothing more, as from made-up addresses",
        stays: "past a few, an address is to show that it hears us",
        growth_max_mib: 16,
        run: |target| Box::pin(strangers(target)),
        ..QUIC
    },
    Attack {
        name: "h3-storm",
        what: "200 connections that are given up at once",
        stays: "nothing is left of a connection that has gone",
        short: false,
        run: |target| Box::pin(storm(target)),
        ..QUIC
    },
];

const QUIC: Attack = Attack { quic: true, ..Attack::DEFAULT };

async fn rapid_reset(target: Target) -> Outcome {
    all(4, move |_| async move {
        let (_endpoint, connection, _control) = open(target).await?;
        let head = frame(HEADERS, &request("/stats"));
        let flood = async {
            for _ in 0..2000 {
                let Ok((mut send, mut receive)) = connection.open_bi().await else { return };
                send.write_all(&head).await.ok();
                // H3_REQUEST_CANCELLED
                send.reset(0x10c_u32.into()).ok();
                receive.stop(0x10c_u32.into()).ok();
            }
        };
        // Either it is ended for it, or it cost no more than so many requests.
        tokio::time::timeout(Duration::from_secs(8), flood).await.ok();
        Ok(())
    })
    .await
}

/// A field of this name and value, both literal (RFC 9204, 4.5.6).
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0x27);
    crate::wire::http2::integer(block, 0, 8, name.len() - 7);
    block.extend_from_slice(name.as_bytes());
    crate::wire::http2::integer(block, 0, 7, value.len());
    block.extend_from_slice(value.as_bytes());
}

async fn field_bomb(target: Target) -> Outcome {
    let mut long = request("/stats");
    literal(&mut long, "x-a-long-one", &"x".repeat(1 << 20));
    let mut many = request("/stats");
    (0..20_000).for_each(|number| literal(&mut many, &format!("x-number-{number}"), "1"));
    // An index of the static table, whose field is long, again and again: 1 becomes 60.
    let mut repeated = request("/stats");
    repeated.extend(std::iter::repeat_n(0xc0 | 62, 15_000));
    let list = vec![
        frame(HEADERS, &long),
        frame(HEADERS, &many),
        frame(HEADERS, &repeated),
        [head(HEADERS, 1 << 40), vec![0; 100_000]].concat(),
        frame(HEADERS, &[&[0, 0][..], &[0xff; 5000]].concat()),
    ];
    cases(list, move |octets| async move {
        let (_endpoint, connection, _control) = open(target).await?;
        let opened = connection.open_bi().await;
        let (mut send, mut receive) = opened.map_err(|error| format!("a stream: {error}"))?;
        let write = async {
            send.write_all(&octets).await.ok();
            std::future::pending::<()>().await;
        };
        // A refusal, a reset, or the end of the connection; but an answer, in time.
        let answer = receive.read_to_end(1 << 20);
        let answered = tokio::select! {
            () = write => return Ok(()),
            answer = tokio::time::timeout(Duration::from_secs(12), answer) => answer,
        };
        match answered {
            Ok(Ok(answer)) if answer.len() > 4096 => Err("it was served".to_owned()),
            Ok(_) => Ok(()),
            Err(_) => Err(format!("{} octets of fields wait for more", octets.len())),
        }
    })
    .await
}

async fn qpack(target: Target) -> Outcome {
    // Set Dynamic Table Capacity of 1 MiB; then inserts, and an integer without end.
    let mut capacity = Vec::new();
    crate::wire::http2::integer(&mut capacity, 0x20, 5, 1 << 20);
    let insert = [&b"\x41a"[..], b"\x01b"].concat();
    for octets in [capacity, insert.repeat(100_000), vec![0xff; 100_000]] {
        let (_endpoint, connection, _control) = open(target).await?;
        let _stream = uni(&connection, QPACK_ENCODER, &octets).await;
    }
    // A required insert count that never comes (RFC 9204, 2.1.2).
    let (_endpoint, connection, _control) = open(target).await?;
    let opened = connection.open_bi().await;
    let (mut send, _receive) = opened.map_err(|error| format!("a stream: {error}"))?;
    send.write_all(&frame(HEADERS, &[0x7f, 0, 0x80])).await.ok();
    Ok(())
}

async fn control(target: Target) -> Outcome {
    let mut settings = Vec::new();
    for number in 0..50_000 {
        varint(&mut settings, 0x4000 + number);
        varint(&mut settings, number);
    }
    let grease = frame(0x21, &[7; 1000]).repeat(1000);
    let list = vec![
        ("settings without end", frame(SETTINGS, &settings), true),
        (
            "a frame that is far too long",
            [head(SETTINGS, 1 << 40), vec![0; 100_000]].concat(),
            true,
        ),
        ("two settings", frame(SETTINGS, &[]).repeat(2), true),
        ("DATA", [frame(SETTINGS, &[]), frame(DATA, b"x")].concat(), true),
        ("unknown frames", [frame(SETTINGS, &[]), grease].concat(), false),
    ];
    cases(list, move |(what, octets, ends)| async move {
        let (_endpoint, connection) = connect(target).await?;
        let _stream = uni(&connection, CONTROL, &octets).await;
        match ends {
            true => is_closed(&connection, what).await,
            false => Ok(()),
        }
    })
    .await?;
    let (_endpoint, connection) = connect(target).await?;
    let mut streams = Vec::new();
    for kind in 0..200 {
        let opened = uni(&connection, 0x21 + 0x1f * kind, &[7; 100]);
        let opened = tokio::time::timeout(Duration::from_millis(300), opened).await;
        let Ok(Ok(stream)) = opened else { break };
        streams.push(stream);
    }
    Ok(())
}

async fn data(target: Target) -> Outcome {
    all(4, move |number| async move {
        let (_endpoint, connection, _control) = open(target).await?;
        let piece = if number % 2 == 0 { Vec::new() } else { vec![7; 1 << 16] };
        let flood = frame(DATA, &piece).repeat(if piece.is_empty() { 50_000 } else { 200 });
        let octets = [frame(HEADERS, &request("/echo")), flood].concat();
        let opened = connection.open_bi().await;
        let (mut send, _receive) = opened.map_err(|error| format!("a stream: {error}"))?;
        tokio::time::timeout(Duration::from_secs(3), send.write_all(&octets)).await.ok();
        Ok(())
    })
    .await
}

async fn strangers(target: Target) -> Outcome {
    let socket = |error: std::io::Error| format!("a socket: {error}");
    let quic = target.quic.ok_or("the server speaks no HTTP/3")?;
    let here = (std::net::Ipv4Addr::LOCALHOST, 0);
    let sink = UdpSocket::bind(here).await.map_err(socket)?;
    let mute = UdpSocket::bind(here).await.map_err(socket)?;
    let nowhere = Target {
        quic: Some(Quic { address: sink.local_addr().map_err(socket)?, ..quic }),
        ..target
    };
    let endpoint = endpoint(nowhere)?;
    let mut packet = [0; 2048];
    let mut begun = Vec::new();
    for _ in 0..2000 {
        let connecting = endpoint.connect(sink.local_addr().map_err(socket)?, "localhost");
        begun.push(connecting.map_err(|error| error.to_string())?);
        // Or an old one once more, which is as good to the server.
        let len = within(PATIENCE, "a packet", sink.recv(&mut packet)).await?.map_err(socket)?;
        mute.send_to(&packet[..len], quic.address).await.map_err(socket)?;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Who hears the server comes in.
    open(target).await.map(|_| ())
}

async fn storm(target: Target) -> Outcome {
    for _ in 0..5 {
        all(40, move |number| async move {
            let (endpoint, connection) = connect(target).await?;
            if number % 2 == 0 {
                connection.close(0x100_u32.into(), b"");
                endpoint.wait_idle().await;
            }
            Ok(())
        })
        .await?;
    }
    // The others are gone without a word: they have until QUIC's idle time is over.
    Ok(())
}
