//! fastwebsockets on hyper, after its own example. Its API writes each frame by itself. Rooms are
//! broadcast channels, with a task that reads and one that writes, since its reads may not be
//! cancelled.

use bytes::Bytes;
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError, upgrade,
};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use omniwire_bench_peers::{Rooms, Service, listen};
use std::io;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
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
        spawn_local(serve(stream, rooms.clone()));
    }
}

async fn serve(stream: TcpStream, rooms: Rooms<Bytes>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        let answer = answer(request, &rooms);
        async move { answer }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.with_upgrades().await {
        eprintln!("connection: {error}");
    }
}

fn answer(
    mut request: Request<Incoming>,
    rooms: &Rooms<Bytes>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let Some(service) = Service::at(request.uri().path()) else {
        let mut response = Response::new(Empty::new());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    };
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    match service {
        // The generator drops its connections when it is done.
        Service::Room(room) => {
            let (room, heard) = rooms.join(&room);
            drop(spawn_local(async move { drop(member(upgraded, room, heard).await) }));
        }
        _ => drop(spawn_local(tokio::task::unconstrained(async move {
            drop(echo(upgraded).await);
        }))),
    }
    Ok(response)
}

async fn echo(upgraded: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = upgraded.await?;
    socket.set_writev(true);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn member(
    upgraded: upgrade::UpgradeFut,
    room: broadcast::Sender<Bytes>,
    mut heard: broadcast::Receiver<Bytes>,
) -> Result<(), WebSocketError> {
    let (reader, mut writer) = upgraded.await?.split(tokio::io::split);
    spawn_local(async move {
        while let Ok(message) = heard.recv().await {
            let frame = Frame::text(Payload::Borrowed(&message));
            if writer.write_frame(frame).await.is_err() {
                return;
            }
        }
    });
    let mut reader = FragmentCollectorRead::new(reader);
    loop {
        let frame = reader.read_frame(&mut |_| async { Ok::<_, WebSocketError>(()) }).await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => {
                room.send(Bytes::copy_from_slice(&frame.payload)).ok();
            }
            _ => {}
        }
    }
}
