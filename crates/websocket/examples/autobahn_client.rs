//! Echoes to Autobahn's fuzzing server, case by case:
//! `cargo run --release --example autobahn_client [ws://127.0.0.1:9001]`.

use std::error::Error;

use omniwire_websocket::{CloseCode, connect};

const AGENT: &str = "omniwire-websocket";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9001".to_owned());
    let mut socket = connect(&format!("{url}/getCaseCount")).await?;
    let count = socket.recv().await.ok_or("no answer")??.into_payload();
    let count: u32 = std::str::from_utf8(&count)?.parse()?;
    for case in 1..=count {
        if let Err(error) = echo(&format!("{url}/runCase?case={case}&agent={AGENT}")).await {
            println!("{case}: {error}");
        }
    }
    let mut socket = connect(&format!("{url}/updateReports?agent={AGENT}")).await?;
    // Some fuzzing servers write their report and are gone.
    let _ = socket.close(CloseCode::Normal, "").await;
    Ok(())
}

async fn echo(url: &str) -> Result<(), omniwire_websocket::Error> {
    let mut socket = connect(url).await?;
    let mut result = Ok(());
    while let Some(message) = socket.recv().await {
        match message {
            Ok(message) if message.is_data() => socket.queue(message),
            Ok(_) => {}
            Err(error) => result = Err(error),
        }
    }
    result
}
