//! sockudo-ws over bare TCP, after its own example: all messages that are ready are fed, then
//! flushed at once. Rooms are broadcast channels.

use bytes::BytesMut;
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use omniwire_bench_peers::{Rooms, Service, listen};
use sockudo_ws::error::{Error, Result};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::Message;
use sockudo_ws::{CompressedWebSocketStream, Config, DeflateConfig, WebSocketStream};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

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

async fn serve(stream: TcpStream, rooms: &Rooms<Message>) -> Result<()> {
    let (stream, service) = shake_hands(stream).await?;
    let config = Config::builder().max_message_size(MESSAGE_LEN_MAX).build();
    match service {
        Some(Service::Room(room)) => {
            member(WebSocketStream::server(stream, config), rooms, &room).await
        }
        Some(Service::EchoDeflate) => {
            echo(CompressedWebSocketStream::server(stream, config, deflate())).await
        }
        _ => echo(WebSocketStream::server(stream, config)).await,
    }
}

async fn shake_hands(mut stream: TcpStream) -> Result<(TcpStream, Option<Service>)> {
    let mut octets = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut octets).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        let Some((request, _)) = parse_request(&octets)? else { continue };
        let service = Service::at(&request.path);
        let extension = (service == Some(Service::EchoDeflate)).then_some(EXTENSION);
        let accept = generate_accept_key(request.key);
        stream.write_all(&build_response(&accept, None, extension)).await?;
        return Ok((stream, service));
    }
}

/// Without context takeover, as the generator asks for.
fn deflate() -> DeflateConfig {
    DeflateConfig {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        ..DeflateConfig::default()
    }
}

const EXTENSION: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// More than any case has.
const MESSAGE_LEN_MAX: usize = 4 << 20;

async fn echo<S>(mut socket: S) -> Result<()>
where
    S: Stream<Item = Result<Message>> + Sink<Message, Error = Error> + Unpin,
{
    while let Some(message) = socket.next().await {
        feed_data(&mut socket, message?).await?;
        while let Some(Some(message)) = socket.next().now_or_never() {
            feed_data(&mut socket, message?).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

async fn feed_data<S>(socket: &mut S, message: Message) -> Result<()>
where
    S: Sink<Message, Error = Error> + Unpin,
{
    if matches!(message, Message::Text(_) | Message::Binary(_)) {
        socket.feed(message).await?;
    }
    Ok(())
}

async fn member(
    mut socket: WebSocketStream<TcpStream>,
    rooms: &Rooms<Message>,
    room: &str,
) -> Result<()> {
    let (room, mut heard) = rooms.join(room);
    loop {
        tokio::select! {
            said = socket.next() => match said {
                Some(message) => {
                    let message = message?;
                    if matches!(message, Message::Text(_) | Message::Binary(_)) {
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
