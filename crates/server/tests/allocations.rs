//! A broadcast allocates nothing for each of its members, and who says nothing has little: counted
//! by the allocator, with no clock.
#![cfg(unix)]

use omniwire::protocols::websocket::deflate;
use omniwire::{
    Namespace, NamespaceHandle, Omniwire, Origins, Peer, SockJsMount, WebSocketMount, serve,
};
use omniwire_allocator as _;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::time::Duration;
use tikv_jemalloc_ctl::thread::{allocatedp, deallocatedp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// No event may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_broadcast_allocates_nothing_for_each_member() {
    assert_eq!(for_each("/ws", 0x81, "x").await, 0.0);
}

/// Each compression takes memory for what comes of it, so one is made for all. What a WebSocket
/// agreed upon is made anew whenever it has something to do.
#[tokio::test]
async fn a_broadcast_is_compressed_once_for_all_members() {
    // RFC 7692, 6: RSV1 says that it is compressed.
    let len = for_each("/deflate", 0xc1, &"x".repeat(2_000)).await;
    assert!(len <= 32.0, "{len} bytes");
}

/// Bytes that a broadcast of `text`, whose frames begin with this octet, takes for each member
/// more.
async fn for_each(path: &str, first: u8, text: &str) -> f64 {
    let (namespace, address) = open().await;
    let mut few = join(&namespace, address, "few", 10, path).await;
    let mut many = join(&namespace, address, "many", 200, path).await;
    // Lists that are kept for the next time have their size after the first.
    for _ in 0..3 {
        broadcast(&namespace, "few", &mut few, first, text).await;
        broadcast(&namespace, "many", &mut many, first, text).await;
    }
    let for_few = broadcast(&namespace, "few", &mut few, first, text).await;
    let for_many = broadcast(&namespace, "many", &mut many, first, text).await;
    assert!(for_few > 0, "the allocator counts");
    for_many.saturating_sub(for_few) as f64 / 190.0
}

/// How a client of each protocol opens a connection that it then says nothing on.
struct Opening {
    protocol: &'static str,
    path: &'static str,
    headers: &'static str,
    /// What follows the handshake at once.
    says: &'static str,
    /// Bytes of the server's that stay for each, in pieces as the allocator hands them out, the
    /// namespace's, the room's and the timers' tables included.
    len_max: u64,
}

const OPENINGS: [Opening; 5] = [
    Opening { protocol: "raw", path: "/ws?", headers: "", says: "", len_max: 476 },
    Opening {
        protocol: "envelopes",
        path: "/ws?",
        headers: "Sec-WebSocket-Protocol: omniwire.json.v1\r\n",
        says: "",
        len_max: 476,
    },
    Opening {
        protocol: "Socket.IO",
        path: "/socket.io/?EIO=4&transport=websocket&",
        headers: "",
        says: "40",
        len_max: 832,
    },
    Opening {
        protocol: "SignalR",
        path: "/signalr?",
        headers: "",
        says: "{\"protocol\":\"json\",\"version\":1}\x1e",
        len_max: 732,
    },
    Opening {
        protocol: "SockJS",
        path: "/sockjs-raw/000/c00000000/websocket?",
        headers: "",
        says: "",
        len_max: 604,
    },
];

/// Clients here are bare sockets, which take nothing from the allocator.
#[tokio::test]
async fn an_idle_connection_in_a_room_is_small() {
    let held = || allocatedp::read().unwrap().get() - deallocatedp::read().unwrap().get();
    for opening in OPENINGS {
        let (namespace, address) = open().await;
        let mut sockets = Vec::with_capacity(FEW + MANY);
        for _ in 0..FEW {
            sockets.push(opening.open(address));
        }
        wait_for(|| namespace.room_len("r") == FEW).await;
        settle().await;
        let before = held();
        for _ in 0..MANY {
            sockets.push(opening.open(address));
        }
        wait_for(|| namespace.room_len("r") == FEW + MANY).await;
        settle().await;
        let len = held().saturating_sub(before) / MANY as u64;
        let Opening { protocol, len_max, .. } = opening;
        assert!((1..=len_max).contains(&len), "{protocol}: {len} bytes, not {len_max}");
    }
}

/// Enough to fill the tables that grow by doubling about as far as before.
const FEW: usize = 110;
const MANY: usize = 110;

impl Opening {
    fn open(&self, address: SocketAddr) -> std::net::TcpStream {
        let Self { path, headers, says, .. } = self;
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head = format!(
            "GET {path}room=r HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        if !says.is_empty() {
            // Masked by zeros (RFC 6455, 5.3).
            let mut frame = vec![0x81, 0x80 | says.len() as u8, 0, 0, 0, 0];
            frame.extend_from_slice(says.as_bytes());
            stream.write_all(&frame).unwrap();
        }
        stream
    }
}

/// What opened the connections, hyper's tasks among others, ends within some turns.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

async fn wait_for(is_so: impl Fn() -> bool) {
    timeout(PATIENCE, async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

async fn open() -> (NamespaceHandle, SocketAddr) {
    let lobby = Namespace::new("/").on_connect(|peer: Peer| async move {
        peer.join(peer.request().query_value("room").unwrap())
    });
    let builder = Omniwire::builder().origins(Origins::any()).namespace(lobby);
    let builder = builder.mount("/sockjs-raw", SockJsMount::new("/").raw());
    let deflate = WebSocketMount::new("/").deflate(deflate::Config::default());
    let builder = builder.mount("/deflate", deflate);
    let omniwire = builder.build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let namespace = omniwire.namespace("/").unwrap();
    tokio::spawn(async move {
        serve(listener, omniwire.router(), &omniwire, std::future::pending()).await.unwrap();
    });
    (namespace, address)
}

async fn join(
    namespace: &NamespaceHandle,
    address: SocketAddr,
    room: &str,
    count: usize,
    path: &str,
) -> Vec<TcpStream> {
    let mut members = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET {path}?room={room} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        members.push(stream);
    }
    // Its answer may come before it is in its room.
    wait_for(|| namespace.room_len(room) >= count).await;
    members
}

/// Bytes that were allocated from the broadcast until all have been written to. The clients
/// read after that, into what they have.
async fn broadcast(
    namespace: &NamespaceHandle,
    room: &str,
    members: &mut [TcpStream],
    first: u8,
    text: &str,
) -> u64 {
    for member in members.iter() {
        // Else it counts as readable still, since it was.
        let nothing = member.try_read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(nothing, Err(ErrorKind::WouldBlock));
    }
    let allocated = allocatedp::read().unwrap();
    let before = allocated.get();
    namespace.to(room).emit("news", text).await.unwrap();
    for member in members.iter() {
        timeout(PATIENCE, member.readable()).await.unwrap().unwrap();
    }
    let after = allocated.get();
    for member in members {
        let (mut head, mut payload) = ([0; 2], [0; 125]);
        timeout(PATIENCE, member.read_exact(&mut head)).await.unwrap().unwrap();
        assert_eq!(head[0], first);
        let payload = &mut payload[..usize::from(head[1])];
        timeout(PATIENCE, member.read_exact(payload)).await.unwrap().unwrap();
    }
    after - before
}
