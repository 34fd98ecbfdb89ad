//! tokio-tungstenite on hyper, as quick as its API allows: all messages that are ready are fed,
//! then flushed at once. Rooms are broadcast channels.

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use omniwire_bench_peers::{Rooms, Service, listen};
use std::convert::Infallible;
use std::io;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::task::{LocalSet, spawn_local};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    LocalSet::new().run_until(accept()).await
}

async fn accept() -> io::Result<()> {
    let listener = listen().await?;
    let rooms = Rooms::default();
    loop {
        let (stream, _) = listener.accept().await?;
        spawn_local(serve(stream, rooms.clone()));
    }
}

async fn serve(stream: TcpStream, rooms: Rooms<Message>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        let response = answer(request, &rooms);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.with_upgrades().await {
        eprintln!("connection: {error}");
    }
}

fn answer(mut request: Request<Incoming>, rooms: &Rooms<Message>) -> Response<Empty<Bytes>> {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return status(StatusCode::UPGRADE_REQUIRED);
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    match Service::at(request.uri().path()) {
        Some(Service::Room(room)) => {
            // Before the answer, so that whoever has it misses nothing.
            let (room, heard) = rooms.join(&room);
            spawn_local(async move {
                if let Ok(upgraded) = upgrade.await {
                    finish(member(socket(upgraded).await, &room, heard).await);
                }
            });
        }
        Some(Service::Echo) => {
            spawn_local(async move {
                if let Ok(upgraded) = upgrade.await {
                    finish(echo(socket(upgraded).await).await);
                }
            });
        }
        _ => return status(StatusCode::NOT_FOUND),
    }
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn status(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}

async fn socket(upgraded: Upgraded) -> Socket {
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await
}

/// The generator drops its connections when it is done; anything else is worth a line.
fn finish(result: Result<(), Error>) {
    match result {
        Ok(()) | Err(Error::ConnectionClosed | Error::Io(_) | Error::Protocol(_)) => {}
        Err(error) => eprintln!("WebSocket: {error}"),
    }
}

async fn echo(mut socket: Socket) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        feed_data(&mut socket, message?).await?;
        while let Some(Some(message)) = socket.next().now_or_never() {
            feed_data(&mut socket, message?).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

async fn feed_data(socket: &mut Socket, message: Message) -> Result<(), Error> {
    if message.is_text() || message.is_binary() {
        socket.feed(message).await?;
    }
    Ok(())
}

async fn member(
    mut socket: Socket,
    room: &broadcast::Sender<Message>,
    mut heard: broadcast::Receiver<Message>,
) -> Result<(), Error> {
    loop {
        tokio::select! {
            said = socket.next() => match said {
                Some(message) => {
                    let message = message?;
                    if message.is_text() || message.is_binary() {
                        // We listen ourselves, so that somebody always does.
                        room.send(message).ok();
                    }
                }
                None => return Ok(()),
            },
            message = heard.recv() => {
                // A member that lags is dropped: messages may not be missing in between.
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
