//! tokio-websockets over bare TCP: all messages that are ready are fed, then flushed at once.
//! Rooms are broadcast channels.

use futures_util::{FutureExt, SinkExt, StreamExt};
use omniwire_bench_peers::{Rooms, Service, listen};
use std::io;
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};
use tokio_websockets::{Error, Message, ServerBuilder, WebSocketStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    LocalSet::new().run_until(accept()).await
}

async fn accept() -> io::Result<()> {
    let listener = listen().await?;
    let rooms = Rooms::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let rooms = rooms.clone();
        spawn_local(async move {
            // The generator drops its connections when it is done.
            serve(stream, &rooms).await.ok();
        });
    }
}

async fn serve(stream: TcpStream, rooms: &Rooms<Message>) -> Result<(), Error> {
    let (request, socket) = ServerBuilder::new().accept(stream).await?;
    match Service::at(request.uri().path()) {
        Some(Service::Room(room)) => member(socket, rooms, &room).await,
        _ => echo(socket).await,
    }
}

async fn echo(mut socket: WebSocketStream<TcpStream>) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        feed_data(&mut socket, message?).await?;
        while let Some(Some(message)) = socket.next().now_or_never() {
            feed_data(&mut socket, message?).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

async fn feed_data(socket: &mut WebSocketStream<TcpStream>, message: Message) -> Result<(), Error> {
    if message.is_text() || message.is_binary() {
        socket.feed(message).await?;
    }
    Ok(())
}

async fn member(
    mut socket: WebSocketStream<TcpStream>,
    rooms: &Rooms<Message>,
    room: &str,
) -> Result<(), Error> {
    let (room, mut heard) = rooms.join(room);
    loop {
        tokio::select! {
            said = socket.next() => match said {
                Some(message) => {
                    let message = message?;
                    if message.is_text() || message.is_binary() {
                        room.send(message).ok();
                    }
                }
                None => return Ok(()),
            },
            message = heard.recv() => {
                let Ok(message) = message else { return Ok(()) };
                socket.feed(message).await?;
                while let Ok(message) = heard.try_recv() {
                    socket.feed(message).await?;
                }
                socket.flush().await?;
            }
        }
    }
}
