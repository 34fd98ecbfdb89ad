//! Echoes every message, on bare TCP: `cargo run --release --example echo [ADDRESS]`.

use std::error::Error;

use omniwire_websocket::accept;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("ws://{}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = echo(stream).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn echo(stream: TcpStream) -> Result<(), omniwire_websocket::Error> {
    stream.set_nodelay(true)?;
    let mut socket = accept(stream).await?;
    while let Some(message) = socket.recv().await {
        match message {
            Ok(message) if message.is_data() => {
                // Queued only: everything that came in one read is answered in one write. But a
                // peer that does not read its answers is not read from either.
                socket.queue(message);
                if socket.buffered_amount() > 1 << 20 {
                    socket.flush().await?;
                }
            }
            Ok(_) => {}
            // Go on until `None`: the Close that says why is still to be delivered.
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(())
}
