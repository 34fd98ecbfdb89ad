//! A server on the crate `omniwire-websocket` alone, as its users write one: a task for each
//! connection on one thread. It serves `/echo`, `/echo-deflate` and `/room/NAME`, where a message
//! goes to all members of the room, its sender too, in one frame that all share.
#![forbid(unsafe_code)]

use omniwire_websocket::handshake::server::Options;
use omniwire_websocket::{
    CloseCode, Config, Connection, Error, Message, MessageRef, PreparedMessage, WebSocket,
    accept_with, deflate,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io::{self, Write};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

type Rooms = Rc<RefCell<HashMap<String, Room>>>;
type Room = Rc<RefCell<Vec<Rc<Member>>>>;

/// A peer that does not read what a room says is closed; one that does not read its answers is not
/// read from either, by [`WebSocket::visit`].
const UNREAD_LEN_MAX: usize = 4 << 20;

fn main() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve())
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
    // In a task of its own, which holds no room for the handshake.
    match path.strip_prefix("/room/") {
        Some(room) => {
            let room = Rc::clone(rooms.borrow_mut().entry(room.to_owned()).or_default());
            spawn_local(member(socket, room));
        }
        None => {
            spawn_local(echo(socket));
        }
    }
    Ok(())
}

#[expect(
    clippy::manual_async_fn,
    reason = "an async fn holds its parameter twice: as it came, and as it is used"
)]
fn echo(mut socket: WebSocket<TcpStream>) -> impl Future<Output = Result<(), Error>> {
    async move {
        // Everything that came in one read is answered in one write.
        let echo = |message: MessageRef<'_>, replies: &mut Connection| {
            if message.is_data() {
                replies.queue_ref(message);
            }
        };
        socket.visit(echo).await
    }
}

/// One of a room. Whoever publishes writes to it at once, and need not wake its task.
struct Member {
    socket: RefCell<WebSocket<TcpStream>>,
    /// Wakes its task, which writes what the stream does not take at once.
    task: RefCell<Waker>,
}

/// A member's place in its room, given up when its task ends.
struct Place {
    room: Room,
    member: Rc<Member>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.borrow_mut().retain(|member| !Rc::ptr_eq(member, &self.member));
    }
}

async fn member(socket: WebSocket<TcpStream>, room: Room) -> Result<(), Error> {
    let task = RefCell::new(Waker::noop().clone());
    let member = Rc::new(Member { socket: RefCell::new(socket), task });
    room.borrow_mut().push(Rc::clone(&member));
    let Place { room, member } = &Place { room, member };
    while let Some(said) = poll_fn(|context| member.poll_recv(context)).await {
        let said = said?;
        if said.is_data() {
            let said = PreparedMessage::new(said);
            room.borrow().iter().for_each(|member| member.send(&said));
        }
    }
    Ok(())
}

impl Member {
    fn poll_recv(&self, context: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        self.task.borrow_mut().clone_from(context.waker());
        self.socket.borrow_mut().poll_recv(context)
    }

    fn send(&self, said: &PreparedMessage) {
        let mut socket = self.socket.borrow_mut();
        if socket.buffered_amount() > UNREAD_LEN_MAX {
            return socket.start_close(CloseCode::TryAgainLater.into());
        }
        socket.queue_frames(said.frame().clone());
        // A stream that has failed says so to the member's own task, when it reads.
        let _ = socket.poll_flush(&mut Context::from_waker(&self.task.borrow()));
    }
}
