//! A broadcast allocates nothing for each of its members: counted by the allocator, with no clock.
#![cfg(unix)]

use omniwire::{Namespace, NamespaceHandle, Omniwire, Origins, Peer, serve};
use omniwire_allocator as _;
use std::net::SocketAddr;
use std::time::Duration;
use tikv_jemalloc_ctl::thread::allocatedp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// No event may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_broadcast_allocates_nothing_for_each_member() {
    let (namespace, address) = open().await;
    let mut few = join(&namespace, address, "few", 10).await;
    let mut many = join(&namespace, address, "many", 200).await;
    // Lists that are kept for the next time have their size after the first.
    for _ in 0..3 {
        broadcast(&namespace, "few", &mut few).await;
        broadcast(&namespace, "many", &mut many).await;
    }
    let for_few = broadcast(&namespace, "few", &mut few).await;
    let for_many = broadcast(&namespace, "many", &mut many).await;
    assert!(for_few > 0, "the allocator counts");
    assert_eq!(for_many, for_few, "bytes, for 200 members and for 10");
}

async fn open() -> (NamespaceHandle, SocketAddr) {
    let lobby = Namespace::new("/").on_connect(|peer: Peer| async move {
        peer.join(peer.request().query_value("room").unwrap())
    });
    let builder = Omniwire::builder().origins(Origins::any()).namespace(lobby);
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
) -> Vec<TcpStream> {
    let mut members = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET /ws?room={room} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
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
    timeout(PATIENCE, async {
        while namespace.room_len(room) < count {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    members
}

/// Bytes that were allocated from the broadcast until all have been written to. The clients
/// read after that, into what they have.
async fn broadcast(namespace: &NamespaceHandle, room: &str, members: &mut [TcpStream]) -> u64 {
    let allocated = allocatedp::read().unwrap();
    let before = allocated.get();
    namespace.to(room).emit("news", "x").await.unwrap();
    let mut frame = [0; 3];
    let last = members.last_mut().unwrap();
    timeout(PATIENCE, last.readable()).await.unwrap().unwrap();
    let after = allocated.get();
    for member in members {
        timeout(PATIENCE, member.read_exact(&mut frame)).await.unwrap().unwrap();
        assert_eq!(frame, *b"\x81\x01x");
    }
    after - before
}
