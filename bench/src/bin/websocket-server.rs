//! A server on the crate `omniwire-websocket` alone, as its users write one: a task for each
//! connection on one thread. It serves `/echo`, `/echo-deflate` and `/room/NAME`, where a message
//! goes to all members of the room, its sender too, in one frame that all share.
#![forbid(unsafe_code)]

use bytes::Bytes;
use omniwire_websocket::handshake::server::Options;
use omniwire_websocket::{
    Config, Error, Message, PreparedMessage, WebSocket, accept_with, deflate,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::{LocalSet, spawn_local};

type Rooms = Rc<RefCell<HashMap<String, broadcast::Sender<Bytes>>>>;

/// Messages that a member may lag behind.
const ROOM_LEN: usize = 4096;

/// A peer that does not read its answers is not read from either.
const UNREAD_LEN_MAX: usize = 4 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    LocalSet::new().run_until(serve()).await
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {}", listener.local_addr()?)?;
    out.flush()?;
    let rooms = Rooms::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let rooms = Rc::clone(&rooms);
        spawn_local(async move {
            // The generator drops its connections when it is done.
            connection(stream, &rooms).await.ok();
        });
    }
}

async fn connection(stream: TcpStream, rooms: &Rooms) -> Result<(), Error> {
    let mut path = String::new();
    let socket = accept_with(stream, Config::default(), |request| {
        request.uri().path().clone_into(&mut path);
        let deflate = (path == "/echo-deflate").then(|| deflate::Config {
            server_context_takeover: false,
            client_context_takeover: false,
            ..deflate::Config::default()
        });
        Ok(Options { deflate, ..Options::default() })
    })
    .await?;
    match path.strip_prefix("/room/") {
        Some(room) => member(socket, rooms, room).await,
        None => echo(socket).await,
    }
}

async fn echo(mut socket: WebSocket<TcpStream>) -> Result<(), Error> {
    while let Some(message) = socket.recv().await {
        let message = message?;
        if message.is_data() {
            // Queued only: everything that came in one read is answered in one write.
            socket.queue(message);
            if socket.buffered_amount() > UNREAD_LEN_MAX {
                socket.flush().await?;
            }
        }
    }
    Ok(())
}

async fn member(mut socket: WebSocket<TcpStream>, rooms: &Rooms, room: &str) -> Result<(), Error> {
    let room = rooms
        .borrow_mut()
        .entry(room.to_owned())
        .or_insert_with(|| broadcast::channel(ROOM_LEN).0)
        .clone();
    let mut heard = room.subscribe();
    loop {
        tokio::select! {
            said = socket.recv() => match said {
                Some(said) => publish(&room, said?),
                None => return Ok(()),
            },
            frame = heard.recv() => {
                // A member that lags is dropped: messages may not be missing in between.
                let Ok(frame) = frame else { return Ok(()) };
                socket.queue_frames(frame);
                while let Ok(frame) = heard.try_recv() {
                    socket.queue_frames(frame);
                }
                socket.flush().await?;
            }
        }
    }
}

fn publish(room: &broadcast::Sender<Bytes>, message: Message) {
    if message.is_data() {
        // We listen ourselves, so that somebody always does.
        room.send(PreparedMessage::new(message).frame().clone()).ok();
    }
}
