//! Echoes every message, behind hyper: `cargo run --example hyper [ADDRESS]`. Any path is a
//! WebSocket; a request that asks for none is told what is wrong.

use std::convert::Infallible;
use std::error::Error;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use omniwire_websocket::handshake::server::{self, Options};
use omniwire_websocket::{Config, Role, WebSocket, deflate};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("ws://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let http = http1::Builder::new();
            let connection = http.serve_connection(TokioIo::new(stream), service_fn(answer));
            if let Err(error) = connection.with_upgrades().await {
                eprintln!("{error}");
            }
        });
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let options = Options { deflate: Some(deflate::Config::default()), ..Options::default() };
    let accepted = match server::accept(&server::Request::new(&request), &options) {
        Ok(accepted) => accepted,
        Err(refusal) => return Ok(refusal.response()),
    };
    let config = Config { deflate: accepted.deflate.clone(), ..Config::default() };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Err(error) = echo(upgrade, config).await {
            eprintln!("{error}");
        }
    });
    Ok(accepted.response())
}

async fn echo(upgrade: OnUpgrade, config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut socket = open(upgrade.await?, config)?;
    while let Some(message) = socket.recv().await {
        let message = message?;
        if message.is_data() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

/// Without hyper in between: it gives its stream back, and what it has read of it.
fn open(
    upgraded: Upgraded,
    config: Config,
) -> Result<WebSocket<tokio::net::TcpStream>, Box<dyn Error + Send + Sync>> {
    let parts = upgraded
        .downcast::<TokioIo<tokio::net::TcpStream>>()
        .map_err(|_| "the stream is not the one that was given to hyper")?;
    Ok(WebSocket::from_parts(parts.io.into_inner(), Role::Server, config, parts.read_buf)?)
}
