//! A server on a free port, and clients that speak envelopes.

use omniwire::protocols::websocket::handshake::client;
use omniwire::protocols::websocket::{ClientStream, CloseCode, Config, Message, WebSocket};
use omniwire::{Builder, Omniwire};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// No event may take longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Serves in the background until the test ends.
pub(crate) async fn serve(builder: Builder) -> (Omniwire, SocketAddr) {
    let omniwire = builder.build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = omniwire.router();
    let served = omniwire.clone();
    tokio::spawn(async move {
        omniwire::serve(listener, router, &served, std::future::pending()).await.unwrap();
    });
    (omniwire, address)
}

/// Sends one HTTP request and gives the whole answer.
pub(crate) async fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = request.replace('\n', "\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    timeout(PATIENCE, read).await.expect("the answer came in time").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A client that speaks envelopes over a WebSocket.
pub(crate) struct Client {
    pub(crate) socket: WebSocket<ClientStream>,
    pub(crate) id: String,
}

impl Client {
    /// Connects and waits until it was let in.
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        let mut socket = open(address, path, "omniwire.json.v1").await;
        let open = read(&mut socket).await.unwrap();
        let id = open["open"]["peer"].as_str().expect("the first envelope is open").to_owned();
        Self { socket, id }
    }

    pub(crate) async fn send(&mut self, envelope: Value) {
        self.socket.send(Message::text(envelope.to_string())).await.unwrap();
    }

    /// The next envelope.
    pub(crate) async fn next(&mut self) -> Value {
        read(&mut self.socket).await.expect("an envelope, not the end")
    }

    /// Calls, and gives the reply; envelopes before it are dropped.
    pub(crate) async fn call(&mut self, event: &str, args: Value) -> Value {
        self.send(json!({"event": event, "args": args, "id": event})).await;
        loop {
            let envelope = self.next().await;
            if envelope["reply"] == event {
                return envelope;
            }
        }
    }

    /// Makes sure that nothing is on its way to it: what was said before comes before the answer.
    pub(crate) async fn hears_nothing(&mut self) {
        self.send(json!({"ping": "anything else?"})).await;
        assert_eq!(self.next().await, json!({"pong": "anything else?"}));
    }

    /// The code with which the server closes, after whatever it still says.
    pub(crate) async fn closed(&mut self) -> CloseCode {
        closed(&mut self.socket).await
    }
}

/// Opens a WebSocket with a subprotocol, or with none if it is empty.
pub(crate) async fn open(
    address: SocketAddr,
    path: &str,
    subprotocol: &str,
) -> WebSocket<ClientStream> {
    let url = format!("ws://{address}{path}");
    let subprotocols = Vec::from_iter((!subprotocol.is_empty()).then(|| subprotocol.to_owned()));
    let options = client::Options { subprotocols, ..client::Options::default() };
    let connect = omniwire::protocols::websocket::connect_with(&url, options, Config::default());
    timeout(PATIENCE, connect).await.expect("connected in time").unwrap()
}

async fn read(socket: &mut WebSocket<ClientStream>) -> Option<Value> {
    loop {
        match timeout(PATIENCE, socket.recv()).await.expect("a message in time")? {
            Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
            Ok(Message::Ping(_)) => {}
            Ok(other) => panic!("not text: {other:?}"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The code of the Close that comes.
pub(crate) async fn closed(socket: &mut WebSocket<ClientStream>) -> CloseCode {
    loop {
        match timeout(PATIENCE, socket.recv()).await.expect("the end in time") {
            Some(Ok(Message::Close(Some(close)))) => return close.code(),
            Some(Ok(_)) => {}
            other => panic!("no Close: {other:?}"),
        }
    }
}

/// Waits until something is so.
pub(crate) async fn until(mut so: impl FnMut() -> bool) {
    let polled = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, polled).await.expect("it became so in time");
}
