//! Peers that say too much, hear too little, or are no longer there.

use crate::attack::{Attack, Outcome, Target, all};
use crate::wire::frame::{BINARY, FIN, PING, TEXT, masked};
use crate::wire::socket::{End, Socket};
use std::time::Duration;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "vanished",
        what: "200 peers that are gone without a word",
        with: &["--limit", "ping_interval_ms=1500", "--limit", "ping_timeout_ms=1000"],
        without: &["--limit", "ping_timeout_ms=600000"],
        run: |target| Box::pin(vanished(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "vanished-small",
        what: "the same at /small, with that path's own heartbeat of 18 s",
        stays: "the heartbeat is the mount's own; `vanished` bites on the same defence",
        short: false,
        run: |target| Box::pin(vanished_small(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "never-read",
        what: "20 members of a broadcast that read nothing of 96 MiB",
        without: &[
            "--limit",
            "outbox_len_max=1000000000",
            "--limit",
            "outbox_count_max=1000000",
            "--limit",
            "write_timeout_ms=600000",
        ],
        growth_max_mib: 64,
        run: |target| Box::pin(never_read(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "never-read-tiny",
        what: "10 members of a broadcast that read nothing of 200,000 short messages",
        without: &["--limit", "outbox_count_max=10000000"],
        growth_max_mib: 40,
        run: |target| Box::pin(never_read_tiny(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "paused-reader",
        what: "10 peers that ask for 64 MiB each and read nothing of it for a while",
        stays: "a peer that takes nothing is not read from: no limit, but how a turn is made",
        growth_max_mib: 64,
        run: |target| Box::pin(paused_reader(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "stalled-reader",
        what: "10 peers that ask for much and never read it",
        with: &["--limit", "write_timeout_ms=2000"],
        without: &["--limit", "write_timeout_ms=600000"],
        growth_max_mib: 64,
        run: |target| Box::pin(stalled_reader(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "stalled-crowd",
        what: "60 peers that ask for 8 MiB each and read nothing of it",
        with: &["--limit", "outboxes_len_max=16777216", "--limit", "close_timeout_ms=1000"],
        without: &["--limit", "outboxes_len_max=1000000000"],
        // What the given up have not taken goes with their connections, a second later.
        growth_max_mib: 128,
        run: |target| Box::pin(stalled_crowd(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "ping-flood",
        what: "50,000 pings of 125 octets each from 4 peers",
        without: &["--limit", "control_burst_max=100000000"],
        run: |target| Box::pin(ping_flood(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "ping-noread",
        what: "the same from peers that read no pong",
        without: &["--limit", "control_burst_max=100000000"],
        run: |target| Box::pin(ping_noread(target)),
        ..Attack::DEFAULT
    },
    Attack {
        name: "idle-crowd",
        what: "1,000 idle WebSockets, 8 KiB each at most",
        stays: "what an idle connection is made of",
        growth_max_mib: 8,
        run: |target| Box::pin(idle_crowd(target)),
        ..Attack::DEFAULT
    },
];

async fn vanished(target: Target) -> Outcome {
    all(200, move |_| async move {
        let mut socket = Socket::open(target, "/broadcast").await?;
        socket.ends(Duration::from_secs(7)).await
    })
    .await
}

async fn vanished_small(target: Target) -> Outcome {
    all(200, move |_| async move {
        let mut socket = Socket::open(target, "/small").await?;
        socket.ends(Duration::from_secs(23)).await
    })
    .await
}

/// The broadcasts reach the good client's path never: it is at `/echo`.
async fn never_read(target: Target) -> Outcome {
    let mut members = Vec::new();
    for _ in 0..20 {
        members.push(Socket::open(target, "/broadcast").await?);
    }
    say(target, &masked(FIN | BINARY, &vec![7; 64 << 10]), 1536).await?;
    for member in &mut members {
        found_slow(member).await?;
    }
    Ok(())
}

async fn never_read_tiny(target: Target) -> Outcome {
    let mut members = Vec::new();
    for _ in 0..10 {
        members.push(Socket::open(target, "/broadcast").await?);
    }
    say(target, &masked(FIN | TEXT, &[b't'; 100]).repeat(100), 2000).await?;
    for member in &mut members {
        found_slow(member).await?;
    }
    Ok(())
}

/// Says something again and again, and reads what comes of it.
async fn say(target: Target, octets: &[u8], times: usize) -> Outcome {
    let mut speaker = Socket::open(target, "/broadcast").await?;
    let (mut reading, mut writing) = speaker.stream.split();
    let mut sink = tokio::io::sink();
    let read = tokio::io::copy(&mut reading, &mut sink);
    let write = async {
        for _ in 0..times {
            tokio::io::AsyncWriteExt::write_all(&mut writing, octets)
                .await
                .map_err(|error| format!("the speaker was closed: {error}"))?;
        }
        Ok(())
    };
    tokio::select! {
        _ = read => Err("the speaker's connection ended".to_owned()),
        written = write => written,
    }
}

/// What a slow member finds when it reads at last: its connection's end.
async fn found_slow(member: &mut Socket) -> Outcome {
    match member.end(Duration::from_secs(10)).await? {
        End::Close(1013) | End::Drop => Ok(()),
        end => Err(format!("a member that does not read was ended by {end:?}")),
    }
}

async fn paused_reader(target: Target) -> Outcome {
    all(10, move |_| async move {
        let mut socket = Socket::open(target, "/small").await?;
        let message = masked(FIN | BINARY, &vec![7; 1 << 20]);
        for _ in 0..64 {
            socket.flood(&message, Duration::from_millis(60)).await;
        }
        Ok(())
    })
    .await
}

async fn stalled_reader(target: Target) -> Outcome {
    all(10, move |_| async move {
        let mut socket = Socket::open(target, "/small").await?;
        let message = masked(FIN | BINARY, &vec![7; 1 << 20]);
        socket.flood(&message.repeat(32), Duration::from_secs(8)).await;
        // It has been dropped meanwhile: what the kernel still has is short, and ends.
        let rest = socket.ends(Duration::from_millis(500));
        rest.await.map_err(|_| "a peer that never reads was kept".to_owned())
    })
    .await
}

/// Each is far from its own limit. Those who were given up hear why if they read at last.
async fn stalled_crowd(target: Target) -> Outcome {
    let message = masked(FIN | BINARY, &vec![7; 1 << 20]);
    let mut crowd = Vec::new();
    let stall = async |_| {
        let mut socket = Socket::open_narrow(target, "/small").await?;
        // More than the server's kernel takes.
        socket.flood(&message.repeat(8), Duration::from_secs(1)).await;
        Outcome::Ok(socket)
    };
    for _ in 0..4 {
        crowd.extend(futures_util::future::try_join_all((0..15).map(stall)).await?);
    }
    let mut closed = 0;
    for mut socket in crowd {
        match socket.end(Duration::from_millis(200)).await {
            Ok(End::Close(1013) | End::Drop) => closed += 1,
            Ok(end) => return Err(format!("a peer that does not read was ended by {end:?}")),
            // It is among those that may stay.
            Err(_) => {}
        }
    }
    // The others together hold no more than all may.
    if closed >= 30 { Ok(()) } else { Err(format!("only {closed} of 60 were closed")) }
}

async fn ping_flood(target: Target) -> Outcome {
    all(4, move |number| async move {
        let path = if number % 2 == 0 { "/small" } else { "/broadcast" };
        let mut socket = Socket::open(target, path).await?;
        let flood = masked(FIN | PING, &[7; 125]).repeat(50_000);
        socket.flood(&flood, Duration::from_secs(5)).await;
        socket.closes(&[1008], Duration::from_secs(5)).await
    })
    .await
}

async fn ping_noread(target: Target) -> Outcome {
    all(20, move |_| async move {
        let mut socket = Socket::open(target, "/small").await?;
        let flood = masked(FIN | PING, &[7; 125]).repeat(20_000);
        socket.flood(&flood, Duration::from_secs(3)).await;
        socket.closes(&[1008], Duration::from_secs(5)).await
    })
    .await
}

async fn idle_crowd(target: Target) -> Outcome {
    let mut idle = Vec::new();
    for _ in 0..1000 {
        let mut socket = Socket::open(target, "/broadcast").await?;
        socket.send(&masked(FIN | PING, b"")).await.map_err(|error| error.to_string())?;
        idle.push(socket);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(())
}
