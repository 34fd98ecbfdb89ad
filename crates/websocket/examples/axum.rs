//! Echoes every message at `/ws`, in an axum app: `cargo run --example axum [ADDRESS]`.

use std::error::Error;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use hyper_util::rt::TokioIo;
use omniwire_websocket::handshake::server::{self, Options};
use omniwire_websocket::{Config, Role, WebSocket};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("ws://{}/ws", listener.local_addr()?);
    let app = Router::new().route("/ws", any(upgrade));
    axum::serve(listener, app).await?;
    Ok(())
}

async fn upgrade(mut request: Request) -> Response {
    // Over HTTP/2, it is an extended CONNECT for this protocol.
    let protocol = request.extensions().get::<hyper::ext::Protocol>().cloned();
    let protocol = protocol.as_ref().map(hyper::ext::Protocol::as_str);
    let head = server::Request { protocol, ..server::Request::new(&request) };
    let accepted = match server::accept(&head, &Options::default()) {
        Ok(accepted) => accepted,
        Err(refusal) => return refusal.response::<String>().map(Body::from),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Err(error) = echo(upgrade).await {
            eprintln!("{error}");
        }
    });
    accepted.response()
}

async fn echo(upgrade: hyper::upgrade::OnUpgrade) -> Result<(), Box<dyn Error + Send + Sync>> {
    let io = TokioIo::new(upgrade.await?);
    let mut socket =
        WebSocket::from_parts(io, Role::Server, Config::default(), bytes::Bytes::new())?;
    while let Some(message) = socket.recv().await {
        let message = message?;
        if message.is_data() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
