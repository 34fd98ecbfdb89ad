//! socketioxide on axum. `echo` is acknowledged with its argument; `say` goes to all of the room
//! that the query names.

use axum::Router;
use omniwire_bench_peers::listen;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use std::io;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    // By default it has room for 128 packets, and what is more is lost.
    let (layer, io) = SocketIo::builder().max_buffer_size(PACKETS_MAX).build_layer();
    io.ns("/", async |socket: SocketRef| {
        let room = room_of(&socket);
        socket.join(room.clone());
        socket.on("echo", async |Data::<String>(text), ack: AckSender| {
            ack.send(&text).ok();
        });
        socket.on("say", async move |socket: SocketRef, Data::<String>(text)| {
            socket.within(room).emit("said", &text).await.ok();
        });
    });
    let listener = listen().await?;
    axum::serve(listener, Router::new().layer(layer)).await
}

/// What waits for one socket at most: all of a thousand members' messages, a few times over.
const PACKETS_MAX: usize = 1 << 13;

fn room_of(socket: &SocketRef) -> String {
    let query = socket.req_parts().uri.query().unwrap_or_default();
    let room = query.split('&').find_map(|pair| pair.strip_prefix("room="));
    room.unwrap_or_default().to_owned()
}
